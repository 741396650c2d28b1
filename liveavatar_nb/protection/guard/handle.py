"""The kernel's side of the guard: starts the guard process, sends it the sessions, and replaces it if it dies."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import subprocess
import sys
import threading
import time
import weakref
from collections import deque
from pathlib import Path
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from ...config import Masked
from ...rest.network import Network
from .process import GuardProcess

logger = logging.getLogger("liveavatar_nb.session")

THREAD_NAME: Final = "liveavatar_nb-guard"
READY_LIMIT: Final = 10.0  # seconds to wait for the guard to be ready
REACH_LIMIT: Final = 12.0  # seconds to wait for the guard to reach a service, slightly more than the guard's own limit
HEAR_LIMIT: Final = 3.0  # seconds to wait for the guard to acknowledge a message, enough even on a busy machine
PULSE: Final = 1.5  # seconds between checks that the guard is alive; its death is noticed within 5 s
RENEW_PAUSE: Final = 5.0  # seconds to wait before the next attempt if a new guard did not start
UNUSED_LIMIT: Final = 5.0  # seconds for which an unused guard waits for an announced start before exiting
MODULE: Final = __name__.rpartition(".")[0]
FILES: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR")
KEPT: Final = (  # names of environment variables, in any case
    r"PATH|HOME|LANG|LC_(ALL|COLLATE|CTYPE|MESSAGES|MONETARY|NUMERIC|TIME)|TZ|TMPDIR|TEMP|TMP|SYSTEMROOT"
    r"|PYTHONHOME|VIRTUAL_ENV|LD_LIBRARY_PATH|DYLD_[A-Z_]*PATH|DYLD_INSERT_LIBRARIES"
    r"|SSL_CERT_FILE|SSL_CERT_DIR|(https?|all|no)_proxy"
)


class GuardError(Exception):
    """The guard could not be started, or is gone; the message says why."""


class NotReached(GuardError):
    """The guard is running, but cannot reach the service."""


class Service(Struct, frozen=True):
    """A service, and how to reach it.

    Args:
        base_url: The service's address.
        network: The proxies and certificates needed to reach the service.
    """

    base_url: str
    network: Network

    def to_json(self) -> dict[str, Any]:
        """Return the service as a message for the guard, including a proxy's password."""
        return {"base_url": self.base_url, "network": self.network.to_json()}


class GuardedSession(Struct, frozen=True):
    """One session to guard.

    Args:
        session_id: The session's id at the service.
        service: The service that the session runs on.
        key: The key that signs the stop.
        left: Seconds for which the guard keeps trying to stop the session.
        journal: The folder that contains the session's record; None if there is no record.
    """

    session_id: str
    service: Service
    key: Masked
    left: float
    journal: Path | None


