"""What routes share within one server: caches, limits, figures, the OpenAPI document."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from decimal import Decimal
from time import monotonic
from typing import Any, ParamSpec, TypeVar

import msgspec

from einklang.app import answers, choices, queries, queries_sources
from einklang.app.definitions import Definitions
from einklang.app.estimates import Estimator
from einklang.app.queries_rules import ChangedAt, InForce
from einklang.app.reason_texts import text_of
from einklang.kernel.time import MINUTE
from einklang.web.body import HttpError
from einklang.web.limits import Keyring
from einklang.web.metrics import Metrics
from einklang.web.once import Once
from einklang.web.services import Services

P = ParamSpec("P")
T = TypeVar("T")
ATTEMPTS_MAX = 5
ATTEMPTS_US = 5 * MINUTE
_NAMES_MAX = 10_000
_STATUS_SECONDS = 1.0
_ARRIVALS_SECONDS = 3.0
_CHOICES_SECONDS = 30.0
_HASHING_AT_ONCE = 2
#: Lists that are read at once; the bodies of others wait outside.
_UPLOADS_AT_ONCE = 2


class Attempts:
    """Failed sign-ins: after five a name rests for five minutes."""

    def __init__(self) -> None:
        self._failed: dict[str, tuple[int, int]] = {}

    def check(self, name: str, now: int) -> None:
        """Raises HttpError 429 while the name rests."""
        count, since = self._failed.get(name, (0, 0))
        if count >= ATTEMPTS_MAX and now - since < ATTEMPTS_US:
            raise HttpError(
                429, "too_many_attempts", "too many failed attempts", where="name", mend="wait five minutes"
            )

    def failed(self, name: str, now: int) -> None:
        """Note a failure."""
        count, since = self._failed.get(name, (0, now))
        if now - since >= ATTEMPTS_US:
            count, since = 0, now
        self._failed.pop(name, None)
        while len(self._failed) >= _NAMES_MAX:
            del self._failed[next(iter(self._failed))]  # the one that failed longest ago
        self._failed[name] = (count + 1, since)


class Arrivals:
    """What came from whom, counted at most every few seconds, whoever asks."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._kept: tuple[float, list[queries_sources.Arrivals]] | None = None

    def get(self, services: Services) -> list[queries_sources.Arrivals]:
        """As of a few seconds ago."""
        with self._guard:
            if self._kept is None or self._kept[0] < monotonic():
                with services.book.snapshot() as reader:
                    found = queries_sources.arrivals(reader, services.lake, services.now())
                self._kept = (monotonic() + _ARRIVALS_SECONDS, found)
            return self._kept[1]


class Wired:
    """One server's shared parts."""

    def __init__(self, services: Services, schema: Callable[[], dict[str, Any]]) -> None:
        self.services = services
        self.metrics = Metrics(lambda: queries.figures(services.book, services.now()))
        self.keyring = Keyring(lambda: services.book, services.now, services.bounds)
        self.once = Once(services)
        self.attempts = Attempts()
        self.arrivals = Arrivals()
        self.estimator = Estimator(services.book, services.salt, services.lake)
        self._schema = schema
        self._openapi = b""
        self._definitions = InForce()
        self.changes = ChangedAt(services.lake)
        self._guard = threading.Lock()
        self._status: tuple[float, answers.Status] | None = None
        self._choosing = threading.Lock()
        self._choices: tuple[float, Definitions, choices.Choices] | None = None
        self._hashing = asyncio.Semaphore(_HASHING_AT_ONCE)
        self.uploading = asyncio.Semaphore(_UPLOADS_AT_ONCE)

    def in_force(self) -> Definitions:
        """The compiled definitions."""
        return self._definitions.get(self.services.book)

    def status(self) -> answers.Status:
        """The status, at most a second old."""
        with self._guard:
            if self._status is None or self._status[0] < monotonic():
                services = self.services
                about = queries.About(services.version, services.home, services.company, services.mode)
                zone = self.in_force().policy.timezone
                with services.book.snapshot() as reader:
                    found = queries.status(reader, about, now=services.now(), zone=zone)
                self._status = (monotonic() + _STATUS_SECONDS, found)
            return self._status[1]

    def choices(self) -> choices.Choices:
        """What conditions can name, at most half a minute old; what was just defined is among it."""
        with self._choosing:
            known, kept = self.in_force(), self._choices
            if kept is None or kept[0] < monotonic() or kept[1] is not known:
                with self.services.book.snapshot() as reader:
                    found = choices.choices(reader, self.services.lake, known)
                self._choices = kept = (monotonic() + _CHOICES_SECONDS, known, found)
            return kept[2]

    def why(self, person: str, journey: str | None, message: str | None) -> Any:
        """The answer of main's `why`, its reasons also in words."""
        found = msgspec.to_builtins(self.services.why(person, journey, message), builtin_types=(Decimal,), enc_hook=str)
        for verdict in found.get("verdicts", ()):
            verdict["reason_text"] = text_of(verdict.get("verdict", ""), verdict.get("reason") or "")
            for name in ("reason", "journey", "step", "channel", "message"):
                verdict[name] = verdict.get(name) or None
        found.setdefault("entry", None)
        return found

    async def hashing(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run what needs 64 MiB, few at a time, beside the loop."""
        async with self._hashing:
            return await asyncio.to_thread(work, *args, **kwargs)

    def openapi(self) -> bytes:
        """The OpenAPI document."""
        if not self._openapi:
            self._openapi = msgspec.json.encode(self._schema())
        return self._openapi
