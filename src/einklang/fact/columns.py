"""Every column of the Book and of the lake: its type, unit and privacy class. A column not named here fails the tests.

Privacy classes, from the least to the most; a column has the class of the most that it may ever hold:

    none        says nothing about a person by itself
    pseudonym   leads to a person only through this home: ids of persons, runs and messages, keyed hashes
    content     what a person did or is: properties, traits, texts made for one person
    identifier  names or reaches a person directly: addresses, identifier values, raw bodies that hold them
    secret      keys, and hashes that guard access

Erasure, export and the scans of invariants 27 and 29 read this registry; the lake's schema is built from it.
"""

from __future__ import annotations

from typing import NamedTuple

NONE = "none"
PSEUDONYM = "pseudonym"
CONTENT = "content"
IDENTIFIER = "identifier"
SECRET = "secret"
CLASSES = (NONE, PSEUDONYM, CONTENT, IDENTIFIER, SECRET)

#: Microseconds since 1970-01-01T00:00:00Z.
US = "us"
#: Order of arrival in the log, order of processing in the log, running number in its table.
POSITION = "position"
SEQ = "seq"
N = "n"
JSON = "json"
#: A decimal number; in the lake of 38 digits, 9 of them after the point.
DECIMAL = "decimal"
COUNT = "count"
FLAG = "0 or 1"
SHARE = "0 to 1"
HASH = "hash"
STATE = "JSON text"

#: Types of the Book (SQLite STRICT) and of the lake (Delta).
BOOK_TYPES = ("integer", "text", "blob", "real")
LAKE_TYPES = ("int64", "int16", "int8", "string", "timestamp", "map", "bool", "double", "decimal")


class Column(NamedTuple):
    """One column. type: of BOOK_TYPES or LAKE_TYPES; unit: '' for plain text; null: may be absent."""

    name: str
    type: str
    unit: str
    privacy: str
    null: bool = False


def _book(name: str, type_: str, unit: str = "", privacy: str = NONE, *, null: bool = False) -> Column:
    assert type_ in BOOK_TYPES, type_
    assert privacy in CLASSES, privacy
    return Column(name, type_, unit, privacy, null)


def _lake(name: str, type_: str, unit: str = "", privacy: str = NONE, *, null: bool = False) -> Column:
    assert type_ in LAKE_TYPES, type_
    assert privacy in CLASSES, privacy
    return Column(name, type_, unit, privacy, null)


_LANE = _book("lane", "integer")
_PERSON = _book("person", "text", "", PSEUDONYM)
_RUN = _book("run", "text", "", PSEUDONYM)

