"""Static lists: who is on one is what was said of their identifiers, whoever they are one person with by now."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from einklang.app import lists, splitting, stitching
from einklang.app.import_rows import RowRefused
from einklang.app.imports import Table, table_of
from einklang.app.run import expand_pending, settle_definitions
from einklang.app.segments import members, members_at
from einklang.event import EngineCall
from einklang.kernel.errors import Conflict, InputError, NotFound
from einklang.store.book import SqliteBook
from einklang.store.lake import DuckPlans, Lake, ship_all
from tests.app.couples import reading
from tests.app.dice import Random
from tests.app.test_rebuild import differences, state_of
from tests.app.worlds import DAY, START, append, engine_of, home, run

PEOPLE = 6
TEXT = "{kind: segment, id: vip, manual: true}\n---\n{kind: segment, id: other, where: '!segment(\"vip\")'}"
Node = tuple[str, str]


def table(*rows: dict[str, Any]) -> Table:
    """A table of these rows."""
    return Table(None, iter(enumerate(rows, 1)), text=True)


def uploaded(book: SqliteBook, rows: list[dict[str, Any]], now: int, segment: str = "vip", **more: Any) -> lists.Listed:
    """Upload rows; what is refused is in `reasons`."""
    said: dict[str, Any] = {"action": "add", "create": False, "by": "test", "refused": lambda *_: None} | more
    return lists.upload(book, segment, table(*rows), now=now, **said)


def on_list(book: SqliteBook, segment: str = "vip") -> set[str]:
    """The members now."""
    return {row[0] for row in book.read("members_of", segment)}


def owners(book: SqliteBook) -> dict[Node, str]:
    """Whose an identifier is."""
    return {(kind, value): person for kind, value, person, _ in book.read("all_identifier")}


def expected(said: list[tuple[Node, bool]], owner: dict[Node, str]) -> set[str]:
    """The naive rule: of all that was said of a person's identifiers the last word counts."""
    found = dict[str, bool]()
    for node, on in said:
        found[owner[node]] = on
    return {person for person, on in found.items() if on}


def _one_step(book: SqliteBook, random: Random, said: list[tuple[Node, bool]], now: int) -> None:
    nodes = sorted(owners(book))
    what = random.choice(("add", "add", "remove", "replace", "one", "two"))
    user, other = f"u{random.randrange(PEOPLE)}", f"e{random.randrange(PEOPLE)}@x.example"
    if what == "one":
        append(book, [EngineCall(type="identify", userId=user, traits={"email": other}, at=now)], received_at=now)
    elif what == "two":
        with book.snapshot() as reader:
            try:
                decided = stitching.split(reader, reading(book), f"email:{other}", (), actor="staff:t", why="two")
            except (Conflict, InputError):
                return
        stitching.append(book, decided, now=now)
    else:
        chosen = list(dict.fromkeys(random.choice(nodes) for _ in range(random.randint(1, 4))))
        before, owner = on_list(book), owners(book)
        named = dict[str, Node]()
        for node in chosen:
            named.setdefault(owner[node], node)
        if what == "replace":
            for person in sorted(before - named.keys()):
                mine = [node for node in nodes if owner[node] == person]
                said.append((min(mine, key=lambda node: (node[0] != "userId", node)), False))
        said += [(node, what != "remove") for node in named.values()]
        uploaded(book, [{kind: value} for kind, value in chosen], now, action=what)


def wrong(seed: int, lake: Lake) -> list[Any]:
    """(step, on the list too much, too few) over a random life, and where the rebuild differs."""
    random, said, found = Random(seed), list[tuple[Node, bool]](), list[Any]()
    with home(TEXT) as book:
        calls = [EngineCall(type="track", event="Seen", userId=f"u{n}", at=START) for n in range(PEOPLE)]
        calls += [EngineCall(type="identify", traits={"email": f"e{n}@x.example"}, at=START) for n in range(PEOPLE)]
        append(book, calls)
        run(book, until=START)
        for step in range(1, 25):
            _one_step(book, random, said, START + step * DAY)
            run(book, [1, 3], until=START + step * DAY)
            right, here = expected(said, owners(book)), on_list(book)
            everybody = set(owners(book).values())
            if here != right or on_list(book, "other") != everybody - right:
                found.append((step, here - right, right - here))
        ship_all(book, lake)
        with book.snapshot() as reader:
            planned = set(members(reader, state_of(book), lake, "vip", START + 24 * DAY))
        found += [("plan", planned)] if planned != on_list(book) else []
        return found + differences(book, lake, batch=5)


@pytest.mark.parametrize("seed", range(3))
def test_a_list_is_what_was_said_through_merges_and_splits(seed: int, tmp_path: Path) -> None:
    """Uploads that add, remove and replace, in between merges and splits: members by the naive rule, and a rebuild."""
    assert wrong(seed, Lake(tmp_path)) == []


