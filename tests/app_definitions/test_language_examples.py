"""The worked examples of the language (tests/fixtures/language): what applies, and where the rest is refused.

The numbers can only grow: what is built loses its line in `REFUSED`, and no line is added.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from einklang.app.definitions import Docs, compile_all, key_of, merge
from einklang.app.yaml import Document
from einklang.kernel.errors import InputError
from tests.app_definitions.small import docs

FOLDER = Path(__file__).resolve().parents[1] / "fixtures" / "language"
LANGUAGE = Path(__file__).resolve().parents[3] / "shared" / "language.md"
#: Documents of the tour and of part II together.
ALL = 122
#: What comes later -> the field at which it says so ("" = the kind itself), and how it is named.
REFUSED = {
    "policy default": (".capacity", "`capacity` of a policy"),
    "journey tour": (".steps[3].when", "`score(...)`"),
    "journey cart-reminder": (".steps[5].when", "`score(...)`"),
    "journey spring-letter": (".steps[7].task", "step `task`"),
    "journey fair": (".steps[8].task", "step `task`"),
    "journey renewal": (".entry.segment", "entry by segment"),
    "journey win-back": (".steps[2].voucher", "step `voucher`"),
    "journey birthday": (".steps[0].voucher", "step `voucher`"),
    "journey complaint-recovery": (".steps[2].task", "step `task`"),
    "journey lead-nurture": (".steps[1].repeat", "step `repeat`"),
    "segment likely-to-leave": (".where", "`score(...)`"),
    **{f"score {name}": (".model", "`model` of a score") for name in ("clv", "churn")},
    **{f"voucher {name}": ("", "kind `voucher`") for name in ("comeback-15", "birthday-10", "sorry-15")},
    **{f"process {name}": ("", "kind `process`") for name in ("complaint", "dunning")},
    **{f"form {name}": ("", "kind `form`") for name in ("lead-outcome", "payment-plan", "collection")},
    "table dunning-fee": ("", "kind `table`"),
}
#: What is refused in the policy once what comes before it is taken out, in this order; the rest of it applies.
POLICY = [".capacity", ".journeys", ".caps[2].of"]
#: Applies as soon as what it names does.
WAITING = "journey browse"


@cache
def examples() -> dict[str, Document]:
    """Every document by kind and id."""
    found = [doc for path in sorted(FOLDER.glob("*.yaml")) for doc in docs(path.read_text("utf-8"), path.name)]
    return {f"{doc.body['kind']} {doc.body['id']}": doc for doc in found}


@cache
def accepted() -> Docs:
    """All that applies, in one set."""
    return merge({}, [doc for name, doc in examples().items() if name not in REFUSED and name != WAITING])


def refusal(*more: Document) -> InputError:
    """Why these documents do not apply on top of what does."""
    with pytest.raises(InputError) as caught:
        compile_all(merge(accepted(), list(more)), {})
    return caught.value


def stub(doc: Document) -> Document:
    """Something of that name: what others refer to."""
    kind, name = key_of(doc)
    body: dict[str, Any] = {"kind": kind, "id": name, "where": "true"}
    if kind == "journey":
        body = {"kind": kind, "id": name, "entry": {"event": "X"}, "steps": [{"id": "w", "wait": "1d"}]}
    return Document(body, doc.where)


@pytest.mark.skipif(not LANGUAGE.exists(), reason="the language lies beside the repository")
def test_the_examples_are_those_of_the_language() -> None:
    """Word by word, none left out."""
    text = LANGUAGE.read_text("utf-8")
    found = {f"{name}.yaml": body for name, body in re.findall(r"```yaml example=(\w+)\n(.*?)```", text, re.S)}
    found |= dict(re.findall(r"```xml file=(\S+)\n(.*?)```", text, re.S))
    assert found == {path.name: path.read_text("utf-8") for path in FOLDER.iterdir()}


def test_what_applies_can_only_grow() -> None:
    """99 of 122 documents apply in one set, and 22 say what comes later."""
    assert len(examples()) == ALL
    assert set(REFUSED) < set(examples())
    assert len(REFUSED) <= 22
    compiled = compile_all(accepted(), {})
    assert len(compiled.docs) == ALL - len(REFUSED) - 1 >= 99
    assert len(compiled.messages) == sum(name.startswith("message ") for name in examples())
    assert len(compiled.segments) >= 16


@pytest.mark.parametrize("name", REFUSED)
def test_what_comes_later_says_so_at_its_field(name: str) -> None:
    """Code, field and name of what is missing, whatever else the document holds."""
    field, what = REFUSED[name]
    later = [key for key in REFUSED if key.startswith(("journey", "segment")) and key != name]
    doc = examples()[name]
    error = refusal(doc, *(stub(examples()[key]) for key in later))
    assert error.code == "not_supported_yet"
    assert what in error.what
    assert error.where.split(", ")[0] == (f"{doc.where}: {name}{field}" if field else doc.where)


def test_who_yields_to_a_later_journey_waits_for_it_alone() -> None:
    """A journey that names one which is refused is refused for that name, and applies beside anything so called."""
    error = refusal(examples()[WAITING])
    assert (error.code, "cart-reminder" in error.what) == ("unknown_id", True)
    found = compile_all(merge(accepted(), [examples()[WAITING], stub(examples()["journey cart-reminder"])]), {})
    assert "browse" in found.journeys


def test_the_rest_of_the_policy_applies() -> None:
    """Each rule that comes later is refused at its own field; without them the policy is in force."""
    doc = examples()["policy default"]
    body: dict[str, Any] = {**doc.body}
    for field in POLICY:
        error = refusal(Document(body, doc.where))
        assert error.code == "not_supported_yet"
        assert error.where.split(", ")[0] == f"{doc.where}: policy default{field}"
        top, _, rest = field[1:].partition("[")
        body = {key: value for key, value in body.items() if key != top} | (
            {top: [row for n, row in enumerate(body[top]) if n != int(rest[0])]} if rest else {}
        )
    found = compile_all(merge(accepted(), [Document(body, doc.where)]), {}).policy
    assert (found.timezone, found.currency, len(found.caps), len(found.quiet), found.holdout) == (
        "Europe/Berlin", "EUR", 2, 2, 0.02,
    )  # fmt: skip
