"""From stored bodies to events: time, identifiers, names, touchpoints, message ids."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from einklang.event import (
    ALIASES,
    KNOWN_EVENTS,
    EngineCall,
    Event,
    body_of,
    canonical_channel,
    canonical_name,
    expand,
    message_identity,
)
from einklang.event.people import clean_email, clean_phone
from einklang.kernel.time import BEFORE_ALL, parse_moment

NOW = parse_moment("2027-03-01T12:00:00Z")

SALT = bytes(16)


def one(kind: str = "track", **fields: Any) -> Event:
    """The event of a single call."""
    whole = {"event": "x", "userId": "u", **fields} if kind == "track" else {"userId": "u", **fields}
    (event,) = expand(kind, json.dumps(whole).encode(), first_position=7, received_at=NOW, source="shop")
    return event


def test_an_event_has_what_the_call_says() -> None:
    """Fields go where the rooms above look for them; numbers are exact."""
    event = one(
        event="Order Completed", messageId="m1", properties={"total": 19.90, "n": 3, "big": 12345678901234567890}
    )
    assert (event.position, event.type, event.name, event.message_id, event.source) == (
        7,
        "track",
        "Order Completed",
        "m1",
        "shop",
    )
    assert event.properties == {"total": Decimal("19.90"), "n": 3, "big": 12345678901234567890}
    (raw,) = expand("track", b'{"event":"x","properties":{"p":19.90}}', first_position=1, received_at=1, source="s")
    assert str(raw.properties["p"]) == "19.90", "trailing zeros are kept"
    assert (event.at, event.received_at, event.origin, event.seq, event.person) == (NOW, NOW, 0, 0, "")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, "2027-03-01T12:00:00Z"),
        ({"timestamp": "2027-02-01T10:00:00+01:00"}, "2027-02-01T09:00:00Z"),
        ({"timestamp": "2027-02-01T10:00:00"}, "2027-02-01T10:00:00Z"),
        # Segment: receivedAt - (sentAt - timestamp); the client's clock was 5 minutes slow
        ({"timestamp": "2027-03-01T11:50:00Z", "sentAt": "2027-03-01T11:55:00Z"}, "2027-03-01T11:55:00Z"),
        ({"originalTimestamp": "2027-03-01T11:50:00Z", "sentAt": "2027-03-01T11:55:00Z"}, "2027-03-01T11:55:00Z"),
        ({"sentAt": "2027-03-01T11:55:00Z"}, "2027-03-01T12:00:00Z"),
        # a correction that leaves the calendar is not believed
        ({"timestamp": "1970-01-02T00:00:00Z", "sentAt": "2190-01-01T00:00:00Z"}, "1970-01-02T00:00:00Z"),
    ],
)
def test_the_time_of_an_event(fields: dict[str, Any], expected: str) -> None:
    """As claimed, corrected by sentAt as Segment does, else as received."""
    assert one(**fields).at == parse_moment(expected)


def test_the_envelope_of_a_batch_counts_for_its_items() -> None:
    """sentAt corrects each; context is added below each item's own."""
    items = [{"type": "track", "event": "x", "userId": "u", "timestamp": "2027-03-01T11:50:00Z", "context": {"a": 1}}]
    raw = json.dumps({"batch": items, "sentAt": "2027-03-01T11:55:00Z", "context": {"a": 0, "b": 2}}).encode()
    (event,) = expand("batch", raw, first_position=1, received_at=NOW, source="s")
    assert event.at == parse_moment("2027-03-01T11:55:00Z")
    assert event.context == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("kind", "fields", "expected"),
    [
        ("track", {"userId": 42, "anonymousId": "a"}, (("userId", "42"), ("anonymousId", "a"))),
        ("track", {"userId": 4.0, "anonymousId": None}, (("userId", "4"),)),
        ("track", {"userId": " ", "anonymousId": "a"}, (("anonymousId", "a"),)),
        (
            "identify",
            {"traits": {"email": " E@X.Example ", "phone": "0049 (30) 12-34"}, "anonymousId": "a"},
            (("userId", "u"), ("email", "e@x.example"), ("phone", "+49301234"), ("anonymousId", "a")),
        ),
        ("identify", {"traits": {"email": "none", "phone": "call me"}}, (("userId", "u"),)),
        ("track", {"properties": {"email": "e@x.example"}}, (("userId", "u"),)),
        ("group", {"groupId": "g", "traits": {"email": "info@firm.example"}}, (("userId", "u"),)),
        ("page", {"context": {"traits": {"email": "e@x.example"}}}, (("userId", "u"), ("email", "e@x.example"))),
        (
            "track",
            {
                "context": {
                    "externalIds": [{"type": "email", "id": "E@x.example"}, {"type": "card", "id": 7}, 5, {"id": 1}]
                }
            },
            (("userId", "u"), ("email", "e@x.example"), ("card", "7")),
        ),
        (
            "alias",
            {"previousId": "p", "anonymousId": "a"},
            (("userId", "u"), ("previousId", "p"), ("anonymousId", "a")),
        ),
    ],
)
def test_identifiers_come_strongest_first(kind: str, fields: dict[str, Any], expected: tuple[Any, ...]) -> None:
    """userId, e-mail, phone, others, device; normalised; numbers as text; null absent."""
    assert one(kind, **fields).identifiers == expected


