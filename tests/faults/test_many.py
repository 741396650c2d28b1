"""Hundreds of simultaneous stops: all succeed, and a stop that fails is reported in one line."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from liveavatar_nb import AsyncLiveAvatar, Masked, Simulator, config
from liveavatar_nb.errors import StopNotConfirmed
from liveavatar_nb.session.billing import Billing
from liveavatar_nb.session.dependencies import Dependencies
from liveavatar_nb.session.timings import Stopwatch

from .canary import KEY
from .paging import begin

MANY = 100
STARTS_AT_ONCE = 10


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(
        api_key=KEY, concurrency=2 * MANY, credits=10**6, rate_limit=None, connect_delay=0, history=False
    ) as running:
        yield running
        billed = running.billed()
    assert not billed, f"left billed: {len(billed)}"


@pytest.fixture
async def lab(simulator: Simulator) -> AsyncIterator[AsyncLiveAvatar]:
    async with AsyncLiveAvatar(KEY, api_url=simulator.url) as client:
        client.is_simulated = True
        yield client


async def billings(client: AsyncLiveAvatar, count: int) -> list[Billing]:
    """Start `count` sessions and return them as their client keeps them: as sessions that may be billed."""
    avatar = next(one.id for one in await client.api.avatars.public() if one.name == "Silas")
    dependencies = Dependencies(client.api, lambda: None, is_simulated=True)
    limit = asyncio.Semaphore(STARTS_AT_ONCE)

    async def start() -> Billing:
        async with limit:
            made = await client.api.sessions.create_token(avatar_id=avatar, mode="LITE", max_session_duration=600)
            token = Masked(made.session_token, "of a session")
            billing = Billing(made.session_id, token, Stopwatch(600.0), dependencies)
            await billing.start(has_cap=True)
            return billing

    return list(await asyncio.gather(*(start() for _ in range(count))))


@pytest.mark.timeout(300)
async def test_many_stops_at_once_all_succeed(
    lab: AsyncLiveAvatar, simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    """By their own clients, and by `stop_all`; each waits for its turn."""
    half = await billings(lab, MANY // 2)
    avatar = next(one.id for one in await lab.api.avatars.public() if one.name == "Silas")
    for _ in range(MANY // 2 // STARTS_AT_ONCE):
        await asyncio.gather(*(begin(lab, avatar, 600) for _ in range(STARTS_AT_ONCE)))
    assert len(simulator.billed()) == MANY
    outcomes = await asyncio.gather(*(one.stop() for one in half), lab.stop_all(), return_exceptions=True)
    assert [outcome for outcome in outcomes if isinstance(outcome, BaseException)] == []
    assert not simulator.billed()
    assert [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING] == []


async def test_where_none_is_confirmed_nobody_waits_for_a_turn(
    lab: AsyncLiveAvatar, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that does not answer is no reason to wait for one after the other."""
    monkeypatch.setattr(config, "STOP_LIMIT", 1.0)
    monkeypatch.setattr(config, "STOPS_AT_ONCE", 2)
    all_of_them = await billings(lab, 12)
    simulator.faults.add("stop", "delay", seconds=30, times=None)
    began = asyncio.get_running_loop().time()
    outcomes = await asyncio.gather(*(one.stop() for one in all_of_them), return_exceptions=True)
    assert all(isinstance(outcome, StopNotConfirmed) for outcome in outcomes)
    assert asyncio.get_running_loop().time() - began < 5 * config.STOP_LIMIT
    simulator.faults.clear()
    monkeypatch.setattr(config, "STOP_LIMIT", 10.0)
    await asyncio.gather(*(one.stop() for one in all_of_them))
    for one in all_of_them:
        one.let_go()


@pytest.mark.parametrize("is_awaited", [True, False])
async def test_a_stop_that_is_not_confirmed_is_raised_or_one_line_of_log(
    lab: AsyncLiveAvatar, simulator: Simulator, caplog: pytest.LogCaptureFixture, is_awaited: bool
) -> None:
    """Who waits has the error raised; the log tells it, without a traceback, where nobody waits."""
    session = await lab.start("Silas")
    simulator.faults.add("stop", "status", status=404)
    caplog.clear()
    if is_awaited:
        with pytest.raises(StopNotConfirmed):
            await session.stop()
    else:
        await asyncio.wait([session.lifecycle.begin_stop()])
    await asyncio.sleep(0)
    told: list[Any] = [one for one in caplog.records if one.levelno >= logging.WARNING]
    assert len(told) == (0 if is_awaited else 1)
    if is_awaited:
        await session.stop()
        return
    assert not told[0].exc_info
    assert "\n" not in told[0].getMessage()
    assert str(session.id) in told[0].getMessage()
    await session.stop()
