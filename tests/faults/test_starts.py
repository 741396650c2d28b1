"""Starts and stops whose calls fail: nothing stays billed, and no start is sent twice."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from liveavatar_nb import AsyncLiveAvatar, AsyncSession, LiveAvatar, SessionState, Simulator, config
from liveavatar_nb.bridge.loop import bridge
from liveavatar_nb.errors import ClientClosed, SessionEnded, StartOutcomeUnknown, StopNotConfirmed
from liveavatar_nb.protection.journal import journal
from liveavatar_nb.protection.running import running_sessions

from .canary import CANARY, KEY, shown
from .manual import ManualClock

LIMIT = 20.0  # seconds for an expected condition to become true


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def lab(simulator: Simulator, clock: ManualClock) -> AsyncIterator[AsyncLiveAvatar]:
    """A client that uses the manual clock and needs no guard."""
    async with AsyncLiveAvatar(KEY, api_url=simulator.url, clock=clock) as client:
        client.is_simulated = True
        yield client


@pytest.fixture
def la(simulator: Simulator) -> Iterator[LiveAvatar]:
    with LiveAvatar(KEY, api_url=simulator.url) as client:
        yield client


QUICK = """
from liveavatar_nb import config
from liveavatar_nb.protection.guard.__main__ import main
config.UNKNOWN_LOOKS = (0.5, 1.0, 1.5)
main()
"""


@pytest.fixture
def quick_guard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], bool]:
    """Make guards look for an unknown start for only 1.5 s; return a function that tells whether one is alive."""
    (tmp_path / "quick_guard.py").write_text(QUICK)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr("liveavatar_nb.protection.guard.handle.MODULE", "quick_guard")

    def lives() -> bool:
        ours = ["quick_guard", str(os.getpid())]
        return any((one.info["cmdline"] or [])[-2:] == ours for one in psutil.process_iter(["cmdline"]))

    return lives


async def until(condition: Callable[[], object], limit: float = LIMIT) -> None:
    async with asyncio.timeout(limit):
        while not condition():  # noqa: ASYNC110 (what is waited for is in another process)
            await asyncio.sleep(0.01)


def wait_until(condition: Callable[[], object], limit: float = LIMIT) -> None:
    deadline = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def state_of(session: AsyncSession) -> SessionState:
    return session.state


async def failed(client: AsyncLiveAvatar, clock: ManualClock) -> StartOutcomeUnknown:
    """Start a session whose outcome is unknown, and return the error that follows the first look."""
    starting = asyncio.create_task(client.start("Silas"))
    # the look that the start waits for, and the later looks in the background
    await until(lambda: clock.sleepers == 2 or starting.done())
    assert not starting.done()
    clock.move(config.UNKNOWN_LOOKS[0])
    await clock.settle()
    with pytest.raises(StartOutcomeUnknown) as caught:
        await starting
    assert CANARY not in shown(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("kind", "parameters", "limits"),
    [
        ("drip", {"seconds": 3}, {"READ_TIMEOUT": 0.3}),
        ("delay", {"seconds": 1}, {"READ_TIMEOUT": 0.3}),
        ("drip", {"seconds": 0.05}, {"TOTAL_TIMEOUT": 0.5}),
        ("truncated", {}, {}),
        ("reset", {}, {}),
        ("huge", {"megabytes": 3}, {}),
        ("gzip_bomb", {"megabytes": 3}, {}),
        ("redirect", {"location": "http://127.0.0.1:9/"}, {}),
        ("status", {"status": 502, "body": "<html>"}, {}),
        ("status", {"status": 408}, {}),
    ],
)
async def test_a_start_of_unknown_outcome(
    lab: AsyncLiveAvatar,
    simulator: Simulator,
    clock: ManualClock,
    arrived: Any,
    monkeypatch: pytest.MonkeyPatch,
    *,
    kind: str,
    parameters: dict[str, Any],
    limits: dict[str, float],
) -> None:
    """row 5, row 15, row 16, row 18, row 21, row 22, row 23, row 24: sent once, stopped by its id, and looked for."""
    for name, seconds in limits.items():
        monkeypatch.setattr(config, name, seconds)
    simulator.faults.add("start", kind, **parameters)
    error = await failed(lab, clock)
    assert not simulator.billed()
    assert error.confirmed_stopped
    assert error.session_id == simulator.ledger()[0].session_id
    assert arrived().count("POST /v1/sessions/start") == 1
    assert arrived().count("POST /v1/sessions/stop") == 1
    assert lab.session is not None
    assert lab.session.state is SessionState.FAILED
    assert not lab.live_sessions


async def test_a_start_that_is_applied_after_its_stop(
    lab: AsyncLiveAvatar, simulator: Simulator, clock: ManualClock, arrived: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """row 6: looked for after 2, 10, 30 and 60 s, and stopped again where it shows; the error is kept up to date."""
    monkeypatch.setattr(config, "STOP_LIMIT", 0.3)

    def looks() -> int:
        return sum(call.startswith("GET /v1/sessions/") for call in arrived())

    simulator.faults.add("start", "late", seconds=1.5)
    error = await failed(lab, clock)
    assert error.confirmed_stopped
    assert lab.session is not None
    assert lab.session.is_pursued
    # after the stop, by the start itself, and in the background
    assert looks() == 3
    await until(simulator.billed)
    await clock.go_on(7.9)
    assert looks() == 3
    simulator.faults.add("stop", "status", status=500, times=None)
    await clock.go_on(0.1)
    # the stop was refused, and the record was read again
    assert looks() == 5
    assert simulator.billed()
    assert lab.session.is_live
    told = [error.confirmed_stopped]
    simulator.faults.clear()
    await clock.go_on(20)
    assert not simulator.billed()
    told.append(error.confirmed_stopped)
    assert told == [False, True]
    assert not lab.live_sessions
    before = looks()
    await clock.go_on(30)
    assert looks() == before + 1
    await clock.go_on(300)
    assert looks() == before + 1
    await until(lambda: lab.session is not None and not lab.session.is_pursued)
    assert arrived().count("POST /v1/sessions/start") == 1
    assert [entry.starts for entry in simulator.ledger()] == [1]


async def test_looks_that_cannot_look_are_not_the_last(
    lab: AsyncLiveAvatar, simulator: Simulator, clock: ManualClock
) -> None:
    """row 6: an outage while it is looked for: the start that is applied in it is found afterwards."""
    simulator.faults.add("start", "late", seconds=0.5, status=500)
    error = await failed(lab, clock)
    await until(simulator.billed)
    simulator.faults.add("sessions", "status", status=403, times=None)
    await clock.go_on(59)
    assert simulator.billed()
    simulator.faults.clear()
    await clock.go_on(60)
    assert not simulator.billed()
    assert error.confirmed_stopped


async def test_a_client_that_is_closed_while_a_start_is_looked_for_leaves_it_to_the_guard(
    simulator: Simulator, clock: ManualClock, quick_guard: Callable[[], bool]
) -> None:
    """row 6: the guard finds the late start, stops it, and removes the record in the end."""
    async with AsyncLiveAvatar(KEY, api_url=simulator.url, clock=clock) as client:
        simulator.faults.add("start", "late", seconds=0.8, status=503)
        error = await failed(client, clock)
        record = journal.folder / f"{error.session_id}.json"
        assert record.exists()
        assert KEY not in record.read_text()
    assert not len(running_sessions)
    assert record.exists()
    await until(lambda: simulator.ledger()[0].starts)
    await until(lambda: not simulator.billed())
    await until(lambda: not record.exists())
    await until(lambda: not quick_guard())
    assert not list(journal.folder.iterdir())
    assert [entry.starts for entry in simulator.ledger()] == [1]


@pytest.mark.parametrize("runs", [True, False])
async def test_a_stop_that_is_told_there_is_no_such_session(
    lab: AsyncLiveAvatar, simulator: Simulator, clock: ManualClock, arrived: Any, *, runs: bool
) -> None:
    """row 10: a 404 by itself proves nothing: the session's own record does."""
    made = await lab.api.contexts.create(name="Guide", prompt="You guide.", opening_text=None)
    session = await lab.start("Silas", context=made.id)
    simulator.faults.add("stop", "status", status=404)
    if runs:
        with pytest.raises(StopNotConfirmed):
            await session.stop()
        assert session.is_live
        await clock.go_on(config.INSIST_INTERVAL)
    else:
        simulator.advance(301)
        await session.stop()
        assert session.end_reason == "IDLE_TIMEOUT"
    assert session.stop_is_confirmed
    assert f"GET /v1/sessions/{session.id}" in arrived()


