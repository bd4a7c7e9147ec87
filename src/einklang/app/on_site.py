"""What a page may know of its visitor: the segments that definitions publish (`on_site: true`), and nothing else.

A write key is in every page, so whoever asks may be anybody, and a user id or an e-mail that came with a write key is a
claim. Told is what belongs to the device that asks, as long as nobody signed in on it; and what belongs to the person
signed in on it, where a server said so: it named the device with the user, and every other identifier of the person
with that. To everybody else nothing is told (docs/decisions/0011).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import msgspec

from einklang.app.known import BookKnown, Remembered
from einklang.app.ports import Reader
from einklang.app.view import RATES
from einklang.app.working import from_json
from einklang.event import trusted
from einklang.expr import Checked
from einklang.identity import DEVICE, STAFF_STRENGTH, Node, owner_at
from einklang.identity.devices import before
from einklang.kernel.errors import InputError
from einklang.kernel.ids import lane_of

#: Whom an answer is about: this device, the person signed in on it, or nobody who may be named.
THE_DEVICE, THE_PERSON, NOBODY = "device", "person", "nobody"
#: Catalogs whose rows say nothing of anybody.
_PUBLIC = frozenset({"products", RATES})
_LAST = "\U0010ffff"
#: The server says who signed in beside the sign-in: among so many events of the person from then on.
PROOF_WITHIN = 1_000


class Told(msgspec.Struct, frozen=True):
    """Whom it is about, and in which published segments they are, in alphabetical order."""

    visitor: str
    segments: list[str]


def check_on_site(published: Iterable[tuple[str, str]], checked: Mapping[str, Checked]) -> None:
    """Refuse to publish what anybody could ask about others. published: (id, place) of segments.

    Whoever holds a write key can claim to belong to a group, or a number that leads to somebody's row of a catalog.
    Raises InputError `not_for_pages`.
    """
    for segment, where in published:
        todo, seen = [segment], set[str]()
        while todo:
            name = todo.pop()
            seen.add(name)
            needs = checked[name].needs
            found = [f'group("{one}")' for one in sorted(needs.groups)]
            found += [f'lookup("{one}", ...)' for one in sorted(needs.catalogs - _PUBLIC)]
            if found:
                what = f"{' and '.join(found)} may tell a visitor about others"
                of = "" if name == segment else f' in segment("{name}")'
                mend = f"leave it out{of}, or leave out on_site"
                raise InputError("not_for_pages", what, where=f"{where}.on_site", mend=mend)
            todo += sorted((needs.segments & checked.keys()) - seen)


def published(reader: Reader) -> frozenset[str]:
    """The segments in force that pages may know of."""
    rows = reader.read("definitions_active")
    return frozenset(name for kind, name, _, body in rows if kind == "segment" and from_json(body).get("on_site"))


def told(reader: Reader, device: str, names: frozenset[str], now: int) -> Told:
    """What whoever uses this device may know. reader: one snapshot; names: the published segments."""
    visitor, person = _visitor(BookKnown(reader, Remembered()), reader, device, now)
    rows = reader.read("segments_of", lane_of(person), person) if person and names else []
    return Told(visitor, sorted(names & {str(row[0]) for row in rows}))


def _visitor(known: BookKnown, reader: Reader, device: str, now: int) -> tuple[str, str]:
    """Whom to tell about, and their id; "" if nothing is known of them."""
    rows = known.sign_ins(device)
    latest = before(rows, now, _LAST)
    if latest and rows[latest - 1].void:
        return NOBODY, ""  # who signed in last is over a limit: they are not who was here before
    signed = owner_at(rows, now)
    owned = known.owner(DEVICE, device) if signed is None else known.owner(*signed.node)
    if owned is None:
        return (THE_DEVICE, "") if signed is None else (NOBODY, "")
    names = {row[:2] for row in known.identifiers_of(owned.person) if row[0] != DEVICE}
    if signed is None:
        return (THE_DEVICE, owned.person) if not names else (NOBODY, "")
    lane = lane_of(owned.person)
    said = reader.read("signed_by", lane, owned.person, signed.at, PROOF_WITHIN, device, *signed.node)
    if any(trusted(origin, source) for origin, source in said) and names <= _proved(known, signed.node, names):
        return THE_PERSON, owned.person
    return NOBODY, ""


def _proved(known: BookKnown, start: Node, names: Collection[Node]) -> set[Node]:
    """Which of these identifiers servers, imports and staff joined with this one."""
    todo, found = [start], {start}
    while todo:
        for edge in known.edges_of(*todo.pop()):
            if edge.strength >= STAFF_STRENGTH or (edge.proved and trusted(0, edge.source)):
                fresh = {node for node in edge.pair if node in names and node not in found}
                found |= fresh
                todo += fresh
    return found
