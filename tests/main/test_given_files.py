"""Files and tables of destinations hold the members who permit it, each batch once, whenever the process is killed."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import DeltaTable

from einklang.app.activation_health import act
from einklang.app.apply import Body, apply
from einklang.app.destinations import KEEP_US, stand_of
from einklang.app.run import run as run_until
from einklang.app.run import settle_definitions
from einklang.app.yaml import parse_text
from einklang.event import EngineCall, body_of
from einklang.kernel.errors import Conflict
from einklang.main import batches
from einklang.main.commands import run_home
from einklang.main.destinations import Destinations
from einklang.main.home import Home, create, opened
from einklang.main.verify import verify_home
from tests.app.dice import Random
from tests.app.worlds import DAY, HOUR, SALT, START

PEOPLE = 12
TEXT = """
{kind: segment, id: recent, where: 'events("Seen").within("2d").exists()'}
---
{kind: trait, id: plan, type: string}
---
{kind: purpose, id: analytics, basis: legitimate_interest}
---
{kind: destination, id: all, type: file, segment: recent, purpose: analytics, format: parquet, columns: [userId]}
---
{kind: destination, id: new, type: file, segment: recent, purpose: analytics, mode: incremental, columns: [trait.plan]}
---
{kind: destination, id: list, type: table, segment: recent, purpose: analytics, columns: [trait.plan]}
---
{kind: destination, id: log, type: table, segment: recent, purpose: analytics, mode: incremental, columns: [trait.plan]}
---
{kind: destination, id: sent, type: file, segment: recent, purpose: marketing}
"""


#: Those that are given by difference: one file, one table.
TWO = "\n---\n".join(part for part in TEXT.split("---") if "destination" not in part or "incremental" in part)


class Killed(BaseException):
    """The process is gone."""


@contextmanager
def a_home(tmp_path: Path, text: str = TEXT) -> Iterator[Home]:
    """A home with the destinations in force."""
    create(tmp_path / "home", SALT, password="x" * 12)
    with opened(tmp_path / "home", base_url="http://x", writer=True) as home:
        apply(home.book, parse_text(text, "f.yaml"), now=START)
        settle_definitions(home.book, home.engine())
        yield home


def day(home: Home, random: Random, number: int) -> None:
    """Some are seen, one gets another plan, and two of them may turn out to be one."""
    at = START + number * DAY
    calls = [
        EngineCall(type="track", event="Seen", userId=f"u{n}", at=at) for n in range(PEOPLE) if random.random() < 0.3
    ]
    who, plan = f"u{random.randrange(PEOPLE)}", random.choice(("a", "b"))
    calls.append(EngineCall(type="identify", userId=who, traits={"plan": plan}, at=at))
    email = f"e{random.randrange(4)}@x.example"
    calls.append(EngineCall(type="track", event="Seen", identifiers={"email": email}, at=at))
    calls.append(EngineCall(type="identify", userId=who, traits={"email": email}, at=at))
    home.book.append([Body(len(calls), at, "import", "import", body_of(calls))])
    run_home(home, at)


def members(home: Home) -> dict[str, Any]:
    """Person -> plan, of the members now."""
    state = home.reading_state()
    with home.book.snapshot() as reader:
        state.read_from(reader)
        found = {}
        for (person,) in reader.read("members_of", "recent"):
            live = state.working.get(person)
            assert live is not None
            trait = live.person.traits.get("plan")
            found[person] = None if trait is None else trait.value
    return found


class Reader:
    """Fetches the files of `new` as they come, removes them, and folds them; a file that comes twice is an error."""

    def __init__(self, home: Home) -> None:
        self.folder, self.known, self.names = home.path / "destinations" / "new", dict[str, Any](), set[str]()

    def fetch(self) -> None:
        """Take what is there, in order."""
        for file in sorted(self.folder.glob("new-*.csv")):
            assert file.name not in self.names, "a batch came twice"
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
            self.names.add(file.name)
            for row in pl.read_csv(file, infer_schema=False).iter_rows(named=True):
                there = row["person_id"] in self.known
                assert there is (row["change"] != "added"), (file.name, row)
                self.known[row["person_id"]] = row["trait.plan"]
                if row["change"] == "removed":
                    del self.known[row["person_id"]]
            file.unlink()


def table(home: Home, name: str) -> pl.DataFrame:
    """The rows of the table of a destination."""
    found = pl.from_arrow(DeltaTable(home.path / "destinations" / name / "table").to_pyarrow_table())
    assert isinstance(found, pl.DataFrame)
    return found


def folded(log: pl.DataFrame) -> dict[str, Any]:
    """Who is there by a table of changes, with the plan."""
    found: dict[str, Any] = {}
    for row in log.sort("seq").iter_rows(named=True):
        assert (row["person_id"] in found) is (row["change"] != "added")
        found[row["person_id"]] = row["trait.plan"]
        if row["change"] == "removed":
            del found[row["person_id"]]
    return found


def right(home: Home, reader: Reader) -> dict[str, Any]:
    """File and table by difference hold the members, and nobody else; the members."""
    wanted = members(home)
    reader.fetch()
    assert reader.known == wanted
    assert folded(table(home, "log")) == wanted
    return wanted


def all_right(home: Home, reader: Reader) -> None:
    """The full ones too; who must permit it and did not is in no file."""
    wanted, root = right(home, reader), home.path / "destinations"
    assert dict(table(home, "list").select("person_id", "trait.plan").iter_rows()) == wanted
    assert set(pl.read_parquet(root / "all" / "all.parquet")["person_id"]) == set(wanted)
    assert (root / "sent" / "sent.csv").read_bytes() == b"person_id\r\n"


def test_destinations_hold_the_members_through_merges_and_time(tmp_path: Path) -> None:
    """Day by day, through runs: full and incremental, files and tables; the log knows of each batch."""
    with a_home(tmp_path) as home:
        random, reader = Random(1), Reader(home)
        for number in range(1, 5):
            day(home, random, number)
            all_right(home, reader)
        assert home.book.read("alias_count")[0][0] > 0
        noted = [row[11] for row in home.book.read("all_export") if row[3] == "new"]
        assert set(noted) == reader.names
        assert home.book.read("tail_page", 0, 9) == []
        assert stand_of(home.book, "sent").notes.startswith('{"members":0,"left_out":{"no_consent":')
        assert verify_home(home, books_only=False)["ok"]
        assert batches.tidy(home.book, home.path / "destinations", home.now() + KEEP_US) == []
        assert Destinations(home, home.now).once(whatever=True) == 0
        shutil.rmtree(home.path / "destinations")
        reader.known, reader.names = {}, set()
        assert Destinations(home, home.now).once() == 5
        all_right(home, reader)
        day(home, random, 5)
        last = sorted(path.name for path in reader.folder.glob("new-*"))
        assert batches.tidy(home.book, home.path / "destinations", home.now() + KEEP_US) == last != []


def killed_everywhere(tmp_path: Path) -> set[str]:
    """Serve day after day, each time killed at another step, then go on; the steps at which it was."""
    where: set[str] = set()
    with a_home(tmp_path, TWO) as home:
        random, reader = Random(2), Reader(home)
        day(home, random, 1)
        engine = home.engine()
        for number in range(2, 15):
            steps = 0

            def step(what: str, at: int = number) -> None:
                nonlocal steps
                steps += 1
                if steps == at - 1:
                    where.add(what if not what.startswith("new-") else "file")
                    raise Killed

            at = START + number * 6 * HOUR + DAY
            call = EngineCall(type="track", event="Seen", userId=f"u{random.randrange(PEOPLE)}", at=at)
            home.book.append([Body(1, at, "import", "import", body_of([call]))])
            run_until(home.book, engine, at, mode="run")
            try:
                Destinations(home, home.now, step=step).once(whatever=True)
            except Killed:
                reader.fetch()
            Destinations(home, home.now).once(whatever=True)
            right(home, reader)
        run_until(home.book, engine, at + HOUR, mode="run")
        noted = [row[11] for row in home.book.read("all_export") if row[3] == "new"]
        assert (set(noted), len(noted)) == (reader.names, len(reader.names))
    return where


def test_a_batch_is_given_once_whenever_the_process_is_killed(tmp_path: Path) -> None:
    """Killed before each step: what was fetched meanwhile does not come again, nothing is missing, and
    each batch is noted once.
    """
    steps = {"drafts", "manifest", "file", "table", ".given.parquet", "book", "clean"}
    assert killed_everywhere(tmp_path) >= steps


def test_a_batch_that_comes_twice_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Positive control: where a draft stays when it gets its name, what was fetched comes again after a kill."""

    def copied(draft: Path, target: Path, step: batches.Step) -> None:
        step(target.name)
        if draft.is_file():
            shutil.copy(draft, target)

    monkeypatch.setattr(batches, "_move", copied)
    with pytest.raises(AssertionError, match="a batch came twice"):
        killed_everywhere(tmp_path)


