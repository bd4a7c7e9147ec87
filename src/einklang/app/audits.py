"""Entries of the log that say what was done with the data of many people (type `audit`): who, what, when, how many, for
what purpose. `Segment Exported` is a row in the list of exports; other names are kept in the log alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from einklang.app.appending import append_within
from einklang.app.ports import Book, Tx
from einklang.app.working import to_json
from einklang.event import AUDIT, EngineCall, Event

if TYPE_CHECKING:
    from einklang.app.state import State

EXPORTED = "Segment Exported"
FETCHED = "Export Fetched"


def record_within(tx: Tx, name: str, said: dict[str, Any], now: int) -> None:
    """Append an entry within a transaction; as definitions, it waits for nothing."""
    call = EngineCall(type=AUDIT, event=name, properties=said, at=now, origin=1)
    call.messageId = f"{AUDIT}-{tx.read('counter_value', 'position')[0][0] + 1}"
    append_within(tx, "definition", [call], now)


def record(book: Book, name: str, said: dict[str, Any], now: int) -> None:
    """Append an entry, durably."""
    book.transact(lambda tx: record_within(tx, name, said, now))


def told(state: State, event: Event) -> None:
    """Fold an entry: an export is a row in their list."""
    said = event.properties
    if event.name != EXPORTED:
        return
    texts = [str(said.get(name, "")) for name in ("segment", "destination", "actor", "purpose", "format")]
    state.out.add(
        "export_put", event.seq, event.clock, *texts, to_json(said.get("columns", {})), int(said.get("persons", 0)),
        to_json(said.get("left_out", {})), str(said.get("hash", "")), str(said.get("file", "")),
    )  # fmt: skip
