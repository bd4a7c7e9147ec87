"""`import`: bad files are refused whole, bad rows one by one with reasons; all formats say the same; safe to repeat."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from einklang.app import persons
from einklang.app.import_cells import Declared, typed
from einklang.app.import_rows import READERS, RowRefused
from einklang.app.imports import _call, import_file
from einklang.kernel.errors import InputError
from einklang.store.book import SqliteBook
from tests.app_definitions.small import BASE, everything, home, put, run

MAP = {"event": "what", "timestamp": "when", "userId": "who"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the one home of this module."""
    return tmp_path_factory.mktemp("imports") / "home"


@pytest.fixture(scope="module")
def book(place: Path) -> Iterator[SqliteBook]:
    """A home with definitions in force."""
    with home(place, BASE) as book:
        yield book


#: (kind, name, bytes, map, code, where, part of the mend)
FILES: list[tuple[str, str, bytes, dict[str, str] | None, str, str, str]] = [
    ("people", "a.csv", b"", None, "empty_file", "a.csv", "header"),
    ("people", "a.csv", b"userId,email\n", None, "empty_file", "a.csv", "check"),
    ("people", "a.jsonl", b"\n\n", None, "empty_file", "a.jsonl", "check"),
    ("people", "a.csv", b"userId;email\n1;a@b.example\n", None, "wrong_delimiter", "a.csv:1", "commas"),
    ("people", "a.csv", b"userId\temail\n", None, "wrong_delimiter", "a.csv:1", "commas"),
    ("people", "a.csv", "userId,name\n1,Jürgen\n".encode("latin-1"), None, "bad_encoding", "a.csv:", "UTF-8"),
    ("people", "a.csv", "userId,name\n1,J\n".encode("utf-16"), None, "bad_encoding", "a.csv:1", "UTF-8"),
    ("people", "a.csv", b'userId,name\n1,"open\n', None, "bad_csv", "a.csv:2", "quote"),
    ("people", "a.csv", b'userId,name\n1,"a"b\n', None, "bad_csv", "a.csv:2", "quote"),
    ("people", "a.csv", b"userId,name,name\n1,a,b\n", None, "repeated_column", "a.csv:1", "own name"),
    ("people", "a.csv", b"userId,\n1,b\n", None, "bad_csv", "a.csv:1", "name each"),
    ("people", "a.txt", b"userId\n1\n", None, "unknown_format", "a.txt", ".csv"),
    ("people", "a.xlsx", b"PK", None, "not_supported_yet", "a.xlsx", "CSV"),
    ("people", "a.parquet", b"PAR1 no parquet PAR1", None, "bad_parquet", "a.parquet", "Parquet"),
    ("people", "a.parquet", b"", None, "bad_parquet", "a.parquet", "Parquet"),
    ("people", "a.json", b'[{"userId": "1"}]', None, "not_json_lines", "a.json:1", "one object a line"),
    ("events", "a.csv", b"event,timestamp\nX,2026-01-01T00:00:00Z\n", None, "no_map", "a.csv", "--map"),
    ("events", "a.csv", b"wht,when,who\nX,2026-01-01T00:00:00Z,1\n", MAP, "unknown_column", "a.csv", "'wht'"),
]


@pytest.mark.parametrize(
    ("kind", "name", "data", "mapping", "code", "where", "mend"),
    FILES,
    ids=[f"{row[4]}-{n}" for n, row in enumerate(FILES)],
)
def test_a_bad_file_is_refused_whole(
    book: SqliteBook, place: Path, tmp_path: Path, kind: str, name: str, data: bytes, mapping: dict[str, str] | None,
    code: str, where: str, mend: str,
) -> None:  # fmt: skip
    """Code, file, line where there is one, and mend; nothing is appended and no file stands beside."""
    before = everything(place)
    with pytest.raises(InputError) as caught:
        put(book, tmp_path, kind, name, data, mapping=mapping)
    assert (caught.value.code, caught.value.where[: len(where)]) == (code, where), caught.value.line()
    assert mend in caught.value.mend
    assert everything(place) == before
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_folder_and_nothing(book: SqliteBook, tmp_path: Path) -> None:
    """Neither is a file."""
    (tmp_path / "b.csv").mkdir()
    for name, code in (("b.csv", "is_a_folder"), ("none.csv", "no_such_file")):
        with pytest.raises(InputError) as caught:
            import_file(book, "people", tmp_path / name, now=0)
        assert caught.value.code == code
        assert caught.value.mend


