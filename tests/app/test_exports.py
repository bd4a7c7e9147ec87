"""Exports: the members who permit the purpose and nobody else, what was left out and why, a record before a file."""

from __future__ import annotations

import csv
import io
import stat
from decimal import Decimal
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from einklang.app import audits, exports
from einklang.app.collect import suppressions
from einklang.app.export_columns import columns_of
from einklang.app.exports import Wanted
from einklang.app.run import settle_definitions
from einklang.consent import address_key
from einklang.event import EngineCall, Withdrawal
from einklang.kernel.errors import Conflict, InputError, NotFound
from einklang.store.book import SqliteBook
from einklang.store.lake import Lake, ship_all
from tests.app.test_rebuild import differences, reading
from tests.app.worlds import DAY, SALT, START, append, engine_of, home, run

TEXT = """
{kind: segment, id: buyers, where: 'events("Order Completed").exists()'}
---
{kind: trait, id: plan, type: string}
---
{kind: trait, id: points, type: number}
---
{kind: trait, id: orders, type: number, value: 'events("Order Completed").count()'}
---
{kind: trait, id: remark, type: string, privacy: identifier}
---
{kind: purpose, id: analytics, basis: legitimate_interest}
"""
PEOPLE: dict[str, dict[str, Any]] = {
    "u0": {"email": "u0@x.example", "plan": '=1+1, "a"', "points": Decimal("-12.5")},
    "u1": {"email": "u1@x.example", "phone": "+4930123456", "plan": "@b", "points": 10**35},
    "u2": {"email": "u2@x.example", "plan": "-5"},
    "u3": {"plan": "größer\nals"},
    "u4": {"email": "u4@x.example"},
}
COLUMNS = ("person_id", "userId", "phone", "trait.plan", "trait.points", "trait.orders", "consent.email.marketing")


def filled(book: SqliteBook) -> dict[str, str]:
    """Five buyers and one who is none; u0 and u1 gave consent, u2 withdrew it. userId -> person."""
    calls = [EngineCall(type="identify", userId=user, traits=traits, at=START) for user, traits in PEOPLE.items()]
    calls += [EngineCall(type="track", event="Order Completed", userId=user, at=START) for user in PEOPLE]
    calls.append(EngineCall(type="identify", userId="u9", traits={"email": "u9@x.example"}, at=START))
    for user, name in (("u0", "Given"), ("u1", "Given"), ("u2", "Given"), ("u2", "Withdrawn"), ("u9", "Given")):
        said = {"channel": "email", "purpose": "marketing", "address": f"{user}@x.example", "source": "form"}
        at = START + (name == "Withdrawn")
        calls.append(EngineCall(type="track", event=f"Consent {name}", userId=user, properties=said, at=at))
    append(book, calls)
    run(book, until=START + DAY)
    return {value: person for kind, value, person, _ in book.read("all_identifier") if kind == "userId"}


def exported(book: SqliteBook, folder: Path, *, role: str = "admin", **more: Any) -> exports.Exported:
    """An export of the buyers."""
    wanted = Wanted(**{"segment": "buyers", "columns": COLUMNS, "purpose": "marketing"} | more)
    with book.snapshot() as reader:
        people = [row[0] for row in reader.read("members_of", wanted.segment)]
        return exports.export(
            book, reader, reading(book), people, wanted, folder, actor="test", role=role, now=START + DAY
        )


def test_a_file_holds_the_members_who_permit_it_and_nobody_else(tmp_path: Path) -> None:
    """CSV and Parquet say the same; what a spreadsheet would run is guarded; who and what is left out is counted."""
    with home(TEXT) as book:
        person = filled(book)
        done = exported(book, tmp_path / "exports")
        path = Path(done.path)
        text = path.read_bytes()
        assert (done.persons, done.left_out) == (2, {"no_consent": 2, "withdrawn": 1})
        assert (done.hash, stat.S_IMODE(path.stat().st_mode)) == (sha256(text).hexdigest(), 0o600)
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        rows = list(csv.reader(io.StringIO(text.decode(), newline="")))
        assert rows == [
            list(COLUMNS),
            *sorted([
                [person["u0"], "u0", "", "'=1+1, \"a\"", "-12.5", "1", "true"],
                [person["u1"], "u1", "+4930123456", "'@b", "", "1", "true"],
            ]),
        ]  # fmt: skip
        assert text.count(b"\r\n") == 3
        frame = pl.read_parquet(exported(book, tmp_path / "exports", format="parquet").path)
        assert frame.schema["trait.points"] == pl.Decimal(38, 9)
        found = {row["person_id"]: row for row in frame.iter_rows(named=True)}
        assert found[person["u0"]]["trait.plan"] == '=1+1, "a"'
        assert found[person["u0"]]["trait.points"] == Decimal("-12.5")
        assert found[person["u1"]]["userId"] == ["u1"]
        everybody = exported(book, tmp_path / "exports", purpose="analytics", columns=("person_id", "trait.plan"))
        assert (everybody.persons, everybody.left_out) == (5, {})
        assert f"{person['u3']},größer\nals" in Path(everybody.path).read_text().replace('"', "").replace("\r\n", "\n")
        assert exported(book, tmp_path / "exports", channel="sms").persons == 0


