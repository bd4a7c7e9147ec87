"""A device takes nobody's right to withdraw: not by a clock that is years ahead, nor by who used it before."""

from __future__ import annotations

from itertools import count
from typing import Any

import msgspec
import pytest

from einklang.app import waiting
from einklang.app.collect import collect
from einklang.app.sources import LiveSource
from einklang.consent import address_key
from einklang.event import EngineCall
from einklang.store.book import SqliteBook
from einklang.testing.canonical import table_rows
from tests.app.worlds import HOUR, SALT, START, append, engine_of, home

NUMBERS = count()
AHEAD = "2090-01-01T00:00:00Z"


def say(book: SqliteBook, status: str, hour: int, **more: str) -> str:
    """A call of the tracking API, and the tick that folds it; the last word of the only person by then."""
    said = {"channel": "email", "purpose": "marketing", "address": "u@example.org"}
    call = {"userId": "u", "event": f"Consent {status}", "properties": said, "messageId": str(hour), **more}
    now = START + hour * HOUR
    found = collect(book, "track", msgspec.json.encode(call), source="web", now=now, salt=bytes.fromhex(SALT))
    assert found.durable is not None
    found.durable.result()
    engine, source = engine_of(book), LiveSource()
    source.now = now
    while engine.step(source, 100):
        pass
    (state,) = (row[3] for row in table_rows(book, "person"))
    return str(msgspec.to_builtins(state)["permissions"]["email|marketing|u@example.org"][0])


def test_consent_from_the_future_can_be_withdrawn() -> None:
    """What is said later counts, whatever the clock of a device said before; the address is suppressed."""
    with home() as book:
        assert say(book, "Given", 1, timestamp=AHEAD) == "given"
        assert say(book, "Withdrawn", 2) == "withdrawn"
        assert [row[3] for row in book.read("suppressions")] == ["withdrawn"]


def test_after_a_withdrawal_from_the_future_consent_can_be_given_again() -> None:
    """The withdrawal is in force at once, and lifted by the consent that follows it."""
    with home() as book:
        assert say(book, "Withdrawn", 1, timestamp=AHEAD) == "withdrawn"
        assert [row[3] for row in book.read("suppressions")] == ["withdrawn"]
        assert say(book, "Given", 2) == "given"
        assert book.read("suppressions") == []


def test_a_retry_of_a_withdrawal_does_not_void_a_later_consent() -> None:
    """Who withdrew, gave consent again and whose client sends the withdrawal once more may be written to."""
    with home() as book:
        early = {"timestamp": "2026-03-20T01:00:00Z"}
        assert say(book, "Withdrawn", 1, **early) == "withdrawn"
        assert say(book, "Given", 2) == "given"
        assert say(book, "Withdrawn", 3, **early, messageId="1") == "given"
        assert book.read("suppressions") == []
        assert say(book, "Withdrawn", 4, **early, messageId="late") == "given"
        assert book.read("suppressions") == []
        assert say(book, "Withdrawn", 5) == "withdrawn"
        assert len(book.read("suppressions")) == 1


def test_who_withdraws_on_a_device_is_who_is_signed_in_there() -> None:
    """At the door of the log, before any tick: not the first who ever signed in on the device."""
    with home() as book:
        engine, source = engine_of(book), LiveSource()
        for hour, user in ((1, "v"), (2, "u")):
            traits = {"email": f"{user}@example.org"}
            call = EngineCall("identify", userId=user, anonymousId="d", messageId=user, traits=traits)
            call.at = source.now = START + hour * HOUR
            append(book, [call], received_at=source.now)
            while engine.step(source, 100):
                pass
        said = {"channel": "email", "purpose": "marketing"}
        body = {"anonymousId": "d", "event": "Consent Withdrawn", "properties": said, "messageId": "w"}
        salt = bytes.fromhex(SALT)
        found = collect(book, "track", msgspec.json.encode(body), source="web", now=START + 3 * HOUR, salt=salt)
        assert found.durable is not None
        found.durable.result()
        assert [row[0] for row in book.read("suppressions")] == [address_key(salt, "email", "u@example.org")]


def tell(book: SqliteBook, kind: str, **call: Any) -> None:
    """A call that is stored and not worked off: it waits in the tail."""
    body = msgspec.json.encode({"messageId": str(next(NUMBERS)), **call}).replace(b"/", b"\\/")  # as PHP writes it
    found = collect(book, kind, body, source="web", now=START + HOUR, salt=bytes.fromhex(SALT))
    assert found.durable is not None
    found.durable.result()


def suppressed(book: SqliteBook) -> set[str]:
    """Which of the addresses of this module are suppressed."""
    keys = {row[0] for row in book.read("suppressions")}
    return {name for name in "uvw" if address_key(bytes.fromhex(SALT), "email", f"{name}@example.org") in keys}


def early(hour: int) -> str:
    """A moment of the day of these tests."""
    return f"2026-03-20T00:{hour:02}:00Z"


WITHDRAWN = {"event": "Consent Withdrawn", "properties": {"channel": "email", "purpose": "marketing"}}
WAITING: list[tuple[list[dict[str, Any]], dict[str, str], set[str]]] = [
    ([{"userId": "u", "traits": {"email": "U@Example.org"}}], {"userId": "u"}, {"u"}),
    ([{"anonymousId": "d", "traits": {"email": "u@example.org"}}], {"anonymousId": "d"}, {"u"}),
    (
        [
            {"anonymousId": "d", "userId": "n", "timestamp": early(1)},
            {"userId": "n", "traits": {"email": "u@example.org"}},
            {"userId": "m", "traits": {"email": "v@example.org"}},
        ],
        {"anonymousId": "d"},
        {"u"},
    ),
    (
        [
            {"anonymousId": "d", "userId": name, "traits": {"email": f"{name}@example.org"}, "timestamp": early(hour)}
            for hour, name in enumerate("vu", 1)
        ],
        {"anonymousId": "d"},
        {"u"},
    ),
    (
        [{"userId": name, "traits": {"email": f"{name}@example.org", "phone": "+49301234567"}} for name in "uv"],
        {"userId": "u"},
        {"u"},
    ),
    ([{"userId": "u/1", "traits": {"email": "u@example.org"}}], {"userId": "u/1"}, {"u"}),
]


@pytest.mark.parametrize(("calls", "by", "meant"), WAITING)
def test_a_withdrawal_reaches_who_is_known_from_waiting_events(
    calls: list[dict[str, Any]], by: dict[str, str], meant: set[str]
) -> None:
    """In its own transaction, though no tick has told yet whose identifier it is: that person's address, no other's."""
    with home() as book:
        for call in calls:
            tell(book, "identify", **call)
        tell(book, "track", **WITHDRAWN, **by)
        assert suppressed(book) == meant


def test_a_withdrawal_reaches_who_its_own_batch_names() -> None:
    """Sign-in and withdrawal in one request."""
    with home() as book:
        who = {"type": "identify", "anonymousId": "d", "traits": {"email": "u@example.org"}, "messageId": "1"}
        tell(book, "batch", batch=[who, {"type": "track", "anonymousId": "d", "messageId": "2", **WITHDRAWN}])
        assert suppressed(book) == {"u"}


def test_without_a_look_at_the_tail_it_reaches_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Positive control: the Book alone does not know the identifier before the next tick."""
    monkeypatch.setattr(waiting, "named", lambda reader, found, own: found)
    with home() as book:
        tell(book, "identify", userId="u", traits={"email": "u@example.org"})
        tell(book, "track", **WITHDRAWN, userId="u")
        assert suppressed(book) == set()
