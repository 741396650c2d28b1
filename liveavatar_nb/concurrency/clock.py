"""The clocks that a session lives by; another `Clock` can be handed in, to have them by hand."""

from __future__ import annotations

import asyncio
import time


class Clock:
    """This machine's clocks: one that never jumps and may stand still while the machine sleeps, and the wall's."""

    def monotonic(self) -> float:
        """Seconds since some moment; it never goes back."""
        return time.monotonic()

    def wall(self) -> float:
        """Seconds since the epoch, as the machine's clock has them."""
        return time.time()

    async def sleep(self, seconds: float) -> None:
        """Returns after so many seconds of the clock that never jumps."""
        await asyncio.sleep(seconds)


CLOCK = Clock()
