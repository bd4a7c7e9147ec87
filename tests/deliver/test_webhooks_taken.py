"""What is taken from the log for webhooks is written once, also where the Book goes away or two processes look."""

from __future__ import annotations

from typing import Any, NoReturn

import pytest

from einklang.app.destinations import stand_of
from einklang.kernel.errors import Unavailable
from tests.deliver.post import post
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
