"""Consent: the last word by event time, whatever the order of arrival; withdrawals win; merges never widen."""

from __future__ import annotations

from itertools import product
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from einklang.consent import (
    Declaration,
    Purpose,
    built_in_purposes,
    declare,
    fold,
    merge_permissions,
    permission_key,
    permits,
    split_key,
    status_of,
    suppression_of,
)
from einklang.consent import ledger as ledger_module
from einklang.event import Event
from einklang.fact.person import Permission

MARKETING = built_in_purposes()["marketing"]
SERVICE = built_in_purposes()["service"]


def event(
    name: str, at: int = 5, type_: str = "track", identifiers: dict[str, str] | None = None, **said: Any
) -> Event:
    """A track of this name with these properties."""
    who = tuple((identifiers or {}).items())
    return Event(1, at, at, type_, name, "m1", who, said, {}, "shop", "web")


def said(status: str, at: int, channel: str = "email", purpose: str = "marketing", address: str = "a@x") -> Declaration:
    """A declaration."""
    return Declaration(status, channel, address, purpose, at, "form", "v1", "customer", "e1")


def words(*declared: Declaration) -> dict[str, Permission]:
    """Permissions after these declarations in this order."""
    permissions: dict[str, Permission] = {}
    for seq, one in enumerate(declared, 1):
        fold(permissions, one, seq)
    return permissions


def last(permissions: dict[str, Permission], **asked: Any) -> str | None:
    """The status for a@x, marketing by e-mail, unless asked otherwise."""
    place = {"channel": "email", "purpose": "marketing", "address": "a@x", **asked}
    found = status_of(permissions, **place)
    return found.status if found is not None else None


def test_the_last_word_by_event_time_wins() -> None:
    """Given, then withdrawn; a late "given" of before changes nothing; a later one does."""
    permissions = words(said("given", 1), said("withdrawn", 5), said("given", 3))
    assert last(permissions) == "withdrawn"
    assert fold(permissions, said("given", 4), 9) is False
    assert fold(permissions, said("given", 6), 9) is True
    assert last(permissions) == "given"


def test_at_equal_times_the_withdrawal_wins() -> None:
    """Whichever is folded first."""
    assert last(words(said("given", 5), said("withdrawn", 5))) == "withdrawn"
    assert last(words(said("withdrawn", 5), said("given", 5))) == "withdrawn"


def test_a_request_takes_nothing_away_and_gives_nothing() -> None:
    """Requested counts after a withdrawal or alone; what was given stays given."""
    assert last(words(said("requested", 5))) == "requested"
    assert last(words(said("given", 1), said("requested", 5))) == "given"
    assert last(words(said("requested", 5), said("given", 1))) == "given"
    assert last(words(said("given", 1), said("withdrawn", 3), said("requested", 5))) == "requested"
    assert last(words(said("requested", 2), said("withdrawn", 3))) == "withdrawn"


def test_a_withdrawal_of_everything_covers_what_it_does_not_name() -> None:
    """Without address every address, without purpose every purpose of basis consent, without channel every channel."""
    given = said("given", 1)
    for broad in ({"address": ""}, {"purpose": ""}, {"channel": ""}, {"address": "", "purpose": "", "channel": ""}):
        assert last(words(given, said("withdrawn", 5, **broad))) == "withdrawn", broad
        assert last(words(said("withdrawn", 5, **broad), given)) == "withdrawn", "it covers what arrives later, too"
        assert last(words(said("withdrawn", 5, **broad), said("given", 6))) == "given"
    everything = words(said("withdrawn", 5, purpose="", address=""))
    assert last(everything, purpose="service", consent=False) is None
    assert last(everything, channel="sms") is None
    objection = words(said("withdrawn", 5, purpose="service"))
    assert last(objection, purpose="service", consent=False) == "withdrawn"


def test_addresses_are_compared_in_normal_form() -> None:
    """An e-mail address in capitals, a phone number with blanks."""
    assert last(words(said("given", 1, address=" A@X ")), address="a@x") == "given"
    assert last(words(said("given", 1, channel="sms", address="0049 30-1")), channel="sms", address="+49301") == "given"
    assert last(words(said("given", 1, channel="sms", address="1")), channel="phone", address="1") is None


@pytest.mark.parametrize(
    ("purpose", "status", "klass", "permitted"),
    [
        (MARKETING, "given", "marketing", True),
        (MARKETING, "requested", "marketing", False),
        (MARKETING, "requested", "transactional", False),
        (MARKETING, "requested", "opt_in", True),
        (MARKETING, "given", "opt_in", True),
        (MARKETING, "withdrawn", "opt_in", False),
        (MARKETING, None, "opt_in", False),
        (MARKETING, None, "marketing", False),
        (SERVICE, None, "transactional", True),
        (SERVICE, "withdrawn", "transactional", False),
    ],
)
def test_permission_by_basis_class_and_last_word(
    purpose: Purpose, status: str | None, klass: str, permitted: bool
) -> None:
    """Consent must be given; only opt_in may go where it was requested; other bases hold until somebody objects."""
    assert permits(status, purpose, klass) is permitted


