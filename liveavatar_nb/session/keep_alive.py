"""What a live session needs from time to time: a keep-alive, a look after a sleep, somebody who watches."""

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

SHORTEST_PAUSE = 0.1  # s between two looks whether a page shows a session


class Ear(Protocol):
    """A way by which pages are heard."""

    @property
    def seconds(self) -> float:
        """Seconds for which a page could be heard by it, since some moment."""
        ...

    @property
    def freed_at(self) -> float:
        """What these were when it last could hear again after it could not for long."""
        ...


class Prompt:
    """The ear that always hears.

    Args:
        clock: tells the time.
    """

    freed_at = -math.inf

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    @property
    def seconds(self) -> float:
        """Seconds since some moment."""
        return self._clock.monotonic()


class Audience:
    """Who watches a session: a page that shows it says so every few seconds.

    A page counts as watching until it has not been heard for so many seconds in which it could have been.

    Args:
        limit: seconds without such a word after which nobody watches; None for a session that needs nobody.
        clock: tells the time.
    """

    def __init__(self, limit: float | None, clock: Clock) -> None:
        self.limit = limit
        self._patience = config.UNWATCHED if limit is None else limit
        self._prompt = Prompt(clock)
        self._seen: dict[str, tuple[Ear, float]] = {}  # by page: the way of its newest word, and when by that

    def beat(self, page: str = "", ear: Ear | None = None) -> None:
        """A page shows it. With the first such word it comes under the rule: one that never had a page is headless.

        Args:
            page: its id.
            ear: the way by which it was heard; one that nothing holds up when not given.
        """
        ear = ear or self._prompt
        self._seen = {known: seen for known, seen in self._seen.items() if self._left_of(*seen) > 0}
        self._seen[page] = ear, ear.seconds

    def leave(self, page: str) -> bool:
        """A page is gone, as it seems: it has half of its time left to say that it is not.

        Returns:
            Whether it has shown the session, and no other page does.
        """
        if page not in self._seen:
            return False
        ear, heard_at = self._seen[page]
        self._seen[page] = ear, min(heard_at, ear.seconds - self._patience / 2)
        return not self.is_there

    def forgive(self) -> None:
        """The machine slept, and no page could say a word."""
        self._seen = {page: (ear, ear.seconds) for page, (ear, _) in self._seen.items()}

    @property
    def left(self) -> float | None:
        """Seconds until nobody has watched for too long; None where it needs nobody."""
        return None if self.limit is None else self._left

    @property
    def _left(self) -> float | None:
        return max((self._left_of(*seen) for seen in self._seen.values()), default=None)

    def _left_of(self, ear: Ear, heard_at: float) -> float:
        patience = self._patience
        heard_at = max(heard_at, ear.freed_at - patience + min(patience, config.HEARING_GRACE))
        return max(0.0, patience - (ear.seconds - heard_at))

    @property
    def is_there(self) -> bool:
        """Whether a page has shown it within half of the limit, also of a session that needs none."""
        return self._left is not None and self._left > self._patience / 2

    @property
    def is_quiet(self) -> bool:
        """Whether no page has said a word for a third of the limit: it may be one whose timers the browser slows."""
        return self.left is not None and self.left <= self._patience * 2 / 3

    @property
    def is_missed(self) -> bool:
        """Whether no page has said a word for half of the limit."""
        return self.left is not None and not self.is_there


@dataclass(frozen=True)
class Duties:
    """What an upkeep does to its session.

    Args:
        keep_alive: tells the service that somebody is there; raises where it cannot.
        is_over: asks the service whether the session has ended; if so, it is over here, too.
        changed: something that is shown has changed.
        nobody_watches: nobody has watched for too long.
        check_guard: has another guard come up where the first one was killed.
    """

    keep_alive: Callable[[], Awaitable[None]]
    is_over: Callable[[], Awaitable[bool]]
    changed: Callable[[], None]
    nobody_watches: Callable[[], None]
    check_guard: Callable[[], Awaitable[None]]


class Upkeep:
    """Keeps one session alive, as long as its owner lives and never past its cap.

    Args:
        duties: what it does.
        audience: who watches.
        clock: tells the time.
        left: seconds until the session's cap.
        asks_at_cap: whether the service is asked when the cap is due; where a WebSocket closes, that tells.
    """

    def __init__(
        self, duties: Duties, audience: Audience, clock: Clock, left: Callable[[], float], *, asks_at_cap: bool
    ) -> None:
        self._duties = duties
        self._audience = audience
        self._clock = clock
        self._left = left
        # a second later, for the service ends it by its own clock
        self._ask_at = clock.monotonic() + left() + 1 if asks_at_cap else math.inf
        self._missed = 0
        self._warned = False

    @property
    def is_degraded(self) -> bool:
        """Whether the service has not heard of it for so long that it may end it."""
        return self._missed >= config.MISSED_KEEP_ALIVES

    async def run(self) -> None:
        """Returns once the session is over, or nobody watches it any more."""
        due = self._clock.monotonic() + config.KEEP_ALIVE_INTERVAL
        while True:
            if await self._pause(min(due, self._ask_at)):
                self._audience.forgive()
                logger.info("the machine slept: the service is asked how the session is")
                if await self._duties.is_over():
                    return
                due = self._clock.monotonic()
            if self._is_left_alone():
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
        """Waits for the next look; whether the machine slept meanwhile."""
        began = self._clock.monotonic(), self._clock.wall()
        watched = self._audience.left
        # what is left stands still while a kernel is busy
        watched = math.inf if watched is None else max(watched, SHORTEST_PAUSE)
        pause = max(0.0, min(config.PULSE, due - began[0], watched))
        await self._clock.sleep(pause)
        passed = max(self._clock.monotonic() - began[0], self._clock.wall() - began[1])
        return passed - pause > config.SLEEP_GAP

    async def _tick(self) -> bool:
        """One keep-alive; whether the session turned out to be over."""
        if self._left() <= 0:
            return await self._duties.is_over()
        try:
            await self._duties.keep_alive()
        except LiveAvatarException as failure:
            self._missed += 1
            logger.warning("a keep-alive failed, %d in a row: %s", self._missed, failure.message)
            self._duties.changed()
            return isinstance(failure, APIStatusError) and await self._duties.is_over()
        self._missed = 0
        self._duties.changed()
        return False

    def _is_left_alone(self) -> bool:
        """Whether nobody has watched for too long; a warning comes first."""
        if self._audience.is_missed and not self._warned:
            logger.warning("no page shows the session: it is stopped in %.0f s", self._audience.left)
        if self._audience.is_quiet or self._warned:
            # a word to the pages, too: it wakes those whose own timers are slowed
            self._duties.changed()
        self._warned = self._audience.is_missed
        return self._audience.left == 0
