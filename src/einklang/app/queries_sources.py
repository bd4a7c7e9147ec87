"""What came in from whom lately: counted from the lake and from what the log holds beyond it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import polars as pl

from einklang.app.answers import shown
from einklang.app.ports import Reader
from einklang.app.queries_log import Columns
from einklang.event import SERVER
from einklang.kernel.time import HOUR

HOURS = 24
_PAGE = 20_000


class Arrivals(msgspec.Struct):
    """What came from a source in the last 24 hours.

    source: as the log names it, without the word that tells a server's key. hours: how many in each, the oldest first.
    names: the most frequent events and how many of them.
    """

    source: str
    events: int
    last_at: str | None
    hours: list[int]
    names: dict[str, int]


def arrivals(reader: Reader, lake: Columns | None, now: int) -> list[Arrivals]:
    """By source, those with most events first. What the engine itself recorded is left out."""
    found: dict[str, Arrivals] = {}
    last: dict[str, int] = {}
    since = now - HOURS * HOUR
    reached = 0
    if lake is not None:
        frame = lake.scan("events")
        reached = int(frame.select(pl.col("seq").max()).collect().item() or 0)
        at = pl.col("received_at").dt.epoch("us")
        wanted = (pl.col("origin") == 0) & (at > since) & (pl.col("seq") <= reached)
        hour = ((at - since - 1) // HOUR).clip(0, HOURS - 1)
        counted = frame.filter(wanted).group_by("source", "type", "name", hour.alias("hour"))
        for row in counted.agg(pl.len().alias("n"), at.max().alias("last")).collect().iter_rows():
            _add(found, last, *row)
    for received_at, type_, name, source in _behind(reader, reached, since):
        hour_of = min(max((received_at - since - 1) // HOUR, 0), HOURS - 1)
        _add(found, last, source, type_, name, hour_of, 1, received_at)
    for source, one in found.items():
        one.last_at = shown(last[source])
        one.names = dict(sorted(one.names.items(), key=lambda pair: (-pair[1], pair[0]))[:5])
    return sorted(found.values(), key=lambda one: (-one.events, one.source))


def _add(
    found: dict[str, Arrivals], last: dict[str, int], source: str, type_: str, name: str, hour: int, n: int, at: int
) -> None:
    called = source.removeprefix(f"{SERVER}:")
    one = found.setdefault(called, Arrivals(called, 0, None, [0] * HOURS, {}))
    one.events += n
    one.hours[hour] += n
    one.names[name or type_] = one.names.get(name or type_, 0) + n
    last[called] = max(at, last.get(called, at))


def _behind(reader: Reader, reached: int, since: int) -> Iterator[tuple[Any, ...]]:
    """(received_at, type, name, source) of what the lake does not hold yet."""
    while page := reader.read("log_page", reached, _PAGE):
        reached = page[-1][1]
        yield from ((row[4], row[7], row[8], row[10]) for row in page if row[6] == 0 and row[4] > since)
