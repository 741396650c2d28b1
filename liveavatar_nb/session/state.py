"""The states that a session goes through."""

from __future__ import annotations

from enum import StrEnum


class SessionState(StrEnum):
    """A session's state, which only moves forward.

    Attributes:
        CREATED: Nothing has been sent yet.
        STARTING: The session is being requested. It may be billed as soon as the start call is sent.
        CONNECTING: The service has started the session, and we are connecting to it.
        CONNECTED: The session is ready.
        STOPPING: A stop was requested, but is not confirmed yet.
        ENDED: The session is over.
        FAILED: The session did not start, or ended with an error; `error` says which.
    """

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
