"""`why`: every verdict with its reason; for a person who never entered, the entry rule as a tree with values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from einklang.app.find import load
from einklang.app.ports import Reader
from einklang.app.reason_texts import text_of, word_of
from einklang.app.state import State
from einklang.app.view import PersonView
from einklang.app.working import Live
from einklang.expr import explain
from einklang.flow import entry as entries
from einklang.flow.compile import Journey
from einklang.kernel import time
from einklang.kernel.errors import NotFound

_FIELDS = ("n", "seq", "clock", "run", "journey", "step", "message", "channel", "verdict", "reason", "until", "detail")


def verdicts(reader: Reader, live: Live, journey: str | None, message: str | None) -> list[dict[str, Any]]:
    """The verdict rows of a person, oldest first."""
    found = []
    for row in reader.read("verdicts_of", live.lane, live.person.id):
        verdict = dict(zip(_FIELDS, row, strict=True))
        verdict["verdict"] = word_of(verdict["verdict"])
        if (journey and verdict["journey"] != journey) or (message and verdict["message"] != message):
            continue
        verdict["clock"] = time.format_moment(verdict["clock"])
        verdict["until"] = None if verdict["until"] is None else time.format_moment(verdict["until"])
        found.append(verdict)
    return found


def _entry(state: State, live: Live, journey: Journey) -> dict[str, Any]:
    """How the entry rule of a journey stands for this person, with the newest candidate event."""
    runs = [run for run in live.runs if run.journey == journey.id]
    candidates = live.named(tuple(sorted(journey.events)))
    answer: dict[str, Any] = {
        "journey": journey.id,
        "entered": bool(runs),
        "events": sorted(journey.events),
        "candidates": len(candidates),
        "rule": None,
        "reason": None,
    }
    if runs:
        return answer
    if not candidates:
        answer["reason"] = "no_event"
        answer["rule"] = {
            "text": f"event {' or '.join(sorted(journey.events))}",
            "value": None,
            "held": False,
            "children": [],
        }
        return answer
    event = candidates[-1]
    view: PersonView = state.view(live)
    view.now, view.event = max(event.clock, event.at), event
    view.entry = entries.begin(event, None)
    key = entries.candidate_key(journey, view)
    view.entry = entries.begin(event, key)
    checked = state.definitions.checked.get(f"entry:{journey.id}")
    if checked is not None:
        answer["rule"] = msgspec.to_builtins(explain(checked, view), enc_hook=str)
        if journey.where is not None and not journey.where.holds(view):
            answer["reason"] = "where"
            return answer
    refused = entries.refusal(journey, event, key, runs, view.now, live=False)
    answer["reason"] = str(refused) if refused is not None else "came_before_the_journey"
    return answer


def why(reader: Reader, state: State, person: str, *, journey: str | None, message: str | None) -> dict[str, Any]:
    """All verdicts of a person, and what never happened: with a journey how its entry rule stands, else (`entries`) how
    it stands for each journey, with that message if one is asked for, that the person never entered. Raises NotFound.

    An event for which `where` does not hold leaves no row: the journey is not about it, and a row for each such event
    in each journey would say less than the rule with its values.
    """
    state.read_from(reader)
    live = load(reader, person)
    answer: dict[str, Any] = {"person_id": live.person.id, "verdicts": verdicts(reader, live, journey, message)}
    if journey is not None:
        found = state.definitions.journeys.get(journey)
        if found is None:
            known = ", ".join(sorted(state.definitions.journeys)) or "none"
            raise NotFound("unknown_journey", f"no journey {journey[:60]!r}", mend=f"known: {known}")
        answer["entry"] = _entry(state, live, found)
        return answer
    asked = [
        found
        for _, found in sorted(state.definitions.journeys.items())
        if message is None or any(step.message == message for step in found.steps.values())
    ]
    stands = [_entry(state, live, found) for found in asked]
    answer["entries"] = [entry for entry in stands if not entry["entered"]]
    return answer


def text(found: dict[str, Any]) -> str:
    """The answer for people: a line a verdict, the entry rule as a tree with its values."""
    out = [f"person {found['person_id']}", *(_verdict_line(verdict) for verdict in found["verdicts"])]
    if not found["verdicts"]:
        out.append("no verdicts")
    entry = found.get("entry")
    if entry is not None:
        out += ["", *_entry_lines(entry)]
    never = [next(_entry_lines(entry)) for entry in found.get("entries", ())]
    if never:
        out += ["", *never, "`--journey ID` shows its rule with values"]
    return "\n".join(out)


def _verdict_line(verdict: dict[str, Any]) -> str:
    place = "/".join(verdict[name] for name in ("journey", "step") if verdict[name])
    what = " ".join(verdict[name] for name in ("message", "channel") if verdict[name])
    words = text_of(verdict["verdict"], verdict["reason"])
    said = f"{verdict['verdict']} ({verdict['reason']})" if verdict["reason"] else verdict["verdict"]
    parts = [verdict["clock"], place, what, said]
    line = "  ".join(part for part in parts if part) + (f": {words['en']}" if words is not None else "")
    line += f" Until {verdict['until']}." if verdict["until"] else ""
    return line + (f" [{verdict['detail']}]" if verdict["detail"] else "")


def _entry_lines(entry: dict[str, Any]) -> Iterator[str]:
    if entry["entered"]:
        yield f"journey {entry['journey']}: entered"
        return
    events = " or ".join(entry["events"])
    yield f"journey {entry['journey']}: never entered ({entry['reason']}); {entry['candidates']} events {events}"
    if entry["rule"] is not None:
        yield from _tree_lines(entry["rule"], "")


def _tree_lines(node: dict[str, Any], indent: str) -> Iterator[str]:
    note = f" ({node['note']})" if "note" in node else ""
    if node["held"] is None:
        shown = "nothing" if node["value"] is None else str(node["value"])
        yield f"{indent}  {node['text']} = {shown}{note}"
    else:
        yield f"{indent}{'yes' if node['held'] else 'no'}: {node['text']}{note}"
    for child in node["children"]:
        yield from _tree_lines(child, indent + "  ")
