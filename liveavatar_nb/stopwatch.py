"""A session's times: when its steps came, how long it runs, and how long it still may."""

from __future__ import annotations

import time


class Stopwatch:
    """Times of one session, by a clock that never jumps.

    Args:
        cap: seconds after its start at which the service ends it.
    """

    def __init__(self, cap: float) -> None:
        self.cap = cap
        self.steps: dict[str, float] = {}
        self._called_at = time.monotonic()
        self._started_at: float | None = None
        self._ended_at: float | None = None
        self._kept_alive_at: float | None = None

    @property
    def since_call(self) -> float:
        """Seconds since the start was asked for."""
        return time.monotonic() - self._called_at

    @property
    def elapsed(self) -> float:
        """Seconds since the service started it, up to its end."""
        if self._started_at is None:
            return 0.0
        return (self._ended_at or time.monotonic()) - self._started_at

    @property
    def left(self) -> float:
        """Seconds until the service ends it; 0 once it is over."""
        return 0.0 if self._ended_at is not None else max(0.0, self.cap - self.elapsed)

    @property
    def keep_alive_age(self) -> float | None:
        """Seconds since the service last heard a sign of life; None before the start."""
        return None if self._kept_alive_at is None else time.monotonic() - self._kept_alive_at

    def mark(self, step: str) -> None:
        """Notes that a step came."""
        self.steps[step] = self.since_call

    def start(self) -> None:
        """The service started it."""
        self._started_at = self._kept_alive_at = time.monotonic()

    def keep_alive(self) -> None:
        """The service heard a sign of life."""
        self._kept_alive_at = time.monotonic()

    def end(self) -> None:
        """It is over; the first time counts."""
        if self._started_at is not None and self._ended_at is None:
            self._ended_at = time.monotonic()
