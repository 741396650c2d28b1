"""Before a start counts as guarded, its guard has reached the service itself, by the client's way."""

from __future__ import annotations

import logging
import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import trustme

from liveavatar_nb import AsyncLiveAvatar, LiveAvatar, Simulator
from liveavatar_nb.errors import ProtectionError
from liveavatar_nb.protection.guard.handle import Guard, NotReached, Service
from liveavatar_nb.rest.network import Network

from .owners import START, Owner, guards, left_of, settles, stopped_after

REACHES = "/v1/avatars/public"


class Gateway:
    """Speaks TLS with a certificate of its own, and hands everything on to the simulator.

    Args:
        simulator: where it goes.
        authority: vouches for it.
    """

    def __init__(self, simulator: Simulator, authority: trustme.CA) -> None:
        self._to = urlsplit(simulator.url)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(context)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._context = context
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._serve, daemon=True)]
        self._threads[0].start()
        self.url = f"https://localhost:{self._listener.getsockname()[1]}"

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                accepted, _ = self._listener.accept()
                self._begin(self._meet, accepted)

    def _begin(self, work: object, *sockets: socket.socket) -> None:
        self._open += sockets
        thread = threading.Thread(target=work, args=sockets, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _meet(self, accepted: socket.socket) -> None:
        try:
            inside = self._context.wrap_socket(accepted, server_side=True)
        except OSError:
            accepted.close()
            return
        outside = socket.create_connection((self._to.hostname or "", self._to.port or 0))
        self._begin(self._hand_on, inside, outside)
        self._hand_on(outside, inside)

    def _hand_on(self, source: socket.socket, target: socket.socket) -> None:
        # the simulator takes what is meant for it only
        here, there = urlsplit(self.url).netloc.encode(), self._to.netloc.encode()
        with suppress(OSError):
            while piece := source.recv(65536):
                target.sendall(piece.replace(here, there))
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for one in self._open:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
        for one in self._open:
            one.close()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


@pytest.fixture
def certificate(authority: trustme.CA, tmp_path: Path) -> Path:
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    return tmp_path / "authority.pem"


@pytest.fixture
def gateway(simulator: Simulator, authority: trustme.CA) -> Iterator[Gateway]:
    running = Gateway(simulator, authority)
    yield running
    running.close()


def reached(simulator: Simulator) -> int:
    """How often the service was asked without a credential for one avatar."""
    return sum(
        request["path"] == REACHES and "page_size=1" in str(request["query"]) for request in simulator.requests()
    )


async def test_a_client_whose_way_the_guard_cannot_go_is_refused(
    library: Any, simulator: Simulator, gateway: Gateway, certificate: Path
) -> None:
    """row 54: its own authority"""
    started = sum(entry.starts for entry in simulator.ledger())
    async with library.AsyncClient(verify=ssl.create_default_context(cafile=str(certificate))) as lent:
        la = AsyncLiveAvatar(simulator.api_key, api_url=gateway.url, http_client=lent)
        with pytest.raises(ProtectionError, match=r"certificate.*http_client.*proxy= and verify=.*allow_unjournaled"):
            await la.start("Silas")
        await la.aclose()
    assert sum(entry.starts for entry in simulator.ledger()) == started


def test_a_guard_goes_the_way_that_the_client_was_given(
    simulator: Simulator, gateway: Gateway, certificate: Path
) -> None:
    """row 54: `verify=` holds for the guard, too"""
    with Owner() as owner:
        owner.run(
            "import os, time\nfrom liveavatar_nb import LiveAvatar\n"
            f"la = LiveAvatar({simulator.api_key!r}, api_url={gateway.url!r}, verify={str(certificate)!r})"
        )
        session_id = owner.run(START)
        died = time.time()
        owner.kill()
        stopped_after(simulator, session_id, died)
        assert settles(lambda: not left_of(owner.pid)), left_of(owner.pid)


async def test_a_transport_of_the_users_own_is_refused_in_words(
    library: Any, simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    """row 54"""

    class OwnTransport(library.AsyncHTTPTransport):  # type: ignore[misc]
        """One of the user's making."""

    async with library.AsyncClient(transport=OwnTransport()) as lent:
        la = AsyncLiveAvatar(simulator.api_key, api_url=simulator.url, http_client=lent)
        with pytest.raises(ProtectionError, match=r"http_client uses a custom transport.*allow_unjournaled"):
            await la.start("Silas")
        assert not la.live_sessions
        await la.aclose()
        async with AsyncLiveAvatar(
            simulator.api_key, api_url=simulator.url, http_client=lent, allow_unjournaled=True
        ) as la:
            with caplog.at_level(logging.WARNING):
                await la.start("Silas")
            assert "The session starts anyway" in caplog.text
        assert not guards(os.getpid())


def test_a_service_is_reached_once(simulator: Simulator) -> None:
    with LiveAvatar(simulator.api_key, api_url=simulator.url) as la:
        before = reached(simulator)
        la.start("Silas").stop()
        assert reached(simulator) - before <= 1
        la.start("Silas").stop()
        assert reached(simulator) - before <= 1


@pytest.mark.parametrize(
    ("network", "why"),
    [
        (Network(), "ConnectError"),
        (Network(verify="/nowhere.pem"), "verify"),
    ],
)
def test_why_it_cannot_reach_a_service(network: Network, why: str) -> None:
    """row 56"""
    guard = Guard()
    try:
        service = Service("https://127.0.0.1:9", network)
        guard.prepare(service)
        with pytest.raises(NotReached, match=why):
            guard.reach(service)
        assert guard.is_there
    finally:
        guard.leave_if_unused()
        assert settles(lambda: not guards(os.getpid()))
