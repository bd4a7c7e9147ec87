"""Entries that change the rules rather than a person: applied definitions and rows of catalogs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec

from einklang.app import backfill, concerns, lookups, traits
from einklang.app.definitions import Definitions, Docs, compile_all
from einklang.app.sweep import Sweep
from einklang.app.working import from_json, to_json
from einklang.event import Event
from einklang.kernel import ids

if TYPE_CHECKING:
    from einklang.app.state import State

#: Fields of a journey whose change makes a new version (language.md 3.8).
GRAPH = ("entry", "exit", "goal", "control", "steps", "campaign")
#: Kinds whose change was held to change what holds for anybody, until the fold compared.
_FOR_ALL = ("segment", "policy", "trait", "purpose", "object", "score", "stage")


def stored_docs(rows: list[tuple[Any, ...]]) -> tuple[Docs, dict[tuple[str, str], int]]:
    """Active definition rows (kind, id, version, body) as documents and versions."""
    docs: Docs = {}
    versions = {}
    for kind, name, version, body in rows:
        docs[kind, name] = (from_json(body), f"{kind} {name}")
        versions[kind, name] = version
    return docs, versions


def next_version(kind: str, before: dict[str, Any] | None, version: int, after: dict[str, Any]) -> int:
    """The version of a changed definition: of a journey it moves only with its graph."""
    if before is None:
        return version + 1
    if kind == "journey" and all(before.get(field) == after.get(field) for field in GRAPH):
        return version
    return version + 1


def change_definitions(state: State, event: Event) -> None:
    """Put applied definitions in force at this moment; then who is concerned is looked at under them."""
    docs, versions = dict(state.definitions.docs), dict(state.definitions.versions)
    for change in event.properties["changes"]:
        key = (change["kind"], change["id"])
        docs[key] = (change["body"], f"{key[0]} {key[1]}")
        versions[key] = change["version"]
        body = to_json(change["body"])
        state.out.add("definition_put", *key, change["version"], body, ids.content_hash(body.encode()), event.position)
        state.out.add("definition_retire", *key, change["version"])
        for row in change["body"].get("rows", []) if key[0] == "catalog" else []:
            name = change["body"]["key"]
            _put(state, key[1], str(row.get(name)), row)
    paused = {name for name, journey in state.definitions.journeys.items() if journey.state == "paused"}
    before, after, changes = state.definitions, compile_all(docs, versions), event.properties["changes"]
    concern = _concerns(state, before, after, changes)
    beside = bool(event.properties.get("beside")) and not concern.at_once
    working = state.build is not None and state.fold >= concerns.SINCE
    told = backfill.told(state, changes if beside or working else (), before)
    if (concern.everybody and not beside) or not backfill.fits(state, told, docs, versions):
        # everybody is looked at under what is in force now
        state.build, beside = None, False
        concern = replace(concern, at_once=True)
    elif working and state.build is not None:
        state.build = msgspec.structs.replace(state.build, told=told)
    state.take(after)
    resumed = {name for name in paused if state.definitions.journeys[name].state != "paused"}
    if state.fold >= 2:
        _note_pauses(state, event, paused, resumed)
    again = event.message_id if after.identity != before.identity else ""
    index = after.objects != before.objects
    if beside and (concern.segments or concern.stages):
        backfill.begin(state, told, concern.segments, concern.stages)
    retell = after.trait_rules != before.trait_rules
    if resumed or concern.at_once or concern.journeys or concern.held or again or index or retell:
        journeys = tuple(sorted(resumed.union(concern.journeys)))
        state.sweep = Sweep(
            concern.at_once,
            journeys,
            retell=retell,
            kinds=again,
            index=index,
            held=concern.held and not concern.at_once,
            traits=traits.certain(before.trait_rules, after.trait_rules),
        )


def _concerns(
    state: State, before: Definitions, after: Definitions, changes: Sequence[dict[str, Any]]
) -> concerns.Concerns:
    """Whom the changes concern; before it was looked at closely, some kinds concerned everybody."""
    if state.fold >= concerns.SINCE:
        return concerns.concerns(before, after, changes, state.fold)
    segments = frozenset(change["id"] for change in changes if change["kind"] == "segment")
    return concerns.Concerns(segments, any(change["kind"] in _FOR_ALL[1:] for change in changes), (), False)


def _note_pauses(state: State, event: Event, paused: set[str], resumed: set[str]) -> None:
    """From when to when journeys are paused. paused: those that were until now."""
    for name in sorted(resumed):
        state.resumed(name, event.clock)
    for name, journey in sorted(state.definitions.journeys.items()):
        if journey.state == "paused" and name not in paused:
            state.paused(name, event.clock)


def put_row(state: State, event: Event) -> None:
    """A row of a catalog, by import or API: `name` is the catalog, `properties` the row."""
    key = event.properties.get("key")
    row = {name: value for name, value in event.properties.items() if name != "key"}
    _put(state, event.name, str(key), row)


def _put(state: State, catalog: str, key: str, row: dict[str, Any]) -> None:
    state.catalogs.put(catalog, key, row)
    state.out.add("catalog_put", catalog, key, to_json(row))
    lookups.came(state, catalog)
