"""The error tree. An error says what is wrong, where, and the mend, in one line.

    EinklangError
    ├── UsageError        wrong use of a command or call             (exit 2, HTTP 400)
    ├── InputError        bad data or a bad definition               (exit 1, HTTP 400/422)
    ├── NotFound          nothing has this id                        (exit 1, HTTP 404)
    ├── Conflict          another writer, another body, a stale read (exit 1, HTTP 409)
    └── Unavailable       a fault of the world: disk, lock, network  (exit 1, HTTP 503)

A refusal (no consent, a cap) is not an error: it is a value with a reason (`kernel.reasons`). A fault of ours is an
assert.
"""

from __future__ import annotations


class EinklangError(Exception):
    """Base of all errors that a user may see.

    code: a stable snake_case name; what: the finding; where: file, line, field or row; mend: what to do about it.
    """

    status = 500

    def __init__(self, code: str, what: str, *, where: str = "", mend: str = "") -> None:
        self.code = code
        self.what = what
        self.where = where
        self.mend = mend
        super().__init__(self.line())

    def line(self) -> str:
        """One line: `where: what; mend`, with the parts that are empty left out."""
        head = f"{self.where}: {self.what}" if self.where else self.what
        text = f"{head}; {self.mend}" if self.mend else head
        return " ".join(text.split())


class UsageError(EinklangError):
    """Wrong use of a command or call."""

    status = 400


class InputError(EinklangError):
    """Bad data or a bad definition."""

    status = 400


class NotFound(EinklangError):
    """Nothing has this id."""

    status = 404


class Conflict(EinklangError):
    """Another writer, another body under the same key, or a stale read."""

    status = 409


class Unavailable(EinklangError):
    """A fault of the world: disk, lock, network. May succeed later."""

    status = 503
