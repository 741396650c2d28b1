"""`Upkeep`: keeps a live session alive, checks it after a sleep, and notices when nobody watches it."""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from .. import config
from ..concurrency.clock import Clock
from ..errors import APIStatusError, LiveAvatarException

logger = logging.getLogger("liveavatar_nb.session")

SHORTEST_PAUSE = 0.1  # minimum seconds between two checks for a page that shows the session


class HearingClock(Protocol):
    """A clock that runs only while messages from pages can be handled."""

    @property
    def seconds(self) -> float:
        """Seconds during which messages could be handled, counted from some fixed moment."""
        ...

    @property
    def freed_at(self) -> float:
        """The value of `seconds` when the last long interruption ended."""
        ...


class AlwaysHearing:
    """A `HearingClock` that never stops, because messages can always be handled.

    Args:
        clock: the clock to use.
    """

    freed_at = -math.inf

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    @property
    def seconds(self) -> float:
        """Seconds since some fixed moment."""
        return self._clock.monotonic()


class Audience:
    """The pages that show a session. Each sends a heartbeat every few seconds.

    A page stops counting once it has been silent for the limit; time when messages could not be handled is ignored.

    Args:
        limit: seconds of silence from every page after which the session counts as unwatched; None sets no limit.
        clock: the clock to use.
    """

    def __init__(self, limit: float | None, clock: Clock) -> None:
        self.limit = limit
        self._patience = config.UNWATCHED if limit is None else limit
        self._always = AlwaysHearing(clock)
        self._seen: dict[str, tuple[HearingClock, float]] = {}  # by page: the clock and time of its last heartbeat

    def beat(self, page: str = "", hearing: HearingClock | None = None) -> None:
        """Record a page's heartbeat. From the first one on, some page must keep showing the session.

        Args:
            page: the page's id.
            hearing: the clock of the channel that delivered the heartbeat; by default one that never stops.
        """
        hearing = hearing or self._always
        self._seen = {known: seen for known, seen in self._seen.items() if self._left_of(*seen) > 0}
        self._seen[page] = hearing, hearing.seconds

    def leave(self, page: str) -> bool:
        """Record that a page seems to be gone; it has at most half of the limit left to come back.

        Returns:
            Whether it was the last page to show the session.
        """
        if page not in self._seen:
            return False
        hearing, heard_at = self._seen[page]
        self._seen[page] = hearing, min(heard_at, hearing.seconds - self._patience / 2)
        return not self.is_there

    def forgive(self) -> None:
        """Restart every page's countdown, because the machine slept and no page could send a heartbeat."""
        self._seen = {page: (hearing, hearing.seconds) for page, (hearing, _) in self._seen.items()}

    @property
    def left(self) -> float | None:
        """Seconds until the limit is reached; None if there is no limit, or no page has sent a heartbeat."""
        return None if self.limit is None else self._left

    @property
    def _left(self) -> float | None:
        return max((self._left_of(*seen) for seen in self._seen.values()), default=None)

    def _left_of(self, hearing: HearingClock, heard_at: float) -> float:
        patience = self._patience
        heard_at = max(heard_at, hearing.freed_at - patience + min(patience, config.HEARING_GRACE))
        return max(0.0, patience - (hearing.seconds - heard_at))

    @property
    def is_there(self) -> bool:
        """Whether a page sent a heartbeat within half of the limit (or of the default, if there is no limit)."""
        return self._left is not None and self._left > self._patience / 2

    @property
    def is_quiet(self) -> bool:
        """Whether no page sent a heartbeat for a third of the limit; the browser may be throttling timers."""
        return self.left is not None and self.left <= self._patience * 2 / 3

    @property
    def is_missed(self) -> bool:
        """Whether no page sent a heartbeat for half of the limit."""
        return self.left is not None and not self.is_there


