"""Values that do not fit the declared type of their trait: in expressions they are missing, so people are told of them
(language.md 2.2 and 2.4).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import polars as pl

from einklang.app.crowds import Lake
from einklang.app.definitions import Definitions
from einklang.app.working import from_json
from einklang.expr import Type
from einklang.expr.numbers import number_of
from einklang.expr.runtime import as_bool, as_date, as_list, as_map, as_string, as_timestamp

#: Type -> how a value is read as it; None: it does not fit.
_READ: Mapping[str, Callable[[Any], Any]] = {
    "bool": as_bool,
    "string": as_string,
    "number": number_of,
    "timestamp": as_timestamp,
    "date": as_date,
    "map": as_map,
    "list": as_list,
}


def misfits(definitions: Definitions, lake: Lake) -> list[tuple[str, Type, int]]:
    """(trait, declared type, how many claims in the shipped log do not fit it), by name."""
    catalog = definitions.catalog
    wanted = {
        name: kind for name, kind in catalog.traits.items() if name not in catalog.computed and kind.kind in _READ
    }
    if not wanted:
        return []
    named = pl.any_horizontal(pl.col("properties").str.contains(f'"{name}"', literal=True) for name in wanted)
    told = lake.scan("events").filter((pl.col("type") == "identify") & named).select("properties").collect()
    found = Counter[str]()
    for (text,) in told.iter_rows():
        said = from_json(text)
        found.update(
            name
            for name in wanted.keys() & said.keys()
            if said[name] is not None and _READ[wanted[name].kind](said[name]) is None
        )
    return [(name, wanted[name], found[name]) for name in sorted(found)]