class Guard:
    """This process's guard.

    The guard process starts with the first session, or when a session is expected, and exits after the last session.
    A thread watches the process. If the process dies or stops responding, a new process replaces it and receives all
    messages again.
    """

    def __init__(self) -> None:
        self._reset()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(before=self._before_fork, after_in_parent=self._after_fork, after_in_child=self._forget)

    def _reset(self) -> None:
        # not reentrant: if a finalizer posts a message while its thread holds the lock, the message must stay queued
        self._lock = threading.Lock()
        self._opening = threading.Lock()
        self._process: GuardProcess | None = None
        self._wanted_at = 0.0  # the time at which the guard was last needed
        self._open: set[GuardProcess] = set()
        # maps each session's id to the session and the time from which its `left` is counted
        self._sessions: dict[str, tuple[GuardedSession, float]] = {}
        self._started: set[str] = set()
        self._stopping: set[str] = set()
        # maps session ids to the numbers of the messages that handed over the sessions
        self._handed: dict[str, int] = {}
        self._outbox: deque[dict[str, Any]] = deque()
        self._expecting: weakref.WeakSet[Any] = weakref.WeakSet()  # clients that may start a session soon
        self._services: dict[Service, str] = {}  # maps each service to its name in messages to the guard
        self._reached: set[Service] = set()

    def _before_fork(self) -> None:
        self._opening.acquire()

    def _after_fork(self) -> None:
        self._opening.release()

    def _forget(self) -> None:
        """In a forked child, release the parent's pipes and state."""
        for process in self._open:
            process.forget()
        self._reset()

    @property
    def is_there(self) -> bool:
        """Whether the guard process is alive and acknowledges messages."""
        process = self._process
        return process is not None and not process.is_gone and not process.is_mute(HEAR_LIMIT)

    def prepare(self, service: Service | None = None) -> None:
        """Start the guard if it is not running, and wait until it is ready.

        Args:
            service: A service for the guard to reach in the background, unless the guard has already reached it.

        Raises:
            GuardError: The guard did not start.
        """
        with self._lock:
            self._wanted_at = time.monotonic()
            if not self.is_there:
                self._renew()
                self._wanted_at = time.monotonic()
            if service is not None and service not in self._reached and self._process is not None:
                self._process.ask(self._name(service), service.to_json())
        self._deliver()

    def reach(self, service: Service) -> None:
        """Wait until the guard itself has reached a service; return immediately if it already has.

        Raises:
            NotReached: The guard could not reach the service.
            GuardError: The guard did not start.
        """
        name, until = self._name(service), time.monotonic() + REACH_LIMIT
        while service not in self._reached:
            if not self.is_there or self._process is None or not self._process.was_asked(name):
                self.prepare(service)
            process, left = self._process, until - time.monotonic()
            why = None if process is None else process.reaches(name, max(0.0, left))
            if why is None and left > 0:
                continue  # this guard process is gone, so ask its replacement
            if why != "":
                raise NotReached(why or f"no response within {REACH_LIMIT:g} s")
            self._reached.add(service)

    def _name(self, service: Service) -> str:
        return self._services.setdefault(service, str(len(self._services)))

    def add(self, session: GuardedSession) -> None:
        """Guard a session, so that it is stopped no matter how this process terminates.

        Raises:
            GuardError: No guard acknowledged the session.
        """
        with self._lock:
            self._sessions[session.session_id] = (session, time.monotonic())
            try:
                process = self._process if self.is_there else None
                if process is None or not process.hears(self._send(_guard_message(session, session.left)), HEAR_LIMIT):
                    self._renew()
            except GuardError:
                del self._sessions[session.session_id]
                raise
        self._deliver()

    def started(self, session_id: str, left: float) -> None:
        """Record that a session has started, and that the guard's time for stopping it ends `left` seconds from now."""
        if session_id in self._sessions:
            self._sessions[session_id] = (replace(self._sessions[session_id][0], left=left), time.monotonic())
            self._started.add(session_id)
            self._post({"do": "started", "id": session_id, "left": left})

    def stop(self, session_id: str) -> None:
        """Make the guard stop a session now, even though this process is still alive."""
        if session_id in self._sessions:
            self._stopping.add(session_id)
            self._post({"do": "stop", "id": session_id})

    def hand_over(self, session_id: str) -> bool:
        """Leave stopping a session to the guard; return whether the guard knew about the session."""
        if session_id not in self._sessions:
            return False
        self._stopping.add(session_id)
        self._post({"do": "hand over", "id": session_id})
        return True

    def done(self, session_id: str) -> None:
        """Stop guarding a session that is no longer billed; the guard exits after the last session."""
        self._post({"do": "done", "id": session_id})
        self._drop(session_id)
        self.leave_if_unused()

    def expect(self, client: Any) -> None:
        """Keep the guard running until `unexpect` is called, as `client` may start a session at any time."""
        self._expecting.add(client)

    def unexpect(self, client: Any) -> None:
        """Record that `client` will not start any more sessions."""
        self._expecting.discard(client)
        self.leave_if_unused()

    def leave_if_unused(self) -> None:
        """Let the guard exit if it has nothing to guard and no session is expected."""
        self._post({"do": "leave"})

    def _drop(self, session_id: str) -> None:
        self._sessions.pop(session_id, None)
        self._handed.pop(session_id, None)
        self._started.discard(session_id)
        self._stopping.discard(session_id)

    def _post(self, message: dict[str, Any]) -> None:
        """Send the guard a message, now or once the guard is ready, without blocking the loop."""
        self._outbox.append(message)
        self._deliver()

    def _deliver(self) -> None:
        while self._outbox and self._lock.acquire(blocking=False):
            try:
                while self._outbox:
                    self._deliver_one(self._outbox.popleft())
            finally:
                self._lock.release()

    def _deliver_one(self, message: dict[str, Any]) -> None:
        if message["do"] == "leave":
            if not self._sessions and not self._expecting and self._process is not None:
                self._let_go(self._process)
        elif message["do"] == "hand over":
            # remember the message's number until it is acknowledged: a replacement guard must get the message, too
            if message["id"] in self._sessions:
                self._handed[message["id"]] = self._send({**message, "do": "stop"})
        else:
            self._send(message)

    def _send(self, message: dict[str, Any]) -> int:
        return 0 if self._process is None else self._process.post(message)

    def _renew(self) -> None:
        """Start a new guard process, send it everything, and only then kill the previous process.

        Raises:
            GuardError: The new process did not start; the previous one is left as it is.
        """
        before, process = self._process, self._launch()
        self._process = process
        number = self._send_all()
        if not process.hears(number, HEAR_LIMIT):
            self._process = before
            process.kill()
            process.end()
            raise GuardError(f"The new process did not respond within {HEAR_LIMIT:g} s.")
        if before is not None:
            # the old guard may just be suspended; once resumed, it would mistake its closed pipe for our death
            before.kill()
            self._let_go(before)

    def _send_all(self) -> int:
        number = self._send({"do": "hear"})
        for session_id, (session, since) in list(self._sessions.items()):
            left = session.left - (time.monotonic() - since)
            number = self._send(_guard_message(session, left))
            if session_id in self._started:
                number = self._send({"do": "started", "id": session_id, "left": left})
            if session_id in self._stopping:
                number = self._send({"do": "stop", "id": session_id})
            if session_id in self._handed:
                self._handed[session_id] = number
        return number

    def _launch(self) -> GuardProcess:
        try:
            with self._opening:
                # a fork on another thread waits until the new pipes are known, so that its child closes them
                command = [sys.executable, "-P", "-m", MODULE, str(os.getpid())]
                process = GuardProcess(command, _environment())
                self._open.add(process)
            is_ready = process.comes_up(READY_LIMIT)
        except (OSError, subprocess.SubprocessError) as failure:
            raise GuardError(f"{type(failure).__name__}: {failure}") from None
        if not is_ready:
            has_ended = process.is_gone
            self._close(process)
            raise GuardError(
                "The new process exited immediately."
                if has_ended
                else f"The new process was not ready within {READY_LIMIT:g} s."
            )
        # if the thread can't be created, the guard is checked at the next session start or keep-alive instead
        with contextlib.suppress(RuntimeError):
            threading.Thread(target=self._watch, args=[process], name=THREAD_NAME, daemon=True).start()
            process.is_watched = True
        return process

    def _watch(self, process: GuardProcess) -> None:
        """Watch a guard process until it is released, and replace it as soon as it dies or hangs."""
        asked, is_warned = time.monotonic(), False
        while not process.is_let_go.is_set():
            process.pause(PULSE)
            self._drop_acknowledged(process)
            self._leave_if_forgotten()
            if process.is_gone or process.is_mute(HEAR_LIMIT):
                how = "has exited" if process.is_gone else "does not respond"
                why = self._replace(process)
                if why is None:
                    continue
                if not is_warned:
                    logger.warning(
                        "the guard process %s, and a new one can't be started (%s). Retrying; until a guard is running "
                        "again, any session that is live when this process dies is billed up to its cap", how, why,
                    )  # fmt: skip
                is_warned = True
                process.is_let_go.wait(RENEW_PAUSE)
            elif time.monotonic() - asked >= PULSE:
                asked, is_warned = time.monotonic(), False
                self._post({"do": "hear"})
        self._close(process)

    def _leave_if_forgotten(self) -> None:
        """Let the guard exit if it was started for a session whose start has been abandoned."""
        now = time.monotonic()
        if self._sessions or self._expecting:
            self._wanted_at = now
        elif now - self._wanted_at > UNUSED_LIMIT:
            self.leave_if_unused()

    def _replace(self, process: GuardProcess) -> str | None:
        """Replace a lost guard process; return why the replacement failed, or None if it succeeded."""
        with self._lock:
            if self._process is process and not process.is_let_go.is_set():
                if not self._sessions and not self._expecting:
                    self._let_go(process)
                else:
                    try:
                        self._renew()
                    except GuardError as failure:
                        return str(failure)
                    logger.warning("the guard process was lost and has been replaced")
        self._deliver()
        return None

    def _drop_acknowledged(self, process: GuardProcess) -> None:
        """Drop the sessions that the guard has acknowledged taking over."""
        process.listen()
        if not self._handed:
            return
        with self._lock:
            known = self._handed if process is self._process else {}
            for session_id in [key for key, number in known.items() if process.has_heard(number)]:
                self._drop(session_id)
        self.leave_if_unused()

    def _let_go(self, process: GuardProcess) -> None:
        process.end()
        if self._process is process:
            self._process = None
        if not process.is_watched:
            self._close(process)

    def _close(self, process: GuardProcess) -> None:
        process.close()
        self._open.discard(process)


def _guard_message(session: GuardedSession, left: float) -> dict[str, Any]:
    return {
        "do": "guard",
        "id": session.session_id,
        **session.service.to_json(),
        "key": session.key.reveal(),
        "left": left,
        "journal": None if session.journal is None else str(session.journal),
    }


def _environment() -> dict[str, str]:
    """Return the environment variables that Python and the connection need.

    Other variables are not passed on, because any of them may contain a key. The module path is this process's, without
    the notebook's folder, whose files may shadow modules.
    """
    try:
        here = Path.cwd()
    except OSError:  # the working directory was deleted
        here = None
    path = [entry for entry in sys.path if entry and (here is None or Path(entry) != here)]
    kept = {name: value for name, value in os.environ.items() if re.fullmatch(KEPT, name, re.IGNORECASE)}
    if here is not None:
        # make the paths absolute, because the guard has a different working directory
        kept |= {name: str(here / kept[name]) for name in FILES if kept.get(name)}
    return {**kept, "PYTHONPATH": os.pathsep.join(path)}


guard = Guard()