async def test_a_stop_that_is_told_so_where_the_record_does_not_answer(
    lab: AsyncLiveAvatar, simulator: Simulator, clock: ManualClock
) -> None:
    """row 10: then it is not confirmed."""
    session = await lab.start("Silas")
    simulator.faults.add("stop", "status", status=404)
    simulator.faults.add("sessions", "status", status=403)
    with pytest.raises(StopNotConfirmed):
        await session.stop()
    assert session.is_live
    await session.stop()
    assert not simulator.billed()


@pytest.mark.parametrize("stage", ["token", "start", "socket"])
@pytest.mark.parametrize("way", ["stop", "cancel", "close"])
async def test_what_comes_during_a_start(simulator: Simulator, arrived: Any, *, stage: str, way: str) -> None:
    """row 44, row 45: a stop, a Ctrl-C, the client's end, in whichever call the start is."""
    path = {"token": "sessions/token", "start": "sessions/start", "socket": "socket"}[stage]
    async with AsyncLiveAvatar(KEY, api_url=simulator.url) as client:
        client.is_simulated = True
        simulator.faults.add(stage, "delay", seconds=0.4)
        starting = asyncio.create_task(client.start("Silas"))
        await until(lambda: any(call.endswith(path) for call in arrived()))
        session = client.session
        assert session is not None
        if way == "cancel":
            began = time.monotonic()
            starting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await starting
            assert time.monotonic() - began < 0.5
            await asyncio.wait_for(session.wait_until_ended(), LIMIT)
        else:
            await (client.aclose() if way == "close" else session.stop())
            with pytest.raises(SessionEnded):
                await starting
        assert not simulator.billed()
        assert session.stop_is_confirmed
        assert state_of(session) is SessionState.ENDED
    await asyncio.sleep(0.5 if stage == "token" else 0)
    assert not simulator.billed()
    assert [entry.starts for entry in simulator.ledger()] == ([0] if stage == "token" else [1])


