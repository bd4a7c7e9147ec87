"""Bad input, one table: each row states channel, input, code, position and mend; nothing changes, no traceback leaks.

What is special to a channel is in tests/web/test_http_bad_input.py, tests/app_definitions/test_bad_definitions.py and
test_imports.py, which have tables of their own.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from einklang.main.cli import main
from einklang.store.book import SqliteBook
from einklang.testing.canonical import canonical_hash
from tests.web.homes import DEFINITIONS, SERVER_KEY, WRITE_KEY, Home, bought
from tests.web.homes import home as opened


@dataclass(frozen=True)
class Row:
    """channel: http, import, apply, expression, cli. what: the input. where, mend: parts of what is told."""

    name: str
    channel: str
    what: Any
    code: str
    where: str
    mend: str
    status: int = 400


def track(**fields: Any) -> bytes:
    """A track call as JSON."""
    return json.dumps({"userId": "u", "event": "E", **fields}).encode()


def nested(levels: int) -> bytes:
    """A call nested so deeply."""
    return b'{"userId":"u","event":"E","properties":' + b'{"a":' * levels + b"1" + b"}" * levels + b"}"


JOURNEY = "kind: journey\nid: b\nentry: {event: X}\nsteps:\n- "
BOMB = gzip.compress(gzip.compress(bytes(20_000_000)) + bytes(20_000_000))
TRACK, BATCH, SESSION = "POST /v1/track", "POST /v1/batch", "POST /api/session"
TABLE = [
    # --- HTTP: (request, body)
    Row("broken JSON", "http", (TRACK, b'{"event": "E", '), "not_json", "track", "JSON"),
    Row("no UTF-8", "http", (TRACK, b'{"userId":"u","event":"\xff"}'), "not_json", "track", "UTF-8"),
    Row("an array", "http", (TRACK, b"[1]"), "not_an_object", "track", "object"),
    Row("a name of another type", "http", (TRACK, track(event=5)), "wrong_type", "track.event", "send"),
    Row("no name", "http", (TRACK, track(event="")), "no_name", "track.event", "name"),
    Row("a reserved name", "http", (TRACK, track(event="Message Sent")), "reserved_name", "track.event", "another"),
    Row("nobody", "http", (TRACK, b'{"event":"E"}'), "no_identifier", "track.userId", "userId"),
    Row("an id that is a list", "http", (TRACK, track(userId=["u"])), "bad_identifier", "track.userId", "text"),
    Row("a NUL byte", "http", (TRACK, track(properties={"a": "x\0y"})), "nul_byte", "track", "leave"),
    Row("the year 1", "http", (TRACK, track(timestamp="0001-01-01T00:00:00Z")), "bad_time", "track.timestamp", "2027"),
    Row("the year 9999", "http", (TRACK, track(timestamp="9999-12-31T00:00:00Z")), "bad_time", "timestamp", "2027"),
    Row("no time", "http", (TRACK, track(timestamp="soon")), "bad_time", "track.timestamp", "2027"),
    Row(
        "a number without end",
        "http",
        (TRACK, track()[:-1] + b',"properties":{"n":1e999}}'),
        "bad_number",
        "track",
        "text",
    ),
    Row("nested too deeply", "http", (TRACK, nested(100)), "too_deep", "track", "32"),
    Row(
        "an event of 33 KB", "http", (TRACK, track(properties={"a": "x" * 33_000})), "too_large", "track", "32768", 413
    ),
    Row("10 MB", "http", (BATCH, b"x" * 10_000_000), "too_large", "body", "524288", 413),
    Row("a gzip bomb", "http", (BATCH, BOMB), "too_large", "body", "524288", 413),
    Row("half a gzip", "http", (BATCH, gzip.compress(track())[:-9]), "bad_gzip", "body, byte", "whole"),
    Row("no batch", "http", (BATCH, b"{}"), "no_batch", "batch", "batch"),
    Row(
        "too many items",
        "http",
        (BATCH, b'{"batch":[' + b"1," * 5_000 + b"1]}"),
        "batch_too_long",
        "batch",
        "5000",
        413,
    ),
    Row(
        "a bad item of a batch",
        "http",
        (BATCH, b'{"batch":[{"type":"track"}]}'),
        "no_name",
        "batch[0].event",
        "name",
        200,
    ),
    Row(
        "an unknown type",
        "http",
        (BATCH, b'{"batch":[{"type":"trk","userId":"u"}]}'),
        "unknown_type",
        "batch[0].type",
        "track",
        200,
    ),
    Row("another method", "http", ("PUT /v1/track", track()), "wrong_method", "track", "POST", 405),
    Row("no such call", "http", ("POST /v1/trackk", track()), "not_found", "", "/v1/", 404),
    Row("a bad limit", "http", ("GET /api/persons?limit=0", b""), "bad_limit", "limit", "1 to 200"),
    Row("a bad cursor", "http", ("GET /api/persons?cursor=%27--", b""), "bad_cursor", "cursor", "next"),
    Row(
        "an unknown person",
        "http",
        ("GET /api/persons/email:x@y.example", b""),
        "unknown_person",
        "",
        "kind:value",
        404,
    ),
    Row("an unknown journey", "http", ("GET /api/journeys/none", b""), "unknown_journey", "id", "known", 404),
    Row("a sign-in without password", "http", (SESSION, b'{"name":"ada"}'), "bad_body", "body", "password"),
    Row("a definition that is none", "http", ("POST /api/definitions", b"kind: [x"), "not_yaml", "body.yaml:", "quote"),
    # --- import: (kind, file, bytes)
    Row("an empty file", "import", ("people", "a.csv", b""), "empty_file", "a.csv", "header"),
    Row(
        "another delimiter",
        "import",
        ("people", "a.csv", b"userId;email\n1;a@b.de\n"),
        "wrong_delimiter",
        "a.csv:1",
        "commas",
    ),
    Row(
        "another encoding",
        "import",
        ("people", "a.csv", b"userId,name\n1,J\xfcrgen\n"),
        "bad_encoding",
        "a.csv:2",
        "UTF-8",
    ),
    Row("an open quote", "import", ("people", "a.csv", b'userId,name\n1,"open\n'), "bad_csv", "a.csv:2", "quote"),
    Row(
        "a column twice",
        "import",
        ("people", "a.csv", b"userId,n,n\n1,a,b\n"),
        "repeated_column",
        "a.csv:1",
        "own name",
    ),
    Row("an unknown ending", "import", ("people", "a.txt", b"userId\n1\n"), "unknown_format", "a.txt", ".csv"),
    Row("no Parquet", "import", ("people", "a.parquet", b"PAR1 no"), "bad_parquet", "a.parquet", "Parquet"),
    Row(
        "one JSON array",
        "import",
        ("people", "a.json", b'[{"userId":"1"}]'),
        "not_json_lines",
        "a.json:1",
        "one object a line",
    ),
    Row("events without a map", "import", ("events", "a.csv", b"event\nX\n"), "no_map", "a.csv", "--map"),
    Row("a row of nobody", "import", ("people", "a.csv", b"userId,n\n,Ann\n"), "no_identifier", "2", "userId", 0),
    Row("a row with too few cells", "import", ("people", "a.csv", b"userId,n\n1\n"), "bad_row", "2", "", 0),
    Row(
        "a row of the year 1",
        "import",
        ("people", "a.csv", b"userId,at\n1,0001-01-01T00:00:00Z\n"),
        "bad_time",
        "2",
        "year",
        0,
    ),
    Row("a row with a NUL byte", "import", ("people", "a.csv", b"userId,n\n1,a\0b\n"), "nul_byte", "2", "remove", 0),
    Row(
        "a price that is none",
        "import",
        ("products", "a.csv", b"product_id,price\np,dear\n"),
        "bad_number",
        "2",
        "19.99",
        0,
    ),
    Row("a line that is no object", "import", ("people", "a.jsonl", b"3\n"), "bad_row", "1", "", 0),
    Row(
        "a consent of nobody",
        "import",
        ("consents", "a.csv", b"person,channel,purpose,status\nu1,email,news,given\n"),
        "bad_identifier",
        "2",
        "kind:value",
        0,
    ),
    # --- apply: the file f.yaml
    Row("no YAML", "apply", "kind: [", "not_yaml", "f.yaml:1", "quote"),
    Row("a file with a NUL byte", "apply", "kind: seg\0ment", "nul_byte", "f.yaml", "UTF-8"),
    Row("no kind", "apply", "id: a", "missing_field", "f.yaml:1", "kind"),
    Row("an unknown kind", "apply", "kind: segmnt\nid: a", "unknown_kind", "f.yaml:1", "'segment'"),
    Row(
        "an unknown field",
        "apply",
        "kind: segment\nid: a\nwher: 'true'",
        "unknown_field",
        "f.yaml:1: segment a",
        "'where'",
    ),
    Row(
        "a field of another type",
        "apply",
        "kind: segment\nid: a\nwhere: true",
        "wrong_type",
        "f.yaml:3: segment a.where",
        "quotes",
    ),
    Row("a bad duration", "apply", JOURNEY + "{id: w, wait: 1 day}", "bad_duration", "steps[0].wait", "largest first"),
    Row("an unknown message", "apply", JOURNEY + "{id: c, contact: nope}", "unknown_message", "steps[0].contact", ""),
    Row(
        "a step nobody reaches",
        "apply",
        JOURNEY + "{id: a, wait: 1d, then: end}\n- {id: b, wait: 1d}",
        "unreachable",
        "steps[1]",
        "point to it",
    ),
    Row(
        "a control group of 110 %",
        "apply",
        "kind: journey\nid: b\ncontrol: 1.1\nentry: {event: X}\nsteps:\n- {id: a, wait: 1d}",
        "bad_share",
        "journey b.control",
        "0 to 1",
    ),
    # --- expressions: the condition of a segment
    Row("an expression that stops", "expression", "trait.a ==", "syntax", "column 11", ""),
    Row("an unknown function", "expression", "wat()", "unknown_function", "column 1", ""),
    Row("an unknown name", "expression", "category == 1", "unknown_name", "column 1", "trait.category"),
    Row("a sum that is no condition", "expression", "1 + 1", "wrong_type", "column 1", "compare"),
    Row("a set that is no condition", "expression", 'events("X")', "wrong_type", "column 1", "exists"),
    Row("a text against a number", "expression", "person.id > 5", "wrong_type", "column", ""),
    Row("an unknown segment", "expression", 'segment("buyer")', "unknown_id", "column 9", "`buyers`"),
    Row("months in a window", "expression", 'events("X").within("1mo").exists()', "months_in_window", "column", "days"),
    Row(
        "loops in loops", "expression", "trait.l.exists(a, " * 7 + "true" + ")" * 7, "too_costly", "column 1", "shorter"
    ),
    Row(
        "a pattern that grows",
        "expression",
        'trait.x.matches("((a{99}){99}){99}")',
        "pattern_too_large",
        "column",
        "less",
    ),
    Row("a segment of itself", "expression", 'segment("a")', "circle", "segment a.where", "break"),
    Row("an unknown stage", "expression", 'stage("nope") == "x"', "unknown_id", "column 7", "none"),
    Row("a score by a model", "expression", 'score("clv") > 1', "not_supported_yet", "column 1", "points"),
    Row("endless brackets", "expression", "(" * 2_000 + "true" + ")" * 2_000, "", "segment a.where", ""),
    # --- command line: arguments; 2 = wrong usage, 1 = a refusal
    Row("no command", "cli", [], "wrong_usage", "einklang", "--help", 2),
    Row("an unknown command", "cli", ["nope"], "wrong_usage", "COMMAND", "--help", 2),
    Row("run without an end", "cli", ["run"], "wrong_usage", "--until", "--help", 2),
    Row("an end that is no time", "cli", ["run", "--until", "tomorrow"], "bad_moment", "--until", "2027", 2),
    Row("an end in the year 1", "cli", ["run", "--until", "0001-01-01"], "bad_moment", "--until", "year", 2),
    Row("an end in the year 9999", "cli", ["run", "--until", "9999-12-31"], "bad_moment", "--until", "year", 2),
    Row(
        "a moment that is none", "cli", ["segment", "count", "buyers", "--at", "never"], "bad_moment", "--at", "2027", 2
    ),
    Row("a segment that is none", "cli", ["segment", "count", "none"], "unknown_segment", "", "known", 1),
    Row("a journey that is none", "cli", ["journey", "counts", "none"], "unknown_journey", "", "known", 1),
    Row("a report of none", "cli", ["report", "none"], "unknown_journey", "", "known", 1),
    Row("somebody unknown", "cli", ["person", "show", "email:x@y.example"], "unknown_person", "", "kind:value", 1),
    Row("why of somebody unknown", "cli", ["why", "p_none"], "unknown_person", "", "kind:value", 1),
    Row("half a character", "cli", ["person", "show", "email:\ud800"], "bad_argument", "arguments", "UTF-8", 2),
    Row("an argument with NUL", "cli", ["why", "a\0b"], "bad_argument", "arguments", "NUL", 2),
    Row("a port beyond ports", "cli", ["serve", "--port", "99999"], "wrong_usage", "--port", "65535", 2),
    Row("nothing to apply", "cli", ["apply"], "no_path", "apply", "name files", 2),
    Row("no such file to import", "cli", ["import", "people", "none.csv"], "no_such_file", "none.csv", "path", 1),
    Row("an unknown kind of import", "cli", ["import", "things", "x"], "wrong_usage", "kind", "--help", 2),
    Row("a home that is there", "cli", ["init"], "home_exists", "home", "another", 1),
    Row("a salt that is none", "cli", ["init", "--salt", "xyz"], "bad_salt", "--salt", "0-9 a-f", 1),
    Row("a demo of nobody", "cli", ["demo", "--persons", "0"], "wrong_usage", "--persons", "10 to", 2),
]


def of(*channels: str) -> list[Any]:
    """The rows of these channels, by name."""
    return [pytest.param(row, id=f"{row.channel}-{row.name}") for row in TABLE if row.channel in channels]


def test_the_table_is_long_enough() -> None:
    """At least 60 rows, no two of one name in a channel, each channel with some."""
    names = {(row.channel, row.name) for row in TABLE}
    assert len(names) == len(TABLE) >= 60
    assert {channel for channel, _ in names} == {"http", "import", "apply", "expression", "cli"}


def fingerprint(book: Any) -> list[Any]:
    """Everything that an input could have changed: the state with the log, counters, what waits, suppressions."""
    names = ("counters", "tail_waiting", "suppressions", "outbox_counts", "staff_count", "definitions_active")
    return [canonical_hash(book, log=True), *(book.read(name) for name in names)]


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A server's home in which somebody has bought something."""
    with opened(tmp_path_factory.mktemp("web")) as made:
        made.define()
        made.track(*bought())
        made.tick()
        yield made


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of the commands, with definitions in force."""
    folder = tmp_path_factory.mktemp("cli")
    (folder / "good.yaml").write_text(DEFINITIONS)
    assert main(["init", "--home", str(folder / "home"), "--salt", "5a" * 16]) == 0
    assert main(["apply", str(folder / "good.yaml"), "--home", str(folder / "home")]) == 0
    return folder / "home"


@pytest.mark.parametrize("row", of("http"))
def test_http(web: Home, row: Row) -> None:
    """A problem, or a rejected item of a batch, with code, position and mend; nothing is stored."""
    before = fingerprint(web.book)
    request, body = row.what
    method, path = request.split(" ")
    key = httpx.BasicAuth(WRITE_KEY, "")._auth_header if "/v1/" in path else f"Bearer {SERVER_KEY}"
    answer = web.call(method, path, content=body, headers={"Authorization": key, "Content-Type": "application/json"})
    assert answer.status_code == row.status, answer.text
    found = answer.json()
    if row.status == 200:
        (refused,) = found["rejected"]
        found = {"code": refused["code"], "where": refused["message"], "mend": refused["message"]}
    assert found["code"] == row.code
    assert row.where in found["where"], answer.text
    assert found["mend"], answer.text
    assert row.mend in found["mend"], answer.text
    assert "Traceback" not in answer.text
    assert fingerprint(web.book) == before


def commanded(place: Path, row: Row, argv: list[str], status: int, capsys: pytest.CaptureFixture[str]) -> str:
    """Run a command; what stands on standard output. Its one line of error says code, position and mend."""
    with SqliteBook.open(place, writer=False) as book:
        before = fingerprint(book)
    capsys.readouterr()
    assert main([*argv, "--home", str(place), "--json"] if argv else []) == status
    found = capsys.readouterr()
    if status:
        (line,) = found.err.splitlines()
        told = re.fullmatch(r"einklang: (?P<text>.+) \[(?P<code>[a-z_]+)\]", line)
        assert told, line
        assert row.code in ("", told["code"]), line
        assert row.where in told["text"], line
        assert row.mend in told["text"], line
        assert "; " in told["text"], line
        assert len(line) < 1_000
        assert found.out == ""
    assert "Traceback" not in found.err
    with SqliteBook.open(place, writer=False) as book:
        assert fingerprint(book) == before
    return found.out


@pytest.mark.parametrize("row", of("import"))
def test_import(place: Path, tmp_path: Path, row: Row, capsys: pytest.CaptureFixture[str]) -> None:
    """A bad file is refused whole; a bad row with its reason in the file beside, while the command succeeds."""
    kind, name, data = row.what
    (tmp_path / name).write_bytes(data)
    argv = ["import", kind, str(tmp_path / name)]
    if row.status:
        commanded(place, row, argv, 1, capsys)
        return
    answer = json.loads(commanded(place, row, argv, 0, capsys))
    assert (answer["accepted"], answer["rejected"], answer["reasons"]) == (0, 1, {row.code: 1})
    (refused,) = [json.loads(line) for line in Path(answer["rejections"]).read_text().splitlines()]
    assert (str(refused["row"]), refused["code"]) == (row.where, row.code)
    assert row.mend in json.dumps(refused)


@pytest.mark.parametrize("row", of("apply", "expression"))
def test_apply(place: Path, tmp_path: Path, row: Row, capsys: pytest.CaptureFixture[str]) -> None:
    """File, line, field, and in an expression line and column; nothing is taken, with and without --check."""
    text = row.what if row.channel == "apply" else f"kind: segment\nid: a\nwhere: {json.dumps(row.what)}\n"
    (tmp_path / "f.yaml").write_text(text)
    for more in ([], ["--check"]):
        commanded(place, row, ["apply", str(tmp_path / "f.yaml"), *more], 1, capsys)


@pytest.mark.parametrize("row", of("cli"))
def test_command_line(place: Path, row: Row, capsys: pytest.CaptureFixture[str]) -> None:
    """One line with code, position and mend; exit 1 for a refusal, 2 for wrong usage; standard output stays empty."""
    commanded(place, row, row.what, row.status, capsys)
