"""The columns of an export: what each says of a person, of what type it is, and how private.

person_id  since                         the id; since when a member
email  userId  ...                       all identifiers of a kind
trait.NAME  trait.address.city           a trait, computed ones too
stage.ID  score.ID  segment.ID           as the language has them
consent.CHANNEL.PURPOSE                  whether the ledger permits it now
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Any

import polars as pl

from einklang.app.definitions import Definitions
from einklang.app.working import to_json
from einklang.expr import Condition, ExprError, Scope, as_json, check, compile_one
from einklang.expr.numbers import number_of
from einklang.fact.column import CONTENT, IDENTIFIER, PSEUDONYM
from einklang.kernel.errors import Conflict, InputError

COLUMNS_MAX = 100
PERSON, SINCE = "person_id", "since"
#: Traits that name or reach a person, unless their definition says otherwise.
_NAMES = re.compile(
    r"(?i)(e-?mail|phone|mobile|fax|name|first_?name|last_?name|given_?name|family_?name|address(\..*)?|street|"
    r"postal_?code|birthday|birth_?date|username|iban|title|avatar|website)"
)
_SITE = "trait.value"
#: Numbers have 29 digits before the point and 9 after it, as everywhere in the language.
_NINTH, _EXACT = Decimal("1e-9"), Context(prec=38)
#: role -> the classes that it may export. There is one role of staff; a server key and the command line act for it.
MAY: dict[str, frozenset[str]] = dict.fromkeys(
    ("admin", "server", "command line", "destination"), frozenset({"none", PSEUDONYM, CONTENT, IDENTIFIER})
)


@dataclass(frozen=True, slots=True)
class Column:
    """A column. kind: text, number, bool, moment, day, list; identifier: its kind; rule: what gives it."""

    name: str
    kind: str
    privacy: str
    identifier: str = ""
    rule: Condition | None = None

    @property
    def whole(self) -> bool:
        """Whether it takes the history of a person."""
        return self.rule is not None and bool(
            self.rule.needs.events or self.rule.needs.all_events or self.rule.needs.journeys or self.rule.needs.groups
        )

    def dtype(self) -> Any:
        """Its type in a frame, the same whatever it holds."""
        types: dict[str, Any] = {
            "number": pl.Decimal(38, 9), "bool": pl.Boolean, "moment": pl.Datetime("us", "UTC"), "day": pl.Date,
            "list": pl.List(pl.String),
        }  # fmt: skip
        return types.get(self.kind, pl.String)


def columns_of(definitions: Definitions, names: Sequence[str], where: str) -> list[Column]:
    """The columns of these names. Raises InputError for one that does not exist."""
    if not names or len(names) > COLUMNS_MAX:
        mend = f"name 1 to {COLUMNS_MAX}"
        raise InputError("bad_columns", f"{len(names)} columns", where=where, mend=mend)
    return [_column(definitions, name, where) for name in dict.fromkeys(names)]


def check_role(columns: Iterable[tuple[str, str]], role: str) -> None:
    """Raises Conflict `export_not_allowed` where the role may not export a column (name, class)."""
    may = MAY.get(role, frozenset())
    for column, privacy in columns:
        if privacy not in may:
            what = f"{column} is of the class `{privacy}`, which the role {role!r} may not export"
            raise Conflict("export_not_allowed", what, where="columns", mend="leave it out, or ask an administrator")


def _column(definitions: Definitions, name: str, where: str) -> Column:
    if name == PERSON:
        return Column(name, "text", PSEUDONYM)
    if name == SINCE:
        return Column(name, "moment", CONTENT)
    if name in definitions.identity.kinds:
        return Column(name, "list", IDENTIFIER, identifier=name)
    head, dot, rest = name.partition(".")
    texts = {"stage": 'stage("{}")', "score": 'score("{}")', "segment": 'segment("{}")'}
    text = ""
    if dot and rest and rest.isprintable() and '"' not in rest and "\\" not in rest:
        if head == "trait":
            declared = rest in (definitions.catalog.traits or {}) or "." not in rest
            text = f'trait["{rest}"]' if declared else f"trait.{rest}"
        elif head == "consent" and rest.count(".") == 1:
            channel, _, purpose = rest.partition(".")
            text = f'consent("{channel}", "{purpose}")'
        elif head in texts:
            text = texts[head].format(rest)
    if not text:
        known = [PERSON, SINCE, *definitions.identity.kinds, "trait.NAME", "stage.ID", "consent.CHANNEL.PURPOSE"]
        traits = [f"trait.{one}" for one in definitions.catalog.traits or {}]
        near = difflib.get_close_matches(name, [*known, *traits], 1)
        mend = f"did you mean {near[0]!r}?" if near else "use " + ", ".join(known)
        raise InputError("unknown_column", f"no column {name[:60]!r}", where=where, mend=mend)
    try:
        checked = check(text, Scope(_SITE, definitions.catalog))
    except ExprError as error:
        raise InputError(error.code, error.what, where=f"{where}: {name[:60]}", mend=error.mend) from error
    kinds = {"number": "number", "bool": "bool", "timestamp": "moment", "date": "day"}
    privacy = _privacy(definitions, rest) if head == "trait" else CONTENT
    return Column(name, kinds.get(checked.type.kind, "text"), privacy, rule=compile_one(checked))


def _privacy(definitions: Definitions, trait: str) -> str:
    """As its definition says; else by its name; what nobody declared may hold anything."""
    for name in (trait, trait.partition(".")[0]):
        doc, _ = definitions.docs.get(("trait", name), ({}, ""))
        if doc:
            return str(doc.get("privacy") or (IDENTIFIER if _NAMES.fullmatch(trait) else CONTENT))
    return IDENTIFIER


# --- cells ------------------------------------------------------------------------------------------------------------


def cell_of(column: Column, value: Any) -> Any:
    """What the rule of a column gives, as the column holds it."""
    assert column.rule is not None, "a rule gives it"
    if value is None or column.kind in ("moment", "day"):
        return value
    if column.kind == "number":
        number = number_of(value)
        return None if number is None else _EXACT.quantize(Decimal(number), _NINTH)
    if column.kind == "bool":
        return value if isinstance(value, bool) else None
    value = as_json(value, column.rule.checked.type)
    return value if isinstance(value, str) else to_json(value)
