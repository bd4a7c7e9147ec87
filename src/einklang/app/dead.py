"""Dead letters: what was put aside, with its reason and its bytes, and taking it in again after the mend.

A replayed letter is appended to the log like any other body and leaves the dead letters in the same transaction. It
keeps the time at which it happened and was received, so the state afterwards is the one that would have been; journeys
do not begin by events older than their `max_age`.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

import msgspec

from einklang.app.answers import shown
from einklang.app.ports import Book, Reader, Row, Tx
from einklang.app.queries import bad_cursor, limit_of, numbers_of
from einklang.app.working import to_json
from einklang.event import ENGINE_KINDS, KINDS, LOOK, RENEW, REPLAY, Event
from einklang.kernel.errors import InputError, NotFound
from einklang.kernel.ids import content_hash
from einklang.kernel.reasons import DeadLetter

_NEWEST = 2**62
_PAGE = 500
#: Letters that one call replays; the rest by calling again.
REPLAY_MAX = 1_000
#: Of a letter in a list; the whole is in `dead-letters list --json` and in GET /api/dead-letters/{position}.
SHOWN_BYTES = 4_096
_EVENT = msgspec.json.Decoder(Event, float_hook=Decimal)


class Letter(msgspec.Struct):
    """A dead letter. body: its original bytes as text, base64 where it is none (`encoding`), cut where `cut`.

    at: when it was put aside, null before time has begun; version: of the code that did; items: events in it;
    replayable: whether it can be taken in again.
    """

    position: int
    at: str | None
    received_at: str | None
    source: str
    code: str
    detail: str
    version: str
    items: int
    name: str | None
    replayable: bool
    body: str
    encoding: str
    cut: bool


class Letters(msgspec.Struct):
    """A page of dead letters, the newest first, and how many there are of each code."""

    items: list[Letter]
    counts: dict[str, int]
    next: str | None = None


class Replayed(msgspec.Struct):
    """What a replay came to: letters taken in again, and how many stay, by reason."""

    replayed: int
    kept: dict[str, int]


def letters(reader: Reader, *, code: str, cursor: str, limit: int, whole: bool = False) -> Letters:
    """Dead letters. code: one of `DeadLetter`, "" for all. Raises InputError."""
    limit_of(limit)
    _known(code)
    before = numbers_of(cursor, 1)[0] if cursor else _NEWEST
    if not -_NEWEST <= before <= _NEWEST:
        raise bad_cursor(cursor)
    rows = reader.read("dead_page", before, code, code, limit + 1)
    following = str(rows[limit - 1][0]) if len(rows) > limit else None
    return Letters([_letter(row, whole=whole) for row in rows[:limit]], dict(reader.read("dead_counts")), following)


def letter(reader: Reader, position: int) -> Letter:
    """One dead letter with all of its bytes. Raises NotFound `unknown_letter`."""
    rows = reader.read("dead_get", position) if -_NEWEST < position < _NEWEST else []
    if not rows:
        mend = "see GET /api/dead-letters; a replayed letter is none any more"
        raise NotFound("unknown_letter", f"no dead letter at {position}", where="position", mend=mend)
    return _letter(rows[0], whole=True)


def _known(code: str) -> None:
    names = [letter.value for letter in DeadLetter]
    if code and code not in names:
        raise InputError("bad_code", f"no such code: {code[:40]!r}", where="code", mend="use " + " ".join(names))


def _letter(row: Row, *, whole: bool) -> Letter:
    position, clock, received_at, source, code, detail, body, version, kind, items = row
    cut = not whole and len(body) > SHOWN_BYTES
    part = body[:SHOWN_BYTES] if cut else body
    try:
        text, encoding = part.decode("utf-8", "strict" if not cut else "ignore"), "utf-8"
    except UnicodeDecodeError:
        text, encoding = base64.b64encode(part).decode(), "base64"
    event = _event_in(body) if kind == REPLAY else None
    return Letter(
        position, shown(clock or None), shown(received_at), source, code, detail, version, items,
        (event.name or event.type) if event is not None else None,
        code != DeadLetter.ID_CONFLICT and kind in (REPLAY, LOOK, *KINDS, *ENGINE_KINDS),
        text, encoding, cut,
    )  # fmt: skip


def _event_in(body: bytes) -> Event | None:
    try:
        return _EVENT.decode(body)
    except (msgspec.MsgspecError, ValueError):
        return None


@dataclass(frozen=True, slots=True)
class _Again:
    """A body to append in place of a letter."""

    position: int
    items: int
    received_at: int
    source: str
    kind: str
    body: bytes


def replay(book: Book, *, positions: Sequence[int] = (), code: str = "", as_new: bool = False) -> Replayed:
    """Take letters in again, the oldest first: those at these positions, else those of a code, else all.

    as_new: also those whose message id came before with another body, under an id of their own. At most `REPLAY_MAX`.
    Raises InputError.
    """
    _known(code)
    wanted = list(dict.fromkeys(positions)) or _positions(book, code)
    if len(wanted) > REPLAY_MAX and positions:
        raise InputError("too_many", f"{len(wanted)} letters", where="positions", mend=f"name at most {REPLAY_MAX}")
    replayed, kept = 0, dict[str, int]()
    for first in range(0, min(len(wanted), REPLAY_MAX), _PAGE):
        part = wanted[first : min(first + _PAGE, REPLAY_MAX)]
        done, left = book.transact(_mover(part, as_new=as_new))
        replayed += done
        for reason in left:
            kept[reason] = kept.get(reason, 0) + 1
    return Replayed(replayed, kept)


def _mover(positions: Sequence[int], *, as_new: bool) -> Callable[[Tx], tuple[int, list[str]]]:
    return lambda tx: _move(tx, positions, as_new=as_new)


def _positions(book: Book, code: str) -> list[int]:
    """Positions of the letters of a code, the oldest first, those that can never be replayed left out."""
    found: list[int] = []
    before = _NEWEST
    while page := book.read("dead_page", before, code, code, _PAGE):
        found += [row[0] for row in page]
        before = page[-1][0]
    return found[::-1]


def _move(tx: Tx, positions: Iterable[int], *, as_new: bool) -> tuple[int, list[str]]:
    """Move letters to the tail of the log; (moved, why others stay)."""
    bodies, kept = list[_Again](), list[str]()
    for position in positions:
        rows = tx.read("dead_get", position)
        made = _again(rows[0], as_new=as_new) if rows else "unknown"
        if isinstance(made, str):
            kept.append(made)
        else:
            bodies.append(made)
    reached = tx.read("counter_value", "position")[0][0]
    for body in bodies:
        tx.write("tail_append", [(reached + 1, body.items, body.received_at, body.source, body.kind, body.body)])
        reached += body.items
    if bodies:
        tx.write("counter_set", [("position", reached)])
        tx.write("counter_add", [("accepted", sum(body.items for body in bodies))])
        tx.write("dead_delete", [(body.position,) for body in bodies])
    return len(bodies), kept


def _again(row: Row, *, as_new: bool) -> _Again | str:
    """What a letter is appended as, or why it stays."""
    position, _, received_at, source, code, detail, body, _, kind, items = row
    if code == DeadLetter.ID_CONFLICT and not as_new:
        return str(DeadLetter.ID_CONFLICT)
    if kind == LOOK:
        look = Event(
            0, received_at, received_at, LOOK, "", f"look-{position}-{content_hash(detail.encode()).hex()}",
            (("person", body.decode()),), {}, {}, source, "", origin=1,
        )  # fmt: skip
        return _Again(position, 1, received_at, source, REPLAY, _batch(look))
    if kind == REPLAY:
        event = _event_in(body)
        if event is None:
            return "unreadable"
        if code == DeadLetter.ID_CONFLICT:
            told = content_hash(event.message_id.encode() + b"\x1f" + event.body_hash)
            renewed = msgspec.structs.replace(event, message_id=f"d_{told.hex()}")
            return _Again(position, 1, received_at, source, RENEW, _batch(renewed))
        return _Again(position, 1, received_at, source, REPLAY, _batch(event))
    if kind in (*KINDS, *ENGINE_KINDS):
        return _Again(position, items, received_at, source, kind, body)
    return "unknown_kind"


def _batch(event: Event) -> bytes:
    return to_json({"batch": [event]}).encode()
