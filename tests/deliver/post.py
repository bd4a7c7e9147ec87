"""A small company that writes to people: a Book, an engine, a clock that stands, deliveries over channels of a test."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from aiosmtpd.smtp import SMTP, Envelope, Session

from einklang.app.apply import apply
from einklang.app.collect import collect
from einklang.app.deliver import Delivery, Waiting
from einklang.app.find import load
from einklang.app.run import settle_definitions
from einklang.app.sources import LiveSource
from einklang.app.state import State
from einklang.app.working import Live
from einklang.app.yaml import parse_text
from einklang.channel import Parcel, Receipt, SmtpChannel, sent
from einklang.kernel import time
from einklang.store.book import SqliteBook
from tests.app.worlds import engine_of, home

NOW = time.parse_moment("2027-03-01T09:00:00Z")
MINUTE, HOUR, DAY = time.MINUTE, time.HOUR, time.DAY
ADDRESS = "ada@shop.example"
SEEDS = 40
DEFINITIONS = """
{kind: policy, id: default, patience: 1d}
---
{kind: message, id: news, purpose: marketing, class: marketing, data: {name: string},
 email: {subject: "News of {{ data.name }}", html: '<p>For {{ person.email }}: <a href="https://shop.example/x">see</a></p>'}}
---
{kind: message, id: slip, purpose: service, class: transactional, data: {name: string},
 email: {subject: "{{ trait.city }}", html: '<p>{{ data.name }}: <a href="https://shop.example/y">see</a></p>'}}
---
kind: journey
id: offer
entry: {event: Product Added, key: name, reenter: always}
exit: {bought: 'events("Order Completed").since(entry).exists()'}
steps:
  - {id: first, contact: news, channels: [email], data: {name: '=entry.properties.name'}, then: warm, else: cold}
  - {id: warm, set: {stage: warm}, then: end}
  - {id: cold, set: {stage: cold}}
---
kind: journey
id: receipt
entry: {event: Paid, key: name, reenter: always}
steps:
  - {id: note, contact: slip, channels: [email], data: {name: '=entry.properties.name'}, then: paid, else: lost}
  - {id: paid, set: {stage: paid}, then: end}
  - {id: lost, set: {stage: lost}}
