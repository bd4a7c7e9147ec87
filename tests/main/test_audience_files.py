"""Files of an ad audience: whoever uploads them holds exactly whom the segment and the consents say, after any kill."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from einklang.app.apply import apply
from einklang.app.collect import collect
from einklang.app.run import settle_definitions
from einklang.app.sources import LiveSource
from einklang.app.working import from_json, to_json
from einklang.app.yaml import parse_text
from einklang.kernel.time import HOUR
from einklang.main import clock, moving
from einklang.main import home as homes
from einklang.main.destinations import Destinations
from tests.live.servers import make

DEFINITIONS = """
{kind: purpose, id: ads, title: Ads, basis: consent}
---
{kind: trait, id: vip, type: bool}
---
{kind: segment, id: vip, where: 'trait.vip == true'}
---
{kind: destination, id: g, type: audience, segment: vip, purpose: ads, platform: PLATFORM}
"""


class Killed(BaseException):
    """The process ends here."""


class World:
    """A home, and what a platform holds after each file was uploaded and taken out of the folder."""

    def __init__(self, home: homes.Home) -> None:
        self.home, self.now, self.held = home, clock.now(), dict[str, set[tuple[str, ...]]]()
        self.engine, self.source = home.engine(), LiveSource()
        self.steps: list[str] = []
        self.kill = ""
        self.told: list[str] = []

    def say(self, user: str, email: str, *, vip: bool = True, word: str = "") -> None:
        """Somebody, and a word about the purpose."""
        calls: list[dict[str, Any]] = [{"type": "identify", "userId": user, "traits": {"email": email, "vip": vip}}]
        if word:
            told = {"channel": "email", "purpose": "ads", "address": email}
            calls.append({"type": "track", "userId": user, "event": f"Consent {word}", "properties": told})
        body = to_json({"batch": calls}).encode()
        done = collect(self.home.book, "batch", body, source="web", now=self.now, salt=self.home.salt)
        assert done.durable is not None
        done.durable.result()
        self.tick()

    def tick(self) -> None:
        """Work off what waits."""
        self.now += HOUR
        self.source.now = self.now
        while self.engine.step(self.source, 1_000):
            pass

    def serve(self) -> int:
        """Serve, killed before the step that was named, if it comes."""

        def step(what: str) -> None:
            self.steps.append(what)
            if what == self.kill:
                self.kill = ""
                raise Killed

        return Destinations(self.home, lambda: self.now, step=step).once()

    def reached(self) -> int:
        """How far the destination was served."""
        return int(self.home.book.read("destination_get", "g")[0][2])

    def seq(self) -> int:
        """How far the log has come."""
        return int(self.home.book.read("counter_value", "seq")[0][0])

    def upload(self) -> dict[str, set[str]]:
        """What the platforms hold after the files were uploaded."""
        folder = self.home.path / "destinations" / "g"
        for path in sorted(folder.glob("g-*.csv")):
            with path.open(newline="") as file:
                header, *lines = [tuple(line) for line in csv.reader(file)]
            platform, word = path.stem.split("-")[-2:]
            self.told.append(f"{platform} {word} {len(lines)}")
            held = self.held.setdefault(platform, set())
            if word == "add":
                held.update(lines)
            else:
                assert held.issuperset(lines)
                held.difference_update(lines)
            assert len(header) == len(lines[0])
            path.unlink()
        return {name: {line[0] for line in held} for name, held in self.held.items()}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Two people, one of whom consents."""
    make(tmp_path / "home", DEFINITIONS.replace("PLATFORM", "google"))
    with homes.opened(tmp_path / "home", base_url="http://127.0.0.1:8787", writer=True) as home:
        made = World(home)
        made.say("u1", "ada@shop.example", word="Given")
        made.say("u2", "bo@shop.example")
        yield made


def sha(*addresses: str) -> set[str]:
    """Their hashes."""
    return {sha256(address.encode()).hexdigest() for address in addresses}