def test_page_and_screen_have_names_and_properties() -> None:
    """`Page Viewed` and `Screen Viewed`, with name and url among the properties."""
    page = one(
        "page", name="Home", context={"page": {"url": "https://x.example/", "path": "/"}}, properties={"path": "/p"}
    )
    assert page.name == "Page Viewed"
    assert page.properties == {"name": "Home", "path": "/p", "url": "https://x.example/"}
    assert one("screen", name="Cart").name == "Screen Viewed"
    assert one("identify", traits={"a": 1}).properties == {"a": 1}
    beside = one("identify", traits={"a": 1}, context={"traits": {"a": 0, "b": 2}})
    assert beside.properties == {"a": 1, "b": 2}, "RudderStack sends traits in the context"
    assert one("group", groupId=7, traits={"name": "Firm"}).properties == {"name": "Firm", "group_id": "7"}


@pytest.mark.parametrize(
    ("kind", "context", "expected"),
    [
        ("track", {"touchpoint": "store", "channel": "browser"}, "store"),
        ("track", {"channel": "browser"}, "web"),
        ("track", {"channel": "mobile"}, "app"),
        ("track", {"channel": "server", "page": {}}, ""),
        ("track", {"library": {"name": "analytics.js"}}, "web"),
        ("track", {"library": {"name": "analytics-ios"}}, "app"),
        ("track", {"library": {"name": "analytics-python"}}, ""),
        ("track", {"library": "x", "page": {"url": "y"}}, "web"),
        ("page", {}, "web"),
        ("screen", {}, "app"),
        ("track", {}, ""),
    ],
)
def test_the_touchpoint(kind: str, context: dict[str, Any], expected: str) -> None:
    """As said, else by Segment's channel, else by library and page."""
    assert one(kind, context=context).touchpoint == expected


def test_a_retry_is_a_duplicate_and_another_body_is_a_conflict() -> None:
    """Same message id and body with another sentAt: equal; with another property: equal id, other body."""
    first = one(
        messageId="m", timestamp="2027-03-01T11:00:00Z", sentAt="2027-03-01T11:55:00Z", properties={"a": 1, "b": 2}
    )
    retry = one(
        messageId="m", timestamp="2027-03-01T11:00:00Z", sentAt="2027-03-01T11:56:00Z", properties={"b": 2, "a": 1}
    )
    other = one(messageId="m", timestamp="2027-03-01T11:00:00Z", properties={"a": 1, "b": 3})
    assert message_identity(first, SALT) == message_identity(retry, SALT)
    assert message_identity(first, SALT)[0] == message_identity(other, SALT)[0]
    assert message_identity(first, SALT)[1] != message_identity(other, SALT)[1]
    assert [len(part) for part in message_identity(first, SALT)] == [16, 16]


def test_without_message_id_the_body_names_the_event() -> None:
    """Source, body and n-th occurrence: the same file twice gives the same ids, equal lines in it different ones."""
    raw = body_of(
        [EngineCall(event="x", userId="u"), EngineCall(event="x", userId="u"), EngineCall(event="y", userId="u")]
    )
    ids = [event.message_id for event in expand("import", raw, first_position=1, received_at=1, source="f")]
    again = [event.message_id for event in expand("import", raw, first_position=9, received_at=2, source="f")]
    assert ids == again
    assert len(set(ids)) == 3
    assert all(one_id.startswith("h_") for one_id in ids)
    assert not set(ids) & {
        event.message_id for event in expand("import", raw, first_position=1, received_at=1, source="g")
    }
    third = body_of([EngineCall(event="x", userId="u", nth=1)])
    assert expand("import", third, first_position=1, received_at=1, source="f")[0].message_id == ids[1]
    call = b'{"event":"x","userId":"u"}'
    (first,) = expand("track", call, first_position=1, received_at=NOW, source="s")
    (second,) = expand("track", call, first_position=2, received_at=NOW, source="s")
    assert first.message_id != second.message_id, "without a time two equal calls are two events"
    claimed = one(timestamp="2027-01-01T00:00:00Z").message_id
    assert claimed == one(timestamp="2027-01-01T00:00:00Z").message_id


