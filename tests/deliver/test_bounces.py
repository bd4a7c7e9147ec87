"""Who refused an address for good: it is suppressed at once, and the state still follows from the log alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from einklang.app import consents
from einklang.channel import Parcel, Receipt, failed
from einklang.consent import WITHDRAWN
from einklang.store.lake import Lake
from tests.app.test_rebuild import differences
from tests.deliver.post import ADDRESS, Memory, Post, post


def refuse(parcel: Parcel) -> Receipt:
    """The mail server knows no such user."""
    return failed("550 no such user", permanent=True, stage="rcpt")


def bounced(it: Post) -> Memory:
    """A message is refused while a later event waits to be folded; the channel, after the tick."""
    it.person()
    it.tick()
    it.tell("Product Added", name="Shoe")
    it.tick()
    it.now += 1
    it.tell("Product Added", name="Hat")
    channel = Memory(refuse)
    it.now += 1
    it.hand(channel)
    it.tick()
    return channel


def test_what_came_before_a_bounce_is_decided_without_it(tmp_path: Path) -> None:
    """The rebuild from the log is equal; the message that was decided meanwhile is not handed over."""
    with post() as it:
        channel = bounced(it)
        assert differences(it.book, Lake(tmp_path)) == []
        it.both(channel, after=1)
        assert (len(channel.got), it.statuses()) == (1, ["failed", "failed"])
        assert differences(it.book, Lake(tmp_path)) == []


def test_a_tick_that_knows_of_a_bounce_ahead_of_the_log_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Positive control: verdicts that know of what is not folded yet cannot be made again."""
    monkeypatch.setattr(consents, "NOT_FOLDED", (WITHDRAWN,))
    with post() as it:
        bounced(it)
        assert differences(it.book, Lake(tmp_path)) != []


@pytest.mark.parametrize("event", ["Email Bounced", "Email Marked as Spam"])
def test_a_bounce_that_names_no_address_is_of_the_one_in_use(event: str, tmp_path: Path) -> None:
    """The address that the person had then is suppressed and reachable no longer; another address is free."""
    with post("{kind: segment, id: found, where: 'reachable(\"email\")'}") as it:
        it.person()
        it.tick(1)
        assert it.live().person.memberships["found"].member
        it.tell(event, kind="hard")
        it.tick(1)
        it.engine.state.read_from(it.book)
        assert it.engine.state.suppressed("email", ADDRESS, "marketing")
        assert not it.live().person.memberships["found"].member
        it.send({"type": "identify", "userId": "u1", "traits": {"email": "new@shop.example"}})
        it.tick(1)
        it.engine.state.read_from(it.book)
        assert not it.engine.state.suppressed("email", "new@shop.example", "marketing")
        assert it.live().person.memberships["found"].member
        assert differences(it.book, Lake(tmp_path)) == []
