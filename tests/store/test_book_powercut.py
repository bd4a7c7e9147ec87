"""Invariant 1: what was acknowledged survives a power cut (kill -9: tests/faults)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from einklang.kernel.errors import EinklangError
from einklang.store.book import Setup, SqliteBook
from einklang.testing.book_suite import Body
from einklang.testing.powercut import Recorder, power_cuts

pytestmark = pytest.mark.faults

STATES = int(os.environ.get("EINKLANG_POWER_CUTS", "2000"))
SEED = int(os.environ.get("EINKLANG_SEED", "20270301"))
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
#: Who looks at what a power cut left need not be safe from another one.
LOOKING = Setup(synchronous="OFF", reserve_bytes=0)


def body_of(number: int) -> bytes:
    """A body that names its number and has a length of its own, up to some pages."""
    return b"%d:" % number + b"y" * (number * 397 % 5000)


def suppression_of(number: int) -> tuple[bytes, str, str, str, int]:
    """A withdrawal that names its number."""
    return (b"%d" % number, "email", "marketing", "withdrawn", number)


def recorded_run(home: Path, synchronous: str) -> tuple[dict[str, bytes], Recorder]:
    """36 acknowledged appends, every third a withdrawal, with work and checkpoints between them."""
    SqliteBook.create(home, "00" * 16, setup=Setup(reserve_bytes=0)).close()
    base = {file.name: file.read_bytes() for file in home.iterdir()}
    recorder = Recorder()
    setup = Setup(vfs=recorder.name, synchronous=synchronous, checkpoint_pages=25, reserve_bytes=0)
    with SqliteBook.open(home, setup=setup) as book:
        for number in range(1, 37):
            blob = Body(body_of(number), suppress=[suppression_of(number)] if number % 3 == 0 else [])
            assert book.append([blob]) == [number]
            recorder.ack(number)
            if number % 5 == 0:
                book.transact(lambda tx: tx.write("counter_add", [("ticks", 1)]))
    recorder.close()
    return base, recorder


def is_whole(home: Path, acknowledged: set[int]) -> bool:
    """Does the Book open, hold everything acknowledged as it was, and take more?"""
    try:
        with SqliteBook.open(home, setup=LOOKING) as book:
            kept = {row[0]: row[5] for row in book.read("tail_page", 0, 1000)}
            suppressed = set(book.read("suppressions"))
            ((position,),) = book.read("counter_value", "position")
            return (
                all(kept.get(number) == body_of(number) for number in acknowledged)
                and all(suppression_of(number) in suppressed for number in acknowledged if number % 3 == 0)
                and sorted(kept) == list(range(1, position + 1))
                and book.append([Body()]) == [position + 1]
            )
    except (EinklangError, ValueError):
        return False
    finally:
        shutil.rmtree(home)


@pytest.mark.parametrize(("synchronous", "safe"), [("FULL", True), ("NORMAL", False), ("OFF", False)])
def test_acknowledged_survives_power_cuts(
    tmp_path: Path, synchronous: str, safe: bool, record_property: Callable[[str, object], None]
) -> None:
    """Under FULL no state after a power cut misses anything acknowledged; under NORMAL and OFF (positive controls)
    some do.
    """
    base, recorder = recorded_run(tmp_path / "home", synchronous)
    count = STATES if safe else 40
    with TemporaryDirectory(dir=MEMORY) as folder:
        states = power_cuts(base, recorder.steps, SEED, count, Path(folder))
        broken = [home.name for home, acked in states if not is_whole(home, acked)]
    record_property("said", f"power cuts, synchronous={synchronous}: {count} states, seed {SEED}, {len(broken)} broken")
    assert (broken == []) is safe
