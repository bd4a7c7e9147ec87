"""`report`: the measurement of a journey or a campaign, by plan over the lake at a stated position of the log.

A report is a function of its basis: one version of each lake table, the definitions in force at one position of the
log, one moment. It states them, and `again` makes it anew from them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import msgspec
import polars as pl

from einklang.app.apply import in_force_until
from einklang.app.definitions import Definitions
from einklang.app.ports import Reader
from einklang.flow.compile import Journey
from einklang.kernel.errors import InputError, NotFound
from einklang.kernel.time import format_moment, parse_moment
from einklang.measure import Basis, Report
from einklang.measure import report as measured

_CLICKS = ("Message Clicked", "Email Link Clicked")
_MEND = "give it one: goal: {event: Order Completed, within: 14d, value: revenue}"

_TABLES = ("assignments", "outcomes", "messages", "persons", "events")


class Lake(Protocol):
    """The columns of the log, with their versions."""

    def version(self, table: str) -> int | None: ...
    def reached(self, table: str, version: int | None = None) -> int: ...
    def scan(self, table: str, version: int | None = None) -> pl.LazyFrame: ...


def _title(doc: dict[str, Any]) -> str | dict[str, str]:
    """What it is called, in each language that the definition has; else its id."""
    title = doc.get("title")
    if isinstance(title, dict):
        return {str(language): str(text) for language, text in title.items()} or str(doc["id"])
    return str(title or doc["id"])


def _spoken(title: str | dict[str, str], language: str) -> str:
    if isinstance(title, str):
        return title
    return title.get(language) or next(iter(title.values()))


def _measured(definitions: Definitions, name: str) -> tuple[str, list[Journey]]:
    """Its kind, and the journeys that are measured, itself first. Raises NotFound, InputError `no_goal`."""
    journey = definitions.journeys.get(name)
    if journey is not None:
        kind, found = "journey", [journey]
    elif name in definitions.campaigns:
        kind = "campaign"
        found = [definitions.journeys[key] for key in sorted(definitions.journeys)]
        found = [each for each in found if each.campaign == name and each.goal is not None]
    else:
        known = ", ".join(sorted({*definitions.journeys, *definitions.campaigns})) or "none"
        raise NotFound("unknown_journey", f"no journey or campaign {name[:60]!r}", mend=f"known: {known}")
    if not found or found[0].goal is None:
        what = f"journey {name} has no goal" if journey else f"no journey of campaign {name} has a goal"
        raise InputError("no_goal", what, mend=_MEND)
    return kind, found


def basis_now(reader: Reader, lake: Lake, now: int) -> Basis:
    """What a report of the moment `now` (microseconds) speaks of.

    The events first: what was decided up to them is shipped before them.
    """
    ((stamp,),) = reader.read("definitions_stamp")
    found = {table: lake.version(table) for table in reversed(_TABLES)}
    return Basis(format_moment(now), stamp or 0, {table: at for table, at in found.items() if at is not None})


class _At:
    """The lake at a basis; a table that did not exist is empty."""

    def __init__(self, lake: Lake, basis: Basis) -> None:
        self._lake, self._versions = lake, basis.lake

    def scan(self, table: str) -> pl.LazyFrame:
        """One table."""
        version = self._versions.get(table)
        return self._lake.scan(table, version) if version is not None else self._lake.scan(table).limit(0)

    def position(self) -> int:
        """The last entry of the log that it holds."""
        version = self._versions.get("events")
        return self._lake.reached("events", version) if version is not None else 0


def report(reader: Reader, lake: Lake, name: str, *, now: int, again: Basis | None = None) -> Report:
    """The report of a journey or campaign at the clock `now` (microseconds), or again from the basis of an earlier one.

    Raises NotFound (`lake_version_gone` too), InputError `no_goal`.

    A journey of a campaign is measured together with its other journeys, in its own window; a campaign in the
    shortest window of its journeys, which all of them fill.
    """
    basis = again or basis_now(reader, lake, now)
    definitions, at = in_force_until(reader, basis.definitions), _At(lake, basis)
    kind, found = _measured(definitions, name)
    goals = [journey.goal for journey in found if journey.goal is not None]
    scope = found[0].scope
    told = measured(
        at.scan("assignments").filter(pl.col("scope") == scope).collect(),
        at.scan("outcomes").filter(pl.col("scope") == scope).collect(),
        _contacts(definitions, at, scope),
        at.scan("persons").collect(),
        journey=name,
        scope=scope,
        window_us=min(goal.within_us for goal in goals),
        now=parse_moment(basis.clock),
        title=_title(definitions.docs[kind, name][0]),
        currency=definitions.policy.currency,
        position=at.position(),
        metric="value" if any(goal.value is not None for goal in goals) else "reached",
    )
    return msgspec.structs.replace(told, basis=basis)


def _contacts(definitions: Definitions, lake: _At, scope: str) -> pl.DataFrame:
    """Marketing messages of the scope's journeys that were handed over: person, contacted_at, responded (clicked)."""
    marketing = [key for key, message in definitions.messages.items() if message.class_ == "marketing"]
    journeys = [key for key, journey in definitions.journeys.items() if journey.scope == scope]
    sent = (pl.col("status") == "sent") & pl.col("journey").is_in(journeys) & pl.col("message").is_in(marketing)
    messages = lake.scan("messages").filter(sent).collect()
    clicks = lake.scan("events").filter(pl.col("name").is_in(_CLICKS) & ~pl.col("machine")).select("properties")
    keys = clicks.collect().select(pl.col("properties").str.json_path_match("$.message_id").alias("key"))["key"]
    return messages.select(
        pl.col("person_id").alias("person"),
        pl.col("clock").alias("contacted_at"),
        pl.col("key").is_in(keys.drop_nulls().unique().to_list()).alias("responded"),
    )


