"""What the doors of collection refused lately, for the staff who look for it. In memory only: it ends with the process.

Nothing that was refused is stored, so nobody could say later what a client did wrong. The newest are kept here, each
with its reason and the beginning of what was sent.
"""

from __future__ import annotations

import os
from collections import deque
from typing import Any

import msgspec

from einklang.app.answers import shown
from einklang.event import Judged
from einklang.kernel.errors import EinklangError

KEPT = 300
#: Of one request; a batch may hold hundreds.
_OF_A_REQUEST = 20
_BODY_CHARS_MAX = 2_000
_TEXT_CHARS_MAX = 200
_LOOKED_AT_BYTES_MAX = 512 * 1024
_IDENTIFIERS = ("userId", "anonymousId")


class Refusal(msgspec.Struct):
    """What was refused. n: its place in its process; at: the last time; times: how often in a row.

    source: null where no key was known; identifiers: as they were sent; body: as it was sent, cut.
    """

    n: int
    at: str | None
    source: str | None
    status: int
    code: str
    message: str
    mend: str
    where: str
    name: str | None
    message_id: str | None
    identifiers: list[str]
    body: str
    process: int
    times: int = 1


class Refusals:
    """The newest refusals of this process. All calls come from its loop; `newest` from any thread."""

    def __init__(self) -> None:
        self._kept: deque[Refusal] = deque(maxlen=KEPT)
        self._n = 0

    def newest(self) -> list[Refusal]:
        """The newest first."""
        return list(self._kept)[::-1]

    def request(self, error: EinklangError, *, source: str | None, status: int, now: int, body: bytes = b"") -> None:
        """A request was refused as a whole. The same again and again is counted, not listed."""
        last = self._kept[-1] if self._kept else None
        if last is not None and not body and (last.source, last.code, last.body) == (source, str(error.code), ""):
            self._kept[-1] = msgspec.structs.replace(last, at=shown(now), times=last.times + 1)
            return
        said = _told(body) if len(body) <= _LOOKED_AT_BYTES_MAX else {}
        self._put(error.code, error.what, error.where, error.mend, source, status, now, said, _text(body))

    def items(self, judged: Judged, *, source: str, now: int, body: bytes) -> None:
        """Items of a body were refused, the rest was admitted."""
        batch = _told(body).get("batch") if len(body) <= _LOOKED_AT_BYTES_MAX else None
        for found in judged.rejected[:_OF_A_REQUEST]:
            item = batch[found.index] if isinstance(batch, list) and found.index < len(batch) else None
            said = item if isinstance(item, dict) else {}
            text = _text(msgspec.json.encode(item)) if item is not None else ""
            what, _, mend = found.message.rpartition("; ")
            where, _, rest = what.partition(": ")
            self._put(found.code, rest or what, where, mend, source, 200, now, said, text, found.message_id)

    def _put(
        self, code: str, message: str, where: str, mend: str, source: str | None, status: int, now: int,
        said: dict[str, Any], body: str, message_id: str = "",
    ) -> None:  # fmt: skip
        self._n += 1
        name = _plain(said.get("event")) or _plain(said.get("name")) or _plain(said.get("type"))
        traits = said.get("traits")
        email = traits.get("email") if isinstance(traits, dict) else None
        identifiers = [text for value in (*map(said.get, _IDENTIFIERS), email) if (text := _plain(value))]
        told = _plain(said.get("messageId")) or message_id[:_TEXT_CHARS_MAX]
        refusal = Refusal(
            self._n, shown(now), source, status, str(code), message[:_BODY_CHARS_MAX], mend, where[:_TEXT_CHARS_MAX],
            name or None, told or None, identifiers, body, os.getpid(),
        )  # fmt: skip
        self._kept.append(refusal)


def _told(body: bytes) -> dict[str, Any]:
    """The JSON object of a body, {} if it is none."""
    try:
        found = msgspec.json.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _plain(value: object) -> str:
    return value[:_TEXT_CHARS_MAX] if isinstance(value, str) else ""


def _text(body: bytes) -> str:
    return body[:_BODY_CHARS_MAX].decode("utf-8", "replace")
