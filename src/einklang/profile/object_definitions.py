"""`kind: object`: which events make an object, by which key, its states, fields, validity, money and owner.

The kinds of `BUILT_IN` are there without a definition; one of the same id takes the place of its whole.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from einklang.expr import type_of
from einklang.fact.strict import convert
from einklang.kernel.errors import InputError
from einklang.profile.strategies import STRATEGIES

RESERVED = ("id", "state", "began_at", "changed_at", "state_since", "valid_from", "valid_until")


class RawRule(msgspec.Struct, forbid_unknown_fields=True):
    """What one event does to an object. each: a list property, each of whose elements speaks of an object of its own.

    take: field -> property, where an event names it differently.
    """

    state: str | None = None
    state_from: str = ""
    key: str = ""
    each: str = ""
    take: dict[str, str] = {}


class RawField(msgspec.Struct, forbid_unknown_fields=True):
    """The type of a field, the property it comes from, the events it comes from, and how several values become one."""

    type: str = "dyn"
    source: str = msgspec.field(name="from", default="")
    of: str | list[str] = []
    merge: str = "last"
    sources: list[str] = []


class RawValid(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The fields between which an object is valid."""

    start: str = msgspec.field(name="from", default="")
    end: str = msgspec.field(name="until", default="")


class RawObject(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A kind of business objects. money: the field that says what one is worth; owner: `person` or a type of groups."""

    kind: str
    id: str
    key: str
    events: dict[str, RawRule | str | None]
    fields: dict[str, RawField | str] = {}
    states: list[str] = []
    valid: RawValid = RawValid()
    money: str = ""
    owner: str = "person"
    title: Any = None
    note: str | None = None


def parse_object(doc: dict[str, Any], where: str) -> RawObject:
    """A definition of a kind of objects. Raises InputError with the field and the mend."""
    raw = convert(doc, RawObject, where)
    if not raw.key.strip():
        raise InputError("no_key", "no key", where=f"{where}.key", mend="name the property that tells objects apart")
    if not raw.events:
        raise InputError("no_events", "no event makes it", where=f"{where}.events", mend="name at least one event")
    _states(raw, where)
    _fields(raw, where)
    return raw


def _states(raw: RawObject, where: str) -> None:
    for name, rule in raw.events.items():
        state = rule if isinstance(rule, str) else rule.state if rule is not None else None
        if state is not None and raw.states and state not in raw.states:
            raise InputError(
                "unknown_state",
                f"unknown state {state[:40]!r}",
                where=f"{where}.events.{name}",
                mend="use one of: " + ", ".join(raw.states),
            )


def _fields(raw: RawObject, where: str) -> None:
    known = set(raw.events)
    for name, spec in raw.fields.items():
        place = f"{where}.fields.{name}"
        if name in RESERVED:
            raise InputError(
                "reserved_word",
                f"every object has {name!r}",
                where=place,
                mend="choose another name, such as my_" + name,
            )
        made = RawField(type=spec) if isinstance(spec, str) else spec
        try:
            type_of(made.type)
        except InputError as error:
            raise InputError(error.code, error.what, where=place, mend=error.mend) from error
        check_strategy(made.merge, f"{place}.merge")
        _one_of([made.of] if isinstance(made.of, str) else made.of, known, "event", f"{place}.of")
    for field_, said in (("valid.from", raw.valid.start), ("valid.until", raw.valid.end), ("money", raw.money)):
        _one_of([said] if said else [], set(raw.fields), "field", f"{where}.{field_}")
    for name, rule in raw.events.items():
        if isinstance(rule, RawRule):
            _one_of(rule.take, set(raw.fields), "field", f"{where}.events.{name}.take")


def _one_of(names: Iterable[str], known: set[str], kind: str, where: str) -> None:
    for name in names:
        if name not in known:
            mend = "use one of: " + ", ".join(sorted(known)) if known else f"declare it under `{kind}s`"
            raise InputError(f"unknown_{kind}", f"unknown {kind} {name[:40]!r}", where=where, mend=mend)


def check_strategy(name: str, where: str) -> None:
    """Raises InputError `unknown_strategy`."""
    if name not in STRATEGIES:
        raise InputError(
            "unknown_strategy", f"unknown merge {name[:40]!r}", where=where, mend="use one of: " + " ".join(STRATEGIES)
        )
