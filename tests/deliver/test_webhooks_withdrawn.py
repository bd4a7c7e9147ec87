"""What a webhook tells of a person is asked at each attempt: what waited tells nothing that was withdrawn."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from einklang.app.activation_health import act
from einklang.channel import Answer
from tests.deliver.post import ADDRESS, DAY, HOUR, post
from tests.deliver.test_webhooks import DEFINITIONS, Hooks, hooks_of, tell, vip


def _persons(hooks: Hooks) -> list[dict[str, Any]]:
    return [json.loads(item.body)["data"]["person"] for item in hooks.got if item.destination == "crm"]


def test_who_withdraws_while_a_change_waits_is_told_by_the_id_alone() -> None:
    """Down, or paused, while she withdraws: the first attempt told of her, later ones do not, folded or not."""
    with post(DEFINITIONS) as it:
        down = [True]
        hooks = Hooks(lambda item: Answer("busy", 0, "no answer") if down[0] else Answer("sent", 200))
        tell(it, hooks)
        it.person()
        vip(it)
        tell(it, hooks)
        assert all(person["identifiers"] == {"email": [ADDRESS]} for person in _persons(hooks))
        assert ADDRESS.encode() not in b"".join(row[2] for row in _bodies(it.book)), "nothing of her waits in the Book"
        it.withdraw()
        hooks.got, down[0] = [], False
        tell(it, hooks, HOUR)
        assert [list(person) for person in _persons(hooks)] == [["id"]]
        vip(it, "u2", "bo@shop.example")
        it.tick()
        act(it.book, it.engine.state.definitions, "crm", "pause", actor="ada", now=it.now)
        vip(it, member=False)
        tell(it, hooks, DAY)
        act(it.book, it.engine.state.definitions, "crm", "resume", actor="ada", now=it.now)
        tell(it, hooks)
        assert all(list(person) == ["id"] for person in _persons(hooks))


def _bodies(book: Any) -> list[Any]:
    return [row for seq, *_ in book.read("deliveries_waiting", "crm") for row in book.read("delivery_get", "crm", seq)]


def test_who_is_paused_by_its_definition_in_the_middle_of_a_turn_stops() -> None:
    """A definition that says `paused`, or another address, counts from the next request on, not from the next turn."""
    with post(DEFINITIONS) as it:
        hooks = Hooks()
        tell(it, hooks)
        for n in range(12):
            vip(it, f"u{n}", f"a{n}@shop.example")
        work = hooks_of(it, hooks)

        def answer(item: Any) -> Answer:
            if item.destination == "shop" and len(hooks.got) == 4:
                it.define(
                    "{kind: destination, id: shop, type: webhook, segment: vip, purpose: service, state: paused,"
                    ' url: "https://shop.example/hook"}'
                )
                work.due()  # as the thread does while others are at it
            return Answer("sent", 200)

        hooks.answer = answer
        work.due()
        asyncio.run(work.serve("shop"))
        assert len(hooks.told("shop")) == 4
