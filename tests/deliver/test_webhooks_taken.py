"""What is taken from the log for webhooks is written once, also where the Book goes away or two processes look."""

from __future__ import annotations

from typing import Any, NoReturn

import pytest

from einklang.app.activation_health import act, list_deliveries
from einklang.app.destinations import stand_of
from einklang.channel import Answer
from einklang.kernel.errors import Conflict, Unavailable
from tests.deliver.post import DAY, post
from tests.deliver.test_webhooks import DEFINITIONS, Hooks, hooks_of, tell, vip


def test_what_could_not_be_written_is_looked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection to the Book that breaks while changes are taken in loses none: the same process tells them later."""
    with post(DEFINITIONS) as it:
        hooks = Hooks()
        work = hooks_of(it, hooks)
        tell(it, hooks, work=work)
        vip(it)

        def away(_: Any) -> NoReturn:
            raise Unavailable("book_failed", "the connection was reset")

        with monkeypatch.context() as patch:
            patch.setattr(it.book, "transact", away)
            with pytest.raises(Unavailable):
                work.due()
        tell(it, hooks, work=work)
        assert [len(hooks.told(name)) for name in ("crm", "shop")] == [1, 1]


def test_what_two_processes_found_is_taken_in_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that is late neither brings back what the other has told meanwhile nor sets its place in the log back."""
    with post(DEFINITIONS) as it:
        hooks = Hooks()
        late = hooks_of(it, hooks)
        tell(it, hooks, work=late)
        vip(it)
        transact, told = it.book.transact, list[int]()

        def between(work: Any) -> Any:
            """Before the late one writes, the other has told this change and one more."""
            monkeypatch.setattr(it.book, "transact", transact)
            vip(it, member=False)
            tell(it, hooks)
            told.append(stand_of(it.book, "shop").cursor)
            return transact(work)

        monkeypatch.setattr(it.book, "transact", between)
        tell(it, hooks, work=late)
        assert hooks.told("shop") == [("segment.entered", "vip", ""), ("segment.left", "vip", "")]
        assert stand_of(it.book, "shop").cursor == told[0]


def _dead(it: Any, status: str = "dead") -> list[int]:
    found = list_deliveries(it.book, it.engine.state.definitions, "crm", status).items
    return sorted(one.seq for one in found)


def test_a_dead_change_is_not_told_after_a_newer_one_of_the_same_person_and_segment() -> None:
    """What a newer one has overtaken says so and is refused; of another segment it is told again."""
    with post(DEFINITIONS) as it:
        bad = [True]
        hooks = Hooks(lambda item: Answer("failed", 400, "HTTP 400") if bad[0] else Answer("sent", 200))
        tell(it, hooks)
        vip(it)
        it.tell("Paid")
        vip(it, "u2", "bo@shop.example")
        for _ in range(9):
            tell(it, hooks, DAY // 4)
        entered, *others = _dead(it)
        bad[0], hooks.got = False, []
        vip(it, member=False)
        definitions = it.engine.state.definitions

        def answer(item: Any) -> Answer:
            """Staff wants it told again just as the newer one is on its way."""
            if item.destination == "crm":
                act(it.book, definitions, "crm", "replay", actor="ada", now=it.now, seq=entered)
            return Answer("sent", 200)

        hooks.answer = answer
        tell(it, hooks)
        hooks.answer = lambda item: Answer("sent", 200)
        assert (_dead(it), _dead(it, "overtaken")) == (others, [entered])
        with pytest.raises(Conflict, match="newer change"):
            act(it.book, definitions, "crm", "replay", actor="ada", now=it.now, seq=entered)
        assert act(it.book, definitions, "crm", "replay", actor="ada", now=it.now).replayed == 2
        tell(it, hooks)
        told = [what[:2] for what in hooks.told()]
        assert (told[0], sorted(told[1:])) == (
            ("segment.left", "vip"), [("segment.entered", "buyer"), ("segment.entered", "vip")]
        )  # fmt: skip
        (row,) = list_deliveries(it.book, definitions, "crm", "overtaken").items
        assert row.reason == "a newer change of this person was taken; before that: replayed"
