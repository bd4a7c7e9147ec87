"""Random logs of few people with few identifiers: equal times, aliases, shared values and devices, anonymous events."""

from __future__ import annotations

from hypothesis import strategies as st

from einklang.event import Event

VALUES = {"userId": ["u", "v", "w"], "email": ["e@x", "f@x", "g@x", "h@x"], "phone": ["+1", "+2", "+3"]}


def event(n: int, at: int, type_: str, identifiers: dict[str, str]) -> Event:
    """An event with this message number."""
    return Event(n, at, at, type_, "", f"m{n:03d}", tuple(identifiers.items()), {}, {}, "import", "web")


@st.composite
def logs(draw: st.DrawFn) -> list[Event]:
    """Up to 14 events over few identifiers, with equal times, aliases and anonymous ones."""
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
        events.append(event(n, at, kind, said))
    return events


@st.composite
def shuffled(draw: st.DrawFn) -> tuple[list[Event], list[Event]]:
    """A log, and the same in another order of arrival."""
    events = draw(logs())
    return events, draw(st.permutations(events))