def test_a_purpose_may_be_bound_to_channels() -> None:
    """A purpose that names its channels permits no other."""
    letters = Purpose("catalogue", channels=("letter",))
    assert permits("given", letters, "marketing", "letter")
    assert not permits("given", letters, "marketing", "email")
    assert permits("given", letters, "marketing")


PLACES = st.tuples(
    st.sampled_from(["email", "sms", ""]), st.sampled_from(["marketing", "news", ""]), st.sampled_from("ab")
)
DECLARED = st.lists(
    st.tuples(st.sampled_from(["given", "withdrawn", "requested"]), st.integers(0, 4), PLACES), max_size=7
)


def declarations(rows: list[tuple[str, int, tuple[str, str, str]]]) -> list[Declaration]:
    """Valid ones: only a withdrawal may be broad."""
    made = []
    for status, at, (channel, purpose, address) in rows:
        broad = status == "withdrawn"
        made.append(
            said(status, at, channel or ("" if broad else "email"), purpose or ("" if broad else "news"), address)
        )
    return made


def naive(declared: list[Declaration], channel: str, purpose: str, address: str) -> str | None:
    """The last word from scratch: over the whole list, by the sentence of the docstring."""
    mine = [
        d for d in declared if d.channel in (channel, "") and d.purpose in (purpose, "") and d.address in (address, "")
    ]
    firm = sorted((d.at, d.status == "withdrawn", d.status) for d in mine if d.status != "requested")
    asked = [d.at for d in mine if d.status == "requested"]
    if firm and firm[-1][2] == "given":
        return "given"
    if asked and (not firm or max(asked) > firm[-1][0]):
        return "requested"
    return "withdrawn" if firm else None


ASKED = list(product(["email", "sms"], ["marketing", "news"], "ab"))


@given(DECLARED, st.randoms(use_true_random=False))
@settings(max_examples=200, deadline=None)
def test_any_order_gives_the_same_last_words(rows: list[tuple[str, int, tuple[str, str, str]]], chance: Any) -> None:
    """Against the naive last word over the whole list."""
    declared = declarations(rows)
    order = list(declared)
    chance.shuffle(order)
    permissions = words(*order)
    for channel, purpose, address in ASKED:
        found = last(permissions, channel=channel, purpose=purpose, address=address)
        assert found == naive(declared, channel, purpose, address)


def widened(kept: dict[str, Permission], lost: dict[str, Permission]) -> list[tuple[str, str, str]]:
    """What is permitted after the merge though one refused it or none permitted it."""
    merged = dict(kept)
    merge_permissions(merged, lost)
    found = set()
    for channel, purpose, address in ASKED:
        place = {"channel": channel, "purpose": purpose, "address": address}
        before = [last(kept, **place), last(lost, **place)]
        for klass in ("marketing", "opt_in"):
            after = permits(last(merged, **place), MARKETING, klass)
            if after and ("withdrawn" in before or not any(permits(word, MARKETING, klass) for word in before)):
                found.add((channel, purpose, address))
    return sorted(found)


@given(DECLARED, DECLARED)
@settings(max_examples=300, deadline=None)
def test_a_merge_never_widens_consent(
    ours: list[tuple[str, int, tuple[str, str, str]]], theirs: list[tuple[str, int, tuple[str, str, str]]]
) -> None:
    """What one of two persons had withdrawn is not permitted after the merge; nor is what neither permitted."""
    assert widened(words(*declarations(ours)), words(*declarations(theirs))) == []


def test_the_comparison_of_merges_notices_the_later_word(monkeypatch: pytest.MonkeyPatch) -> None:
    """Positive control: if the later word won, the merge of a withdrawal and a later consent would widen."""
    kept, lost = words(said("withdrawn", 1, address="a")), words(said("given", 5, address="a"))
    assert widened(kept, lost) == []

    def latest(kept: dict[str, Permission], lost: dict[str, Permission]) -> None:
        for key, word in lost.items():
            kept[key] = max(kept.get(key, word), word, key=lambda one: one.at)

    monkeypatch.setattr(ledger_module, "merge_permissions", latest)
    monkeypatch.setitem(widened.__globals__, "merge_permissions", latest)
    assert widened(kept, lost) == [("email", "marketing", "a")]


def test_a_merge_keeps_what_one_gave_again_after_withdrawing() -> None:
    """One's own later word counts; the other said nothing."""
    kept = words(said("withdrawn", 1, address=""), said("given", 5))
    merge_permissions(kept, {})
    assert last(kept) == "given"


