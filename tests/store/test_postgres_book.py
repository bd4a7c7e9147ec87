"""What only the Book on PostgreSQL promises: schema, leases, bounded connections, backup, errors without secrets."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest

from einklang.fact.person import Person
from einklang.kernel.errors import Conflict, EinklangError, Unavailable, UsageError
from einklang.store.book import PostgresBook, Setup, SqliteBook, migrate
from einklang.store.book.postgres import book as postgres
from einklang.store.book.postgres.dialect import migration, statement
from einklang.store.book.postgres.lease import Leases
from einklang.store.book.statements import Statement, StatementError
from einklang.store.lake.shipper import BookLike
from einklang.testing.book_suite import Body
from einklang.testing.canonical import canonical_hash
from einklang.testing.cluster import Cluster
from einklang.testing.lake_suite import LakeSuite
from tests.waits import WAIT_S

pytestmark = pytest.mark.stores

SALT = "0123456789abcdef" * 2


class TestLakeOfPostgres(LakeSuite):
    """The lake keeps its promises over a Book on PostgreSQL."""

    @pytest.fixture(autouse=True)
    def _books(self, database_url: str) -> Iterator[None]:
        self.url = database_url
        with ExitStack() as self.books:
            yield

    def make_book(self, home: Path) -> BookLike:
        """A new home, closed after the test."""
        return self.books.enter_context(PostgresBook.create(self.url, SALT))

    def put(self, book: BookLike, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Whole rows into a table, past the named statements."""
        marks = ", ".join(f"${place}" for place in range(1, len(rows[0]) + 1))
        book.transact(lambda tx: tx._cursor.executemany(f"INSERT INTO {table} VALUES ({marks})".encode(), rows))


# --- the schema -------------------------------------------------------------------------------------------------------


def test_a_home_is_created_once(cluster: Cluster, database_url: str) -> None:
    """Creating in a home is refused; a schema without one is no home; two schemas of a database are two homes."""
    with pytest.raises(EinklangError) as nothing:
        PostgresBook.open(database_url)
    assert nothing.value.code == "not_a_home"
    PostgresBook.create(database_url, SALT, meta={"company": "Example"}).close()
    with pytest.raises(Conflict) as twice:
        PostgresBook.create(database_url, SALT)
    assert twice.value.code == "home_exists"
    with (
        PostgresBook.create(cluster.url(schema="beside"), "ff" * 16) as beside,
        PostgresBook.open(database_url) as book,
    ):
        assert beside.read("meta_value", "salt") == [("ff" * 16,)]
        assert book.read("meta_value", "company") == [("Example",)]
        assert book.read("meta_value", "format") == [(str(len(migrate.migrations())),)]
    cluster.drop("beside")


def test_a_newer_home_is_refused(database_url: str) -> None:
    """A format that this program does not know is not touched, by writers and readers; of migrations all are applied or
    none.
    """
    known = migrate.migrations()
    with PostgresBook.create(database_url, SALT) as book:
        book.transact(lambda tx: tx.write("meta_put", [("format", "999")]))
    for writer in (True, False):
        with pytest.raises(Conflict) as error:
            PostgresBook.open(database_url, writer=writer)
        assert error.value.code == "home_too_new"
    server = book.server
    with server.connect() as connection:
        connection.execute(f"UPDATE meta SET value = '{len(known)}' WHERE key = 'format'".encode())
        more = (len(known) + 1, "more.sql", "CREATE TABLE more (a INTEGER) STRICT; INSERT INTO more VALUES (1)")
        broken = (len(known) + 2, "broken.sql", "CREATE TABLE worse (a INTEGER); INSERT INTO nowhere VALUES (1)")
        with pytest.raises(Exception, match="nowhere"):
            postgres.migrate(connection, server, (*known, more, broken))
        assert postgres.format_of(connection, server) == len(known), "all or nothing"
        assert postgres.migrate(connection, server, (*known, more)) == len(known) + 1


