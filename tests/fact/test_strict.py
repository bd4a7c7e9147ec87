"""Definitions are read strictly: every mistake with its path, the nearest known name and a mend."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from einklang.fact.strict import convert
from einklang.flow.definition import RawJourney
from einklang.kernel.errors import InputError

GOOD: dict[str, Any] = {"kind": "journey", "id": "a", "entry": {"event": "X"}, "steps": [{"id": "s", "wait": "1d"}]}


@pytest.mark.parametrize(
    ("change", "code", "where", "mend"),
    [
        ({"titel": "x"}, "unknown_field", "f", "did you mean 'title'?"),
        ({"xyzzy": 1}, "unknown_field", "f", "known are campaign, control"),
        ({"entry": {"evnt": "X"}}, "unknown_field", "f.entry", "did you mean 'event'?"),
        ({"steps": [{"id": "s", "wait": {"unti": "x"}}]}, "unknown_field", "f.steps[0].wait", "did you mean 'until'?"),
        ({"steps": [{"id": "s", "branch": [{"wen": "x"}]}]}, "unknown_field", "f.steps[0].branch[0]", "'when'"),
        ({"steps": [{"id": "s", "split": [{"shares": 1}]}]}, "unknown_field", "f.steps[0].split[0]", "'share'"),
        ({"goal": {"event": "X"}}, "missing_field", "f.goal", "add `within: ...`"),
        ({"priority": "high"}, "wrong_type", "f.priority", "write a whole number"),
        ({"priority": True}, "wrong_type", "f.priority", "write a whole number"),
        ({"control": "0.1"}, "wrong_type", "f.control", "without quotes"),
        ({"control": True}, "wrong_type", "f.control", "write a number such as 0.10"),
        ({"steps": {"id": "s"}}, "wrong_type", "f.steps", "write a list: [...]"),
        ({"entry": "Order Completed"}, "wrong_type", "f.entry", "write fields: {name: value}"),
        ({"exit": {"a": 3}}, "wrong_type", "f.exit[...]", "write a text, in quotes"),
        ({"entry": {"manual": "yes"}}, "wrong_type", "f.entry.manual", "write true or false"),
    ],
)
def test_mistakes_are_told_with_path_and_mend(change: dict[str, Any], code: str, where: str, mend: str) -> None:
    """The code, the path below the document, and what to write instead."""
    with pytest.raises(InputError) as caught:
        convert({**GOOD, **change}, RawJourney, "f")
    assert (caught.value.code, caught.value.where) == (code, where)
    assert mend in caught.value.mend


def test_a_list_that_is_no_mapping_is_refused() -> None:
    """Whatever stands where a definition should."""
    wrong: list[Any] = [[], "text", 3, None]
    for raw in wrong:
        with pytest.raises(InputError) as caught:
            convert(raw, RawJourney, "f")
        assert caught.value.code == "wrong_type"


def test_numbers_are_exact() -> None:
    """Whole numbers and decimals become Decimal without a detour over floats."""
    assert convert({**GOOD, "control": Decimal("0.10")}, RawJourney, "f").control == Decimal("0.10")
    assert convert({**GOOD, "control": 0}, RawJourney, "f").control == Decimal(0)
