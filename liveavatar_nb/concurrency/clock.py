"""The clocks that a session uses; pass your own `Clock` to control the passage of time."""

from __future__ import annotations

import asyncio
import time


class Clock:
    """This machine's wall clock, and its monotonic clock, which may stop while the machine sleeps."""

    def monotonic(self) -> float:
        """Return the number of seconds since an arbitrary moment; the value never decreases."""
        return time.monotonic()

    def wall(self) -> float:
        """Return the number of seconds since the epoch, according to the machine's wall clock."""
        return time.time()

    async def sleep(self, seconds: float) -> None:
        """Sleep for `seconds`, as measured by the monotonic clock."""
        await asyncio.sleep(seconds)


CLOCK = Clock()
