"""The whole way of a message over a real mail server on loopback, from the decision to the next step of the run."""

from __future__ import annotations

import pytest

from einklang.app import deliver
from einklang.store.book import SqliteBook
from tests.deliver.post import ADDRESS, DAY, HOUR, MINUTE, Handler, Post, over_smtp, post


def hand(it: Post, handler: Handler, after: int = 0) -> None:
    """Hand over what is ready to this server, and let the runs hear of it."""
    it.now += after
    over_smtp(handler, lambda channel: it.delivery(channel).once())
    it.tick()


def decided(it: Post, event: str = "Product Added") -> str:
    """Ada put something into her basket: the key of the message that is ready."""
    it.person()
    it.tell(event, name="Shoe")
    it.tick(HOUR)
    assert it.statuses() == ["ready"]
    return it.rows()[0].key


def test_from_the_decision_to_the_next_step() -> None:
    """ready -> handing_over, durable while the server waits with its answer -> sent; the run goes on from there."""
    during: list[str] = []

    with post() as it:

        def look(body: bytes) -> None:
            with SqliteBook.open(it.book.home, writer=False) as other:
                during.extend(row[12] for row in other.read("outbox_handing_over"))
                assert other.read("archive_get", it.rows()[0].key)

        key = decided(it)
        handler, when = Handler(seen=look), it.now
        hand(it, handler)
        assert during == ["handing_over"]
        assert it.statuses() == ["sent"]
        ((to, body),) = handler.got
        assert to == [ADDRESS]
        assert it.archived(key) == body
        sent = [event for event in it.live().history if event.name == "Message Sent"]
        assert [(event.properties["message_id"], event.at) for event in sent] == [(key, when)]
        (run,) = it.live().runs
        left = run.steps["first"]
        assert (run.status, run.contacted, left.done, left.at) == ("done", True, True, sent[0].clock)
        assert it.stage() == "warm"
        log = it.book.read("all_message_log", 0, 10)
        assert [(row[1], row[8]) for row in log] == [(key, "ready"), (key, "sent")]


