"""Keeps track of this process's sessions that may be billed, guards them, and stops them at interpreter exit."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import threading
import time
import uuid
from pathlib import Path
from typing import Final

from msgspec import Struct

from .. import config
from ..config import Masked
from ..errors import ProtectionError
from ..rest.network import Network
from ..rest.transport import Transport
from .blocking_stop import BlockingStopper
from .guard.handle import GuardedSession, GuardError, NotReached, Service, guard
from .journal import journal

logger = logging.getLogger("liveavatar_nb.session")

ALLOWED: Final = "pass allow_unjournaled=True to the client; if the kernel then dies, only the cap ends its sessions"
GIVE_WAY: Final = "Give the client proxy= and verify= instead of http_client=; the guard can use them, too"


class RunningSession(Struct, frozen=True):
    """A session that may be billed, with what is needed to stop and to protect it.

    Args:
        service: The service that the session runs on, and how the client reaches it.
        key: The key that signs the stop.
        session_id: The session's id.
        cap: Seconds after the start at which the service ends the session.
        is_simulated: Whether the session ends with this process anyway, so that it needs no record or guard.
        may_be_unjournaled: Whether the session may start without a record or a guard.
        caveat: The client's connection settings that the guard cannot use, in words.
        is_out_of_reach: Whether no other process can reach the service the way the client does.
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
    """Return a client's service and how to reach it, or None if no other process can reach it that way."""
    return None if transport.is_out_of_reach else Service(transport.base_url, transport.network)


