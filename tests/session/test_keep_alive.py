"""What a live session needs from time to time, by a clock that the test moves: no test here waits."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from liveavatar_nb import AsyncLiveAvatar, AsyncSession, SessionState, Simulator
from liveavatar_nb.errors import APIStatusError, InvalidArgument, ProtectionError

from ..faults.manual import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(scope="module")
def shared() -> Iterator[Simulator]:
    """One whose clock stands still, for all tests of this module."""
    with Simulator(speed=0, connect_delay=0.02, history=False, credits=10_000, max_session_seconds=3600) as running:
        yield running


@pytest.fixture
def simulator(shared: Simulator) -> Iterator[Simulator]:
    yield shared
    shared.faults.clear()
    assert not shared.billed()


@pytest.fixture
async def client(simulator: Simulator, clock: ManualClock) -> AsyncIterator[AsyncLiveAvatar]:
    async with of(simulator, clock) as client:
        yield client


def of(simulator: Simulator, clock: ManualClock, **options: Any) -> AsyncLiveAvatar:
    """A client that lives by the clock, and needs no guard."""
    client = AsyncLiveAvatar(simulator.api_key, api_url=simulator.url, clock=clock, **options)
    client.is_simulated = True
    return client


def state_of(session: AsyncSession) -> SessionState:
    """Its state, read anew: to a type checker a property keeps its value."""
    return session.state


def ticks(simulator: Simulator, session: AsyncSession) -> int:
    """How many keep-alives of it arrived."""
    return sent(simulator, "/v1/sessions/keep-alive", session)


def sent(simulator: Simulator, path: str, session: AsyncSession) -> int:
    wanted = [one for one in simulator.requests() if one["path"] == path]
    return sum((one["body"] or {}).get("session_id") == session.id for one in wanted)


def tokens(simulator: Simulator) -> list[Any]:
    asked = [one["body"] for one in simulator.requests() if one["path"] == "/v1/sessions/token"]
    return [body.get("max_session_duration") for body in asked]


async def test_three_missed_keep_alives_degrade_it_and_one_that_arrives_mends_it(
    client: AsyncLiveAvatar, simulator: Simulator, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    session = await client.start("Silas")
    seen = [False]
    client.watch(lambda: seen.append(session.is_degraded))
    simulator.faults.add("keep_alive", "status", status=503, times=2)
    simulator.faults.add("keep_alive", "drop_before")
    await clock.go_on(130)
    assert ticks(simulator, session) == 2
    assert not any(seen)
    await clock.go_on(60)
    assert seen.pop()
    assert [session.keep_alive_age] == [190]
    assert state_of(session) is SessionState.CONNECTED
    assert "keep-alive failed (3 in a row)" in caplog.text
    await clock.go_on(60)
    assert ticks(simulator, session) == 4
    assert not seen[-1]
    assert [session.is_degraded, session.keep_alive_age] == [False, 10]
    await session.stop()


async def test_misses_that_are_not_in_a_row_degrade_nothing(
    client: AsyncLiveAvatar, simulator: Simulator, clock: ManualClock
) -> None:
    session = await client.start("Silas")
    for _ in range(2):
        simulator.faults.add("keep_alive", "status", status=500, times=2)
        await clock.go_on(180)
    assert ticks(simulator, session) == 6
    assert not session.is_degraded


@pytest.mark.parametrize("mode", ["LITE", "FULL"])
async def test_no_keep_alive_goes_past_the_cap(
    client: AsyncLiveAvatar, simulator: Simulator, clock: ManualClock, mode: str
) -> None:
    context = None
    if mode == "FULL":
        made = await client.api.contexts.create(name="Guide", prompt="You guide.", opening_text=None)
        context = made.id
    session = await client.start("Silas", context=context, max_minutes=2.5)
    assert session.mode == mode
    await clock.go_on(149)
    assert ticks(simulator, session) == 2
    assert session.time_left == 1
    await clock.go_on(300)
    assert ticks(simulator, session) == 2
    # as long as the service has it run, it is asked and not taken for over
    assert state_of(session) is SessionState.CONNECTED
    assert any(one["path"] == f"/v1/sessions/{session.id}" for one in simulator.requests())
    simulator.advance(151)
    if mode == "FULL":
        await clock.go_on(60)
    await asyncio.wait_for(session.wait_until_ended(), 10)
    assert session.end_reason == "MAX_DURATION_REACHED"
    assert session.stop_is_confirmed


async def test_what_the_service_no_longer_keeps_alive_is_asked_for_at_once(
    client: AsyncLiveAvatar, simulator: Simulator, clock: ManualClock
) -> None:
    """A conversation has no WebSocket that would tell."""
    made = await client.api.contexts.create(name="Guide", prompt="You guide.", opening_text=None)
    session = await client.start("Silas", context=made.id)
    simulator.advance(301)
    assert state_of(session) is SessionState.CONNECTED
    await clock.go_on(60)
    assert state_of(session) is SessionState.ENDED
    assert session.end_reason == "IDLE_TIMEOUT"
    assert session.stop_is_confirmed


async def test_nobody_watches(
    client: AsyncLiveAvatar, simulator: Simulator, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    session = await client.start("Silas")
    session.beat()
    await clock.go_on(29)
    assert "no page" not in caplog.text
    await clock.go_on(1)
    assert session.unwatched_left == 30
    assert "no page is showing the session, which will be stopped in 30 s" in caplog.text
    assert state_of(session) is SessionState.CONNECTED
    await clock.go_on(29)
    assert session.is_live
    await clock.go_on(1)
    await asyncio.wait_for(session.wait_until_ended(), 10)
    assert not simulator.billed()
    assert state_of(session) is SessionState.ENDED
    assert session.end_words == "no page showed it for 60 s"


async def test_a_page_that_comes_back_takes_the_warning_away(
    client: AsyncLiveAvatar, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    session = await client.start("Silas")
    session.beat()
    await clock.go_on(50)
    assert session.unwatched_left == 10
    told: list[float | None] = []
    client.watch(lambda: told.append(session.unwatched_left))
    session.beat()
    await asyncio.sleep(0)
    assert told == [None]
    for _ in range(12):
        await clock.go_on(10)
        session.beat()
    assert state_of(session) is SessionState.CONNECTED
    assert caplog.text.count("no page is showing the session") == 1


@pytest.mark.parametrize(
    ("unwatched", "beats", "lives"),
    [(None, True, True), (60.0, False, True), (25.0, True, False), (200.0, True, True), (170, True, False)],
)
async def test_who_is_under_the_rule(
    client: AsyncLiveAvatar, clock: ManualClock, *, unwatched: float | None, beats: bool, lives: bool
) -> None:
    session = await client.start("Silas", unwatched=unwatched)
    if beats:
        session.beat()
    await clock.go_on(180)
    if not lives:
        await asyncio.wait_for(session.wait_until_ended(), 10)
        assert session.end_words == f"no page showed it for {unwatched:g} s"
    assert session.is_live == lives


@pytest.mark.parametrize("unwatched", [0, 19, -1, float("nan"), float("inf"), "60", True])
async def test_a_patience_that_no_page_can_meet_is_refused(client: AsyncLiveAvatar, unwatched: Any) -> None:
    with pytest.raises(InvalidArgument, match="unwatched"):
        await client.start("Silas", unwatched=unwatched)


async def test_one_that_nobody_watches_any_more_and_cannot_be_stopped_is_insisted_on(
    client: AsyncLiveAvatar, simulator: Simulator, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("liveavatar_nb.config.STOP_LIMIT", 0.2)
    session = await client.start("Silas")
    session.beat()
    simulator.faults.add("stop", "status", status=500, times=None)
    await clock.go_on(61)
    await asyncio.wait_for(session.wait_until_ended(), 10)
    assert session.is_live
    assert simulator.billed()
    simulator.faults.clear()
    await clock.go_on(16)
    assert session.stop_is_confirmed
    assert not simulator.billed()


async def test_a_plan_that_takes_fewer_minutes_than_the_default_sets_its_own(clock: ManualClock) -> None:
    with Simulator(max_session_seconds=300, connect_delay=0.02) as modest:
        async with of(modest, clock) as client:
            session = await client.start("Silas")
            assert tokens(modest) == [600, None]
            assert session.max_minutes == 5
            assert session.time_left == 300
            await session.stop()
        async with of(modest, clock, max_minutes=7) as client:
            with pytest.raises(APIStatusError) as caught:
                await client.start("Silas")
            assert "max_minutes=7" in caught.value.remedy
            with pytest.raises(APIStatusError) as caught:
                await client.start("Silas", max_minutes=6)
            assert "max_minutes=6" in caught.value.remedy
            assert (await client.start("Silas", max_minutes=4)).max_minutes == 4
        assert tokens(modest) == [600, None, 420, 360, 240]
        assert [entry.starts for entry in modest.ledger()] == [1, 1]
        assert not modest.billed()


@pytest.mark.parametrize("granted", [None, 0, 120, 1200])
async def test_the_answer_to_the_start_has_the_last_word_on_the_cap(clock: ManualClock, granted: int | None) -> None:
    """Where neither the token nor the answer has one, nothing would ever end it: it is stopped."""
    told = {
        "session_id": "00000000-0000-4000-8000-000000000000",
        "livekit_url": "wss://example.org",
        "livekit_client_token": "x",
        "max_session_duration": granted,
        "ws_url": None,
    }
    with Simulator(max_session_seconds=300, connect_delay=0.02) as modest:
        async with of(modest, clock) as client:
            context = await client.api.contexts.create(name="Guide", prompt="You guide.", opening_text=None)
            modest.faults.add("start", "garbage", body=json.dumps({"code": 1000, "data": told, "message": None}))
            if not granted:
                with pytest.raises(ProtectionError, match="set no cap"):
                    await client.start("Silas", context=context.id)
                assert client.session is not None
                assert state_of(client.session) is SessionState.FAILED
                assert not modest.billed()
            else:
                session = await client.start("Silas", context=context.id)
                assert session.time_left == granted
                assert [entry.session_id for entry in modest.billed()] == [session.id]
        assert [(entry.starts, entry.stops) for entry in modest.ledger()] == [(1, 1)]
        assert not modest.billed()


async def test_a_plan_that_grants_less_than_was_asked_for_is_told(
    client: AsyncLiveAvatar, simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    session = await client.start("Silas", max_minutes=3)
    assert session.max_minutes == 3
    assert "the plan limits it" not in caplog.text
    assert tokens(simulator)[-1] == 180
