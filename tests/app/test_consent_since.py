"""`changedAt(consent(...))`: since when somebody may be mailed, or may not, by the words of the ledger."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from einklang.app import segments
from einklang.app.persons import show
from einklang.event import EngineCall
from einklang.kernel.time import format_moment
from einklang.store.lake import Lake
from einklang.testing.canonical import table_rows
from tests.app.test_prices import CLOCK, NAME, members
from tests.app.test_rebuild import differences
from tests.app.test_wakes import track
from tests.app.worlds import DAY, HOUR, START, append, engine_of, home, run
from tests.deliver.post import ADDRESS, MINUTE, NOW, Memory, post

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
JOURNEY = """
{kind: message, id: news, purpose: marketing, class: marketing, email: {subject: Hi, text: "x"}}
---
{kind: journey, id: calm, entry: {event: Page Viewed, reenter: always}, steps: [{id: c, contact: news}]}
---
{kind: segment, id: permitted, where: 'consent("email", "marketing")'}
"""
NAMES = ("for-long", "gone-for-long", "never", "served-for-long")


def said(name: str, at: int, address: str = "u@x.example", ends: int = 0) -> EngineCall:
    """A word about advertising by e-mail. ends: when what is given ends."""
    until = {"expires_at": format_moment(ends)} if ends else {}
    return track(f"Consent {name}", at, "u", channel="email", purpose="marketing", address=address, **until)


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
         {3.9: "0001", 4: "1001"}),
        ([said("Given", START + DAY, ends=START + 5 * DAY)],
         {3.9: "0001", 4: "1001", 4.9: "1001", 5: "0001", 7.9: "0001", 8: "0101"}),
        ([said("Given", START + DAY, ends=START + 2 * DAY), said("Given", START + 2 * DAY)], {4: "1001"}),
        ([said("Given", START + DAY, ends=START + 2 * DAY), said("Given", START + 3 * DAY)], {4: "0001", 6: "1001"}),
        ([said("Given", START + DAY), said("Given", START + 2 * DAY, ends=START + 3 * DAY)], {2.5: "0000", 6: "0101"}),
        ([said("Given", START + 4 * DAY), said("Given", START + DAY)], {4.5: "1001"}),
    ],
)  # fmt: skip
def test_since_when_it_is_so(calls: list[EngineCall], days: dict[float, str], batch: int) -> None:
    """Nobody said anything: null. A second address does not begin anew; a withdrawal does; a word that is said
    again goes on. What is given for a time ends by itself. Time alone makes it three days. Another basis holds since
    the person is known.
    """
    with home(DEFINITIONS) as book:
        append(book, [known(START), *calls])
        for day, wanted in days.items():
            run(book, [batch], until=START + int(day * DAY))
            found: list[Any] = [members(book, name) for name in NAMES]
            assert "".join(map(str, found)) == wanted, day


@pytest.mark.parametrize("batch", [1, 5_000])
def test_what_ends_is_left_and_refused(batch: int, tmp_path: Path) -> None:
    """At its end, by time alone, the person leaves the segment; the door refuses from then on, with its reason; the
    past is as it was; a rebuild finds the same.
    """
    looked = [EngineCall("page", name="Home", userId="u", messageId=str(n), at=START + n * DAY) for n in (1, 3)]
    with home(JOURNEY) as book:
        append(book, [known(START), said("Given", START + HOUR, ends=START + 2 * DAY), *looked])
        run(book, [batch])
        told = {(row[NAME], row[CLOCK]) for row in table_rows(book, "history") if row[NAME].startswith("Segment ")}
        assert told == {("Segment Entered", START + HOUR), ("Segment Left", START + 2 * DAY)}
        verdicts = [(row[9], row[10]) for row in book.read("all_verdict", 0, 100)]
        assert verdicts == [("sent", ""), ("denied", "no_consent")]
        for at, wanted in ((START + 2 * DAY - 1, 1), (START + 2 * DAY, 0)):
            with book.snapshot() as reader:
                found = segments.members(reader, engine_of(book).state, Lake(tmp_path), "permitted", at)
                assert len(found) == wanted
        assert differences(book, Lake(tmp_path), batch=batch) == []


@pytest.mark.parametrize(("minutes", "arrived"), [(59, True), (60, False)])
def test_a_consent_that_ends_before_the_hand_over(minutes: int, arrived: bool) -> None:
    """What was permitted at the decision is not handed over once the consent has ended by itself."""
    with post() as it:
        it.person(consent=False)
        ends = format_moment(it.now + 60 * MINUTE)
        it.tell("Consent Given", channel="email", purpose="marketing", address=ADDRESS, expires_at=ends)
        it.tell("Product Added", name="shoe")
        it.tick()
        assert it.statuses() == ["ready"]
        it.hand(channel := Memory(), after=minutes * MINUTE - (it.now - NOW))
        assert bool(channel.got) == arrived
        assert it.statuses() == (["sent"] if arrived else ["failed"])


def test_when_it_ends_is_shown() -> None:
    """To whom asks for the person, where it ends; else nothing is said of an end."""
    with home(JOURNEY) as book:
        append(book, [known(START), said("Given", START + HOUR, ends=START + DAY)])
        append(book, [track("Consent Given", START, "u", channel="sms", purpose="marketing", address="+491")])
        run(book, until=START + 2 * HOUR)
        with book.snapshot() as reader:
            told = {one["channel"]: one.get("expires_at") for one in show(reader, "userId:u")["consents"]}
        assert told == {"email": format_moment(START + DAY), "sms": None}
