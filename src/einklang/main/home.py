"""A home: one tenant's Book, lake and outbox, opened and wired."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from einklang import __version__
from einklang.app.apply import in_force
from einklang.app.keys import create as create_source
from einklang.app.run import settle_definitions
from einklang.app.staff import put_staff
from einklang.app.state import State
from einklang.app.tick import Engine
from einklang.app.working import MEGABYTE, WORKING_SET_MB
from einklang.channel.outbox import OutboxFolder
from einklang.channel.types import Parcel
from einklang.kernel.errors import InputError, Unavailable
from einklang.kernel.reasons import Reason
from einklang.main import clock
from einklang.main.books import create_book, open_book
from einklang.store.book import AnyBook, Setup
from einklang.store.lake import Lake

CHANNELS = frozenset({"email"})
USER = "admin"


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of a new home, shown once."""

    write_key: str
    server_key: str
    user: str
    password: str


def create(path: Path, salt: str | None, *, password: str = "", database_url: str = "") -> Keys:
    """A new, empty home with one administrator (a fresh password unless one is given).

    Raises Conflict `home_exists`, InputError `bad_salt`.
    """
    if salt is not None:
        try:
            raw = bytes.fromhex(salt)
        except ValueError as error:
            raise InputError(
                "bad_salt", "the salt is not hex", where="--salt", mend="write 32 or more digits 0-9 a-f"
            ) from error
        if not 16 <= len(raw) <= 64:
            raise InputError(
                "bad_salt", "the salt has 16 to 64 bytes", where="--salt", mend="write 32 to 128 digits 0-9 a-f"
            )
    book = create_book(path, salt or clock.new_salt(), database_url=database_url)
    try:
        now = clock.now()
        write_key = create_source(book, "web", "write", "Web and app", clock.new_key(""), now=now)
        server_key = create_source(book, "server", "server", "Server", clock.new_key(""), now=now)
        keys = Keys(write_key, server_key, USER, password or clock.new_password())
        # what stands in every page anyway: the demo shows it again
        book.transact(lambda tx: tx.write("meta_put", [("write_key", write_key)]))
        put_staff(book, keys.user, keys.password, salt=clock.new_bytes())
    finally:
        book.close()
    return keys


class Home:
    """An open home. `engine` is there for the one writer."""

    def __init__(self, path: Path, book: AnyBook, *, base_url: str, working_set_mb: int = WORKING_SET_MB) -> None:
        self.path = path
        self.book = book
        self.lake = Lake(path / "lake")
        self.salt = bytes.fromhex(book.read("meta_value", "salt")[0][0])
        self.link_key = blake2b(self.salt, digest_size=32, person=b"links").digest()
        self.base_url = base_url
        self.working_set_mb = working_set_mb
        self.outbox = OutboxFolder(path / "outbox", durable=False)

    def reading_state(self) -> State:
        """The definitions in force, for reading only."""
        definitions = in_force(self.book)
        state = State(self.salt, definitions, link_key=self.link_key, base_url=self.base_url, channels=CHANNELS)
        state.working.bytes_max = self.working_set_mb * MEGABYTE
        return state

    def engine(self) -> Engine:
        """The engine of the writer, its definitions in force."""
        engine = Engine(self.book, self.reading_state(), version=__version__)
        settle_definitions(self.book, engine)
        self.hand_out_rest()
        return engine

    def hand_out_rest(self) -> None:
        """Write what an interrupted `run`, or definitions applied to one, handed over but did not write yet."""
        mark = int((self.book.read("meta_value", "files_at") or [("0",)])[0][0])
        newest = mark
        for key, channel, at in self.book.read("outbox_handed_since", Reason.HANDED_OVER, mark):
            newest = at
            self.hand_out(channel, key, zlib.decompress(self.book.read("archive_get", key)[0][0]))
        if newest > mark:
            self.note_handed_out()

    def note_handed_out(self) -> None:
        """All that `run` handed over up to the clock reached is in the outbox folder."""
        self.book.transact(lambda tx: tx.write("meta_put", [("files_at", str(self.now()))]))

    def hand_out(self, channel: str, key: str, body: bytes) -> None:
        """Write a message of `run` to the outbox folder. Raises Unavailable."""
        receipt = self.outbox.put(Parcel(key, "", body))
        if receipt.status != "sent":
            raise Unavailable(
                "outbox_failed",
                receipt.detail,
                where=str(self.outbox.folder),
                mend="check space and rights, then run again",
            )

    def company(self) -> str:
        """What the tenant is called; the folder's name if nobody said."""
        rows = self.book.read("meta_value", "company")
        return str(rows[0][0]) if rows else self.path.resolve().name

    def reached(self) -> int:
        """The clock reached by the log, 0 if nothing has happened yet."""
        rows = self.book.read("counter_value", "clock")
        return int(rows[0][0]) if rows else 0

    def now(self) -> int:
        """The clock reached by the log; the real one if nothing has happened yet."""
        return self.reached() or clock.now()


@contextmanager
def opened(
    path: Path,
    *,
    base_url: str,
    writer: bool,
    database_url: str = "",
    together: bool = False,
    setup: Setup | None = None,
    working_set_mb: int = WORKING_SET_MB,
) -> Iterator[Home]:
    """A home for the length of a command. database_url: where its Book is, if not in its folder; together: as one of
    several processes of a server; working_set_mb: what persons may take in memory between ticks.

    Raises InputError `not_a_home`, Conflict `home_in_use`, Unavailable.
    """
    book = open_book(path, database_url=database_url, writer=writer, together=together, setup=setup)
    try:
        yield Home(path, book, base_url=base_url, working_set_mb=working_set_mb)
    finally:
        book.close()