def test_a_broken_end_keeps_the_good_beginning_out(book: SqliteBook, place: Path, tmp_path: Path) -> None:
    """5,000 good rows and then a byte that is not UTF-8: no row is taken."""
    before = everything(place)
    rows = b"".join(b"u%d,x\n" % n for n in range(5_000))
    with pytest.raises(InputError) as caught:
        put(book, tmp_path, "people", "a.csv", b"userId,name\n" + rows + b"u,\xff\n")
    assert caught.value.code == "bad_encoding"
    assert everything(place) == before


def event(**fields: Any) -> str:
    """A track payload as a line."""
    return json.dumps({"type": "track", "event": "X", "userId": "u", "timestamp": "2026-01-01T00:00:00Z", **fields})


#: (kind, name of the file, text, code, number of the row, part of message or mend)
ROWS: list[tuple[str, str, str, str, int, str]] = [
    ("people", "a.csv", "userId,name\n,Ann", "no_identifier", 2, "userId"),
    ("people", "a.csv", "name,city\nAnn,Bonn", "no_identifier", 2, "userId"),
    ("people", "a.csv", "userId,name\n1", "bad_row", 2, "1 cells instead of 2"),
    ("people", "a.csv", "userId,name\n1,a,b", "bad_row", 2, "3 cells instead of 2"),
    ("people", "a.csv", "email\nann.example", "bad_identifier", 2, "name@host"),
    ("people", "a.csv", "email,note\nann@b@c,x", "bad_identifier", 2, "e-mail"),
    ("people", "a.csv", f"userId,note\n{'u' * 600},x", "bad_identifier", 2, "600"),
    ("people", "a.csv", 'userId,note\n1,"a\nb"\n,x', "no_identifier", 4, "nobody"),
    ("people", "a.csv", "userId,at\n1,2026-01-01", "bad_time", 2, "2027-03-01T09:00:00+01:00"),
    ("people", "a.csv", "userId,at\n1,0001-01-01T00:00:00Z", "bad_time", 2, "year"),
    ("people", "a.csv", "userId,at\n1,9999-12-31T23:59:59Z", "bad_time", 2, "year"),
    ("people", "a.csv", "userId,at\n1,yesterday", "bad_time", 2, "write it as"),
    ("people", "a.csv", "userId,name\n1,a\0b", "nul_byte", 2, "remove"),
    ("people", "a.csv", "userId,address,address.city\n1,x,Bonn", "bad_row", 2, "apart"),
    ("people", "a.csv", "userId,note\n1," + "x" * 40_000, "too_large", 2, "32768"),
    ("people", "a.jsonl", "3", "bad_row", 1, "not a JSON object"),
    ("people", "a.jsonl", "{", "bad_row", 1, "not a JSON object"),
    ("people", "a.jsonl", '{"userId": null, "email": null}', "no_identifier", 1, "nobody"),
    ("people", "a.jsonl", '{"userId": "1", "a": "x\\u0000"}', "nul_byte", 1, "NUL"),
    ("people", "a.jsonl", '{"userId": "1", "a": 1e400}', "bad_number", 1, "19.99"),
    ("people", "a.jsonl", '{"userId": "1", "a": ' + "[" * 40 + "]" * 40 + "}", "too_deep", 1, "flatter"),
    ("people", "a.jsonl", '{"": 1}', "bad_row", 1, "without name"),
    ("people", "a.jsonl", '{"userId": "1", "a": "' + "x" * 1_048_576 + '"}', "too_large", 1, "32768"),
    ("products", "a.csv", "product_id,price\n,5", "missing_column", 2, "product_id"),
    ("products", "a.csv", "name,price\nLamp,5", "missing_column", 2, "product_id"),
    ("products", "a.csv", 'product_id,price\np,"19,99"', "bad_number", 2, "19.99"),
    ("products", "a.csv", "product_id,price\np,NaN", "bad_number", 2, "19.99"),
    ("products", "a.csv", "product_id,price\np,1e9", "bad_number", 2, "19.99"),
    ("products", "a.jsonl", '{"product_id": "p", "price": "5"}', "bad_number", 1, "19.99"),
    ("consents", "a.csv", "person,channel,purpose,status\nu1,email,marketing,given", "bad_identifier", 2, "kind:value"),
    ("consents", "a.csv",
     "person,channel,purpose,status\nname:x,email,marketing,given", "bad_identifier", 2, "kind:value"),
    ("consents", "a.csv", "person,channel,purpose\nuserId:1,email,marketing", "missing_column", 2, "status"),
    ("consents", "a.csv", "person,channel,purpose,status\nuserId:1,email,marketing,maybe", "bad_row", 2, "given"),
    ("consents", "a.csv", "person,channel,purpose,status\nuserId:1,email,marketing,given", "missing_column", 2, "at"),
    ("consents", "a.jsonl",
     '{"person": "userId:1", "channel": "email", "purpose": "marketing", "status": "requested", "at": null}',
     "missing_column", 1, "column at"),
    ("consents", "a.csv",
     "person,channel,address,purpose,status\nuserId:1,email,x,marketing,given", "bad_identifier", 2, "e-mail"),
    ("events", "a.jsonl", event(type="purchase"), "unknown_type", 1, ""),
    ("events", "a.jsonl", event(event="Segment Entered"), "reserved_name", 1, "Segment Entered"),
    ("events", "a.jsonl", event(event=" Message Sent "), "reserved_name", 1, "Message Sent"),
    ("events", "a.jsonl", event(timestamp=None), "bad_time", 1, "time at which it happened"),
    ("events", "a.jsonl", event(timestamp="2026-01-01"), "bad_time", 1, ""),
    ("events", "a.jsonl", event(timestamp="0001-01-01T00:00:00Z"), "bad_time", 1, ""),
    ("events", "a.jsonl", event(userId=None), "no_identifier", 1, ""),
    ("events", "a.jsonl", event(event=""), "no_name", 1, ""),
    ("events", "a.jsonl", event(event="x" * 300), "name_too_long", 1, ""),
    ("events", "a.jsonl", event(properties=[1]), "wrong_type", 1, ""),
    ("events", "a.jsonl", event(properties={"a": "x" * 1_048_576}), "too_large", 1, ""),
    ("events", "a.jsonl", event(properties={"a": "\0"}), "nul_byte", 1, ""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "name", "text", "code", "number", "said"),
    ROWS,
    ids=[f"{row[0]}-{row[3]}-{n}" for n, row in enumerate(ROWS)],
)
def test_a_bad_row_is_put_beside(
    book: SqliteBook, place: Path, tmp_path: Path, kind: str, name: str, text: str, code: str, number: int, said: str
) -> None:
    """With its number, code, message and mend, and itself; the log has nothing of it."""
    before = everything(place)
    done = put(book, tmp_path, kind, name, text + "\n")
    assert (done.rejected, done.reasons.get(code)) == (1, 1), done
    assert done.rejections == str(tmp_path / f"{name}.rejected.jsonl")
    rejected = json.loads(Path(done.rejections).read_text("utf-8").splitlines()[0])
    assert (rejected["row"], rejected["code"]) == (number, code)
    assert rejected["mend"]
    assert rejected["data"] or text == '{"": 1}', "also of a row that cannot be read"
    assert said in rejected["message"] + " " + rejected["mend"]
    if done.accepted == 0:
        assert everything(place) == before


