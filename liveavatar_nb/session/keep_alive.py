"""`KeepAlive`: keeps a session alive, checks on it after the machine has slept, and notices if it is unwatched."""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from .. import config
from ..concurrency.clock import Clock
from ..errors import APIStatusError, LiveAvatarException
from .audience import Audience

logger = logging.getLogger("liveavatar_nb.session")

SHORTEST_PAUSE = 0.1  # minimum time, in seconds, between checks whether a page is still showing the session


@dataclass(frozen=True)
class KeepAliveHooks:
    """The functions that a `KeepAlive` calls.

    Args:
        keep_alive: Sends a keep-alive; raises if that fails.
        is_over: Returns whether the session is over according to the service; if so, also ends it locally.
        changed: Called when any of the displayed state has changed.
        nobody_watches: Called when the session has been unwatched for too long.
        check_guard: Starts a new guard if the previous one was killed.
    """

    keep_alive: Callable[[], Awaitable[None]]
    is_over: Callable[[], Awaitable[bool]]
    changed: Callable[[], None]
    nobody_watches: Callable[[], None]
    check_guard: Callable[[], Awaitable[None]]


class KeepAlive:
    """Keeps a session alive while this process uses it, but never past the session's cap.

    Args:
        hooks: The functions to call.
        audience: The pages that show the session.
        clock: The clock to use.
        left: Returns the number of seconds until the session reaches its cap.
        asks_at_cap: Whether to ask the service, once the cap is reached, whether the session is over; not needed if a
            WebSocket closes at that time.
    """

    def __init__(
        self, hooks: KeepAliveHooks, audience: Audience, clock: Clock, left: Callable[[], float], *, asks_at_cap: bool
    ) -> None:
        self._hooks = hooks
        self._audience = audience
        self._clock = clock
        self._left = left
        # ask one second late, because the service's clock may differ from ours
        self._ask_at = clock.monotonic() + left() + 1 if asks_at_cap else math.inf
        self._missed = 0
        self._warned = False

    @property
    def is_degraded(self) -> bool:
        """Whether enough consecutive keep-alives have failed for the service to end the session."""
        return self._missed >= config.MISSED_KEEP_ALIVES

    async def run(self) -> None:
        """Run until the session is over, or has been unwatched for too long."""
        due = self._clock.monotonic() + config.KEEP_ALIVE_INTERVAL
        while True:
            if await self._pause(min(due, self._ask_at)):
                self._audience.forgive()
                logger.info("the machine slept; checking whether the session is over")
                if await self._hooks.is_over():
                    return
                due = self._clock.monotonic()
            if self._is_abandoned():
                self._hooks.nobody_watches()
                return
            now = self._clock.monotonic()
            if now >= self._ask_at:
                self._ask_at = now + config.KEEP_ALIVE_INTERVAL
                if await self._hooks.is_over():
                    return
            if now >= due:
                due = now + config.KEEP_ALIVE_INTERVAL
                await self._hooks.check_guard()
                if await self._tick():
                    return

    async def _pause(self, due: float) -> bool:
        """Wait until something is due; return whether the machine slept in the meantime."""
        began = self._clock.monotonic(), self._clock.wall()
        left = self._audience.left
        # while the kernel is busy, the time left may stay the same, so limit how often we check
        left = math.inf if left is None else max(left, SHORTEST_PAUSE)
        pause = max(0.0, min(config.PULSE, due - began[0], left))
        await self._clock.sleep(pause)
        passed = max(self._clock.monotonic() - began[0], self._clock.wall() - began[1])
        return passed - pause > config.SLEEP_GAP

    async def _tick(self) -> bool:
        """Send a keep-alive; return whether the session turned out to be over."""
        if self._left() <= 0:
            return await self._hooks.is_over()
        try:
            await self._hooks.keep_alive()
        except LiveAvatarException as failure:
            self._missed += 1
            logger.warning("keep-alive failed (%d in a row): %s", self._missed, failure.message)
            self._hooks.changed()
            return isinstance(failure, APIStatusError) and await self._hooks.is_over()
        self._missed = 0
        self._hooks.changed()
        return False

    def _is_abandoned(self) -> bool:
        """Return whether the session has been unwatched for too long; log a warning at half the limit."""
        if self._audience.is_missed and not self._warned:
            logger.warning("no page is showing the session, which will be stopped in %.0f s", self._audience.left)
        if self._audience.is_quiet or self._warned:
            # this sends a message to all pages, and so wakes those whose timers the browser is throttling
            self._hooks.changed()
        self._warned = self._audience.is_missed
        return self._audience.left == 0
