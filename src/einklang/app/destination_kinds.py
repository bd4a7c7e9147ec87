"""The types of destinations: which parser reads what is written of each."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Mapping
from typing import Any

from einklang.app.activation_definitions import RawAudience, RawWebhook, parse_audience, parse_webhook
from einklang.app.destinations import Common, Destination, RawSync, parse_sync
from einklang.consent import Purpose
from einklang.kernel.errors import InputError

Docs = dict[tuple[str, str], tuple[dict[str, Any], str]]
#: type -> (its fields, its parser).
TYPES: dict[str, tuple[type[Common], Callable[[dict[str, Any], str], Destination]]] = {
    "file": (RawSync, parse_sync),
    "table": (RawSync, parse_sync),
    "webhook": (RawWebhook, parse_webhook),
    "audience": (RawAudience, parse_audience),
}


def destinations_of(docs: Docs, segments: Collection[str], purposes: Mapping[str, Purpose]) -> dict[str, Destination]:
    """All destinations by id, what they name known. Raises InputError."""
    found = {}
    for (kind, name), (doc, where) in sorted(docs.items()):
        if kind != "destination":
            continue
        said = str(doc.get("type", ""))
        if said not in TYPES:
            near = difflib.get_close_matches(said, TYPES, 1)
            mend = f"did you mean {near[0]!r}?" if near else "write one of: " + ", ".join(TYPES)
            raise InputError("unknown_type", f"no type {said[:40]!r}", where=f"{where}.type", mend=mend)
        made = TYPES[said][1](doc, where)
        for segment in made.segments:
            _known("segment", segment, segments, f"{where}.segment")
        _known("purpose", made.purpose, purposes, f"{where}.purpose")
        if made.type == "audience" and purposes[made.purpose].basis != "consent":
            what, mend = f"the basis of {made.purpose} is no consent", "name a purpose with `basis: consent`"
            raise InputError("no_consent_basis", what, where=f"{where}.purpose", mend=mend)
        found[name] = made
    return found


def _known(kind: str, name: str, known: Collection[str], where: str) -> None:
    if name not in known:
        near = difflib.get_close_matches(name, list(known), 1)
        mend = f"did you mean {near[0]!r}?" if near else f"declare it: {{kind: {kind}, id: ...}}"
        raise InputError(f"unknown_{kind}", f"unknown {kind} {name[:40]!r}", where=where, mend=mend)
