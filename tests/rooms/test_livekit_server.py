"""Where a LiveKit server is, what it takes, and what is said where it does not answer as it should."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trustme
from livekit.api import ListRoomsRequest

from liveavatar_nb import AsyncRoom, Masked, Room, config
from liveavatar_nb.errors import (
    APIConnectionError,
    APIResponseError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    CertificateError,
    ConfigurationError,
    LiveAvatarException,
    LiveAvatarWarning,
    SchemaError,
)
from liveavatar_nb.rooms.livekit_server import ENVIRONMENT, LiveKitServer

from ..faults.canary import CANARY, shown
from ..livekit import LiveKitServer as RunningServer
from ..livekit import livekit_server

__all__ = ["livekit_server"]

VARIABLES = [name for name, _ in ENVIRONMENT.values()]
SECRET = f"{CANARY}-{'s' * 32}"


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in zip(VARIABLES, ("wss://example.org", "the-key", SECRET), strict=True):
        monkeypatch.setenv(name, value)
    return monkeypatch


async def rooms(server: LiveKitServer) -> list[str]:
    told = await server.ask("list the rooms", lambda service: service.list_rooms(ListRoomsRequest()))
    return [room.name for room in told.rooms]


def test_the_environment_has_it_all(environment: pytest.MonkeyPatch) -> None:
    server = LiveKitServer(None, "", None)
    assert (server.url, server.is_local, server.is_encrypted) == ("wss://example.org", False, True)
    assert "LIVEKIT_API_KEY" in repr(server)
    assert CANARY not in repr(server)


def test_what_is_given_comes_first(environment: pytest.MonkeyPatch) -> None:
    assert LiveKitServer("ws://127.0.0.1:7880", "other", Masked(SECRET)).url == "ws://127.0.0.1:7880"
    environment.delenv("LIVEKIT_API_SECRET")
    assert LiveKitServer(" wss://other.org\n", None, f" {SECRET}\n").url == "wss://other.org"


@pytest.mark.parametrize("face", [AsyncRoom, Room])
@pytest.mark.parametrize("absent", [[name] for name in VARIABLES] + [VARIABLES])
def test_what_is_missing_is_named_with_what_it_looks_like(
    environment: pytest.MonkeyPatch, absent: list[str], face: Callable[[], Any]
) -> None:
    for name in absent:
        environment.setenv(name, " ")
    with pytest.raises(ConfigurationError) as caught:
        face()
    told = str(caught.value)
    assert [name for name in VARIABLES if name in caught.value.message] == absent
    assert all(example in told for name, example in ENVIRONMENT.values() if name in absent)
    assert CANARY not in shown(caught.value)


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("wss://example.org", "wss://example.org"),
        ("https://example.org/", "wss://example.org"),
        ("https://example.org:8443/livekit/", "wss://example.org:8443/livekit"),
        ("http://127.0.0.1:7880", "ws://127.0.0.1:7880"),
        ("ws://localhost:7880", "ws://localhost:7880"),
        ("ws://[::1]:7880", "ws://[::1]:7880"),
    ],
)
def test_an_address_by_any_scheme_is_one_for_clients(given: str, url: str) -> None:
    assert LiveKitServer(given, "key", SECRET).url == url


@pytest.mark.parametrize(
    "wrong",
    ["example.org", "ftp://example.org", "wss://", "wss://a b", "wss://example.org?token=1", "wss://x:99999", "wss://[",
     f"wss://me:{CANARY}@example.org"],
)  # fmt: skip
@pytest.mark.parametrize("face", [AsyncRoom, Room])
def test_what_is_no_address_is_refused_and_shows_no_secret(wrong: str, face: Callable[..., Any]) -> None:
    with pytest.raises(ConfigurationError, match="url") as caught:
        face(wrong, "key", SECRET)
    assert CANARY not in str(caught.value)
    if CANARY not in wrong:
        assert CANARY not in shown(caught.value)


@pytest.mark.parametrize("wrong", [{"url": 3}, {"api_key": b"key"}, {"api_secret": 3}])
def test_what_is_no_text_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=f"{next(iter(wrong))} must be text"):
        AsyncRoom(**{"url": "wss://example.org", "api_key": "key", "api_secret": SECRET, **wrong})


def test_an_unencrypted_way_is_warned_of() -> None:
    with pytest.warns(LiveAvatarWarning, match=r"example\.org is reached over http, .* unencrypted\. Use wss"):
        LiveKitServer("http://example.org", "key", SECRET)


@pytest.mark.parametrize("wrong", [{"key": "nobody"}, {"secret": SECRET}])
async def test_a_wrong_key_or_secret_is_said_so(livekit_server: RunningServer, wrong: dict[str, str]) -> None:
    pair = {"key": livekit_server.key, "secret": livekit_server.secret, **wrong}
    with pytest.raises(AuthenticationError, match="did not accept the key and the secret") as caught:
        await rooms(LiveKitServer(livekit_server.url, pair["key"], pair["secret"]))
    assert "LIVEKIT_API_KEY and LIVEKIT_API_SECRET" in caught.value.remedy
    assert "argument api_key" in caught.value.remedy
    assert caught.value.status_code == 401
    assert pair["secret"] not in shown(caught.value)


async def test_the_right_pair_is_answered(livekit_server: RunningServer) -> None:
    assert await rooms(LiveKitServer(livekit_server.url, livekit_server.key, livekit_server.secret)) is not None


def answering(answer: bytes) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]:
    async def answer_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    return answer_once


@asynccontextmanager
async def serving(answer: bytes | None, context: ssl.SSLContext | None = None) -> AsyncIterator[LiveKitServer]:
    """A server that gives one answer to all, or none."""
    silent: list[asyncio.StreamWriter] = []

    async def keep_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        silent.append(writer)
        await reader.read()

    work = keep_silent if answer is None else answering(answer)
    server = await asyncio.start_server(work, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    try:
        yield LiveKitServer(f"{'ws' if context is None else 'wss'}://127.0.0.1:{port}", "the-key", SECRET)
    finally:
        server.close()
        for writer in silent:
            writer.close()
        await server.wait_closed()


PAGE = b"<html>no such page</html>"
ANSWERS: list[tuple[bytes, type[LiveAvatarException], str]] = [
    (
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 25\r\n\r\n" + PAGE,
        APIStatusError,
        r"\(404\).*Is it a LiveKit server",
    ),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 25\r\n\r\n" + PAGE, SchemaError, "did not respond like a LiveKit server"),
    (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", APIStatusError, r"\(503\)"),
    (b"", APIConnectionError, "cannot be reached"),
]


@pytest.mark.parametrize(("answer", "kind", "told"), ANSWERS)
async def test_a_server_of_another_kind_is_said_so(answer: bytes, kind: type[LiveAvatarException], told: str) -> None:
    async with serving(answer) as server:
        with pytest.raises(kind, match=told) as caught:
            await rooms(server)
    assert isinstance(caught.value, APIResponseError | APIConnectionError)
    assert server.url in caught.value.message
    assert CANARY not in shown(caught.value)


async def test_where_nobody_listens_it_says_so(unused_tcp_port: int) -> None:
    with pytest.raises(APIConnectionError, match=f"ws://127.0.0.1:{unused_tcp_port} cannot be reached") as caught:
        await rooms(LiveKitServer(f"ws://127.0.0.1:{unused_tcp_port}", "key", SECRET))
    assert "LIVEKIT_URL" in caught.value.remedy
    assert CANARY not in shown(caught.value)


async def test_a_server_that_keeps_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "ROOM_TIMEOUT", 0.2)
    async with serving(None) as server:
        with pytest.raises(APITimeoutError, match="did not respond in time"):
            await rooms(server)


async def test_a_certificate_of_nobody_we_know_is_refused() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    async with serving(PAGE, context) as server:
        with pytest.raises(CertificateError, match="certificate"):
            await rooms(server)
