"""`Audience`: the pages that show a session, and whether anybody is still watching it."""

from __future__ import annotations

import math
from typing import Protocol

from .. import config
from ..concurrency.clock import Clock


class HearingClock(Protocol):
    """A clock that runs only while messages from pages can be handled."""

    @property
    def seconds(self) -> float:
        """Seconds during which messages could be handled, measured from some fixed moment."""
        ...

    @property
    def freed_at(self) -> float:
        """The value of `seconds` at the end of the last long period in which no messages could be handled."""
        ...


class AlwaysHearing:
    """A `HearingClock` that never stops, because messages can always be handled.

    Args:
        clock: The clock to use.
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

    A page that has been silent for `limit` seconds is no longer counted. Time during which messages could not be
    handled does not count as silence.

    Args:
        limit: Seconds of silence from all pages after which the session counts as unwatched; None sets no limit.
        clock: The clock to use.
    """

    def __init__(self, limit: float | None, clock: Clock) -> None:
        self.limit = limit
        self._patience = config.UNWATCHED if limit is None else limit
        self._always = AlwaysHearing(clock)
        self._seen: dict[str, tuple[HearingClock, float]] = {}  # each page's clock, and the time of its last heartbeat

    def beat(self, page: str = "", hearing: HearingClock | None = None) -> None:
        """Record a page's heartbeat; from the first one on, at least one page must keep showing the session.

        Args:
            page: The page's id.
            hearing: The clock of the channel that delivered the heartbeat; by default, a clock that never stops.
        """
        hearing = hearing or self._always
        self._seen = {known: seen for known, seen in self._seen.items() if self._left_of(*seen) > 0}
        self._seen[page] = hearing, hearing.seconds

    def leave(self, page: str) -> bool:
        """Record that a page seems to be gone; the page has at most half the time limit left to come back.

        Returns:
            Whether this was the last page showing the session.
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
        """Seconds until the session counts as unwatched; None if there is no limit, or before the first heartbeat."""
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
        """Whether less than half the time limit has passed since the last heartbeat.

        If there is no limit, the default limit is used.
        """
        return self._left is not None and self._left > self._patience / 2

    @property
    def is_quiet(self) -> bool:
        """Whether no heartbeat has arrived for a third of the time limit.

        A page may be silent merely because the browser is throttling its timers.
        """
        return self.left is not None and self.left <= self._patience * 2 / 3

    @property
    def is_missed(self) -> bool:
        """Whether no heartbeat has arrived for half the time limit."""
        return self.left is not None and not self.is_there
