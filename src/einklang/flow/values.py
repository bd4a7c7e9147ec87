"""Value fields (language.md 1.2): literal, unless a text begins with `=`; also inside lists and maps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from einklang.expr import Condition, View, as_json

Compile = Callable[[str, str, str], Condition]
"""(text, site, where) -> condition. Sites are the keys of `expr.types.SITES`."""


def compile_value(value: Any, site: str, where: str, compile_text: Compile) -> Any:
    """The value with each expression text replaced by its `Condition`.

    `'="= text"'` is a literal with a leading `=`.
    """
    if isinstance(value, str) and value.startswith("="):
        return compile_text(value[1:], site, where)
    if isinstance(value, list):
        return [compile_value(item, site, f"{where}[{n}]", compile_text) for n, item in enumerate(value)]
    if isinstance(value, dict):
        return {key: compile_value(item, site, f"{where}.{key}", compile_text) for key, item in value.items()}
    return value


def conditions(value: Any) -> Iterator[Condition]:
    """The expressions of a compiled value."""
    if isinstance(value, Condition):
        yield value
    elif isinstance(value, list | dict):
        for item in value.values() if isinstance(value, dict) else value:
            yield from conditions(item)


def work_out(value: Any, view: View, *, stored: bool = False) -> Any:
    """The compiled value at one moment. stored: as JSON, where moments, days and durations are text (traits)."""
    if isinstance(value, Condition):
        found = value.value(view)
        return as_json(found, value.checked.type) if stored else found
    if isinstance(value, list):
        return [work_out(item, view, stored=stored) for item in value]
    if isinstance(value, dict):
        return {key: work_out(item, view, stored=stored) for key, item in value.items()}
    return value
