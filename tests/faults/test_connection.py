"""Calls that get no response: unknown host, bad certificate, refused, cut or dead connections."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import Iterator
from typing import Any

import pytest
import trustme

from liveavatar_nb import LiveAvatarAPI, Simulator, config
from liveavatar_nb.errors import APIConnectionError, APITimeoutError, CertificateError
from liveavatar_nb.rest.network import Network

from .canary import KEY
from .conftest import answer, client, envelope


def get(api: LiveAvatarAPI) -> Any:
    return api.credits.get()


def post(api: LiveAvatarAPI) -> Any:
    return api.contexts.create(name="Guide", prompt="You guide.", opening_text=None)


def tick(api: LiveAvatarAPI) -> Any:
    return api.sessions.keep_alive("id")


# calls, and how often each is retried if it was certainly never sent
UNSENT = [pytest.param(get, 2, id="GET"), pytest.param(post, 2, id="POST"), pytest.param(tick, 0, id="keep-alive")]


@pytest.mark.parametrize(("call", "again"), UNSENT)
async def test_a_name_that_does_not_resolve(
    call: Any, again: int, refused: Any, retries: Any, monkeypatch: pytest.MonkeyPatch, *, lent: Any
) -> None:
    """row 1: tried again, then an error that names the network and the address."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    async with client("https://liveavatar.invalid", lent=lent) as api:
        error = await refused(call(api), APIConnectionError)
    assert retries() == again
    assert not error.sent
    assert "api_url" in error.remedy
    assert "ConnectError" in error.message


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


def certificate(authority: trustme.CA, *names: str, **dates: Any) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names, **dates).configure_cert(context)
    return context


@pytest.mark.parametrize("call", [get, post, tick])
async def test_a_certificate_that_nobody_vouches_for(
    call: Any, authority: trustme.CA, raw: Any, refused: Any, retries: Any, *, lent: Any
) -> None:
    """row 2: fails at once, and nothing was sent."""
    async with raw(envelope(), tls=certificate(authority, "127.0.0.1")) as server, client(server.url, lent=lent) as api:
        error = await refused(call(api), CertificateError)
    assert server.requests == []
    assert retries() == 0
    assert not error.sent
    assert "certificate" in error.message
    assert "SSL_CERT_FILE" in error.remedy