# the connections of a dead loop cannot be closed, only dropped
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_loop_of_a_live_session_is_dead(la: LiveAvatar, simulator: Simulator) -> None:
    """row 46: somebody stopped it from within."""
    session = la.start("Silas")
    thread = bridge._thread
    assert thread is not None
    bridge.loop.call_soon_threadsafe(bridge.loop.stop)
    thread.join(LIMIT)
    assert not bridge.is_running
    session.stop()
    assert not simulator.billed()
    assert session.stop_is_confirmed
    assert not len(running_sessions)
    session.stop()
    with la.start("Ann") as another:
        assert another.state is SessionState.CONNECTED


def test_the_loop_of_a_live_session_is_stuck(
    la: LiveAvatar, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """row 46: a handler computes on it and does not come back."""
    monkeypatch.setattr(config, "LOOP_LIMIT", 0.3)
    session = la.start("Silas")
    free = threading.Event()
    bridge.loop.call_soon_threadsafe(free.wait, 60)
    try:
        session.stop()
        assert not simulator.billed()
        assert session.state is SessionState.ENDED
        assert session.stop_is_confirmed
        session.stop()
    finally:
        free.set()
    session.wait_until_ended()
    assert not len(running_sessions)
    assert simulator.ledger()[0].stops == 1


@pytest.mark.parametrize("drained", [True, False])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_loop_dies_during_a_start(
    la: LiveAvatar, simulator: Simulator, quick_guard: Callable[[], bool], *, drained: bool
) -> None:
    """row 46: the start is applied after the stop that needs no loop: the guard looks for it."""
    simulator.faults.add("start", "delay", seconds=0.5)
    simulator.faults.add("start", "late", seconds=0.8)
    outcome: list[BaseException] = []

    def start() -> None:
        try:
            la.start("Silas")
        except BaseException as failure:  # noqa: BLE001 (it is looked at below)
            outcome.append(failure)

    caller = threading.Thread(target=start)
    caller.start()
    wait_until(lambda: any(one["path"] == "/v1/sessions/start" for one in simulator.requests()))
    thread = bridge._thread
    assert thread is not None
    bridge.loop.call_soon_threadsafe(bridge.loop.stop)
    caller.join(LIMIT)
    if drained:
        thread.join(LIMIT)
    assert isinstance(outcome[0], ClientClosed)
    session = la.session
    assert session is not None
    session.stop()
    wait_until(lambda: simulator.ledger()[0].starts)
    wait_until(lambda: not simulator.billed())
    wait_until(lambda: not quick_guard())
    assert not len(running_sessions)
    assert not list(journal.folder.iterdir())


async def test_a_stop_that_cannot_reach_the_service_says_when_the_cap_ends_it(
    lab: AsyncLiveAvatar, simulator: Simulator, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """row 52: and goes on behind it, until it arrives."""
    monkeypatch.setattr(config, "STOP_LIMIT", 0.3)
    session = await lab.start("Silas", max_minutes=3)
    simulator.faults.add("stop", "drop_before", times=None)
    with pytest.raises(StopNotConfirmed) as caught:
        await session.stop()
    assert session.cap_at is not None
    ends_at = time.strftime("%H:%M:%S", time.localtime(session.cap_at))
    assert f"when it reaches its cap, at {ends_at}" in str(caught.value)
    assert session.is_live
    assert session.is_pursued
    await clock.go_on(50)
    assert simulator.billed()
    simulator.faults.clear()
    await clock.go_on(config.INSIST_INTERVAL)
    assert not simulator.billed()
    assert session.stop_is_confirmed


async def test_nobody_insists_for_ever(
    lab: AsyncLiveAvatar, simulator: Simulator, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """row 52: until 60 s past the cap, which has ended it then."""
    monkeypatch.setattr(config, "STOP_LIMIT", 0.1)
    session = await lab.start("Silas", max_minutes=1)
    simulator.faults.add("stop", "status", status=500, times=None)
    with pytest.raises(StopNotConfirmed):
        await session.stop()
    await clock.go_on(110)
    assert session.is_live
    simulator.set_speed(0)
    simulator.advance(61)
    await clock.go_on(30)
    assert not lab.live_sessions
    assert not session.is_pursued
    simulator.faults.clear()


def test_a_stop_without_a_loop_that_does_not_arrive_is_left_to_the_guard(
    la: LiveAvatar, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """row 52: while the kernel lives."""
    monkeypatch.setattr(config, "LOOP_LIMIT", 0.2)
    monkeypatch.setattr(config, "STOP_LIMIT", 0.5)
    session = la.start("Silas")
    free = threading.Event()
    bridge.loop.call_soon_threadsafe(free.wait, 60)
    try:
        simulator.faults.add("stop", "status", status=500, times=None)
        with pytest.raises(StopNotConfirmed, match="when it reaches its cap, at"):
            session.stop()
        assert session.is_live
        assert simulator.billed()
        simulator.faults.clear()
        wait_until(lambda: not simulator.billed())
    finally:
        free.set()
    session.stop()
    assert session.stop_is_confirmed
    assert not len(running_sessions)
