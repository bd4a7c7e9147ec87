"""A second, naive way to persons: everything from scratch over the set of events, sharing no code with the room."""

from __future__ import annotations

from dataclasses import dataclass, field

from einklang.event import Event
from einklang.kernel.ids import person_id

STRENGTH = {("email", "userId"): 3040, ("phone", "userId"): 2040, ("email", "phone"): 2030}
PRIORITY = {"userId": 0, "email": 1, "phone": 2, "anonymousId": 3}
Node = tuple[str, str]


@dataclass
class Truth:
    """persons: identifier -> person; attribution: message id -> person; first: identifier -> first seen."""

    persons: dict[Node, str] = field(default_factory=dict)
    attribution: dict[str, str] = field(default_factory=dict)
    first: dict[Node, int] = field(default_factory=dict)


def parts(event: Event) -> tuple[list[Node], str, str]:
    """(strong identifiers in order, device, replaced userId)."""
    said = dict(event.identifiers)
    strong: list[Node] = [(kind, said[kind]) for kind in ("userId", "email", "phone") if kind in said]
    device, replaced = said.get("anonymousId", ""), ""
    if event.type == "alias" and "previousId" in said:
        previous = said["previousId"]
        if strong and strong[0][0] == "userId" and previous not in (device, strong[0][1]):
            replaced = previous
        device = device or previous
    return strong, device, replaced


def _fits(members: list[Node], limits: dict[str, int], alias: bool, alias_limit: int) -> bool:
    for kind, limit in limits.items():
        count = sum(1 for node in members if node[0] == kind)
        if count > (alias_limit if kind == "userId" and alias else limit):
            return False
    return True


def truth(events: list[Event], salt: bytes, limits: dict[str, int], alias_limit: int) -> Truth:
    """Persons, attribution and first sights of this set of events."""
    found = Truth()
    edges: dict[tuple[Node, Node], tuple[int, int, str]] = {}
    said_at: dict[tuple[Node, Node], int] = {}
    received: dict[Node, int] = {}
    decisions = [event for event in events if event.type == "identity"]
    words = staff_words(decisions)
    apart = {pair for pair, (_, _, together) in words.items() if not together}
    events = [event for event in events if event.type != "identity"]
    for event in events:
        proved = event.source != "web"
        strong, device, replaced = parts(event)
        seen = list(strong)
        if dict(event.identifiers).get("anonymousId") or (device and event.type != "alias"):
            seen.append(("anonymousId", device))
        for node in seen:
            found.first[node] = min(found.first.get(node, event.at), event.at)
            received[node] = min(received.get(node, event.received_at), event.received_at)
        links = [
            (strong[0], other, STRENGTH[min(strong[0][0], other[0]), max(strong[0][0], other[0])])
            for other in strong[1:]
        ]
        if replaced:
            links.append((strong[0], ("userId", replaced), 1_000_000 if proved else 4040))
        for x, y, strength in links:
            pair = (min(x, y), max(x, y))
            rank = (-strength if proved else 1_000_000 - strength, event.at, event.message_id)
            said_at[pair] = min(said_at.get(pair, event.received_at), event.received_at)
            edges[pair] = min(edges.get(pair, rank), rank)
    for pair, (at, message, together) in words.items():
        if together and "anonymousId" not in (pair[0][0], pair[1][0]):
            edges[pair] = (-2_000_000, at, message)
    groups = [[node] for node in found.first if node[0] != "anonymousId"]
    for pair, rank in sorted(edges.items(), key=lambda item: (*item[1], *item[0])):
        ends = [group for group in groups if pair[0] in group or pair[1] in group]
        if len(ends) != 2 or not all(any(end in group for group in groups) for end in pair):
            continue
        a, b = ends
        if any((min(x, y), max(x, y)) in apart for x in a for y in b):
            continue
        alias = rank[0] <= -1_000_000
        users = [any(node[0] == "userId" for node in group) for group in ends]
        if rank[0] > 0 and all(any(received[node] < said_at[pair] for node in group) for group in ends):
            continue
        many = alias or not all(users)
        if many and _fits(a + b, limits, True, alias_limit):
            groups = [group for group in groups if group is not a and group is not b] + [a + b]
    for group in groups:
        founder = min(group, key=lambda node: (PRIORITY[node[0]], found.first[node], node[1]))
        for node in group:
            found.persons[node] = person_id(salt, *founder)
    _attribute(found, events, salt, limits["anonymousId"], words, decisions)
    return found


def staff_words(decisions: list[Event]) -> dict[tuple[Node, Node], tuple[int, str, bool]]:
    """Of each pair the latest word of staff: when, by which message, and whether they are together."""
    words: dict[tuple[Node, Node], tuple[int, str, bool]] = {}
    for event in sorted(decisions, key=lambda event: (event.at, event.message_id)):
        for name in ("join", "apart"):
            for a, b, c, d in event.properties[name]:
                pair = (min((a, b), (c, d)), max((a, b), (c, d)))
                words[pair] = (event.at, event.message_id, name == "join")
    return words


def _attribute(
    found: Truth,
    events: list[Event],
    salt: bytes,
    limit: int,
    words: dict[tuple[Node, Node], tuple[int, str, bool]],
    decisions: list[Event],
) -> None:
    signed: list[tuple[int, str, str, str]] = []
    parted = {
        (one[1], found.persons.get(other, ""))
        for pair, word in words.items()
        for one, other in (pair, pair[::-1])
        if one[0] == "anonymousId" and not word[2]
    }
    for event in decisions:
        for a, b, c, d in event.properties["join"]:
            for one, other in (((a, b), (c, d)), ((c, d), (a, b))):
                if one[0] == "anonymousId" and one in found.first:
                    signed.append((event.at, event.message_id, one[1], found.persons[other]))
    for event in events:
        strong, device, _ = parts(event)
        if strong and device:
            signed.append((event.at, event.message_id, device, found.persons[strong[0]]))
    signed.sort()
    claims: dict[str, list[str]] = {}
    for _, _, device, person in signed:
        if (device, person) in parted:
            continue
        mine = claims.setdefault(person, [])
        if device not in mine and len(mine) < limit:
            mine.append(device)
    valid = [row for row in signed if row[2] in claims.get(row[3], ()) and (row[2], row[3]) not in parted]

    def owner(device: str, at: int) -> str:
        rows = [row for row in valid if row[2] == device]
        past = [row for row in rows if row[0] <= at]
        return past[-1][3] if past else rows[0][3] if rows else person_id(salt, "anonymousId", device)

    for node in found.first:
        if node[0] == "anonymousId":
            found.persons[node] = owner(node[1], -(2**62))
    for event in events:
        strong, device, _ = parts(event)
        found.attribution[event.message_id] = found.persons[strong[0]] if strong else owner(device, event.at)