def test_the_engine_says_times_and_identifiers_itself() -> None:
    """Imports keep their times uncorrected; rows without time hold from before all events; others are of now."""
    raw = body_of(
        [
            EngineCall(
                type="row",
                identifiers={"email": " E@x.example", "anonymousId": "a", "userId": "u"},
                properties={"p": 1},
            ),
            EngineCall(type="row", at=5, name="people"),
            EngineCall(type="definition", origin=1),
            EngineCall(
                event="Message Clicked", origin=1, machine=True, touchpoint="email", timestamp="2027-01-01T00:00:00Z"
            ),
        ]
    )
    row, told, definition, click = expand("row", raw, first_position=3, received_at=NOW, source="einklang")
    assert row.at == BEFORE_ALL
    assert row.identifiers == (("userId", "u"), ("email", "e@x.example"), ("anonymousId", "a"))
    assert (told.at, told.name, told.position) == (5, "people", 4)
    assert (definition.at, definition.origin) == (NOW, 1)
    assert (click.type, click.machine, click.touchpoint, click.at) == ("row", True, "email", 1_798_761_600_000_000)
    lines = [
        {
            "type": "track",
            "event": "x",
            "userId": "u",
            "timestamp": "2020-01-01T00:00:00Z",
            "sentAt": "2020-01-01T00:01:00Z",
        }
    ]
    (kept,) = expand("import", json.dumps({"batch": lines}).encode(), first_position=1, received_at=NOW, source="f")
    assert kept.at == parse_moment("2020-01-01T00:00:00Z")
    assert kept.type == "track"


def test_expanding_twice_gives_the_same() -> None:
    """Pure: the same body gives equal events, so that a rebuild may do it again."""
    raw = json.dumps(
        {"batch": [{"type": "track", "event": "x", "userId": "u", "properties": {"a": [1.5, {"b": None}]}}] * 3}
    ).encode()
    assert expand("batch", raw, first_position=1, received_at=NOW, source="s") == expand(
        "batch", raw, first_position=1, received_at=NOW, source="s"
    )


def test_absurd_exponents_are_tamed() -> None:
    """What a double calls zero is zero; nothing makes a number of a million digits."""
    (event,) = expand(
        "track",
        b'{"event":"x","userId":"u","properties":{"a":1e-99999999999999999999,"b":1e-400,"c":0e-500,"d":-2.5e-3}}',
        first_position=1,
        received_at=NOW,
        source="s",
    )
    assert event.properties == {"a": 0, "b": 0, "c": 0, "d": Decimal("-0.0025")}


def test_whole_numbers_have_no_bound_of_64_bits() -> None:
    """They come through the log exactly; as identifiers they are text."""
    big = 10**60
    event = one(properties={"n": big, "list": [{"m": -big}]}, userId=big, context={"c": big})
    assert event.properties == {"n": big, "list": [{"m": -big}]}
    assert event.identifiers == (("userId", str(big)),)
    raw = body_of([EngineCall(event="x", userId="u", properties={"n": big})])
    assert expand("import", raw, first_position=1, received_at=1, source="f")[0].properties == {"n": big}


def test_addresses_have_one_form() -> None:
    """E-mail lower case with an @; phone as + and digits."""
    assert clean_email(" A.B@X.Example ") == "a.b@x.example"
    assert [clean_email(value) for value in ("x", "", None, 5)] == [""] * 4
    assert [clean_phone(value) for value in ("+49 30 1", "0049-30-1", 49301, "030/1")] == [
        "+49301",
        "+49301",
        "49301",
        "0301",
    ]
    assert [clean_phone(value) for value in ("abc", "", None, "1+2", True, "٣٤")] == [""] * 6


def test_segments_names_are_aliases() -> None:
    """Each alias leads to a known event of Einklang's own; other names are themselves."""
    for name, (own, channel) in ALIASES.items():
        assert (canonical_name(name), canonical_channel(name)) == (own, channel)
        assert name in KNOWN_EVENTS
        assert own in KNOWN_EVENTS
    assert (canonical_name("Order Completed"), canonical_channel("Order Completed")) == ("Order Completed", "")


def test_the_catalog_uses_the_types_of_the_language() -> None:
    """Property types are those of language.md 2.2 and money."""
    types = {kind for properties in KNOWN_EVENTS.values() for kind in properties.values()}
    assert types <= {"string", "number", "money", "bool", "timestamp", "date", "map", "list(string)", "list(map)"}
