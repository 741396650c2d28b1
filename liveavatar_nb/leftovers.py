"""Sessions of this process that may be billed, and the stop of them at the interpreter's exit."""

from __future__ import annotations

import atexit
import logging
import os
from dataclasses import dataclass

from .config import Masked
from .transport import BlockingStopper

logger = logging.getLogger("liveavatar_nb.session")


@dataclass(frozen=True)
class Leftover:
    """What a stop needs: the service's address, the key, the session's id, its cap in minutes."""

    base_url: str
    key: Masked
    session_id: str
    max_minutes: float


class Leftovers:
    """Which sessions of this process may be billed right now, by id."""

    def __init__(self) -> None:
        self._sessions: dict[str, Leftover] = {}
        self._pid = 0

    def add(self, leftover: Leftover) -> None:
        """From now on the interpreter's exit stops it."""
        if self._pid != os.getpid():
            # a forked child inherits the list, but the sessions are its parent's
            self._sessions.clear()
            self._pid = os.getpid()
            atexit.unregister(self.stop_all)
            atexit.register(self.stop_all)
        self._sessions[leftover.session_id] = leftover

    def discard(self, session_id: str) -> None:
        """Nothing of it is billed any more."""
        if self._pid == os.getpid():
            self._sessions.pop(session_id, None)

    def __len__(self) -> int:
        return len(self._sessions) if self._pid == os.getpid() else 0

    def stop_all(self) -> None:
        """Stops what is left, without an event loop, within `EXIT_STOP_LIMIT`."""
        if not len(self):
            return
        with BlockingStopper() as stopper:
            waiting = len(self._sessions)
            for session_id, left in list(self._sessions.items()):
                waiting -= 1
                if stopper.stop(left.base_url, left.key, session_id, waiting=waiting):
                    del self._sessions[session_id]
                    logger.info("session %s was stopped at exit", session_id)
                else:
                    logger.warning(
                        "session %s could not be stopped at exit; its cap ends it %g minutes after its start",
                        session_id, left.max_minutes,
                    )  # fmt: skip


leftovers = Leftovers()
