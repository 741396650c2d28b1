"""Sessions of this process that may be billed: written down, guarded, and stopped at the interpreter's exit."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import threading
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .. import config
from ..config import Masked
from ..errors import ProtectionError
from ..rest.network import Network
from ..rest.transport import Transport
from .blocking_stop import BlockingStopper
from .guard.handle import Charge, GuardError, NotReached, Service, guard
from .journal import journal

logger = logging.getLogger("liveavatar_nb.session")

ALLOWED: Final = "pass allow_unjournaled=True to the client: then only the cap ends what a dead kernel leaves"
GIVE_WAY: Final = "Give the client proxy= and verify=, which hold for that process, too, in place of http_client="


@dataclass(frozen=True)
class Leftover:
    """What a stop needs, and how the session is to be protected.

    Args:
        service: where it runs, and the client's way to it.
        key: signs the stop.
        session_id: which.
        cap: seconds after its start at which the service ends it.
        is_simulated: it ends with this process anyway, and needs neither record nor guard.
        may_be_unjournaled: it may be started where there can be no record, or no guard.
        caveat: what of the client's way to the service cannot be told to the guard, in words.
        is_out_of_reach: the client's way is one that no other process can go.
    """

    service: Service
    key: Masked
    session_id: str
    cap: float
    is_simulated: bool = False
    may_be_unjournaled: bool = False
    caveat: str = ""
    is_out_of_reach: bool = False


def service_of(transport: Transport) -> Service | None:
    """The service of a client, and the way to it; None where no other process can go that way."""
    return None if transport.is_out_of_reach else Service(transport.base_url, transport.network)


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

    def prepare(self, service: Service | None) -> None:
        """Has the guard come up, and reach the service, while what comes first is under way; `add` tells what fails."""
        try:
            if service is not None:
                guard.prepare(service)
        except GuardError as failure:
            logger.info("the guard did not come up: %s", failure)

    def expect(self, client: object, service: Service | None) -> None:
        """As `prepare`, and the guard stays until `unexpect`: this client may start a session at any moment."""
        guard.expect(client)
        self.prepare(service)

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

    def rehearse(self) -> None:
        """Tries whether a session could be written down and guarded, whatever the service.

        Raises:
            ProtectionError: it could not.
        """
        nowhere = Service("http://127.0.0.1:9", Network())
        tried = Leftover(nowhere, Masked("none", "of nobody"), str(uuid.uuid4()), cap=1.0)
        try:
            self._guard(tried, self._write_down(tried))
        finally:
            journal.remove(tried.session_id)
            guard.done(tried.session_id)

    def _protect(self, leftover: Leftover) -> None:
        folder = self._write_down(leftover)
        try:
            if leftover.is_out_of_reach:
                # what this process could reach by that address may be something else
                self._refuse(leftover, f"No process can guard the session: {leftover.caveat}.", GIVE_WAY)
            else:
                self._guard(leftover, folder, reaches=True)
        except ProtectionError:
            journal.remove(leftover.session_id)
            raise

    def _write_down(self, leftover: Leftover) -> Path | None:
        try:
            journal.add(leftover.session_id, leftover.service.base_url, leftover.key, leftover.cap)
        except (OSError, ValueError) as failure:
            told = getattr(failure, "strerror", None) or str(failure)
            self._refuse(leftover, f"The session cannot be written down in {journal.folder} ({told}).")
            return None
        return journal.folder

    def _guard(self, leftover: Leftover, folder: Path | None, *, reaches: bool = False) -> None:
        charge = Charge(
            leftover.session_id, leftover.service, leftover.key, leftover.cap + config.INSIST_AFTER_CAP, folder
        )
        try:
            if reaches:
                self._reach(leftover)
            guard.add(charge)
        except GuardError as failure:
            self._refuse(leftover, f"The process that would guard the session did not come up. {failure}")

    def _reach(self, leftover: Leftover) -> None:
        try:
            guard.reach(leftover.service)
        except NotReached as failure:
            why = str(failure).removesuffix(".")
            told = f"The process that would guard the session cannot reach the service ({why})."
            remedy = "Look at proxy= and verify=, which hold for that process, too"
            if leftover.caveat:
                told, remedy = f"{told} It cannot be told all of the client's way: {leftover.caveat}.", GIVE_WAY
            self._refuse(leftover, told, remedy)

    @staticmethod
    def _refuse(leftover: Leftover, what: str, remedy: str = "Mend that") -> None:
        if not leftover.may_be_unjournaled:
            raise ProtectionError(what, remedy=f"{remedy}, or {ALLOWED}.")
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
        with contextlib.ExitStack() as stack:
            networks = {left.service.network for left in self._sessions.values()}
            stoppers = {one: stack.enter_context(BlockingStopper(network=one)) for one in networks}
            waiting = len(self._sessions)
            for session_id, left in list(self._sessions.items()):
                waiting -= 1
                stopper = stoppers[left.service.network]
                if stopper.stop(left.service.base_url, left.key, session_id, waiting=waiting):
                    # a start whose answer never came may be applied after this stop: the guard looks for it
                    (self.discard if session_id in self._started else self.hand_over)(session_id)
                    logger.info("session %s was stopped at exit", session_id)
                else:
                    logger.warning(
                        "session %s could not be stopped at exit; its cap ends it %g minutes after its start",
                        session_id, left.cap / 60,
                    )  # fmt: skip


leftovers = Leftovers()
