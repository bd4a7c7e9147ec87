"""Random logs of few people with few identifiers: equal times, aliases, shared values and devices, anonymous events."""

from __future__ import annotations

from hypothesis import strategies as st

from einklang.event import Event

Node = tuple[str, str]
VALUES = {"userId": ["u", "v", "w"], "email": ["e@x", "f@x", "g@x", "h@x"], "phone": ["+1", "+2", "+3"]}


def event(
    n: int, at: int, type_: str, identifiers: dict[str, str], *, source: str = "import", received_at: int | None = None
) -> Event:
    """An event with this message number, received when it happened unless said otherwise."""
    received = at if received_at is None else received_at
    return Event(n, at, received, type_, "", f"m{n:03d}", tuple(identifiers.items()), {}, {}, source, "web")


@st.composite
def logs(draw: st.DrawFn, sources: tuple[str, ...] = ("import", "web", "server")) -> list[Event]:
    """Up to 14 events over few identifiers, with equal times, aliases and anonymous ones; proved and not."""
    events = []
    for n in range(draw(st.integers(1, 14))):
        at = draw(st.integers(0, 8))
        said = {}
        kind = draw(st.sampled_from(["track", "track", "track", "identify", "alias"]))
        for name, values in VALUES.items():
            if draw(st.integers(0, 2)) == 0 or (kind == "alias" and name == "userId"):
                said[name] = draw(st.sampled_from(values))
        if kind == "alias":
            said["previousId"] = draw(st.sampled_from("uvwab"))
        if draw(st.booleans()) or not said:
            said["anonymousId"] = draw(st.sampled_from("abcd"))
        source = draw(st.sampled_from(sources))
        events.append(event(n, at, kind, said, source=source, received_at=draw(st.integers(0, 6))))
    return events


def decision(n: int, at: int, join: list[tuple[Node, Node]], apart: list[tuple[Node, Node]]) -> Event:
    """A decision of staff about pairs of identifiers."""
    pairs = {"join": [[*x, *y] for x, y in join], "apart": [[*x, *y] for x, y in apart]}
    return Event(n, at, at, "identity", "", f"s{n:03d}", (), pairs, {}, "einklang", "", origin=1)


@st.composite
def decided(draw: st.DrawFn) -> tuple[list[Event], list[Event], list[Event]]:
    """A log, decisions about identifiers that it names, and what comes after them."""
    events, later = draw(logs()), draw(logs())
    for n, happened in enumerate(later):
        happened.message_id = f"n{n:03d}"
    strong = sorted({node for one in events for node in one.identifiers if node[0] in VALUES})
    devices = sorted({node for one in events for node in one.identifiers if node[0] == "anonymousId"})
    found = []
    for n in range(draw(st.integers(1, 4)) if len(strong) > 1 else 0):
        pairs, together = [], draw(st.booleans())
        others = strong if together else [*strong, *devices]
        for _ in range(draw(st.integers(1, 4))):
            one = draw(st.sampled_from(strong))
            pairs.append((one, draw(st.sampled_from([node for node in others if node != one]))))
        found.append(decision(n, draw(st.integers(0, 9)), pairs[:1] if together else [], [] if together else pairs))
    return events, draw(st.permutations(found)), later


@st.composite
def shuffled(draw: st.DrawFn) -> tuple[list[Event], list[Event]]:
    """A log, and the same in another order of arrival."""
    events = draw(logs())
    return events, draw(st.permutations(events))
