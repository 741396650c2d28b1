"""`Pace`: decides, by the clock alone, when to send audio so that it stays a little ahead of the speech."""

from __future__ import annotations


class Pace:
    """Determines when to send audio, so that it arrives a little before it is due to be spoken.

    The lead covers network hiccups, but is short, so that little audio must be discarded on an interruption.

    Args:
        lead: The maximum length of the unspoken audio that the service may hold, in seconds.
    """

    def __init__(self, lead: float) -> None:
        self._lead = lead
        self._ends_at: float | None = None

    def wait(self, now: float) -> float:
        """Return the number of seconds until the next piece is due.

        Args:
            now: The time in seconds, according to a monotonic clock.
        """
        return 0.0 if self._ends_at is None else max(0.0, self._ends_at - self._lead - now)

    def sent(self, seconds: float, now: float) -> None:
        """Record that audio was sent; if it was sent too late, the avatar has paused, and speaks it from now on."""
        self._ends_at = max(now, self._ends_at or now) + seconds

    def left(self, now: float) -> float:
        """Return the number of seconds until everything sent so far has been spoken."""
        return 0.0 if self._ends_at is None else max(0.0, self._ends_at - now)

    def reset(self) -> None:
        """Start over, because the service has dropped all waiting audio."""
        self._ends_at = None