class RunningSessions:
    """This process's sessions that may currently be billed, by id."""

    def __init__(self) -> None:
        self._reset()
        if hasattr(os, "register_at_fork"):
            # a forked child inherits the list, but the sessions belong to its parent
            os.register_at_fork(after_in_child=self._reset)

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._sessions: dict[str, RunningSession] = {}
        self._ends: dict[str, float] = {}  # when started sessions reach their cap, in seconds since the epoch
        self._told: set[str] = set()  # sessions whose unconfirmed stop the user knows about

    def prepare(self, service: Service | None) -> None:
        """Start the guard ahead of time, and let it try to reach the service; `add` reports any failure."""
        try:
            if service is not None:
                guard.prepare(service)
        except GuardError as failure:
            logger.info("the guard did not start: %s", failure)

    def expect(self, client: object, service: Service | None) -> None:
        """Start the guard, because `client` may soon start a session.

        The guard keeps running until `unexpect` is called.
        """
        guard.expect(client)
        self.prepare(service)

    def unexpect(self, client: object) -> None:
        """Record that `client` will not start any more sessions."""
        guard.unexpect(client)

    def add(self, session: RunningSession) -> None:
        """Make sure the session is stopped no matter how this process terminates.

        This takes a few milliseconds.

        Raises:
            ProtectionError: The session cannot be recorded or guarded, and so is not protected.
        """
        if not session.is_simulated:
            self._protect(session)
        with self._lock:
            self._sessions[session.session_id] = session
            # register again each time: the last function registered runs first, before the loop is closed
            atexit.unregister(self.stop_all)
            atexit.register(self.stop_all)

    def rehearse(self) -> None:
        """Check that a session could be recorded and guarded, without contacting the service.

        Raises:
            ProtectionError: A session could not be recorded or guarded.
        """
        nowhere = Service("http://127.0.0.1:9", Network())
        trial = RunningSession(nowhere, Masked("none", "of nobody"), str(uuid.uuid4()), cap=1.0)
        try:
            self._guard(trial, self._record(trial))
        finally:
            journal.remove(trial.session_id)
            guard.done(trial.session_id)

    def _protect(self, session: RunningSession) -> None:
        folder = self._record(session)
        try:
            if session.is_out_of_reach:
                # another process might reach a different service at the same address
                self._refuse(session, f"No other process can guard the session: {session.caveat}.", GIVE_WAY)
            else:
                self._guard(session, folder, reaches=True)
        except ProtectionError:
            journal.remove(session.session_id)
            raise

    def _record(self, session: RunningSession) -> Path | None:
        try:
            journal.add(session.session_id, session.service.base_url, session.key, session.cap)
        except (OSError, ValueError) as failure:
            why = getattr(failure, "strerror", None) or str(failure)
            self._refuse(session, f"The session cannot be recorded in {journal.folder} ({why}).")
            return None
        return journal.folder

    def _guard(self, session: RunningSession, folder: Path | None, *, reaches: bool = False) -> None:
        guarded = GuardedSession(
            session.session_id, session.service, session.key, session.cap + config.INSIST_AFTER_CAP, folder
        )
        try:
            if reaches:
                self._reach(session)
            guard.add(guarded)
        except GuardError as failure:
            self._refuse(session, f"The guard process did not start. {failure}")

    def _reach(self, session: RunningSession) -> None:
        try:
            guard.reach(session.service)
        except NotReached as failure:
            why = str(failure).removesuffix(".")
            message = f"The guard process cannot reach the service ({why})."
            remedy = "Check proxy= and verify=, which the guard also uses"
            if session.caveat:
                message = f"{message} It cannot use all of the client's connection settings: {session.caveat}."
                remedy = GIVE_WAY
            self._refuse(session, message, remedy)

    @staticmethod
    def _refuse(session: RunningSession, message: str, remedy: str = "Fix that") -> None:
        if not session.may_be_unjournaled:
            raise ProtectionError(message, remedy=f"{remedy}, or {ALLOWED}.")
        logger.warning("%s The session starts anyway, because allow_unjournaled is set.", message)

    def started(self, session_id: str, cap: float) -> None:
        """Record that the service confirmed the start and will end the session after at most `cap` seconds."""
        self._ends[session_id] = time.time() + cap
        guard.started(session_id, cap + config.INSIST_AFTER_CAP)
        journal.started(session_id, cap)

    def insist(self, session_id: str, *, is_told: bool = False) -> None:
        """Make the guard stop a session that this process cannot stop.

        Args:
            session_id: The session's id.
            is_told: Whether the user is told; if not, the interpreter's exit tells if it can't stop the session either.
        """
        guard.stop(session_id)
        if is_told:
            self._told.add(session_id)

    def discard(self, session_id: str) -> None:
        """Drop a session that is no longer billed."""
        with self._lock:
            known = self._sessions.pop(session_id, None)
            self._forget(session_id)
        if known is not None and not known.is_simulated:
            journal.remove(session_id)
            guard.done(session_id)

    def hand_over(self, session_id: str) -> None:
        """Leave stopping a session to the guard.

        If the outcome of the session's start is unknown, the guard checks on the session again later. If no guard
        knows about the session, it is stopped at interpreter exit.
        """
        known = self._sessions.get(session_id)
        if known is not None and (known.is_simulated or guard.hand_over(session_id)):
            journal.let_go(session_id)
            with self._lock:
                self._sessions.pop(session_id, None)
                self._forget(session_id)

    def _forget(self, session_id: str) -> None:
        self._ends.pop(session_id, None)
        self._told.discard(session_id)

    def tidy(self) -> None:
        """Let the guard exit if it is not needed after all."""
        guard.leave_if_unused()

    def __len__(self) -> int:
        return len(self._sessions)

    def __contains__(self, session_id: str) -> bool:
        return session_id in self._sessions

    def stop_all(self) -> None:
        """Stop the remaining sessions without an event loop, within `EXIT_STOP_LIMIT` seconds."""
        if not self._sessions:
            return
        with contextlib.ExitStack() as stack:
            networks = {session.service.network for session in self._sessions.values()}
            stoppers = {network: stack.enter_context(BlockingStopper(network=network)) for network in networks}
            waiting = len(self._sessions)
            for session_id, session in list(self._sessions.items()):
                waiting -= 1
                stopper = stoppers[session.service.network]
                if stopper.stop(session.service.base_url, session.key, session_id, waiting=waiting):
                    # a start without a response may take effect after this stop, so let the guard check again later
                    (self.discard if session_id in self._ends else self.hand_over)(session_id)
                    logger.info("session %s was stopped at exit", session_id)
                elif session_id not in self._told:
                    logger.warning(
                        "session %s could not be stopped at exit. It is billed until its guard reaches the service, at "
                        "the latest until it reaches its cap, %s",
                        session_id, self._end_words(session),
                    )  # fmt: skip

    def _end_words(self, session: RunningSession) -> str:
        if (end := self._ends.get(session.session_id)) is None:
            return f"{session.cap / 60:g} minutes after its start"
        return f"at {time.strftime('%H:%M:%S', time.localtime(end))}"


running_sessions = RunningSessions()
