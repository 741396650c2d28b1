"""The simulator's clock: whole microseconds, any speed, moved on by hand."""

from __future__ import annotations

import asyncio
import contextlib
import time
from datetime import UTC, datetime
from typing import Final

SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND


class Clock:
    """Simulated time since the epoch, in whole microseconds, so that a minute is a minute exactly.

    It runs on the machine's monotonic clock: a jump of the wall clock does not reach it.
    """

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._real = time.monotonic()
        self._simulated = int(time.time() * SECOND)
        self._changed = asyncio.Event()
        self.version = 0

    @property
    def speed(self) -> float:
        """Simulated seconds for each real second."""
        return self._speed

    def now(self) -> int:
        return self._simulated + int((time.monotonic() - self._real) * self._speed * SECOND)

    def advance(self, seconds: float) -> None:
        self._simulated += round(seconds * SECOND)
        self.poke()

    def set_speed(self, speed: float) -> None:
        real = time.monotonic()
        self._simulated += int((real - self._real) * self._speed * SECOND)
        self._real, self._speed = real, speed
        self.poke()

    def poke(self) -> None:
        """Wakes all that pause: something that they look at may have changed."""
        self.version += 1
        self._changed.set()
        self._changed = asyncio.Event()

    async def pause(self, moment: int | None, *, seen: int, limit: float | None = None) -> None:
        """Returns at the simulated moment, after `limit` real seconds, or at a poke newer than `seen`.

        Others have their turn in any case: who looks again and again, and pokes meanwhile, would let nobody else run.
        """
        if self.version != seen:
            await asyncio.sleep(0)
            return
        waits = [] if limit is None else [limit]
        if moment is not None and self._speed:
            waits.append(max(0, moment - self.now()) / SECOND / self._speed)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(waits) if waits else None):
                await self._changed.wait()


def moment(microseconds: int) -> str:
    """A simulated moment as the service writes it: ISO 8601 in UTC."""
    whole, rest = divmod(microseconds, SECOND)
    return datetime.fromtimestamp(whole, UTC).replace(microsecond=rest).isoformat().replace("+00:00", "Z")
