"""What a GET through our stack costs, against bare httpx on the same server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import httpx

from liveavatar_nb import LiveAvatarAPI, Simulator

from .table import Row, show

ROUNDS = 40
CALLS = 20  # in a round, of each contender
WARM_UP = 50
BARE = "httpx: client.get(...).json()"
OURS = "liveavatar_nb: api.credits.get()"
AIM = 1.1  # of bare httpx

Get = Callable[[], Awaitable[object]]


async def _measure(simulator: Simulator) -> list[Row]:
    async with (
        httpx.AsyncClient(base_url=simulator.url, headers={"X-API-KEY": simulator.api_key}, trust_env=False) as client,
        LiveAvatarAPI(simulator.api_key, api_url=simulator.url) as api,
    ):

        async def bare() -> object:
            return (await client.get("/v1/users/credits")).json()

        contenders: dict[str, Get] = {BARE: bare, OURS: api.credits.get}
        rounds: dict[str, list[float]] = {name: [] for name in contenders}
        for get in contenders.values():
            await _time(get, WARM_UP)
        for number in range(ROUNDS):
            for name in sorted(contenders, reverse=bool(number % 2)):
                rounds[name].append(await _time(contenders[name], CALLS))
    return [Row(name, times, AIM if name == OURS else None) for name, times in rounds.items()]


async def _time(get: Get, times: int) -> float:
    """Seconds for one of `times` calls."""
    began = time.perf_counter()
    for _ in range(times):
        await get()
    return (time.perf_counter() - began) / times


def report() -> bool:
    """Print the table; says whether the aim was met."""
    with Simulator(rate_limit=None) as simulator:
        rows = asyncio.run(_measure(simulator))
    title = f"A GET on loopback ({ROUNDS} interleaved rounds of {CALLS} calls)"
    return show(title, rows, reference=BARE, unit="us", per_second=1e6)
