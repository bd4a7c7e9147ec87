"""Segments and journeys as the screens show them: definition, what it listens to, and the counts."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from decimal import Decimal
from functools import lru_cache
from typing import Any

import polars as pl
from ruamel.yaml import YAML
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.representer import SafeRepresenter

from einklang.app import answers, backfill
from einklang.app.answers import Page, Text, shown
from einklang.app.changes import stored_docs
from einklang.app.counts import journey_counts
from einklang.app.definitions import Definitions, compile_all
from einklang.app.ports import Reader
from einklang.app.queries import Many, items_of, limit_of
from einklang.app.queries_audience import users_of
from einklang.app.queries_log import Columns
from einklang.expr import Needs, parse, to_words
from einklang.flow import definition as flow
from einklang.kernel.errors import NotFound
from einklang.kernel.ids import content_hash
from einklang.kernel.time import parse_moment


class InForce:
    """The compiled definitions, compiled again only when one changed. Safe from any thread."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._stamp = b""
        self._found: Definitions | None = None

    def get(self, reader: Reader) -> Definitions:
        """The definitions in force."""
        rows = reader.read("definitions_active")
        stamp = content_hash(repr(rows).encode("utf-8", "surrogatepass"))
        with self._guard:
            if self._found is None or stamp != self._stamp:
                self._found, self._stamp = compile_all(*stored_docs(rows)), stamp
            return self._found


class ChangedAt:
    """When definitions were put in force: from the log, remembered by position. Safe from any thread."""

    def __init__(self, lake: Columns | None) -> None:
        self._lake = lake
        self._known: dict[int, int | None] = {}

    def of(self, reader: Reader, kind: str) -> dict[str, str | None]:
        """When each definition of a kind was applied, None where the log no longer tells."""
        placed = {name: position for kind_, name, _, position in reader.read("definition_positions") if kind_ == kind}
        for position in placed.values():
            rows = [] if position in self._known else reader.read("entry_at", position)
            if rows:
                self._known[position] = rows[0][0]
        missing = sorted(set(placed.values()) - set(self._known))
        if missing:
            self._known |= dict.fromkeys(missing) | self._shipped(missing)
        return {name: shown(self._known[position]) for name, position in placed.items()}

    def _shipped(self, positions: list[int]) -> dict[int, int | None]:
        if self._lake is None:
            return {}
        found = self._lake.scan("events").filter(pl.col("position").is_in(positions))
        return dict(found.select("position", pl.col("at").dt.epoch("us")).collect().rows())


