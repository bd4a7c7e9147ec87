"""A tick that begins before the last one is durable finds what it would have found after it (invariant 5)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from typing import Any, cast

import pytest

from einklang.app import ahead
from einklang.app.ahead import Flight, light
from einklang.app.output import Output
from einklang.app.ports import Book
from einklang.app.run import expand_pending
from einklang.app.sources import RunSource
from einklang.event import EngineCall
from einklang.kernel.errors import Unavailable
from einklang.testing.canonical import canonical_hash, difference
from tests.app import test_business_objects, test_groups, test_ownerless, test_prices
from tests.app.dice import Random
from tests.app.worlds import DAY, DEFINITIONS, HOUR, START, append, engine_of, home, random_calls, run, with_reactions

Calls = list[EngineCall]


class Later:
    """A transaction that nobody carries out before its result is asked for."""

    def __init__(self, do: Callable[[], Any]) -> None:
        self._do = do
        self._result: Any = None
        self._error: BaseException | None = None
        self.done = False

    def exception(self) -> BaseException | None:
        """What it raised."""
        if not self.done:
            self.done = True
            try:
                self._result = self._do()
            except Unavailable as error:
                self._error = error
        return self._error

    def result(self) -> Any:
        """What it gave."""
        if error := self.exception():
            raise error
        return self._result


class Late:
    """A Book whose write sets land as late as can be. fails: which of them the disk refuses."""

    def __init__(self, book: Book, fails: frozenset[int] = frozenset()) -> None:
        self._book = book
        self._fails = fails
        self.works: list[Later] = []
        self.in_the_air = 0
        self.reading = 0
        self.shortened = list[bool]()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._book, name)

    def transact_later(self, work: Callable[[Any], Any]) -> Later:
        """The Book's, later; at most one waits."""
        assert all(work.done for work in self.works)
        number = len(self.works)

        def do() -> Any:
            if number in self._fails:
                raise Unavailable("disk_full", "the disk is full")
            return self._book.transact(work)

        self.works.append(Later(do))
        return self.works[-1]

    @contextmanager
    def snapshot(self) -> Iterator[Any]:
        """The Book's; it counts those that are taken while a write set is in the air."""
        self.in_the_air += any(not work.done for work in self.works)
        self.reading += 1
        try:
            with self._book.snapshot() as reader:
                yield reader
        finally:
            self.reading -= 1

    def shorten(self) -> None:
        """Notes whether nothing is read and nothing on its way, as it must be."""
        self.shortened.append(not self.reading and all(work.done for work in self.works))


def journeys(random: Random) -> Calls:
    """What the definitions of `worlds` are about."""
    return with_reactions(random, random_calls(random, random.randint(25, 50)))


#: What is about more than one person at once, or waits for somebody: its definitions, and calls about it.
WORLDS: dict[str, tuple[str, Callable[[Random], Calls]]] = {
    "groups": (test_groups.DEFINITIONS, lambda random: test_groups.calls(random.randrange(1_000))),
    "objects": (test_business_objects.DEFINITIONS, lambda random: test_business_objects.calls(random.randrange(1_000))),
    "ownerless": (
        test_ownerless.DEFINITIONS,
        lambda random: list(chain(*test_ownerless.calls(random.randrange(1_000), named=False))),
    ),
    "prices": (test_prices.DEFINITIONS, lambda random: test_prices.sent()),
}


