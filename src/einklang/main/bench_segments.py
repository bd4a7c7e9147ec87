"""Segments of everybody: a plan of ours against DuckDB SQL written by hand, many together, and row by row.

The lake lies as the shipper leaves it, a year of events of N persons, 20 each. Times are processor seconds of this
process (all its threads): they say the same on a busy machine.
"""

from __future__ import annotations

import time as system
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pyarrow as pa

from einklang.app.estimates import EVENTS_MAX
from einklang.expr import Catalog, Checked, Crowd, EventShape, Scope, check_condition, compile_one, compile_sql, type_of
from einklang.kernel import time
from einklang.main import bench_estimates, bench_live
from einklang.main import bench_events as year
from einklang.store.lake import DuckEngine, Lake, put_crowd

PERSONS = 50_000
TOGETHER = 100
ALONE = 500
_APPEND_ROWS = 200_000
NOW = year.START + year.YEAR
_NAMES = ("Page Viewed", "Product Viewed", "Product Added", "Order Completed", "Email Link Clicked")
_SHARES = (0.42, 0.33, 0.12, 0.08, 0.05)
_GOODS = ("shoes", "coats", "books", "coffee machines", "garden", "toys", "tools", "bags")

EXAMPLE = (
    'trait.address.country == "DE" && events("Order Completed").within("365d")'
    '.where(products.exists(p, p.category == "shoes")).count() >= 2'
    ' && !events("Order Completed").within("90d").exists() && consent("email", "marketing")'
)
BY_HAND = f"""
    WITH orders AS (
        SELECT person_id,
               count(*) FILTER (
                   WHERE list_contains(json_extract_string(properties, '$.products[*].category'), 'shoes')) AS shoes,
               count(*) FILTER (WHERE e.at > make_timestamptz({NOW - 90 * time.DAY})) AS recent
        FROM lake_events AS e
        WHERE name = 'Order Completed' AND type = 'track' AND NOT machine
          AND e.at > make_timestamptz({NOW - 365 * time.DAY}) AND e.at <= make_timestamptz({NOW})
        GROUP BY person_id)
    SELECT p.person_id
    FROM ek_persons AS p JOIN orders AS o ON o.person_id = p.person_id
         JOIN ek_traits AS t ON t.person_id = p.person_id AND t.name = 'address'
    WHERE o.shoes >= 2 AND o.recent = 0 AND json_extract_string(t.value, '$.country') = 'DE'
      AND EXISTS (SELECT 1 FROM ek_consents AS c WHERE c.person_id = p.person_id
                                                   AND c.channel = 'email' AND c.purpose = 'marketing')
"""
SCOPE = Scope(
    "segment.where",
    Catalog(events={name: EventShape(properties={"revenue": type_of("number")}) for name in _NAMES}),
)


def segments(folder: Path, persons: int = PERSONS) -> dict[str, Any]:
    """Processor seconds, medians, and their ratios."""
    lake = laid(folder, persons)
    with DuckEngine() as engine:
        put_crowd(engine, crowd(persons), events=False)
        engine.put_lake(lake)
        example = check_condition(EXAMPLE, SCOPE)
        hundred = [(f"s{at}", check_condition(text, SCOPE)) for at, text in enumerate(many(TOGETHER))]
        ours, members = _timed(lambda: _ask(engine, [("example", example)]))
        by_hand, told = _timed(lambda: engine.connection.sql(BY_HAND).to_arrow_table().num_rows)
        assert members == [told], (members, told)
        together, counts = _timed(lambda: _ask(engine, hundred))
        alone = _alone(engine, example, persons)
    return {
        "estimate_ms": estimate_ms(),
        "persons": persons,
        "events": persons * year.EVENTS_PER_PERSON,
        "members": told,
        "cpu_s": {
            "example": round(ours, 3),
            "by hand": round(by_hand, 3),
            f"{TOGETHER} together": round(together, 3),
            "row by row, of all": round(alone, 2),
        },
        "ratios": {
            "example / by hand": round(ours / by_hand, 2),
            f"{TOGETHER} together / example": round(together / ours, 1),
            "row by row / example": round(alone / ours, 1),
        },
        "members_of_100": {"min": min(counts), "median": int(median(counts)), "max": max(counts)},
        "live": bench_live.live(folder / "live", many(TOGETHER)),
    }


