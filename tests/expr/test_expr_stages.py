"""Stages in expressions: conditions in their place, or what is kept with the person; since when, and until when."""

from __future__ import annotations

import pytest

from einklang.expr import Catalog, Scope, check, compile_one, explain, parse, to_words
from einklang.expr.crowd_reach import crowd_supports
from tests.expr.fakes import FakeView, at

CATALOG = Catalog(
    stages={"plain": (("a", "trait.n > 1"), ("b", "trait.n > 5")), "kept": (("a", "true"),)}, kept=frozenset({"kept"})
)
SCOPE = Scope("segment.where", CATALOG)
NOW, SINCE, ENDS = at("2027-03-01"), at("2027-02-01"), at("2027-04-01")


def view(**more: object) -> FakeView:
    """Somebody in a kept stage, which time ends."""
    found = FakeView(now=NOW, traits={"n": 3}, stages={"kept": ("a", SINCE), "plain": ("a", SINCE)})
    found.stage_ends = {"kept": ENDS}
    for name, value in more.items():
        setattr(found, name, value)
    return found


@pytest.mark.parametrize(
    ("text", "value", "flip"),
    [
        ('stage("plain")', "a", None),
        ('stage("kept")', "a", ENDS),
        ('stage("kept") == "a" && trait.n == 3', True, ENDS),
        ('changedAt(stage("kept"))', SINCE, ENDS),
        ('changedAt(stage("plain")) <= now - duration("27d")', True, None),
        ('changedAt(stage("plain")) <= now - duration("30d")', False, SINCE + 30 * 86_400_000_000),
    ],
)
def test_value_and_flip(text: str, value: object, flip: int | None) -> None:
    """A plain stage is its conditions; a kept one what is kept, until its own flip; since when is kept of both."""
    compiled = compile_one(check(text, SCOPE))
    assert compiled.value_and_flip(view()) == (value, flip)
    assert compiled.value(view(now=ENDS)) == compiled.value_and_flip(view(now=ENDS))[0]


def test_what_is_asked_and_by_whom() -> None:
    """Kept stages are listened to by name, plain ones by what they ask; plans have the plain ones alone."""
    plain, kept = check('stage("plain") == "b"', SCOPE), check('stage("kept") == "a"', SCOPE)
    since = check('changedAt(stage("plain")) < now', SCOPE)
    assert (plain.needs.traits, plain.needs.stages, crowd_supports(plain)) == (frozenset({"n"}), frozenset(), [])
    assert (kept.needs.stages, kept.needs.time, crowd_supports(kept)) == (frozenset({"kept"}), True, ["stage"])
    assert (since.needs.stages, crowd_supports(since)) == (frozenset({"plain"}), ["changed"])
    assert explain(kept, view()).held is True


def test_in_words() -> None:
    """Dwell time in the words of people, in both languages."""
    tree = parse('changedAt(stage("kept")) <= now - duration("14d")')
    assert to_words(tree, "en") == 'stage in "kept" has been so for 14 days'
    assert to_words(tree, "de") == 'Phase in "kept" ist so seit 14 Tagen'
