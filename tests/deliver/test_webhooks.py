"""Webhooks on entered and left: at least once under one id, in order, each destination for itself (invariant 17)."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from einklang.app import activation
from einklang.app.activation import Webhooks
from einklang.app.activation_health import act, list_deliveries, list_destinations
from einklang.app.destinations import stand_of
from einklang.app.ports import Reader, Row
from einklang.channel import Answer
from einklang.kernel.errors import Unavailable
from tests.deliver.post import ADDRESS, DAY, HOUR, MINUTE, Post, post

DEFINITIONS = """
{kind: trait, id: vip, type: bool}
---
{kind: segment, id: vip, where: 'trait.vip == true'}
---
{kind: segment, id: buyer, where: 'events("Paid").exists()'}
---
{kind: destination, id: crm, type: webhook, segment: [vip, buyer], purpose: marketing, url: "https://crm.example/hook",
 identifiers: [email], traits: [city], patience: 1d}
---
{kind: destination, id: shop, type: webhook, segment: vip, purpose: service, url: "https://shop.example/hook"}
"""
Told = tuple[str, ...]
SECOND = MINUTE // 60


class Hooks:
    """Takes what is posted. answer(post): what the other side says; by default that it has it."""

    def __init__(self, answer: Callable[[Any], Answer] = lambda item: Answer("sent", 200)) -> None:
        self.answer, self.got = answer, list[Any]()
        self.hangs: set[str] = set()

    def signs(self, destination: str) -> bool:
        """There is a secret for everybody but `mute`."""
        return destination != "mute"

    async def post(self, item: Any) -> Answer:
        """Keep it, then answer; of who hangs nothing ever comes."""
        self.got.append(item)
        if item.destination in self.hangs:
            await asyncio.Event().wait()
        return self.answer(item)

    def told(self, destination: str = "crm") -> list[Told]:
        """(type, segment, e-mail or "") of what was posted to one."""
        bodies = [json.loads(item.body) for item in self.got if item.destination == destination]
        return [
            (body["type"], body["data"]["segment"], *body["data"]["person"].get("identifiers", {}).get("email", [""]))
            for body in bodies
        ]


def nothing_older(reader: Reader, after: int) -> Iterator[list[Row]]:
    """The Book has the whole log here."""
    raise AssertionError("the Book has it all")


def hooks_of(it: Post, hooks: Hooks) -> Webhooks:
    """As another process would have them."""
    return Webhooks(it.book, it.delivery(None).state, hooks, lambda: it.now, nothing_older)


def tell(it: Post, hooks: Hooks, after: int = 0, *, work: Webhooks | None = None) -> None:
    """Tell all that is due, `after` microseconds later."""
    it.now += after
    found = work or hooks_of(it, hooks)
    while ready := found.due()[0]:
        for name in ready:
            asyncio.run(found.serve(name))


def vip(it: Post, user: str = "u1", address: str = ADDRESS, *, member: bool = True) -> None:
    """Somebody comes into the segment, or goes."""
    it.send({"type": "identify", "userId": user, "traits": {"email": address, "vip": member}})
    it.tick()


def test_each_change_is_told_once_to_each_destination_that_asked() -> None:
    """Both hear of the one segment, one of them of the other; nothing of before; what is told follows consent."""
    with post(DEFINITIONS) as it:
        hooks = Hooks()
        tell(it, hooks)
        it.person(city="Ulm")
        vip(it)
        it.tell("Paid")
        vip(it, "u2", "bo@shop.example")
        it.withdraw()
        vip(it, member=False)
        tell(it, hooks)
        tell(it, hooks)
        entered, left = "segment.entered", "segment.left"
        assert hooks.told("shop") == [(entered, "vip", ""), (entered, "vip", ""), (left, "vip", "")]
        assert sorted(hooks.told()) == [
            (entered, "buyer", ""), (entered, "vip", ""), (entered, "vip", ""), (left, "vip", "")
        ]  # fmt: skip  # taken from the log after the withdrawal: nobody permits any more


def test_what_is_asked_for_is_told_of_who_permits_it() -> None:
    """Identifiers and traits go along with consent; the moment, the person's id and the place in the log always."""
    with post(DEFINITIONS) as it:
        hooks = Hooks()
        tell(it, hooks)
        it.person()
        vip(it)
        tell(it, hooks)
        (body,) = [json.loads(item.body) for item in hooks.got if item.destination == "crm"]
        person = it.live().person.id
        assert body["data"]["person"] == {"id": person, "identifiers": {"email": [ADDRESS]}, "traits": {"city": "Ulm"}}
        (seq,) = [row[0] for row in it.book.read("changes_after", 0, 9)]
        assert (body["timestamp"][:10], body["data"]["seq"]) == ("2027-03-01", seq)


