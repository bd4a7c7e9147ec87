"""`apply`: check definitions against those in force and append what changed to the log, all or nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from einklang.app.changes import next_version, stored_docs
from einklang.app.definitions import Definitions, compile_all, key_of, merge
from einklang.app.hints import hints
from einklang.app.in_use import check_fields
from einklang.app.ports import Book, Reader
from einklang.app.schema import schema
from einklang.app.working import to_json
from einklang.app.yaml import Document
from einklang.event import EngineCall, body_of
from einklang.kernel.errors import InputError

__all__ = ["Applied", "Body", "apply", "check", "in_force", "schema"]


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


def check(reader: Reader, docs: list[Document]) -> tuple[Applied, list[dict[str, Any]]]:
    """Check documents on top of those in force.

    Raises InputError; gives what would change, and the changes for the log.
    """
    current, versions = stored_docs(reader.read("definitions_active"))
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
    except InputError as error:
        raise _on_its_line(error, docs) from error
    applied.hints.extend(hints(compiled, {key_of(doc) for doc in docs}))
    return applied, changes


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
    """Check and append; the next tick puts them in force. now: microseconds, stamped on the entry."""
    applied, changes = check(book, docs)
    if changes:
        call = EngineCall(
            type="definition", event="Definition Changed", properties={"changes": changes}, at=now, origin=1
        )
        position = book.read("counter_value", "position")[0][0]
        call.messageId = f"definition-{position + 1}"
        book.append([Body(1, now, "einklang", "definition", body_of([call]))])
    return applied
