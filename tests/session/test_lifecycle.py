"""The life of a session: states that never go back, one start, and a stop that always comes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import pytest

from liveavatar_nb import (
    AsyncLiveAvatar,
    AsyncSession,
    LiveAvatar,
    LiveAvatarException,
    SessionState,
    Simulator,
    config,
)
from liveavatar_nb.bridge.loop import bridge
from liveavatar_nb.errors import (
    AvatarNeverCame,
    CreditsError,
    SessionEnded,
    StartOutcomeUnknown,
    StopNotConfirmed,
)

from ..waiting import until


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A start of unknown outcome is looked for within a second, and not within a minute."""
    monkeypatch.setattr(config, "UNKNOWN_LOOKS", (0.1, 0.2, 0.3, 0.4))


def watch_states(client: AsyncLiveAvatar) -> list[str]:
    seen: list[str] = []

    def look() -> None:
        if client.session is not None and (not seen or seen[-1] != client.session.state):
            seen.append(str(client.session.state))

    client.watch(look)
    return seen


def starts(simulator: Simulator) -> int:
    return [request["path"] for request in simulator.requests()].count("/v1/sessions/start")


async def test_a_whole_life(client: AsyncLiveAvatar, simulator: Simulator) -> None:
    states = watch_states(client)
    session = await client.start("Silas")
    assert session.state is SessionState.CONNECTED
    assert [entry.session_id for entry in simulator.billed()] == [session.id]
    assert session.is_live
    assert list(session.timings) == ["token", "start", "connected"]
    assert session.keep_alive_age is not None
    assert 590 < session.time_left <= 600
    await session.stop()
    assert not simulator.billed()
    assert session.stop_is_confirmed
    assert session.end_reason == "USER_CLOSED"
    assert session.end_words == "you stopped it"
    assert session.credits_used == pytest.approx(float(simulator.ledger()[0].credits), abs=1e-5)
    assert states == ["starting", "connecting", "connected", "stopping", "ended"]
    sent = {request["path"]: request["body"] for request in simulator.requests()}
    assert sent["/v1/sessions/token"]["max_session_duration"] == 600
    assert sent["/v1/sessions/token"]["video_settings"] == {"quality": "high", "encoding": "H264"}


async def test_leaving_the_context_stops_it(client: AsyncLiveAvatar, simulator: Simulator) -> None:
    with contextlib.suppress(ZeroDivisionError):
        async with await client.start("Silas") as session:
            raise ZeroDivisionError
    assert session.state is SessionState.ENDED
    assert not simulator.billed()


async def test_what_only_the_sync_face_has_is_told_on_the_async_one(client: AsyncLiveAvatar) -> None:
    async with await client.start("Silas") as session:
        for owner, name in ((client, "studio"), (session, "view")):
            with pytest.raises(AttributeError, match=rf"no attribute '{name}'\. .*Use LiveAvatar\(\)") as caught:
                getattr(owner, name)
            assert (caught.value.name, caught.value.obj) == (name, owner)
            with pytest.raises(AttributeError, match=r"no attribute 'speak'$"):
                getattr(owner, "speak")  # noqa: B009 (a type checker knows that there is none)
            assert not hasattr(owner, "_ipython_display_")


async def test_two_stops_at_once_and_one_later_all_succeed(client: AsyncLiveAvatar, simulator: Simulator) -> None:
    session = await client.start("Silas")
    await asyncio.gather(session.stop(), session.stop())
    await session.stop()
    assert simulator.ledger()[0].stops == 1


def test_states_never_go_back() -> None:
    for earlier in SessionState:
        for later in SessionState:
            if earlier.may_become(later):
                assert not later.may_become(earlier)
    assert not SessionState.ENDED.may_become(SessionState.FAILED)
    assert not SessionState.FAILED.may_become(SessionState.CONNECTED)


async def test_row_32_connected_that_never_comes_ends_in_a_stop(
    client: AsyncLiveAvatar, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "CONNECTED_TIMEOUT", 0.5)
    simulator.faults.add("socket", "never_connected")
    with pytest.raises(AvatarNeverCame, match="was stopped"):
        await client.start("Silas")
    assert not simulator.billed()
    assert client.session is not None
    assert client.session.state is SessionState.FAILED
    assert starts(simulator) == 1
    await client.start("Silas")