@pytest.mark.parametrize("noted", [False, True])
def test_what_was_sent_and_not_noted_is_sent_again_under_its_id(monkeypatch: pytest.MonkeyPatch, noted: bool) -> None:
    """A process that ends between the answer and the note sends the same bytes under the same id again: never lost.

    noted: the control, which notes before it sends and loses the change.
    """
    with post(DEFINITIONS) as it:
        hooks = Hooks()
        tell(it, hooks)
        vip(it)
        work = hooks_of(it, hooks)
        work.due()
        if noted:
            it.book.transact(
                lambda tx: tx.write(
                    "delivery_drop", [("shop", row[0]) for row in it.book.read("deliveries_waiting", "shop")]
                )
            )

        def cut(*_: Any, **__: Any) -> None:
            raise Unavailable("book_failed", "the process ends here")

        monkeypatch.setattr(work, "_note", cut)
        if not noted:
            with pytest.raises(Unavailable):
                asyncio.run(work.serve("shop"))
        tell(it, hooks)
        sent = [(item.key, item.body) for item in hooks.got if item.destination == "shop"]
        assert len(set(sent)) == (0 if noted else 1)
        assert len(sent) == (0 if noted else 2)


def test_one_persons_changes_arrive_in_their_order() -> None:
    """While an entry is refused the leaving waits, other persons do not; later all are told, in order."""
    with post(DEFINITIONS) as it:
        broken = [True]
        hooks = Hooks(
            lambda item: Answer("failed", 500, "HTTP 500") if broken[0] and ada(item) else Answer("sent", 200)
        )

        def ada(item: Any) -> bool:
            return bool(json.loads(item.body)["data"]["person"]["id"] == it.live().person.id)

        tell(it, hooks)
        vip(it)
        vip(it, "u2", "bo@shop.example")
        vip(it, member=False)
        tell(it, hooks)
        assert [kind for kind, *_ in hooks.told("shop")] == ["segment.entered", "segment.entered"]
        broken[0] = False
        tell(it, hooks, 7 * SECOND)
        assert [kind for kind, *_ in hooks.told("shop")][2:] == ["segment.entered", "segment.left"]


def test_one_that_hangs_delays_nobody() -> None:
    """While one destination never answers, the other is told everything."""
    with post(DEFINITIONS) as it:
        hooks = Hooks()
        tell(it, hooks)
        vip(it)
        hooks.hangs = {"crm"}
        work = hooks_of(it, hooks)
        ready, _ = work.due()

        async def both() -> int:
            slow = asyncio.create_task(work.serve("crm"))
            await asyncio.sleep(0)
            done = await work.serve("shop")
            assert not slow.done()
            slow.cancel()
            return done

        assert (ready, asyncio.run(both())) == (["crm", "shop"], 1)
        assert stand_of(it.book, "shop").sent == 1


def test_a_destination_that_fails_is_left_alone_and_then_probed() -> None:
    """After three batches in vain one request alone leaves, and after a pause; a success ends that."""
    with post(DEFINITIONS) as it:
        down = [True]
        hooks = Hooks(lambda item: Answer("busy", 0, "no answer") if down[0] else Answer("sent", 200))
        tell(it, hooks)
        for n in range(12):
            vip(it, f"u{n}", f"a{n}@shop.example")
        tell(it, hooks)
        assert len(hooks.told("shop")) == 12  # three batches of four, then the circuit is open
        stand = stand_of(it.book, "shop")
        assert 22 * SECOND < stand.again_at - it.now < 38 * SECOND
        tell(it, hooks, stand.again_at - it.now)
        assert len(hooks.told("shop")) == 13
        down[0] = False
        tell(it, hooks, 2 * HOUR)
        assert it.book.read("deliveries_waiting", "shop") == []
        assert (stand_of(it.book, "shop").attempts, stand_of(it.book, "shop").sent) == (0, 12)


def test_retry_after_is_honoured() -> None:
    """Asked to wait ten minutes nothing leaves before, and then it does."""
    with post(DEFINITIONS) as it:
        answers = [Answer("busy", 429, "HTTP 429", 600), Answer("sent", 200)]
        hooks = Hooks(lambda item: answers.pop(0) if item.destination == "shop" else Answer("sent", 200))
        tell(it, hooks)
        vip(it)
        tell(it, hooks)
        tell(it, hooks, 10 * MINUTE - 1)
        assert len(answers) == 1
        tell(it, hooks, 1)
        assert answers == []
        answers += [Answer("sent", 200), Answer("busy", 429, "HTTP 429", 600), Answer("sent", 200)]
        vip(it, "u2", "bo@shop.example")
        vip(it, "u3", "cy@shop.example")
        tell(it, hooks)
        tell(it, hooks, MINUTE)
        assert len(answers) == 1, "asked for by one of two that went together"