@pytest.mark.parametrize("wrong", ["name", "date"])
async def test_a_certificate_for_another_name_or_time(
    wrong: str, authority: trustme.CA, raw: Any, refused: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """row 2: a certificate of a trusted authority that does not fit fails at once too."""
    expired = {"not_before": trustme_date(-2), "not_after": trustme_date(-1)} if wrong == "date" else {}
    names = ["127.0.0.1"] if wrong == "date" else ["elsewhere.example"]
    async with raw(envelope(), tls=certificate(authority, *names, **expired)) as server, client(server.url) as api:
        trust(api, authority)
        error = await refused(get(api), CertificateError)
    assert server.requests == []
    assert ("expired" if wrong == "date" else "mismatch") in error.message


async def test_a_certificate_that_is_trusted(authority: trustme.CA, raw: Any) -> None:
    """row 2: the servers above are refused for their certificates, and for nothing else."""
    async with raw(envelope(), tls=certificate(authority, "127.0.0.1")) as server, client(server.url) as api:
        trust(api, authority)
        assert (await get(api)).credits_left == 7
    assert len(server.requests) == 1


def trust(api: LiveAvatarAPI, authority: trustme.CA) -> None:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    api.transport.network = Network.of(verify=context)


def trustme_date(days: float) -> Any:
    from datetime import UTC, datetime, timedelta  # noqa: PLC0415

    return datetime.now(UTC) + timedelta(days=days)


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a listener whose queue is full, so that the kernel drops any further connection."""
    monkeypatch.setattr(config, "CONNECT_TIMEOUT", 0.2)
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize(("call", "again"), UNSENT)
async def test_a_connection_that_is_not_taken(
    call: Any, again: int, full: str, refused: Any, retries: Any, *, lent: Any
) -> None:
    """row 3: tried again: what never left cannot have had an effect."""
    began = time.monotonic()
    async with client(full, lent=lent) as api:
        error = await refused(call(api), APITimeoutError)
    assert (1 + again) * 0.2 <= time.monotonic() - began < 3
    assert retries() == again
    assert not error.sent
    assert "ConnectTimeout" in error.message


async def test_a_callers_limit_that_is_shorter_than_the_connects(
    full: str, refused: Any, retries: Any, lent: Any
) -> None:
    """row 3: the limit of one attempt ends a connect as a connect time-out does."""
    async with client(full, timeout=0.1, lent=lent) as api:
        error = await refused(post(api), APITimeoutError)
    assert retries() == 2
    assert not error.sent


@pytest.mark.parametrize(("call", "again"), UNSENT)
async def test_a_refused_connection(call: Any, again: int, refused: Any, retries: Any, lent: Any) -> None:
    """row 4: tried again, then an error."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    async with client(f"http://127.0.0.1:{port}", lent=lent) as api:
        error = await refused(call(api), APIConnectionError)
    assert retries() == again
    assert not error.sent
    assert "try again" in error.remedy


async def test_a_server_that_comes_back(raw: Any, retries: Any, lent: Any) -> None:
    """row 4: a call that finds nobody at first arrives once somebody is there."""
    async with raw(envelope()) as server:
        pass
    port = int(server.url.rpartition(":")[2])
    async with client(server.url, max_retry=50, retry_interval=0.05, lent=lent) as api:
        call = asyncio.create_task(post(api))
        await asyncio.sleep(0.2)
        answered = answer("200 OK", b'{"code": 1000, "data": null}')
        server.script = [answered]
        late = await asyncio.start_server(server.talk, "127.0.0.1", port)
        async with late:
            with pytest.raises(Exception, match="unknown form"):
                await call
    assert len(server.requests) == 1
    assert retries() > 0


async def test_a_pooled_connection_that_is_dead(
    api: LiveAvatarAPI, simulator: Simulator, arrived: Any, retries: Any
) -> None:
    """row 25: a GET that finds it dead goes again."""
    await get(api)
    simulator.faults.add("credits", "stale")
    await get(api)
    assert (await get(api)).credits_left == 100
    assert retries() == 1
    assert arrived() == ["GET /v1/users/credits"] * 3, "the one in between was cut before it was read"


async def test_what_must_not_go_twice_uses_no_pooled_connection(
    api: LiveAvatarAPI, simulator: Simulator, arrived: Any, retries: Any
) -> None:
    """row 25: a POST goes on a connection of its own, once."""
    simulator.faults.add("credits", "stale")
    await get(api)
    context = await post(api)
    assert retries() == 0
    assert arrived() == ["GET /v1/users/credits", "POST /v1/contexts"]
    assert [one.id for one in await api.contexts.list() if one.name == "Guide"] == [context.id]


@pytest.mark.parametrize("step", ["receive_response_headers.complete", "response_closed.started"])
async def test_a_call_that_is_cancelled_as_it_ends_leaves_no_connection_in_use(
    simulator: Simulator, library: Any, step: str
) -> None:
    """A keep-alive whose session ends, for one: httpcore lets its connection be cancelled in the middle of a close."""

    class Cancelling(library.AsyncHTTPTransport):  # type: ignore[misc]
        async def handle_async_request(self, request: Any) -> Any:
            call = asyncio.current_task()

            async def trace(name: str, _: Any) -> None:
                if name == f"http11.{step}" and call is not None:
                    call.cancel()

            request.extensions["trace"] = trace
            return await super().handle_async_request(request)

    transport = Cancelling()
    async with library.AsyncClient(transport=transport) as lent:
        api = LiveAvatarAPI(KEY, api_url=simulator.url, session=lent)
        for _ in range(3):
            with pytest.raises(asyncio.CancelledError):
                await asyncio.create_task(get(api))
        await asyncio.sleep(0.05)
        in_use = [one for one in transport._pool.connections if not (one.is_idle() or one.is_closed())]
        assert not in_use


@pytest.mark.parametrize("call", [post, tick])
async def test_what_was_cut_after_it_was_sent_is_not_sent_again(call: Any, raw: Any, refused: Any, lent: Any) -> None:
    """row 25: whoever cannot know whether a call had an effect does not send it twice."""
    async with raw(None, None, None) as server, client(server.url, lent=lent) as api:
        error = await refused(call(api), APIConnectionError)
    assert len(server.requests) == 1
    assert error.sent


async def test_a_stop_finds_a_dead_connection(
    api: LiveAvatarAPI, simulator: Simulator, arrived: Any, silas: str
) -> None:
    """row 25: a stop goes again until it is answered."""
    made = await api.sessions.create_token(avatar_id=silas)
    await api.sessions.start(made.session_id, made.session_token)
    assert len(simulator.billed()) == 1
    simulator.faults.add("credits", "stale")
    await get(api)
    await api.sessions.stop(made.session_id)
    assert arrived().count("POST /v1/sessions/start") == 1
    assert not simulator.billed()
