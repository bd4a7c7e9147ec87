"""`changedAt(consent(...))`: since when somebody may be mailed, or may not, by the words of the ledger."""

from __future__ import annotations

from typing import Any

import pytest

from einklang.event import EngineCall
from tests.app.test_prices import members
from tests.app.test_wakes import track
from tests.app.worlds import DAY, HOUR, START, append, home, run

DEFINITIONS = """
{kind: purpose, id: service, title: {de: Service, en: Service}, basis: contract}
---
kind: segment
id: for-long
where: 'consent("email", "marketing") && changedAt(consent("email", "marketing")) <= now - duration("3d")'
---
kind: segment
id: gone-for-long
where: '!consent("email", "marketing") && changedAt(consent("email", "marketing")) <= now - duration("3d")'
---
{kind: segment, id: never, where: 'changedAt(consent("email", "marketing")) == null'}
---
{kind: segment, id: served-for-long, where: 'changedAt(consent("email", "service")) <= now - duration("3d")'}
"""
NAMES = ("for-long", "gone-for-long", "never", "served-for-long")


def said(name: str, at: int, address: str = "u@x.example") -> EngineCall:
    """A word about advertising by e-mail."""
    return track(f"Consent {name}", at, "u", channel="email", purpose="marketing", address=address)


def known(at: int) -> EngineCall:
    """Somebody with an address."""
    return EngineCall("identify", userId="u", traits={"email": "u@x.example"}, at=at, messageId="t")


@pytest.mark.parametrize("batch", [1, 5_000])
@pytest.mark.parametrize(
    ("calls", "days"),
    [
        ([], {1: "0010", 4: "0011"}),
        ([said("Given", START + DAY)], {0.5: "0010", 1.5: "0000", 3.9: "0001", 4: "1001"}),
        ([said("Requested", START + DAY)], {2: "0010", 5: "0011"}),
        ([said("Given", START + HOUR), said("Withdrawn", START + 4 * DAY)], {4 - 0.5: "1001", 4: "0001", 7: "0101"}),
        ([said("Given", START + HOUR), said("Given", START + 3 * DAY, "other@x.example")], {4: "1001"}),
        ([said("Withdrawn", START + HOUR), said("Given", START + DAY), said("Given", START + 2 * DAY)],
         {4.5: "0001", 5: "1001"}),
    ],
)  # fmt: skip
def test_since_when_it_is_so(calls: list[EngineCall], days: dict[float, str], batch: int) -> None:
    """Nobody said anything: null. A second address does not begin anew; a withdrawal does, and a word said again,
    of which the ledger keeps the last. Time alone makes it three days. Another basis holds since the person is known.
    """
    with home(DEFINITIONS) as book:
        append(book, [known(START), *calls])
        for day, wanted in days.items():
            run(book, [batch], until=START + int(day * DAY))
            found: list[Any] = [members(book, name) for name in NAMES]
            assert "".join(map(str, found)) == wanted, day