def test_410_stops_a_destination_until_staff_resumes_it() -> None:
    """Gone: held with the reason, nothing more is sent; resumed, what waited and what came meanwhile is told."""
    with post(DEFINITIONS) as it:
        gone = [True]
        hooks = Hooks(lambda item: Answer("gone", 410, "410: gone") if gone[0] else Answer("sent", 200))
        tell(it, hooks)
        vip(it)
        tell(it, hooks)
        vip(it, "u2", "bo@shop.example")
        tell(it, hooks, 5 * DAY)
        assert len(hooks.told("shop")) == 1
        (shown,) = [one for one in list_destinations(it.book, it.engine.state.definitions, it.now) if one.id == "shop"]
        assert (shown.state, shown.waiting, shown.error) == ("gone", 1, "410: gone")
        gone[0] = False
        act(it.book, it.engine.state.definitions, "shop", "resume", actor="ada", now=it.now)
        tell(it, hooks)
        assert len(hooks.told("shop")) == 3


def test_what_is_not_taken_in_time_is_dead_and_can_be_told_again() -> None:
    """After its patience a change is dead with the reason, and out of the way; replayed it arrives with its id."""
    with post(DEFINITIONS) as it:
        bad = [True]
        hooks = Hooks(lambda item: Answer("failed", 400, "HTTP 400") if bad[0] else Answer("sent", 200))
        tell(it, hooks)
        vip(it)
        for _ in range(9):
            tell(it, hooks, DAY // 4)
        definitions = it.engine.state.definitions
        (dead,) = list_deliveries(it.book, definitions, "crm", "dead").items
        assert (dead.reason, dead.attempts > 3) == ("HTTP 400", True)
        assert it.book.read("deliveries_waiting", "crm") == []
        assert len({item.key for item in hooks.got if item.destination == "crm"}) == 1
        bad[0] = False
        before = len(hooks.got)
        act(it.book, definitions, "crm", "replay", actor="ada", now=it.now)
        tell(it, hooks)
        assert [item.key for item in hooks.got[before:] if item.destination == "crm"] == [hooks.got[0].key]
        assert list_deliveries(it.book, definitions, "crm", "dead").items == []


def test_the_queue_is_bounded_and_the_log_keeps_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one that is down three wait in the table and not ten; back again it is told all ten, each once."""
    monkeypatch.setattr(activation, "QUEUE_MAX", 3)
    with post(DEFINITIONS) as it:
        down = [True]
        hooks = Hooks(lambda item: Answer("busy", 0, "") if down[0] else Answer("sent", 200))
        tell(it, hooks)
        for n in range(10):
            vip(it, f"u{n}", f"a{n}@shop.example")
        tell(it, hooks)
        assert len(it.book.read("deliveries_waiting", "shop")) == 3
        down[0], hooks.got = False, []
        tell(it, hooks, 2 * DAY)
        keys = [item.key for item in hooks.got if item.destination == "shop"]
        assert len(keys) == len(set(keys)) == 10


def test_jitter_is_drawn_by_a_hash_around_the_step() -> None:
    """The same attempt waits equally long in every process, others differ; all three to five quarters of the step."""
    with post(DEFINITIONS) as it:
        first, second = hooks_of(it, Hooks()), hooks_of(it, Hooks())
        drawn = defaultdict(set)
        for seq in range(50):
            for attempts, step in enumerate(activation._BACKOFF_US):
                pause = first._pause("crm", seq, attempts, activation._BACKOFF_US)
                assert pause == second._pause("crm", seq, attempts, activation._BACKOFF_US)
                assert 0.75 * step <= pause <= 1.25 * step
                drawn[step].add(pause)
        assert all(len(found) > 40 for found in drawn.values())


def test_without_a_secret_nothing_leaves() -> None:
    """A destination that nobody gave a secret sends nothing, and says why; given one it is told."""
    with post(DEFINITIONS.replace("id: shop", "id: mute")) as it:
        hooks = Hooks()
        tell(it, hooks)
        vip(it)
        tell(it, hooks)
        assert hooks.told("mute") == []
        assert stand_of(it.book, "mute").error == activation.UNSIGNED
