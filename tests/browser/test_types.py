"""The hand-written types of the console name exactly the fields that the API answers."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from einklang.app import answers
from einklang.measure import Report

TYPES = Path(__file__).resolve().parents[2] / "console" / "src" / "api" / "types.ts"
INTERFACE = re.compile(r"^export interface (\w+)(?:<\w+>)?(?: extends (\w+))? \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
FIELD = re.compile(r"^  (\w+)(\??):", re.MULTILINE)
SAME = [
    "Status", "Entry", "Identifier", "PersonItem", "Consent", "PersonRun", "Person", "TimelineItem", "SegmentItem",
    "Segment", "JourneyItem", "JourneyCounts", "JourneyStep", "JourneyEntry", "Journey", "Session",
]  # fmt: skip


def interfaces(source: str) -> dict[str, set[str]]:
    """Name -> fields of every interface, those of the extended one included."""
    found: dict[str, set[str]] = {}
    for name, parent, body in INTERFACE.findall(source):
        found[name] = {field for field, _ in FIELD.findall(body)} | found.get(parent, set())
    return found


def fields(struct: type[msgspec.Struct]) -> set[str]:
    """The names of a struct's fields as they are encoded."""
    return {field.encode_name for field in msgspec.structs.fields(struct)}


@pytest.mark.parametrize("name", SAME)
def test_interface_names_the_fields_of_the_answer(name: str) -> None:
    """An interface of the console and the answer of the same name have the same fields."""
    assert interfaces(TYPES.read_text())[name] == fields(getattr(answers, name))


def test_report_is_read_as_it_is_written() -> None:
    """Whatever the console reads of a report is in the report."""
    assert interfaces(TYPES.read_text())["Report"] <= fields(Report)


def test_a_missing_field_is_found() -> None:
    """Positive control: an interface with a field too many or too few differs."""
    source = TYPES.read_text()
    assert interfaces(source.replace("  language: string;", ""))["Session"] != fields(answers.Session)
    assert interfaces(source.replace("  role: string;", "  role: string;\n  age: number;"))["Session"] != fields(
        answers.Session
    )
