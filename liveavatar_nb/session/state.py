"""The states that a session goes through."""

from __future__ import annotations

from enum import StrEnum


class SessionState(StrEnum):
    """A session's state, which only moves forward."""

    CREATED = "created"
    STARTING = "starting"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    STOPPING = "stopping"
    ENDED = "ended"
    FAILED = "failed"

    @property
    def is_final(self) -> bool:
        """Whether no other state can follow this one."""
        return self in (SessionState.ENDED, SessionState.FAILED)

    def may_become(self, other: SessionState) -> bool:
        """Return whether `other` can follow this state."""
        order = list(SessionState)
        return not self.is_final and order.index(other) > order.index(self)
