"""Static lists: segments with `manual: true`. Who is on one is said by events of the log, `Segment Listed` and
`Segment Unlisted`, one a person; the latest counts. So a list follows merges, splits, rebuilds and any moment of the
past as every other segment does, and needs no rows of its own.

    upload   a file of identifiers: rows that name nobody are refused with their reason, or create persons if asked to
    freeze   who is a member of another segment at a moment is put on a new list
    empty    everybody is taken off; nothing that was ever defined is removed, so the list stays, with nobody on it
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from einklang.app.appending import append_within
from einklang.app.apply import check_list, in_force, save_list
from einklang.app.definitions import Definitions
from einklang.app.find import person_id
from einklang.app.import_rows import Row, RowRefused, text_of
from einklang.app.imports import CHUNK, Table, check_header
from einklang.app.intake import from_row
from einklang.app.ports import Book, Reader, Tx
from einklang.event import LISTED, UNLISTED, EngineCall, clean, expand
from einklang.identity import DEVICE
from einklang.identity import Rules as IdentityRules
from einklang.kernel.errors import Conflict, InputError, NotFound
from einklang.kernel.limits import IDENTIFIER_CHARS_MAX

#: What an upload does with those whom it names.
ACTIONS = ("add", "remove", "replace")
#: The column that holds `kind:value`.
PERSON = "person"
_CELL_CHARS_MAX = 1 << 20
Refused = Callable[[int, RowRefused, Row], None]


def table_of_text(text: str) -> Table:
    """The rows of CSV that came as text, one after the other. It, and they, raise InputError."""
    csv.field_size_limit(_CELL_CHARS_MAX)
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)

    def lines() -> Iterator[tuple[int, list[str]]]:
        try:
            for cells in reader:
                yield reader.line_num, cells
        except csv.Error as error:
            mend = "quote cells that hold commas, quotes or line ends"
            raise InputError("bad_csv", str(error), where=f"rows:{reader.line_num}", mend=mend) from error

    found = lines()
    _, header = next(found, (1, []))
    if not header:
        mend = f"begin with a line that names the columns, such as {PERSON} or email"
        raise InputError("bad_csv", "the first line names no column", where="rows:1", mend=mend)
    check_header(header, "rows:1")

    def rows() -> Iterator[tuple[int, Row]]:
        for number, cells in found:
            if len(cells) == len(header):
                yield number, {name: cell for name, cell in zip(header, cells, strict=True) if cell}
            elif cells:
                yield number, {"": f"{len(cells)} cells instead of {len(header)}"}

    return Table(header, rows(), text=True)


@dataclass(slots=True)
class Listed:
    """What an upload came to. new: the list is a new one; listed, unlisted: persons who were put on it, taken off it;
    created: rows that name somebody nobody knew.
    """

    segment: str
    new: bool = False
    rows: int = 0
    listed: int = 0
    unlisted: int = 0
    created: int = 0
    rejected: int = 0
    rejections: str | None = None
    reasons: dict[str, int] = field(default_factory=dict)


def upload(
    book: Book,
    segment: str,
    table: Table,
    *,
    action: str,
    create: bool,
    by: str,
    now: int,
    refused: Refused,
    title: str | None = None,
) -> Listed:
    """Put those whom a file names on a list, take them off, or let the list be these alone; a new id is a new list.

    create: who is named and not known becomes a person. refused(row number, why, row): told of each row not taken.
    title: what people call a new list.
    Raises InputError for a file without a usable column or row, Conflict `not_a_list`.
    """
    if action not in ACTIONS:
        raise InputError(
            "unknown_action", f"no action {action[:40]!r}", where="action", mend="use " + " ".join(ACTIONS)
        )
    definitions = in_force(book)
    kinds = definitions.identity.kinds
    _check_columns(table, kinds)
    _check_list(definitions, segment, action)
    result = Listed(segment)
    with book.snapshot() as reader:
        named = dict[str, tuple[str, str]]()
        for number, row in table.rows:
            result.rows += 1
            try:
                person, identifier = _named(reader, row, kinds, create=create and action != "remove")
            except RowRefused as why:
                result.rejected += 1
                result.reasons[why.code] = result.reasons.get(why.code, 0) + 1
                refused(number, why, row)
                continue
            named.setdefault(person or ":".join(identifier), identifier)
            result.created += not person
        if not result.rows:
            raise InputError("empty_file", "the file holds no rows", mend="check the file")
        if action == "replace" and not named:  # a wrong file empties no list
            mend = "see the refused rows; to take everybody off: einklang segment empty ID"
            raise InputError("nobody_named", "no row names anybody: the list stays as it is", mend=mend)
        gone = []
        if action == "replace":
            gone = [pair for key, pair in _there(reader, segment).items() if key not in named]
        named = {key: _lasting(reader, definitions.identity, pair) for key, pair in named.items()}
        off = [_lasting(reader, definitions.identity, pair) for pair in gone]
        on = list(named.values())
        if action == "remove":
            on, off = off, on
    result.new = bool(save_list(book, segment, title, now=now).changes)
    result.listed, result.unlisted = len(on), len(off)
    _append(book, segment, UNLISTED, off, by=by, now=now)
    _append(book, segment, LISTED, on, by=by, now=now)
    return result


def _there(reader: Reader, segment: str) -> dict[str, tuple[str, str]]:
    """Who is on a list by all that was said, also by what the next tick works off: as `named` of an upload."""
    found = {str(row[0]): (PERSON, str(row[0])) for row in reader.read("members_of", segment)}
    for name, identifier in _waiting(reader, segment):
        kind, value = identifier
        rows = [(value,)] if kind == PERSON else reader.read("identifier_get", kind, value)
        key = str(rows[0][0]) if rows else ":".join(identifier)
        found.pop(key, None)
        if name == LISTED:
            found[key] = (PERSON, key) if rows else identifier
    return found


def _waiting(reader: Reader, segment: str) -> Iterator[tuple[str, tuple[str, str]]]:
    """(what, identifier) that was said of a list and is not worked off yet, in order."""
    events = [from_row(row) for row in reader.read("entry_pending_lists")]
    for row in reader.read("tail_of_kind", "engine"):
        events += expand(row[4], row[5], first_position=row[0], received_at=row[2], source=row[3])
    for event in events:
        if event.name in (LISTED, UNLISTED) and event.properties.get("segment") == segment:
            yield event.name, event.identifiers[0]


def members_now(reader: Reader, definitions: Definitions, segment: str) -> list[str]:
    """Who is a member, in order. Raises NotFound `unknown_segment`."""
    if ("segment", segment) not in definitions.docs:
        raise NotFound("unknown_segment", f"no segment {segment[:60]!r}", mend="see the list of segments")
    return [row[0] for row in reader.read("members_of", segment)]


def freeze(
    book: Book, source: str, segment: str, people: Iterable[str], *, title: str | None, by: str, now: int
) -> Listed:
    """Put these people, the members of `source` at a moment, on a list that is new or empty. Raises Conflict."""
    definitions = in_force(book)
    if ("segment", source) not in definitions.docs:
        raise NotFound("unknown_segment", f"no segment {source[:60]!r}", mend="see: einklang segment")
    with book.snapshot() as reader:
        if _there(reader, segment):
            what = f"segment {segment[:60]!r} has members already"
            raise Conflict("list_exists", what, mend="give the list another id")
        named = [_lasting(reader, definitions.identity, (PERSON, person)) for person in people]
    result = Listed(segment, bool(save_list(book, segment, title, now=now).changes), len(named), len(named))
    _append(book, segment, LISTED, named, by=by, now=now)
    return result


def empty(book: Book, segment: str, *, by: str, now: int) -> Listed:
    """Take everybody off a list. Raises NotFound, Conflict `not_a_list` where others than its list are members."""
    definitions = in_force(book)
    _check_list(definitions, segment, "empty")
    with book.snapshot() as reader:
        off = [_lasting(reader, definitions.identity, pair) for pair in _there(reader, segment).values()]
    _append(book, segment, UNLISTED, off, by=by, now=now)
    return Listed(segment, rows=len(off), unlisted=len(off))


def _check_list(definitions: Definitions, segment: str, action: str) -> None:
    """Raises Conflict `not_a_list`, NotFound."""
    doc, _ = definitions.docs.get(("segment", segment), ({}, ""))
    if doc:
        check_list(segment, doc)
        beside = [field for field in ("where", "sample", "frozen") if doc.get(field)]
        if (action == "empty" and beside) or (action == "replace" and "where" in beside):
            mend = "remove those who are to go"
            raise Conflict("not_a_list", f"{segment[:60]!r} has more than its list: {beside[0]}", mend=mend)
    elif action in ("remove", "empty"):
        known = ", ".join(name for (kind, name), (body, _) in sorted(definitions.docs.items()) if _is_list(kind, body))
        raise NotFound("unknown_segment", f"no list {segment[:60]!r}", mend=f"known: {known or 'none'}")


def _is_list(kind: str, body: dict[str, Any]) -> bool:
    return kind == "segment" and body.get("manual") is True


# --- rows -------------------------------------------------------------------------------------------------------------


def _check_columns(table: Table, kinds: Iterable[str]) -> None:
    if table.columns is not None and not {PERSON, *kinds} & set(table.columns):
        columns = ", ".join(table.columns)[:60]
        mend = f"name one in the first line: {PERSON} (holds kind:value), " + ", ".join(kinds)
        raise InputError("missing_column", f"no column names persons; columns are {columns!r}", mend=mend)


def _named(reader: Reader, row: Row, kinds: Iterable[str], *, create: bool) -> tuple[str, tuple[str, str]]:
    """(person, "" if nobody is known; the identifier) whom a row names. Raises RowRefused."""
    if "" in row:
        raise RowRefused("bad_row", str(row[""]))
    pairs = [(kind, text) for kind in kinds if (text := text_of(row.get(kind)))]
    whole = text_of(row.get(PERSON))
    if whole:
        kind, colon, value = whole.partition(":")
        if whole.startswith("p_"):
            return _by_id(reader, whole)
        if not colon or kind not in kinds:
            raise RowRefused(
                "bad_identifier", f"not a person: {whole[:60]!r}", "write kind:value, such as email:a@b.example"
            )
        pairs.insert(0, (kind, value))
    if not pairs:
        raise RowRefused("no_identifier", "the row names nobody", f"fill {PERSON}, " + ", ".join(kinds))
    found: dict[str, tuple[str, str]] = {}
    unknown: list[tuple[str, str]] = []
    for kind, value in pairs:
        normal = clean(kind, value)
        if not normal or len(normal) > IDENTIFIER_CHARS_MAX or "\0" in normal:
            raise RowRefused("bad_identifier", f"no {kind}: {value[:60]!r}", "write it in full, or leave it empty")
        rows = reader.read("identifier_get", kind, normal)
        if rows:
            found.setdefault(str(rows[0][0]), (kind, normal))
        else:
            unknown.append((kind, normal))
    if len(found) > 1:
        raise RowRefused("two_persons", "the row names two persons", "keep one of the identifiers, or merge them")
    if found:
        return next(iter(found.items()))
    if not create:
        kind, value = unknown[0]
        raise RowRefused("unknown_person", f"nobody has {kind}:{value[:60]}", "import the person, or create with it")
    return "", unknown[0]


def _by_id(reader: Reader, person: str) -> tuple[str, tuple[str, str]]:
    """Whom a person id means now. Raises RowRefused."""
    found = person_id(reader, person)
    if not reader.read("identifiers_known", found):
        raise RowRefused("unknown_person", f"nobody has the id {person[:60]}", "write kind:value")
    return found, (PERSON, found)


def _lasting(reader: Reader, rules: IdentityRules, named: tuple[str, str]) -> tuple[str, str]:
    """What a list names a person by: the strongest identifier for an id, so that at a split it goes with that one."""
    kind, person = named
    if kind != PERSON:
        return named
    known = [
        (-rules.kinds[kind].priority, kind, value)
        for kind, value, *_ in reader.read("identifiers_known", person)
        if kind != DEVICE and kind in rules.kinds
    ]
    return min(known)[1:] if known else (PERSON, person)


# --- the log ----------------------------------------------------------------------------------------------------------


def _append(book: Book, segment: str, name: str, named: list[tuple[str, str]], *, by: str, now: int) -> None:
    """One entry a person; the same said again is an entry of its own."""

    def calls(first: int, part: Iterable[tuple[str, str]]) -> Iterator[EngineCall]:
        for n, (kind, value) in enumerate(part):
            said = {"segment": segment, "by": by}
            call = EngineCall(type="track", event=name, at=now, origin=1, identifiers={kind: value}, properties=said)
            call.messageId = f"list-{first + n}"
            yield call

    for start in range(0, len(named), CHUNK):

        def work(tx: Tx, part: list[tuple[str, str]] = named[start : start + CHUNK]) -> None:
            first = tx.read("counter_value", "position")[0][0] + 1
            append_within(tx, "engine", list(calls(first, part)), now)

        book.transact(work)