def test_the_tables_are_long_enough() -> None:
    """At least 20 bad files and rows."""
    assert len(FILES) + len(ROWS) >= 60


def test_a_line_of_an_archive_has_the_time_that_was_corrected() -> None:
    """Where Segment kept both, `timestamp` is its own, and `originalTimestamp` that of a wrong clock."""
    both = READERS["events"](json.loads(event(originalTimestamp="2031-01-01T00:00:00Z")), Declared(), False)
    assert both.at == READERS["events"](json.loads(event()), Declared(), False).at


@pytest.mark.slow
@given(st.dictionaries(st.text(max_size=5), st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3), max_leaves=8,
), max_size=4), st.sampled_from(["events", "people", "products", "consents"]))  # fmt: skip
def test_whatever_a_row_holds_it_is_taken_or_refused(row: dict[str, Any], kind: str) -> None:
    """No row raises anything but a refusal, and what is taken can be written."""
    known = {
        "userId": "u",
        "person": "userId:1",
        "product_id": "p",
        "channel": "sms",
        "purpose": "p",
        "status": "given",
    }
    for full in (row, {**known, **row}, {"event": "X", "timestamp": "2026-01-01T00:00:00Z", **known, **row}):
        decoded = msgspec.json.Decoder(dict, float_hook=Decimal).decode(json.dumps(full).encode("utf-8", "replace"))
        try:
            call, digest = _call(READERS[kind](decoded, Declared(), False))
        except RowRefused:
            continue
        else:
            assert len(digest) == 16
            assert call.type


