"""`kind: identity`: kinds, priorities, limits, uniqueness, blocked values, recognition; each guard with its control."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from einklang.event import Event
from einklang.identity import DEFAULT_RULES, Kind, Overlay, Rules, parse_identity, resolve, resolve_again
from einklang.identity.change import Change
from einklang.identity.graph import Edge, Seen, unjoinable
from einklang.kernel.errors import InputError
from einklang.kernel.reasons import MergeRefused
from tests.identity.identity_logs import decided, event
from tests.identity.identity_oracle import truth
from tests.identity.test_identity_properties import SALT, Home


def rules(**fields: Any) -> Rules:
    """The rules of a definition."""
    return parse_identity({"kind": "identity", **fields}, "f")


def fold(events: list[Event], by: Rules) -> tuple[Overlay, list[Any]]:
    """What these events make known, and the merges that were refused."""
    known, refused = Overlay(), []
    for one in events:
        change = resolve(one, known, SALT, by)
        known.apply(one, change)
        refused += [found.reason for found in change.refused]
    return known, refused


def joined(known: Overlay, *nodes: tuple[str, str]) -> bool:
    """Whether all these identifiers are one person's."""
    owners = [known.owner(*node) for node in nodes]
    return all(owners) and len({owned.person for owned in owners if owned is not None}) == 1


def said(n: int, source: str = "server", context: dict[str, Any] | None = None, **identifiers: str) -> Event:
    """A call that names these identifiers."""
    found = event(n, n, "identify", identifiers, source=source)
    found.context = context or {}
    return found


CARDS = {"card": {"priority": 35, "unique": True}}
ONE, OTHER = said(1, card="c1", phone="+491"), said(2, card="c2", phone="+491")


def test_a_kind_of_ones_own() -> None:
    """It identifies, names the person by its priority, and keeps two apart; without the definition it names nobody."""
    known, refused = fold([ONE, OTHER], rules(kinds=CARDS))
    assert not joined(known, ("card", "c1"), ("card", "c2"))
    assert refused == [MergeRefused.TWO_UNIQUE_IDS]
    assert fold([ONE], DEFAULT_RULES)[0].owner("card", "c1") is None


USER, MAIL, PHONE = ("userId", "u"), ("email", "e@x"), ("phone", "+1")
INFO = [said(1, userId="u", email="info@x"), said(2, phone="+1", email="info@x")]
JOINED: list[tuple[dict[str, Any], list[Event], list[tuple[str, str]]]] = [
    ({"kinds": {"card": {"priority": 35, "limit": 2}}}, [ONE, OTHER], [("card", "c1"), ("card", "c2")]),
    ({}, INFO, [USER, PHONE]),
    ({}, [said(1, userId="u", phone="+1"), said(2, email="e@x", phone="+1")], [USER, MAIL]),
    ({}, [said(1, email="e@x", phone="+1"), said(2, email="f@x", phone="+1")], [MAIL, ("email", "f@x")]),
]


@pytest.mark.parametrize(
    ("fields", "calls", "nodes"), JOINED, ids=["unique", "blocked of a kind", "blocked of all", "limit"]
)
def test_each_guard_keeps_apart_what_is_joined_without_it(
    fields: dict[str, Any], calls: list[Event], nodes: list[tuple[str, str]], request: pytest.FixtureRequest
) -> None:
    """Positive controls: without the guard the calls do join; with it they do not."""
    guarded: dict[str, dict[str, Any]] = {
        "unique": {"kinds": CARDS},
        "blocked of a kind": {"kinds": {"email": {"blocked": ["INFO@*"]}}},
        "blocked of all": {"blocked": ["+1"]},
        "limit": {"kinds": {"email": {"limit": 1}}},
    }
    assert joined(fold(calls, rules(**fields))[0], *nodes)
    assert not joined(fold(calls, rules(**guarded[request.node.callspec.id]))[0], *nodes)


