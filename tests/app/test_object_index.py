"""The index of objects over all persons is what the histories say, with any cutting, merges, splits and rebuilds."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from einklang.app import stitching
from einklang.app.apply import apply
from einklang.app.object_index import ObjectIndex
from einklang.app.run import settle_definitions
from einklang.app.yaml import parse_text
from einklang.store.book import SqliteBook
from einklang.store.lake import Lake
from einklang.testing.canonical import canonical_hash, table_rows
from tests.app.couples import decide, reading
from tests.app.test_business_objects import DEFINITIONS, calls
from tests.app.test_rebuild import differences
from tests.app.worlds import DAY, START, UNTIL, append, engine_of, home, run

AT, SEQ, NAME, PROPERTIES = 1, 2, 6, 14
STATES = {
    "Contract Signed": ("contract", "active"),
    "Contract Changed": ("contract", None),
    "Contract Ended": ("contract", "ended"),
    "Invoice Issued": ("invoice", "open"),
    "Payment Received": ("invoice", None),
    "Invoice Paid": ("invoice", "paid"),
    "Loan Asked": ("loan", "asked"),
    "Credit Asked": ("loan", "asked"),
    "Loan Granted": ("loan", "granted"),
}


def told(book: SqliteBook) -> dict[tuple[str, str, str], list[tuple[int, int, str | None]]]:
    """(kind, id, person) -> (at, seq, state) in order, by the words of the stored history."""
    found = defaultdict(list)
    for row in table_rows(book, "history"):
        kind, state = STATES.get(row[NAME], ("", None))
        if kind and f"{kind}_id" in row[PROPERTIES]:
            found[kind, row[PROPERTIES][f"{kind}_id"], row[0]].append((row[AT], row[SEQ], state))
    return {key: sorted(rows) for key, rows in found.items()}


def wrong(book: SqliteBook) -> list[Any]:
    """Where the index is not what the histories say."""
    wanted = told(book)
    rows = {row[:3]: row[3:] for row in table_rows(book, "object") if row[0] in ("contract", "invoice", "loan")}
    found: list[Any] = list(rows.keys() ^ wanted.keys())
    for key in rows.keys() & wanted.keys():
        last = next((said for _, _, said in reversed(wanted[key]) if said is not None), "")
        right = (last, min(row[1] for row in wanted[key]), wanted[key][0][0], wanted[key][-1][0])
        if rows[key] != right:
            found.append((key, rows[key], right))
    return found


@pytest.mark.parametrize("seed", range(4))
def test_the_index_is_what_the_histories_say(seed: int, tmp_path: Path) -> None:
    """Late and future events, a merge by a call, a split by staff; a rebuild and any cutting give the same rows."""
    hashes = set()
    for batches, forgetful in (([1], False), ([5_000], False), ([7, 2], True)):
        with home(DEFINITIONS) as book:
            append(book, calls(seed))
            for day in (3, 9, 20):
                run(book, batches, until=START + day * DAY, forgetful=forgetful)
                assert wrong(book) == []
            engine = engine_of(book)
            with book.snapshot() as reader:
                parts = ("email:ada@example.org",)
                said = stitching.split(reader, reading(book), "userId:u1", parts, actor="staff:a", why="two")
            decide(book, engine, said, UNTIL)
            assert wrong(book) == []
            hashes.add(canonical_hash(book))
            assert differences(book, Lake(tmp_path / str(batches[0])), batch=3) == []
    assert len(hashes) == 1


def test_a_changed_kind_is_indexed_anew(tmp_path: Path) -> None:
    """Other states or another key: the index follows with the definition, for everybody."""
    with home(DEFINITIONS) as book:
        append(book, calls(1))
        run(book)
        before = [row for row in table_rows(book, "object") if row[0] == "loan"]
        text = "{kind: object, id: loan, key: loan_id, events: {Loan Asked: wanted, Loan Granted: given}}"
        apply(book, parse_text(text, "loan.yaml"), now=UNTIL)
        settle_definitions(book, engine_of(book))
        after = [row for row in table_rows(book, "object") if row[0] == "loan"]
        assert {row[3] for row in before} == {"asked", "granted"}
        assert {row[3] for row in after} == {"wanted", "given"}
        assert differences(book, Lake(tmp_path), batch=2) == []


def test_what_an_older_fold_left_out_is_indexed_with_the_first_entry_of_this_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A home of the fold before has no index; the first tick entry of this one fills it, in any slices."""
    with home(DEFINITIONS) as book:
        append(book, calls(2))
        with monkeypatch.context() as patch:
            patch.setattr("einklang.app.state.FOLD", 2)
            run(book, until=START + 6 * DAY)
            assert list(table_rows(book, "object")) == []
        run(book, [2])
        assert wrong(book) == []
        assert differences(book, Lake(tmp_path), batch=1) == []


def test_an_index_that_misses_merges_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Positive control: where a merged person's rows stay, the index says something else than the histories."""
    monkeypatch.setattr(ObjectIndex, "gone", lambda *_: None)
    with home(DEFINITIONS) as book:
        append(book, calls(0))
        run(book)
        assert wrong(book)
