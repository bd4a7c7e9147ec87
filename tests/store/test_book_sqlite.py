"""What only the SQLite Book promises: engine, format, SQL files, full and broken disks, group commit, deletion,
permissions.
"""

from __future__ import annotations

import stat
import threading
from pathlib import Path

import apsw
import pytest

from einklang.kernel.errors import Conflict, EinklangError, InputError, Unavailable
from einklang.store.book import Setup, SqliteBook, migrate, statements
from einklang.store.book import writer as writing
from einklang.store.book.connect import check_engine
from einklang.testing.book_suite import Body
from einklang.testing.powercut import Recorder
from tests.waits import WAIT_S

SALT = "0123456789abcdef" * 2


def code_of(error: pytest.ExceptionInfo[EinklangError]) -> str:
    """The stable code of what was raised."""
    return error.value.code


def test_an_old_sqlite_is_refused() -> None:
    """Below 3.51.3 the Book does not start, and the mend names the package; from there on it does."""
    with pytest.raises(Unavailable) as error:
        check_engine("3.51.2")
    assert code_of(error) == "sqlite_too_old"
    assert "apsw" in error.value.mend
    check_engine("3.51.3")
    check_engine("4.0.0")


def test_the_file_is_opened_safely(tmp_path: Path) -> None:
    """WAL, FULL, secure_delete, foreign keys, no trust in the schema; a reader cannot write at all."""
    with SqliteBook.create(tmp_path, SALT) as book:
        assert book._writer is not None
        pragmas = {
            name: book._writer._connection.pragma(name)
            for name in ("journal_mode", "synchronous", "secure_delete", "foreign_keys", "trusted_schema", "fullfsync")
        }
        assert pragmas == {
            "journal_mode": "wal",
            "synchronous": 2,
            "secure_delete": 1,
            "foreign_keys": 1,
            "trusted_schema": 0,
            "fullfsync": 1,
        }
        with book.snapshot() as reader, pytest.raises(apsw.ReadOnlyError):
            reader._connection.execute("DELETE FROM meta")


def test_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    """Nobody else may read the folder, the database, its log or the lock."""
    home = tmp_path / "home"
    with SqliteBook.create(home, SALT) as book:
        book.append([Body()])
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) & 0o077 for file in [home, *home.iterdir()]}
    assert modes == dict.fromkeys(modes, 0)
    assert {"book.db", "book.db-wal", "lock"} <= set(modes)


def test_a_home_is_created_once(tmp_path: Path) -> None:
    """Creating in a home is refused; what a crash left of an unfinished creation is taken over; other folders are no
    home.
    """
    with pytest.raises(InputError) as nothing:
        SqliteBook.open(tmp_path)
    assert code_of(nothing) == "not_a_home"
    (tmp_path / "book.db").touch()
    with pytest.raises(InputError):
        SqliteBook.open(tmp_path)
    with SqliteBook.create(tmp_path, SALT, meta={"company": "Example"}) as book:
        assert book.read("meta_value", "salt") == [(SALT,)]
        assert book.read("meta_value", "company") == [("Example",)]
        assert book.read("meta_value", "format") == [(str(len(migrate.migrations())),)]
    with pytest.raises(Conflict) as twice:
        SqliteBook.create(tmp_path, SALT)
    assert code_of(twice) == "home_exists"


def test_a_newer_home_is_refused(tmp_path: Path) -> None:
    """A format this program does not know is not touched, by writers and readers."""
    with SqliteBook.create(tmp_path, SALT) as book:
        book.transact(lambda tx: tx.write("meta_put", [("format", "999")]))
    before = (tmp_path / "book.db").read_bytes()
    for writer in (True, False):
        with pytest.raises(Conflict) as error:
            SqliteBook.open(tmp_path, writer=writer)
        assert code_of(error) == "home_too_new"
    assert (tmp_path / "book.db").read_bytes() == before