# --- in words -----------------------------------------------------------------------------------------------------

_TEXTS = {
    "up": {
        "en": "The contacts brought {estimate} more per customer (95 % interval {low} to {high}, p {p}).",
        "de": "Die Kontakte brachten je Kunde {estimate} mehr (95-%-Intervall {low} bis {high}, p {p}).",
    },
    "down": {
        "en": "The contacts cost {estimate} per customer (95 % interval {low} to {high}, p {p}).",
        "de": "Die Kontakte kosteten je Kunde {estimate} (95-%-Intervall {low} bis {high}, p {p}).",
    },
    "smaller_than": {
        "en": "No effect is shown; if there is one, it is smaller than {bound} per customer.",
        "de": "Ein Effekt ist nicht belegt; falls es einen gibt, ist er kleiner als {bound} je Kunde.",
    },
    "few": {
        "en": "No statement yet: the smaller group has {buyers} buyers, {needed} are needed.",
        "de": "Noch keine Aussage: Die kleinere Gruppe hat {buyers} Käufer, nötig sind {needed}.",
    },
    "alarm": {
        "en": "No statement: the two groups cannot be compared.",
        "de": "Keine Aussage: Die beiden Gruppen sind nicht vergleichbar.",
    },
    "nothing": {
        "en": "No statement yet: there is nothing to compare.",
        "de": "Noch keine Aussage: Es gibt nichts zu vergleichen.",
    },
}


def sentence(found: Report, language: str = "en") -> str:
    """What the report says, in one sentence. language: `de` or `en`."""
    effect, gate = found.effect, found.gate
    case: str = found.verdict
    if case == "no_statement_yet":
        withheld = any(note.level == "alarm" for note in found.warnings)
        case = "alarm" if withheld else "few" if gate.buyers_smallest < gate.buyers_needed else "nothing"
    values = {"buyers": str(gate.buyers_smallest), "needed": str(gate.buyers_needed)}
    if effect.estimate is not None and effect.ci is not None and effect.p is not None:
        size = abs(effect.estimate) if case == "down" else effect.estimate
        low, high = (-effect.ci[1], -effect.ci[0]) if case == "down" else effect.ci
        values |= {"estimate": amount(found, size, language), "p": _number(effect.p, language, 3)}
        values |= {"low": amount(found, low, language), "high": amount(found, high, language)}
    if found.verdict_bound is not None:
        values["bound"] = amount(found, found.verdict_bound, language)
    return _TEXTS[case][language].format(**values)


def amount(found: Report, value: float, language: str) -> str:
    """An effect with its unit: money, or percentage points where the goal has no value."""
    if found.metric == "reached":
        return _number(100 * value, language, 2) + {"en": " percentage points", "de": " Prozentpunkte"}[language]
    return _number(value, language, 2) + (f" {found.currency}" if found.currency else "")


def _number(value: Any, language: str, places: int) -> str:
    text = f"{value:,.{places}f}"
    return text if language == "en" else text.translate(str.maketrans(",.", ".,"))


def text(found: Report) -> str:
    """The report for people, in English: the sentence, both groups, the effect, what to know."""
    return "\n".join(_lines(found))


def _versions(found: Report) -> str:
    if found.basis is None:
        return ""
    tables = ", ".join(f"{table} {version}" for table, version in sorted(found.basis.lake.items()))
    return f"; lake: {tables or 'empty'}; {found.basis.clock}"


def _lines(found: Report) -> Iterator[str]:
    yield f"{_spoken(found.title, 'en')} ({found.journey}), {found.window_days:g} days from the decision, both groups"
    yield sentence(found)
    yield ""
    yield f"{'':<10}{'customers':>10}{'buyers':>8}{'revenue':>16}{'per customer':>14}"
    for arm, figures in (("contact", found.arms.treated), ("control", found.arms.control)):
        mean = "-" if figures.mean is None else _number(figures.mean, "en", 2)
        revenue = _number(figures.revenue, "en", 2)
        yield f"{arm:<10}{figures.n:>10,}{figures.buyers:>8,}{revenue:>16}{mean:>14}"
    yield ""
    effect, extra = found.effect, found.incremental
    if effect.estimate is not None and effect.ci is not None:
        low, high = (amount(found, end, "en") for end in effect.ci)
        p = "-" if effect.p is None else _number(effect.p, "en", 3)
        yield f"effect per customer: {amount(found, effect.estimate, 'en')} (95 % {low} to {high}; p {p})"
    if extra.estimate is not None and extra.ci is not None and found.metric == "value":
        low, high = (amount(found, end, "en") for end in extra.ci)
        yield f"extra revenue so far: {amount(found, extra.estimate, 'en')} (95 % {low} to {high})"
    ratio = found.sample_ratio
    yield f"sample ratio: {'ok' if ratio.ok else 'ALARM'}"
    out = found.excluded
    yield f"left out: {out.immature} whose window is not over, {out.contaminated} in two groups after a merge"
    yield f"position of the log: {found.position}{_versions(found)}"
    for note in found.warnings:
        yield f"{note.level}: {note.text['en']}"