"""


class Memory:
    """A channel that keeps what it is handed. answer(parcel) -> Receipt may raise; by default everything is sent."""

    def __init__(self, answer: Callable[[Parcel], Receipt] = lambda parcel: sent()) -> None:
        self.got: list[Parcel] = []
        self.answer = answer

    async def deliver(self, item: Parcel) -> Receipt:
        """Keep it, then answer."""
        self.got.append(Parcel(item.key, item.address, item.body))
        await asyncio.sleep(0)
        return self.answer(item)

    async def close(self) -> None:
        """Nothing is open."""


class Post:
    """One Book and one clock; `tell` appends through station 1, `tick` works off, `hand` hands over."""

    def __init__(self, book: SqliteBook) -> None:
        self.book = book
        self.engine = engine_of(book)
        self.source = LiveSource()
        self.now = NOW
        self.number = 0

    def tell(self, event: str, user: str = "u1", **properties: Any) -> None:
        """One track call now."""
        self.send({"type": "track", "event": event, "userId": user, "properties": properties})

    def send(self, call: dict[str, Any]) -> None:
        """One call of the tracking API, durable on return."""
        self.number += 1
        body = msgspec.json.encode({"batch": [{"messageId": f"e{self.number}", **call}]})
        done = collect(self.book, "batch", body, source="web", now=self.now, salt=self.engine.state.salt)
        assert done.durable is not None
        done.durable.result()

    def person(self, user: str = "u1", address: str = ADDRESS, *, consent: bool = True, **traits: Any) -> None:
        """Somebody with an address, and with consent to marketing by e-mail."""
        self.send({"type": "identify", "userId": user, "traits": {"email": address, "city": "Ulm", **traits}})
        if consent:
            self.tell("Consent Given", user, channel="email", purpose="marketing", address=address)

    def withdraw(self, user: str = "u1", address: str = ADDRESS) -> None:
        """The person takes the consent back; durable on return."""
        self.tell("Consent Withdrawn", user, channel="email", purpose="marketing", address=address)

    def tick(self, after: int = 0) -> None:
        """Work off what waits, `after` microseconds later."""
        self.now += after
        self.source.now = self.now
        while self.engine.step(self.source, 100):
            pass
        self.now = max(self.now, self.engine.state.clock)  # each event has an instant of its own

    def define(self, text: str) -> None:
        """Put definitions in force."""
        apply(self.book, parse_text(text, "more.yaml"), now=self.now)
        settle_definitions(self.book, self.engine)

    def delivery(self, channel: Any) -> Delivery:
        """A delivery of its own, as another process would have it."""
        known = self.engine.state
        state = State(
            known.salt,
            known.definitions,
            link_key=known.link_key,
            base_url=known.base_url,
            channels=known.channels,
        )
        return Delivery(self.book, state, {"email": channel}, lambda: self.now)

    def hand(self, channel: Any, after: int = 0) -> int:
        """Hand over what is ready, `after` microseconds later."""
        self.now += after
        return asyncio.run(self.delivery(channel).once())

    def both(self, channel: Any, after: int = 0) -> None:
        """Hand over, and let the runs hear of it."""
        self.hand(channel, after)
        self.tick()

    # --- looking ----------------------------------------------------------------------------------------------------

    def rows(self) -> list[Waiting]:
        """The outbox in the order of decision."""
        keys = [row[1] for lane in range(64) for row in self.book.read("all_outbox", lane)]
        rows = [Waiting(*self.book.read("outbox_get", key)[0]) for key in keys]
        return sorted(rows, key=lambda row: (row.notes["decided"], row.key))

    def statuses(self) -> list[str]:
        """Status of each message, in the order of decision."""
        return [row.status for row in self.rows()]

    def reason(self) -> str:
        """Why the one closed message was closed, as the log says."""
        (found,) = [event for event in self.live().history if event.name == "Message Failed"]
        return str(found.properties["reason"])

    def live(self, who: str = f"email:{ADDRESS}") -> Live:
        """The person as the Book has it."""
        with self.book.snapshot() as reader:
            return load(reader, who)

    def stage(self) -> Any:
        """What the journey left."""
        trait = self.live().person.traits.get("stage")
        return trait.value if trait is not None else None

    def names(self) -> list[str]:
        """What happened to the person."""
        return [event.name for event in self.live().history]

    def archived(self, key: str) -> bytes:
        """What the archive keeps."""
        return zlib.decompress(self.book.read("archive_get", key)[0][0])

    def counter(self, name: str) -> int:
        """A counter of the Book."""
        counters: dict[str, int] = dict(self.book.read("counters"))
        return counters.get(name, 0)


@contextmanager
def post(text: str = DEFINITIONS) -> Iterator[Post]:
    """A Post for the length of a test."""
    with home(text) as book:
        yield Post(book)


class Handler:
    """A mail server. script: answers to DATA in turn, then 250; `drop` cuts the line after the mail was taken.

    seen: called with the mail while the client waits for the answer.
    """

    def __init__(self, *script: str, rcpt: str = "250 OK", seen: Callable[[bytes], None] = lambda body: None) -> None:
        self.script = list(script)
        self.rcpt = rcpt
        self.seen = seen
        self.got: list[tuple[list[str], bytes]] = []

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """The answer that was scripted."""
        envelope.rcpt_tos.append(address)
        return self.rcpt

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Look, take, answer."""
        assert isinstance(envelope.content, bytes)
        self.seen(envelope.content)
        answer = self.script.pop(0) if self.script else "250 taken"
        if answer.startswith("250") or answer == "drop":
            self.got.append((list(envelope.rcpt_tos), envelope.content))
        if answer == "drop":
            assert isinstance(server.transport, asyncio.WriteTransport)
            server.transport.abort()
            await asyncio.Event().wait()
        return answer


def over_smtp(handler: Handler, act: Callable[[SmtpChannel], Awaitable[Any]]) -> Any:
    """Run `act(channel)` against a real mail server on loopback."""

    async def main() -> Any:
        loop = asyncio.get_running_loop()

        def make() -> SMTP:
            return SMTP(handler, hostname="mx.example", loop=loop, auth_require_tls=False)

        server = await loop.create_server(make, "127.0.0.1", 0)
        channel = SmtpChannel("127.0.0.1", server.sockets[0].getsockname()[1])
        try:
            return await act(channel)
        finally:
            await channel.close()
            server.close()
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()

    return asyncio.run(main())
