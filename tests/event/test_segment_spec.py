"""The Segment tracking specification as a table: each call, each common field, as its documentation gives them."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from einklang.event import Event, Limits, expand, judge
from einklang.kernel.errors import InputError
from einklang.kernel.reasons import Rejected
from einklang.kernel.time import parse_moment

NOW = parse_moment("2027-03-01T12:00:00Z")
SENT = "2027-03-01T11:59:58.000Z"
USER, DEVICE = ("userId", "97980cfea0067"), ("anonymousId", "507f191e810c19729de860ea")
COMMON: dict[str, Any] = {
    "anonymousId": "507f191e810c19729de860ea",
    "channel": "browser",
    "context": {
        "active": True,
        "ip": "8.8.8.8",
        "locale": "nl-NL",
        "page": {"path": "/academy/", "title": "Analytics Academy", "url": "https://segment.example/academy/"},
        "userAgent": "Mozilla/5.0",
        "library": {"name": "analytics.js", "version": "2.11.1"},
        "campaign": {"name": "TPS Innovation Newsletter", "source": "Newsletter"},
        "timezone": "Europe/Amsterdam",
        "consent": {"categoryPreferences": {"Advertising": True}},
    },
    "integrations": {"All": True, "Mixpanel": False},
    "messageId": "022bb90c-bbac-11e4-8dfc-aa07a5b093db",
    "receivedAt": "2027-03-01T00:00:00.000Z",
    "sentAt": SENT,
    "timestamp": "2027-03-01T11:59:57.500Z",
    "userId": "97980cfea0067",
    "version": "1.1",
    "_metadata": {"bundled": ["Segment.io"]},
}


def events(kind: str, said: Any) -> list[Event]:
    """What is stored of a body that the door admits."""
    raw = json.dumps(said).encode()
    judged = judge(kind, raw, received_at=NOW)
    assert judged.rejected == []
    return expand(kind, judged.body, first_position=1, received_at=NOW, source="shop")


#: (kind, fields of the documentation's example, name, properties, identifiers beside user and device)
CALLS: list[tuple[str, dict[str, Any], str, dict[str, Any], tuple[Any, ...]]] = [
    (
        "identify",
        {"traits": {"name": "Peter Gibbons", "email": "Peter@example.com", "plan": "premium", "logins": 5}},
        "",
        {"name": "Peter Gibbons", "email": "Peter@example.com", "plan": "premium", "logins": 5},
        (("email", "peter@example.com"),),
    ),
    (
        "track",
        {"event": "Registered", "properties": {"plan": "Pro Annual", "revenue": 19.95}},
        "Registered",
        {"plan": "Pro Annual", "revenue": Decimal("19.95")},
        (),
    ),
    (
        "page",
        {
            "name": "Home",
            "category": "Docs",
            "properties": {"title": "Welcome | Initech", "url": "http://initech.example"},
        },
        "Page Viewed",
        {
            "title": "Welcome | Initech",
            "url": "http://initech.example",
            "name": "Home",
            "category": "Docs",
            "path": "/academy/",
        },
        (),
    ),
    (
        "screen",
        {"name": "Home", "properties": {"Feed Type": "private"}},
        "Screen Viewed",
        {"name": "Home", "Feed Type": "private"},
        (),
    ),
    (
        "group",
        {"groupId": "0e8c78ea9d97a7b8185e8632", "traits": {"name": "Initech", "employees": 329}},
        "",
        {"name": "Initech", "employees": 329, "group_id": "0e8c78ea9d97a7b8185e8632"},
        (),
    ),
    ("alias", {"previousId": "39239-239239-239239"}, "", {}, (("previousId", "39239-239239-239239"),)),
]


@pytest.mark.parametrize("batched", [False, True])
@pytest.mark.parametrize(("kind", "fields", "name", "properties", "more"), CALLS, ids=[row[0] for row in CALLS])
def test_each_call_of_the_specification(
    kind: str, fields: dict[str, Any], name: str, properties: dict[str, Any], more: tuple[Any, ...], batched: bool
) -> None:
    """Alone or in a batch: type, name, properties or traits, identifiers, time, channel and context arrive."""
    said = {**COMMON, **fields, "type": kind}
    (event,) = events("batch", {"batch": [said], "sentAt": SENT}) if batched else events(kind, said)
    assert (event.type, event.name, event.properties) == (kind, name, properties)
    assert event.identifiers == (USER, *more, DEVICE)
    assert event.at == parse_moment("2027-03-01T11:59:59.500Z"), "receivedAt - (sentAt - timestamp)"
    assert (event.received_at, event.message_id, event.source) == (NOW, COMMON["messageId"], "shop")
    assert event.touchpoint == "web"
    kept = {field: value for field, value in COMMON["context"].items() if field != "ip"}
    assert event.context == {**kept, "channel": "browser", "integrations": {"All": True, "Mixpanel": False}}


IDS = [
    ({"userId": 97980}, (("userId", "97980"),)),
    ({"userId": -7}, (("userId", "-7"),)),
    ({"userId": 97980.0}, (("userId", "97980"),)),
    ({"userId": 1.5, "anonymousId": 2**63}, (("userId", "1.5"), ("anonymousId", str(2**63)))),
    ({"userId": None, "anonymousId": "a"}, (("anonymousId", "a"),)),
    ({"userId": "", "anonymousId": "a"}, (("anonymousId", "a"),)),
    ({"userId": "u", "anonymousId": ""}, (("userId", "u"),)),
    ({"userId": " u ", "anonymousId": None}, (("userId", "u"),)),
]


@pytest.mark.parametrize(("ids", "expected"), IDS)
def test_ids_are_text_or_numbers(ids: dict[str, Any], expected: tuple[Any, ...]) -> None:
    """Numbers become text as JavaScript prints them; null and empty are absent; one of the two is enough."""
    (event,) = events("track", {"event": "x", **ids})
    assert event.identifiers == expected


MESSAGE_IDS = [("m" * 500, True), ("m" * 501, False), (7, True), (1.5, False), (True, False), (["m"], False)]


@pytest.mark.parametrize(("message_id", "fine"), MESSAGE_IDS)
def test_a_message_id_is_a_text_of_at_most_500_characters(message_id: Any, fine: bool) -> None:
    """Or a whole number; anything else is refused as `bad_identifier`."""
    said = {"event": "x", "userId": "u", "messageId": message_id}
    if fine:
        assert events("track", said)[0].message_id == str(message_id)
        return
    with pytest.raises(InputError) as caught:
        events("track", said)
    assert caught.value.code == Rejected.BAD_IDENTIFIER


@pytest.mark.parametrize("message_id", [None, ""])
def test_without_a_message_id_each_arrival_is_an_event(message_id: str | None) -> None:
    """Absent, null or empty: the event gets an id of its own."""
    (event,) = events("track", {"event": "x", "userId": "u", "messageId": message_id})
    assert event.message_id.startswith("h_")


TIMES = [
    ("2027-02-01T09:00:00.000Z", "2027-02-01T09:00:00Z"),
    ("2027-02-01T09:00:00Z", "2027-02-01T09:00:00Z"),
    ("2027-02-01T09:00:00.123456789Z", "2027-02-01T09:00:00.123456Z"),
    ("2027-02-01T09:00:00,5Z", "2027-02-01T09:00:00.5Z"),
    ("2027-02-01T09:00:00", "2027-02-01T09:00:00Z"),
    ("2027-02-01T09:00Z", "2027-02-01T09:00:00Z"),
    ("2027-02-01T09Z", "2027-02-01T09:00:00Z"),
    ("2027-02-01", "2027-02-01T00:00:00Z"),
    ("20270201T090000Z", "2027-02-01T09:00:00Z"),
    ("2027-W05-1T09:00:00Z", "2027-02-01T09:00:00Z"),
    ("2027-02-01 09:00:00", "2027-02-01T09:00:00Z"),
    ("2027-02-01 09:00:00 +0100", "2027-02-01T08:00:00Z"),
    ("2027-02-01 09:00:00 UTC", "2027-02-01T09:00:00Z"),
    ("2027-02-01t09:00:00z", "2027-02-01T09:00:00Z"),
    (" 2027-02-01T09:00:00Z ", "2027-02-01T09:00:00Z"),
    ("2027-02-01T09:00:00+05:30", "2027-02-01T03:30:00Z"),
    ("2027-02-01T09:00:00-0800", "2027-02-01T17:00:00Z"),
    ("2027-02-01T09:00:00+01", "2027-02-01T08:00:00Z"),
    ("2027-02-01T24:00:00Z", "2027-02-02T00:00:00Z"),
    ("20270201T2400Z", "2027-02-02T00:00:00Z"),
    ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"),
    ("2016-12-31T23:59:60.5Z", "2017-01-01T00:00:00.5Z"),
    ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"),
]


@pytest.mark.parametrize(("written", "meant"), TIMES)
def test_times_of_all_usual_shapes(written: str, meant: str) -> None:
    """ISO 8601 with and without zone, fraction, separators; what Ruby prints; leap seconds; the end of a day."""
    (event,) = events("track", {"event": "x", "userId": "u", "timestamp": written})
    assert event.at == parse_moment(meant)


@pytest.mark.parametrize(
    "written",
    ["soon", "1772355600", "20270301090000", "2027-13-01", "2027-02-01T24:00:01Z", "2027-02-01T09:00:00+01:00Z",
     "Mon, 01 Mar 2027 09:00:00 GMT", "2027-02-01T09:00" + " " * 100_000 + "!"],
)  # fmt: skip
def test_what_is_no_time_is_refused(written: str) -> None:
    """At once, whatever its length, with `bad_time`."""
    raw = json.dumps({"event": "x", "userId": "u", "timestamp": written}).encode()
    with pytest.raises(InputError) as caught:
        judge("track", raw, received_at=NOW, limits=Limits(event_bytes=200_000))
    assert caught.value.code == Rejected.BAD_TIME


def test_an_empty_time_is_absent() -> None:
    """Some senders write "" for what they do not know: as null, of the call, of an item and of the batch."""
    (single,) = events("track", {"event": "x", "userId": "u", "timestamp": "", "originalTimestamp": "", "sentAt": ""})
    said = {"event": "x", "userId": "u", "type": "track", "timestamp": ""}
    (item,) = events("batch", {"batch": [said], "sentAt": ""})
    assert single.at == item.at == NOW
    (known,) = events("track", {"event": "x", "userId": "u", "originalTimestamp": "", "timestamp": "2026-01-01"})
    assert known.at == parse_moment("2026-01-01T00:00:00Z")


def test_the_batch_knows_best_when_it_was_sent() -> None:
    """An item may have waited since it was written: what the batch says of its sending holds."""
    said = {"type": "track", "event": "x", "userId": "u", "timestamp": "2027-03-01T07:00:00Z"}
    (event,) = events("batch", {"batch": [{**said, "sentAt": "2027-03-01T07:00:00Z"}], "sentAt": SENT})
    (alone,) = events("batch", {"batch": [said], "sentAt": SENT})
    assert event.at == alone.at


def test_the_envelope_speaks_for_its_items() -> None:
    """context, integrations and channel of a batch hold for each item that says nothing else, its sentAt for all."""
    items = [
        {"type": "track", "event": "a", "userId": "u", "context": {"locale": "de"}, "integrations": {"All": False}},
        {"type": "track", "event": "b", "userId": "u", "channel": "mobile"},
    ]
    shared = {"context": {"locale": "en", "app": {"name": "Shop"}}, "integrations": {"All": True, "X": False}}
    first, second = events("batch", {"batch": items, "channel": "server", **shared})
    assert first.context == {
        "locale": "de",
        "app": {"name": "Shop"},
        "channel": "server",
        "integrations": {"All": False, "X": False},
    }
    assert (first.touchpoint, second.touchpoint, second.context["channel"]) == ("", "app", "mobile")


@pytest.mark.parametrize("said", [{"integrations": "all"}, {"integrations": []}, {"channel": 5}, {"version": []}])
def test_what_no_rule_uses_does_no_harm(said: dict[str, Any]) -> None:
    """Integrations that are no object, a channel that is no text: the event is taken without them."""
    (event,) = events("track", {"event": "x", "userId": "u", **said})
    assert event.context == {}


def test_a_byte_order_mark_is_no_harm() -> None:
    """Some editors and proxies put one before the JSON."""
    raw = b"\xef\xbb\xbf" + json.dumps({"event": "x", "userId": "u"}).encode()
    assert judge("track", raw, received_at=NOW).items == 1


def test_limits_are_settings() -> None:
    """An event and a batch may be made smaller or larger than Segment's 32 KB and 500 KB."""
    raw = json.dumps({"event": "x", "userId": "u", "properties": {"a": "b" * 200}}).encode()
    assert judge("track", raw, received_at=NOW, limits=Limits(1_000, 1_000)).items == 1
    for limits in (Limits(100, 1_000), Limits(1_000, 100)):
        with pytest.raises(InputError) as caught:
            judge("track", raw, received_at=NOW, limits=limits)
        assert (caught.value.code, "100 bytes" in caught.value.mend) == (Rejected.TOO_LARGE, True)


@pytest.mark.parametrize("field", ["context", "integrations"])
@pytest.mark.parametrize(
    ("shared", "items", "code"),
    [
        ({"x": "y" * 33_000}, 1, Rejected.TOO_LARGE),
        ({"x": "y" * 30_000}, 4_000, Rejected.TOO_LARGE),
        ({"x": "a\0b"}, 1, Rejected.NUL_BYTE),
        ({"x": [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}, 1, Rejected.TOO_DEEP),
    ],
)
def test_what_a_batch_says_for_all_is_bounded(field: str, shared: Any, items: int, code: Rejected) -> None:
    """It is written with each item: 100 KB that would become gigabytes are refused, and so is what no item may hold."""
    item = {"type": "track", "event": "x", "userId": "u"}
    raw = json.dumps({"batch": [item] * items, field: shared}).encode()
    with pytest.raises(InputError) as caught:
        judge("batch", raw, received_at=NOW)
    assert (caught.value.code, caught.value.where) == (code, f"batch.{field}")
    few = json.dumps({"batch": [item] * 100, field: {"x": "y" * 3_000}}).encode()
    assert judge("batch", few, received_at=NOW).items == 100
