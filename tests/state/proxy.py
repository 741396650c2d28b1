"""`Proxy`: an HTTP proxy on a thread, which can break and work again."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from urllib.parse import urlsplit

HEAD_LIMIT = 65_536


class Proxy:
    """Passes on plain requests and tunnels (`CONNECT`).

    While it is broken it accepts connections, and cuts them.
    """

    def __init__(self) -> None:
        self.url = ""
        self.connections = 0
        self._is_broken = False
        self._open: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._is_listening = threading.Event()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)
        self._thread.start()
        assert self._is_listening.wait(10)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner, contextlib.suppress(asyncio.CancelledError):
            runner.run(self._serve())

    async def _serve(self) -> None:
        async with await asyncio.start_server(self._accept, "127.0.0.1", 0) as server:
            self.url = "http://{}:{}".format(*server.sockets[0].getsockname())
            self._end = asyncio.Event()
            self._is_listening.set()
            await self._end.wait()
            self._cut()

    async def _accept(self, client: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
        self.connections += 1
        service: asyncio.StreamWriter | None = None
        self._open.add(answer)
        try:
            if self._is_broken:
                return
            head = await client.readuntil(b"\r\n\r\n")
            method, target, _ = head.split(b" ", 2)
            to = urlsplit(b"//" + target if method == b"CONNECT" else target)
            assert to.hostname is not None
            response, service = await asyncio.open_connection(to.hostname.decode(), to.port, limit=HEAD_LIMIT)
            self._open.add(service)
            if method == b"CONNECT":
                answer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            else:
                service.write(head)
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pass(client, service))
                both.create_task(self._pass(response, answer))
        except* (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            for writer in (answer, service):
                if writer is not None:
                    self._open.discard(writer)
                    writer.transport.abort()

    async def _pass(self, source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        while data := await source.read(HEAD_LIMIT):
            to.write(data)
            await to.drain()
        to.close()

    def _cut(self) -> None:
        for writer in self._open:
            writer.transport.abort()

    def _cut_on_loop(self) -> None:
        done = threading.Event()
        self._loop.call_soon_threadsafe(self._cut)
        self._loop.call_soon_threadsafe(done.set)
        assert done.wait(10)

    def break_down(self) -> None:
        """Cut what is open, and whatever comes."""
        self._is_broken = True
        self._cut_on_loop()

    def work(self) -> None:
        """Work again."""
        self._is_broken = False

    def close(self) -> None:
        """End it, and its thread."""
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(10)
