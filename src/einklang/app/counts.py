"""`journey counts`: how many entered, stand where, were contacted and reached the goal.

The ledger of runs is counted, not a graph.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from einklang.app.ports import Reader
from einklang.app.working import from_json
from einklang.fact.person import CONTROL, Run
from einklang.kernel.errors import NotFound

_RUN = msgspec.json.Decoder(Run, float_hook=Decimal)


def decode_run(body: bytes) -> Run:
    """A stored run."""
    return _RUN.decode(body)


def definition(reader: Reader, journey: str) -> dict[str, Any]:
    """The newest definition of a journey. Raises NotFound `unknown_journey`."""
    rows = [row for row in reader.read("definitions_active") if row[0] == "journey" and row[1] == journey]
    if not rows:
        known = ", ".join(row[1] for row in reader.read("definitions_active") if row[0] == "journey") or "none"
        raise NotFound("unknown_journey", f"no journey {journey[:60]!r}", mend=f"known: {known}")
    body: dict[str, Any] = from_json(rows[0][3])
    return body


def journey_counts(reader: Reader, journey: str) -> dict[str, Any]:
    """The counts of contract.md: entered = control + treated = in_progress + done + exited. Raises NotFound."""
    steps = {step["id"]: {"entered": 0, "here": 0, "left": 0} for step in definition(reader, journey)["steps"]}
    found = {"entered": 0, "control": 0, "contacted": 0, "goal": 0, "exited": 0, "done": 0, "in_progress": 0}
    for (body,) in reader.read("runs_of_journey", journey):
        run = _RUN.decode(body)
        found["entered"] += 1
        found["control"] += run.arm == CONTROL
        found["contacted"] += run.contacted
        found["goal"] += run.goal_at is not None
        found["in_progress" if run.status == "active" else "done" if run.status == "done" else "exited"] += 1
        for name, left in run.steps.items():
            step = steps.setdefault(name, {"entered": 0, "here": 0, "left": 0})
            step["entered"] += left.entered
            step["left"] += left.left
            step["here"] += left.entered - left.left
    return {**found, "steps": steps}


def standing(reader: Reader, journey: str) -> dict[str, dict[str, int]]:
    """How many stand where: version -> step -> runs that are under way."""
    found: dict[str, dict[str, int]] = {}
    for (body,) in reader.read("runs_of_journey", journey):
        run = _RUN.decode(body)
        if run.status == "active":
            steps = found.setdefault(str(run.version), {})
            steps[run.step] = steps.get(run.step, 0) + 1
    return found