def laid(folder: Path, persons: int) -> Lake:
    """The lake of a year of events of these persons."""
    lake = Lake(folder / "lake")
    for start in range(0, persons * year.EVENTS_PER_PERSON, _APPEND_ROWS):
        year.append(lake, made(start, min(_APPEND_ROWS, persons * year.EVENTS_PER_PERSON - start), persons))
    while lake.compact("events"):
        pass
    return lake


def estimate_ms() -> dict[str, float]:
    """Estimates while typing: rules of two parts that nobody asked before."""
    people = EVENTS_MAX // year.EVENTS_PER_PERSON
    rows = pl.from_arrow(made(0, EVENTS_MAX, people))
    assert isinstance(rows, pl.DataFrame)
    rows = rows.with_columns(at=pl.col("at").dt.epoch("us"))
    texts = [
        f"{EXAMPLE.replace('365d', f'{300 + n}d')} && {text}" for n, text in enumerate(many(bench_estimates.STEPS))
    ]
    return bench_estimates.typing(rows, texts, NOW)


def many(count: int) -> list[str]:
    """Segments as people write them: windows, counts, sums, lists of goods, sequences, the latest."""
    forms: tuple[Callable[[int], str], ...] = (
        lambda n: f'events("Product Viewed").within("{7 + n}d").count() >= {1 + n % 4}',
        lambda n: f'events("Order Completed").within("{30 + 3 * n}d").sum(revenue) > {100 + 10 * n}',
        lambda n: f'!events("Page Viewed").within("{5 + n}d").exists() && trait.address.country == "{_country(n)}"',
        lambda n: f'events("Product Added").within("{10 + n}d").where(category == "{_GOODS[n % 8]}").exists()',
        lambda n: f'events("Email Link Clicked").within("{20 + n}d").exists() && consent("email", "marketing")',
        lambda n: f'events("Product Viewed").where(category == "{_GOODS[n % 8]}").last(event.at)'
        f' > now - duration("{9 + n}d")',
        lambda n: f'events("Order Completed").where(products.exists(p, p.category == "{_GOODS[n % 8]}")).count() > 1',
        lambda n: f'events("Product Added").within("{60 + n}d").count() > events("Order Completed").count() + {n % 3}',
        lambda n: f'events("Order Completed").within("{200 + n}d").avg(revenue) > {40 + n}',
        lambda n: f'events("Order Completed").within("{90 + n}d").each(products)'
        f'.where(category == "{_GOODS[n % 8]}").sum(price * quantity) > {20 + n}',
    )  # fmt: skip
    return [forms[at % len(forms)](at // len(forms)) for at in range(count)]


def _country(n: int) -> str:
    return ("DE", "AT", "CH")[n % 3]


def _ask(engine: DuckEngine, conditions: Sequence[tuple[str, Checked]]) -> list[int]:
    plan = compile_sql(conditions, "duckdb", NOW)
    found = engine.run(plan)
    return [int(found[column].sum()) for column in plan.columns.values()]


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Median processor seconds, and what was found."""
    found = work()
    return median(year.cpu_s(work) for _ in range(year.ROUNDS)), found


def made(start: int, count: int, persons: int) -> pa.Table:
    """Rows `start` to `start + count` of the year: time goes on, persons come at random."""
    draw = year.drawing(start)
    kind = draw.choice(len(_NAMES), count, p=_SHARES)
    goods = draw.integers(0, 10**6, count)
    frame = pl.DataFrame({"person": draw.integers(0, persons, count), "kind": kind, "goods": goods})
    number, good = pl.col("goods"), pl.col("goods") % len(_GOODS)
    named = dict(enumerate(_GOODS))
    category = good.replace_strict(named, return_dtype=pl.String)
    other = ((number // 8) % len(_GOODS)).replace_strict(named, return_dtype=pl.String)
    line = '{{"product_id":"sku-{}","category":"{}","price":{}.{},"quantity":{}}}'
    first = pl.format(line, number, category, number % 199, number % 90 + 10, number % 5 + 1)
    second = pl.format(line, number + 1, other, number % 99, number % 80 + 10, number % 3 + 1)
    order = pl.format(
        '{{"order_id":"o-{}","revenue":{}.{},"products":[{},{}]}}',
        number,
        number % 399,
        number % 90 + 10,
        first,
        second,
    )
    viewed = pl.format('{{"product_id":"sku-{}","category":"{}","path":"/p/{}"}}', number, category, number % 977)
    told = frame.with_row_index("n", offset=start + 1).select(
        year.message_id(pl.col("n").cast(pl.Int64)).alias("message_id"),
        year.person_id(pl.col("person")).alias("person_id"),
        pl.col("kind").replace_strict(dict(enumerate(_NAMES)), return_dtype=pl.String).alias("name"),
        pl.when(pl.col("kind") == 3).then(order).otherwise(viewed).alias("properties"),
    )
    return year.table(start, persons * year.EVENTS_PER_PERSON, told, {})


def crowd(persons: int) -> Crowd:
    """What is known of the persons besides their events."""
    numbers = pl.DataFrame({"n": np.arange(persons)})
    ids = numbers.select(person_id=year.person_id(pl.col("n")))
    country = (pl.col("n") % 3).replace_strict({0: "DE", 1: "AT", 2: "CH"}, return_dtype=pl.String)
    traits = numbers.select(
        person_id=year.person_id(pl.col("n")),
        name=pl.lit("address"),
        value=pl.format('{{"city":"c{}","country":"{}"}}', pl.col("n") % 500, country),
        at=pl.lit(year.START),
    )
    consents = numbers.filter(pl.col("n") % 5 < 3).select(
        person_id=year.person_id(pl.col("n")), channel=pl.lit("email"), purpose=pl.lit("marketing")
    )
    nobody = pl.DataFrame(schema={"person_id": pl.String, "segment": pl.String})
    return Crowd(ids.with_columns(zone=pl.lit("Europe/Berlin")), pl.DataFrame(), traits, consents, nobody)


@dataclass
class _Row:
    """An event as an object."""

    name: str
    at: int
    properties: dict[str, Any]
    machine: bool


@dataclass
class _One:
    """A person as an object, as much of `View` as the example asks."""

    now: int
    traits: dict[str, Any]
    events: list[_Row]
    consents: set[tuple[str, str]] = field(default_factory=set)
    zone: str = "Europe/Berlin"

    def trait(self, name: str) -> Any:
        return self.traits.get(name)

    def history(self, names: tuple[str, ...]) -> list[_Row]:
        return [event for event in self.events if event.name in names]

    def consent(self, channel: str, purpose: str) -> bool:
        return (channel, purpose) in self.consents


def _alone(engine: DuckEngine, example: Checked, persons: int) -> float:
    """Processor seconds for all persons, one after the other as objects out of rows; measured on some of them."""
    asked = compile_one(example)
    columns = ", ".join(f"e.{name}" for name in ("person_id", "name", "at", "properties", "machine"))
    rows = engine.connection.sql(f"SELECT {columns} FROM ek_events AS e ORDER BY e.person_id, e.at")
    some = sorted(engine.connection.sql("SELECT person_id FROM ek_persons").pl()["person_id"])[:ALONE]
    loaded: dict[str, list[tuple[Any, ...]]] = {person: [] for person in some}
    for row in rows.filter(f"person_id <= '{some[-1]}'").fetchall():
        loaded[row[0]].append(row[1:])
    decode = msgspec.json.decode
    began = system.process_time()
    for person in some:
        events = [_Row(name, at, decode(text), machine) for name, at, text, machine in loaded[person]]
        view: Any = _One(NOW, {"address": {"country": "DE"}}, events, {("email", "marketing")})
        asked.holds(view)
    return (system.process_time() - began) / len(some) * persons
