"""`kind: identity`: the kinds of identifier, as a definition. One document without id, laid over the built-in kinds."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from einklang.fact.strict import convert
from einklang.identity.rules import ACCOUNT, DEFAULT_RULES, DEVICE, EVIDENCE, PRIORITY_MAX, Kind, Rules
from einklang.kernel.errors import InputError

LIMIT_MAX = 1_000
_BLOCKED_MAX = 200
_PATTERN_CHARS_MAX = 200
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")
#: Names that mean something else where identifiers stand.
_TAKEN = frozenset({"person", "previousId", "groupId", "messageId"})


class RawKind(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One kind. unique: a person has one, and two different ones keep persons apart. limit: how many a person may have.

    blocked: values that name nobody; `*` stands for anything.
    """

    priority: int | None = None
    unique: bool | None = None
    limit: int | None = None
    blocked: list[str] = []


class RawIdentity(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """kinds: by name. blocked: values of any kind that name nobody. evidence: kinds of recognition, weakest first."""

    kind: str
    id: str = "default"
    kinds: dict[str, RawKind] = {}
    blocked: list[str] = []
    alias_limit: int | None = None
    evidence: list[str] | None = None
    title: Any = None
    note: str | None = None


def _between(value: int, least: int, most: int, where: str) -> int:
    if not least <= value <= most:
        raise InputError("out_of_range", f"{value} is out of range", where=where, mend=f"write {least} to {most}")
    return value


def _pattern(patterns: list[str], where: str) -> re.Pattern[str] | None:
    """One regular expression for values with `*`, None for none."""
    if not patterns:
        return None
    if len(patterns) > _BLOCKED_MAX:
        raise InputError("too_many", f"{len(patterns)} values", where=where, mend=f"write at most {_BLOCKED_MAX}")
    for n, text in enumerate(patterns):
        if not text.strip("* ") or len(text) > _PATTERN_CHARS_MAX:
            mend = f"write a value such as info@*, at most {_PATTERN_CHARS_MAX} characters"
            raise InputError("bad_pattern", f"{text[:40]!r} would block everything", where=f"{where}[{n}]", mend=mend)
    told = "|".join(".*".join(re.escape(part) for part in re.split(r"\*+", text.strip())) for text in patterns)
    return re.compile(told, re.IGNORECASE | re.DOTALL)


def _kind(name: str, raw: RawKind, where: str) -> Kind:
    if not _NAME.fullmatch(name) or name in _TAKEN:
        raise InputError("bad_kind", f"no kind can be called {name[:40]!r}", where=where, mend="letters, digits and _")
    known = DEFAULT_RULES.kinds.get(name)
    if raw.priority is None and known is None:
        mend = f"add `priority: 1` to {PRIORITY_MAX}; userId has 40, email 30, phone 20"
        raise InputError("missing_field", "a new kind has a priority", where=where, mend=mend)
    if raw.unique and raw.limit not in (None, 1):
        raise InputError("contradiction", "`unique` is a limit of 1", where=f"{where}.limit", mend="leave one out")
    limit = known.limit if known is not None else 1
    if raw.unique is False and limit == 1:
        limit = 10
    if raw.unique:
        limit = 1
    limit = raw.limit if raw.limit is not None else limit
    if name == DEVICE and (raw.unique or limit == 1):
        mend = "leave it out: a device is signed in, it joins nobody"
        raise InputError("contradiction", "a device is never unique", where=where, mend=mend)
    if name == ACCOUNT and limit != 1:
        mend = "leave it out: two user ids are joined by an alias or by staff alone"
        raise InputError("contradiction", "userId is unique", where=where, mend=mend)
    priority = raw.priority if raw.priority is not None else known.priority if known is not None else 1
    return Kind(
        name,
        _between(priority, 1, PRIORITY_MAX, f"{where}.priority"),
        _between(limit, 1, LIMIT_MAX, f"{where}.limit"),
        _pattern(raw.blocked, f"{where}.blocked"),
    )


def parse_identity(doc: dict[str, Any], where: str) -> Rules:
    """The rules of a definition. Raises InputError with the field and the mend."""
    raw = convert(doc, RawIdentity, where)
    kinds = dict(DEFAULT_RULES.kinds)
    for name, kind in raw.kinds.items():
        kinds[name] = _kind(name, kind, f"{where}.kinds.{name}")
    evidence = list(EVIDENCE) if raw.evidence is None else raw.evidence
    if len(set(evidence)) != len(evidence) or len(evidence) > PRIORITY_MAX or not all(map(_NAME.fullmatch, evidence)):
        mend = f"name each kind once, at most {PRIORITY_MAX}, in letters, digits and _"
        raise InputError("bad_evidence", "not a list of kinds of recognition", where=f"{where}.evidence", mend=mend)
    limit = DEFAULT_RULES.alias_limit if raw.alias_limit is None else raw.alias_limit
    return Rules(
        kinds,
        DEFAULT_RULES.blocked,
        _between(limit, 1, LIMIT_MAX, f"{where}.alias_limit"),
        {name: rank for rank, name in enumerate(evidence, 1)},
        _pattern(raw.blocked, f"{where}.blocked"),
    )
