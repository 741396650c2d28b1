"""The simulator's clock, which can run at any speed and be advanced manually."""

from __future__ import annotations

import asyncio
import contextlib
import time
from datetime import UTC, datetime
from typing import Final

SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND


class Clock:
    """Simulated time since the epoch, in whole microseconds to avoid rounding errors.

    Simulated time follows the monotonic clock, so it does not jump when the wall clock is changed.

    Args:
        speed: Simulated seconds per real second.

    Attributes:
        version: How many times `poke` has been called.
    """

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._real = time.monotonic()
        self._simulated = int(time.time() * SECOND)
        self._changed = asyncio.Event()
        self.version = 0

    @property
    def speed(self) -> float:
        """Simulated seconds per real second."""
        return self._speed

    def now(self) -> int:
        """Return the simulated time, in microseconds since the epoch."""
        return self._simulated + int((time.monotonic() - self._real) * self._speed * SECOND)

    def advance(self, seconds: float) -> None:
        """Move the clock forward by `seconds` of simulated time."""
        self._simulated += round(seconds * SECOND)
        self.poke()

    def set_speed(self, speed: float) -> None:
        """Change the clock's speed from now on; 0 stops it."""
        real = time.monotonic()
        self._simulated += int((real - self._real) * self._speed * SECOND)
        self._real, self._speed = real, speed
        self.poke()

    def poke(self) -> None:
        """Wake every task that is waiting in `pause`, because something it depends on may have changed."""
        self.version += 1
        self._changed.set()
        self._changed = asyncio.Event()

    async def pause(self, moment: int | None, *, seen: int, limit: float | None = None) -> None:
        """Wait for a simulated time, a poke or a time limit, whichever comes first.

        This always yields to the event loop: otherwise a task that pauses and pokes in a loop would starve other tasks.

        Args:
            moment: The simulated time to wake at, in microseconds; None to wait only for a poke or the limit.
            seen: The last `version` that the caller has seen; any poke since then ends the wait.
            limit: The maximum wait, in real seconds; None for no limit.
        """
        if self.version != seen:
            await asyncio.sleep(0)
            return
        timeouts = [] if limit is None else [limit]
        if moment is not None and self._speed:
            timeouts.append(max(0, moment - self.now()) / SECOND / self._speed)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(timeouts) if timeouts else None):
                await self._changed.wait()


def moment(microseconds: int) -> str:
    """Format a simulated time as the service does: ISO 8601 in UTC."""
    seconds, remainder = divmod(microseconds, SECOND)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=remainder).isoformat().replace("+00:00", "Z")