def test_two_processes_give_one_after_the_other(tmp_path: Path) -> None:
    """An engine that begins while the one before is still at a batch waits for it: no draft is lost or given twice."""
    with a_home(tmp_path, TWO) as home:
        random, reader, steps = Random(4), Reader(home), list[str]()
        day(home, random, 1)
        other = Destinations(home, home.now)

        def step(what: str) -> None:
            steps.append(what)
            assert other.once(whatever=True) == 0
            assert other.later == home.now()
            with pytest.raises(Conflict, match="another process"):
                other.one("new")

        at = START + 2 * DAY
        call = EngineCall(type="track", event="Seen", userId="u99", at=at)
        home.book.append([Body(1, at, "import", "import", body_of([call]))])
        run_until(home.book, home.engine(), at, mode="run")
        Destinations(home, home.now, step=step).once(whatever=True)
        assert {"drafts", "manifest", "book", "clean"} <= set(steps)
        assert other.once(whatever=True) == 0
        right(home, reader)


def test_what_goes_wrong_with_one_is_its_own_matter(tmp_path: Path) -> None:
    """A folder that cannot be made: the others are served, this one is tried again later, and then has it all."""
    with a_home(tmp_path) as home:
        root = home.path / "destinations"
        root.mkdir()
        (root / "all").write_text("in the way")
        day(home, Random(3), 1)
        broken, fine = stand_of(home.book, "all"), stand_of(home.book, "new")
        assert (fine.error, broken.attempts, broken.again_at) == ("", 1, home.now() + 60_000_000)
        assert broken.error
        (root / "all").unlink()
        assert Destinations(home, home.now).once() == 0
        assert Destinations(home, lambda: home.now() + 60_000_000).once() == 1
        assert (root / "all" / "all.parquet").is_file()
        assert stand_of(home.book, "all").error == ""


