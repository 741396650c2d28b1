"""Sessions of this process that may be billed: written down, guarded, and stopped at the interpreter's exit."""

from __future__ import annotations

import atexit
import logging
import os
import threading
from dataclasses import dataclass
from typing import Final

from . import config
from .config import Masked
from .errors import ProtectionError
from .guard.handle import Charge, GuardError, guard
from .journal import journal
from .stopper import BlockingStopper

logger = logging.getLogger("liveavatar_nb.session")

ALLOWED: Final = "pass allow_unjournaled=True to the client: then only the cap ends what a dead kernel leaves"


@dataclass(frozen=True)
class Leftover:
    """What a stop needs, and how the session is to be protected.

    Args:
        base_url: the service's address.
        key: signs the stop.
        session_id: which.
        cap: seconds after its start at which the service ends it.
        is_simulated: it ends with this process anyway, and needs neither record nor guard.
        may_be_unjournaled: it may be started where there can be no record, or no guard.
    """

    base_url: str
    key: Masked
    session_id: str
    cap: float
    is_simulated: bool = False
    may_be_unjournaled: bool = False


class Leftovers:
    """Which sessions of this process may be billed right now, by id."""

    def __init__(self) -> None:
        self._reset()
        if hasattr(os, "register_at_fork"):
            # a forked child inherits the list, but the sessions are its parent's
            os.register_at_fork(after_in_child=self._reset)

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._sessions: dict[str, Leftover] = {}
        self._started: set[str] = set()

    def prepare(self) -> None:
        """Has the guard come up while the session's token is still on its way; what fails is told by `add`."""
        try:
            guard.prepare()
        except GuardError as failure:
            logger.info("the guard did not come up: %s", failure)

    def expect(self, client: object) -> None:
        """As `prepare`, and the guard stays until `unexpect`: this client may start a session at any moment."""
        guard.expect(client)
        self.prepare()

    def unexpect(self, client: object) -> None:
        """This client starts none any more."""
        guard.unexpect(client)

    def add(self, leftover: Leftover) -> None:
        """From now on it is stopped when this process ends, however it ends. It may take some milliseconds.

        Raises:
            ProtectionError: it cannot be written down, or not be guarded; nothing is protected then.
        """
        if not leftover.is_simulated:
            self._protect(leftover)
        with self._lock:
            self._sessions[leftover.session_id] = leftover
            # again with each: what is registered last is called first, before the loop is closed
            atexit.unregister(self.stop_all)
            atexit.register(self.stop_all)

    def _protect(self, leftover: Leftover) -> None:
        session_id, cap = leftover.session_id, leftover.cap
        folder = None
        try:
            journal.add(session_id, leftover.base_url, leftover.key, cap)
            folder = journal.folder
        except (OSError, ValueError) as failure:
            told = getattr(failure, "strerror", None) or str(failure)
            self._refuse(leftover, f"The session cannot be written down in {journal.folder} ({told}).")
        try:
            guard.add(Charge(session_id, leftover.base_url, leftover.key, cap + config.INSIST_AFTER_CAP, folder))
        except GuardError as failure:
            try:
                self._refuse(leftover, f"The process that would guard the session did not come up. {failure}")
            except ProtectionError:
                journal.remove(session_id)
                raise

    @staticmethod
    def _refuse(leftover: Leftover, what: str) -> None:
        if not leftover.may_be_unjournaled:
            raise ProtectionError(what, remedy=f"Mend that, or {ALLOWED}.")
        logger.warning("%s It is started all the same (allow_unjournaled).", what)

    def started(self, session_id: str, cap: float) -> None:
        """The service confirmed the start, and ends it so many seconds from now at the latest."""
        self._started.add(session_id)
        guard.started(session_id, cap + config.INSIST_AFTER_CAP)
        journal.started(session_id, cap)

    def insist(self, session_id: str) -> None:
        """Has the guard stop it, since this process cannot."""
        guard.stop(session_id)

    def discard(self, session_id: str) -> None:
        """Nothing of it is billed any more."""
        with self._lock:
            known = self._sessions.pop(session_id, None)
            self._started.discard(session_id)
        if known is not None and not known.is_simulated:
            journal.remove(session_id)
            guard.done(session_id)

    def hand_over(self, session_id: str) -> None:
        """Leaves it to the guard, which stops it, and looks for it again where its start's outcome is unknown.

        Where no guard has it, the interpreter's exit stops it.
        """
        known = self._sessions.get(session_id)
        if known is not None and (known.is_simulated or guard.hand_over(session_id)):
            journal.let_go(session_id)
            with self._lock:
                self._sessions.pop(session_id, None)
                self._started.discard(session_id)

    def tidy(self) -> None:
        """Lets a guard go that came up for nothing."""
        guard.leave_if_unused()

    def __len__(self) -> int:
        return len(self._sessions)

    def __contains__(self, session_id: str) -> bool:
        return session_id in self._sessions

    def stop_all(self) -> None:
        """Stops what is left, without an event loop, within `EXIT_STOP_LIMIT`."""
        if not self._sessions:
            return
        with BlockingStopper() as stopper:
            waiting = len(self._sessions)
            for session_id, left in list(self._sessions.items()):
                waiting -= 1
                if stopper.stop(left.base_url, left.key, session_id, waiting=waiting):
                    # a start whose answer never came may be applied after this stop: the guard looks for it
                    (self.discard if session_id in self._started else self.hand_over)(session_id)
                    logger.info("session %s was stopped at exit", session_id)
                else:
                    logger.warning(
                        "session %s could not be stopped at exit; its cap ends it %g minutes after its start",
                        session_id, left.cap / 60,
                    )  # fmt: skip


leftovers = Leftovers()
