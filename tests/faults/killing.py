"""A program that is killed again and again: it stores, ticks and ships over one home, and says what was acknowledged.

    python -m tests.faults.killing HOME NOTES [DATABASE_URL]

It imports everything once, then reads from standard input how many acknowledgements to wait for, forks a child that
works, waits until the child has noted so many, kills it with SIGKILL and answers with a line. The child notes each
acknowledgement in the file NOTES, outside of the home, after the Book has told it.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

import msgspec

from einklang.app.sources import LiveSource
from einklang.kernel.errors import EinklangError
from einklang.main import clock
from einklang.main import home as homes
from einklang.store.lake import ship
from einklang.store.lake.shipper import GROWING
from einklang.testing.book_suite import Body
from tests.waits import WAIT_S

WRITERS = 4
ITEMS = 5


def calls(writer: int, turn: int) -> bytes:
    """A batch whose message ids name process, writer and turn."""
    batch = [
        {
            "type": "track",
            "event": "Product Viewed",
            "userId": f"u{(turn * ITEMS + n) % 40}",
            "messageId": f"{os.getpid()}-{writer}-{turn}-{n}",
            "properties": {"padding": "x" * (turn * 97 % 700)},
        }
        for n in range(ITEMS)
    ]
    return msgspec.json.encode({"batch": batch})


def work(path: Path, notes: int, database_url: str) -> None:
    """Store in four threads, tick and ship in this one, until killed."""
    with homes.opened(path, base_url="http://127.0.0.1", database_url=database_url, writer=True) as home:

        def store(writer: int) -> None:
            turn = 0
            while True:
                turn += 1
                home.book.append([Body(calls(writer, turn), ITEMS, clock.now(), "web", "batch")])
                os.write(notes, b"%d-%d-%d\n" % (os.getpid(), writer, turn))

        for writer in range(WRITERS):
            threading.Thread(target=store, args=(writer,), daemon=True).start()
        engine, source = home.engine(), LiveSource()
        while True:
            source.now = clock.now()
            engine.step(source, 60)
            for table in GROWING:
                ship(home.book, home.lake, table, rows_max=100, keep_entries=20)


def killed(path: Path, notes: Path, database_url: str, enough: int) -> int:
    """Fork, wait for so many acknowledgements, kill. The number of bytes noted by the child."""
    handle = os.open(notes, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    before = os.fstat(handle).st_size
    child = os.fork()
    if not child:
        try:
            work(path, handle, database_url)
        except EinklangError as error:
            os.write(2, f"{error.line()}\n".encode())
        finally:
            os._exit(3)
    pause, waited = threading.Event(), 0.0
    while os.fstat(handle).st_size - before < enough and waited < WAIT_S:
        pause.wait(0.001)
        waited += 0.001
        if os.waitpid(child, os.WNOHANG)[0]:
            raise SystemExit("the child ended by itself")
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    noted = os.fstat(handle).st_size - before
    os.close(handle)
    return noted


def main() -> None:
    """One line of standard input, one kill, one line of standard output."""
    path, notes = Path(sys.argv[1]), Path(sys.argv[2])
    for line in sys.stdin:
        sys.stdout.write(f"{killed(path, notes, sys.argv[3] if len(sys.argv) > 3 else '', int(line))}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
