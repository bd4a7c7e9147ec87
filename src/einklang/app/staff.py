"""Who may sign in: staff with a password (argon2id), sessions with an opaque token of which only a hash is kept."""

from __future__ import annotations

from hashlib import blake2b

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from einklang.app.answers import Session
from einklang.app.ports import Book, Reader, Tx
from einklang.kernel.errors import InputError
from einklang.kernel.time import HOUR

ROLES = ("admin",)
LANGUAGES = ("de", "en")
SESSION_US = 12 * HOUR
NAME_CHARS_MAX = 100
PASSWORD_CHARS = (8, 200)
#: RFC 9106, second recommended option: 64 MiB, 3 passes, 4 lanes.
_HASHER = PasswordHasher()
#: Verified for a name that nobody has, so that the time of the answer does not tell who exists.
_NOBODY = "$argon2id$v=19$m=65536,t=3,p=4$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"


def token_hash(token: str) -> bytes:
    """What the Book keeps of a session's token."""
    return blake2b(token.encode("utf-8", "surrogatepass"), digest_size=32, person=b"session").digest()


def put_staff(book: Book, name: str, password: str, *, salt: bytes, role: str = "admin", language: str = "en") -> None:
    """Create somebody, or set a new password and end the sessions. salt: 16 fresh random bytes. Raises InputError."""
    if not name or len(name) > NAME_CHARS_MAX or name != name.strip() or not name.isprintable():
        mend = f"use 1 to {NAME_CHARS_MAX} printable characters"
        raise InputError("bad_name", "not a name to sign in with", where="name", mend=mend)
    least, most = PASSWORD_CHARS
    if not least <= len(password) <= most:
        raise InputError("bad_password", f"{len(password)} characters", where="password", mend=f"use {least} to {most}")
    if role not in ROLES:
        raise InputError("unknown_role", f"no role {role[:40]!r}", where="role", mend="use " + " ".join(ROLES))
    if language not in LANGUAGES:
        mend = "use " + " ".join(LANGUAGES)
        raise InputError("unknown_language", f"no language {language[:40]!r}", where="language", mend=mend)
    assert len(salt) >= 16, "a salt has at least 16 bytes"
    row = (name, role, language, _HASHER.hash(password, salt=salt))

    def work(tx: Tx) -> None:
        tx.write("staff_put", [row])
        tx.write("sessions_drop_of", [(name,)])

    book.transact(work)


def checked(reader: Reader, name: str, password: str) -> Session | None:
    """Who this is, or None if name and password do not belong together. Takes about 50 ms and 64 MiB on purpose."""
    rows = reader.read("staff_get", name[:NAME_CHARS_MAX]) if len(name) <= NAME_CHARS_MAX else []
    try:
        _HASHER.verify(rows[0][3] if rows else _NOBODY, password[: PASSWORD_CHARS[1] + 1])
    except (VerificationError, InvalidHashError):
        return None
    return Session(rows[0][0], rows[0][1], rows[0][2]) if rows else None


def begin(book: Book, who: Session, token: str, now: int) -> None:
    """Open a session of 12 hours under a fresh token; forget those that are over."""
    row = (token_hash(token), who.name, now + SESSION_US)

    def work(tx: Tx) -> None:
        tx.write("sessions_expire", [(now,)])
        tx.write("session_put", [row])

    book.transact(work)


def session(reader: Reader, token: str, now: int) -> Session | None:
    """Who has this token, while it is valid."""
    rows = reader.read("session_get", token_hash(token), now)
    return Session(*rows[0]) if rows else None


def end(book: Book, token: str) -> None:
    """Sign out."""
    found = token_hash(token)
    book.transact(lambda tx: tx.write("session_drop", [(found,)]))