def check(
    seed: int, *, fails: frozenset[int] = frozenset(), world: tuple[str, Callable[[Random], Calls]] | None = None
) -> int:
    """One log, one home with ticks one after the other, one with flights; how many ticks began in the air."""
    random = Random(seed)
    text, calls_of = world or (DEFINITIONS, journeys)
    calls = calls_of(random)
    until = START + random.randint(2, 20) * DAY
    sizes = [random.randint(1, min(12, 1 + len(calls) // 5)) for _ in range(9)]
    with home(text) as plain, home(text) as flown:
        append(plain, calls)
        run(plain, [1], until=until)
        append(flown, calls)
        engine, late = engine_of(flown), Late(flown, fails)
        engine.book = cast(Book, late)
        expand_pending(flown, version=engine.version)
        source, landed, entries = RunSource(until, "run"), 0, flown.read("counter_value", "seq")[0][0]
        while not source.finished:
            with suppress(Unavailable):
                engine.step(source, sizes[landed % 9])
            landed += len(engine.landed)
            entries += sum(len(out.log) for out in engine.landed)
            if random.random() < 0.2:
                engine.state.working.forget()
        assert flown.read("counter_value", "seq")[0][0] == entries
        if canonical_hash(plain, log=True) != canonical_hash(flown, log=True):
            raise AssertionError("\n".join([f"seed {seed}, {sizes}", *difference(plain, flown, log=True)]))
    return late.in_the_air


@pytest.mark.slow
def test_ticks_in_flight_give_the_same_state() -> None:
    """Ticks that begin before the last one has landed, whoever is in memory, give the state of one event a tick."""
    assert sum(check(seed) for seed in range(30)) > 100


@pytest.mark.slow
@pytest.mark.parametrize("world", WORLDS)
def test_what_concerns_others_is_seen_in_flight(world: str) -> None:
    """Groups, objects, events that wait for an owner and prices are as after ticks one after the other."""
    assert sum(check(seed, world=WORLDS[world]) for seed in range(8)) > 2


@pytest.mark.slow
def test_most_ticks_compute_in_the_air(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where people come one after the other, a tick of a `run` asks nothing that waits for the one before."""
    waits: list[str] = []
    concerns = Flight.concerns

    def noted(flight: Flight, name: str, params: Sequence[Any]) -> bool:
        found = concerns(flight, name, params)
        waits.extend([name] if found else [])
        return found

    monkeypatch.setattr(Flight, "concerns", noted)
    given = {"channel": "email", "purpose": "marketing"}
    with home() as book:
        for n in range(60):
            at = START + n * HOUR
            consent = EngineCall("track", "Consent Given", properties=given | {"address": f"u{n}@example.org"}, at=at)
            cart = EngineCall("track", "Product Added", properties={"cart_id": f"c{n}", "price": 25}, at=at + 1)
            for call, kind in ((consent, "g"), (cart, "c")):
                call.userId, call.messageId = f"u{n}", f"{kind}{n}"
            append(book, [consent, cart])
        engine, late = engine_of(book), Late(book)
        engine.book = cast(Book, late)
        expand_pending(book, version=engine.version)
        source = RunSource(START + 60 * HOUR, "run")
        while not source.finished:
            engine.step(source, 8)
    assert late.in_the_air > 10
    assert len(waits) < late.in_the_air / 2, waits


@pytest.mark.slow
def test_what_the_disk_refuses_is_computed_again() -> None:
    """A flight that does not land is told to who waits, and its events are folded later, none of them twice."""
    for seed in range(100, 106):
        assert check(seed, fails=frozenset({2, 3, 7, 12}))


def test_the_log_is_cut_when_nobody_reads() -> None:
    """Between two write sets nothing is read and nothing on its way: then the Book may cut its log."""
    with home() as book:
        append(book, journeys(Random(5)))
        engine, late = engine_of(book), Late(book)
        engine.book = cast(Book, late)
        expand_pending(book, version=engine.version)
        source = RunSource(START + 40 * DAY, "run")
        while not source.finished:
            engine.step(source, 3)
        engine.land()
    assert late.in_the_air > 3
    assert len(late.shortened) >= len(late.works)
    assert all(late.shortened)


def test_a_flight_that_denies_what_it_touches_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading past a write set that is on its way gives another state: positive control."""
    monkeypatch.setattr(Flight, "concerns", lambda self, name, params: False)
    with pytest.raises((AssertionError, KeyError)):
        _many(30)


def _many(seeds: int) -> None:
    for seed in range(seeds):
        check(seed)


def test_every_statement_that_never_waits_is_untouched() -> None:
    """No statement of the ticks is both free of waiting and changed by what may be flown, but where the tick lays the
    flight over it itself.
    """
    itself = {"entry_pending_after": {"entry_sequence"}, "timers_due": {"timer_put", "timer_delete"}}
    with home() as book:
        texts = {name: statement.sql.lower() for name, statement in book._statements.items()}
    for name in ahead._FREE:
        tables = set(re.findall(r"\b(?:from|join) (\w+)", texts[name]))
        changed = {put for put in ahead.LIGHT | {"entry_sequence", "entry_put"} if _table(texts[put]) in tables}
        assert changed - {"entry_put"} <= itself.get(name, set()), name


def _table(text: str) -> str:
    words = text.replace("(", " ").split()
    return words[1] if words[0] == "update" else words[2]


def test_a_merge_lands_before_the_next_tick_begins() -> None:
    """What concerns more than the rows of its own keys is not flown."""
    out = Output()
    out.add("person_put", 1, "p_1", "", 0, b"{}")
    assert light(out)
    out.rekeys.append(("history_rekey", (1, "p_1", 2, "p_2")))
    assert not light(out)
    other = Output()
    other.add("definition_put", "segment", "a", 1, b"", b"", 1)
    assert not light(other)
