"""Who is joined with whom: Kruskal's algorithm over the evidence edges, with unions that may be refused.

Edges are taken by rank: strength (descending), event time, message id. An edge joins two groups unless that would bring
two userIds together by anything but an alias, or break a limit. An alias is an explicit userId-userId edge: it is the
strongest evidence and does join two userIds ("two different ones never merge by a weaker kind").

What makes the incremental way of `resolve` exact: the constraints are hereditary (every part of a permitted group is
permitted). So an edge within one final group changes nothing; an edge between two final groups whose union is permitted
merges just these two; one that is refused and ranks after every edge inside both changes nothing. Only an edge that is
late *and* in conflict needs the neighbourhood to be solved anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

from einklang.identity.rules import ALIAS_STRENGTH, Rules
from einklang.kernel.ids import person_id
from einklang.kernel.reasons import MergeRefused

Node = tuple[str, str]
Pair = tuple[Node, Node]


class Edge(msgspec.Struct, frozen=True):
    """Evidence that a and b (a < b) name one person: the strongest, earliest of all calls that say so.

    at: microseconds; evidence: the type of the call.
    """

    a: Node
    b: Node
    strength: int
    at: int
    message_id: str
    source: str
    evidence: str

    @property
    def pair(self) -> Pair:
        """The key of the edge."""
        return self.a, self.b

    @property
    def rank(self) -> tuple[int, int, str, Node, Node]:
        """Smaller goes first; total."""
        return -self.strength, self.at, self.message_id, self.a, self.b


def pair_of(x: Node, y: Node) -> Pair:
    """The key of the edge between two identifiers."""
    return (x, y) if x < y else (y, x)


def unjoinable(a: Iterable[Node], b: Iterable[Node], strength: int, rules: Rules) -> MergeRefused | None:
    """Why these two groups must not be joined by an edge of this strength, or None."""
    left, right = Counter(kind for kind, _ in a), Counter(kind for kind, _ in b)
    for kind in left:
        total, limit = left[kind] + right[kind], rules.kinds[kind].limit
        if limit == 1 and right[kind]:
            if strength < ALIAS_STRENGTH:
                return MergeRefused.TWO_USER_IDS
            limit = rules.alias_limit
        if total > limit and right[kind]:
            return MergeRefused.TOO_MANY_IDENTIFIERS
    return None


def solve(
    nodes: Iterable[Node], edges: Iterable[Edge], rules: Rules
) -> tuple[list[list[Node]], list[tuple[Edge, MergeRefused]]]:
    """The groups of these nodes under all these edges, from scratch, and the edges that were refused. Pure."""
    group: dict[Node, list[Node]] = {node: [node] for node in nodes}
    refused = []
    for edge in sorted(edges, key=lambda edge: edge.rank):
        a, b = group[edge.a], group[edge.b]
        if a is b:
            continue
        reason = unjoinable(a, b, edge.strength, rules)
        if reason is not None:
            refused.append((edge, reason))
            continue
        a.extend(b)
        for node in b:
            group[node] = a
    return list({id(members): members for members in group.values()}.values()), refused


def founder(members: Mapping[Node, int], rules: Rules) -> Node:
    """The founding identifier of a group (node -> first seen at): strongest kind, earliest, smallest value."""
    return min(members, key=lambda node: (-rules.kinds[node[0]].priority, members[node], node[1]))


def id_of(members: Mapping[Node, int], salt: bytes, rules: Rules) -> str:
    """The id of the person whose identifiers these are."""
    return person_id(salt, *founder(members, rules))
