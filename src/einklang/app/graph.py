"""What the screens ask about identity: the graph of a person with its evidence, and the merges that were refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from einklang.app.answers import Page
from einklang.app.find import load, person_id
from einklang.app.known import BookKnown, Remembered
from einklang.app.ports import Reader
from einklang.app.queries import LIMIT_MAX
from einklang.app.reason_texts import refusal_text
from einklang.app.splitting import MERGED, SPLIT
from einklang.app.working import label_of
from einklang.identity import DEVICE, STAFF_STRENGTH, Edge, Node, Rules, pair_of
from einklang.kernel import time
from einklang.kernel.errors import InputError, NotFound
from einklang.kernel.ids import lane_of

_PAGE = 200
_NEWEST = 2**62


class Identifier(msgspec.Struct):
    """A node of the graph. unique: two different ones keep persons apart; limit: how many a person may have."""

    kind: str
    value: str
    first_at: str | None
    priority: int
    unique: bool
    limit: int
    usable: bool


class End(msgspec.Struct):
    """An identifier by kind and value."""

    kind: str
    value: str


class Evidence(msgspec.Struct):
    """An edge: who said that a and b are one person. authenticated: by a server key, an import or staff.

    evidence: type of the call, by what the person was recognised, or `staff`. joined: whether both are this person's;
    other: whose b (or a) is, if not.
    """

    a: End
    b: End
    evidence: str
    source: str
    authenticated: bool
    strength: int
    at: str | None
    message_id: str
    joined: bool
    other: str | None


class SignedIn(msgspec.Struct):
    """From `at` on the device belongs to whoever has this identifier. void: it does not count (limit, kept apart)."""

    at: str | None
    by: End
    void: bool


class Device(msgspec.Struct):
    """A device and who signed in on it."""

    value: str
    sign_ins: list[SignedIn]


class KeptApart(msgspec.Struct):
    """Two identifiers that staff keeps apart."""

    a: End
    b: End
    at: str | None


class Change(msgspec.Struct):
    """A merge or split that the person went through. persons: the other ids. actor, why: of staff, else null."""

    kind: str
    at: str | None
    persons: list[str]
    message_id: str | None
    actor: str | None
    why: str | None


class Graph(msgspec.Struct):
    """The identity of a person: nodes, edges with evidence, what keeps it apart from others, and how it came about."""

    person_id: str
    label: str
    nodes: list[Identifier]
    edges: list[Evidence]
    apart: list[KeptApart]
    devices: list[Device]
    aliases: list[str]
    changes: list[Change]
    reviews: int


class Who(msgspec.Struct):
    """A person in a list."""

    person_id: str
    label: str


class Review(msgspec.Struct):
    """Two persons that calls name as one and that stay two. calls: how often; evidence: of the latest of them."""

    id: int
    person_a: Who
    person_b: Who
    reason: str
    reason_text: dict[str, str]
    at: str | None
    calls: int
    a: End
    b: End
    evidence: Evidence | None


def _moment(at: int) -> str | None:
    return None if at <= time.BEFORE_ALL else time.format_moment(at)


def _end(node: Node) -> End:
    return End(*node)


def _evidence(edge: Edge, other: str | None) -> Evidence:
    said = edge.evidence, edge.source, edge.proved, edge.strength, _moment(edge.at), edge.message_id
    return Evidence(_end(edge.a), _end(edge.b), *said, other is None, other)


def graph(reader: Reader, rules: Rules, text: str) -> Graph:
    """The identity graph of a person. Raises NotFound `unknown_person`."""
    live = load(reader, text)
    person, known = live.person, BookKnown(reader, Remembered())
    rows = known.identifiers_of(person.id)
    nodes = {(row[0], row[1]) for row in rows}
    edges = {edge.pair: edge for node in sorted(nodes) for edge in known.edges_of(*node)}
    found = []
    for edge in sorted(edges.values(), key=lambda edge: edge.rank):
        out = [node for node in edge.pair if node not in nodes]
        owned = known.owner(*out[0]) if out else None
        found.append(_evidence(edge, (owned.person if owned is not None else "") if out else None))
    aparts = {row.pair: row for node in sorted(nodes) for row in known.aparts_of(*node).values()}
    return Graph(
        person.id,
        label_of(person),
        sorted((_node(rules, *row[:3]) for row in rows), key=lambda node: (-node.priority, node.first_at or "")),
        found,
        [KeptApart(_end(row.a), _end(row.b), _moment(row.at)) for _, row in sorted(aparts.items())],
        [
            Device(value, [SignedIn(_moment(row.at), _end(row.node), row.void) for row in known.sign_ins(value)])
            for kind, value in sorted(nodes)
            if kind == DEVICE
        ],
        [str(row[0]) for row in reader.read("aliases_of", person.id)],
        [_change(event.name, event.at, event.properties) for event in live.history if event.name in (MERGED, SPLIT)],
        sum(1 for _ in _open(reader, _NEWEST, person.id)),
    )


def _node(rules: Rules, kind: str, value: str, first_at: int) -> Identifier:
    rule = rules.kind(kind)
    usable = rules.usable(kind, value)
    return Identifier(kind, value, _moment(first_at), rule.priority, rule.limit == 1, rule.limit, usable)


def _change(name: str, at: int, said: dict[str, Any]) -> Change:
    others = [str(said["from"])] if name == MERGED else [str(other) for other in said.get("others", ())]
    kind = "merge" if name == MERGED else "split"
    return Change(kind, _moment(at), others, said.get("by"), said.get("actor"), said.get("why"))


# --- review -----------------------------------------------------------------------------------------------------------


def _living(reader: Reader, person: str) -> str:
    rows = reader.read("alias_get", person)
    return str(rows[0][0]) if rows else person


def _open(reader: Reader, before: int, of: str = "") -> Iterator[tuple[int, str, str, str, int, Node, Node, int]]:
    """(n, person, person, reason, at, a, b, calls) of the pairs to decide about, the latest refusal of each, newest
    first.
    """
    known, decided = BookKnown(reader, Remembered()), dict[tuple[str, str], bool]()
    while rows := reader.read("refused_page", before, _PAGE):
        for n, one, other, reason, at, *ends in rows:
            before = n
            a, b = (ends[0], ends[1]), (ends[2], ends[3])
            owners = known.owner(*a), known.owner(*b)
            p, q = (
                owned.person if owned is not None else _living(reader, person)
                for owned, person in zip(owners, (one, other), strict=True)
            )
            pair = (min(p, q), max(p, q))
            if pair in decided or (of and of not in pair):
                continue
            decided[pair] = True
            calls = [row[0] for row in reader.read("refused_between", one, other, other, one)]
            if p != q and n == max(calls) and not _kept_apart(known, p, q):
                yield n, p, q, reason, at, a, b, len(calls)


def _kept_apart(known: BookKnown, one: str, other: str) -> bool:
    theirs = {row[:2] for row in known.identifiers_of(other)}
    return any(not theirs.isdisjoint(known.aparts_of(*row[:2])) for row in known.identifiers_of(one))


def _who(reader: Reader, person: str) -> Who:
    rows = reader.read("person_row", lane_of(person), person)
    return Who(person, str(rows[0][1]) if rows else person)


def reviews(reader: Reader, *, person: str = "", cursor: str = "", limit: int = 50) -> Page[Review]:
    """Refused merges to decide about, the newest first. Raises InputError `bad_cursor`, `bad_limit`, NotFound."""
    if not 1 <= limit <= LIMIT_MAX:
        raise InputError("bad_limit", f"{limit} items", where="limit", mend=f"use 1 to {LIMIT_MAX}")
    if cursor and not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
        raise InputError("bad_cursor", "not a cursor", where="cursor", mend="use `next` of the page before")
    found: list[Review] = []
    for row in _open(reader, int(cursor) if cursor else _NEWEST, person_id(reader, person) if person else ""):
        if len(found) == limit:
            return Page(found, str(found[-1].id))
        found.append(_review(reader, *row))
    return Page(found)


def _review(reader: Reader, n: int, p: str, q: str, reason: str, at: int, a: Node, b: Node, calls: int) -> Review:
    edge = BookKnown(reader, Remembered()).edge(*pair_of(a, b))
    evidence = _evidence(edge, q) if edge is not None and edge.strength < STAFF_STRENGTH else None
    text = refusal_text(reason)
    who = _who(reader, p), _who(reader, q)
    return Review(n, *who, reason, text, _moment(at), calls, _end(a), _end(b), evidence)


def review(reader: Reader, n: int) -> Review:
    """One refused merge that is to be decided. Raises NotFound `unknown_review`."""
    rows = reader.read("refused_page", n + 1, 1)
    if rows and rows[0][0] == n:
        for row in _open(reader, n + 1):
            if row[0] == n:
                return _review(reader, *row)
            break
    raise NotFound("unknown_review", f"nothing to decide under {n}", where="id", mend="it may be decided: list them")