def test_a_migration_is_all_or_nothing(tmp_path: Path) -> None:
    """Of two new migrations the second of which fails, none stays; mended, both are applied and the rows are kept."""
    with SqliteBook.create(tmp_path, SALT) as book:
        book.append([Body(b"kept")])
    known = migrate.migrations()
    last = known[-1][0]
    more = (last + 1, "more.sql", "CREATE TABLE more (a INTEGER) STRICT; INSERT INTO more VALUES (1)")
    broken = (last + 2, "broken.sql", "CREATE TABLE worse (a INTEGER); INSERT INTO nowhere VALUES (1)")
    mended = (last + 2, "broken.sql", "INSERT INTO more VALUES (2)")
    connection = apsw.Connection(str(tmp_path / "book.db"))
    with pytest.raises(apsw.SQLError):
        migrate.migrate(connection, (*known, more, broken))
    assert migrate.format_of(connection) == last
    assert connection.execute("SELECT name FROM sqlite_schema WHERE name IN ('more', 'worse')").fetchall() == []
    assert migrate.migrate(connection, (*known, more, mended)) == last + 2
    assert connection.execute("SELECT a, body FROM more, tail ORDER BY a").fetchall() == [(1, b"kept"), (2, b"kept")]
    connection.close()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("-- name: lost\nSELECT nothing FROM meta", "x.sql:1: lost cannot be prepared"),
        ("-- c\n\n-- name: two\nSELECT 1;\nSELECT 2", "x.sql:3: two holds more than one statement"),
        ("-- name: none\n-- only a comment\n", "x.sql:1: none has no SQL"),
        ("SELECT 1\n-- name: late\nSELECT 1", "x.sql:1: SQL before"),
        ("-- name: same\nSELECT 1\n-- name: same\nSELECT 2", "x.sql:3: same is also in x.sql:1"),
    ],
)
def test_a_broken_statement_fails_at_boot(tmp_path: Path, text: str, told: str) -> None:
    """The error says file, line and name."""
    SqliteBook.create(tmp_path, SALT).close()
    connection = apsw.Connection(str(tmp_path / "book.db"))
    with pytest.raises(statements.StatementError, match=told):
        statements.prepare(connection, statements.parse("x.sql", text))
    connection.close()


def test_each_schema_is_asked_anew(tmp_path: Path) -> None:
    """What was prepared for one home says nothing of another schema: all is prepared again."""
    SqliteBook.create(tmp_path, SALT).close()
    connection = apsw.Connection(str(tmp_path / "book.db"))
    assert statements.shipped(connection) is statements.shipped(connection)
    connection.execute("ALTER TABLE outbox RENAME TO elsewhere")
    with pytest.raises(statements.StatementError, match="cannot be prepared"):
        statements.shipped(connection)
    connection.close()


def test_a_statement_knows_whether_it_writes(tmp_path: Path) -> None:
    """Comments and line breaks may stand within a statement; its kind and its parameters are known before it runs."""
    SqliteBook.create(tmp_path, SALT).close()
    connection = apsw.Connection(str(tmp_path / "book.db"))
    text = (
        "-- about all\n-- name: a\n-- about a\nSELECT value\n-- within\nFROM meta WHERE key = ?;\n"
        "-- name: b\nDELETE FROM meta"
    )
    ready = statements.prepare(connection, statements.parse("x.sql", text))
    assert [(s.name, s.where, s.reads_only, s.parameters) for s in ready.values()] == [
        ("a", "x.sql:2", True, 1),
        ("b", "x.sql:7", False, 0),
    ]
    connection.close()


class Disk(Recorder):
    """A disk that can get full (what the reserve file gives back is free) or break."""

    def __init__(self, home: Path, reserve_bytes: int) -> None:
        super().__init__()
        self.reserve = home / "reserve"
        self.reserve_bytes = reserve_bytes
        self.full = False
        self.broken = ""

    def fault(self, what: str, file: str) -> None:
        """Refuse as told."""
        if self.full and what == "write" and (self.reserve.exists() or not self.reserve_bytes):
            raise apsw.FullError("no room")
        if what == self.broken:
            raise apsw.IOError("the disk is broken")


