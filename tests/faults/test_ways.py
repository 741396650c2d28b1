"""The way to the service (row 59): REST, WebSocket and stops use the same proxies, authorities and addresses."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme

from liveavatar_nb import AsyncLiveAvatar, AsyncRoom, Simulator
from liveavatar_nb.cli import doctor
from liveavatar_nb.config import Masked
from liveavatar_nb.errors import APIStatusError, AvatarNeverCame, ConfigurationError
from liveavatar_nb.protection.blocking_stop import BlockingStopper
from liveavatar_nb.protocol.websocket import WebSocket
from liveavatar_nb.rest.network import Network
from liveavatar_nb.session import lifecycle

SERVICE, SOCKET = "service.test", "socket.test"  # only the proxy can resolve these names
HOST = re.compile(rb"(?i)(\r\nhost: )[a-z]+\.test(\r\n)")


@dataclass
class Net:
    """A network whose only way out is a proxy; behind it, a REST host and a WebSocket host serve over TLS."""

    port: int
    bundle: Path
    doors: dict[str, int] = field(default_factory=dict)  # each host's TLS port
    refused: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    proxy: str = ""

    talks: set[asyncio.Task[None]] = field(default_factory=set)

    async def forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Act as the proxy, which only supports CONNECT."""
        async with self._talk(writer):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            host = head.split(" ")[1].partition(":")[0]
            self.asked.append(host)
            if host in self.refused or not head.startswith("CONNECT"):
                writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
                await writer.drain()
                return
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            await self._join(reader, writer, self.doors[host])

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Act as a host: forward what arrives over TLS to the simulator, unchanged."""
        async with self._talk(writer):
            await self._join(reader, writer, self.port)

    @contextlib.asynccontextmanager
    async def _talk(self, writer: asyncio.StreamWriter) -> AsyncIterator[None]:
        task = asyncio.current_task()
        assert task is not None
        self.talks.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                yield
        finally:
            writer.transport.abort()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
        back, forth = await asyncio.open_connection("127.0.0.1", port)

        async def carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            while piece := await source.read(65536):
                sink.write(HOST.sub(rb"\g<1>127.0.0.1:%d\g<2>" % self.port, piece))
                await sink.drain()
            sink.write_eof() if sink.can_write_eof() else sink.close()

        try:
            await asyncio.gather(carry(reader, forth), carry(back, writer))
        finally:
            forth.transport.abort()

    async def close(self) -> None:
        for task in self.talks:
            task.cancel()
        await asyncio.gather(*self.talks, return_exceptions=True)
        await asyncio.sleep(0)  # the transports close in the loop's next iteration


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the proxies and certificates of the surrounding environment."""
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def socket_authority() -> trustme.CA | None:
    """The authority that signs the WebSocket host's certificate; None for the same as the REST host's."""
    return None


@pytest.fixture
async def net(
    simulator: Simulator,
    tmp_path: Path,
    bare: None,
    socket_authority: trustme.CA | None,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Net]:
    authority = trustme.CA()
    bundle = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(bundle))
    port = int(simulator.url.rpartition(":")[2])
    made = Net(port, bundle)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(made.close)
        for host, who in ((SERVICE, authority), (SOCKET, socket_authority or authority)):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            who.issue_cert(host).configure_cert(context)
            server = await asyncio.start_server(made.serve, "127.0.0.1", 0, ssl=context)
            stack.callback(server.close)
            made.doors[host] = server.sockets[0].getsockname()[1]
        server = await asyncio.start_server(made.forward, "127.0.0.1", 0)
        stack.callback(server.close)
        made.proxy = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        lead_sockets_to(monkeypatch, port, f"wss://{SOCKET}")
        yield made


def lead_sockets_to(monkeypatch: pytest.MonkeyPatch, port: int, host: str) -> None:
    """Redirect connections to the simulator's WebSockets to another host."""

    def moved(url: Masked, *rest: Any) -> WebSocket:
        return WebSocket(Masked(url.reveal().replace(f"ws://127.0.0.1:{port}", host)), *rest)

    monkeypatch.setattr(lifecycle, "WebSocket", moved)


