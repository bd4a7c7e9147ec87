"""The hand-written types of the console name exactly the fields that the API answers."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from einklang.app import (
    activation_health,
    answers,
    choices,
    dead,
    discovery,
    drafts,
    estimates,
    graph,
    keys,
    language,
    queries_audience,
    queries_exports,
    queries_groups,
    queries_objects,
    queries_products,
    queries_sources,
    queries_stages,
    stitching,
)
from einklang.audience import estimate
from einklang.measure import Report
from einklang.web import drafts_api, refusals, sources_api

API = Path(__file__).resolve().parents[2] / "console" / "src" / "api"
TYPES, DATA, AUDIENCE, LISTS = API / "types.ts", API / "data.ts", API / "audience.ts", API / "lists.ts"
INTERFACE = re.compile(r"^export interface (\w+)(?:<\w+>)?(?: extends (\w+))? \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
FIELD = re.compile(r"^  (\w+)(\??):", re.MULTILINE)
SAME = [
    "Status", "Entry", "Identifier", "PersonItem", "Consent", "PersonRun", "Person", "TimelineItem", "SegmentItem",
    "Segment", "JourneyItem", "JourneyCounts", "JourneyStep", "JourneyEntry", "Journey", "Session", "ObjectRef",
]  # fmt: skip
#: What data.ts names, and the answer that it reads.
ANSWERS: dict[str, type[msgspec.Struct]] = {
    "Key": keys.Key, "Source": keys.Source, "MadeKey": sources_api.MadeKey, "Arrivals": queries_sources.Arrivals,
    "Refusal": refusals.Refusal, "Destination": activation_health.DestinationShown,
    "Delivery": activation_health.DeliveryShown, "Acted": activation_health.Acted,
    "PropertySeen": discovery.PropertySeen, "EventSeen": discovery.EventSeen,
    "Letter": dead.Letter, "Replayed": dead.Replayed, "End": graph.End, "IdentityNode": graph.Identifier,
    "Evidence": graph.Evidence, "SignedIn": graph.SignedIn, "Device": graph.Device, "KeptApart": graph.KeptApart,
    "IdentityChange": graph.Change, "Graph": graph.Graph, "Who": graph.Who, "Review": graph.Review,
    "Side": stitching.Side, "Preview": stitching.Preview, "ObjectCount": queries_objects.ObjectCount,
    "ObjectEvent": queries_objects.ObjectEvent, "ObjectItem": queries_objects.ObjectItem, "Product": answers.Product,
    "ProductRecord": queries_products.ProductRecord, "RelatedProduct": queries_products.Related,
    "Belonging": queries_groups.Belonging, "GroupItem": queries_groups.GroupItem, "Member": queries_groups.Member,
    "Group": queries_groups.Group, "Draft": drafts.Draft, "AgentDraft": drafts_api.AgentDraft,
}  # fmt: skip
#: The same of audience.ts.
ABOUT_SEGMENTS: dict[str, type[msgspec.Struct]] = {
    "Fault": language.Fault, "Expression": language.Expression, "Count": estimate.Count, "Step": estimates.Step,
    "Reach": estimates.Reach, "Estimate": estimates.Estimate, "Field": choices.Field,
    "EventChoice": choices.EventChoice, "Named": choices.Named, "StageChoice": choices.StageChoice,
    "Choices": choices.Choices,
    "Meeting": queries_audience.Meeting, "Overlap": queries_audience.Overlap, "TrendDay": queries_audience.TrendDay,
    "Trend": queries_audience.Trend, "User": queries_audience.User,
    "Health": queries_audience.Health,
    "WhyMember": queries_audience.WhyMember, "StageSince": queries_stages.StageSince,
    "StageItem": queries_stages.StageItem, "StageChanges": queries_stages.Changes,
    "RungWhy": queries_stages.RungWhy, "StageWhy": queries_stages.StageWhy,
}  # fmt: skip


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


@pytest.mark.parametrize("name", ANSWERS)
def test_data_names_the_fields_of_the_answer(name: str) -> None:
    """An interface of the pages about data and its answer have the same fields."""
    assert interfaces(DATA.read_text())[name] == fields(ANSWERS[name])


@pytest.mark.parametrize("name", ["RefusedRow", "ListedAnswer", "ExportedAnswer", "ExportShown"])
def test_lists_name_the_fields_of_the_answer(name: str) -> None:
    """An interface of lists and exports and its answer have the same fields."""
    assert interfaces(LISTS.read_text())[name] == fields(getattr(queries_exports, name))


@pytest.mark.parametrize("name", ABOUT_SEGMENTS)
def test_segments_name_the_fields_of_the_answer(name: str) -> None:
    """An interface of the builder of segments and its answer have the same fields."""
    assert interfaces(AUDIENCE.read_text())[name] == fields(ABOUT_SEGMENTS[name])


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
