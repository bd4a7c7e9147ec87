"""Identity by the defaults of the contract: what joins, what stays apart, what names nobody."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from einklang.event import Event
from einklang.identity import DEFAULT_RULES, Move, Overlay, Resolution, device_of, key_of, resolve
from einklang.kernel.ids import person_id
from einklang.kernel.reasons import MergeRefused

SALT = b"salt"


def event(at: int, type_: str = "track", **identifiers: str) -> Event:
    """An event whose message id says its time."""
    return Event(at, at, at, type_, "", f"m{at:05d}", tuple(identifiers.items()), {}, {}, "import", "web")


def fold(events: Sequence[Event], known: Overlay | None = None) -> tuple[Overlay, list[Resolution]]:
    """Resolve and apply in this order."""
    known = known or Overlay()
    found = []
    for one in events:
        found.append(resolve(one, known, SALT))
        known.apply(one, found[-1])
    return known, found


def test_a_visitor_becomes_known() -> None:
    """Anonymous events before the first sign-in belong to who signs in; the anonymous person goes over as a whole."""
    known, found = fold(
        [event(1, anonymousId="a"), event(2, "identify", userId="u", email="e@x.example", anonymousId="a")]
    )
    assert found[0].person == person_id(SALT, "anonymousId", "a")
    assert found[1].person == person_id(SALT, "userId", "u")
    assert [tuple(merge) for merge in found[1].merges] == [(found[0].person, found[1].person)]
    assert [tuple(alias) for alias in found[1].aliases] == [(found[0].person, found[1].person)]
    kinds = [kind for kind, *_ in known.identifiers_of(found[1].person)]
    assert sorted(kinds) == ["anonymousId", "email", "userId"]


def test_a_second_sign_in_does_not_merge_the_device_away() -> None:
    """Two persons sign in on one device in turn: they stay two, and each gets the anonymous events of its time."""
    _, found = fold(
        [
            event(1, anonymousId="a"),
            event(2, userId="u", anonymousId="a"),
            event(3, anonymousId="a"),
            event(4, userId="v", anonymousId="a"),
            event(5, anonymousId="a"),
            event(6, userId="u", anonymousId="a"),
            event(7, anonymousId="a"),
        ]
    )
    u, v = person_id(SALT, "userId", "u"), person_id(SALT, "userId", "v")
    assert [one.person for one in found[1:]] == [u, u, v, v, u, u]
    assert not any(one.refused for one in found)


def test_a_late_sign_in_moves_the_events_of_its_time() -> None:
    """A sign-in that arrives late takes [its at, next sign-in) of the device, no more."""
    _, found = fold(
        [
            event(2, userId="u", anonymousId="a"),
            event(3, anonymousId="a"),
            event(8, userId="w", anonymousId="a"),
            event(5, userId="v", anonymousId="a"),
        ]
    )
    u, v = person_id(SALT, "userId", "u"), person_id(SALT, "userId", "v")
    assert list(found[3].moves) == [Move("anonymousId", "a", 5, 8, u, v)]


def test_two_user_ids_never_merge_by_a_weaker_kind() -> None:
    """A shared e-mail address, phone number and device leave two signed-in persons apart; the refusal is told once."""
    _, found = fold(
        [
            event(1, "identify", userId="u", email="e@x.example", phone="+491", anonymousId="a"),
            event(2, "identify", userId="v", email="e@x.example", phone="+491", anonymousId="a"),
            event(3, "identify", userId="v", email="e@x.example", phone="+491", anonymousId="a"),
        ]
    )
    assert found[0].person != found[1].person == found[2].person
    assert {one.reason for one in found[1].refused} == {MergeRefused.TWO_USER_IDS}
    assert not found[2].refused


def test_an_alias_joins_two_user_ids() -> None:
    """An alias is explicit evidence between two userIds, and does join; the earlier one founds the person."""
    _, found = fold([event(1, userId="old"), event(2, userId="new"), event(3, "alias", userId="new", previousId="old")])
    assert found[2].person == person_id(SALT, "userId", "old")


def test_an_alias_of_a_device_signs_it_in() -> None:
    """Segment's alias of an anonymous id gives its events to the user, whether it came before or after them."""
    u = person_id(SALT, "userId", "u")
    _, found = fold(
        [event(1, anonymousId="a"), event(2, "alias", userId="u", previousId="a"), event(3, anonymousId="a")]
    )
    assert [tuple(merge) for merge in found[1].merges] == [(person_id(SALT, "anonymousId", "a"), u)]
    assert found[2].person == u
    _, found = fold([event(2, "alias", userId="u", previousId="a"), event(1, anonymousId="a")])
    assert found[1].person == u


def test_an_alias_names_a_user_who_comes_later() -> None:
    """An alias to a userId that no event has carried yet joins when one does."""
    known, found = fold([event(1, "alias", userId="new", previousId="old")])
    assert known.owner("userId", "old") is None, "nobody was seen under this id"
    _, found = fold([event(2, userId="old")], known)
    assert known.owner("userId", "new") == (found[0].person, 1, 1)


