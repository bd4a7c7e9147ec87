"""The door of the log: what is admitted, what is refused with code and position, and that neighbours are not harmed."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from einklang.event import ADMISSION, KINDS, RESERVED, Judged, expand, judge
from einklang.event import admit as admit_module
from einklang.event.admit import depth_of
from einklang.kernel.errors import InputError
from einklang.kernel.reasons import Rejected

NOW = 1_900_000_000_000_000


def call(**fields: Any) -> dict[str, Any]:
    """A track call that is fine but for the fields given; `...` leaves a field out."""
    whole = {"type": "track", "event": "Product Viewed", "userId": "u", "messageId": "m", **fields}
    return {name: value for name, value in whole.items() if value is not ...}


def body(*items: Any, **envelope: Any) -> bytes:
    """A batch of these items."""
    return json.dumps({"batch": list(items), **envelope}).encode()


def nested(levels: int) -> Any:
    """A list of so many levels."""
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


#: (what is wrong, the item as JSON text or value, code, field)
BAD_ITEMS: list[tuple[str, Any, Rejected, str]] = [
    ("no type", call(type=...), Rejected.WRONG_TYPE, "type"),
    ("empty type", call(type=""), Rejected.WRONG_TYPE, "type"),
    ("unknown type", call(type="tracks"), Rejected.UNKNOWN_TYPE, "type"),
    ("engine's type", call(type="definition"), Rejected.UNKNOWN_TYPE, "type"),
    ("type a number", call(type=1), Rejected.WRONG_TYPE, "type"),
    ("no event", call(event=...), Rejected.NO_NAME, "event"),
    ("blank event", call(event="  "), Rejected.NO_NAME, "event"),
    ("null event", call(event=None), Rejected.NO_NAME, "event"),
    ("event a number", call(event=5), Rejected.WRONG_TYPE, "event"),
    ("long event", call(event="x" * 201), Rejected.NAME_TOO_LONG, "event"),
    ("long page", call(type="page", event=..., name="x" * 201), Rejected.NAME_TOO_LONG, "event"),
    ("nobody", call(userId=...), Rejected.NO_IDENTIFIER, "userId"),
    ("null user", call(userId=None), Rejected.NO_IDENTIFIER, "userId"),
    ("blank user", call(userId=" "), Rejected.NO_IDENTIFIER, "userId"),
    ("user a list", call(userId=["u"]), Rejected.BAD_IDENTIFIER, "userId"),
    ("user an object", call(userId={"id": 1}), Rejected.BAD_IDENTIFIER, "userId"),
    ("user true", call(userId=True), Rejected.BAD_IDENTIFIER, "userId"),
    ("long user", call(userId="u" * 501), Rejected.BAD_IDENTIFIER, "userId"),
    ("long device", call(anonymousId="u" * 501), Rejected.BAD_IDENTIFIER, "anonymousId"),
    ("long message id", call(messageId="u" * 501), Rejected.BAD_IDENTIFIER, "messageId"),
    ("message id a list", call(messageId=[]), Rejected.BAD_IDENTIFIER, "messageId"),
    ("alias of nothing", call(type="alias"), Rejected.NO_IDENTIFIER, "previousId"),
    ("alias to nobody", call(type="alias", userId=..., previousId="p"), Rejected.NO_IDENTIFIER, "userId"),
    ("group of nothing", call(type="group"), Rejected.NO_IDENTIFIER, "groupId"),
    ("year 1", call(timestamp="0001-01-01T00:00:00Z"), Rejected.BAD_TIME, "timestamp"),
    ("year 1969", call(timestamp="1969-12-31T23:59:59Z"), Rejected.BAD_TIME, "timestamp"),
    ("just before 1970", call(timestamp="1970-01-01T00:59:59+01:00"), Rejected.BAD_TIME, "timestamp"),
    ("year 2200", call(timestamp="2200-01-01T00:00:00Z"), Rejected.BAD_TIME, "timestamp"),
    ("year 9999", call(timestamp="9999-12-31T23:59:59Z"), Rejected.BAD_TIME, "timestamp"),
    ("no date", call(timestamp="yesterday"), Rejected.BAD_TIME, "timestamp"),
    ("no such day", call(timestamp="2027-02-30T00:00:00Z"), Rejected.BAD_TIME, "timestamp"),
    ("time a number", call(timestamp=1_700_000_000), Rejected.BAD_TIME, "timestamp"),
    ("bad sentAt", call(sentAt="x"), Rejected.BAD_TIME, "sentAt"),
    ("bad original", call(originalTimestamp="x"), Rejected.BAD_TIME, "originalTimestamp"),
    ("properties a list", call(properties=[]), Rejected.WRONG_TYPE, "properties"),
    ("context a text", call(context="web"), Rejected.WRONG_TYPE, "context"),
    ("traits a number", call(traits=1), Rejected.WRONG_TYPE, "traits"),
    ("too large", call(properties={"x": "y" * 33_000}), Rejected.TOO_LARGE, ""),
    ("too deep", call(properties={"x": nested(31)}), Rejected.TOO_DEEP, ""),
    ("NUL", call(properties={"x": "a\0b"}), Rejected.NUL_BYTE, ""),
    ("NUL in a key", call(properties={"a\0b": 1}), Rejected.NUL_BYTE, ""),
    (
        "huge number",
        '{"type": "track", "event": "x", "userId": "u", "properties": {"n": 1e999}}',
        Rejected.BAD_NUMBER,
        "",
    ),
    (
        "huge integer",
        '{"type": "track", "event": "x", "userId": "u", "traits": {"n": ' + "9" * 4400 + "}}",
        Rejected.BAD_NUMBER,
        "",
    ),
    ("NaN", call(properties={"n": float("nan")}), Rejected.BAD_NUMBER, ""),
    ("minus Infinity", call(properties={"NaN": [float("-inf")]}), Rejected.BAD_NUMBER, ""),
    ("a list", [], Rejected.NOT_AN_OBJECT, ""),
    ("a text", "track", Rejected.NOT_AN_OBJECT, ""),
    ("null", None, Rejected.NOT_AN_OBJECT, ""),
] + [(f"reserved {name}", call(event=name), Rejected.RESERVED_NAME, "event") for name in sorted(RESERVED)]


@pytest.mark.parametrize(("item", "code", "field"), [pytest.param(*row[1:], id=row[0]) for row in BAD_ITEMS])
def test_a_bad_item_is_refused_and_its_neighbours_are_not(item: Any, code: Rejected, field: str) -> None:
    """Each bad item is answered with code and position; the items beside it are admitted and kept to the byte."""
    text = item if isinstance(item, str) and item.startswith("{") else json.dumps(item)
    good = json.dumps(call(properties={"price": 19.90}))
    judged = judge("batch", f'{{"batch": [{good}, {text}, {good}]}}'.encode(), received_at=NOW)
    assert judged.items == 2
    (rejection,) = judged.rejected
    where = f"batch[1].{field}" if field and code is not Rejected.BAD_NUMBER else "batch[1]"
    assert (rejection.index, rejection.code) == (1, code)
    assert rejection.message.startswith(where)
    assert "; " in rejection.message, "a mend is told"
    assert judged.body.count(good.encode()) == 2
    assert len(expand("batch", judged.body, first_position=1, received_at=NOW, source="s")) == 2


# The path of a single call says its type, so that cannot be wrong.
ALONE = [row for row in BAD_ITEMS if row[3] != "type"]


@pytest.mark.parametrize(("item", "code", "field"), [pytest.param(*row[1:], id=row[0]) for row in ALONE])
def test_a_bad_single_call_is_an_error_with_code_position_and_mend(item: Any, code: Rejected, field: str) -> None:
    """The same findings, alone: an InputError that names code, field and mend."""
    kind = item.get("type") if isinstance(item, dict) else "track"
    text = item if isinstance(item, str) and item.startswith("{") else json.dumps(item)
    with pytest.raises(InputError) as caught:
        judge(str(kind), text.encode(), received_at=NOW)
    assert caught.value.code == code
    assert caught.value.where.startswith(str(kind))
    assert field in caught.value.where
    assert caught.value.mend


BAD_BATCHES: list[tuple[str, bytes, Rejected]] = [
    ("empty", b"", Rejected.NOT_JSON),
    ("broken", b'{"batch": [', Rejected.NOT_JSON),
    ("a list", b"[]", Rejected.NOT_AN_OBJECT),
    ("a number", b"1", Rejected.NOT_AN_OBJECT),
    ("no batch", b"{}", Rejected.NO_BATCH),
    ("batch null", b'{"batch": null}', Rejected.NO_BATCH),
    ("batch an object", b'{"batch": {}}', Rejected.NO_BATCH),
    ("bad sentAt", b'{"batch": [], "sentAt": "soon"}', Rejected.BAD_TIME),
    ("context a list", b'{"batch": [], "context": []}', Rejected.NO_BATCH),
    ("too many", b'{"batch": [' + b",".join([b"1"] * 5001) + b"]}", Rejected.BATCH_TOO_LONG),
    ("too large", b'{"batch": [' + b" " * 512_000 + b"]}", Rejected.TOO_LARGE),
    ("bottomless", b'{"batch": ' + b"[" * 100_000, Rejected.TOO_DEEP),
]


@pytest.mark.parametrize(("raw", "code"), [pytest.param(*row[1:], id=row[0]) for row in BAD_BATCHES])
def test_what_is_no_batch_at_all_is_an_error(raw: bytes, code: Rejected) -> None:
    """Not one item of it is admitted; code, position and mend are told."""
    with pytest.raises(InputError) as caught:
        judge("batch", raw, received_at=NOW)
    assert caught.value.code == code
    assert caught.value.where.startswith("batch")
    assert caught.value.mend


GOOD: list[tuple[str, dict[str, Any]]] = [
    ("track", call()),
    ("track", call(userId=..., anonymousId="a")),
    ("track", call(userId=42)),
    ("track", call(event="x" * 200, userId="u" * 500)),
    ("track", call(event="Consent Given", properties={"channel": "email"})),
    ("track", call(event="Email Opened")),
    ("track", call(userId=..., context={"externalIds": [{"type": "email", "id": "e@x.example"}]})),
    ("track", call(timestamp="1970-01-01T00:00:00Z", sentAt="2199-12-31T23:59:59.999Z")),
    ("track", call(timestamp="2027-01-01")),
    ("track", call(properties={"n": 10**500, "m": -(2**70)})),
    ("track", call(event="NaN", userId="Infinity")),
    ("track", call(timestamp="2027-01-01T10:00:00.1234567+0130", integrations={"All": True})),
    ("track", call(properties={"x": nested(29)})),
    ("track", call(properties={"text": "{{[[" * 40, "back": "\\u0000"})),
    ("identify", call(type="identify", event=..., traits={"email": None})),
    ("page", call(type="page", event=..., name=None)),
    ("screen", call(type="screen", event=..., name="Home")),
    ("group", call(type="group", event=..., groupId=7)),
    ("alias", call(type="alias", event=..., previousId="p")),
]


@pytest.mark.parametrize(("kind", "item"), GOOD)
def test_what_clients_send_is_admitted_as_it_is(kind: str, item: dict[str, Any]) -> None:
    """Alone and in a batch, and the body that is appended is the body that came."""
    raw = json.dumps(item).encode()
    assert judge(kind, raw, received_at=NOW) == Judged(1, [], raw, [])
    raw = body(item, item)
    assert judge("batch", raw, received_at=NOW) == Judged(2, [], raw, [])


def test_an_empty_batch_is_fine_and_appends_nothing() -> None:
    """Nothing admitted, nothing refused; and if all are refused there is no body either."""
    assert judge("batch", b'{"batch": []}', received_at=NOW).items == 0
    refused = judge("batch", b'{"batch": [1, 2]}', received_at=NOW)
    assert (refused.items, refused.body, [one.index for one in refused.rejected]) == (0, b"", [0, 1])


def test_the_rest_of_a_batch_keeps_its_envelope() -> None:
    """sentAt and context of the batch survive the re-encoding."""
    raw = body(call(), 1, sentAt="2027-01-01T00:00:00Z", context={"ip": "::1"}, writeKey="secret")
    kept = json.loads(judge("batch", raw, received_at=NOW).body)
    assert kept == {"batch": [call()], "sentAt": "2027-01-01T00:00:00Z", "context": {"ip": "::1"}}


def test_a_rejection_names_the_message() -> None:
    """The messageId of the refused item is told, so that a client finds it."""
    judged = judge("batch", body(call(event="", messageId="m-7"), call(event=3, messageId=8)), received_at=NOW)
    assert [one.message_id for one in judged.rejected] == ["m-7", "8"]


def test_half_a_character_does_not_spoil_the_body() -> None:
    """A text that a client cut within an emoji is admitted with U+FFFD in its place; whole emoji stay."""
    raw = rb'{"batch": [{"type":"track","event":"x","userId":"u","properties":{"a":"cut \ud83d","b":"\ud83d\ude00"}}]}'
    judged = judge("batch", raw, received_at=NOW)
    (event,) = expand("batch", judged.body, first_position=1, received_at=NOW, source="s")
    assert event.properties == {"a": "cut \ufffd", "b": "\U0001f600"}
    plain = rb'{"event":"x","userId":"u","properties":{"a":"\\ud83d"}}'
    assert judge("track", plain, received_at=NOW).body == plain, "an escaped backslash is no escape of a character"


def test_withdrawals_are_found_in_the_body() -> None:
    """Consent Withdrawn and Unsubscribed are handed out with channel, address, purpose and person, normalised."""
    given = body(
        call(
            event="Consent Withdrawn",
            properties={"channel": "email", "address": " A@X.example", "purpose": "marketing"},
            timestamp="2027-01-01T00:00:00Z",
        ),
        call(event="Unsubscribed", context={"traits": {"email": "B@x.example"}}),
        call(event="Consent Withdrawn", properties={"channel": 5}),
        call(event="Consent Given", properties={"channel": "email"}),
        call(type="identify", event="Consent Withdrawn"),
        call(event="Consent Withdrawn", properties={"channel": "sms", "address": "0049 (30) 12-3"}),
    )
    found = judge("batch", given, received_at=NOW).withdrawals
    assert [(one.channel, one.address, one.purpose) for one in found] == [
        ("email", "a@x.example", "marketing"),
        ("email", None, ""),
        ("", None, ""),
        ("sms", "+4930123", ""),
    ]
    assert found[0].at == 1_798_761_600_000_000
    assert found[1].at == NOW
    assert found[1].identifiers == (("userId", "u"), ("email", "b@x.example"))
    single = judge("track", json.dumps(call(event="Unsubscribed")).encode(), received_at=NOW)
    assert len(single.withdrawals) == 1


def test_a_withdrawal_with_broken_details_is_still_taken() -> None:
    """On doubt a withdrawal is accepted: odd properties never make it fail."""
    broken: list[dict[str, Any]] = [
        {"address": 5},
        {"channel": None, "purpose": []},
        {"address": {}, "channel": "email"},
        {"email": 1},
    ]
    for said in broken:
        judged = judge("track", json.dumps(call(event="Consent Withdrawn", properties=said)).encode(), received_at=NOW)
        assert len(judged.withdrawals) == 1


_SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**20), 10**20), st.text(max_size=6), st.floats(allow_nan=False)
)
_JSON = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
_FIELDS = [
    "type",
    "event",
    "userId",
    "anonymousId",
    "messageId",
    "timestamp",
    "properties",
    "context",
    "traits",
    "groupId",
    "channel",
    "integrations",
]


@given(
    st.lists(st.dictionaries(st.sampled_from(_FIELDS), _JSON, max_size=6) | _JSON, max_size=6), st.binary(max_size=30)
)
@settings(max_examples=200, deadline=None)
def test_nothing_that_is_admitted_is_a_dead_letter(items: list[Any], noise: bytes) -> None:
    """Whatever comes: judged without a fault, one verdict an item, and all that is admitted can be expanded."""
    raw = body(*items, call())
    judged = judge("batch", raw, received_at=NOW)
    assert judged.items + len(judged.rejected) == len(items) + 1
    events = expand("batch", judged.body, first_position=1, received_at=NOW, source="s")
    assert len(events) == judged.items
    for kind in sorted(KINDS):
        with contextlib.suppress(InputError):
            judge(kind, noise, received_at=NOW)


@given(_JSON)
@settings(max_examples=100, deadline=None)
def test_the_quick_look_at_depth_is_never_wrong_about_shallow(value: Any) -> None:
    """`_shallow` may be over-careful, but what it lets pass is within the limit."""
    raw = msgspec.json.encode([[value]] * 2)
    assert not admit_module._shallow(raw) or depth_of(msgspec.json.decode(raw)) <= 32


def test_the_steps_have_names_and_each_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Positive control: with any one step taken out, some bad item of the table is admitted."""
    names = [name for name, _ in ADMISSION]
    assert names == ["size", "nul", "depth", "type", "name", "identifiers", "times"]
    for left_out in names:
        monkeypatch.setattr(admit_module, "ADMISSION", tuple(step for step in ADMISSION if step[0] != left_out))
        items = [row[1] for row in BAD_ITEMS if isinstance(row[1], dict) and row[2] != Rejected.BAD_NUMBER]
        admitted = [judge("batch", body(item), received_at=NOW).items for item in items]
        assert sum(admitted) > 0, left_out
