"""A proxy in front of PostgreSQL that cuts connections at commits: before the server hears of it, or before the client
hears what became of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

from tests.waits import WAIT_S

HEARD, UNHEARD, NOT_SENT = "answered", "done, but not answered", "never sent"


class Proxy:
    """Listens on a Unix socket in `folder`. fate(number) says what happens to the n-th commit."""

    def __init__(self, folder: Path, upstream: Path, fate: Callable[[int], str]) -> None:
        self.folder = folder
        self.fates: list[str] = []
        self._upstream, self._fate = str(upstream / ".s.PGSQL.5432"), fate
        self._loop = asyncio.new_event_loop()
        self._ready = Event()

    @contextmanager
    def running(self) -> Iterator[Proxy]:
        """In a thread beside the test."""
        thread = Thread(target=self._run, daemon=True)
        thread.start()
        assert self._ready.wait(WAIT_S)
        try:
            yield self
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join(WAIT_S)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        listening = asyncio.start_unix_server(self._serve, str(self.folder / ".s.PGSQL.5432"))
        server = self._loop.run_until_complete(listening)
        self._ready.set()
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    async def _serve(self, client: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        try:
            server, questions = await asyncio.open_unix_connection(self._upstream)
        except OSError:
            answers.close()
            return
        mute = asyncio.Event()
        back = asyncio.create_task(self._back(server, answers, mute))
        try:
            await self._forth(client, questions, mute, back)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the client has gone, or the test is over
        finally:
            for writer in (questions, answers):
                writer.close()
            back.cancel()

    async def _forth(
        self,
        client: asyncio.StreamReader,
        questions: asyncio.StreamWriter,
        mute: asyncio.Event,
        back: asyncio.Task[None],
    ) -> None:
        """Messages of the client; the first has no letter."""
        size = await client.readexactly(4)
        questions.write(size + await client.readexactly(int.from_bytes(size, "big") - 4))
        while True:
            head = await client.readexactly(5)
            body = await client.readexactly(int.from_bytes(head[1:], "big") - 4)
            fate = HEARD
            if head[:1] == b"Q" and b"COMMIT" in body:
                fate = self._fate(len(self.fates))
                self.fates.append(fate)
            if fate == NOT_SENT:
                return
            if fate == UNHEARD:
                mute.set()
            questions.write(head + body)
            await questions.drain()
            if fate == UNHEARD:
                await back  # the server has answered, and nobody was told
                return

    async def _back(self, server: asyncio.StreamReader, answers: asyncio.StreamWriter, mute: asyncio.Event) -> None:
        with suppress(ConnectionError):
            while chunk := await server.read(65_536):
                if mute.is_set():
                    return
                answers.write(chunk)
                await answers.drain()
        answers.close()
