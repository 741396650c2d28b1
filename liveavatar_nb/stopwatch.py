"""A session's times: when its steps came, how long it runs, and how long it still may."""

from __future__ import annotations

from .clock import CLOCK, Clock


class Stopwatch:
    """Times of one session, by a clock that never jumps.

    Args:
        cap: seconds after its start at which the service ends it.
        clock: tells the time.
    """

    def __init__(self, cap: float, clock: Clock = CLOCK) -> None:
        self.cap = cap
        self._clock = clock
        self.steps: dict[str, float] = {}
        self._called_at = self._clock.monotonic()
        self._started_at: float | None = None
        self._ended_at: float | None = None
        self._kept_alive_at: float | None = None

    @property
    def since_call(self) -> float:
        """Seconds since the start was asked for."""
        return self._clock.monotonic() - self._called_at

    @property
    def elapsed(self) -> float:
        """Seconds since the service started it, up to its end."""
        if self._started_at is None:
            return 0.0
        return (self._ended_at or self._clock.monotonic()) - self._started_at

    @property
    def left(self) -> float:
        """Seconds until the service ends it; 0 once it is over."""
        return 0.0 if self._ended_at is not None else self.left_of_cap

    @property
    def left_of_cap(self) -> float:
        """Seconds until the service ends it, also where it is over here."""
        since = 0.0 if self._started_at is None else self._clock.monotonic() - self._started_at
        return max(0.0, self.cap - since)

    @property
    def keep_alive_age(self) -> float | None:
        """Seconds since the service last heard a sign of life; None before the start."""
        return None if self._kept_alive_at is None else self._clock.monotonic() - self._kept_alive_at

    @property
    def cap_at(self) -> float | None:
        """When the service ends it, in seconds since the epoch; None before the start."""
        return None if self._started_at is None else self._clock.wall() + self.left_of_cap

    def mark(self, step: str) -> None:
        """Notes that a step came."""
        self.steps[step] = self.since_call

    def start(self) -> None:
        """The service started it."""
        self._started_at = self._kept_alive_at = self._clock.monotonic()

    def correct(self, elapsed: float) -> None:
        """The service counts more seconds than this clock, which stood still while the machine slept."""
        self._started_at = self._clock.monotonic() - elapsed

    def keep_alive(self) -> None:
        """The service heard a sign of life."""
        self._kept_alive_at = self._clock.monotonic()

    def end(self) -> None:
        """It is over; the first time counts."""
        if self._started_at is not None and self._ended_at is None:
            self._ended_at = self._clock.monotonic()
