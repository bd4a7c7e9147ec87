"""`apply`: check definitions against those that are known and append what changed to the log, all or nothing.

Known are those in force and those that wait in the tail until the next tick puts them in force. Who applies appends
only where they are still the same, else looks again: of two at once none is lost, in however many processes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from einklang.app.appending import append_within
from einklang.app.changes import next_version, stored_docs
from einklang.app.definitions import Definitions, Docs, Key, compile_all, key_of, merge
from einklang.app.hints import hints
from einklang.app.in_use import check_destinations, check_fields, check_samples
from einklang.app.keeps import check_stages
from einklang.app.ports import Book, Reader, Tx
from einklang.app.schema import schema
from einklang.app.working import to_json
from einklang.app.yaml import Document, parse_text
from einklang.event import EngineCall, body_of, expand
from einklang.kernel.errors import Conflict, InputError
from einklang.kernel.limits import NAME_CHARS_MAX

__all__ = [
    "Applied", "Body", "apply", "check", "check_list", "in_force", "save_list", "save_segment", "schema",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Body:
    """A body that the engine appends to the log. Satisfies `ports.Blob`."""

    items: int
    received_at: int
    source: str
    kind: str
    body: bytes
    suppress: tuple[tuple[Any, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Applied:
    """What an apply changed: (kind, id, version, "new" | "changed"), and hints."""

    changes: list[tuple[str, str, int, str]] = field(default_factory=list)
    hints: list[str] = field(default_factory=list)


def in_force(reader: Reader) -> Definitions:
    """The definitions in force, compiled."""
    return compile_all(*stored_docs(reader.read("definitions_active")))


def in_force_until(reader: Reader, position: int) -> Definitions:
    """The definitions that were in force at a position of the log, compiled."""
    return compile_all(*stored_docs(reader.read("definitions_until", position, position)))


def _known(reader: Reader) -> tuple[Docs, dict[Key, int]]:
    """Documents in force, with those that wait laid over them, and their versions."""
    docs, versions = stored_docs(reader.read("definitions_active"))
    for row in reader.read("tail_of_kind", "definition"):
        for event in expand(row[4], row[5], first_position=row[0], received_at=row[2], source=row[3]):
            for change in event.properties.get("changes", ()):  # decisions of staff wait among them
                key = (change["kind"], change["id"])
                docs[key], versions[key] = (change["body"], f"{key[0]} {key[1]}"), change["version"]
    return docs, versions


def _mark(reader: Reader) -> tuple[Any, ...]:
    """Another one, other definitions are known."""
    waiting = (row[0] for row in reader.read("tail_of_kind", "definition"))
    return reader.read("definitions_stamp")[0][0], *waiting


def check(reader: Reader, docs: list[Document]) -> tuple[Applied, list[dict[str, Any]]]:
    """Check documents on top of those that are known.

    Raises InputError; gives what would change, and the changes for the log.
    """
    current, versions = _known(reader)
    docs = _as_logged(docs)
    merged = merge(current, docs)
    applied, changes = Applied(), []
    for key in sorted(set(merged)):
        body, before = merged[key][0], current.get(key)
        if before is not None and to_json(before[0]) == to_json(body):
            continue
        version = next_version(key[0], before[0] if before else None, versions.get(key, 0), body)
        versions[key] = version
        applied.changes.append((*key, version, "new" if before is None else "changed"))
        changes.append({"kind": key[0], "id": key[1], "version": version, "body": body})
    try:
        compiled = compile_all(merged, versions)
        check_fields(compiled, {key_of(doc) for doc in docs})
        check_destinations(compiled, {key_of(doc) for doc in docs})
        check_samples(compiled, {key_of(doc) for doc in docs})
        check_stages(compiled, {key_of(doc) for doc in docs})
    except InputError as error:
        raise _on_its_line(error, docs) from error
    applied.hints.extend(hints(compiled, {key_of(doc) for doc in docs}))
    return applied, changes


def _as_logged(docs: list[Document]) -> list[Document]:
    """Documents as the log will give them back: a number that a double holds as zero is zero there."""
    call = EngineCall(type="definition", properties={"bodies": [doc.body for doc in docs]}, messageId="check")
    (event,) = expand("definition", body_of([call]), first_position=1, received_at=0, source="")
    return [replace(doc, body=body) for doc, body in zip(docs, event.properties["bodies"], strict=True)]


def _on_its_line(error: InputError, docs: list[Document]) -> InputError:
    """The error with the line of the field at fault instead of the line at which its document begins."""
    for doc in docs:
        kind, name = key_of(doc)
        for head in (f"{doc.where}: {kind} {name}", doc.where):
            if error.where.startswith(head):
                path = error.where[len(head) :]
                line = doc.line_of(path.split(", ")[0].lstrip(".: ").replace(": ", "."))
                if line is not None:
                    file = doc.where.rpartition(":")[0]
                    where = f"{file}:{line}{error.where[len(doc.where) :]}"
                    return type(error)(error.code, error.what, where=where, mend=error.mend)
    return error


def apply(book: Book, docs: list[Document], *, now: int) -> Applied:
    """Check and append; the next tick puts them in force. now: microseconds, of the entry. Raises InputError."""
    return _apply(book, lambda known: docs, now)


def save_segment(
    book: Book, name: str, said: Mapping[str, Any], *, opened: str | None, now: int, thaw: bool = False
) -> Applied:
    """Make a segment, or change these fields of one; what is None, and all other fields, stay as they are.

    thaw: but for `frozen`, which goes.

    opened: the condition it had when somebody began to change it, "" if there was none; None: whatever it is. Raises
    Conflict `changed_meanwhile` if it is known with another one by now, and InputError.
    """

    def made(known: Docs) -> list[Document]:
        doc, _ = known.get(("segment", name), ({"kind": "segment", "id": name}, ""))
        if opened is not None and opened != doc.get("where", ""):
            mend = "open it again and change it there" if opened else "give it another id"
            raise Conflict("changed_meanwhile", f"segment {name[:60]!r} has another condition", mend=mend)
        fields = {key: value for key, value in doc.items() if not (thaw and key == "frozen")}
        fields |= {key: value for key, value in said.items() if value is not None}
        return parse_text(to_json(fields), "body.json")

    return _apply(book, made, now)


def check_list(name: str, doc: Mapping[str, Any]) -> None:
    """Raises Conflict `not_a_list` for a segment on which nobody can be put by hand."""
    if doc.get("manual") is not True:
        mend = "add `manual: true` to it, or give the list another id"
        raise Conflict("not_a_list", f"the members of {name[:60]!r} follow a condition", mend=mend)


def save_list(book: Book, name: str, title: str | None, *, now: int) -> Applied:
    """Make a segment whose members are put on it by hand, unless it is there, or waits to be put in force.

    Raises Conflict `not_a_list` if a segment of this id is none, and InputError.
    """

    def made(known: Docs) -> list[Document]:
        if ("segment", name) in known:
            check_list(name, known["segment", name][0])
            return []
        if title and len(title) > NAME_CHARS_MAX:
            mend = f"stay within {NAME_CHARS_MAX}"
            raise InputError("too_long", f"a title of {len(title)} characters", where="title", mend=mend)
        body = {"kind": "segment", "id": name, "manual": True} | ({"title": title} if title else {})
        return [Document(body, "list")]

    return _apply(book, made, now)


def _apply(book: Book, made: Callable[[Docs], list[Document]], now: int) -> Applied:
    """made: the documents to apply, out of those that are known."""
    while True:
        with book.snapshot() as reader:
            mark, docs = _mark(reader), made(_known(reader)[0])
            applied, changes = check(reader, docs)

        def work(tx: Tx, mark: tuple[Any, ...] = mark, changes: list[dict[str, Any]] = changes) -> bool:
            if _mark(tx) != mark:
                return False
            call = EngineCall(
                type="definition", event="Definition Changed", properties={"changes": changes}, at=now, origin=1
            )
            call.messageId = f"definition-{tx.read('counter_value', 'position')[0][0] + 1}"
            append_within(tx, "definition", [call], now)
            return True

        if not changes or book.transact(work):
            return applied
