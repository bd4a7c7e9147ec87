"""Ad audiences: nothing is told without consent, and who leaves, withdraws or changes an address is removed at once."""

from __future__ import annotations

from hashlib import sha256

import pytest

from einklang.app import activation_audience as module
from einklang.app.activation_audience import Audience, changes, wanted
from einklang.app.apply import check
from einklang.app.definitions import compile_all, key_of
from einklang.app.in_use import check_destinations
from einklang.app.yaml import parse_text
from einklang.kernel.errors import InputError
from einklang.kernel.time import HOUR, format_moment
from tests.deliver.post import ADDRESS, Post, post

DEFINITIONS = """
{kind: purpose, id: ads, title: Ads, basis: consent}
---
{kind: purpose, id: contract, title: Contract, basis: contract}
---
{kind: trait, id: vip, type: bool}
---
{kind: segment, id: vip, where: 'trait.vip == true'}
---
{kind: destination, id: meta, type: audience, segment: vip, purpose: ads, platform: meta}
---
{kind: destination, id: one, type: audience, segment: vip, purpose: ads, platform: tiktok, channel: ads}
"""
OTHER = "bo@shop.example"


def line(address: str, *, columns: int = 8) -> tuple[str, ...]:
    """The line of an e-mail address."""
    return (sha256(address.encode()).hexdigest(), *[""] * (columns - 1))


def member(it: Post, user: str, email: str, *, vip: bool = True, **traits: object) -> None:
    """Somebody of the segment."""
    it.send({"type": "identify", "userId": user, "traits": {"email": email, "vip": vip, **traits}})
    it.tick()


def said(it: Post, user: str, word: str, **told: str) -> None:
    """A word about the purpose, of an address by e-mail unless something else is said."""
    it.tell(f"Consent {word}", user, **{"channel": "email", "purpose": "ads", **told})


def asked(it: Post, destination: str = "meta") -> Audience:
    """What the platform should hold now."""
    definitions = it.engine.state.definitions
    with it.book.snapshot() as reader:
        return wanted(reader, it.delivery(None).state, definitions.destinations[destination], it.now)


def test_who_goes_in_whatever_way_is_in_the_next_removals() -> None:
    """Left, withdrawn (though not folded yet), another address: what was given and is wanted no more goes."""
    with post(DEFINITIONS) as it:
        for n, address in enumerate((ADDRESS, OTHER, "cy@shop.example", "di@shop.example")):
            member(it, f"u{n}", address)
            said(it, f"u{n}", "Given", address=address)
        it.tick()
        given = asked(it).lines
        assert given == {line(ADDRESS), line(OTHER), line("cy@shop.example"), line("di@shop.example")}
        member(it, "u0", ADDRESS, vip=False)
        said(it, "u1", "Withdrawn", address=OTHER)  # durable and not folded
        member(it, "u2", "new@shop.example")
        said(it, "u2", "Given", address="new@shop.example")
        said(it, "u2", "Withdrawn", address="cy@shop.example")
        after = asked(it)
        assert changes(given, after.lines) == ([], sorted([line(ADDRESS), line(OTHER), line("cy@shop.example")]))
        it.tick()
        add, remove = changes(given, asked(it).lines)
        assert (add, remove) == (
            [line("new@shop.example")], sorted([line(ADDRESS), line(OTHER), line("cy@shop.example")])
        )  # fmt: skip
        assert not set(add) & set(remove)
        assert asked(it).left_out == {"no_consent": 1}


def test_a_consent_that_ended_is_none() -> None:
    """Given for an hour it is told, and an hour later removed, although nobody said anything."""
    with post(DEFINITIONS) as it:
        member(it, "u0", ADDRESS)
        said(it, "u0", "Given", address=ADDRESS, expires_at=format_moment(it.now + HOUR))
        it.tick()
        assert asked(it).lines == {line(ADDRESS)}
        it.now += HOUR
        assert (asked(it).lines, asked(it).left_out) == (set(), {"no_consent": 1})


def test_what_was_withdrawn_on_one_channel_of_an_address_is_not_told() -> None:
    """A number is permitted for texts and then withdrawn for calls: it is the same number."""
    with post(DEFINITIONS) as it:
        member(it, "u0", ADDRESS, phone="+49 151 23456789")
        said(it, "u0", "Given", channel="sms", address="+4915123456789")
        it.tick()
        assert asked(it).lines == {("", sha256(b"4915123456789").hexdigest(), *[""] * 6)}
        said(it, "u0", "Withdrawn", channel="phone", address="+4915123456789")
        it.tick()
        assert (asked(it).lines, asked(it).left_out) == (set(), {"no_consent": 1})


@pytest.mark.parametrize("guarded", [True, False])
def test_nothing_is_told_without_consent(monkeypatch: pytest.MonkeyPatch, guarded: bool) -> None:
    """Consent to another purpose, to another address, only asked for, or by e-mail for a number: left out and counted.

    guarded: the control leaves the question out, and tells them all.
    """
    if not guarded:
        monkeypatch.setattr(module._Matched, "_refused", lambda *_: None)
    with post(DEFINITIONS) as it:
        member(it, "u0", ADDRESS, phone="+49 151 23456789")
        said(it, "u0", "Given", purpose="marketing", address=ADDRESS)
        member(it, "u1", OTHER)
        said(it, "u1", "Given", address="else@shop.example")
        member(it, "u2", "cy@shop.example", phone="+49 151 23456780", firstName="Cy", lastName="Po",
               address={"postalCode": "89073", "country": "DE"})  # fmt: skip
        said(it, "u2", "Given", address="cy@shop.example")
        it.tell("Consent Requested", "u3", channel="email", purpose="ads", address="di@shop.example")
        member(it, "u3", "di@shop.example")
        it.send({"type": "identify", "userId": "u4", "traits": {"vip": True}})
        it.tick()
        found = asked(it)
        assert (found.lines == {line("cy@shop.example")}) is guarded
        assert dict(found.left_out) == ({"no_consent": 3, "no_address": 1} if guarded else {"no_address": 1})
        assert len(found.lines) == (1 if guarded else 7)


