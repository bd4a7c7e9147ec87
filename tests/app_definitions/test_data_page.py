"""The examples of docs/data.md apply as they stand, together."""

from __future__ import annotations

import re
from pathlib import Path

from einklang.app.definitions import compile_all, merge
from einklang.app.yaml import parse_text
from einklang.kernel.time import DAY

PAGE = Path(__file__).resolve().parents[2] / "docs" / "data.md"
BLOCK = re.compile(r"```yaml\n(.*?)```", re.DOTALL)


def test_the_examples_apply() -> None:
    """Every YAML block of the page is accepted, and what it defines is in force."""
    blocks = BLOCK.findall(PAGE.read_text("utf-8"))
    docs = [doc for block in blocks for doc in parse_text(block, "data.md")]
    found = compile_all(merge({}, docs), {})
    assert len(docs) == len(found.docs) == 12
    assert found.objects["loan"].owner == "household"
    assert set(found.trait_rules) == {"customer_since", "favourite_branch", "bonus", "phone_of_record"}
    assert found.keeps == {"Page Viewed": 400 * DAY}
    assert (list(found.computed), list(found.schemas)) == (["spent"], ["Order Completed"])