BOOK: dict[str, tuple[Column, ...]] = {
    # `salt` is among the values of meta.
    "meta": (_book("key", "text"), _book("value", "text", "", SECRET)),
    "counter": (_book("name", "text"), _book("value", "integer", COUNT)),
    "tail": (
        _book("first_position", "integer", POSITION),
        _book("items", "integer", COUNT),
        _book("received_at", "integer", US),
        _book("source", "text"),
        _book("kind", "text"),
        _book("body", "blob", "", IDENTIFIER),
    ),
    "entry": (
        _book("position", "integer", POSITION),
        _book("seq", "integer", SEQ, null=True),
        _book("clock", "integer", US, null=True),
        _book("at", "integer", US),
        _book("received_at", "integer", US),
        _book("format", "integer"),
        _book("origin", "integer"),
        _book("type", "text"),
        _book("name", "text"),
        _book("message_id", "text", "", PSEUDONYM),
        _book("source", "text"),
        _book("touchpoint", "text"),
        _book("machine", "integer", FLAG),
        _book("person", "text", "", PSEUDONYM, null=True),
        _book("identifiers", "text", JSON, IDENTIFIER),
        _book("properties", "text", JSON, CONTENT),
        _book("context", "text", JSON, CONTENT),
    ),
    "message_id": (
        _book("id", "blob", HASH, PSEUDONYM),
        _book("body", "blob", HASH, PSEUDONYM),
        _book("position", "integer", POSITION),
    ),
    "dead": (
        _book("position", "integer", POSITION),
        _book("clock", "integer", US),
        _book("received_at", "integer", US),
        _book("source", "text"),
        _book("code", "text"),
        _book("detail", "text", "", CONTENT),
        _book("body", "blob", "", IDENTIFIER),
        _book("code_version", "text"),
        _book("kind", "text"),
        _book("items", "integer", COUNT),
    ),
    "edge": (
        _book("kind_a", "text"),
        _book("value_a", "text", "", IDENTIFIER),
        _book("kind_b", "text"),
        _book("value_b", "text", "", IDENTIFIER),
        _book("strength", "integer"),
        _book("at", "integer", US),
        _book("message_id", "text", "", PSEUDONYM),
        _book("source", "text"),
        _book("evidence", "text", "", CONTENT),
        _book("received_at", "integer", US),
    ),
    "party": (
        _book("type", "text"),
        _book("id", "text", "", PSEUDONYM),
        _book("body", "text", JSON, CONTENT),
    ),
    "object": (
        _book("kind", "text"),
        _book("id", "text", "", CONTENT),
        _book("person", "text", "", PSEUDONYM),
        _book("state", "text", "", CONTENT),
        _book("first", "integer"),
        _book("began", "integer", US),
        _book("changed", "integer", US),
    ),
    "object_waiting": (
        _book("kind", "text"),
        _book("id", "text", "", CONTENT),
        _book("seq", "integer"),
        _book("body", "text", JSON, CONTENT),
    ),
    "party_member": (
        _book("type", "text"),
        _book("id", "text", "", PSEUDONYM),
        _book("person", "text", "", PSEUDONYM),
        _book("role", "text", "", CONTENT),
        _book("contact", "integer", FLAG),
        _book("since", "integer", US),
    ),
    "apart": (
        _book("kind_a", "text"),
        _book("value_a", "text", "", IDENTIFIER),
        _book("kind_b", "text"),
        _book("value_b", "text", "", IDENTIFIER),
        _book("at", "integer", US),
        _book("message_id", "text", "", PSEUDONYM),
    ),
    "identifier": (
        _book("kind", "text"),
        _book("value", "text", "", IDENTIFIER),
        _PERSON,
        _book("first_at", "integer", US),
        _book("received_at", "integer", US),
    ),
    "alias": (_PERSON, _book("living", "text", "", PSEUDONYM)),
    "sign_in": (
        _book("device", "text", "", IDENTIFIER),
        _book("at", "integer", US),
        _book("message_id", "text", "", PSEUDONYM),
        _book("kind", "text"),
        _book("value", "text", "", IDENTIFIER),
        _book("void", "integer", FLAG),
    ),
    "refused_merge": (
        _book("n", "integer", N),
        _book("person_a", "text", "", PSEUDONYM),
        _book("person_b", "text", "", PSEUDONYM),
        _book("reason", "text"),
        _book("at", "integer", US),
        _book("message_id", "text", "", PSEUDONYM),
        _book("kind_a", "text"),
        _book("value_a", "text", "", IDENTIFIER),
        _book("kind_b", "text"),
        _book("value_b", "text", "", IDENTIFIER),
    ),
    "person": (
        _LANE,
        _PERSON,
        _book("label", "text", "", IDENTIFIER),
        _book("last_seen_at", "integer", US),
        _book("state", "blob", STATE, IDENTIFIER),
    ),
    "history": (
        _LANE,
        _PERSON,
        _book("at", "integer", US),
        _book("seq", "integer", SEQ),
        _book("clock", "integer", US),
        _book("received_at", "integer", US),
        _book("origin", "integer"),
        _book("type", "text"),
        _book("name", "text"),
        _book("message_id", "text", "", PSEUDONYM),
        _book("source", "text"),
        _book("touchpoint", "text"),
        _book("key_kind", "text"),
        _book("key_value", "text", "", IDENTIFIER),
        _book("device", "text", "", IDENTIFIER),
        _book("machine", "integer", FLAG),
        _book("properties", "text", JSON, CONTENT),
        _book("context", "text", JSON, CONTENT),
        _book("folded", "text", "", PSEUDONYM),
    ),
    "timer": (_LANE, _PERSON, _book("due", "integer", US)),
    "member": (_LANE, _PERSON, _book("segment", "text", "", CONTENT), _book("since", "integer", US)),
    "standing": (
        _LANE,
        _PERSON,
        _book("stage", "text", "", CONTENT),
        _book("name", "text", "", CONTENT),
        _book("since", "integer", US),
    ),
    "shadow": (
        _LANE,
        _PERSON,
        _book("segment", "text", "", CONTENT),
        _book("member", "integer", FLAG),
        _book("since", "integer", US),
    ),
    "run": (
        _LANE,
        _PERSON,
        _RUN,
        _book("journey", "text"),
        _book("version", "integer"),
        _book("arm", "text"),
        _book("status", "text"),
        _book("step", "text"),
        _book("entered_at", "integer", US),
        _book("ended_at", "integer", US, null=True),
        _book("contacted", "integer", FLAG),
        _book("goal", "integer", FLAG),
        _book("body", "blob", STATE, CONTENT),
    ),
    "ledger": (
        _book("n", "integer", N),
        _book("seq", "integer", SEQ),
        _LANE,
        _PERSON,
        _book("channel", "text"),
        _book("address", "text", "", IDENTIFIER),
        _book("purpose", "text"),
        _book("status", "text"),
        _book("at", "integer", US),
        _book("clock", "integer", US),
        _book("source", "text"),
        _book("wording", "text"),
        _book("actor", "text", "", PSEUDONYM),
        _book("evidence", "text", "", IDENTIFIER),
        _book("hash", "blob", HASH, PSEUDONYM),
        _book("until", "integer", US),
    ),
    "export": (
        _book("seq", "integer", SEQ),
        _book("clock", "integer", US),
        _book("segment", "text"),
        _book("destination", "text"),
        _book("actor", "text", "", IDENTIFIER),
        _book("purpose", "text"),
        _book("format", "text"),
        _book("fields", "text", JSON),
        _book("persons", "integer", COUNT),
        _book("left_out", "text", JSON),
        _book("hash", "text", HASH),
        _book("file", "text"),
    ),
    "destination": (
        _book("id", "text"),
        _book("version", "integer"),
        _book("cursor", "integer", SEQ),
        _book("notes", "text", JSON),
        _book("done_at", "integer", US),
        _book("tried_at", "integer", US),
        _book("again_at", "integer", US),
        _book("attempts", "integer", COUNT),
        _book("error", "text"),
        _book("sent", "integer", COUNT),
        _book("held", "text"),
        _book("since", "integer", US),
    ),
    "delivery": (
        _book("destination", "text"),
        _book("seq", "integer", SEQ),
        _book("person", "text", "", PSEUDONYM),
        _book("status", "text"),
        _book("attempts", "integer", COUNT),
        _book("taken_at", "integer", US),
        _book("next_at", "integer", US),
        _book("reason", "text", "", CONTENT),
        _book("body", "blob", "", IDENTIFIER),
    ),
    "suppression": (
        _book("address_hash", "blob", HASH, PSEUDONYM),
        _book("channel", "text"),
        _book("purpose", "text"),
        _book("reason", "text"),
        _book("at", "integer", US),
    ),
    "verdict": (
        _book("n", "integer", N),
        _LANE,
        _PERSON,
        _book("seq", "integer", SEQ),
        _book("clock", "integer", US),
        _RUN,
        _book("journey", "text"),
        _book("step", "text"),
        _book("message", "text"),
        _book("channel", "text"),
        _book("verdict", "text"),
        _book("reason", "text"),
        _book("until", "integer", US, null=True),
        _book("detail", "text", "", CONTENT),
    ),
    "assignment": (
        _book("n", "integer", N),
        _LANE,
        _PERSON,
        _book("scope", "text"),
        _RUN,
        _book("journey", "text"),
        _book("step", "text"),
        _book("arm", "text"),
        _book("probability", "real", SHARE),
        _book("salt_version", "integer"),
        _book("eligible_at", "integer", US),
        _book("decided_at", "integer", US),
        _book("would_contact", "integer", FLAG),
        _book("suppressed_by", "text"),
        _book("contacted_at", "integer", US, null=True),
        _book("channel", "text"),
        _book("propensity", "real", SHARE),
        _book("cost", "text", DECIMAL),
        _book("contaminated", "integer", FLAG),
    ),
    "outcome": (
        _book("n", "integer", N),
        _LANE,
        _PERSON,
        _book("scope", "text"),
        _RUN,
        _book("seq", "integer", SEQ),
        _book("at", "integer", US),
        _book("value", "text", DECIMAL, CONTENT, null=True),
    ),
    "outbox": (
        _LANE,
        _PERSON,
        _book("key", "text", "", PSEUDONYM),
        _RUN,
        _book("journey", "text"),
        _book("step", "text"),
        _book("round", "integer", COUNT),
        _book("message", "text"),
        _book("class", "text"),
        _book("purpose", "text"),
        _book("channel", "text"),
        _book("address", "text", "", IDENTIFIER),
        _book("status", "text"),
        _book("ready_at", "integer", US),
        _book("updated_at", "integer", US),
        _book("attempts", "integer", COUNT),
        _book("reason", "text"),
        _book("data", "text", JSON, CONTENT),
    ),
    "message_log": (
        _book("n", "integer", N),
        _book("key", "text", "", PSEUDONYM),
        _LANE,
        _PERSON,
        _RUN,
        _book("journey", "text"),
        _book("step", "text"),
        _book("message", "text"),
        _book("channel", "text"),
        _book("status", "text"),
        _book("reason", "text"),
        _book("clock", "integer", US),
    ),
    "archive": (
        _book("key", "text", "", PSEUDONYM),
        _book("body", "blob", "", IDENTIFIER),
        _book("hash", "blob", HASH, PSEUDONYM),
    ),
    "definition": (
        _book("kind", "text"),
        _book("id", "text"),
        _book("version", "integer"),
        _book("body", "text", JSON),
        _book("hash", "blob", HASH),
        _book("position", "integer", POSITION),
        _book("active", "integer", FLAG),
    ),
    "catalog": (_book("catalog", "text"), _book("key", "text"), _book("body", "text", JSON)),
    "stop": (_book("journey", "text"), _book("since", "integer", US), _book("until", "integer", US, null=True)),
    "expired": (_book("name", "text"), _book("bound", "integer", US), _book("seq", "integer", SEQ)),
    "ship": (_book("lake_table", "text"), _book("mark", "integer", SEQ), _book("version", "integer")),
    "source": (
        _book("id", "text"),
        _book("kind", "text"),
        _book("name", "text"),
        _book("events_per_s", "integer", COUNT, null=True),
    ),
    "draft_code": (
        _book("code_hash", "blob", HASH, SECRET),
        _book("draft", "text", "", PSEUDONYM),
        _book("kind", "text"),
        _book("value", "text", "", IDENTIFIER),
        _book("ends_at", "integer", US),
    ),
    "access_key": (
        _book("id", "text"),
        _book("source", "text"),
        _book("hint", "text"),
        _book("key_hash", "blob", HASH, SECRET),
        _book("created_at", "integer", US),
        _book("ends_at", "integer", US, null=True),
    ),
    "staff": (
        _book("name", "text", "", IDENTIFIER),
        _book("role", "text"),
        _book("language", "text"),
        _book("password", "text", HASH, SECRET),
    ),
    "session": (
        _book("token_hash", "blob", HASH, SECRET),
        _book("name", "text", "", IDENTIFIER),
        _book("expires_at", "integer", US),
    ),
    "idempotency": (
        _book("key", "text", "", PSEUDONYM),
        _book("route", "text"),
        _book("body_hash", "blob", HASH, PSEUDONYM),
        _book("status", "integer"),
        _book("answer", "blob", "", IDENTIFIER),
        _book("at", "integer", US),
    ),
}

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