class _Representer(SafeRepresenter):
    """Plain values in the order of their author; exact numbers."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.sort_base_mapping_type_on_output = False


def _number(representer: _Representer, value: Decimal) -> ScalarNode:
    return representer.represent_scalar("tag:yaml.org,2002:float", format(value, "f"))


def _text(representer: _Representer, value: str) -> ScalarNode:
    style = "|" if "\n" in value.strip("\n") and value.isprintable() is False and "\t" not in value else None
    return representer.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Representer.add_representer(Decimal, _number)
_Representer.add_representer(str, _text)


def yaml_of(body: dict[str, Any]) -> str:
    """A definition as YAML 1.2 that `app.yaml` reads back to the same values."""
    yaml = YAML(typ="safe", pure=True)
    yaml.Representer = _Representer
    yaml.default_flow_style = None
    yaml.allow_unicode = True
    yaml.width = 120
    out = io.StringIO()
    yaml.dump(body, out)
    return out.getvalue()


def _title(doc: dict[str, Any]) -> Text:
    title = doc.get("title")
    return title if isinstance(title, str | dict) and title else str(doc["id"])


# --- segments ---


def segments(reader: Reader, definitions: Definitions, changes: ChangedAt) -> Page[answers.SegmentItem]:
    """All segments."""
    counts: dict[str, int] = dict(reader.read("member_counts"))
    changed, build = changes.of(reader, "segment"), backfill.now(reader)
    return Page([_segment_item(doc, name, counts, changed, build) for name, doc in _docs(definitions, "segment")])


def _docs(definitions: Definitions, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    return ((name, definitions.docs[kind_, name][0]) for kind_, name in sorted(definitions.docs) if kind_ == kind)


def _segment_item(
    doc: dict[str, Any],
    name: str,
    counts: dict[str, int],
    changed: dict[str, str | None],
    build: backfill.Build | None,
) -> answers.SegmentItem:
    where, on_site = str(doc.get("where", "")), doc.get("on_site") is True
    building = None
    if build is not None and name in build.names:
        building = answers.Building("tell" if build.switched else "look", build.looked, build.of)
    words = _in_words(where) if where else {}
    return answers.SegmentItem(
        name, _title(doc), where, counts.get(name, 0), changed.get(name), on_site, building, words,
        doc.get("manual") is True,
    )  # fmt: skip


@lru_cache(maxsize=1_000)
def _in_words(condition: str) -> dict[str, str]:
    """A condition that is in force, by language."""
    tree = parse(condition)
    return {language: to_words(tree, language) for language in ("de", "en")}


def segment(reader: Reader, definitions: Definitions, changes: ChangedAt, name: str) -> answers.Segment:
    """One segment. Raises NotFound `unknown_segment`."""
    doc = _doc(definitions, "segment", name)
    counts: dict[str, int] = dict(reader.read("member_counts"))
    item = _segment_item(doc, name, counts, changes.of(reader, "segment"), backfill.now(reader))
    users = {user.id for user in users_of(definitions, name) if user.kind == "journey"}
    return answers.Segment(
        item.id,
        item.title,
        item.where,
        item.members,
        item.updated_at,
        item.on_site,
        item.building,
        item.words,
        item.manual,
        definition=yaml_of(doc),
        listens=listens(definitions.checked[f"segment:{name}"].needs),
        used_by=sorted(users),
        frozen=shown(parse_moment(doc["frozen"])) if doc.get("frozen") else None,
    )


def _doc(definitions: Definitions, kind: str, name: str) -> dict[str, Any]:
    found = definitions.docs.get((kind, name))
    if found is None:
        known = ", ".join(one for one, _ in _docs(definitions, kind)) or "none"
        raise NotFound(f"unknown_{kind}", f"no {kind} {name[:60]!r}", where="id", mend=f"known: {known[:300]}")
    return found[0]


def members(reader: Many, definitions: Definitions, name: str, cursor: str, limit: int) -> Page[answers.PersonItem]:
    """The members of a segment in order of their ids. Raises NotFound `unknown_segment`."""
    limit_of(limit)
    _doc(definitions, "segment", name)
    ids = [row[0] for row in reader.read("members_page", name, cursor, limit + 1)]
    return Page(items_of(reader, ids[:limit]), ids[limit - 1] if len(ids) > limit else None)


def listens(needs: Needs) -> list[str]:
    """What a condition listens to, in words of the language."""
    found = sorted(needs.events) + (["every event"] if needs.all_events else [])
    found += [f"trait.{name}" for name in sorted(needs.traits)]
    found += [f'segment("{name}")' for name in sorted(needs.segments)]
    found += [f'journey("{name}")' for name in sorted(needs.journeys)]
    found += [f'lookup("{name}")' for name in sorted(needs.catalogs)]
    found += ["person.last_seen_at"] if needs.seen else []
    return found + (["consent"] if needs.consent else []) + (["time"] if needs.time else [])


# --- journeys ---


def journeys(reader: Reader, definitions: Definitions) -> Page[answers.JourneyItem]:
    """All journeys with their counts."""
    totals = {row[0]: row[1:] for row in reader.read("journey_totals")}
    items = []
    for name, doc in _docs(definitions, "journey"):
        entered, active, contacted, goal, control = totals.get(name, (0, 0, 0, 0, 0))
        found = definitions.journeys[name]
        items.append(
            answers.JourneyItem(
                id=name,
                title=_title(doc),
                state=found.state,
                version=found.version,
                entered=entered,
                in_progress=active,
                contacted=contacted,
                goal=goal,
                control=control,
                has_goal=found.goal is not None,
            )
        )
    return Page(items)


def journey(reader: Reader, definitions: Definitions, name: str) -> answers.Journey:
    """One journey. Raises NotFound `unknown_journey`."""
    doc = _doc(definitions, "journey", name)
    raw, found = flow.parse(doc, f"journey {name}"), definitions.journeys[name]
    counts = journey_counts(reader, name)
    by_step = counts.pop("steps")
    goal = raw.goal
    return answers.Journey(
        id=name,
        title=_title(doc),
        state=raw.state,
        version=found.version,
        definition=yaml_of(doc),
        counts=answers.JourneyCounts(**counts),
        steps=[_step(raw, n, by_step) for n in range(len(raw.steps))],
        has_goal=goal is not None,
        entry=_entry(raw.entry),
        exit=[answers.JourneyExit(one, when) for one, when in flow.exits(raw).items()],
        goal=None if goal is None else answers.JourneyGoal(" | ".join(flow.names(goal.event)), goal.where, goal.within),
        control=found.control,
    )


def _entry(entry: flow.RawEntry) -> answers.JourneyEntry:
    names = " | ".join(flow.names(entry.event or []))
    return answers.JourneyEntry("event", names or None, entry.where, entry.key, entry.reenter)


def _step(raw: flow.RawJourney, n: int, counts: dict[str, dict[str, int]]) -> answers.JourneyStep:
    step = raw.steps[n]
    then, otherwise = flow.successors(raw.steps, n)
    if step.kind in ("branch", "split"):
        then = (step.branch[0].then if step.branch else then) if step.kind == "branch" else then
    here = counts[step.id]
    title, detail = _words(step)
    return answers.JourneyStep(
        id=step.id,
        kind=step.kind,
        title=step.note or title,
        detail=detail,
        then=then,
        otherwise=otherwise if otherwise != then else None,
        entered=here["entered"],
        here=here["here"],
        left=here["left"],
    )


_WORDS = {
    "wait": ("Warten", "Wait"),
    "until": ("Warten, bis zutrifft", "Wait until"),
    "branch": ("Verzweigung", "Branch"),
    "split": ("Aufteilung", "Split"),
    "contact": ("Kontakt", "Contact"),
    "set": ("Merkmale setzen", "Set traits"),
    "assign": ("Werte merken", "Note values"),
    "track": ("Ereignis schreiben", "Write an event"),
}


def _words(step: flow.RawStep) -> tuple[Text, Text]:
    """(title, detail) of a step without a note of its author."""
    german, english = _WORDS[step.kind]
    rest: list[str] = [(step.when and f"when {step.when}") or ""]
    if step.contact is not None:
        german, english = f"{german}: {step.contact}", f"{english}: {step.contact}"
        rest.append(", ".join(flow.names(step.channels)))
    elif step.track is not None:
        german, english = f"{german}: {step.track}", f"{english}: {step.track}"
        rest.append(", ".join(sorted(step.data)))
    elif step.until is not None:
        rest.append(step.until)
    elif step.wait is not None:
        rest.append(_waiting(step.wait))
    elif step.branch is not None:
        rest += [f"{arm.when} → {arm.then}" for arm in step.branch]
    elif step.split is not None:
        rest += [f"{arm.arm} {arm.share} → {arm.then}" for arm in step.split]
    else:
        rest.append(", ".join(sorted(step.set or step.assign or {})))
    if step.at_most is not None:
        rest.append(f"≤ {step.at_most}")
    return {"de": german, "en": english}, " · ".join(part for part in rest if part)


def _waiting(wait: str | flow.RawWait) -> str:
    if isinstance(wait, str):
        return wait
    parts = [wait.span, wait.until, *flow.names(wait.at), *flow.names(wait.days)]
    return " ".join(part for part in parts if part)
