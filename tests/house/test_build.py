"""The build hook: builds the console when its sources changed, and only then; never lets a package go without it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest

import hatch_build

INDEX = "src/einklang/web/console/index.html"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A small console."""
    (tmp_path / "console" / "src").mkdir(parents=True)
    (tmp_path / "console" / "src" / "main.tsx").write_text("export {};\n")
    (tmp_path / "console" / "package-lock.json").write_text("{}\n")
    return tmp_path


def recorder(root: Path, *, builds: bool = True) -> tuple[list[str], Callable[..., None]]:
    """Stands in for npm: notes what was asked and does what it would do."""
    calls: list[str] = []

    def npm(console: Path, *arguments: str) -> None:
        calls.append(arguments[0])
        if arguments[0] == "ci":
            (console / "node_modules").mkdir(exist_ok=True)
        elif builds:
            (root / INDEX).parent.mkdir(parents=True, exist_ok=True)
            (root / INDEX).write_text("<!doctype html>")

    return calls, npm


def test_builds_once_and_again_only_after_a_change(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is done twice; a changed source or a lost page builds, a changed lock installs, too."""
    calls, npm = recorder(root)
    monkeypatch.setattr(hatch_build, "_npm", npm)
    assert hatch_build.ensure_console(root) == root / INDEX
    assert calls == ["ci", "run"]
    hatch_build.ensure_console(root)
    assert calls == ["ci", "run"]
    (root / "console" / "src" / "main.tsx").write_text("export { };\n")
    hatch_build.ensure_console(root)
    assert calls == ["ci", "run", "run"]
    (root / "console" / "package-lock.json").write_text('{"a": 1}\n')
    hatch_build.ensure_console(root)
    assert calls[3:] == ["ci", "run"]
    (root / INDEX).unlink()
    hatch_build.ensure_console(root)
    assert calls[5:] == ["run"]


def test_a_build_without_a_page_fails(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A build that leaves no index.html is an error each time, not a stamp."""
    calls, npm = recorder(root, builds=False)
    monkeypatch.setattr(hatch_build, "_npm", npm)
    for _ in range(2):
        with pytest.raises(RuntimeError, match=r"index\.html"):
            hatch_build.ensure_console(root)
    assert calls == ["ci", "run", "run"]


def test_an_interrupted_installation_is_done_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a node_modules is not taken for a whole one."""
    calls, npm = recorder(root)

    def breaks(console: Path, *arguments: str) -> None:
        npm(console, *arguments)
        raise RuntimeError("cut")

    monkeypatch.setattr(hatch_build, "_npm", breaks)
    with contextlib.suppress(RuntimeError):
        hatch_build.ensure_console(root)
    monkeypatch.setattr(hatch_build, "_npm", npm)
    hatch_build.ensure_console(root)
    assert calls == ["ci", "ci", "run"]


def test_the_hash_sees_names_and_contents_but_not_what_is_made(root: Path) -> None:
    """Renaming or changing a source changes the hash; node_modules does not."""
    console = root / "console"
    before = hatch_build.sources_hash(console)
    (console / "node_modules").mkdir()
    (console / "node_modules" / "x.js").write_text("x")
    assert hatch_build.sources_hash(console) == before
    (console / "src" / "main.tsx").rename(console / "src" / "other.tsx")
    assert hatch_build.sources_hash(console) != before


def test_a_failing_tool_is_quoted(root: Path) -> None:
    """What npm said stands in the error."""
    (root / "console" / "package.json").write_text('{"name": "x"}')
    with pytest.raises(RuntimeError, match=r"(?s)npm run nothing.*Missing script"):
        hatch_build._npm(root / "console", "run", "nothing")
