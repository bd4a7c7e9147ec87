"""A server gives destinations their files beside its other work: when something happened, as often as they say."""

from __future__ import annotations

from pathlib import Path

import pytest

from einklang.main import home as homes
from einklang.main.loop import IDLE_S
from tests.live.servers import make, person
from tests.live.test_loop import World

DEFINITIONS = """
{kind: segment, id: known, where: 'person.known'}
---
{kind: destination, id: out, type: file, segment: known, purpose: service, mode: incremental, every: 1m}
"""


def test_a_file_is_given_when_its_time_has_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At once what is new, after a minute what came since; at rest nothing is asked; a held clock gives nothing."""
    make(tmp_path / "home", DEFINITIONS)
    with homes.opened(tmp_path / "home", base_url="http://127.0.0.1:8787", writer=True) as home:
        world, folder = World(home), tmp_path / "home" / "destinations" / "out"
        for number in (1, 2):
            world.send(*person(number))
            world.work()
            assert world.loop.give() == IDLE_S
            world.work()
            assert len(list(folder.glob("*.csv"))) == 1
        world.pass_(61)
        for _ in range(3):
            world.loop.give()
            world.work()
        files = sorted(folder.glob("*.csv"))
        assert [path.read_text().count("added") for path in files] == [1, 1]
        with monkeypatch.context() as patch:
            patch.setattr(home.book, "read", lambda *_: pytest.fail("something was asked"))
            assert world.loop.give() == IDLE_S
        world.send(*person(3))
        world.work()
        world.pass_(9_000, steady=61)
        assert (world.loop.jumped(), world.loop.give()) == (True, IDLE_S)
        assert len(list(folder.glob("*.csv"))) == 2
        world.loop.stop()
