"""Fixtures of the fault matrix, over real sockets: a simulator with a canary as its key, a client, and bad servers."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pytest

from liveavatar_nb import APIConnectOptions, LiveAvatarAPI, Simulator
from liveavatar_nb.errors import LiveAvatarException

from .canary import CANARY, KEY, shown

E = TypeVar("E", bound=LiveAvatarException)


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def client(
    url: str, *, max_retry: int = 3, retry_interval: float = 0.01, timeout: float = 5.0, lent: Any = None
) -> LiveAvatarAPI:
    """Create a client that retries after a short wait; `lent` is an HTTP client for it to use."""
    options = APIConnectOptions(max_retry, retry_interval, timeout)
    return LiveAvatarAPI(KEY, api_url=url, conn_options=options, session=lent)


def envelope(data: Any = '{"credits_left": "7"}', *headers: str) -> bytes:
    """Return a valid HTTP response of the service, with `data` in its envelope."""
    body = f'{{"code": 1000, "data": {data}, "message": null}}'.encode()
    return answer("200 OK", body, "Content-Type: application/json", *headers)


def answer(status: str, body: bytes = b"", *headers: str) -> bytes:
    """Return an HTTP response as the bytes on the wire."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


@dataclass
class RawServer:
    """A server that sends arbitrary bytes: `script` holds one response per request.

    If a response is None, or the script is used up, it cuts the connection.
    """

    script: list[bytes | None]
    connections: int = 0
    requests: list[str] = field(default_factory=list)
    url: str = ""
    _talks: set[asyncio.Task[None]] = field(default_factory=set)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._talks.add(task)
        try:
            await self._answer(reader, writer)
        finally:
            writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = next(
                    (line.split(":")[1] for line in head.split("\r\n") if line.lower().startswith("content-length")), 0
                )
                await reader.readexactly(int(length))
                self.requests.append(head)
                told = self.script.pop(0) if self.script else None
                if told is None:
                    break
                writer.write(told)
                await writer.drain()

    @contextlib.asynccontextmanager
    async def serve(self, tls: ssl.SSLContext | None = None) -> AsyncIterator[RawServer]:
        server = await asyncio.start_server(self.talk, "127.0.0.1", 0, ssl=tls)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()
            for task in self._talks:
                task.cancel()
            await asyncio.gather(*self._talks, return_exceptions=True)
            await asyncio.sleep(0)  # the transports close in the loop's next iteration


@pytest.fixture
def raw() -> Callable[..., contextlib.AbstractAsyncContextManager[RawServer]]:
    """A function that creates servers which respond with the given bytes."""

    def serve(
        *script: bytes | None, tls: ssl.SSLContext | None = None
    ) -> contextlib.AbstractAsyncContextManager[RawServer]:
        return RawServer(list(script)).serve(tls)

    return serve


@pytest.fixture(params=[None, "httpx", "httpx2"], ids=["own", "httpx", "httpx2"])
async def lent(request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    """The HTTP client that is passed in: none, httpx's or httpx2's."""
    if request.param is None:
        yield None
        return
    async with importlib.import_module(request.param).AsyncClient(trust_env=False) as lent:
        yield lent


@pytest.fixture(autouse=True)
def no_canary_in_the_log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Check that no log record contains the key, with every logger at DEBUG."""
    with caplog.at_level(logging.DEBUG):
        yield
        for when in ("setup", "call"):
            assert not [told for told in map(str, caplog.get_records(when)) if CANARY in told]
        assert CANARY not in caplog.text


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """A simulator for one test, with a canary as its key; at the end, check that nothing on it is billed."""
    with Simulator(api_key=KEY) as running:
        yield running
        billed = running.billed()
    assert not billed, f"left billed: {billed}"


@pytest.fixture
async def api(simulator: Simulator) -> AsyncIterator[LiveAvatarAPI]:
    """A client of the simulator."""
    async with client(simulator.url) as api:
        yield api


@pytest.fixture
def arrived(simulator: Simulator) -> Callable[[], list[str]]:
    """A function that returns the requests that arrived at the simulator, as `METHOD path`."""
    return lambda: [f"{request['method']} {request['path']}" for request in simulator.requests()]


@pytest.fixture
def retries(caplog: pytest.LogCaptureFixture) -> Callable[[], int]:
    """A function that returns how often the log mentions a retry."""
    return lambda: sum("retrying in" in record.getMessage() for record in caplog.records)


@pytest.fixture
def refused() -> Callable[..., Awaitable[Any]]:
    """Awaits a call that fails, and gives its error: of exactly one of these classes, and without the canary."""

    async def refused(call: Awaitable[Any], *kinds: type[LiveAvatarException]) -> LiveAvatarException:
        with pytest.raises(LiveAvatarException) as caught:
            await call
        error = caught.value
        assert type(error) in kinds
        assert error.message.endswith(".")
        assert CANARY not in shown(error)
        assert error.__suppress_context__ or error.__context__ is None
        return error

    return refused


@pytest.fixture
async def silas(api: LiveAvatarAPI) -> str:
    """The id of an avatar that can be started."""
    return next(avatar.id for avatar in await api.avatars.public() if avatar.name == "Silas")