@pytest.mark.parametrize("how", ["HTTPS_PROXY", "ALL_PROXY", "given"])
async def test_rest_socket_and_stop_go_the_same_way(
    how: str, net: Net, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """row 59: by a proxy without a scheme, with an authority of its own, and a NO_PROXY that httpx cannot read."""
    way: dict[str, Any] = {}
    if how == "given":
        way = {"proxy": f"http://user:word@{net.proxy}", "verify": net.bundle}
    else:
        monkeypatch.setenv(how, net.proxy)
        monkeypatch.setenv("NO_PROXY", "[::1],fd00::/8")
        monkeypatch.chdir(net.bundle.parent)
        monkeypatch.setenv("SSL_CERT_FILE", net.bundle.name)
    finding, _ = await asyncio.to_thread(doctor.address, f"https://{SERVICE}", Network.of(**way))
    assert f"through the proxy http://{net.proxy} responds in" in finding.found
    async with AsyncLiveAvatar(simulator.api_key, api_url=f"https://{SERVICE}", **way) as client:
        monkeypatch.chdir("/")
        async with await client.start("Silas") as live:
            assert simulator.billed()
            assert SOCKET in net.asked
            before = len(net.asked)
            await asyncio.to_thread(live.stop_without_loop)
            assert not simulator.billed()
            assert set(net.asked[before:]) == {SERVICE}


class TestAnotherAuthority:
    @pytest.fixture
    def socket_authority(self) -> trustme.CA:
        return trustme.CA()

    async def test_a_sockets_certificate_that_is_not_accepted_ends_the_start_at_once(
        self, net: Net, simulator: Simulator
    ) -> None:
        """row 59: no retry, and words that name the certificate."""
        way: dict[str, Any] = {"proxy": f"http://{net.proxy}", "verify": net.bundle}
        async with AsyncLiveAvatar(simulator.api_key, api_url=f"https://{SERVICE}", **way) as client:
            with pytest.raises(AvatarNeverCame, match=r"certificate was rejected.*SSL_CERT_FILE") as failure:
                await client.start("Silas")
        assert "another avatar" not in str(failure.value)
        assert net.asked.count(SOCKET) == 1
        assert not simulator.billed()


async def test_a_proxy_that_lets_no_socket_pass_ends_the_start_at_once(net: Net, simulator: Simulator) -> None:
    """row 59: no retry, and words that name the proxy."""
    net.refused.add(SOCKET)
    way: dict[str, Any] = {"proxy": f"http://{net.proxy}", "verify": net.bundle}
    async with AsyncLiveAvatar(simulator.api_key, api_url=f"https://{SERVICE}", **way) as client:
        with pytest.raises(AvatarNeverCame, match=r"the proxy responded with 403.*Allow WebSockets") as failure:
            await client.start("Silas")
    assert "another avatar" not in str(failure.value)
    assert net.asked.count(SOCKET) == 1
    assert not simulator.billed()


@pytest.mark.parametrize(
    ("variable", "value"), [("HTTPS_PROXY", "nonsense://x"), ("ALL_PROXY", "http://"), ("SSL_CERT_FILE", "absent.pem")]
)
async def test_a_way_that_cannot_work_is_told_before_anything_is_sent(
    variable: str, value: str, simulator: Simulator, bare: None, monkeypatch: pytest.MonkeyPatch, *, library: Any
) -> None:
    """row 59: also where a client that was lent would reach the service."""
    monkeypatch.setenv(variable, value)
    async with library.AsyncClient(trust_env=False) as lent:
        for http_client in (None, lent):
            async with AsyncLiveAvatar("key", api_url="https://service.test", http_client=http_client) as client:
                with pytest.raises(ConfigurationError, match=variable):
                    await client.start("Silas")
                if http_client is None:
                    with pytest.raises(ConfigurationError, match=variable):
                        await client.credits()


@pytest.mark.parametrize("wrong", [{"proxy": "nonsense://x"}, {"verify": "/absent.pem"}, {"verify": 1}])
def test_what_was_given_and_cannot_work_is_told_as_the_client_is_made(wrong: dict[str, Any], bare: None) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        AsyncLiveAvatar("key", **wrong)


# A dead address


@pytest.fixture
def dual(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A URL of the simulator whose host name resolves first to an IPv6 address that never responds."""
    port = int(simulator.url.rpartition(":")[2])
    with contextlib.ExitStack() as stack:
        try:
            dead = stack.enter_context(socket.socket(socket.AF_INET6))
            dead.bind(("::1", port))
        except OSError:
            pytest.skip("this machine has no IPv6")
        # if nobody accepts, connections after the first are neither accepted nor refused
        dead.listen(0)
        for _ in range(8):
            caller = stack.enter_context(socket.socket(socket.AF_INET6))
            caller.settimeout(0.3)
            try:
                caller.connect(("::1", port))
            except TimeoutError:
                break
        else:
            pytest.skip("this machine answers where nobody does")
        resolve = socket.getaddrinfo

        def both(host: Any, at: Any, family: int = 0, *rest: Any, **more: Any) -> Any:
            if host not in ("localhost", b"localhost"):
                return resolve(host, at, family, *rest, **more)
            found: list[Any] = [
                (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", port, 0, 0)),
                (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)),
            ]
            return [entry for entry in found if family in (0, entry[0])]

        monkeypatch.setattr(socket, "getaddrinfo", both)
        lead_sockets_to(monkeypatch, port, f"ws://localhost:{port}")
        yield f"http://localhost:{port}"


async def test_a_dead_address_holds_up_no_socket(
    dual: str, simulator: Simulator, bare: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """row 59: the addresses race, as httpx has them."""
    monkeypatch.setattr("liveavatar_nb.config.SOCKET_OPEN_TIMEOUT", 60.0)
    client = AsyncLiveAvatar(simulator.api_key, api_url=dual)
    async with asyncio.timeout(25), client, await client.start("Silas"):
        assert simulator.billed()


def test_a_dead_address_holds_up_no_stop_without_a_loop(dual: str, simulator: Simulator, bare: None) -> None:
    """row 59: as at the interpreter's exit, and in the guard."""
    call = httpx.Client(base_url=simulator.url, headers={"X-API-KEY": simulator.api_key}, trust_env=False)
    with call:
        avatar = call.get("/v1/avatars/public").json()["data"]["results"][0]["id"]
        token = call.post("/v1/sessions/token", json={"mode": "LITE", "avatar_id": avatar}).json()["data"]
        call.post(
            "/v1/sessions/start", headers={"Authorization": f"Bearer {token['session_token']}"}
        ).raise_for_status()
    assert simulator.billed()
    began = time.monotonic()
    with BlockingStopper(20.0, Network.of()) as stopper:
        assert stopper.stop(dual, Masked(simulator.api_key), token["session_id"])
    assert time.monotonic() - began < 8.0
    assert not simulator.billed()


async def test_a_livekit_server_is_asked_by_the_same_way(net: Net, monkeypatch: pytest.MonkeyPatch) -> None:
    """row 59: what stands there is no LiveKit server, and says so."""
    monkeypatch.setenv("ALL_PROXY", net.proxy)
    monkeypatch.setenv("SSL_CERT_FILE", str(net.bundle))
    async with asyncio.timeout(30):
        with pytest.raises(APIStatusError, match="could not list"):
            await AsyncRoom(f"wss://{SERVICE}", "key", "secret" * 6).participants()
    assert net.asked == [SERVICE]
    monkeypatch.setenv("ALL_PROXY", "nonsense://x")
    with pytest.raises(ConfigurationError, match="ALL_PROXY"):
        await AsyncRoom(f"wss://{SERVICE}", "key", "secret" * 6).participants()
