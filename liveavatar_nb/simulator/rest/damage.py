"""What a fault does to an answer on its way: the call was applied, and the caller cannot tell."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Final

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from ..faults import Fault

MEGABYTE: Final = 1024 * 1024
PIECE: Final = b" " * (MEGABYTE // 4)  # white space, which JSON bears in any amount
GZIP: Final = 16 + zlib.MAX_WBITS
LINGER_NOT: Final = struct.pack("ii", 1, 0)

Headers = list[tuple[bytes, bytes]]


def damaged(fault: Fault, response: Response, transport: asyncio.Transport) -> ASGIApp:
    """The answer as the fault lets it arrive."""
    told = fault.parameters
    if fault.kind == "garbage":
        return Response(told.get("body", "<<<"), told.get("status", 200), media_type="application/json")
    if fault.kind == "stale":
        return _Stale(response, transport)
    if fault.kind in ("truncated", "reset"):
        return _Half(response, transport, _close if fault.kind == "truncated" else _reset)
    if fault.kind == "drip":
        return _Streamed(response, transport, _headers(response), _drip(response, told["seconds"]))
    blank = _blank(told["megabytes"], response)
    without_length = [(name, value) for name, value in _headers(response) if name != b"content-length"]
    if fault.kind == "huge":
        return _Streamed(response, transport, without_length, _all(blank))
    packed = [*without_length, (b"content-encoding", b"gzip")]
    return _Streamed(response, transport, packed, _all(_packed(blank)))


class _Half:
    """Sends the head and half of the body, and then ends the connection."""

    def __init__(
        self, response: Response, transport: asyncio.Transport, end: Callable[[asyncio.Transport], None]
    ) -> None:
        self._response, self._transport, self._end = response, transport, end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = bytes(self._response.body)
        await send(_start(self._response, _headers(self._response)))
        await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
        self._end(self._transport)
        await _gone(receive)


class _Streamed:
    """Sends a body in pieces, until it is complete or the caller has hung up."""

    def __init__(
        self, response: Response, transport: asyncio.Transport, headers: Headers, pieces: AsyncIterator[bytes]
    ) -> None:
        self._response, self._transport, self._headers, self._pieces = response, transport, headers, pieces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send(_start(self._response, self._headers))
        async with contextlib.aclosing(self._pieces) as pieces:  # type: ignore[type-var]
            async for piece in pieces:
                if self._transport.is_closing():
                    await _gone(receive)
                    return
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


class _Stale:
    """Answers well, and then leaves the connection without a word: whoever uses it again finds nobody.

    It is cut at its next use and not at once, since a pool looks whether the other end has hung up before it hands a
    connection out.
    """

    def __init__(self, response: Response, transport: asyncio.Transport) -> None:
        self._response, self._transport = response, transport

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._response.headers["Connection"] = "keep-alive"
        await self._response(scope, receive, send)
        self._transport.set_protocol(_Nobody(self._transport))


class _Nobody(asyncio.Protocol):
    """Cuts the connection when anything arrives; all else is left to the protocol that was there."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._before: Any = transport.get_protocol()

    def data_received(self, data: bytes) -> None:
        self._transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        self._before.connection_lost(error)


def _close(transport: asyncio.Transport) -> None:
    transport.close()


def _reset(transport: asyncio.Transport) -> None:
    connection: socket.socket = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
    transport.abort()


async def _gone(receive: Receive) -> None:
    """Waits until the server has noticed that the connection ended: before, it would take this for a mistake."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _start(response: Response, headers: Headers) -> dict[str, Any]:
    return {"type": "http.response.start", "status": response.status_code, "headers": headers}


def _headers(response: Response) -> Headers:
    return list(response.raw_headers)


def _blank(megabytes: float, response: Response) -> Iterator[bytes]:
    for _ in range(round(megabytes * MEGABYTE / len(PIECE))):
        yield PIECE
    yield bytes(response.body)


def _packed(pieces: Iterator[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(wbits=GZIP)
    for piece in pieces:
        yield packer.compress(piece)
    yield packer.flush()


async def _all(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
        await asyncio.sleep(0)  # other calls have their turn


async def _drip(response: Response, seconds: float) -> AsyncIterator[bytes]:
    for byte in bytes(response.body):
        yield bytes([byte])
        await asyncio.sleep(seconds)
