"""Counting everybody by plan: each condition of a funnel for all persons at once, over the columns of the lake and the
Book's tail, where a plan can answer all of them.
"""

from __future__ import annotations

import dataclasses

import polars as pl

from einklang.app.crowds import Lake, crowd_at
from einklang.app.funnel import Part, conditions
from einklang.app.ports import Reader
from einklang.app.state import State
from einklang.audience import crowd as crowds
from einklang.expr import Checked


def masks(reader: Reader, state: State, lake: Lake, whole: Part) -> tuple[list[str], dict[str, int]] | None:
    """Ids of everybody, and for each condition (by `Part.text`, and `missing TEXT`) who says yes, one bit a person.

    None where one of the conditions has to be asked person by person. The state's clock stands at the moment.
    """
    asked: dict[str, Checked] = {}
    for part in conditions(whole):
        for key, condition in ((part.text, part.condition), (f"missing {part.text}", part.missing)):
            if condition is not None:
                asked[key] = condition.checked
    if not all(map(crowds.by_plan, asked.values())):
        return None
    people, crowd = crowd_at(reader, state, lake, state.clock, crowds.asked(list(asked.values())))
    rows = [
        (person, name)
        for name in sorted({name for checked in asked.values() for name in checked.needs.segments})
        for (person,) in reader.read("members_of", name)
    ]
    schema = {"person_id": pl.String, "segment": pl.String}
    crowd = dataclasses.replace(crowd, segments=pl.DataFrame(rows, schema=schema, orient="row"))

    def alone(name: str, _: dict[str, set[str]]) -> set[str]:
        raise AssertionError(f"{name} is asked by plan")

    found = crowds.members(list(asked.items()), crowd, state.clock, alone)
    return people, {key: bits(people, members) for key, members in found.items()}


def bits(people: list[str], chosen: set[str]) -> int:
    """One bit a person, that of the first is the lowest."""
    return int("".join("1" if person in chosen else "0" for person in reversed(people)) or "0", 2)