def test_removals_are_as_quick_as_additions(world: World) -> None:
    """First who consents; then, in one run, who came and who withdrew; each batch is in the log with its counts."""
    world.serve()
    assert world.upload() == {"google": sha("ada@shop.example")}
    assert from_json(world.home.book.read("destination_get", "g")[0][3])["left_out"] == {"no_consent": 1}
    world.say("u3", "cy@shop.example", word="Given")
    world.say("u1", "ada@shop.example", word="Withdrawn")
    assert world.serve() == 1
    assert world.upload() == {"google": sha("cy@shop.example")}
    assert world.told == ["google add 1", "google add 1", "google remove 1"]
    world.tick()
    assert world.serve() == 0  # nothing changed, nothing is told
    assert world.upload() == {"google": sha("cy@shop.example")}
    rows = world.home.book.read("all_export")
    assert [(row[3], row[5], row[8]) for row in rows] == [("g", "ads", 1), ("g", "ads", 2)]


def test_killed_at_any_step_the_platform_holds_whom_it_should(world: World) -> None:
    """Before each step of each batch: after the next run what was uploaded, also in between, is whom it should hold."""
    people = {"u1": "ada@shop.example"}
    world.serve()
    world.upload()
    seen: list[str] = []
    for n, what in enumerate(dict.fromkeys(world.steps)):
        world.say(f"n{n}", f"n{n}@shop.example", word="Given")
        gone = max(people)
        world.say(gone, people.pop(gone), word="Withdrawn")
        people[f"n{n}"] = f"n{n}@shop.example"
        world.kill = (
            what if not what.startswith("g-") else f"g-{world.reached():012d}-{world.seq():012d}-google-add.csv"
        )
        with pytest.raises(Killed):
            world.serve()
        seen.append(what)
        if n % 2:
            world.upload()  # somebody fetched what was there when it was killed
        world.tick()
        world.serve()
        assert world.upload() == {"google": sha(*people.values())}
    assert len(seen) >= 5


def test_another_platform_lets_the_first_one_go(world: World) -> None:
    """The definition names another platform: the first one is given its removals, the second everybody."""
    world.serve()
    world.upload()
    text = DEFINITIONS.replace("PLATFORM", "tiktok")
    apply(world.home.book, parse_text(text, "more.yaml"), now=world.now)
    settle_definitions(world.home.book, world.engine)
    world.tick()
    world.serve()
    assert world.upload() == {"google": set(), "tiktok": sha("ada@shop.example")}


def test_what_a_platform_has_is_not_forgotten_for_another_type(world: World) -> None:
    """As a file it would not be known any more what to take back: that is refused, with the mend, until it is empty."""
    world.serve()
    world.upload()
    text = DEFINITIONS.replace("type: audience", "type: file").replace(", platform: PLATFORM", ", columns: [userId]")
    for written in (text, DEFINITIONS.replace("PLATFORM", "google")):
        apply(world.home.book, parse_text(written, "more.yaml"), now=world.now)
        settle_definitions(world.home.book, world.engine)
        if written is text:
            world.tick()
            assert world.serve() == 0
            assert "1 lines lie with an ad platform" in str(world.home.book.read("destination_get", "g")[0])
    world.say("u1", "ada@shop.example", word="Withdrawn")
    world.now += 10 * HOUR
    world.serve()
    assert world.upload() == {"google": set()}


@pytest.mark.parametrize("whole", [True, False])
def test_a_copied_home_still_takes_back_what_was_given(world: World, tmp_path: Path, whole: bool) -> None:
    """Files that nobody fetched are in the copy, and who withdraws there is removed.

    whole: the control is a copy without what was given, which cannot take anything back.
    """
    world.serve()
    moving.backup(world.home.book, world.home.lake, tmp_path / "copy", progress=lambda _: None)
    with homes.opened(tmp_path / "copy", base_url="http://127.0.0.1:8787", writer=True) as home:
        there = World(home)
        there.now = world.now
        assert there.upload() == {"google": sha("ada@shop.example")}
        if not whole:
            shutil.rmtree(tmp_path / "copy" / "destinations")
        there.say("u1", "ada@shop.example", word="Withdrawn")
        there.serve()
        assert there.upload() == {"google": set() if whole else sha("ada@shop.example")}