@pytest.mark.parametrize(
    ("kind", "parameters", "error"),
    [
        ("status", {"status": 500}, StartOutcomeUnknown),
        ("status", {"status": 409}, StartOutcomeUnknown),
        ("drop_before", {}, StartOutcomeUnknown),
        ("drop_after", {}, StartOutcomeUnknown),
        ("garbage", {"body": "<html>"}, StartOutcomeUnknown),
        ("garbage", {"body": json.dumps({"code": 1000, "data": {"session_id": 3}})}, StartOutcomeUnknown),
        ("garbage", {"body": json.dumps({"code": 4000, "data": None, "message": "no"})}, StartOutcomeUnknown),
        ("status", {"status": 403, "code": 4002, "message": "not enough credits"}, CreditsError),
    ],
)
async def test_a_start_that_fails_is_sent_once_and_stopped_by_its_id(
    client: AsyncLiveAvatar, simulator: Simulator, kind: str, parameters: dict[str, Any], error: type[Exception]
) -> None:
    simulator.faults.add("start", kind, **parameters)
    with pytest.raises(error) as caught:
        await client.start("Silas")
    assert not simulator.billed()
    assert starts(simulator) == 1
    session = client.session
    assert session is not None
    assert session.state is SessionState.FAILED
    assert session.stop_is_confirmed
    assert session.error is caught.value
    if isinstance(caught.value, StartOutcomeUnknown):
        assert caught.value.session_id == session.id
        assert caught.value.confirmed_stopped
        assert [request["path"] for request in simulator.requests()].count("/v1/sessions/stop") == 1
    assert not client.live_sessions


async def test_no_credits_is_said_and_nothing_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    with Simulator(credits="0.40") as simulator:
        async with AsyncLiveAvatar(simulator.api_key, api_url=simulator.url) as client:
            with pytest.raises(CreditsError, match="sandbox"):
                await client.start("Silas")
            async with await client.start(is_sandbox=True) as session:
                assert session.avatar.name == "Wayne"
        assert not simulator.billed()


async def test_a_stop_during_the_start_waits_for_its_outcome(client: AsyncLiveAvatar, simulator: Simulator) -> None:
    simulator.faults.add("start", "delay", seconds=0.6)
    starting = asyncio.create_task(client.start("Silas"))
    await until(lambda: starts(simulator) == 1)
    assert client.session is not None
    await client.session.stop()
    with pytest.raises(SessionEnded):
        await starting
    assert not simulator.billed()
    assert client.session.state is SessionState.ENDED
    assert [entry.starts for entry in simulator.ledger()] == [1]


async def test_a_cancelled_start_raises_at_once_and_is_stopped_behind_it(
    client: AsyncLiveAvatar, simulator: Simulator
) -> None:
    simulator.faults.add("start", "delay", seconds=1.0)
    starting = asyncio.create_task(client.start("Silas"))
    await until(lambda: starts(simulator) == 1)
    await asyncio.sleep(0.1)
    began = time.monotonic()
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert time.monotonic() - began < 0.5
    session = client.session
    assert session is not None
    await asyncio.wait_for(session.wait_until_ended(), 10)
    assert not simulator.billed()
    assert starts(simulator) == 1


def test_ctrl_c_during_a_start_raises_and_leaves_nothing_billed(la: LiveAvatar, simulator: Simulator) -> None:
    simulator.faults.add("start", "delay", seconds=1.0)

    def interrupt() -> None:
        while not simulator.ledger():
            time.sleep(0.02)
        time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        la.start("Silas")
    thread.join()
    session = la.session
    assert session is not None
    session.wait_until_ended()
    assert not simulator.billed()
    with la.start("Ann") as next_session:
        assert next_session.state is SessionState.CONNECTED


async def test_a_sandbox_session_ends_by_itself_with_the_reason_in_words(simulator: Simulator) -> None:
    async with AsyncLiveAvatar(simulator.api_key, api_url=simulator.url) as client:
        session = await client.start(is_sandbox=True)
        assert session.max_minutes == 1
        assert session.options.credits_per_minute == 0
        simulator.advance(61)
        await asyncio.wait_for(session.wait_until_ended(), 10)
        assert session.state is SessionState.ENDED
        assert session.end_reason == "MAX_DURATION_REACHED"
        assert session.end_words == "its time was up"
        assert session.credits_used == 0
        assert session.stop_is_confirmed


async def test_a_session_that_the_service_ends_is_over_here_too(client: AsyncLiveAvatar, simulator: Simulator) -> None:
    session = await client.start("Silas", max_minutes=2)
    simulator.advance(121)
    await asyncio.wait_for(session.wait_until_ended(), 10)
    assert session.end_reason == "MAX_DURATION_REACHED"
    assert not client.live_sessions
    await session.stop()


async def test_a_keep_alive_holds_it_past_the_idle_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "KEEP_ALIVE_INTERVAL", 0.2)
    with Simulator(idle_limit=60) as simulator:
        async with AsyncLiveAvatar(simulator.api_key, api_url=simulator.url) as client:
            session = await client.start("Silas")
            for _ in range(4):
                simulator.advance(40)
                await asyncio.sleep(0.5)
            assert session.state is SessionState.CONNECTED
            assert simulator.billed()
        assert not simulator.billed()


async def test_a_socket_that_is_cut_is_made_anew(client: AsyncLiveAvatar, simulator: Simulator) -> None:
    session = await client.start("Silas")
    events = session.events()
    simulator.faults.add("socket", "close", code=1006)
    async with asyncio.timeout(10):
        async for event in events:
            if event.session_state == "connected":
                break
    assert session.state is SessionState.CONNECTED
    assert session.is_live


