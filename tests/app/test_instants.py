"""Of an event and a timer of one instant the event goes first (decision 0003)."""

from __future__ import annotations

import pytest

from tests.app.test_wakes import track
from tests.app.worlds import DAY, HOUR, START, append, home, run

ASKED = """
kind: journey
id: asked
entry: {event: Form Sent, key: form}
steps:
  - {id: w, until: 'events("Paid").exists()', at_most: 1h, then: yes, else: no}
  - {id: yes, set: {paid: in time}, then: end}
  - {id: no, set: {paid: late}}
"""


@pytest.mark.parametrize("batch", [1, 5_000])
@pytest.mark.parametrize(("after", "paid"), [(-1, "in time"), (0, "in time"), (1, "late")])
def test_an_event_at_the_end_of_a_wait_is_in_time(after: int, paid: str, batch: int) -> None:
    """What happens at the very microsecond at which patience ends counts, a microsecond later it does not."""
    with home(ASKED) as book:
        append(book, [track("Form Sent", START, "u", form="a"), track("Paid", START + HOUR + after, "u", form="b")])
        run(book, [batch], until=START + DAY)
        ((*_, state),) = (row for lane in range(64) for row in book.read("all_person", lane))
        assert f'"{paid}"'.encode() in state
