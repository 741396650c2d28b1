"""The HTTP clients that a transport opens: one for each loop, closed with it."""

from __future__ import annotations

import asyncio
import gc
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest

from liveavatar_nb import LiveAvatarAPI, Simulator
from liveavatar_nb.bridge.loop import bridge
from liveavatar_nb.concurrency.loops import run
from liveavatar_nb.errors import InvalidArgument


@pytest.fixture(autouse=True)
def nothing_unclosed() -> Iterator[None]:
    """No socket is left for the garbage collector to close."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        yield
        gc.collect()
    assert not [str(warning.message) for warning in caught]


@pytest.fixture
def connections(simulator: Simulator) -> Callable[[], int]:
    """Counts this process's open connections to the simulator."""
    port = int(simulator.url.rpartition(":")[2])

    def count() -> int:
        gc.disable()  # what it would close was not closed
        try:
            return sum(bool(to.raddr) and to.raddr.port == port for to in psutil.Process().net_connections("tcp"))
        finally:
            gc.enable()

    return count


def test_each_loop_keeps_its_own_connection(simulator: Simulator, connections: Any) -> None:
    api = LiveAvatarAPI(simulator.api_key, api_url=simulator.url)
    bridge.call(api.credits.get())
    for _ in range(3):
        run(api.credits.get)
        assert connections() == 1  # the managed loop's, while the other loop's ended with it
    bridge.call(api.credits.get())
    assert connections() == 1
    assert [request["path"] for request in simulator.requests()] == ["/v1/users/credits"] * 5
    bridge.close()
    assert connections() == 0


def test_two_loops_at_once(simulator: Simulator, connections: Any) -> None:
    api = LiveAvatarAPI(simulator.api_key, api_url=simulator.url)
    simulator.faults.add("credits", "delay", seconds=0.3)
    threads = [threading.Thread(target=run, args=[api.credits.get]) for _ in range(2)]
    for thread in threads:
        thread.start()
    bridge.call(api.credits.get())
    for thread in threads:
        thread.join()
    assert connections() == 1
    bridge.call(api.aclose())
    assert connections() == 0
    bridge.close()


def test_one_connection_that_cannot_be_closed(
    simulator: Simulator, connections: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are closed all the same."""
    first, second = (LiveAvatarAPI(simulator.api_key, api_url=simulator.url) for _ in range(2))

    async def both() -> None:
        await asyncio.gather(first.credits.get(), second.credits.get())
        (client,) = (client for own in first.transport._own.values() for client in own.values())
        close = client.aclose

        async def broken() -> None:
            await close()
            raise OSError("broken")

        monkeypatch.setattr(client, "aclose", broken)

    run(both)
    assert connections() == 0


def test_a_dead_loops_clients_are_forgotten(simulator: Simulator) -> None:
    api = LiveAvatarAPI(simulator.api_key, api_url=simulator.url)

    async def call() -> None:
        await api.credits.get()
        # as on a user's own loop that closes its sockets, but not the client
        for client in api.transport._own[asyncio.get_running_loop()].values():
            await client.aclose()

    for _ in range(5):
        asyncio.run(call())
    assert len(api.transport._own) == 1


def test_a_client_of_another_kind_is_refused(library: Any) -> None:
    with library.Client() as sync, pytest.raises(InvalidArgument, match=rf"not {library.__name__}\.Client\."):
        LiveAvatarAPI("key", session=sync)