def test_the_guard_of_the_write_key() -> None:
    """Two known persons stay two, whatever time is claimed; one that the call brings is joined; a server joins both."""
    first, second = said(5, userId="u"), said(6, email="e@x")
    both = event(9, 1, "identify", {"userId": "u", "email": "e@x"}, source="web", received_at=9)
    nodes = ("userId", "u"), ("email", "e@x")
    known, refused = fold([first, second, both], DEFAULT_RULES)
    assert (joined(known, *nodes), refused) == (False, [MergeRefused.UNAUTHENTICATED])
    assert joined(fold([first, both], DEFAULT_RULES)[0], *nodes), "nobody had sent the address before"
    assert joined(fold([first, second, said(9, userId="u", email="e@x")], DEFAULT_RULES)[0], *nodes)


def test_a_write_key_brings_no_two_user_ids_together() -> None:
    """An alias by a browser joins nobody, one by a server does."""
    for source, one in (("web", False), ("server", True)):
        alias = event(3, 3, "alias", {"userId": "new", "previousId": "old"}, source=source)
        known, _ = fold([said(1, userId="old"), said(2, userId="new"), alias], DEFAULT_RULES)
        assert joined(known, ("userId", "old"), ("userId", "new")) is one


def test_what_is_proved_takes_back_what_anybody_claimed() -> None:
    """A stranger's account that a browser tied to an address gives way when a server says whose the address is."""
    claimed = event(1, 0, "identify", {"userId": "stranger", "email": "e@x"}, source="web", received_at=1)
    known, _ = fold([claimed, said(5, userId="owner", email="e@x")], DEFAULT_RULES)
    assert joined(known, ("userId", "owner"), ("email", "e@x"))
    assert not joined(known, ("userId", "stranger"), ("email", "e@x"))


@pytest.mark.parametrize(("source", "wins"), [("server", True), ("web", False)])
def test_recognition_counts_more_than_naming(source: str, wins: bool) -> None:
    """Who showed her card has the phone number, though another call named it earlier; a browser's word is no proof."""
    by_card = said(2, source, {"evidence": "card"}, userId="b", phone="+1")
    known, _ = fold([said(1, userId="a", phone="+1"), by_card], DEFAULT_RULES)
    assert joined(known, ("userId", "b"), ("phone", "+1")) is wins
    assert joined(known, ("userId", "a"), ("phone", "+1")) is not wins


def test_kinds_of_recognition_are_ranked() -> None:
    """A sign-in before a card before an app code before a call code before a badge before a receipt."""
    ranks = [DEFAULT_RULES.strength("userId", "phone", name) for name in DEFAULT_RULES.evidence]
    assert list(DEFAULT_RULES.evidence) == ["receipt", "badge", "call_code", "app_code", "card", "sign_in"]
    assert ranks == sorted(ranks)
    assert ranks[0] > DEFAULT_RULES.strength("userId", "email")
    assert rules(evidence=["badge"]).strength("userId", "phone", "card") == DEFAULT_RULES.strength("userId", "phone")


WRONG = [
    ({"kinds": {"card": {"unique": True}}}, "missing_field", "f.kinds.card"),
    ({"kinds": {"card": {"priority": 100}}}, "out_of_range", "f.kinds.card.priority"),
    ({"kinds": {"card": {"priority": 35, "limit": 0}}}, "out_of_range", "f.kinds.card.limit"),
    ({"kinds": {"card": {"priority": 35, "unique": True, "limit": 2}}}, "contradiction", "f.kinds.card.limit"),
    ({"kinds": {"person": {"priority": 35}}}, "bad_kind", "f.kinds.person"),
    ({"kinds": {"a b": {"priority": 35}}}, "bad_kind", "f.kinds.a b"),
    ({"kinds": {"userId": {"limit": 2}}}, "contradiction", "f.kinds.userId"),
    ({"kinds": {"anonymousId": {"unique": True}}}, "contradiction", "f.kinds.anonymousId"),
    ({"kinds": {"email": {"limits": 2}}}, "unknown_field", "f.kinds[...]"),
    ({"blocked": ["*"]}, "bad_pattern", "f.blocked[0]"),
    ({"blocked": ["x"] * 201}, "too_many", "f.blocked"),
    ({"evidence": ["card", "card"]}, "bad_evidence", "f.evidence"),
    ({"alias_limit": 0}, "out_of_range", "f.alias_limit"),
]


