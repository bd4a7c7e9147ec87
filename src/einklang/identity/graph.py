"""Who is joined with whom: Kruskal's algorithm over the evidence edges, with unions that may be refused.

Edges are taken by rank: strength (descending), event time, message id. An edge joins two groups unless that would bring
together what staff keeps apart, bring two unique ids together by anything but an alias or a decision of staff, or break
a limit. An alias is an explicit userId-userId edge: it is the strongest evidence that a call can give and does join two
userIds ("two different ones never merge by a weaker kind").

What anybody may have sent (the key of a browser is in every page) ranks after all that was proved, and joins two groups
only if one of them was not known before: if no identifier in it was received earlier than the call itself.

What makes the incremental way of `change` exact: the other constraints are hereditary (every part of a permitted group
is permitted). So an edge within one final group changes nothing; an edge between two final groups whose union is
permitted merges just these two; one that is refused and ranks after every edge inside both changes nothing. Only an
edge that is late *and* in conflict, one before which unproved evidence inside the groups gives way, and a decision of
staff need the neighbourhood to be solved anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import NamedTuple

import msgspec

from einklang.identity.rules import ACCOUNT, ALIAS_STRENGTH, Rules
from einklang.kernel.ids import person_id
from einklang.kernel.reasons import MergeRefused

Node = tuple[str, str]
Pair = tuple[Node, Node]
#: Whom staff keeps an identifier apart from.
Apart = Callable[[Node], Collection[Node]]


class Seen(NamedTuple):
    """An identifier: first seen at (event time), and the first receipt of a call that carried it; microseconds."""

    first_at: int
    received_at: int


class Edge(msgspec.Struct, frozen=True):
    """Evidence that a and b (a < b) name one person: the strongest, earliest of all calls that say so.

    at: microseconds; evidence: the type of the call, or by what the person was recognised. strength: below 0 is
    unproved; received_at: the first receipt of a call that said so, 0 where it is proved.
    """

    a: Node
    b: Node
    strength: int
    at: int
    message_id: str
    source: str
    evidence: str
    received_at: int = 0

    @property
    def pair(self) -> Pair:
        """The key of the edge."""
        return self.a, self.b

    @property
    def rank(self) -> tuple[int, int, str, Node, Node]:
        """Smaller goes first; total."""
        return -self.strength, self.at, self.message_id, self.a, self.b

    @property
    def proved(self) -> bool:
        """Whether a server, an import or staff said so."""
        return self.strength >= 0


def pair_of(x: Node, y: Node) -> Pair:
    """The key of the edge between two identifiers."""
    return (x, y) if x < y else (y, x)


def unjoinable(
    a: Mapping[Node, Seen], b: Mapping[Node, Seen], edge: Edge, rules: Rules, apart: Apart
) -> MergeRefused | None:
    """Why these two groups must not be joined by this edge, or None."""
    small, large = (a, b) if len(a) <= len(b) else (b, a)
    if any(other in large for node in small for other in apart(node)):
        return MergeRefused.KEPT_APART
    left, right = Counter(kind for kind, _ in a), Counter(kind for kind, _ in b)
    for kind in sorted(left, key=lambda kind: (-rules.kind(kind).priority, kind)):  # the order of members says nothing
        if not right[kind]:
            continue
        total, limit = left[kind] + right[kind], rules.kind(kind).limit
        if limit == 1:
            if edge.strength < ALIAS_STRENGTH:
                return MergeRefused.TWO_USER_IDS if kind == ACCOUNT else MergeRefused.TWO_UNIQUE_IDS
            limit = rules.alias_limit
        if total > limit:
            return MergeRefused.TOO_MANY_IDENTIFIERS
    if not edge.proved and all(any(seen.received_at < edge.received_at for seen in g.values()) for g in (a, b)):
        return MergeRefused.UNAUTHENTICATED
    return None


def solve(
    nodes: Mapping[Node, Seen], edges: Iterable[Edge], rules: Rules, apart: Apart
) -> tuple[list[list[Node]], list[tuple[Edge, MergeRefused]]]:
    """The groups of these nodes under all these edges, from scratch, and the edges that were refused. Pure.

    An identifier that the rules do not take any more stands alone.
    """
    group: dict[Node, dict[Node, Seen]] = {node: {node: seen} for node, seen in nodes.items()}
    refused = []
    for edge in sorted(edges, key=lambda edge: edge.rank):
        a, b = group[edge.a], group[edge.b]
        if a is b or not (rules.usable(*edge.a) and rules.usable(*edge.b)):
            continue
        reason = unjoinable(a, b, edge, rules, apart)
        if reason is not None:
            refused.append((edge, reason))
            continue
        a.update(b)
        for node in b:
            group[node] = a
    return [list(members) for members in {id(members): members for members in group.values()}.values()], refused


def founder(members: Mapping[Node, Seen], rules: Rules) -> Node:
    """The founding identifier of a group: strongest kind, earliest, smallest value."""
    return min(members, key=lambda node: (-rules.kind(node[0]).priority, members[node].first_at, node[1]))


def id_of(members: Mapping[Node, Seen], salt: bytes, rules: Rules) -> str:
    """The id of the person whose identifiers these are."""
    return person_id(salt, *founder(members, rules))
