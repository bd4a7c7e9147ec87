"""OutboxFolder: one file a message, whole or not at all."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path

import pytest

from einklang.channel import OutboxFolder, Parcel


def test_a_mail_becomes_one_flat_file(tmp_path: Path) -> None:
    """HOME/outbox/<channel>/<key>.eml holds the bytes, readable by the owner only."""
    folder = OutboxFolder(tmp_path / "outbox")
    assert asyncio.run(folder.deliver(Parcel("m_1", "a@b.example", b"bytes\r\n"))).status == "sent"
    path = tmp_path / "outbox" / "email" / "m_1.eml"
    assert path.read_bytes() == b"bytes\r\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path / "outbox" / "email") == ["m_1.eml"]


def test_again_changes_nothing(tmp_path: Path) -> None:
    """The same parcel again is sent and the file is untouched; other bytes under its key are refused."""
    folder = OutboxFolder(tmp_path, "letter", ".pdf", durable=False)
    folder.put(Parcel("m_1", "", b"one"))
    before = os.stat(tmp_path / "letter" / "m_1.pdf")
    assert folder.put(Parcel("m_1", "", b"one")).status == "sent"
    receipt = folder.put(Parcel("m_1", "", b"two"))
    assert (receipt.status, receipt.permanent, receipt.stage) == ("failed", True, "folder")
    after = os.stat(tmp_path / "letter" / "m_1.pdf")
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert (tmp_path / "letter" / "m_1.pdf").read_bytes() == b"one"


@pytest.mark.parametrize("key", ["", ".", "..", "../x", "a/b", "a\\b", "a\0b", "a b", "x" * 200, ".hidden", "ä"])
def test_a_key_cannot_leave_the_folder(tmp_path: Path, key: str) -> None:
    """A key that is no plain file name is refused and nothing is written anywhere."""
    receipt = OutboxFolder(tmp_path / "outbox").put(Parcel(key, "", b"x"))
    assert (receipt.status, receipt.permanent) == ("failed", True)
    assert list(tmp_path.rglob("*")) == []


@pytest.mark.parametrize("fails", ["fsync", "replace"])
def test_a_fault_of_the_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str) -> None:
    """An error while writing is failed for now, without a file, whole or in part; afterwards it works."""

    def no_space(*_: object) -> None:
        raise OSError(28, "No space left on device")

    folder = OutboxFolder(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(os, fails, no_space)
        receipt = folder.put(Parcel("m_1", "", b"x"))
    assert (receipt.status, receipt.permanent) == ("failed", False)
    assert "No space left" in receipt.detail
    assert os.listdir(tmp_path / "email") == []
    assert folder.put(Parcel("m_1", "", b"x")).status == "sent"
