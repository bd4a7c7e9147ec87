"""Appending what the engine says to the log, inside a transaction that looks at or changes something else too."""

from __future__ import annotations

from einklang.app.ports import Tx
from einklang.event import EngineCall, body_of


def append_within(tx: Tx, kind: str, calls: list[EngineCall], now: int, source: str = "einklang") -> None:
    """Append engine calls to the tail. now: microseconds, the moment at which they were received."""
    first = tx.read("counter_value", "position")[0][0] + 1
    tx.write("tail_append", [(first, len(calls), now, source, kind, body_of(calls))])
    tx.write("counter_add", [("position", len(calls)), ("accepted", len(calls))])
