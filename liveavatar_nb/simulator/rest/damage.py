"""Faults that damage a response in transit: the call takes effect, but the caller cannot tell."""

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
PIECE: Final = b" " * (MEGABYTE // 4)  # JSON allows any amount of whitespace
GZIP: Final = 16 + zlib.MAX_WBITS
NO_LINGER: Final = struct.pack("ii", 1, 0)

Headers = list[tuple[bytes, bytes]]


def damage(fault: Fault, response: Response, transport: asyncio.Transport) -> ASGIApp:
    """Return the response as damaged by the fault."""
    parameters = fault.parameters
    if fault.kind == "garbage":
        return Response(parameters.get("body", "<<<"), parameters.get("status", 200), media_type="application/json")
    if fault.kind == "stale":
        return _Stale(response, transport)
    if fault.kind in ("truncated", "reset"):
        return _Half(response, transport, _close if fault.kind == "truncated" else _reset)
    if fault.kind == "drip":
        return _Streamed(response, transport, _headers(response), _drip(response, parameters["seconds"]))
    padded = _pad(parameters["megabytes"], response)
    without_length = [(name, value) for name, value in _headers(response) if name != b"content-length"]
    if fault.kind == "huge":
        return _Streamed(response, transport, without_length, _stream(padded))
    compressed = [*without_length, (b"content-encoding", b"gzip")]
    return _Streamed(response, transport, compressed, _stream(_compress(padded)))


class _Half:
    """A response that sends half of the body, then closes or resets the connection."""

    def __init__(
        self, response: Response, transport: asyncio.Transport, end: Callable[[asyncio.Transport], None]
    ) -> None:
        self._response, self._transport, self._end = response, transport, end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = bytes(self._response.body)
        await send(_start(self._response, _headers(self._response)))
        await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
        self._end(self._transport)
        await _wait_for_disconnect(receive)


class _Streamed:
    """A response sent in pieces until it is complete or the caller disconnects."""

    def __init__(
        self, response: Response, transport: asyncio.Transport, headers: Headers, pieces: AsyncIterator[bytes]
    ) -> None:
        self._response, self._transport, self._headers, self._pieces = response, transport, headers, pieces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send(_start(self._response, self._headers))
        async with contextlib.aclosing(self._pieces) as pieces:  # type: ignore[type-var]
            async for piece in pieces:
                if self._transport.is_closing():
                    await _wait_for_disconnect(receive)
                    return
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


class _Stale:
    """The correct response, on a connection that is cut the next time it is used.

    Cutting the connection immediately would go unnoticed: connection pools discard connections that the server has
    closed.
    """

    def __init__(self, response: Response, transport: asyncio.Transport) -> None:
        self._response, self._transport = response, transport

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._response.headers["Connection"] = "keep-alive"
        await self._response(scope, receive, send)
        self._transport.set_protocol(_CutOnUse(self._transport))


class _CutOnUse(asyncio.Protocol):
    """A protocol that cuts the connection when data arrives, then reports the loss to the original protocol."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._previous: Any = transport.get_protocol()

    def data_received(self, data: bytes) -> None:
        self._transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        self._previous.connection_lost(error)


def _close(transport: asyncio.Transport) -> None:
    transport.close()


def _reset(transport: asyncio.Transport) -> None:
    connection: socket.socket = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
    transport.abort()


async def _wait_for_disconnect(receive: Receive) -> None:
    """Wait until the server notices the disconnect; it would report an error if the application returned earlier."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _start(response: Response, headers: Headers) -> dict[str, Any]:
    return {"type": "http.response.start", "status": response.status_code, "headers": headers}


def _headers(response: Response) -> Headers:
    return list(response.raw_headers)


def _pad(megabytes: float, response: Response) -> Iterator[bytes]:
    for _ in range(round(megabytes * MEGABYTE / len(PIECE))):
        yield PIECE
    yield bytes(response.body)


def _compress(pieces: Iterator[bytes]) -> Iterator[bytes]:
    compressor = zlib.compressobj(wbits=GZIP)
    for piece in pieces:
        yield compressor.compress(piece)
    yield compressor.flush()


async def _stream(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
        await asyncio.sleep(0)  # let other calls run in between


async def _drip(response: Response, seconds: float) -> AsyncIterator[bytes]:
    for byte in bytes(response.body):
        yield bytes([byte])
        await asyncio.sleep(seconds)