async def test_a_socket_that_never_comes_back_ends_in_a_stop(
    client: AsyncLiveAvatar, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "SOCKET_ATTEMPTS", 2)
    session = await client.start("Silas")
    simulator.faults.add("socket", "drop_before", times=None)
    simulator.faults.add("socket", "close", code=1006)
    await asyncio.wait_for(session.wait_until_ended(), 20)
    assert session.state is SessionState.FAILED
    assert not simulator.billed()


async def test_a_stop_that_is_not_confirmed_says_so_and_can_be_repeated(
    client: AsyncLiveAvatar, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "STOP_LIMIT", 1.0)
    session = await client.start("Silas")
    simulator.faults.add("stop", "status", status=500, times=None)
    with pytest.raises(StopNotConfirmed, match="cap"):
        await session.stop()
    assert session.state is SessionState.FAILED
    assert session.is_live
    simulator.faults.clear()
    await session.stop()
    assert session.stop_is_confirmed
    assert not simulator.billed()


async def test_events_go_to_every_reader_until_the_end(client: AsyncLiveAvatar) -> None:
    session = await client.start("Silas")
    readers = [session.events(), session.events()]
    await session.stop()
    seen = [[event.session_state async for event in reader] for reader in readers]
    assert seen[0] == seen[1]
    assert [event async for event in session.events()] == []


def test_the_sync_face_reads_events_without_await(la: LiveAvatar) -> None:
    session = la.start("Silas")
    events = session.events()
    session.stop()
    assert all(event.type == "session.state_updated" for event in events)


def test_close_stops_every_session(simulator: Simulator) -> None:
    la = LiveAvatar(simulator.api_key, api_url=simulator.url)
    la.start("Silas")
    la.start("Ann", concurrent=True)
    assert len(simulator.billed()) == 2
    la.close()
    la.close()
    assert not simulator.billed()
    assert la.is_closed
    with pytest.raises(LiveAvatarException, match="closed"):
        la.start("Silas")
    bridge.close()


def test_a_client_that_nobody_holds_any_more_stops_its_sessions(simulator: Simulator) -> None:
    la = LiveAvatar(simulator.api_key, api_url=simulator.url)
    la.start("Silas")
    assert simulator.billed()
    del la
    deadline = time.monotonic() + 5
    while simulator.billed() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not simulator.billed()


def test_a_session_holds_its_client(simulator: Simulator) -> None:
    session = LiveAvatar(simulator.api_key, api_url=simulator.url).start("Silas")
    time.sleep(0.3)
    assert simulator.billed()
    session.stop()


ENDINGS = {
    "normal": ("", 0),
    "sys.exit": ("raise SystemExit(3)", 3),
    "uncaught error": ("1 / 0", 1),
}
SYNC = """
from liveavatar_nb import LiveAvatar
la = LiveAvatar({key!r}, api_url={url!r})
session = la.start("Silas")
"""
ASYNC = """
import asyncio
from liveavatar_nb import AsyncLiveAvatar
async def main():
    client = AsyncLiveAvatar({key!r}, api_url={url!r})
    await client.start("Silas")
asyncio.run(main())
"""


@pytest.mark.parametrize("face", [SYNC, ASYNC], ids=["sync", "async"])
@pytest.mark.parametrize("ending", ENDINGS)
def test_the_interpreters_exit_stops_it(simulator: Simulator, face: str, ending: str) -> None:
    last, status = ENDINGS[ending]
    code = face.format(key=simulator.api_key, url=simulator.url) + last
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == status, done.stderr
    # where the loop ended first, the guard stops it, too
    assert [entry.starts for entry in simulator.ledger()] == [1]
    assert not simulator.billed()
    assert "Task was destroyed" not in done.stderr


def test_a_forked_child_that_exits_stops_nothing(simulator: Simulator) -> None:
    code = SYNC.format(key=simulator.api_key, url=simulator.url) + (
        "import os, sys\n"
        "pid = os.fork()\n"
        "if pid == 0: sys.exit(0)\n"
        "os.waitpid(pid, 0)\n"
        "print(session.state, len(la.sessions()))\n"
        "session.stop()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.split() == ["connected", "1"], done.stderr
    assert simulator.ledger()[0].stops == 1


def test_nothing_secret_is_shown_or_logged(simulator: Simulator, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    with LiveAvatar(simulator.api_key, api_url=simulator.url) as la:
        session = la.start("Silas")
        inner: AsyncSession = session._inner
        secrets = [simulator.api_key]
        assert inner.lifecycle.billing is not None
        secrets += [inner.lifecycle.billing.token.reveal()]
        shown = repr(
            (
                la,
                session,
                la.session,
                vars(inner),
                vars(inner.lifecycle),
                vars(inner.lifecycle.billing),
                vars(la._inner.api.transport),
                asyncio.all_tasks(bridge.loop),
            )
        )
        session.stop()
    for secret in secrets:
        assert secret not in shown
        assert secret not in caplog.text
