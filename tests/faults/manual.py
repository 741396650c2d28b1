"""A client's clocks by hand."""

from __future__ import annotations

import asyncio
import threading
import time

from liveavatar_nb import config
from liveavatar_nb.concurrency.clock import Clock

SETTLE_LIMIT = 20.0  # s until what a moved clock woke must be asleep again, or done


class ManualClock(Clock):
    """Stands still until it is moved; who sleeps by it, on whichever loop, wakes at that."""

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
        """How many tasks sleep by it."""
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
        """Moves both clocks ahead, or the wall's by another time than the one that never jumps."""
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
        """Returns once all that was woken sleeps again, or is done."""
        async with asyncio.timeout(SETTLE_LIMIT):
            while any(not task.done() for task in list(self._woken)):  # noqa: ASYNC110 (they may be on another loop)
                await asyncio.sleep(0.001)
        self._woken.clear()

    def forget(self) -> None:
        """Lets go of all that slept by it: their loops are gone."""
        with self._lock:
            self._sleepers.clear()
            self._woken.clear()

    async def go_on(self, seconds: float) -> None:
        """Passes the time as a machine does that is awake: in steps no longer than a session's pulse."""
        end = self._monotonic + seconds
        while self._monotonic < end:
            self.move(min(config.PULSE, end - self._monotonic))
            await self.settle()


def _wake(sleeper: asyncio.Future[None]) -> None:
    if not sleeper.done():
        sleeper.set_result(None)
