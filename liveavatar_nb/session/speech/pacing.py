"""When the next piece of sound is due: a little ahead of what is being said, by the clock alone."""

from __future__ import annotations


class Pace:
    """Keeps what was sent a lead ahead of real time: enough that the network may falter, and little to take back.

    Args:
        lead: seconds of sound that the service may hold unsaid.
    """

    def __init__(self, lead: float) -> None:
        self._lead = lead
        self._ends_at: float | None = None

    def wait(self, now: float) -> float:
        """Seconds until the next piece is due.

        Args:
            now: seconds of a clock that never goes back.
        """
        return 0.0 if self._ends_at is None else max(0.0, self._ends_at - self._lead - now)

    def sent(self, seconds: float, now: float) -> None:
        """So much sound went out; where it came late the avatar waits, and what follows counts from here."""
        self._ends_at = max(now, self._ends_at or now) + seconds

    def left(self, now: float) -> float:
        """Seconds until all that was sent has been said."""
        return 0.0 if self._ends_at is None else max(0.0, self._ends_at - now)

    def reset(self) -> None:
        """The service forgot what it held."""
        self._ends_at = None