def test_keys_tell_their_parts() -> None:
    """The address may hold a bar; requests are told by their mark."""
    assert split_key(permission_key("email", "news", "a|b@x")) == ("email", "news", "a|b@x", False)
    (key,) = words(said("requested", 1))
    assert split_key(key) == ("email", "marketing", "a@x", True)


@pytest.mark.parametrize(
    ("happened", "expected"),
    [
        (
            event(
                "Consent Given",
                channel="email",
                purpose="news",
                address="A@X",
                source="form",
                wording="v2",
                evidence="ip",
                actor="staff",
            ),
            ("given", "email", "a@x", "news", "form", "v2", "staff", "ip"),
        ),
        (
            event("Consent Given", channel="email", purpose="news", identifiers={"email": "b@x"}),
            ("given", "email", "b@x", "news", "shop", "", "shop", "m1"),
        ),
        (
            event("Consent Requested", channel="sms", purpose="news"),
            ("requested", "sms", "", "news", "shop", "", "shop", "m1"),
        ),
        (event("Consent Withdrawn", identifiers={"email": "b@x"}), ("withdrawn", "", "", "", "shop", "", "shop", "m1")),
        (
            event("Consent Withdrawn", channel="email", identifiers={"email": "b@x"}),
            ("withdrawn", "email", "", "", "shop", "", "shop", "m1"),
        ),
        (
            event("Unsubscribed", email="B@x", purpose="news"),
            ("withdrawn", "email", "b@x", "news", "shop", "", "shop", "m1"),
        ),
        (
            event("Email Marked as Spam", address="b@x", purpose="news"),
            ("withdrawn", "email", "b@x", "", "shop", "", "shop", "m1"),
        ),
        (
            event("Message Unsubscribed", channel="sms", address="1"),
            ("withdrawn", "sms", "1", "", "shop", "", "shop", "m1"),
        ),
        (event("Consent Given", channel="email"), None),
        (event("Consent Given", purpose="news"), None),
        (event("Order Completed", channel="email", purpose="news"), None),
        (event("Consent Given", type_="identify", channel="email", purpose="news"), None),
    ],
)
def test_what_an_event_declares(happened: Event, expected: tuple[str, ...] | None) -> None:
    """All parts of the declaration; a vague consent is none, a vague withdrawal is one."""
    found = declare(happened)
    if expected is None:
        assert found is None
        return
    assert found is not None
    assert found.at == 5
    assert (
        found.status,
        found.channel,
        found.address,
        found.purpose,
        found.source,
        found.wording,
        found.actor,
        found.evidence,
    ) == expected


def test_complaints_and_hard_bounces_suppress() -> None:
    """The address is told with its reason, "" where none is named; a soft bounce suppresses nothing."""
    complaint = suppression_of(event("Email Marked as Spam", identifiers={"email": "b@x"}))
    assert complaint is not None
    assert (complaint.channel, complaint.address, complaint.purpose, complaint.reason) == (
        "email",
        "b@x",
        "",
        "complaint",
    )
    bounce = suppression_of(event("Message Bounced", channel="email", address="B@x", kind="hard"))
    assert bounce is not None
    assert (bounce.address, bounce.reason) == ("b@x", "hard_bounce")
    assert suppression_of(event("Message Bounced", channel="email", address="b@x", hard=True)) is not None
    nameless = suppression_of(event("Message Bounced", channel="email", kind="hard"))
    assert nameless is not None
    assert nameless.address == ""
    for none in (
        event("Message Bounced", channel="email", address="b@x", kind="soft"),
        event("Message Bounced", address="b@x", kind="hard"),
        event("Message Opened", channel="email", address="b@x"),
        event("Message Complained", type_="page", channel="email", address="b@x"),
    ):
        assert suppression_of(none) is None


def test_a_late_consent_does_not_widen_what_a_merge_narrowed() -> None:
    """A consent older than the merge that arrives after it is beaten; one given after the merge counts."""
    word = Declaration("given", "email", "u@x", "marketing", 1, "", "", "", "")

    def said(status: str, at: int) -> Declaration:
        return msgspec.structs.replace(word, status=status, at=at)

    kept: dict[str, Permission] = {}
    lost: dict[str, Permission] = {}
    fold(kept, said("given", 7), 1)
    fold(lost, said("withdrawn", 5), 2)
    merge_permissions(kept, lost, 8)
    for at, expected in ((6, "withdrawn"), (8, "withdrawn"), (9, "given")):
        fold(kept, said("given", at), 10 + at)
        found = status_of(kept, "email", "marketing", "u@x")
        assert found is not None
        assert found.status == expected
