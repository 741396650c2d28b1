"""Clocks that jump, and machines that sleep: with clocks moved by hand, then with a real process that is suspended."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from typing import Any

import pytest

from liveavatar_nb import AsyncLiveAvatar, AsyncSession, SessionState, Simulator

from .canary import KEY
from .manual import ManualClock

HOUR = 3600.0


async def started(simulator: Simulator, clock: ManualClock, mode: str) -> tuple[AsyncLiveAvatar, AsyncSession]:
    """Start a session on a client that uses the given clock and needs no guard; return both."""
    client = AsyncLiveAvatar(KEY, api_url=simulator.url, clock=clock, max_minutes=10)
    client.is_simulated = True
    context = None
    if mode == "FULL":
        made = await client.api.contexts.create(name="Guide", prompt="You guide.", opening_text=None)
        context = made.id
    return client, await client.start("Silas", context=context)


def asked_of(arrived: Any, session: AsyncSession) -> list[str]:
    """Return the requests about a running session, in order, in words."""
    wanted = {f"GET /v1/sessions/{session.id}": "how it is", "POST /v1/sessions/keep-alive": "keep-alive"}
    return [wanted[call] for call in arrived() if call in wanted]


@pytest.mark.parametrize("mode", ["LITE", "FULL"])
async def test_a_sleep_in_which_the_session_ended(simulator: Simulator, arrived: Any, mode: str) -> None:
    """row 38: the wall's clock jumped while the other stood: the service is asked first, and the end has its reason."""
    clock = ManualClock()
    client, session = await started(simulator, clock, mode)
    async with client:
        simulator.set_speed(0)
        simulator.advance(350)
        clock.move(5, wall=355)
        await clock.settle()
        await asyncio.wait_for(session.wait_until_ended(), 10)
        assert set(asked_of(arrived, session)) == {"how it is"}
        assert session.state is SessionState.ENDED
        assert session.end_reason == "IDLE_TIMEOUT"
        assert session.end_words
        assert session.stop_is_confirmed


@pytest.mark.parametrize("mode", ["LITE", "FULL"])
async def test_a_sleep_that_the_session_outlived(simulator: Simulator, arrived: Any, mode: str) -> None:
    """row 38: asked first, then kept alive at once; the time that the clock missed is made up for."""
    clock = ManualClock()
    client, session = await started(simulator, clock, mode)
    async with client:
        simulator.set_speed(0)
        simulator.advance(200)
        clock.move(5, wall=205)
        await clock.settle()
        assert asked_of(arrived, session) == ["how it is", "keep-alive"]
        assert session.state is SessionState.CONNECTED
        assert 199 <= session.elapsed <= 210
        assert 390 <= session.time_left <= 401
        # from here on as usual
        await clock.go_on(60)
        assert asked_of(arrived, session) == ["how it is", "keep-alive", "keep-alive"]


async def test_a_sleep_that_both_clocks_noticed(simulator: Simulator, arrived: Any) -> None:
    """row 38: where the clock that never jumps counts a sleep, it is noticed all the same, and no page is blamed."""
    clock = ManualClock()
    client, session = await started(simulator, clock, "LITE")
    async with client:
        session.beat()
        clock.move(200)
        await clock.settle()
        assert asked_of(arrived, session) == ["how it is", "keep-alive"]
        assert session.state is SessionState.CONNECTED
        assert session.unwatched_left is None


async def test_a_sleep_after_which_the_service_does_not_answer(simulator: Simulator, arrived: Any) -> None:
    """row 38: what cannot be asked is not over."""
    clock = ManualClock()
    client, session = await started(simulator, clock, "LITE")
    async with client:
        simulator.faults.add("session", "status", status=403)
        clock.move(5, wall=100)
        await clock.settle()
        assert asked_of(arrived, session) == ["how it is", "keep-alive"]
        assert session.state is SessionState.CONNECTED


@pytest.mark.parametrize("jump", [-HOUR, HOUR, -20.0, 20.0, 20 * 365 * 24 * HOUR, -20 * 365 * 24 * HOUR])
async def test_a_clock_that_is_set(simulator: Simulator, arrived: Any, jump: float) -> None:
    """row 37: the wall's clock jumps, and back: the session goes on, its times do not jump along."""
    clock = ManualClock()
    client, session = await started(simulator, clock, "LITE")
    async with client:
        cap_at = session.cap_at
        assert cap_at is not None
        await clock.go_on(30)
        elapsed = session.elapsed
        clock.move(0, wall=jump)
        await clock.go_on(5)
        assert session.elapsed == pytest.approx(elapsed + 5, abs=1)
        assert session.cap_at == pytest.approx(cap_at + jump, abs=1)
        clock.move(0, wall=-jump)
        await clock.go_on(85)
        assert session.cap_at == pytest.approx(cap_at, abs=1)
        assert session.state is SessionState.CONNECTED
        assert session.time_left == pytest.approx(480, abs=2)
        assert 1 <= asked_of(arrived, session).count("keep-alive") <= 2
        assert len(simulator.billed()) == 1


HELD = """
import sys
from liveavatar_nb import LiveAvatar, config
config.SLEEP_GAP, config.PULSE = 0.5, 0.1
with LiveAvatar({key!r}, api_url={url!r}) as la:
    session = la.start("Silas")
    print(session.id, flush=True)
    if sys.stdin.readline().strip() == "wait":
        session.wait_until_ended()
    print(session.state, session.end_reason, flush=True)
    sys.stdin.readline()
"""


@pytest.mark.parametrize("outlived", [True, False])
def test_a_process_that_was_held(simulator: Simulator, arrived: Any, *, outlived: bool) -> None:
    """row 38: SIGSTOP and SIGCONT of a real process with a live session."""
    command = [sys.executable, "-c", HELD.format(key=KEY, url=simulator.url)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        session_id = process.stdout.readline().strip()
        before = len(arrived())
        os.kill(process.pid, signal.SIGSTOP)
        time.sleep(1)
        simulator.advance(10 if outlived else 301)
        os.kill(process.pid, signal.SIGCONT)
        first = "POST /v1/sessions/keep-alive" if outlived else f"GET /v1/sessions/{session_id}"
        deadline = time.monotonic() + 20
        while first not in arrived() and time.monotonic() < deadline:
            time.sleep(0.02)
        process.stdin.write("\n" if outlived else "wait\n")
        process.stdin.flush()
        told = process.stdout.readline().strip()
        process.communicate("\n", timeout=30)
    assert told == ("connected None" if outlived else "ended IDLE_TIMEOUT")
    assert arrived()[before] == f"GET /v1/sessions/{session_id}"
    assert process.returncode == 0
    assert not simulator.billed()
    assert simulator.ledger()[0].starts == 1
