"""Drafts: what somebody typed on a form and saved, so that it can be gone on with at every touchpoint.

A draft is as durable as an event, because it is one: each saving is a `Draft Saved` in the log of its owner, sending
the form or giving it up a `Draft Closed`. Its latest state is read from the history of its owner and from the tail,
so it is there at once, follows merges and splits, and is found by rebuild and export like everything else.
A saving looks at what is there and appends in one transaction, so of two at once one wins in however many processes.

Three ways lead to a draft: the token that its owner got when it was saved (signed, nobody can guess one), a short code
that the owner tells an agent on the phone (of one draft, for a while, kept as a hash), and the owner's person.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from hmac import compare_digest
from typing import Any, NamedTuple

import msgspec

from einklang.app.appending import append_within
from einklang.app.ports import Book, Reader, Row, Tx
from einklang.app.working import from_json
from einklang.event import DRAFT, DRAFT_CLOSED, DRAFT_SAVED, EngineCall, Limits, expand, judge
from einklang.kernel.errors import Conflict, InputError, NotFound
from einklang.kernel.ids import content_hash, keyed_hash, lane_of
from einklang.kernel.time import DAY, MINUTE, format_moment

#: For so long after it was last saved a draft is offered, and so long a code leads to it.
OFFERED_US = 30 * DAY
CODE_US = 30 * MINUTE
CODE_CHARS = 8
FORM_CHARS_MAX = 200
OWNER, AGENT = "owner", "agent"
OUTCOMES = ("submitted", "discarded")
#: Without what looks or sounds like something else.
_SIGNS = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
_NAMES = (DRAFT_SAVED, DRAFT_CLOSED)
_ENCODER = msgspec.json.Encoder(decimal_format="number", order="deterministic")


class Ref(NamedTuple):
    """A draft, and an identifier of its owner by which it is found."""

    draft: str
    kind: str
    value: str


class Draft(msgspec.Struct):
    """A draft as it was last saved. status: open, or how it was closed; by: owner or agent; person: once known."""

    id: str
    form: str
    fields: dict[str, Any]
    version: int
    status: str
    saved_at: str
    by: str
    touchpoint: str
    person: str | None


class Saving(msgspec.Struct, forbid_unknown_fields=True):
    """What is to be saved. version: the one that was gone on with; None: whatever is there is written over.

    outcome: the form was sent (`submitted`) or given up (`discarded`); then nothing is saved, the draft is closed.
    """

    fields: dict[str, Any] = {}
    version: int | None = None
    outcome: str | None = None


class _Event(NamedTuple):
    """An event of a draft. place: in the log, then in the tail."""

    place: tuple[int, int, int]
    name: str
    properties: dict[str, Any]
    touchpoint: str
    person: str | None


# --- tokens and codes ---


def seal(key: bytes, use: str, ref: Ref) -> str:
    """A token that leads to a draft, for one use (`owner`, `agent`)."""
    raw = msgspec.json.encode(ref)
    return f"{urlsafe_b64encode(raw).decode().rstrip('=')}.{keyed_hash(key, f'draft {use}', raw.hex()).hex()}"


def unseal(key: bytes, use: str, token: str) -> Ref:
    """What a token leads to. Raises NotFound `unknown_draft`."""
    packed, _, mac = token.partition(".")
    try:
        raw = urlsafe_b64decode(packed + "=" * (-len(packed) % 4))
        if compare_digest(keyed_hash(key, f"draft {use}", raw.hex()).hex().encode(), mac.encode("utf-8", "replace")):
            return Ref(*msgspec.json.decode(raw, type=tuple[str, str, str]))
    except (ValueError, msgspec.MsgspecError):
        pass  # damaged, or made up
    raise _unknown()


def _unknown() -> NotFound:
    return NotFound("unknown_draft", "no draft is found by this", where="draft", mend="begin a new one")


def plain_code(said: str) -> str:
    """A code as it is kept: capitals, without the signs between."""
    return "".join(sign for sign in said.upper() if sign in _SIGNS)[: CODE_CHARS + 1]


def make_code(book: Book, ref: Ref, token: str, *, now: int, salt: bytes) -> str:
    """A fresh code of this draft, in place of the one before; durable on return. token: fresh and random."""
    number, code = int.from_bytes(content_hash(token.encode()), "big"), ""
    for _ in range(CODE_CHARS):
        number, place = divmod(number, len(_SIGNS))
        code += _SIGNS[place]

    def work(tx: Tx) -> None:
        tx.write("draft_codes_expire", [(now,)])
        tx.write("draft_code_drop_of", [(ref.draft,)])
        tx.write("draft_code_put", [(keyed_hash(salt, "call code", code), *ref, now + CODE_US)])

    book.transact(work)
    return f"{code[:4]}-{code[4:]}"


def by_code(reader: Reader, code: str, *, now: int, salt: bytes) -> Ref:
    """The draft of a code that somebody tells. Raises NotFound `unknown_code`."""
    rows = reader.read("draft_code_get", keyed_hash(salt, "call code", plain_code(code)), now)
    if not rows:
        mend = "ask for a new code: they hold for half an hour"
        raise NotFound("unknown_code", "no draft has this code", where="code", mend=mend)
    return Ref(*rows[0])


# --- reading ---


def _owners(reader: Reader, kind: str, value: str) -> set[str]:
    """Who an identifier belongs to; of a device everybody who ever signed in on it."""
    if kind == "person":
        alias = reader.read("alias_get", value)
        return {str(alias[0][0]) if alias else value}
    found = {str(row[0]) for row in reader.read("identifier_get", kind, value)}
    if kind == "anonymousId":
        for row in reader.read("sign_ins_of", value):
            found |= {str(owner[0]) for owner in reader.read("identifier_get", row[3], row[4])}
    return found


def _told(reader: Reader, persons: set[str]) -> Iterator[_Event]:
    """The events of drafts of these persons that are folded."""
    for person in sorted(persons):
        for name in _NAMES:
            for row in reader.read("history_named", lane_of(person), person, name):
                properties = from_json(row[5])
                yield _Event((0, row[1], row[2]), name, properties, properties.get("touchpoint", ""), person)


def _waiting(reader: Reader, draft: str = "") -> Iterator[tuple[_Event, dict[str, str]]]:
    """The events of drafts (or of one) that wait in the tail, with the identifiers they came with."""
    for row in reader.read("tail_of_kind", DRAFT):
        if draft.encode() in row[5]:
            yield from _expanded(row)


def _expanded(row: Row) -> Iterator[tuple[_Event, dict[str, str]]]:
    first, _, received_at, source, kind, body = row
    for event in expand(kind, body, first_position=first, received_at=received_at, source=source):
        identifiers = dict(event.identifiers)
        place = (1, event.at, event.position)
        yield _Event(place, event.name, event.properties, event.touchpoint, identifiers.get("person")), identifiers


def _latest(events: list[_Event], now: int) -> Draft | None:
    """A draft as its events leave it; None if there is none, or none that is still offered."""
    events.sort(key=lambda event: (event.properties["version"], event.place))
    saved = [event for event in events if event.name == DRAFT_SAVED]
    if not saved or events[-1].place[1] <= now - OFFERED_US:
        return None
    last, said = saved[-1], saved[-1].properties
    closed = next((event.properties.get("outcome") for event in events if event.name == DRAFT_CLOSED), None)
    person = next((event.person for event in reversed(events) if event.person), None)
    return Draft(
        str(said["draft_id"]),
        str(said["form"]),
        said["fields"],
        int(events[-1].properties["version"]),
        str(closed or "open"),
        format_moment(last.place[1]),
        str(said["by"]),
        last.touchpoint,
        person,
    )


def find(reader: Reader, ref: Ref, now: int) -> Draft:
    """A draft as it is now. reader: one snapshot. Raises NotFound `unknown_draft`."""
    events = [event for event in _told(reader, _owners(reader, ref.kind, ref.value)) if _is(event, ref.draft)]
    events += [event for event, _ in _waiting(reader, ref.draft) if _is(event, ref.draft)]
    draft = _latest(events, now)
    if draft is None:
        raise _unknown()
    return draft


def _is(event: _Event, draft: str) -> bool:
    return event.properties.get("draft_id") == draft


def of_person(reader: Reader, person: str, now: int) -> list[Draft]:
    """The open drafts of a living person, the one saved last first. reader: one snapshot."""
    drafts: dict[str, list[_Event]] = {}
    waiting = [
        event
        for event, identifiers in _waiting(reader)
        if any(person in _owners(reader, kind, value) for kind, value in identifiers.items())
    ]
    for event in (*_told(reader, {person}), *waiting):
        drafts.setdefault(str(event.properties.get("draft_id")), []).append(event)
    found = [draft for draft in (_latest(events, now) for events in drafts.values()) if draft is not None]
    still = [draft for draft in found if draft.status == "open"]
    return sorted(still, key=lambda draft: (draft.saved_at, draft.id), reverse=True)


# --- saving ---


def begin(form: str, identifiers: dict[str, str], draft_id: str) -> Ref:
    """A new draft of whoever has these identifiers. Raises InputError `no_form`, `no_identifier`."""
    if not 1 <= len(form.strip()) <= FORM_CHARS_MAX or not form.isprintable():
        mend = f"name the form with 1 to {FORM_CHARS_MAX} printable characters"
        raise InputError("no_form", "no name of a form", where="form", mend=mend)
    for kind in ("userId", "anonymousId"):
        if identifiers.get(kind):
            return Ref(draft_id, kind, identifiers[kind])
    raise InputError("no_identifier", "nobody is named", where="userId", mend="send userId or anonymousId")


def save(
    book: Book,
    ref: Ref,
    said: Saving,
    *,
    form: str | None,
    identifiers: dict[str, str],
    by: str,
    actor: str,
    source: str,
    touchpoint: str,
    now: int,
    limits: Limits,
) -> Draft:
    """Append a saving, durable on return. form: of a new draft, None for one that is there. by: owner or agent; actor:
    which agent.

    What is there is written over only if it is the `version` that was gone on with. The same saving again changes
    nothing. Raises NotFound `unknown_draft`, Conflict `draft_changed`, `draft_closed`, InputError, Unavailable.
    """
    if said.outcome is not None and said.outcome not in OUTCOMES:
        mend = "use " + " or ".join(OUTCOMES)
        raise InputError("bad_outcome", f"no outcome {said.outcome[:40]!r}", where="outcome", mend=mend)

    def work(tx: Tx) -> Draft:
        there = None if form is not None else find(tx, ref, now)
        if there is not None:
            if _again(there, said):
                return there
            _may_follow(there, said)
        name, version, person = (there.form, there.version, there.person) if there is not None else (form, 0, None)
        fields = said.fields if said.outcome is None else there.fields if there is not None else {}
        status, saved_at = said.outcome or "open", format_moment(now)
        draft = Draft(ref.draft, str(name), fields, version + 1, status, saved_at, by, touchpoint, person)
        append_within(tx, DRAFT, [_call(ref, draft, said, identifiers, actor, now, limits)], now, source)
        return draft

    return book.transact(work)


def _again(there: Draft, said: Saving) -> bool:
    """Whether this very saving is there already: its answer was lost, and it comes again."""
    if said.outcome is not None:
        return there.status == said.outcome
    later = said.version is not None and said.version == there.version - 1
    return there.status == "open" and later and _ENCODER.encode(there.fields) == _ENCODER.encode(said.fields)


def _may_follow(there: Draft, said: Saving) -> None:
    if there.status != "open":
        raise Conflict("draft_closed", f"the draft is {there.status}", where="draft", mend="begin a new one")
    if said.version is not None and said.version != there.version:
        what = f"version {said.version} was gone on with, {there.version} is there"
        raise Conflict("draft_changed", what, where="version", mend="load the draft, then save again")


def _call(
    ref: Ref, draft: Draft, said: Saving, identifiers: dict[str, str], actor: str, now: int, limits: Limits
) -> EngineCall:
    told: dict[str, Any] = {
        "draft_id": ref.draft,
        "form": draft.form,
        "version": draft.version,
        "by": draft.by,
        "touchpoint": draft.touchpoint,
    }
    told |= {"actor": actor} if actor else {}
    told |= {"outcome": said.outcome} if said.outcome is not None else {"fields": draft.fields}
    _admitted(identifiers, told, now, limits)
    agent = draft.by == AGENT
    if agent and draft.person:
        identifiers = {"person": draft.person}
    return EngineCall(
        type="track",
        event=DRAFT_SAVED if said.outcome is None else DRAFT_CLOSED,
        identifiers=identifiers,
        properties=told,
        touchpoint=draft.touchpoint,
        messageId="d_" + content_hash(_ENCODER.encode((told, now))).hex(),
        origin=1 if agent else 0,
        at=now,
    )


def _admitted(identifiers: dict[str, str], told: dict[str, Any], now: int, limits: Limits) -> None:
    """Raises InputError for what no event may hold: too large, too deep, NUL, numbers beyond all bounds."""
    ids = {kind: value for kind, value in identifiers.items() if kind in ("userId", "anonymousId")} or {"userId": "-"}
    judge("track", _ENCODER.encode({"event": "Draft", **ids, "properties": told}), received_at=now, limits=limits)
