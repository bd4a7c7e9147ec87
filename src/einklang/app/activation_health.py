"""How destinations are, and what staff does about them: pause, resume, serve now, tell dead changes again.

Each act is audited.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from einklang.app.activation_definitions import RawAudience, RawWebhook
from einklang.app.answers import Page, Text, shown
from einklang.app.audits import record_within
from einklang.app.definitions import Definitions
from einklang.app.destinations import Destination, Stand, put_stand, stands
from einklang.app.ports import Book, Reader, Tx
from einklang.app.queries import limit_of, numbers_of
from einklang.app.working import from_json
from einklang.kernel.errors import Conflict, InputError, NotFound

PAUSED = "paused"
WEBHOOK = "webhook"
#: Why webhooks keep what they could not tell: waiting for its next try, dead, or dead and older than what was taken.
STATUSES = ("waiting", "dead", "overtaken")
ACTIONS = {"pause": "paused", "resume": "resumed", "run": "asked", "replay": "replayed"}
CHANGED = "Destination Changed"
_NEWEST = 2**62


class DestinationShown(msgspec.Struct):
    """A destination and how it is.

    state: live; paused by its definition or by staff; gone: the other side wants no more; failing: the last try failed;
    new: nothing was tried yet. to: the host of a webhook, the platform of an audience, the format of a file or a table.
    waiting, dead: changes of a webhook; behind: entries of the log that were not looked at; sent: changes or lines so
    far; left_out: of the last file, by reason. held_since: when staff or the other side stopped it. asked: it is served
    now, as staff asked.
    """

    id: str
    type: str
    title: Text | None
    segments: list[str]
    purpose: str
    to: str
    state: str
    waiting: int
    dead: int
    behind: int
    sent: int
    attempts: int
    done_at: str | None
    tried_at: str | None
    again_at: str | None
    held_since: str | None
    error: str
    left_out: dict[str, int]
    asked: bool


class DeliveryShown(msgspec.Struct):
    """One change that a webhook has not got. reason: of the last try; taken_at: since when it waits."""

    seq: int
    person_id: str
    status: str
    attempts: int
    taken_at: str | None
    next_at: str | None
    reason: str


class Acted(msgspec.Struct):
    """What an act came to. replayed: dead changes that wait again."""

    id: str
    action: str
    replayed: int = 0


def list_destinations(reader: Reader, definitions: Definitions, now: int) -> list[DestinationShown]:
    """All destinations in force, in order of their ids."""
    known, counts = stands(reader), dict[tuple[str, str], tuple[int, int]]()
    for name, status, count, _, next_at in reader.read("delivery_counts"):
        counts[name, status] = (count, next_at)
    newest: int = reader.read("counter_value", "seq")[0][0]
    return [
        _shown(destination, known.get(name), counts, newest, now)
        for name, destination in sorted(definitions.destinations.items())
    ]


def list_deliveries(
    reader: Reader, definitions: Definitions, name: str, status: str, *, cursor: str = "", limit: int = 50
) -> Page[DeliveryShown]:
    """What a webhook has not got, the newest first. Raises NotFound, InputError."""
    known_by(definitions, name)
    limit_of(limit)
    if status not in STATUSES:
        raise InputError("bad_status", f"no status {status[:40]!r}", where="status", mend="use " + ", ".join(STATUSES))
    before = numbers_of(cursor, 1)[0] if cursor else _NEWEST
    rows = reader.read("deliveries_page", name, status, before, limit + 1)
    items = [
        DeliveryShown(seq, person, said, attempts, shown(taken_at or None), shown(next_at or None), reason)
        for seq, person, said, attempts, taken_at, next_at, reason in rows[:limit]
    ]
    return Page(items, str(items[-1].seq) if len(rows) > limit else None)


def act(book: Book, definitions: Definitions, name: str, action: str, *, actor: str, now: int, seq: int = 0) -> Acted:
    """Pause, resume, serve now, or tell dead changes again (one, by its seq, or all).

    Raises NotFound, InputError, Conflict.
    """
    destination = known_by(definitions, name)
    if action not in ACTIONS:
        raise InputError("bad_action", f"no action {action[:40]!r}", where="action", mend="use " + " ".join(ACTIONS))
    if action == "replay" and destination.type != WEBHOOK:
        mend = f"a file is made anew: einklang destination run {name}"
        raise InputError(
            "bad_action", f"nothing of type `{destination.type}` can be replayed", where="action", mend=mend
        )

    def work(tx: Tx) -> Acted:
        # what is told change by change begins now, a file begins with everybody
        begun = tx.read("counter_value", "seq")[0][0] if destination.type == WEBHOOK else 0
        tx.write("destination_begin", [(name, 0, begun)])
        stand = stands(tx)[name]
        done = Acted(name, ACTIONS[action])
        if action == "pause":
            if stand.held == PAUSED:
                raise Conflict("paused_already", f"{name} is paused already", where="id", mend="resume it")
            tx.write("destination_held", [(PAUSED, now, name)])
        elif action == "resume":
            if not stand.held and not stand.error:
                raise Conflict("not_held", f"nobody stopped {name}", where="id", mend=_mend(destination))
            tx.write("destination_held", [("", 0, name)])
            tx.write("destination_again", [(name,)])
            tx.write("deliveries_again", [(now, name)])
        elif action == "run":
            _run(tx, destination, stand, now)
        else:
            if seq and ("overtaken",) in tx.read("delivery_status", name, seq):
                what = "the other side has taken a newer change of this person since"
                raise Conflict("overtaken", what, where="seq", mend="nothing is to be done: it knows what is so now")
            done.replayed = tx.write("deliveries_replay", [(now, name, seq, seq)])
            tx.write("destination_again", [(name,)])
        record(tx, name, ACTIONS[action], actor, now)
        return done

    return book.transact(work)


def _run(tx: Tx, destination: Destination, stand: Stand, now: int) -> None:
    """Ask that it is served at once, whatever its schedule says. Raises Conflict."""
    if stand.held or not destination.live:
        mend = "resume it" if stand.held else _mend(destination)
        raise Conflict("held", f"{destination.id} is stopped: {stand.held or PAUSED}", where="id", mend=mend)
    if destination.type == WEBHOOK:
        tx.write("destination_again", [(destination.id,)])
        tx.write("deliveries_soon", [(destination.id,)])
    else:
        put_stand(tx, msgspec.structs.replace(stand, again_at=now))


def record(tx: Tx, name: str, action: str, actor: str, now: int) -> None:
    """Say in the log what was done about a destination, within the transaction that does it."""
    record_within(tx, CHANGED, {"destination": name, "action": action, "actor": actor}, now)


def _mend(destination: Destination) -> str:
    return "its definition says `state: live`" if destination.live else "write `state: live` into its definition"


def known_by(definitions: Definitions, name: str) -> Destination:
    """The destination of this id. Raises NotFound."""
    if name not in definitions.destinations:
        known = ", ".join(sorted(definitions.destinations)) or "none"
        raise NotFound("unknown_destination", f"no destination {name[:60]!r}", where="id", mend=f"known: {known}")
    return definitions.destinations[name]


def _shown(
    destination: Destination,
    stand: Stand | None,
    counts: Mapping[tuple[str, str], tuple[int, int]],
    newest: int,
    now: int,
) -> DestinationShown:
    name, found = destination.id, stand or Stand(destination.id, cursor=newest)
    waiting, next_at = counts.get((name, "waiting"), (0, 0))
    again = max(next_at, found.again_at)
    return DestinationShown(
        id=name,
        type=destination.type,
        title=destination.raw.title,
        segments=list(destination.segments),
        purpose=destination.purpose,
        to=_to(destination),
        state=_state(destination, stand),
        waiting=waiting,
        dead=counts.get((name, "dead"), (0, 0))[0],
        behind=max(newest - found.cursor, 0),
        sent=found.sent,
        attempts=found.attempts,
        done_at=shown(found.done_at or None),
        tried_at=shown(found.tried_at or None),
        again_at=shown(again) if again > now and not found.held else None,
        held_since=shown(found.since or None) if found.held else None,
        error=found.error,
        left_out=_left_out(found.notes),
        asked=bool(found.again_at and not found.error and not found.held and destination.type != WEBHOOK),
    )


def _state(destination: Destination, stand: Stand | None) -> str:
    if stand is not None and stand.held:
        return stand.held
    if not destination.live:
        return PAUSED
    if stand is None or not stand.tried_at:
        return "new"
    return "failing" if stand.error else "live"


def _to(destination: Destination) -> str:
    raw: Any = destination.raw
    if isinstance(raw, RawWebhook):
        return raw.url.split("/")[2]
    if isinstance(raw, RawAudience):
        return raw.platform
    return raw.format if raw.type == "file" else "delta"


def _left_out(notes: str) -> dict[str, int]:
    found = from_json(notes).get("left_out", {})
    return {str(reason): int(count) for reason, count in sorted(found.items())}