@pytest.mark.parametrize(("fields", "code", "where"), WRONG)
def test_mistakes_are_told(fields: dict[str, Any], code: str, where: str) -> None:
    """Code, field and mend."""
    with pytest.raises(InputError) as caught:
        rules(**fields)
    assert (caught.value.code, caught.value.where) == (code, where)
    assert caught.value.mend


def _limits(userId: int, email: int, phone: int, device: int) -> tuple[Rules, dict[str, int]]:
    limits = {"userId": userId, "email": email, "phone": phone, "anonymousId": device}
    kinds = {name: Kind(name, DEFAULT_RULES.kinds[name].priority, limit) for name, limit in limits.items()}
    return Rules(kinds, re.compile(""), alias_limit=2), limits


@given(decided(), st.tuples(st.integers(2, 4), st.integers(2, 4), st.integers(1, 3)))
@settings(max_examples=100, deadline=None)
def test_other_rules_give_the_persons_that_they_would_have_given(
    parts: tuple[list[Event], list[Event], list[Event]], limits: tuple[int, int, int]
) -> None:
    """Folded by one set of limits and solved anew by another: as if the other had been in force from the start."""
    before, _ = _limits(1, 3, 3, 2)
    after, wanted = _limits(1, *limits)
    events = [one for part in parts for one in part]
    home = Home()
    for one in events:
        home.fold(one, before)
    brought = event(99, 99, "definition", {})
    for person in sorted({person for person, _ in home.identifiers().values()}):
        nodes = [row[:2] for row in home.known.identifiers_of(person) if row[0] != "anonymousId"]
        if nodes:
            home._move(brought, resolve_again(brought, nodes, home.known, SALT, after))
    expected = truth(events, SALT, wanted, after.alias_limit)
    assert {node: person for node, (person, _) in home.identifiers().items()} == expected.persons
    assert home.person == expected.attribution


def test_the_comparison_notices_doubtful_evidence_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Positive control: without the look at unproved evidence, what is proved later leaves it in force."""
    claimed = event(5, 5, "identify", {"userId": "u", "email": "e@x"}, source="web", received_at=5)
    late = event(3, 3, "identify", {"userId": "u"}, source="server", received_at=3)
    calls = [said(1, email="e@x"), claimed, late]

    def agrees() -> bool:
        home = Home()
        for one in calls:
            home.fold(one)
        found = {node: person for node, (person, _) in home.identifiers().items()}
        return found == truth(calls, SALT, {"userId": 1, "email": 2, "phone": 2, "anonymousId": 2}, 2).persons

    assert agrees(), "the account was known before the browser spoke of it"
    monkeypatch.setattr(Change, "_is_doubtful", lambda self, group, edge: False)
    assert not agrees()


def test_a_value_that_thousands_share_costs_no_more_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sign-ups by a write key with one phone number: whoever comes in order of time is told from the groups alone."""
    solved: list[int] = []
    monkeypatch.setattr(Change, "_solve_anew", lambda self, pending, again=False: solved.append(1))
    calls = [said(n, "web", email=f"{n}@x", phone="+1") for n in range(1, 400)]
    known, refused = fold(calls, DEFAULT_RULES)
    assert joined(known, *(("email", f"{n}@x") for n in range(1, 11)))
    assert (set(refused), solved) == ({MergeRefused.TOO_MANY_IDENTIFIERS}, [])


def test_the_reason_of_a_refusal_does_not_depend_on_the_order_of_members() -> None:
    """Groups with two unique identifiers and too many of another kind: one reason, however their members were read."""
    by, seen = rules(kinds={"email": {"limit": 2}, "phone": {"limit": 1}}), Seen(1, 1)
    one = {("email", "a@x.example"): seen, ("email", "b@x.example"): seen, ("phone", "1"): seen}
    other = {("email", "c@x.example"): seen, ("phone", "2"): seen}
    edge = Edge(("email", "a@x.example"), ("email", "c@x.example"), 1, 1, "m", "import", "track")
    backwards = dict(reversed(one.items())), dict(reversed(other.items()))
    reasons = {unjoinable(a, b, edge, by, lambda _: ()) for a, b in ((one, other), (other, one), backwards)}
    assert reasons == {MergeRefused.TOO_MANY_IDENTIFIERS}
