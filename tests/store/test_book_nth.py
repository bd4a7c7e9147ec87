"""Fail the N-th write, cut or sync: whatever fails, nothing acknowledged is missing (invariants 8 and 9)."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import apsw
import pytest

from einklang.kernel.errors import Unavailable
from einklang.store.book import Setup, SqliteBook
from einklang.testing.book_suite import Body
from einklang.testing.powercut import Recorder

pytestmark = pytest.mark.faults

NTH_MAX = 50
FAULTS: dict[str, type[apsw.Error]] = {"ENOSPC": apsw.FullError, "EIO": apsw.IOError}


class NthFails(Recorder):
    """The n-th write (and, for EIO, cut or sync) fails, and once more the one after it."""

    def __init__(self, n: int, error: type[apsw.Error]) -> None:
        super().__init__()
        self.left = n
        self.error = error

    def fault(self, what: str, file: str) -> None:
        """Count down and raise."""
        if what == "write" or self.error is apsw.IOError:
            self.left -= 1
            if self.left in (0, -1):
                raise self.error("injected")


def run(home: Path, disk: NthFails) -> tuple[dict[int, bytes], dict[int, bytes]]:
    """14 appends with checkpoints in between. Returns (acknowledged, kept) by position."""
    SqliteBook.create(home, "00" * 16, setup=Setup(reserve_bytes=0)).close()
    acknowledged: dict[int, bytes] = {}
    try:
        book = SqliteBook.open(home, setup=Setup(vfs=disk.name, checkpoint_pages=12, reserve_bytes=0))
        for number in range(14):
            body = b"%d:" % number + b"x" * 3000
            with suppress(Unavailable):
                (position,) = book.append([Body(body)])
                assert position not in acknowledged, "a position that was told is given again: its body was lost"
                acknowledged[position] = body
        book.close()
    except Unavailable:
        pass  # opening failed: nothing was acknowledged
    with SqliteBook.open(home, setup=Setup(reserve_bytes=0)) as book:
        kept = {row[0]: row[5] for row in book.read("tail_page", 0, 100)}
        assert book.read("counter_value", "position") == [(len(kept),)]
        return acknowledged, kept


@pytest.mark.parametrize("fault", FAULTS)
def test_no_nth_failure_loses_what_was_acknowledged(tmp_path: Path, fault: str) -> None:
    """For every N: all acknowledged bodies are there after opening again.

    Positive control: most runs do miss bodies that were refused, so a Book that swallowed the error would be found.
    """
    missing = 0
    for n in range(1, NTH_MAX + 1):
        disk = NthFails(n, FAULTS[fault])
        acknowledged, kept = run(tmp_path / f"home-{n}", disk)
        assert {position: kept.get(position) for position in acknowledged} == acknowledged, n
        missing += len(kept) < 14
        disk.close()
    assert missing >= NTH_MAX // 2