def on_disk(home: Path, reserve_bytes: int = 4096) -> tuple[SqliteBook, Disk]:
    """A Book on a disk that obeys."""
    SqliteBook.create(home, SALT).close()
    disk = Disk(home, reserve_bytes)
    return SqliteBook.open(home, setup=Setup(vfs=disk.name, reserve_bytes=reserve_bytes)), disk


def test_a_full_disk_refuses_and_recovers(tmp_path: Path) -> None:
    """No acknowledgement without a stored body: Unavailable `disk_full`, and the next call after there is room
    succeeds.
    """
    book, disk = on_disk(tmp_path)
    book.append([Body(b"before")])
    disk.full = True
    for call in (
        lambda: book.append([Body(b"lost")]),
        lambda: book.transact(lambda tx: tx.write("counter_add", [("a", 1)])),
    ):
        with pytest.raises(Unavailable) as error:
            call()
        assert code_of(error) == "disk_full"
    assert book.read("counter_value", "position") == [(1,)]
    disk.full = False
    assert book.append([Body(b"after")]) == [2]
    assert [row[5] for row in book.read("tail_page", 0, 9)] == [b"before", b"after"]
    book.close()


@pytest.mark.parametrize("body_bytes", [2, 5_000_000])
@pytest.mark.parametrize("reserve_bytes", [4096, 0])
def test_a_withdrawal_gets_in_on_a_full_disk(tmp_path: Path, reserve_bytes: int, body_bytes: int) -> None:
    """The reserve file is given up for it; without one (positive control) it is refused like anything else.

    A small body meets the full disk in COMMIT, one beyond SQLite's cache already in INSERT.
    """
    withdrawal = Body(b"x" * body_bytes, suppress=[(b"hash", "email", "", "withdrawn", 1)])
    book, disk = on_disk(tmp_path, reserve_bytes)
    disk.full = True
    if reserve_bytes:
        assert book.append([withdrawal]) == [1]
        assert not disk.reserve.exists()
        assert len(book.read("suppressions")) == 1
    else:
        with pytest.raises(Unavailable) as error:
            book.append([withdrawal])
        assert code_of(error) == "disk_full"
    book.close()
    disk.full = False
    SqliteBook.open(tmp_path, setup=Setup(reserve_bytes=reserve_bytes)).close()
    assert disk.reserve.stat().st_size == reserve_bytes


@pytest.mark.parametrize("broken", ["sync", "write"])
def test_a_failed_write_or_fsync_is_final(tmp_path: Path, broken: str) -> None:
    """After one failure every call raises `book_failed`, also when the disk obeys again; opened again, all
    acknowledged is there.
    """
    book, disk = on_disk(tmp_path)
    book.append([Body(b"before")])
    disk.broken = broken
    with pytest.raises(Unavailable) as error:
        book.append([Body(b"unknown")])
    assert code_of(error) == "book_failed"
    disk.broken = ""
    calls = (
        lambda: book.append([Body()]),
        lambda: book.transact(lambda tx: None),
        lambda: book.read("counters"),
        book.check,
    )
    for call in calls:
        with pytest.raises(Unavailable) as again:
            call()
        assert code_of(again) == "book_failed"
    book.close()
    with SqliteBook.open(tmp_path) as book:
        assert book.read("tail_page", 0, 1)[0][5] == b"before"


def test_a_failed_checkpoint_is_final(tmp_path: Path) -> None:
    """An fsync that fails while the log is copied back poisons too, though SQLite itself would hide it."""
    SqliteBook.create(tmp_path, SALT).close()
    disk = Disk(tmp_path, 4096)
    book = SqliteBook.open(tmp_path, setup=Setup(vfs=disk.name, checkpoint_pages=1))
    syncs = 0

    def fault(what: str, file: str) -> None:
        nonlocal syncs
        if what == "sync" and file == "book.db":
            syncs += 1
            raise apsw.IOError("the disk is broken")

    disk.fault = fault  # type: ignore[method-assign]  # the fault of this test only
    assert book.append([Body(b"kept")]) == [1]
    with pytest.raises(Unavailable) as error:
        book.append([Body()])
    assert (code_of(error), syncs) == ("book_failed", 1)
    book.close()
    with SqliteBook.open(tmp_path) as book:
        assert book.read("tail_page", 0, 1)[0][5] == b"kept"