def test_handing_over_would_be_missed_if_it_were_noted_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Positive control of invariant 13: with the status written after sending, the server sees `ready`."""
    during: list[str] = []
    with post() as it:
        decided(it)
        claim = deliver.Delivery._claim

        def late(self: deliver.Delivery, tx: object, key: str, parcel: object) -> object:
            found = claim(self, tx, key, parcel)  # type: ignore[arg-type]  # a stand-in with the same shape
            tx.write("outbox_claim", [("ready", it.now, 1, found.data, key)])  # type: ignore[attr-defined, union-attr]  # the guard taken out
            return found

        monkeypatch.setattr(deliver.Delivery, "_claim", late)

        def look(body: bytes) -> None:
            with SqliteBook.open(it.book.home, writer=False) as other:
                during.extend(row[12] for row in other.read("outbox_get", it.rows()[0].key))

        hand(it, Handler(seen=look))
        assert during == ["ready"]


def test_a_temporary_no_is_tried_again_later() -> None:
    """4xx: ready again after a minute, then five, with a fresh rendering; the archive holds what was taken."""
    handler = Handler("451 later", "451 later")
    with post() as it:
        key = decided(it)
        hand(it, handler)
        assert (it.statuses(), it.rows()[0].ready_at - it.now) == (["ready"], MINUTE)
        hand(it, handler, MINUTE - 1)
        assert (handler.got, it.rows()[0].attempts) == ([], 1)
        hand(it, handler, 1)
        assert it.rows()[0].ready_at - it.now == 5 * MINUTE
        hand(it, handler, 5 * MINUTE)
        assert (it.statuses(), it.rows()[0].attempts, it.stage()) == (["sent"], 3, "warm")
        assert it.archived(key) == handler.got[0][1]
        assert "Message Failed" not in it.names()


def test_a_server_that_never_takes_it() -> None:
    """After the last attempt it has failed, with the reason, and the run takes `else`."""
    handler = Handler(*["421 no"] * 10)
    with post() as it:
        decided(it)
        for _ in range(10):
            hand(it, handler, 2 * HOUR)
        assert (it.statuses(), it.rows()[0].attempts) == (["failed"], deliver.ATTEMPTS_MAX)
        assert (it.reason(), it.stage(), handler.got) == ("send_failed", "cold", [])


@pytest.mark.parametrize("handler", [Handler("554 spam"), Handler(rcpt="550 no such user")])
def test_a_final_no_is_final(handler: Handler) -> None:
    """5xx: failed at once, the run takes `else`, `why` has a row, nothing is tried again."""
    with post() as it:
        decided(it)
        hand(it, handler)
        assert (it.statuses(), it.reason(), it.stage(), handler.got) == (["failed"], "send_failed", "cold", [])
        verdicts = it.book.read("verdicts_of", it.live().lane, it.live().person.id)
        assert [(row[8], row[9]) for row in verdicts] == [("sent", ""), ("failed", "send_failed")]
        hand(it, handler, DAY)
        assert (it.rows()[0].attempts, handler.got) == (1, [])


def test_a_lost_answer_marketing() -> None:
    """The line breaks after the mail: unknown, counted, never sent again by itself; the run takes `else`."""
    handler = Handler("drop")
    with post() as it:
        decided(it)
        hand(it, handler)
        for _ in range(3):
            hand(it, handler, 4 * HOUR)
        assert (it.statuses(), it.reason(), it.stage()) == (["unknown"], "unknown_outcome", "cold")
        assert len(handler.got) == 1
        assert (it.counter("unknown_outcomes"), it.counter("sent_again")) == (1, 0)


def test_a_lost_answer_transactional() -> None:
    """It is sent again, under the same key and with the same bytes, though the person changed; both are counted."""
    handler = Handler("drop")
    with post() as it:
        key = decided(it, "Paid")
        hand(it, handler)
        assert it.statuses() == ["ready"]
        it.person(consent=False, city="Bonn")
        it.tick(MINUTE)
        hand(it, handler)
        assert (it.statuses(), it.rows()[0].key, it.stage()) == (["sent"], key, "paid")
        first, second = (body for _, body in handler.got)
        assert first == second == it.archived(key)
        assert b"Subject: Ulm" in second
        assert (it.counter("unknown_outcomes"), it.counter("sent_again")) == (1, 1)


def test_a_lost_answer_and_then_a_no() -> None:
    """What may have arrived never counts as failed, whatever the second attempt says."""
    handler = Handler("drop", "554 no")
    with post() as it:
        decided(it, "Paid")
        hand(it, handler)
        hand(it, handler, MINUTE)
        assert (it.statuses(), it.reason(), it.stage()) == (["unknown"], "send_failed", "lost")


def test_nothing_half_rendered_goes_out() -> None:
    """A variable that is missing when the step asks: held, not in the outbox, no byte leaves, the others go on."""
    handler = Handler()
    with post() as it:
        it.person()
        it.person("u2", "bo@shop.example", city=None)
        it.tell("Paid", name="A")
        it.tell("Paid", "u2", name="B")
        it.tick()
        hand(it, handler)
        assert it.statuses() == ["sent"]
        assert [to for to, _ in handler.got] == [[ADDRESS]]
        (run,) = it.live("email:bo@shop.example").runs
        assert (run.step, run.waiting_for) == ("note", "held")
        assert "missing_variable" in run.unready
        assert "city" in run.unready


def test_a_value_that_is_lost_before_the_hand_over_holds() -> None:
    """Missing at the hand-over: held until it is there again, under the same key; nothing half-rendered goes out."""
    handler = Handler()
    with post() as it:
        key = decided(it, "Paid")
        it.person(consent=False, city=None)
        it.tick(MINUTE)
        hand(it, handler)
        assert (it.statuses(), handler.got) == (["ready"], [])
        assert it.rows()[0].ready_at > it.now
        it.person(consent=False, city="Bonn")
        it.tick(MINUTE)
        hand(it, handler, HOUR)
        assert (it.statuses(), it.rows()[0].key, it.stage()) == (["sent"], key, "paid")
        assert b"Subject: Bonn" in handler.got[0][1]


def test_a_value_that_never_comes_back_ends_with_patience() -> None:
    """Held at the hand-over for as long as the run is patient, then the run takes `else` with the reason."""
    handler = Handler()
    with post() as it:
        decided(it, "Paid")
        it.person(consent=False, city=None)
        it.tick(MINUTE)
        for _ in range(26):
            hand(it, handler, HOUR)
        it.tick()
        assert (it.statuses(), handler.got, it.reason(), it.stage()) == (["failed"], [], "patience", "lost")


def test_the_newest_template_is_used() -> None:
    """Messages are always the current ones: a correction between decision and hand-over goes out."""
    handler = Handler()
    with post() as it:
        decided(it)
        it.define(
            "{kind: message, id: news, purpose: marketing, class: marketing, data: {name: string},"
            " email: {subject: Corrected, text: Hello}}"
        )
        hand(it, handler)
        assert b"Subject: Corrected" in handler.got[0][1]


def test_a_withdrawal_after_the_decision() -> None:
    """Consent taken back between decision and hand-over, not even sequenced: nothing leaves, the run takes `else`."""
    handler = Handler()
    with post() as it:
        decided(it)
        it.withdraw()
        hand(it, handler)
        assert (it.statuses(), handler.got, it.stage()) == (["failed"], [], "cold")
        assert it.reason() == "suppressed"
