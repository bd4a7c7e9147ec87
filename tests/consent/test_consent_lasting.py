"""Since when a permission is as it is, and consents that end: equal to looking at every moment."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from einklang.consent import (
    GIVEN,
    WITHDRAWN,
    ChainRow,
    Declaration,
    Purpose,
    built_in_purposes,
    chain,
    declare,
    fold,
    held,
    merge_permissions,
    permits,
    since,
    status_of,
)
from einklang.fact.person import Permission
from tests.consent.test_consent_ledger import event, said

MARKETING, SERVICE = (built_in_purposes()[name] for name in ("marketing", "service"))
ADDRESSES = ("a@x", "b@x")
LAST = 14


@st.composite
def declarations(draw: st.DrawFn) -> list[Declaration]:
    """Words about two addresses in any order of arrival, some that end."""
    found = []
    for _ in range(draw(st.integers(0, 7))):
        status, at = draw(st.sampled_from([GIVEN, GIVEN, WITHDRAWN])), draw(st.integers(1, LAST - 2))
        until = draw(st.sampled_from([0, 0, at, at + 1, at + 3])) if status == GIVEN else 0
        where = draw(st.sampled_from([*ADDRESSES, ""] if status == WITHDRAWN else ADDRESSES))
        found.append(Declaration(status, "email", where, "marketing", at, "", "", "", "", until))
    return found


def permitted(words: list[Declaration], purpose: Purpose, address: str, now: int) -> tuple[bool, Permission | None]:
    """By the ledger, of what was said up to a moment."""
    known: dict[str, Permission] = {}
    for seq, word in enumerate(words):
        if word.at <= now:
            fold(known, word, seq)
    by_consent = purpose.basis == "consent"
    last = status_of(known, "email", "marketing", address, consent=by_consent, now=now)
    said = status_of(known, "email", "marketing", address, consent=by_consent)
    return permits(last.status if last else None, purpose, "marketing"), said


@given(declarations(), st.sampled_from([MARKETING, SERVICE]), st.integers(1, LAST))
def test_since_is_the_last_moment_that_changed_it(words: list[Declaration], purpose: Purpose, now: int) -> None:
    """Asked at each moment before, it was the same since then, and another one right before."""
    spans = []
    for address in ADDRESSES:
        about = [word for word in words if word.address in (address, "")]
        there, last = permitted(words, purpose, address, now)
        spans += held(about, last, there, now, None if purpose.basis == "consent" else 0)
    value, at = since(spans, now)
    at_all = [any(permitted(words, purpose, one, time)[0] for one in ADDRESSES) for time in range(now + 1)]
    assert value == at_all[now]
    changes = [time for time in range(1, now + 1) if at_all[time] != at_all[time - 1]]
    began = 0 if at_all[0] else None
    assert at == (changes[-1] if changes else began)


@pytest.mark.parametrize(
    ("ends", "status"), [(10, {9: "given", 10: "expired", 11: "expired"}), (0, {10**15: "given"}), (5, {5: "expired"})]
)
def test_what_is_given_for_a_time_ends(ends: int, status: dict[int, str]) -> None:
    """From its end on it is expired; said again it is given, and a later withdrawal wins as ever."""
    known: dict[str, Permission] = {}
    fold(known, Declaration(GIVEN, "email", "a@x", "marketing", 5, "", "", "", "", ends), 1)
    for now, wanted in status.items():
        found = status_of(known, "email", "marketing", "a@x", now=now)
        assert found is not None
        assert found.status == wanted
        assert permits(found.status, MARKETING, "marketing") == (wanted == "given")
    fold(known, said(GIVEN, 20), 2)
    again = status_of(known, "email", "marketing", "a@x", now=10**15)
    assert again is not None
    assert again.status == GIVEN


def test_the_end_is_read_off_the_event() -> None:
    """A moment, or the first one of a day; an end that nobody can read has come already."""
    told: dict[str, Any] = {"channel": "email", "purpose": "marketing", "address": "a@x"}
    ends: dict[object, int] = {
        "2026-01-02T00:00:00+01:00": 1767308400000000,
        "2026-01-02": 1767312000000000,
        "soon": 5,
        7: 5,
        None: 0,
    }
    for said_so, wanted in ends.items():
        found = declare(event("Consent Given", expires_at=said_so, **told))
        assert found is not None
        assert found.until == wanted


def test_merged_consents_end_as_early() -> None:
    """Of two persons who agreed for one address the shorter consent holds, whichever of them lives on."""
    for first, second in ((9, 0), (0, 9), (12, 9)):
        kept: dict[str, Permission] = {}
        lost: dict[str, Permission] = {}
        fold(kept, Declaration(GIVEN, "email", "a@x", "marketing", 3, "", "", "", "", first), 1)
        fold(lost, Declaration(GIVEN, "email", "a@x", "marketing", 4, "", "", "", "", second), 2)
        merge_permissions(kept, lost, 5)
        assert kept["email|marketing|a@x"].until == 9


def test_after_a_merge_that_narrowed_it_counts_from_what_is_said_then() -> None:
    """What one withdrew and the other gave is withdrawn from the merge on; a new consent is no renewal of the old."""
    kept: dict[str, Permission] = {}
    lost: dict[str, Permission] = {}
    words = [said(GIVEN, 4), said(GIVEN, 9)]
    fold(kept, words[0], 1)
    fold(lost, said(WITHDRAWN, 3), 2)
    merge_permissions(kept, lost, 6)
    about = [words[0], said(WITHDRAWN, 3)]
    last = kept["email|marketing|a@x"]
    assert since(held(about, last, False, 8, None), 8) == (False, 6)
    fold(kept, words[1], 3)
    last = kept["email|marketing|a@x"]
    assert since(held([*about, words[1]], last, True, 9, None), 9) == (True, 9)


def test_the_chain_covers_the_end() -> None:
    """A row that ends is proved with its end; one that does not has the hash that it always had."""
    row = ChainRow(1, 1, "email", "a@x", "marketing", "given", 5, 5, "s", "w", "a", "e")
    assert chain(b"", row).hex()[:16] == "e794448c5ee2e51a"
    assert len({chain(b"", msgspec.structs.replace(row, until=until)) for until in (0, 1, 2)}) == 3
