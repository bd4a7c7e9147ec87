"""kernel.errors, reasons and limits: one line, closed sets, units in names."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from einklang.kernel import errors, limits, reasons

KINDS = [errors.UsageError, errors.InputError, errors.NotFound, errors.Conflict, errors.Unavailable]


@settings(max_examples=50)
@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_an_error_is_one_line(what: str, where: str, mend: str) -> None:
    """Whatever its parts hold, the line has no line break."""
    assert len(errors.InputError("x", what, where=where, mend=mend).line().splitlines()) <= 1


def test_the_line_names_place_finding_and_mend() -> None:
    """`where: what; mend`, with empty parts left out."""
    assert errors.InputError("c", "bad", where="f.yaml:3", mend="mend it").line() == "f.yaml:3: bad; mend it"
    assert str(errors.NotFound("c", "nothing")) == "nothing"


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_has_its_status(kind: type[errors.EinklangError]) -> None:
    """Each leaf of the tree is an EinklangError with an HTTP status of its own family and stands in the drawing."""
    assert issubclass(kind, errors.EinklangError)
    assert 400 <= kind.status < 600
    assert kind.__name__ in (errors.__doc__ or "")


def test_reasons_are_snake_case_and_named_alike() -> None:
    """A member's value is its name in small letters, so that code, rows and docs agree."""
    for group in (reasons.Rejected, reasons.DeadLetter, reasons.MergeRefused, reasons.Reason):
        for member in group:
            assert member.value == member.name.lower()
            assert re.fullmatch(r"[a-z]+(_[a-z]+)*", member.value)


def test_limits_are_positive() -> None:
    """Every limit is a positive number, every kind of identifier has one."""
    numbers = [value for name, value in vars(limits).items() if name.isupper() and isinstance(value, int)]
    assert len(numbers) > 10
    assert min(numbers) > 0
    assert min(limits.IDENTIFIERS_PER_KIND_MAX.values()) > 0
