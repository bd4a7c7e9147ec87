"""The OS lock that keeps a second writer off a home. The kernel frees it when the process ends, however it ends."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from einklang.kernel.errors import Conflict
from einklang.store.book.connect import LOCK_FILE


class HomeLock:
    """Held from construction until `release`. Raises Conflict `home_in_use` if someone else holds it."""

    def __init__(self, home: Path) -> None:
        self._file = os.open(home / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._file, 32, 0).decode("ascii", "replace").strip()
            os.close(self._file)
            raise Conflict(
                "home_in_use",
                f"another process{f' ({holder})' if holder else ''} writes to this home",
                where=str(home),
                mend="stop it first, or use another --home",
            ) from None
        with suppress(OSError):  # who holds it is a courtesy: a full disk must not keep a server from withdrawals
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, str(os.getpid()).encode(), 0)

    def release(self) -> None:
        """Give the home back; calling it again does nothing."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
