"""A clock that tests move by hand."""

from __future__ import annotations

import asyncio
import threading
import time

from liveavatar_nb import config
from liveavatar_nb.concurrency.clock import Clock

SETTLE_LIMIT = 20.0  # seconds for the tasks that a move wakes to sleep again or finish


class ManualClock(Clock):
    """A clock that stands still until it is moved, which wakes the tasks that sleep by it, on any loop."""

    def __init__(self) -> None:
        self._monotonic = 1000.0
        self._wall = time.time()
        self._lock = threading.Lock()
        self._sleepers: dict[asyncio.Future[None], tuple[float, asyncio.Task[None]]] = {}
        self._woken: set[asyncio.Task[None]] = set()

    def monotonic(self) -> float:
        return self._monotonic

    def wall(self) -> float:
        return self._wall

    @property
    def sleepers(self) -> int:
        """The number of tasks that sleep by this clock."""
        return len(self._sleepers)

    async def sleep(self, seconds: float) -> None:
        task = asyncio.current_task()
        assert task is not None
        woken = asyncio.get_running_loop().create_future()
        with self._lock:
            self._woken.discard(task)
            if seconds > 0:
                self._sleepers[woken] = (self._monotonic + seconds, task)
        try:
            await (woken if seconds > 0 else asyncio.sleep(0))
        finally:
            with self._lock:
                self._sleepers.pop(woken, None)

    def move(self, seconds: float, *, wall: float | None = None) -> None:
        """Move both clocks ahead; `wall` moves the wall clock by a different time than the monotonic one."""
        with self._lock:
            self._monotonic += seconds
            self._wall += seconds if wall is None else wall
            self._woken = {task for task in self._woken if not task.done()}
            due = [sleeper for sleeper, (moment, _) in self._sleepers.items() if moment <= self._monotonic]
            for sleeper in due:
                self._woken.add(self._sleepers.pop(sleeper)[1])
        for sleeper in due:
            loop = sleeper.get_loop()
            if not loop.is_closed():
                loop.call_soon_threadsafe(_wake, sleeper)

    async def settle(self) -> None:
        """Wait until every woken task sleeps again or is done."""
        async with asyncio.timeout(SETTLE_LIMIT):
            while any(not task.done() for task in list(self._woken)):  # noqa: ASYNC110 (they may be on another loop)
                await asyncio.sleep(0.001)
        self._woken.clear()

    def forget(self) -> None:
        """Forget all sleeping tasks, because their loops are gone."""
        with self._lock:
            self._sleepers.clear()
            self._woken.clear()

    async def go_on(self, seconds: float) -> None:
        """Let time pass as on a machine that is awake: in steps no longer than a session's pulse."""
        end = self._monotonic + seconds
        while self._monotonic < end:
            self.move(min(config.PULSE, end - self._monotonic))
            await self.settle()


def _wake(sleeper: asyncio.Future[None]) -> None:
    if not sleeper.done():
        sleeper.set_result(None)
