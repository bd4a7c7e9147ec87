"""What cannot be worked off is put aside, so that nothing behind it waits (invariant 6)."""

from __future__ import annotations

from einklang.app.state import SOURCE, State
from einklang.app.working import Live, to_json
from einklang.event import LOOK, REPLAY, Event
from einklang.kernel.reasons import DeadLetter

#: How often an event must fail alone before it is put aside.
ATTEMPTS_MAX = 2
#: What is put aside is remembered until so many are.
ASIDE_MAX = 1_000
#: The position of an event, or (due, person) of a timer.
Key = int | tuple[int, str]


class Poison:
    """What raised, and how often."""

    def __init__(self) -> None:
        self.working_on: Key | None = None
        self.aside: dict[Key, str] = {}
        self._failures: dict[Key, int] = {}

    def found(self, error: Exception, limit: int) -> int:
        """The size of the next attempt. Raises what was not about one event or timer."""
        key = self.working_on
        if not key:
            raise error
        if limit > 1:
            return max(1, limit // 10)
        self._failures[key] = self._failures.get(key, 0) + 1
        if self._failures[key] >= ATTEMPTS_MAX:
            if len(self.aside) >= ASIDE_MAX:  # nearly all are dead letters already; what is not fails again
                self.aside.clear()
                self._failures.clear()
            self.aside[key] = f"{type(error).__name__}: {str(error)[:500]}"
        return 1

    def without(self, state: State, inputs: list[Event], version: str) -> list[Event]:
        """What is not put aside; the others become dead letters."""
        for event in inputs if self.aside else ():
            detail = self.aside.get(event.position)
            if detail is not None:
                dead_letter(state, event, detail, version)
        return [event for event in inputs if event.position not in self.aside]


def dead_letter(state: State, event: Event, detail: str, version: str, code: DeadLetter = DeadLetter.POISON) -> None:
    """Put an event aside: it is not folded, and nothing behind it waits."""
    state.counters["in_log"] -= 1
    state.counters["dead_letters"] += 1
    original = to_json(event).encode()
    state.out.add("entry_drop", event.position)
    state.out.add(
        "dead_put", event.position, state.clock, event.received_at, event.source, code, detail, original, version,
        REPLAY, 1,
    )  # fmt: skip


def hold(state: State, live: Live, detail: str, version: str) -> None:
    """A timer that cannot be worked off holds its person until the next event; its dead letter is no log entry."""
    live.person.wake = None
    state.working.mark(live)
    state.out.add(
        "dead_put", -state.count("held"), state.clock, state.clock, SOURCE, DeadLetter.POISON, detail,
        live.person.id.encode(), version, LOOK, 1,
    )  # fmt: skip
