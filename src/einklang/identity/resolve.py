"""One event -> its person, and what it changes among persons. Pure: all that is known is asked of `Known`.

A signed-in visitor's thousandth page view costs a few look-ups (`_unchanged`); what is new goes through `Change`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from einklang.event import Event, authenticated
from einklang.identity.change import Change
from einklang.identity.devices import SignIn, before, owner_at
from einklang.identity.graph import Edge, Node, Pair, pair_of
from einklang.identity.known import Alias, Known, Merge, Resolution
from einklang.identity.rules import ACCOUNT, ALIAS_STRENGTH, DEFAULT_RULES, DEVICE, UNPROVED, Rules
from einklang.kernel.ids import person_id

_PREVIOUS = "previousId"


def _keys(event: Event, rules: Rules) -> tuple[list[Node], str]:
    """(usable identifiers, strongest first; the device or ""). An alias without device signs in the one it replaces."""
    strong: list[Node] = []
    device = previous = ""
    for node in event.identifiers:
        kind, value = node
        if kind == _PREVIOUS:
            previous = value if event.type == "alias" and rules.usable(DEVICE, value) else ""
        elif rules.usable(kind, value):
            if kind == DEVICE:
                device = value
            else:
                strong.append(node)
    if len(strong) > 1:
        strong.sort(key=lambda node: -rules.kinds[node[0]].priority)
    return strong, device or previous


def _replaced(event: Event, strong: Sequence[Node], rules: Rules) -> Node | None:
    """The userId that an alias says to be the same person; the event's own anonymousId is a device, not a userId."""
    if event.type != "alias" or not strong or strong[0][0] != ACCOUNT:
        return None
    said = dict(event.identifiers)
    value = said.get(_PREVIOUS, "")
    if not value or value in (said.get(DEVICE), strong[0][1]) or not rules.usable(ACCOUNT, value):
        return None
    return ACCOUNT, value


def key_of(event: Event, rules: Rules = DEFAULT_RULES) -> Node:
    """What the event is attributed by: its strongest identifier, else (anonymousId, device), else ("", "")."""
    strong, device = _keys(event, rules)
    return strong[0] if strong else (DEVICE, device) if device else ("", "")


def device_of(event: Event, rules: Rules = DEFAULT_RULES) -> str:
    """The device (anonymousId) that the event speaks of, "" if none; of an alias without one, what it replaces."""
    return _keys(event, rules)[1]


def resolve(event: Event, known: Known, salt: bytes, rules: Rules = DEFAULT_RULES) -> Resolution:
    """The person of this event and all that it changes. salt: of the home, keys the person ids.

    The answer depends on the set of events known, not on their order: `Overlay.apply` of every resolution in any order
    leads to the same persons, identifiers and owners of devices.
    """
    strong, device = _keys(event, rules)
    if not strong:
        return _anonymous(event, device, known, salt) if device else Resolution("")
    if event.type != "alias":
        person = _unchanged(event, strong, device, known, rules)
        if person:
            return Resolution(person, strong[0], device)
        newcomer = _newcomer(event, strong, device, known, salt, rules)
        if newcomer is not None:
            return newcomer
    return Change(event, strong, device, known, salt, rules).of_call(_links(event, strong, rules))


def decide(event: Event, known: Known, salt: bytes, rules: Rules = DEFAULT_RULES) -> Resolution:
    """What a decision of staff changes. Its properties: `join` and `apart`, lists of [kind, value, kind, value]."""
    pairs = [[((a, b), (c, d)) for a, b, c, d in event.properties.get(name, ())] for name in ("join", "apart")]
    return Change(event, (), "", known, salt, rules).of_staff(pairs[0], pairs[1])


def resolve_again(event: Event, nodes: Sequence[Node], known: Known, salt: bytes, rules: Rules) -> Resolution:
    """What other rules change for everybody who is connected with these identifiers. event: brought the rules."""
    return Change(event, (), "", known, salt, rules).of_rules(nodes)


def evidence_of(event: Event, rules: Rules) -> str:
    """By what the person was recognised, if that was proved and the rules know it; else ""."""
    said = event.context.get("evidence")
    return said if isinstance(said, str) and said in rules.evidence and authenticated(event) else ""