@dataclass(frozen=True)
class Duties:
    """The functions that `Upkeep` calls.

    Args:
        keep_alive: sends a keep-alive; raises if that fails.
        is_over: asks the service whether the session is over, and returns that; if so, ends it locally, too.
        changed: called when any displayed state has changed.
        nobody_watches: called when the session has been unwatched for too long.
        check_guard: starts another guard if the first one was killed.
    """

    keep_alive: Callable[[], Awaitable[None]]
    is_over: Callable[[], Awaitable[bool]]
    changed: Callable[[], None]
    nobody_watches: Callable[[], None]
    check_guard: Callable[[], Awaitable[None]]


class Upkeep:
    """Keeps a session alive as long as its owner lives, but never past its cap.

    Args:
        duties: the functions to call.
        audience: the pages that show the session.
        clock: the clock to use.
        left: returns the seconds until the session's cap.
        asks_at_cap: whether to check with the service when the cap is reached; not needed if a WebSocket closes then.
    """

    def __init__(
        self, duties: Duties, audience: Audience, clock: Clock, left: Callable[[], float], *, asks_at_cap: bool
    ) -> None:
        self._duties = duties
        self._audience = audience
        self._clock = clock
        self._left = left
        # a second late, because the service's clock may differ from ours
        self._ask_at = clock.monotonic() + left() + 1 if asks_at_cap else math.inf
        self._missed = 0
        self._warned = False

    @property
    def is_degraded(self) -> bool:
        """Whether so many keep-alives in a row failed that the service may end the session."""
        return self._missed >= config.MISSED_KEEP_ALIVES

    async def run(self) -> None:
        """Run until the session is over, or has been unwatched for too long."""
        due = self._clock.monotonic() + config.KEEP_ALIVE_INTERVAL
        while True:
            if await self._pause(min(due, self._ask_at)):
                self._audience.forgive()
                logger.info("the machine slept; checking whether the session is over")
                if await self._duties.is_over():
                    return
                due = self._clock.monotonic()
            if self._is_abandoned():
                self._duties.nobody_watches()
                return
            now = self._clock.monotonic()
            if now >= self._ask_at:
                self._ask_at = now + config.KEEP_ALIVE_INTERVAL
                if await self._duties.is_over():
                    return
            if now >= due:
                due = now + config.KEEP_ALIVE_INTERVAL
                await self._duties.check_guard()
                if await self._tick():
                    return

    async def _pause(self, due: float) -> bool:
        """Sleep until something is due; return whether the machine slept in the meantime."""
        began = self._clock.monotonic(), self._clock.wall()
        left = self._audience.left
        # the time left can stand still while the kernel is busy, so do not poll it too often
        left = math.inf if left is None else max(left, SHORTEST_PAUSE)
        pause = max(0.0, min(config.PULSE, due - began[0], left))
        await self._clock.sleep(pause)
        passed = max(self._clock.monotonic() - began[0], self._clock.wall() - began[1])
        return passed - pause > config.SLEEP_GAP

    async def _tick(self) -> bool:
        """Send a keep-alive; return whether the session turned out to be over."""
        if self._left() <= 0:
            return await self._duties.is_over()
        try:
            await self._duties.keep_alive()
        except LiveAvatarException as failure:
            self._missed += 1
            logger.warning("keep-alive failed (%d in a row): %s", self._missed, failure.message)
            self._duties.changed()
            return isinstance(failure, APIStatusError) and await self._duties.is_over()
        self._missed = 0
        self._duties.changed()
        return False

    def _is_abandoned(self) -> bool:
        """Return whether the session has been unwatched for too long; log a warning some time before that."""
        if self._audience.is_missed and not self._warned:
            logger.warning("no page shows the session; it will be stopped in %.0f s", self._audience.left)
        if self._audience.is_quiet or self._warned:
            # this sends the pages a message, which wakes pages whose timers the browser throttles
            self._duties.changed()
        self._warned = self._audience.is_missed
        return self._audience.left == 0