def test_a_withdrawal_that_has_only_just_arrived_counts(tmp_path: Path) -> None:
    """It suppresses the address before any tick has folded it, for purposes by consent and for others."""
    with home(TEXT) as book:
        filled(book)
        key = address_key(bytes.fromhex(SALT), "email", "u0@x.example")
        said = [(key, "email", purpose, "withdrawn", START) for purpose in ("marketing", "analytics")]
        book.transact(lambda tx: tx.write("suppression_raise", said))
        done = exported(book, tmp_path)
        assert (done.persons, done.left_out["suppressed"]) == (1, 1)
        assert exported(book, tmp_path, purpose="analytics").left_out["withdrawn"] == 1


def test_who_objects_is_left_out_from_the_door_on(tmp_path: Path) -> None:
    """Where the basis is no consent: without any address, or from one not in use; until she permits it again."""
    with home(TEXT) as book:
        person, at, salt = filled(book)["u3"], START + DAY, bytes.fromhex(SALT)
        append(book, [EngineCall(type="identify", userId="u4", traits={"email": "new@x.example"}, at=at)])
        run(book, until=at)
        rows = suppressions(book, [Withdrawal("letter", None, "analytics", (("userId", "u3"),), at)], salt)
        rows += suppressions(book, [Withdrawal("email", "u4@x.example", "analytics", (), at)], salt)
        book.transact(lambda tx: tx.write("suppression_raise", list(rows)))

        def left() -> int:
            return exported(book, tmp_path, purpose="analytics").left_out.get("withdrawn", 0)

        assert left() == 2
        for hours, word, wanted in ((1, "Withdrawn", 2), (2, "Given", 1)):
            said = {"channel": "letter", "purpose": "analytics"}
            call = EngineCall(type="track", event=f"Consent {word}", userId="u3", properties=said, at=at + hours)
            append(book, [call])
            run(book, until=at + DAY * hours)
            assert book.read("suppressed", address_key(salt, "person", person), "person", "analytics") == []
            assert left() == wanted


def test_an_address_that_was_withdrawn_is_not_told(tmp_path: Path) -> None:
    """Who permits the purpose by one address and withdrew it from another is told by the first alone; so is one whose
    withdrawal has only just arrived. Other identifiers are told.
    """
    with home(TEXT) as book:
        filled(book)
        second = "second@x.example"
        said = {"channel": "email", "purpose": "marketing", "address": second, "source": "form"}
        calls = [EngineCall(type="identify", userId="u1", traits={"email": second}, at=START + DAY)]
        calls += [
            EngineCall(type="track", event=f"Consent {name}", userId="u1", properties=said, at=START + DAY + n)
            for n, name in enumerate(("Given", "Withdrawn"), 1)
        ]
        append(book, calls[:2])
        run(book, until=START + 2 * DAY)
        columns = ("userId", "email")

        def told() -> list[str]:
            text = Path(exported(book, tmp_path / "exports", columns=columns).path).read_text().splitlines()
            return next(line for line in text if line.startswith("u1,")).split(",", 1)[1].split(" ")

        assert sorted(told()) == [second, "u1@x.example"]
        append(book, calls[2:])
        run(book, until=START + 3 * DAY)
        assert told() == ["u1@x.example"]
        key = address_key(bytes.fromhex(SALT), "email", "u0@x.example")
        book.transact(lambda tx: tx.write("suppression_raise", [(key, "email", "marketing", "withdrawn", START)]))
        assert exported(book, tmp_path / "exports", columns=columns).left_out["suppressed"] == 1


