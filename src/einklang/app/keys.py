"""Sources and their keys: who may send, who may ask. The Book keeps hashes; a key is shown once, when it is made.

A **write** key stands in web pages, so it is public: it lets events in and nothing out. A **server** key opens the REST
API. Events carry the id of their source for ever, so a source stays; its keys come and go: a rotation makes a new one
and lets the old ones end after a while, a revocation ends one now.
"""

from __future__ import annotations

import re
from hashlib import blake2b

import msgspec

from einklang.app.answers import shown
from einklang.app.ports import Book, Reader, Tx
from einklang.kernel.errors import Conflict, InputError, NotFound
from einklang.kernel.time import DAY, format_moment

WRITE, SERVER = "write", "server"
PREFIX = {WRITE: "wk_", SERVER: "sk_"}
#: For so long the old keys of a rotation still work, unless said otherwise.
GRACE_US = DAY
GRACE_US_MAX = 90 * DAY
RATE_MAX = 1_000_000
#: Names that the log uses for what no key let in.
RESERVED = frozenset({"einklang", "import", "demo", "bench", "file"})
_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,59}")
_HINT_CHARS = 4
_MICROS = 1_000_000


class Key(msgspec.Struct, frozen=True):
    """A key as people see it. hint: its last characters; ends_at: null while it works until further notice."""

    id: str
    hint: str
    created_at: str
    ends_at: str | None


class Source(msgspec.Struct, frozen=True):
    """Who sends. kind: write or server; events_per_s: of one key, null = the server's setting."""

    id: str
    kind: str
    name: str
    events_per_s: int | None
    keys: list[Key]


class Allowed(msgspec.Struct, frozen=True):
    """Whom a key belongs to, and until when it works."""

    source: str
    kind: str
    events_per_s: int | None
    ends_at: int | None


def key_hash(key: str) -> bytes:
    """What is stored of a key: it is long and random, so a plain hash does."""
    return blake2b(key.encode("utf-8", "surrogatepass"), digest_size=32).digest()


def allowed(reader: Reader, hashed: bytes, now: int) -> Allowed | None:
    """Whose key this is, while it works."""
    rows = reader.read("source_by_key", hashed, now)
    return Allowed(rows[0][0], rows[0][1], rows[0][3], rows[0][4]) if rows else None


def sources(reader: Reader) -> list[Source]:
    """All sources with their keys, those that ended included."""
    keys: dict[str, list[Key]] = {}
    for id_, source, hint, created_at, ends_at in reader.read("access_keys"):
        keys.setdefault(source, []).append(Key(id_, hint, format_moment(created_at), shown(ends_at)))
    rows = reader.read("sources")
    return [Source(id_, kind, name, rate, keys.get(id_, [])) for id_, kind, name, rate in rows]


def source(reader: Reader, source_id: str) -> Source:
    """One source. Raises NotFound."""
    found = next((one for one in sources(reader) if one.id == source_id), None)
    if found is None:
        raise _unknown("source", source_id)
    return found


def _unknown(what: str, id_: str) -> NotFound:
    mend = "list them with: einklang source list"
    return NotFound(f"unknown_{what}", f"no {what} {id_[:80]!r}", where=what, mend=mend)


def _checked_rate(events_per_s: int | None) -> None:
    if events_per_s is not None and not 1 <= events_per_s <= RATE_MAX:
        mend = f"use 1 to {RATE_MAX}, or null for the server's setting"
        raise InputError("bad_rate", f"{events_per_s} events a second", where="events_per_s", mend=mend)


def create(
    book: Book, source_id: str, kind: str, name: str, token: str, *, now: int, events_per_s: int | None = None
) -> str:
    """A new source with its first key, made of a fresh random token; the key, which is shown now and never again.

    Raises InputError `bad_source_id`, `unknown_kind`, `bad_name`, `bad_rate`, Conflict `source_exists`.
    """
    if not _ID.fullmatch(source_id) or source_id in RESERVED or (kind == WRITE and source_id.startswith(SERVER)):
        mend = "use up to 60 small letters, digits, - and _, such as web-shop"
        raise InputError("bad_source_id", f"{source_id[:80]!r} is no id of a source", where="id", mend=mend)
    if kind == WRITE and source_id.startswith(SERVER):
        mend = f"leave out {SERVER!r}: the log believes what is called so"
        raise InputError("bad_source_id", f"{source_id[:80]!r} is no id of a public source", where="id", mend=mend)
    if kind not in PREFIX:
        raise InputError("unknown_kind", f"no kind {kind[:40]!r}", where="kind", mend="use write or server")
    if not 1 <= len(name) <= 200 or not name.isprintable():
        raise InputError("bad_name", "not a name", where="name", mend="use 1 to 200 printable characters")
    _checked_rate(events_per_s)

    def work(tx: Tx) -> str:
        if tx.read("source_get", source_id):
            mend = "choose another id, or rotate its key"
            raise Conflict("source_exists", f"there is a source {source_id!r}", where="id", mend=mend)
        tx.write("source_put", [(source_id, kind, name, events_per_s)])
        return _put_key(tx, source_id, kind, token, now)

    return book.transact(work)


def _put_key(tx: Tx, source_id: str, kind: str, token: str, now: int) -> str:
    assert len(token) >= 16, "a key is made of at least 128 random bits"
    key = PREFIX[kind] + token
    hashed = key_hash(key)
    tx.write("access_key_put", [(f"key_{hashed[:6].hex()}", source_id, key[-_HINT_CHARS:], hashed, now)])
    return key


def rotate(book: Book, source_id: str, token: str, *, now: int, grace: int = GRACE_US) -> str:
    """A further key of a source; those it had end after `grace` microseconds.

    Raises NotFound, InputError `bad_grace`.
    """
    if not 0 <= grace <= GRACE_US_MAX:
        mend = f"use 0 to {GRACE_US_MAX // _MICROS}"
        raise InputError("bad_grace", f"{grace // _MICROS} seconds", where="grace_s", mend=mend)

    def work(tx: Tx) -> str:
        rows = tx.read("source_get", source_id)
        if not rows:
            raise _unknown("source", source_id)
        tx.write("access_keys_end_of", [(now + grace, source_id, now + grace)])
        return _put_key(tx, source_id, rows[0][1], token, now)

    return book.transact(work)


def revoke(book: Book, key_id: str, *, now: int) -> None:
    """End a key now. Again changes nothing. Raises NotFound."""

    def work(tx: Tx) -> None:
        if not tx.read("access_key_get", key_id):
            raise _unknown("key", key_id)
        tx.write("access_key_end", [(now, key_id, now)])

    book.transact(work)


def limit(book: Book, source_id: str, events_per_s: int | None) -> None:
    """Say how many events a second one key of a source may send. Raises NotFound, InputError `bad_rate`."""
    _checked_rate(events_per_s)

    def work(tx: Tx) -> None:
        if not tx.read("source_get", source_id):
            raise _unknown("source", source_id)
        tx.write("source_rate", [(events_per_s, source_id)])

    book.transact(work)
