"""Nothing unreachable stays billed: dropped clients, whatever their handlers hold, and closed loops."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from liveavatar_nb import AsyncLiveAvatar, AsyncSession, LiveAvatar, Simulator
from liveavatar_nb.errors import LoopEnded
from liveavatar_nb.protection.running import running_sessions

from ..waiting import until
from .canary import KEY

LIMIT = 15.0  # seconds; an idle machine takes a tenth of a second


def collected(simulator: Simulator) -> None:
    """Collect garbage until nothing is billed, and no session is left."""
    deadline = time.monotonic() + LIMIT
    while simulator.billed():
        assert time.monotonic() < deadline, "it is still billed"
        gc.collect()
        time.sleep(0.05)
    while len(running_sessions):
        assert time.monotonic() < deadline, "it was not forgotten"
        time.sleep(0.05)


def hold_by_handler(la: Any, s: Any) -> None:
    s.on("*", lambda event: (la, s))


def hold_by_async_handler(la: Any, s: Any) -> None:
    async def handle(event: Any) -> None:
        assert la is not s

    s.on("*", handle)


def hold_by_answer(la: Any, s: Any) -> None:
    s.on_user_text(lambda text: f"{la}, {s}: {text}")


def hold_by_attribute(la: Any, s: Any) -> None:
    la.of_the_users = s


HOLDS = [hold_by_handler, hold_by_async_handler, hold_by_attribute]


@pytest.mark.parametrize("hold", HOLDS)
@pytest.mark.parametrize("mode", ["LITE", "FULL"])
def test_a_dropped_client(
    simulator: Simulator, hold: Callable[..., None], mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    """row 58: sync; a handler that holds its session holds it from nothing."""
    la = LiveAvatar(KEY, api_url=simulator.url)
    if mode == "LITE":
        s = la.start("Silas")
        s.play((bytes(4800), 24_000), progress=False)
    else:
        s = la.start("Silas", on_user_text=lambda text: text)
        hold_by_answer(la, s)
    hold(la, s)
    assert simulator.billed()
    del la, s
    collected(simulator)
    assert "Task was destroyed" not in caplog.text


@pytest.mark.parametrize("hold", HOLDS)
async def test_a_dropped_async_client(
    simulator: Simulator, hold: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    """row 58: never closed, and no name is left; a warning tells of it."""
    client = AsyncLiveAvatar(KEY, api_url=simulator.url)
    session = await client.start("Silas")
    hold(client, session)
    await session.play((bytes(4800), 24_000), progress=False)
    api = client.api
    del client, session
    await asyncio.to_thread(collected, simulator)
    # its tasks have ended with it
    await until(lambda: len(asyncio.all_tasks()) == 1)
    await api.aclose()
    told = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert ["was garbage-collected with a live session" in record.getMessage() for record in told] == [True]
    assert "Task was destroyed" not in caplog.text


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
async def test_a_session_in_use_holds_its_client(simulator: Simulator) -> None:
    """Whoever has the session has all of it."""

    async def start() -> AsyncSession:
        return await AsyncLiveAvatar(KEY, api_url=simulator.url).start("Silas")

    session = await start()
    for _ in range(3):
        gc.collect()
        await asyncio.sleep(0.1)
    assert simulator.billed()
    assert session.is_live
    await session.stop()
    assert not simulator.billed()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
@pytest.mark.parametrize("is_kept", [True, False])
def test_a_loop_that_is_closed_without_cancelling(simulator: Simulator, *, is_kept: bool) -> None:
    """row 58: the session is stopped all the same, and says why."""
    kept: list[AsyncSession] = []

    def run() -> None:
        loop = asyncio.new_event_loop()
        client = AsyncLiveAvatar(KEY, api_url=simulator.url)
        session = loop.run_until_complete(client.start("Silas"))
        if is_kept:
            kept.append(session)
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    collected(simulator)
    for session in kept:
        assert isinstance(session.error, LoopEnded)
        assert session.stop_is_confirmed
        with contextlib.closing(asyncio.new_event_loop()) as loop:
            loop.run_until_complete(session.stop())