@pytest.mark.parametrize(
    "value",
    ["", " ", "null", "NULL", "00", "0-0", "00000000-0000-0000-0000-000000000000", "undefined", "anonymous"],
)
def test_values_that_say_nothing_name_nobody(value: str) -> None:
    """Empty, null, zeros and the like are no identifiers: alone nobody is meant, beside another they add nothing."""
    known, found = fold([event(1, userId=value), event(2, userId=value, anonymousId="a"), event(3, anonymousId=value)])
    assert [one.person for one in found] == ["", person_id(SALT, "anonymousId", "a"), ""]
    assert known.owner("userId", value) is None


def test_throw_away_addresses_name_nobody() -> None:
    """test@ and noreply@ at any domain join nobody; an ordinary address does (positive control)."""
    for address, joined in (("test@shop.example", False), ("noreply@shop.example", False), ("tess@shop.example", True)):
        _, found = fold([event(1, "identify", phone="+491", email=address), event(2, "identify", email=address)])
        assert (found[1].person == found[0].person) is joined


@pytest.mark.parametrize(("kind", "limit"), [("email", 10), ("phone", 10)])
def test_a_shared_value_joins_no_more_than_its_limit(kind: str, limit: int) -> None:
    """One phone (or address) that a thousand sign-ups share gathers ten of the other kind, the first ones by time."""
    other = "phone" if kind == "email" else "email"
    events = [event(n, "identify", **{kind: f"{n}@x.example", other: "+4930"}) for n in range(1, 31)]
    known, found = fold(events)
    owned = known.owner(other, "+4930")
    assert owned is not None
    mine = [value for of, value, *_ in known.identifiers_of(owned.person) if of == kind]
    assert sorted(mine) == sorted(f"{n}@x.example" for n in range(1, limit + 1))
    assert found[-1].refused[0].reason == MergeRefused.TOO_MANY_IDENTIFIERS


def test_an_account_shared_by_many_devices_claims_a_hundred() -> None:
    """A userId that signs in on 150 devices owns the first 100; the others keep their anonymous visitors."""
    events = []
    for n in range(1, 151):
        events += [event(2 * n, anonymousId=f"d{n}"), event(2 * n + 1, userId="kiosk", anonymousId=f"d{n}")]
    known, _ = fold(events)
    kiosk = person_id(SALT, "userId", "kiosk")
    assert len([1 for kind, *_ in known.identifiers_of(kiosk) if kind == "anonymousId"]) == 100
    assert resolve(event(999, anonymousId="d100"), known, SALT).person == kiosk
    assert resolve(event(999, anonymousId="d101"), known, SALT).person == person_id(SALT, "anonymousId", "d101")


def test_the_thousandth_page_view_changes_nothing() -> None:
    """A signed-in visitor who goes on adds no edge, no identifier and no sign-in row."""
    known, _ = fold([event(1, "identify", userId="u", email="e@x.example", anonymousId="a")])
    before = known.writes()
    _, found = fold([event(at, userId="u", email="e@x.example", anonymousId="a") for at in range(2, 1002)], known)
    assert known.writes() == before
    assert {one.person for one in found} == {person_id(SALT, "userId", "u")}
    assert not any(one.edges or one.sign_ins or one.identifiers for one in found)


def test_key_and_device_of_an_event() -> None:
    """What an event is attributed by: its strongest usable identifier, else its device."""
    assert key_of(event(1, anonymousId="a", email="e@x.example", userId="null")) == ("email", "e@x.example")
    assert key_of(event(1, anonymousId="a")) == ("anonymousId", "a")
    assert key_of(event(1, loyalty="1")) == ("", "")
    assert device_of(event(1, "alias", userId="u", previousId="p")) == "p"
    assert device_of(event(1, userId="u", previousId="p")) == ""


def test_the_rules_are_those_of_the_contract() -> None:
    """One userId, ten e-mail addresses, ten phone numbers, a hundred devices; strongest first."""
    kinds = sorted(DEFAULT_RULES.kinds.values(), key=lambda kind: -kind.priority)
    assert [(kind.name, kind.limit) for kind in kinds] == [
        ("userId", 1),
        ("email", 10),
        ("phone", 10),
        ("anonymousId", 100),
    ]


def test_a_late_stronger_claim_splits() -> None:
    """An address that the later of two accounts held first, by event time, moves to it with the events it is key of."""
    known, found = fold(
        [
            event(5, "identify", userId="u", email="e@x.example"),
            event(6, email="e@x.example"),
            event(3, "identify", userId="v", email="e@x.example"),
        ]
    )
    u, v = person_id(SALT, "userId", "u"), person_id(SALT, "userId", "v")
    assert known.owner("email", "e@x.example") == (v, 3, 3)
    assert [(move.kind, move.value, move.from_person, move.to_person) for move in found[2].moves] == [
        ("email", "e@x.example", u, v)
    ]