def test_waiting_appends_share_one_fsync(tmp_path: Path) -> None:
    """Twenty bodies that wait while the writer is busy are durable after a single sync of the log."""
    book, disk = on_disk(tmp_path)
    assert book.append([Body()]) == [1]  # the first one after opening also syncs the header of the log
    busy, go = threading.Event(), threading.Event()

    def work(tx: object) -> None:
        busy.set()
        assert go.wait(WAIT_S)

    worker = threading.Thread(target=book.transact, args=(work,))
    worker.start()
    assert busy.wait(WAIT_S)
    waiting = [book.append_later([Body()]) for _ in range(20)]
    before = sum(step.what == "sync" for step in disk.steps)
    go.set()
    assert [future.result() for future in waiting] == [[n] for n in range(2, 22)]
    assert sum(step.what == "sync" for step in disk.steps) - before == 1
    worker.join()
    book.close()


def test_too_much_waiting_is_refused_early(tmp_path: Path) -> None:
    """Beyond `queue_bytes_max` an append is refused at once with `overloaded`; what waits is kept."""
    book = SqliteBook.create(tmp_path, SALT, setup=Setup(queue_bytes_max=100))
    busy, go = threading.Event(), threading.Event()

    def work(tx: object) -> None:
        busy.set()
        assert go.wait(WAIT_S)

    worker = threading.Thread(target=book.transact, args=(work,), daemon=True)
    worker.start()
    assert busy.wait(WAIT_S)
    first = book.append_later([Body(b"x" * 90)])
    with pytest.raises(Unavailable) as error:
        book.append_later([Body(b"x" * 90)])
    assert code_of(error) == "overloaded"
    go.set()
    assert first.result() == [1]
    worker.join()
    assert book.append([Body(b"x" * 1000)]) == [2]
    book.close()


def test_deleted_bytes_are_gone(tmp_path: Path) -> None:
    """After a delete and a checkpoint no file of the Book holds the bytes (secure_delete)."""
    secret = b"maria.huber@example.org"
    with SqliteBook.create(tmp_path, SALT) as book:
        book.append([Body(secret * 500) for _ in range(20)])
        book.transact(lambda tx: tx.write("tail_trim", [(20,)]))
    left = [file.name for file in tmp_path.iterdir() if secret in file.read_bytes()]
    assert left == []


def test_a_backup_is_a_home(tmp_path: Path) -> None:
    """The copy of a running Book, put into a folder, opens, holds one state, and takes writes beside a reader; it never
    overwrites a file."""
    with SqliteBook.create(tmp_path / "home", SALT) as book:
        book.append([Body(b"kept", items=3)])
        (tmp_path / "copy").mkdir()
        book.backup(tmp_path / "copy" / "book.db")
        with pytest.raises(Conflict) as error:
            book.backup(tmp_path / "copy" / "book.db")
        assert code_of(error) == "file_exists"
        book.append([Body(b"later")])
    with SqliteBook.open(tmp_path / "copy") as copy:
        assert [row[5] for row in copy.read("tail_page", 0, 9)] == [b"kept"]
        with copy.snapshot():
            assert copy.append([Body()]) == [4]
    assert stat.S_IMODE((tmp_path / "copy" / "book.db").stat().st_mode) == 0o600


