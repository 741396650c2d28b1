"""Pace the sound that is sent: a little ahead of what is being said, by the clock alone."""

from __future__ import annotations


class Pace:
    """Keeps the sound that was sent a little ahead of real time.

    The lead covers network hiccups, but leaves little to take back.

    Args:
        lead: seconds of unsaid sound that the service may hold.
    """

    def __init__(self, lead: float) -> None:
        self._lead = lead
        self._ends_at: float | None = None

    def wait(self, now: float) -> float:
        """Return the seconds until the next piece is due.

        Args:
            now: the time in seconds, by a clock that never goes back.
        """
        return 0.0 if self._ends_at is None else max(0.0, self._ends_at - self._lead - now)

    def sent(self, seconds: float, now: float) -> None:
        """Note that sound was sent; if it is late, the avatar has paused, and the time counts from now."""
        self._ends_at = max(now, self._ends_at or now) + seconds

    def left(self, now: float) -> float:
        """Return the seconds until everything sent has been said."""
        return 0.0 if self._ends_at is None else max(0.0, self._ends_at - now)

    def reset(self) -> None:
        """Start over, because the service dropped what it held."""
        self._ends_at = None