def test_one_that_was_asked_for_is_served_before_its_time(tmp_path: Path) -> None:
    """Whatever its schedule says, once; also where nothing is new; asked while it is served, it is served again."""
    with a_home(tmp_path) as home:
        day(home, Random(5), 1)

        def ask() -> None:
            act(home.book, home.reading_state().definitions, "list", "run", actor="staff:ann", now=home.now())

        it = Destinations(home, home.now)
        ask()
        assert (it.once(), stand_of(home.book, "list").again_at) == (0, 0)
        call = EngineCall(type="track", event="Seen", userId="u99", at=home.now())
        home.book.append([Body(1, home.now(), "import", "import", body_of([call]))])
        run_until(home.book, home.engine(), home.now(), mode="run")
        assert it.once() == 0
        ask()
        assert it.once() == 1
        assert dict(table(home, "list").select("person_id", "trait.plan").iter_rows()) == members(home)

        now, asked = home.now(), list[str]()

        def step(what: str) -> None:
            if what == "book":
                asked.append(what)
                act(home.book, home.reading_state().definitions, "new", "run", actor="staff:ann", now=now + 1)

        act(home.book, home.reading_state().definitions, "new", "run", actor="staff:ann", now=now)
        assert (Destinations(home, lambda: now, step=step).once(), asked) == (1, ["book"])
        assert stand_of(home.book, "new").again_at == now + 1
        assert (Destinations(home, lambda: now + 1).once(), stand_of(home.book, "new").again_at) == (0, 0)
