"""The tracking plan: what the properties of an event must be like, as JSON Schema (2020-12).

A schema reads nothing from elsewhere (`$ref` within itself only), and its patterns run in linear time. What is found is
said by path and rule; the value that is wrong is never repeated.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import jsonschema_rs
import msgspec

from einklang.kernel.errors import InputError

#: What becomes of an event that breaks its schema: folded with a mark in `context.violations`, or a dead letter.
MARK, DEAD_LETTER = "mark", "dead_letter"
ON_VIOLATION = (MARK, DEAD_LETTER)
VIOLATIONS_MAX = 10
SCHEMA_BYTES_MAX = 64 * 1024
_PATH_CHARS_MAX = 200


class Violation(msgspec.Struct, frozen=True):
    """Where an event breaks its schema. path: such as `products[0].price`, "" for the whole; rule: such as `required`.

    missing: the property that is not there.
    """

    path: str
    rule: str
    missing: str = ""

    def __str__(self) -> str:
        place = self.path or "properties"
        return f"{place}: {self.rule}" + (f" {self.missing}" if self.missing else "")


class EventSchema:
    """The schema of one event in force. version: of its definition."""

    __slots__ = ("_validator", "event", "on_violation", "version")

    def __init__(self, event: str, version: int, schema: Any, on_violation: str, where: str) -> None:
        """Raises InputError `bad_schema`, `unknown_value`."""
        self.event = event
        self.version = version
        self.on_violation = on_violation
        if on_violation not in ON_VIOLATION:
            raise InputError(
                "unknown_value", f"unknown on_violation {on_violation[:40]!r}", where=f"{where}.on_violation",
                mend="use one of: " + " ".join(ON_VIOLATION),
            )  # fmt: skip
        if len(msgspec.json.encode(schema, enc_hook=str)) > SCHEMA_BYTES_MAX:
            raise InputError(
                "too_large",
                "the schema is too large",
                where=f"{where}.schema",
                mend=f"at most {SCHEMA_BYTES_MAX} bytes",
            )
        try:
            self._validator = jsonschema_rs.Draft202012Validator(
                schema, pattern_options=jsonschema_rs.RegexOptions(), offline=True
            )
        except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError, TypeError) as error:
            what = str(error).split("\n")[0][:200]
            raise InputError(
                "bad_schema", what, where=f"{where}.schema",
                mend="write a JSON Schema (2020-12); $ref within itself, patterns without look-around",
            ) from error  # fmt: skip

    def violations(self, properties: Mapping[str, Any]) -> list[Violation]:
        """Where the properties break the schema, the first ten; empty if they do not."""
        try:
            if self._validator.is_valid(properties):
                return []
            found = [_violation(error) for error in self._validator.iter_errors(properties)]
        except ValueError:
            return [Violation("", "unreadable")]
        return sorted(set(found), key=lambda one: (one.path, one.rule, one.missing))[:VIOLATIONS_MAX]


def _violation(error: Any) -> Violation:
    path = ""
    for part in error.instance_path:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    rule = str(error.kind.name)
    missing = str(getattr(error.kind, "property", "")) if rule == "required" else ""
    return Violation(path[:_PATH_CHARS_MAX], rule, missing.strip('"')[:_PATH_CHARS_MAX])


def kind_of_value(value: Any) -> str:
    """The type of a JSON value, as the catalog of discovered events names it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | Decimal):
        return "number"
    if isinstance(value, str):
        return "string"
    return "list" if isinstance(value, list) else "map"


_SHAPE_CHARS_MAX = 24


def shape_of(value: Any) -> str | None:
    """How a value looks, without the value: each letter as `a` or `A`, each digit as `9`, others as they are; cut.

    None for what shows nothing: maps and lists, null.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | Decimal):
        value = str(value)
    if not isinstance(value, str):
        return None
    shown = "".join(_sign(sign) for sign in value[:_SHAPE_CHARS_MAX])
    return shown + ("…" if len(value) > _SHAPE_CHARS_MAX else "")


def _sign(sign: str) -> str:
    if sign.isdigit():
        return "9"
    if sign.isalpha():
        return "A" if sign.isupper() else "a"
    return sign if sign.isascii() and sign.isprintable() else "·"
