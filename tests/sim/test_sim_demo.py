"""The demo's definitions compile and agree with the known truth; every call of the simulator is admitted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from einklang.app.definitions import Definitions, compile_all, merge
from einklang.app.yaml import files, parse_text
from einklang.event import judge
from einklang.kernel.time import DAY, MINUTE, parse_moment
from einklang.sim.demo import definitions
from einklang.sim.eligible import eligible
from einklang.sim.live import live
from einklang.sim.payload import Payload
from einklang.sim.response import EFFECTS, WINDOW_DAYS, react
from einklang.sim.world import World

START = parse_moment("2025-01-01T12:00:00+01:00")
EXAMPLE = Path(__file__).parents[2] / "examples" / "complete_journey" / "definitions"


def compiled(folder: Path) -> Definitions:
    """All definitions of a folder, checked against each other."""
    docs = [doc for file in files([folder]) for doc in parse_text(file.read_text(encoding="utf-8"), file.name)]
    return compile_all(merge({}, docs), {})


def texts(value: Any) -> list[dict[str, Any]]:
    """All maps below a value that look like a text in languages."""
    if isinstance(value, dict):
        own = [value] if value and set(value) <= {"de", "en"} else []
        return own + [found for part in value.values() for found in texts(part)]
    return [found for part in value for found in texts(part)] if isinstance(value, list) else []


@pytest.fixture(scope="module")
def world() -> World:
    """A small year."""
    return World(seed=2, persons=300, start=START)


def test_the_demo_applies_and_its_goals_are_those_of_the_truth() -> None:
    """Four journeys with a goal whose window is the one of the simulation, control groups of 0.1 to 0.3."""
    found = compiled(definitions())
    assert set(found.journeys) == set(WINDOW_DAYS)
    for name, journey in found.journeys.items():
        assert journey.goal is not None
        assert journey.goal.within_us == WINDOW_DAYS[name] * DAY
        assert 0.1 <= float(found.docs["journey", name][0]["control"]) <= 0.3
    assert {"regulars", "lapsed", "cart-abandoners", "newsletter-permitted", "high-value"} <= {
        s.id for s in found.segments
    }


def test_effects_are_of_steps_that_exist() -> None:
    """Each step with a known effect is a contact of its journey."""
    found = compiled(definitions())
    for journey, step in EFFECTS:
        steps = {raw["id"]: raw for raw in found.docs["journey", journey][0]["steps"]}
        assert "contact" in steps[step]


@pytest.mark.parametrize("folder", [definitions(), EXAMPLE], ids=["demo", "complete_journey"])
def test_every_text_is_there_in_german_and_english(folder: Path) -> None:
    """No text of a definition lacks one of the two languages."""
    found = [text for doc, _ in compiled(folder).docs.values() for text in texts(doc)]
    assert len(found) > 5
    assert all(set(text) == {"de", "en"} and all(text.values()) for text in found)


def test_the_example_applies() -> None:
    """The definitions of the real-data example compile, with a win-back journey that has a control group."""
    found = compiled(EXAMPLE)
    assert list(found.journeys) == ["win-back"]
    assert float(found.docs["journey", "win-back"][0]["control"]) == 0.2


def test_every_call_is_admitted(world: World) -> None:
    """The door of `event` refuses nothing of a year, of reactions, of the live stream."""
    sent = [one for journey in WINDOW_DAYS for one in eligible(world, journey)]
    calls: list[Payload] = [*world.events(), *react(world, sent), *live(world, world.end + 5 * MINUTE, world.end)]
    encoder = msgspec.json.Encoder(decimal_format="number")
    for begin in range(0, len(calls), 200):
        body = encoder.encode({"batch": calls[begin : begin + 200]})
        verdict = judge("batch", body, received_at=world.end + DAY)
        assert verdict.rejected == []
        assert verdict.items == len(calls[begin : begin + 200])