def test_a_list_that_goes_by_person_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Positive control: what a split leaves with the surviving id is wrong."""
    monkeypatch.setattr(splitting, "LISTED", "")
    monkeypatch.setattr(splitting, "UNLISTED", "")
    assert any(wrong(seed, Lake(tmp_path / str(seed))) for seed in range(3))


def test_the_past_of_a_list_is_known_on_every_engine(tmp_path: Path) -> None:
    """--at: by plan on DuckDB and person by person the members are those of then."""
    lake = Lake(tmp_path)
    with home(TEXT) as book:
        append(book, [EngineCall(type="track", event="Seen", userId=f"u{n}", at=START) for n in range(3)])
        run(book, until=START)
        uploaded(book, [{"userId": "u0"}, {"person": "userId:u1"}], START + DAY)
        run(book, until=START + DAY)
        uploaded(book, [{"userId": "u1"}], START + 2 * DAY, action="remove")
        run(book, until=START + 3 * DAY)
        ship_all(book, lake)
        owner = owners(book)
        for day, who in ((0, ()), (1, ("u0", "u1")), (2, ("u0",))):
            right = sorted(owner["userId", name] for name in who)
            with book.snapshot() as reader:
                assert members(reader, state_of(book), lake, "vip", START + day * DAY, DuckPlans()) == right, day
                assert members_at(reader, state_of(book), "vip", START + day * DAY) == right, day


def test_rows_that_name_nobody_are_refused_each_with_its_reason(tmp_path: Path) -> None:
    """The others are taken; with `create` who is unknown becomes a person; a file that names nobody is refused."""
    file = tmp_path / "list.csv"
    file.write_text("person,email\nuserId:u0,\n,nobody@x.example\nfax:1,\n,\nuserId:u0,e1@x.example\n,no address\n")
    refused: list[tuple[int, str]] = []

    def note(number: int, why: RowRefused, row: dict[str, Any]) -> None:
        refused.append((number, why.code))

    with home(TEXT) as book:
        calls = [EngineCall(type="track", event="Seen", userId="u0", at=START)]
        append(book, [*calls, EngineCall(type="identify", traits={"email": "e1@x.example"}, at=START)])
        run(book, until=START)
        said: dict[str, Any] = {"action": "add", "by": "test", "now": START + DAY, "refused": note}
        done = lists.upload(book, "vip", table_of(file), create=False, **said)
        assert (done.rows, done.listed, done.rejected, done.created) == (6, 1, 5, 0)
        assert refused == [
            (3, "unknown_person"), (4, "bad_identifier"), (5, "no_identifier"), (6, "two_persons"),
            (7, "bad_identifier"),
        ]  # fmt: skip
        done = lists.upload(book, "vip", table_of(file), create=True, **said)
        assert (done.listed, done.created) == (2, 1)
        run(book, until=START + DAY)
        owner = owners(book)
        assert on_list(book) == {owner["userId", "u0"], owner["email", "nobody@x.example"]}
        before = book.read("person_count")
        (tmp_path / "none.csv").write_text("name\nAda\n")
        with pytest.raises(InputError, match="no column names persons"):
            lists.upload(book, "new", table_of(tmp_path / "none.csv"), create=True, **said)
        with pytest.raises(Conflict, match="follow a condition"):
            uploaded(book, [{"userId": "u0"}], START + DAY, "other")
        with pytest.raises(NotFound):
            uploaded(book, [{"userId": "u0"}], START + DAY, "unknown", action="remove")
        with pytest.raises(InputError, match="names anybody"):
            uploaded(book, [{"userId": "unknown"}], START + DAY, action="replace")
        with pytest.raises(InputError, match="holds no rows"):
            uploaded(book, [], START + DAY, "empty")
        assert (before, book.read("tail_page", 0, 9)) == (book.read("person_count"), [])


def test_a_frozen_list_stays_what_it_was() -> None:
    """Who is in the segment at the moment, and nobody who comes later; who leaves it stays on the list; once only."""
    text = '{kind: segment, id: recent, where: \'events("Seen").within("2d").exists()\'}'
    with home(text) as book:
        append(book, [EngineCall(type="track", event="Seen", userId=f"u{n}", at=START + n * DAY) for n in range(5)])
        run(book, until=START + 2 * DAY)
        then = on_list(book, "recent")
        assert len(then) == 2
        lists.freeze(book, "recent", "kept", sorted(then), title="Kept", by="test", now=START + 2 * DAY)
        settle_definitions(book, engine_of(book))
        run(book, until=START + 2 * DAY)
        assert on_list(book, "kept") == then
        run(book, until=START + 9 * DAY)
        assert (on_list(book, "kept"), on_list(book, "recent")) == (then, set())
        with pytest.raises(Conflict, match="has members already"):
            lists.freeze(book, "recent", "kept", [], title=None, by="test", now=START + 9 * DAY)


def test_what_waits_is_not_forgotten_by_what_replaces_it() -> None:
    """Before the tick that works an upload off: replaced, those of then are off; nothing is frozen over it."""
    with home(TEXT) as book:
        append(book, [EngineCall(type="track", event="Seen", userId=user, at=START) for user in ("a", "b", "c")])
        run(book, until=START)
        uploaded(book, [{"userId": "a"}, {"userId": "new"}, {"userId": "c"}], START, create=True)
        uploaded(book, [{"userId": "c"}], START, action="remove")
        assert uploaded(book, [{"userId": "b"}], START, action="replace").unlisted == 2
        with pytest.raises(Conflict, match="has members already"):
            lists.freeze(book, "other", "vip", [], title=None, by="test", now=START)
        expand_pending(book, version="x")
        with pytest.raises(Conflict, match="has members already"):
            lists.freeze(book, "other", "vip", [], title=None, by="test", now=START)
        run(book, until=START)
        assert on_list(book) == {owners(book)["userId", "b"]}