# --- what is taken --------------------------------------------------------------------------------------------------

PEOPLE = [
    {"userId": "007", "email": "ann@b.example", "visits": 3, "worth": Decimal("19.99"), "vip": True,
     "address": {"city": "Bonn", "postalCode": "01067"}, "birthday": "1990-05-17", "tags": ["a", "b"]},
    {"userId": "8", "email": "bob@b.example", "visits": 0, "worth": Decimal("0.10"), "vip": False,
     "address": {"city": "Köln", "postalCode": "50667"}, "birthday": "2000-01-31", "tags": []},
]  # fmt: skip
CSV = """userId,email,visits,worth,vip,address.city,address.postalCode,birthday,tags
007,ann@b.example,3,19.99,true,Bonn,01067,1990-05-17,"[""a"", ""b""]"
8,bob@b.example,0,0.10,false,Köln,50667,2000-01-31,[]
"""


def _traits(folder: Path, name: str, data: str | bytes) -> list[dict[str, Any]]:
    with home(folder / "home", "{kind: trait, id: birthday, type: date}") as book:
        done = put(book, folder, "people", name, data)
        assert (done.accepted, done.rejected) == (2, 0)
        run(book)
        found = [persons.show(book, f"userId:{key}") for key in ("007", "8")]
        return [{**person["traits"], "ids": {i["kind"]: i["value"] for i in person["identifiers"]}} for person in found]


def test_all_formats_say_the_same(tmp_path: Path) -> None:
    """CSV, JSON Lines and Parquet of the same people; columns in another order; with a byte order mark."""
    lines = "".join(msgspec.json.Encoder(decimal_format="number").encode(row).decode() + "\n" for row in PEOPLE)
    frame = pl.DataFrame(
        {key: [row[key] for row in PEOPLE] for key in PEOPLE[0]},
        schema_overrides={"worth": pl.Decimal(10, 2), "tags": pl.List(pl.String)},
    ).with_columns(pl.col("birthday").str.to_date())
    frame.write_parquet(tmp_path / "p.parquet")
    header, *rows = CSV.split("\n")
    turned = (
        ",".join(reversed(header.split(",")))
        + '\n"[""a"", ""b""]",1990-05-17,01067,Bonn,true,19.99,3,ann@b.example,007\n'
    )
    turned += "[],2000-01-31,50667,Köln,false,0.10,0,bob@b.example,8\n"
    assert rows
    files: list[tuple[str, str | bytes]] = [
        ("a.csv", CSV), ("b.csv", "\ufeff" + CSV.replace("\n", "\r\n")), ("c.csv", turned),
        ("d.jsonl", lines), ("e.parquet", (tmp_path / "p.parquet").read_bytes()),
    ]  # fmt: skip
    found = []
    for name, data in files:
        folder = tmp_path / name[0]
        folder.mkdir()
        found.append(_traits(folder, name, data))
    assert all(one == found[0] for one in found)
    first = found[0][0]
    assert (first["visits"], first["worth"], first["vip"], first["tags"]) == (3, Decimal("19.99"), True, ["a", "b"])
    assert first["address"] == {"city": "Bonn", "postalCode": "01067"}
    assert (first["birthday"], first["ids"]) == ("1990-05-17", {"userId": "007", "email": "ann@b.example"})


@pytest.mark.parametrize(
    ("cell", "name", "kind", "value"),
    [
        ("12", "n", None, 12), ("-1.50", "n", None, Decimal("-1.50")), ("0", "n", None, 0), ("007", "n", None, "007"),
        ("+5", "n", None, "+5"), ("1e5", "n", None, "1e5"), ("1,5", "n", None, "1,5"), ("1" * 19, "n", None, "1" * 19),
        ("true", "n", None, True), ("False", "n", None, False), ("yes", "n", None, "yes"), ("tRuE", "n", None, "tRuE"),
        ("2026-01-01", "n", None, "2026-01-01"), ("[1, 2.5]", "n", None, [1, Decimal("2.5")]), ("[x", "n", None, "[x"),
        ('{"a": 1}', "n", None, {"a": 1}), ("10115", "address.postalCode", None, "10115"), ("42", "id", None, "42"),
        ("12", "n", "string", "12"), ("true", "n", "string", "true"), ("12", "n", "number", 12),
        ("x", "n", "money", "x"),
        ("1", "n", "bool", True), ("no", "n", "bool", False), ("maybe", "n", "bool", "maybe"),
        ("12", "n", "date", "12"),
        ('["1"]', "n", "list(string)", ["1"]), ("5", "n", "number|null", 5), ("true", "n", "number", "true"),
    ],
)  # fmt: skip
def test_what_a_cell_of_csv_means(cell: str, name: str, kind: str | None, value: Any) -> None:
    """By its declared type, else as JSON would read it, but for codes."""
    found = typed(cell, name, kind)
    assert found == value
    assert type(found) is type(value)