def test_the_ledger_is_append_only(database_url: str) -> None:
    """What was declared cannot be changed, whose it is can: the triggers hold on PostgreSQL too."""
    with PostgresBook.create(database_url, SALT) as book:
        row = (1, 1, 1, "p", "email", "a", "m", "given", 1, 1, "s", "w", "a", "e", b"h", 9)
        book.transact(lambda tx: tx.write("ledger_put", [row]))
        refused = "the ledger is append-only"
        for change, said in (("address = 'b'", refused), ("until = 0", refused), ("person = 'q'", "")):
            told = ""
            try:
                book.transact(lambda tx, change=change: tx._cursor.execute(f"UPDATE ledger SET {change}".encode()))  # type: ignore[misc]  # bound early
            except EinklangError as error:
                told = error.what
            assert told == said


def test_the_dialect() -> None:
    """Types, options, triggers, marks; a statement that is two is refused."""
    text = """
    CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT, c BLOB, d REAL) STRICT, WITHOUT ROWID; -- INTEGER here stays
    CREATE TRIGGER once BEFORE UPDATE OF a, b ON t WHEN OLD.a IS NOT NULL BEGIN SELECT RAISE(ABORT, 'no'); END;
    """
    assert " ".join(migration(text).split()) == (
        'CREATE TABLE t (a BIGINT PRIMARY KEY, b TEXT COLLATE "C", c BYTEA, d DOUBLE PRECISION); '
        "CREATE TRIGGER once BEFORE UPDATE OF a, b ON t FOR EACH ROW WHEN (OLD.a IS NOT NULL) "
        "EXECUTE FUNCTION refuse('no');"
    )
    found = statement(Statement("x", "f:1", "UPDATE t SET b = ? WHERE a = ? AND c = '?'"))
    assert found.sql == "UPDATE t SET b = $1 WHERE a = $2 AND c = '?'"
    assert found.bulk is not None
    assert found.bulk.keys == (1,)
    with pytest.raises(StatementError):
        statement(Statement("x", "f:1", "SELECT 1; SELECT 2"))


# --- several processes ------------------------------------------------------------------------------------------------


def lanes(leases: Leases, wanted: set[int]) -> tuple[list[int], list[int]]:
    """The lanes that are held now, and those that are new."""
    held, fresh = leases.lanes(wanted)
    return sorted(held), sorted(fresh)


def test_one_ticks_and_lanes_are_shared(database_url: str) -> None:
    """Of two, one ticks; a lane is in one hand; what one lets go, or what its end frees, the other may take."""
    PostgresBook.create(database_url, SALT).close()
    with PostgresBook.open(database_url, together=True) as book:
        one, two = book.leases(), book.leases()
        assert one.ticks(started=False) == (True, True)
        assert one.ticks(started=False) == (True, False)
        assert two.ticks(started=False) == (False, False)
        assert not two.ticking()
        one.ticks(started=True)
        assert two.ticking()
        assert lanes(one, {1, 2, 3}) == ([1, 2, 3], [1, 2, 3])
        assert lanes(two, {3, 4}) == ([4], [4])
        assert lanes(one, {1}) == ([1], [])
        assert lanes(two, {3, 4}) == ([3, 4], [3])
        one.close()
        assert two.ticks(started=False) == (True, True)
        assert lanes(two, {1}) == ([1], [1])
        two.close()


def test_leases_are_lost_with_their_connection(cluster: Cluster, database_url: str) -> None:
    """After a crash of the server nobody believes to hold what it held before."""
    PostgresBook.create(database_url, SALT).close()
    with PostgresBook.open(database_url, together=True) as book:
        leases = book.leases()
        assert leases.ticks(started=True) == (True, True)
        assert lanes(leases, {1, 2}) == ([1, 2], [1, 2])
        cluster.crash()
        with pytest.raises(Unavailable):
            leases.ticks(started=True)
        cluster.start()
        while True:  # an address that did not answer is left alone for a moment
            try:
                found = lanes(leases, {1, 2})
                break
            except Unavailable:
                threading.Event().wait(0.01)
        assert found == ([1, 2], [1, 2]), "anew"
        assert leases.ticks(started=True) == (True, True)
        leases.close()


