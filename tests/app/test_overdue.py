"""What fell due while nothing was worked off follows the journey's `overdue` rule (language.md 3.1)."""

from __future__ import annotations

import pytest

from einklang.app.apply import Body, apply
from einklang.app.counts import journey_counts
from einklang.app.run import settle_definitions
from einklang.app.sources import LiveSource
from einklang.app.yaml import parse_text
from einklang.event import EngineCall, body_of
from einklang.kernel.time import DAY, HOUR
from tests.app.worlds import engine_of, home

_T0 = 1_780_000_000_000_000
_DEFINITIONS = """
kind: journey
id: j
overdue: {rule}
entry: {{event: Signed Up}}
steps:
  - {{id: pause, wait: 1d}}
  - {{id: mail, contact: hello, channels: email}}
---
kind: message
id: hello
purpose: service
class: transactional
email: {{subject: Hello, text: Hello}}
"""


def _mailed_after(rule: str, stop: int) -> list[bool]:
    """Whether the mail is asked for: right after a stop of `stop` that began an hour after entry; and a day later."""
    with home() as book:
        engine = engine_of(book)
        apply(book, parse_text(_DEFINITIONS.format(rule=rule), "t.yaml"), now=_T0)
        settle_definitions(book, engine)
        call = EngineCall(type="track", event="Signed Up", identifiers={"email": "a@b.example"}, at=_T0)
        source = LiveSource()
        source.now = _T0
        engine.step(source, 100)
        book.append([Body(1, _T0, "web", "import", body_of([call]))])
        source.now = _T0 + 1
        engine.step(source, 100)
        later = LiveSource()
        found = []
        for now in (_T0 + HOUR + stop, _T0 + HOUR + stop + DAY):
            later.now = now
            for _ in range(3):
                engine.step(later, 100)
            found.append(bool(book.read("outbox_ready", now, 10)))
        counts = journey_counts(book, "j")
        assert counts["entered"] == counts["in_progress"] + counts["done"] + counts["exited"] == 1
        return found


@pytest.mark.parametrize(
    ("rule", "expected"), [("send", [True, True]), ("shift", [False, True]), ("skip", [False, False])]
)
def test_a_long_stop_follows_the_rule(rule: str, expected: list[bool]) -> None:
    """After two days of standstill `send` mails at once, `shift` a wait later, `skip` never."""
    assert _mailed_after(rule, 2 * DAY) == expected


@pytest.mark.parametrize("rule", ["send", "shift", "skip"])
def test_a_short_stop_changes_nothing(rule: str) -> None:
    """A stop of less than six hours is no standstill: what fell due in it is done at once, whatever the rule."""
    assert _mailed_after(rule, 5 * HOUR)[1]