def test_the_same_file_twice_adds_nothing_and_equal_rows_are_two(tmp_path: Path) -> None:
    """Two equal rows of one file are two events; the file again, also with others in between, none."""
    rows = "what,when,who,price\nLook,2026-01-05T00:00:00Z,u1,5\nLook,2026-01-05T00:00:00Z,u1,5\n"
    more = "what,price,when,who\nLook,5,2026-01-05T00:00:00Z,u1\nLook,5,2026-01-06T00:00:00Z,u1\n"
    with home(tmp_path / "home", BASE) as book:

        def count() -> int:
            run(book)
            return len(_history(book))

        done = put(book, tmp_path, "events", "a.csv", rows, mapping=MAP)
        assert (done.rows, done.accepted, count()) == (2, 2, 2)
        put(book, tmp_path, "events", "a.csv", rows, mapping=MAP)
        assert count() == 2
        put(book, tmp_path, "events", "b.csv", more, mapping=MAP)
        assert count() == 3
        put(book, tmp_path, "events", "a.csv", rows, mapping=MAP)
        assert count() == 3


def _history(book: SqliteBook) -> list[tuple[Any, ...]]:
    found = persons.show(book, "userId:u1")
    lane = next(lane for lane in range(64) if book.read("history_of", lane, found["person_id"]))
    return [row for row in book.read("history_of", lane, found["person_id"]) if "Look" in row]


def test_rows_are_typed_by_what_events_declare(tmp_path: Path) -> None:
    """An order id that looks like a number stays a text as Segment says; `products` is JSON.

    Own declarations go first.
    """
    rows = "what,when,who,order_id,revenue,shop,products,x.y\n"
    rows += 'Order Completed,2026-01-05T00:00:00Z,5,0815,19.90,12,"[{""price"": 1.5}]",7\n'
    shop = "{kind: event, id: Order Completed, properties: {shop: string}}"
    with home(tmp_path / "home", shop) as book:
        put(book, tmp_path, "events", "a.csv", rows, mapping=MAP)
        body = book.read("tail_page", 0, 10)[0][-1]
    item = json.loads(body, parse_float=str)["batch"][0]
    assert (item["userId"], item["event"]) == ("5", "Order Completed")
    assert item["properties"] == {
        "order_id": "0815", "revenue": "19.90", "shop": "12", "products": [{"price": "1.5"}], "x": {"y": 7}
    }  # fmt: skip


def test_refused_rows_stand_beside_until_they_are_mended(book: SqliteBook, tmp_path: Path) -> None:
    """Good rows of the file are taken; after the mend the file beside is gone."""
    done = put(book, tmp_path, "people", "m.csv", "userId,email\nm1,a@b.example\nm2,nobody\nm3,c@d.example\n")
    assert (done.rows, done.accepted, done.rejected, done.reasons) == (3, 2, 1, {"bad_identifier": 1})
    assert done.rejections is not None
    again = put(book, tmp_path, "people", "m.csv", "userId,email\nm1,a@b.example\nm2,n@b.example\nm3,c@d.example\n")
    assert (again.accepted, again.rejections) == (3, None)
    assert not Path(done.rejections).exists()


def test_payloads_of_segment_need_no_map(tmp_path: Path) -> None:
    """With a type as they come; without a type but with properties they are `track`; whole numbers of any size."""
    lines = [
        event(userId="u1", event="Look", properties={"n": 10**30}),
        json.dumps({"event": "Look", "userId": "u1", "timestamp": "2026-01-02T00:00:00Z", "properties": {"a": 1}}),
        json.dumps({"event": "Look", "userId": "u1", "timestamp": "2026-01-03T00:00:00+01:00", "colour": "red"}),
    ]
    with home(tmp_path / "home") as book:
        assert put(book, tmp_path, "events", "a.jsonl", "\n".join(lines)).accepted == 3
        run(book)
        found = [str(row) for row in _history(book)]
    assert "1000000000000000000000000000000" in found[0]
    assert '{"a":1}' in found[1]
    assert '{"colour":"red"}' in found[2]
