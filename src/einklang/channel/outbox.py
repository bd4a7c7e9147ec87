"""The outbox folder: one file a message, for `run` without `--deliver`, demos and tests."""

from __future__ import annotations

import asyncio
import os
import re
import threading
from pathlib import Path

from einklang.channel.types import Parcel, Receipt, failed, sent

_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,150}")


class OutboxFolder:
    """Writes `root/<channel>/<key><suffix>`: whole or not at all (temporary file, fsync, rename), for the owner only.

    The same parcel again changes nothing; other bytes under a key that is taken are refused."""

    def __init__(self, root: Path | str, channel: str = "email", suffix: str = ".eml", *, durable: bool = True) -> None:
        """root: such as HOME/outbox. durable=False leaves fsync to the system (what can be repeated: demo, replay)."""
        self.folder = Path(root) / channel
        self._suffix = suffix
        self._durable = durable

    async def deliver(self, item: Parcel) -> Receipt:
        """Write one parcel beside the event loop."""
        return await asyncio.to_thread(self.put, item)

    async def close(self) -> None:
        """Nothing is held open."""

    def put(self, item: Parcel) -> Receipt:
        """Write one parcel."""
        if not _KEY.fullmatch(item.key):
            return failed(f"not a file name: {item.key[:60]!r}", permanent=True, stage="folder")
        path = self.folder / f"{item.key}{self._suffix}"
        try:
            return self._put(path, item.body)
        except OSError as error:
            return failed(f"{error.strerror or error} ({path.name})", permanent=False, stage="folder")

    def _put(self, path: Path, body: bytes) -> Receipt:
        try:
            same = path.read_bytes() == body
        except FileNotFoundError:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        else:
            return (
                sent(path.name)
                if same
                else failed(f"{path.name} holds another message", permanent=True, stage="folder")
            )
        part = self.folder / f".{path.name}.{os.getpid()}.{threading.get_ident()}.part"
        try:
            with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(body)
                file.flush()
                if self._durable:
                    os.fsync(file.fileno())
            os.replace(part, path)
        except OSError:
            part.unlink(missing_ok=True)
            raise
        if self._durable:
            self._sync_folder()
        return sent(path.name)

    def _sync_folder(self) -> None:
        handle = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