def test_no_more_of_anything_leaves_other_bases_as_they_are(tmp_path: Path) -> None:
    """As at the door: who withdrew everything on a channel is told by that address where consent is not the basis."""
    with home(TEXT) as book:
        filled(book)
        said = {"channel": "email", "source": "form"}
        append(
            book, [EngineCall(type="track", event="Consent Withdrawn", userId="u0", properties=said, at=START + DAY)]
        )
        run(book, until=START + 2 * DAY)
        told: dict[str, Any] = {"columns": ("userId", "email"), "purpose": "analytics"}
        assert b"u0,u0@x.example" in Path(exported(book, tmp_path / "exports", **told).path).read_bytes()
        done = exported(book, tmp_path / "exports", columns=("userId", "email"))
        assert b"u0" not in Path(done.path).read_bytes()
        assert done.left_out == {"no_consent": 2, "withdrawn": 2}
        said = {"purpose": "analytics", "source": "phone"}
        append(
            book, [EngineCall(type="track", event="Consent Withdrawn", userId="u3", properties=said, at=START + DAY)]
        )
        run(book, until=START + 3 * DAY)
        for channel in ("", "email"):  # objected to on every channel, so on this one too
            assert exported(book, tmp_path / "exports", **told, channel=channel).left_out == {"withdrawn": 1}


def test_each_export_stands_in_the_log_and_in_the_list(tmp_path: Path) -> None:
    """Who, what, when, how many, for what, the hash of the file; a rebuild makes the same list."""
    with home(TEXT) as book:
        filled(book)
        done = exported(book, tmp_path / "exports")
        settle_definitions(book, engine_of(book))
        ((_, clock, *said, _, persons, left_out, digest, file),) = book.read("all_export")
        assert (clock, said) == (START + DAY, ["buyers", "", "test", "marketing", "csv"])
        assert (persons, digest, file) == (2, done.hash, done.file)
        assert left_out == '{"no_consent":2,"withdrawn":1}'
        run(book, until=START + 2 * DAY)
        lake = Lake(tmp_path)
        ship_all(book, lake)
        assert differences(book, lake) == []


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ({"columns": ("trait.",)}, "unknown_column"), ({"columns": ("emial",)}, "unknown_column"),
        ({"columns": ()}, "bad_columns"), ({"columns": ("segment.none",)}, "unknown_id"),
        ({"columns": ('trait.a"] == b',)}, "unknown_column"), ({"purpose": "none"}, "unknown_purpose"),
        ({"format": "xlsx"}, "unknown_format"), ({"role": "guest"}, "export_not_allowed"),
    ],
)  # fmt: skip
def test_what_may_not_or_cannot_be_exported_leaves_nothing(wanted: dict[str, Any], code: str, tmp_path: Path) -> None:
    """A clear error, no file, no entry."""
    with home(TEXT) as book:
        with pytest.raises((InputError, Conflict)) as caught:
            exported(book, tmp_path / "exports", **wanted)
        assert caught.value.code == code
        assert (list(tmp_path.iterdir()), book.read("tail_page", 0, 9)) == ([], [])


def test_the_class_of_a_trait_is_said_or_goes_by_its_name() -> None:
    """Named ones by their definition, addresses and names are identifiers, what nobody declared may be anything."""
    with home(TEXT) as book:
        names = ["trait.remark", "trait.plan", "trait.orders", "trait.other", "email", "person_id", "segment.buyers"]
        found = columns_of(reading(book).definitions, names, "columns")
        assert [column.privacy for column in found] == [
            "identifier", "content", "content", "identifier", "identifier", "pseudonym", "content",
        ]  # fmt: skip
        assert [column.whole for column in found] == [False, False, True, False, False, False, False]


def test_nothing_leaves_before_it_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed before the entry: a draft that nobody can fetch, removed at the next start. A file goes after its time."""
    folder = tmp_path / "exports"
    with home(TEXT) as book:
        filled(book)
        with monkeypatch.context() as patch:
            patch.setattr(audits, "record", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                exported(book, folder)
        (draft,) = folder.iterdir()
        assert exports.tidy(book, folder, START + DAY, drafts=True) == [draft.name]
        done = exported(book, folder)
        settle_definitions(book, engine_of(book))
        fetch = partial(exports.fetch, book, folder, actor="ada", now=START + DAY)
        assert fetch(done.file, role="admin") == Path(done.path)
        with pytest.raises(Conflict, match="may not export"):
            fetch(done.file, role="guest")
        with pytest.raises(NotFound):
            fetch("../book.db", role="admin")
        assert exports.tidy(book, folder, START + DAY + exports.KEEP_US - 1, drafts=True) == []
        assert exports.tidy(book, folder, START + DAY + exports.KEEP_US) == [done.file]
        with pytest.raises(NotFound, match="removed after 7 days"):
            fetch(done.file, role="admin")
