"""The command that proves CI on a bare machine: what goes into it from this one, and when it says no."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from tools import bare

HERE = ["http://m/debian/|bookworm|main", "http://m/debian/|bookworm-updates|main", "http://m/other|trixie|main"]


def test_packages_come_from_the_mirror_of_this_machine() -> None:
    """Of the suite, its updates and its security, each once; a suite that apt here does not have is refused."""
    assert bare.sources([*HERE, HERE[0]], "bookworm") == [
        "deb http://m/debian/ bookworm main",
        "deb http://m/debian/ bookworm-updates main",
    ]
    with pytest.raises(bare.Impossible, match="no sid"):
        bare.sources(HERE, "sid")


def test_only_the_ways_to_the_registries_go_in() -> None:
    """Proxies, indexes and, under one name for all, certificates; nothing else of this machine's environment."""
    here = {
        "PATH": "/here",
        "HOME": "/mine",
        "EINKLANG_HOME": "/x",
        "TOKEN": "t",
        "HTTPS_PROXY": "p",
        "PIP_INDEX_URL": "i",
    }
    plain = bare.environment(here, certificates=False)
    assert plain == {
        "HTTPS_PROXY": "p",
        "PIP_INDEX_URL": "i",
        "HOME": plain["HOME"],
        "LANG": "C.UTF-8",
        "TERM": "dumb",
        "PATH": plain["PATH"],
    }
    assert (plain["PATH"] != "/here", plain["HOME"] != "/mine") == (True, True)
    more = bare.environment(here, certificates=True)
    assert len({more.pop(name) for name in ("SSL_CERT_FILE", "PIP_CERT", "NODE_EXTRA_CA_CERTS")}) == 1
    assert more.keys() - plain.keys() == {"REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"}


def test_who_is_not_root_hears_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 2 with the mend, and nothing is made."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert bare.main(["--keep", str(tmp_path / "new")]) == 2
    assert "sudo" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("status", [0, 3])
def test_the_machine_goes_and_its_result_stays(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], status: int
) -> None:
    """The command's exit status is ours; the folder is removed, also when making it fails, unless it is to be kept."""
    ran: list[list[str]] = []

    def call(command: list[str]) -> int:
        ran.append(command)
        return status

    monkeypatch.setattr(bare, "_ready", lambda: None)
    monkeypatch.setattr(bare, "make", lambda machine, suite: (machine / "made").touch())
    monkeypatch.setattr(subprocess, "call", call)
    monkeypatch.setattr(tempfile, "mkdtemp", lambda prefix: str(tmp_path / prefix))
    (tmp_path / "einklang-bare-").mkdir()
    assert bare.main([]) == status
    assert f"`.ci/run` ended with {status}" in capsys.readouterr().out
    assert ran[0][-1] == ".ci/run"
    assert not (tmp_path / "einklang-bare-").exists()
    assert bare.main(["--keep", str(tmp_path / "kept"), "--", "make", "check"]) == status
    assert (tmp_path / "kept" / "made").exists()
    assert ran[1][-2:] == ["make", "check"]

    def broken(machine: Path, suite: str) -> None:
        raise subprocess.CalledProcessError(1, ["debootstrap"])

    monkeypatch.setattr(bare, "make", broken)
    (tmp_path / "einklang-bare-").mkdir()
    assert bare.main([]) == 2
    assert not (tmp_path / "einklang-bare-").exists()
