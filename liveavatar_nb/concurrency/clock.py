"""The clocks that a session uses; pass another `Clock` to control the time yourself."""

from __future__ import annotations

import asyncio
import time


class Clock:
    """This machine's clocks: the wall clock, and a monotonic one, which may stop during suspend."""

    def monotonic(self) -> float:
        """Return the seconds since some arbitrary moment; the value never decreases."""
        return time.monotonic()

    def wall(self) -> float:
        """Return the seconds since the epoch, according to the machine's wall clock."""
        return time.time()

    async def sleep(self, seconds: float) -> None:
        """Sleep for `seconds`, as measured by the monotonic clock."""
        await asyncio.sleep(seconds)


CLOCK = Clock()