def _links(event: Event, strong: Sequence[Node], rules: Rules) -> Iterator[Edge]:
    """The evidence that a call gives: its strongest identifier with each other one, and with the one it replaces."""
    replaced = _replaced(event, strong, rules)
    if len(strong) == 1 and replaced is None:
        return
    proved, evidence = rules.believes_all or authenticated(event), evidence_of(event, rules)
    ends: list[tuple[Node, int]] = [(node, 0) for node in strong[1:]]
    if replaced is not None:
        ends.append((replaced, ALIAS_STRENGTH if proved else 0))
    for node, explicit in ends:
        strength = explicit or rules.strength(strong[0][0], node[0], evidence) + (0 if proved else UNPROVED)
        received_at = 0 if proved else event.received_at
        pair: Pair = pair_of(strong[0], node)
        yield Edge(*pair, strength, event.at, event.message_id, event.source, evidence or event.type, received_at)


def _anonymous(event: Event, device: str, known: Known, salt: bytes) -> Resolution:
    own = known.owner(DEVICE, device)
    rows = known.sign_ins(device)
    signed = owner_at(rows, event.at)
    key = (DEVICE, device)
    person = _living(known, signed) if signed else own.person if own else person_id(salt, *key)
    if own is None:
        home = _living(known, next(row for row in rows if not row.void)) if signed else person
        created = signed is None
        return Resolution(person, key, device, created, identifiers=[(*key, home, event.at, 0)])
    if event.at < own.first_at:
        return Resolution(person, key, device, identifiers=[(*key, own.person, event.at, 0)])
    return Resolution(person, key, device)


def _living(known: Known, row: SignIn) -> str:
    owned = known.owner(row.kind, row.value)
    assert owned is not None, "a sign-in by an identifier that nobody owns"
    return owned.person


def _unchanged(event: Event, strong: Sequence[Node], device: str, known: Known, rules: Rules) -> str:
    """The person if the event says nothing new about identity, else ""."""
    first = strong[0]
    at, received_at = event.at, event.received_at
    owned = known.owner(*first)
    if owned is None or at < owned.first_at or received_at < owned.received_at:
        return ""
    if len(strong) > 1:
        base = 0 if rules.believes_all or authenticated(event) else UNPROVED
        evidence = evidence_of(event, rules) if event.context else ""
        for node in strong[1:]:
            other, edge = known.owner(*node), known.edge(*pair_of(first, node))
            if other is None or at < other.first_at or received_at < other.received_at or edge is None:
                return ""
            strength = base + rules.strength(first[0], node[0], evidence)
            if (-edge.strength, edge.at, edge.message_id) > (-strength, at, event.message_id):
                return ""
            if edge.received_at > received_at:
                return ""
    if device:
        own = known.owner(DEVICE, device)
        if own is None or at < own.first_at:
            return ""
        rows = known.sign_ins(device)
        index = before(rows, at, event.message_id)
        if not index or rows[index - 1].node != first:
            return ""
    return owned.person


def _newcomer(
    event: Event, strong: Sequence[Node], device: str, known: Known, salt: bytes, rules: Rules
) -> Resolution | None:
    """Nobody has any of these identifiers, and nobody ever signed in on the device: one person, nothing to weigh."""
    first, at = strong[0], event.at
    rows = known.sign_ins(device) if device else ()
    if rows or any(known.owner(*node) is not None for node in strong):
        return None
    if first[0] == ACCOUNT and known.edges_of(*first):
        return None
    person = person_id(salt, *first)
    edges = list(_links(event, strong, rules))
    identifiers = [(*node, person, at, event.received_at) for node in strong]
    if not device:
        return Resolution(person, first, "", True, edges, identifiers)
    own = known.owner(DEVICE, device)
    identifiers.append((DEVICE, device, person, at if own is None else min(at, own.first_at), 0))
    sign_ins = [SignIn(at, event.message_id, device, *first)]
    aliases = [] if own is None else [Alias(own.person, person)]
    merges = [] if own is None else [Merge(own.person, person)]
    return Resolution(person, first, device, True, edges, identifiers, aliases, merges, sign_ins=sign_ins)