def test_the_log_is_copied_back_and_cut(tmp_path: Path) -> None:
    """It stays small over many commits; under a reader of an old state it grows, and is cut once the reader is gone."""
    with SqliteBook.create(tmp_path, SALT, setup=Setup(checkpoint_pages=20)) as book:
        log = tmp_path / "book.db-wal"

        def grow() -> int:
            for _ in range(100):
                book.append([Body(b"x" * 9000)])
            book.transact(lambda tx: None)  # the checkpoint after the last append is over
            return log.stat().st_size // 4096

        assert grow() < 100
        with book.snapshot() as reader:
            assert reader.read("counter_value", "position") == [(100,)]
            assert grow() > 300
            assert reader.read("counter_value", "position") == [(100,)]
        assert grow() < 100
        assert book.read("counter_value", "position") == [(300,)]


def sql(book: SqliteBook, text: str) -> None:
    """Run plain SQL in a transaction."""
    book.transact(lambda tx: tx._connection.execute(text).fetchall())


def test_order_and_declarations_never_change(tmp_path: Path) -> None:
    """An entry gets seq and clock once; a row of the ledger may move to another person, but its content stays."""
    with SqliteBook.create(tmp_path, SALT) as book:
        columns = "position, at, received_at, format, origin, type, name, message_id, source, touchpoint, machine"
        sql(
            book,
            f"INSERT INTO entry ({columns}, identifiers, properties, context) "
            "VALUES (1, 5, 5, 1, 0, 'track', 'A', 'm', 's', '', 0, '[]', '{}', '{}')",
        )
        sql(book, "UPDATE entry SET seq = 1, clock = 5, person = 'p_1' WHERE position = 1")
        sql(book, "UPDATE entry SET person = 'p_2' WHERE position = 1")
        sql(
            book,
            "INSERT INTO ledger VALUES (1, 1, 1, 'p', 'email', 'a', 'm', 'given', 1, 1, 's', 'w', 'a', 'e', x'00', 9)",
        )
        sql(book, "UPDATE ledger SET lane = 2, person = 'q'")
        for change in (
            "UPDATE entry SET seq = 2",
            "UPDATE entry SET clock = 6",
            "UPDATE ledger SET status = 'withdrawn'",
            "UPDATE ledger SET until = 0",
        ):
            with pytest.raises(Conflict) as error:
                sql(book, change)
            assert code_of(error) == "book_constraint"


@pytest.mark.parametrize("cuts", [True, False])
def test_a_log_that_is_always_read_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cuts: bool) -> None:
    """Each commit ends while its own thread reads the state before, as ticks do: the log stays short nevertheless.

    Positive control: without the cut before a read it grows with every commit.
    """
    monkeypatch.setattr(writing, "CUT_EVERY_S", 0.0)
    monkeypatch.setattr(writing, "CHECKPOINT_BUSY_MS", 0)
    if not cuts:
        monkeypatch.setattr(writing.Writer, "cut", lambda self: None)
    longest = 0
    with SqliteBook.create(tmp_path, SALT, setup=Setup(checkpoint_pages=10)) as book:
        for _ in range(60):
            with book.snapshot() as reader:
                book.append([Body(b"x" * 50_000)])
                book.transact(lambda tx: None)  # what follows the append is over
                reader.read("counters")
            longest = max(longest, (tmp_path / "book.db-wal").stat().st_size)
        assert len(book.read("tail_page", 0, 100)) == 60
    assert (longest < 80 * 4_200) == cuts, longest


@pytest.mark.parametrize("cuts", [True, False])
def test_a_long_log_is_cut_when_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cuts: bool) -> None:
    """Who reads nothing has a log of four times `checkpoint_pages` cut, before the writer itself does.

    Positive control: without that it grows with every commit.
    """
    monkeypatch.setattr(writing, "CUT_EVERY_S", 0.0)
    monkeypatch.setattr(writing.Writer, "_after", lambda self: None)
    longest = 0
    with SqliteBook.create(tmp_path, SALT, setup=Setup(checkpoint_pages=10)) as book:
        for _ in range(60):
            book.append([Body(b"x" * 50_000)])
            longest = max(longest, (tmp_path / "book.db-wal").stat().st_size)
            if cuts:
                book.shorten()
        assert len(book.read("tail_page", 0, 100)) == 60
    assert (longest < 80 * 4_200) == cuts, longest