def test_processes_hear_of_each_other(cluster: Cluster, database_url: str) -> None:
    """An append and a commit of one process are told to another, also after the server was away."""
    PostgresBook.create(database_url, SALT).close()
    heard, news = list[str](), threading.Semaphore(0)

    def told(what: str) -> None:
        heard.append(what)
        news.release()

    with (
        PostgresBook.open(database_url, together=True) as book,
        PostgresBook.open(database_url, together=True) as other,
    ):
        listener = other.listener(told)
        listener.start()
        assert news.acquire(timeout=WAIT_S)  # it listens now
        book.append([Body()])
        assert news.acquire(timeout=WAIT_S)
        book.transact(lambda tx: tx.write("counter_add", [("a", 1)]))
        assert news.acquire(timeout=WAIT_S)
        book.tell("held")
        assert news.acquire(timeout=WAIT_S)
        assert heard == ["log", "tail", "log", "held"]
        cluster.crash()
        cluster.start()
        assert news.acquire(timeout=WAIT_S)  # it listens again
        listener.stop()


# --- care -------------------------------------------------------------------------------------------------------------


def test_connections_are_bounded(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more than `readers_max` read at one time; who waits too long is refused, and let in once one is given back."""
    monkeypatch.setattr(postgres, "_BORROW_S", 0.05)
    with PostgresBook.create(database_url, SALT, setup=Setup(readers_max=2)) as book:
        with ExitStack() as stack:
            for _ in range(2):
                stack.enter_context(book.snapshot())
            with pytest.raises(Unavailable) as error:
                book.read("counters")
            assert error.value.code == "overloaded"
        assert book.read("counter_value", "position") == [(0,)]


def test_a_backup_is_a_book_of_sqlite(database_url: str, tmp_path: Path) -> None:
    """One state, whole, with the same canonical content, made while others write; an existing file is left alone."""
    (tmp_path / "copy").mkdir()
    target = tmp_path / "copy" / "book.db"
    with PostgresBook.create(database_url, SALT) as book:
        book.append([Body(bytes(range(256)), items=3)])
        people = [Person(f"p{n}", n, n) for n in range(500)]
        rows = [(n % 64, person.id, "ß", n, msgspec.json.encode(person)) for n, person in enumerate(people)]
        book.transact(lambda tx: tx.write("person_put", rows))
        book.backup(target)
        with pytest.raises(Conflict) as error:
            book.backup(target)
        assert error.value.code == "file_exists"
        with SqliteBook.open(tmp_path / "copy") as copy:
            assert canonical_hash(copy) == canonical_hash(book)
            assert copy.read("tail_page", 0, 10) == book.read("tail_page", 0, 10)
            assert copy.read("counters") == book.read("counters")
            assert copy.append([Body()]) == [4]


PASSWORD = "canary-7Qx"


@pytest.mark.parametrize(
    ("url", "code"),
    [
        (f"postgresql://u:{PASSWORD}@127.0.0.1:1/db", "database_away"),
        (f"postgresql://u:{PASSWORD}@no.such.host.invalid/db", "database_away"),
        (f"postgresql://u:{PASSWORD}@[::1/db", "bad_setting"),
        (f"postgresql://u:{PASSWORD}@h/db?nonsense=1", "bad_setting"),
        (f"postgresql://u:{PASSWORD}@h/db?schema=Evil%22", "bad_setting"),
        (f"mysql://u:{PASSWORD}@h/db", "bad_setting"),
        (f"u:{PASSWORD}@h", "bad_setting"),
    ],
)
def test_an_address_that_does_not_work_keeps_its_secret(url: str, code: str) -> None:
    """Each fault is one line with a mend, and no error, nor what caused it, repeats the password (invariant 43)."""
    with pytest.raises((UsageError, Unavailable)) as found:
        PostgresBook.open(url)
    error: BaseException | None = found.value
    assert found.value.code == code
    assert found.value.mend
    while error is not None:
        assert PASSWORD not in f"{error} {error!r} {vars(error)}"
        error = error.__cause__


@pytest.mark.parametrize("count", [1, 2, 200])
def test_a_refused_row_tells_no_value(database_url: str, capfd: pytest.CaptureFixture[str], count: int) -> None:
    """PostgreSQL's own message names the values of a row that is there already; ours, and the log, do not (43)."""
    row = ("maria@example.org", "web", "n", None)
    with PostgresBook.create(database_url, SALT) as book:
        book.transact(lambda tx: tx.write("source_put", [row]))
        with pytest.raises(Conflict) as error:
            book.transact(lambda tx: tx.write("source_put", [row] * count))
    assert "maria" not in error.value.line()
    assert "duplicate key" in error.value.what
    assert "maria" not in "".join(capfd.readouterr())