def test_one_consent_may_stand_for_all_addresses() -> None:
    """With a channel of its own the consent given in it tells every address of the person, and none without it."""
    with post(DEFINITIONS) as it:
        member(it, "u0", ADDRESS, phone="+49 151 23456789")
        it.tell("Consent Given", "u0", channel="ads", purpose="ads")
        member(it, "u1", OTHER)
        said(it, "u1", "Given", address=OTHER)
        it.tick()
        phone = ("", sha256(b"4915123456789").hexdigest())
        assert asked(it, "one").lines == {line(ADDRESS, columns=2), phone}
        it.tell("Consent Withdrawn", "u0", channel="ads", purpose="ads")
        it.tick()
        assert asked(it, "one").lines == set()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("type: audience, segment: vip, purpose: contract, platform: meta", "no_consent_basis"),
        ("type: audience, segment: vip, purpose: ads, platform: metta", "unknown_platform"),
        ("type: audience, segment: vip, purpose: ads, platform: meta, fields: {zap: x}", "unknown_field"),
        ("type: audience, segment: [vip], purpose: ads, platform: meta", "bad_segments"),
        ("type: webhook, segment: vap, purpose: ads, url: 'https://x.example/'", "unknown_segment"),
        ("type: webhook, segment: vip, purpose: ads, url: 'ftp://x.example/'", "bad_url"),
        ("type: webhook, segment: vip, purpose: ads, url: 'https://a:b@x.example/'", "bad_url"),
        ("type: webhook, segment: vip, purpose: ads, url: 'https://x.example:99999/'", "bad_url"),
        ("type: webhook, segment: vip, purpose: ads, url: 'https://a..b/'", "bad_url"),
        (f"type: webhook, segment: vip, purpose: ads, url: 'https://{'a' * 64}.example/'", "bad_url"),
        ("type: webhook, segment: vip, purpose: ads, url: 'https://a%20b.example/'", "bad_url"),
        ("type: webhook, segment: vip, purpose: ads, url: 'https://x.example:/'", "bad_url"),
        ("type: webhook, segment: vip, purpose: ads, url: 'https://10.0.0.999/'", "bad_url"),
        ("type: webhook, segment: vip, purpose: ads, url: 'https://[::zz]/'", "bad_url"),
        ("type: webhook, segment: vip, purpose: ads, url: 'https://x.example/', patience: soon", "bad_duration"),
        ("type: webhook, segment: vip, purpose: ads, url: 'https://x.example/', at_once: 99", "bad_number"),
        ("type: webhook, segment: vip, purpose: ads, url: 'https://x.example/', patience: 0s", "bad_duration"),
        ("type: webhook, segment: vip, purpose: ads, url: 'https://x/', identifiers: [emial]", "unknown_column"),
        ("type: webhook, segment: vip, purpose: ads, url: 'https://x/', identifiers: [trait.x]", "unknown_kind"),
        ("type: webhook, segment: vip, purpose: ads, url: 'https://x/', traits: ['']", "unknown_column"),
        ("type: file, segment: vip, purpose: ads, columns: [emial]", "unknown_column"),
        ("type: file, segment: vip, purpose: ads, columns: [stage.none]", "unknown_id"),
        ("type: table, segment: vip, purpose: ads, columns: [trait.plan, trait.Plan]", "repeated_column"),
    ],
)  # fmt: skip
def test_a_destination_that_cannot_be_is_refused(text: str, code: str) -> None:
    """An audience without consent as its basis, unknown names, addresses that are none: refused with the mend."""
    with post(DEFINITIONS) as it, pytest.raises(InputError) as caught:
        check(it.book, parse_text(f"{{kind: destination, id: new, {text}}}", "new.yaml"))
    assert caught.value.code == code
    assert caught.value.mend


@pytest.mark.parametrize(
    "url",
    ["http://localhost:8080/x", "https://10.0.0.8/", "https://[2001:db8::1]:8443/x", "https://a_b.Shop-1.example./"],
)
def test_an_address_that_can_be_reached_is_taken(url: str) -> None:
    """A name with or without points, in capitals, with the last point, an address by numbers, a port."""
    text = f"{{kind: destination, id: new, type: webhook, segment: vip, purpose: ads, url: '{url}'}}"
    with post(DEFINITIONS) as it:
        assert len(check(it.book, parse_text(text, "new.yaml"))[1]) == 1


def test_an_address_that_is_refused_now_stays_readable_where_it_is_stored() -> None:
    """Definitions of a log of before compile with it, and others are applied beside it; it itself is refused."""
    stored = "\n---\n{kind: destination, id: old, type: webhook, segment: vip, purpose: ads, url: 'https://a..b/'}"
    docs = {key_of(doc): (doc.body, doc.where) for doc in parse_text(DEFINITIONS + stored, "old.yaml")}
    compiled = compile_all(docs, dict.fromkeys(docs, 1))
    assert "old" in compiled.destinations
    check_destinations(compiled, {("destination", "other"), ("segment", "vip")})
    with pytest.raises(InputError, match="host"):
        check_destinations(compiled, {("destination", "old")})
