"""`einklang` on a disk that gets full or breaks when it is told: python -m tests.faults.bad_disk FOLDER COMMAND ...

Every file that SQLite opens goes through a VFS that looks whether FOLDER holds `full` or `broken`. A full disk has
room again for what the reserve of the home gave back.
"""

from __future__ import annotations

import sys
from pathlib import Path

import apsw

from einklang.main.cli import main

#: The VFS of the system, as ours takes its place as the default.
_BELOW = apsw.vfs_names()[0]


class File(apsw.VFSFile):
    """A file of SQLite."""

    def __init__(self, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        super().__init__(_BELOW, name, flags)
        text = name.filename() if isinstance(name, apsw.URIFilename) else name
        self._reserve = Path(text or "/").parent / "reserve"

    def xWrite(self, data: bytes, offset: int) -> None:
        """Refused on a full disk, as long as the reserve takes the last room."""
        if (DISK / "full").exists() and self._reserve.exists():
            raise apsw.FullError("no space left")
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:
        """Refused by a broken disk."""
        if (DISK / "broken").exists():
            raise apsw.IOError("the disk is broken")
        super().xSync(flags)


class Disk(apsw.VFS):
    """The default of this process."""

    def __init__(self) -> None:
        super().__init__("bad-disk", _BELOW, True)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
        """A file on this disk."""
        return File(name, flags)


if __name__ == "__main__":
    DISK = Path(sys.argv[1])
    disk = Disk()
    sys.exit(main(sys.argv[2:]))
