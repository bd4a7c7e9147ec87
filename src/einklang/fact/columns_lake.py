"""Every column of the lake: type, unit and privacy class (fact.column). Its tables are made from this."""

from __future__ import annotations

from einklang.fact.column import CONTENT, DECIMAL, IDENTIFIER, JSON, POSITION, PSEUDONYM, SEQ, SHARE, US, Column, N
from einklang.fact.column import lake_column as _lake

_PERSON_ID = _lake("person_id", "string", "", PSEUDONYM)
_LAKE_RUN = _lake("run", "string", "", PSEUDONYM)

LAKE: dict[str, tuple[Column, ...]] = {
    "events": (
        _lake("position", "int64", POSITION),
        _lake("seq", "int64", SEQ),
        _lake("clock", "timestamp", US),
        _lake("message_id", "string", "", PSEUDONYM),
        _lake("person_id", "string", "", PSEUDONYM, null=True),
        _lake("type", "string"),
        _lake("name", "string"),
        _lake("at", "timestamp", US),
        _lake("received_at", "timestamp", US),
        _lake("source", "string"),
        _lake("touchpoint", "string"),
        # kind -> value, the first of each kind
        _lake("identifiers", "map", "", IDENTIFIER),
        _lake("properties", "string", JSON, CONTENT),
        _lake("context", "string", JSON, CONTENT),
        _lake("origin", "int8"),
        _lake("machine", "bool"),
        _lake("format", "int16"),
        # all pairs [kind, value] in order, only where `identifiers` cannot hold them
        _lake("identifiers_all", "string", JSON, IDENTIFIER, null=True),
    ),
    "persons": (_PERSON_ID, _lake("living_id", "string", "", PSEUDONYM)),
    "assignments": (
        _lake("n", "int64", N),
        _PERSON_ID,
        _lake("scope", "string"),
        _LAKE_RUN,
        _lake("journey", "string"),
        _lake("step", "string"),
        _lake("arm", "string"),
        _lake("probability", "double", SHARE),
        _lake("salt_version", "int64"),
        _lake("eligible_at", "timestamp", US),
        _lake("decided_at", "timestamp", US),
        _lake("would_contact", "bool"),
        _lake("suppressed_by", "string"),
        _lake("contacted_at", "timestamp", US, null=True),
        _lake("channel", "string"),
        _lake("propensity", "double", SHARE),
        _lake("cost", "decimal", DECIMAL, null=True),
        _lake("contaminated", "bool"),
    ),
    "verdicts": (
        _lake("n", "int64", N),
        _PERSON_ID,
        _lake("seq", "int64", SEQ),
        _lake("clock", "timestamp", US),
        _LAKE_RUN,
        _lake("journey", "string"),
        _lake("step", "string"),
        _lake("message", "string"),
        _lake("channel", "string"),
        _lake("verdict", "string"),
        _lake("reason", "string"),
        _lake("until", "timestamp", US, null=True),
        _lake("detail", "string", "", CONTENT),
    ),
    "outcomes": (
        _lake("n", "int64", N),
        _PERSON_ID,
        _lake("scope", "string"),
        _LAKE_RUN,
        _lake("seq", "int64", SEQ),
        _lake("at", "timestamp", US),
        _lake("value", "decimal", DECIMAL, CONTENT, null=True),
    ),
    "messages": (
        _lake("n", "int64", N),
        _lake("key", "string", "", PSEUDONYM),
        _PERSON_ID,
        _LAKE_RUN,
        _lake("journey", "string"),
        _lake("step", "string"),
        _lake("message", "string"),
        _lake("channel", "string"),
        _lake("status", "string"),
        _lake("reason", "string"),
        _lake("clock", "timestamp", US),
    ),
}
