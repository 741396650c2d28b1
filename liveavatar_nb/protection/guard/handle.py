"""What a kernel has of its guard: a process, which is told what to guard, and whose pipe's end is the kernel's end."""

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
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from ...config import Masked
from ...rest.network import Network
from .process import Process

logger = logging.getLogger("liveavatar_nb.session")

THREAD_NAME: Final = "liveavatar_nb-guard"
READY_LIMIT: Final = 10.0  # s until it must be ready
REACH_LIMIT: Final = 12.0  # s that it has to reach a service: a little more than it takes itself
HEAR_LIMIT: Final = 3.0  # s until it must have heard what it was told; a machine that is busy is no reason
PULSE: Final = 1.5  # s between two looks whether it hears: its loss shows within 5 s
RENEW_PAUSE: Final = 5.0  # s until another one is tried where one did not come up
UNUSED_LIMIT: Final = 5.0  # s that it stays for a start that was said to come, and that nobody expects any more
MODULE: Final = __name__.rpartition(".")[0]
FILES: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR")
KEPT: Final = re.compile(
    r"PATH|HOME|LANG|LC_(ALL|COLLATE|CTYPE|MESSAGES|MONETARY|NUMERIC|TIME)|TZ|TMPDIR|TEMP|TMP|SYSTEMROOT"
    r"|PYTHONHOME|VIRTUAL_ENV|LD_LIBRARY_PATH|DYLD_[A-Z_]*PATH|DYLD_INSERT_LIBRARIES"
    r"|SSL_CERT_FILE|SSL_CERT_DIR|(https?|all|no)_proxy",
    re.IGNORECASE,
)


class GuardError(Exception):
    """The guard could not be started, or is gone; the message says why."""


class NotReached(GuardError):
    """The guard is there, but cannot reach the service."""


@dataclass(frozen=True)
class Service:
    """A service, and the way to it.

    Args:
        base_url: its address.
        network: the proxies and the certificates by which it is reached.
    """

    base_url: str
    network: Network

    @property
    def told(self) -> dict[str, Any]:
        """As the guard is told of it: with the password of a proxy."""
        return {"base_url": self.base_url, "network": self.network.told()}


@dataclass(frozen=True)
class Charge:
    """One session to guard.

    Args:
        session_id: the service's id.
        service: where it runs.
        key: signs the stop.
        left: seconds until nobody has to insist on the stop any more.
        journal: the folder of its record; None where it has none.
    """

    session_id: str
    service: Service
    key: Masked
    left: float
    journal: Path | None


class Guard:
    """The guard of this process: started with its first session, or for one that is expected; gone with the last.

    A thread watches it: where it ends, or hears nothing any more, another one takes its place, and is told all.
    """

    def __init__(self) -> None:
        self._reset()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(before=self._before_fork, after_in_parent=self._after_fork, after_in_child=self._forget)

    def _reset(self) -> None:
        # none that its holder may take twice: a finalizer may have something to tell in the middle of anything
        self._lock = threading.Lock()
        self._opening = threading.Lock()
        self._process: Process | None = None
        self._wanted_at = 0.0  # when it was asked for last, or had something to guard
        self._open: set[Process] = set()
        self._charges: dict[str, tuple[Charge, float]] = {}  # with the moment since which its `left` counts
        self._started: set[str] = set()
        self._stopping: set[str] = set()
        self._handed: dict[str, int] = {}  # with the number of the line that hands it over
        self._outbox: deque[dict[str, Any]] = deque()
        self._expecting: weakref.WeakSet[Any] = weakref.WeakSet()  # who may start one soon
        self._services: dict[Service, str] = {}  # by what the guard calls them
        self._reached: set[Service] = set()

    def _before_fork(self) -> None:
        self._opening.acquire()

    def _after_fork(self) -> None:
        self._opening.release()

    def _forget(self) -> None:
        """In a forked child: lets go of what is the parent's."""
        for process in self._open:
            process.forget()
        self._reset()

    @property
    def is_there(self) -> bool:
        """Whether its process lives, and hears what it is told."""
        process = self._process
        return process is not None and not process.is_gone and not process.is_mute(HEAR_LIMIT)

    def prepare(self, service: Service | None = None) -> None:
        """Starts it where it is not there, and returns when it is ready.

        Args:
            service: what it is to reach meanwhile, unless it has before.

        Raises:
            GuardError: it did not come up.
        """
        with self._lock:
            self._wanted_at = time.monotonic()
            if not self.is_there:
                self._renew()
                self._wanted_at = time.monotonic()
            if service is not None and service not in self._reached and self._process is not None:
                self._process.ask(self._name(service), service.told)
        self._deliver()

    def reach(self, service: Service) -> None:
        """Returns once the guard has reached a service itself, now or before.

        Raises:
            NotReached: it could not.
            GuardError: it did not come up.
        """
        name, until = self._name(service), time.monotonic() + REACH_LIMIT
        while service not in self._reached:
            if not self.is_there or self._process is None or not self._process.was_asked(name):
                self.prepare(service)
            process, left = self._process, until - time.monotonic()
            why = None if process is None else process.reaches(name, max(0.0, left))
            if why is None and left > 0:
                continue  # it was lost meanwhile: another one is asked
            if why != "":
                raise NotReached(why or f"it had no answer within {REACH_LIMIT:g} s")
            self._reached.add(service)

    def _name(self, service: Service) -> str:
        return self._services.setdefault(service, str(len(self._services)))

    def add(self, charge: Charge) -> None:
        """From now on the session is stopped when this process ends, however it ends.

        Raises:
            GuardError: there is no guard that hears it.
        """
        with self._lock:
            self._charges[charge.session_id] = (charge, time.monotonic())
            try:
                process = self._process if self.is_there else None
                if process is None or not process.hears(self._tell(_told(charge, charge.left)), HEAR_LIMIT):
                    self._renew()
            except GuardError:
                del self._charges[charge.session_id]
                raise
        self._deliver()

    def started(self, session_id: str, left: float) -> None:
        """The service confirmed the start, and ends the session so many seconds from now at the latest."""
        if session_id in self._charges:
            self._charges[session_id] = (replace(self._charges[session_id][0], left=left), time.monotonic())
            self._started.add(session_id)
            self._post({"do": "started", "id": session_id, "left": left})

    def stop(self, session_id: str) -> None:
        """Has the guard stop it now, although this process lives."""
        if session_id in self._charges:
            self._stopping.add(session_id)
            self._post({"do": "stop", "id": session_id})

    def hand_over(self, session_id: str) -> bool:
        """Has the guard stop it, for this process is done with it; whether it was in the guard's charge."""
        if session_id not in self._charges:
            return False
        self._stopping.add(session_id)
        self._post({"do": "hand over", "id": session_id})
        return True

    def done(self, session_id: str) -> None:
        """Nothing of it is billed any more; with the last session the guard goes."""
        self._post({"do": "done", "id": session_id})
        self._drop(session_id)
        self.leave_if_unused()

    def expect(self, client: Any) -> None:
        """It stays, for this client may start a session at any moment; until `unexpect`."""
        self._expecting.add(client)

    def unexpect(self, client: Any) -> None:
        """This client starts none any more."""
        self._expecting.discard(client)
        self.leave_if_unused()

    def leave_if_unused(self) -> None:
        """Lets it go where it has nothing to guard, and nothing is expected."""
        self._post({"do": "leave"})

    def _drop(self, session_id: str) -> None:
        self._charges.pop(session_id, None)
        self._handed.pop(session_id, None)
        self._started.discard(session_id)
        self._stopping.discard(session_id)

    def _post(self, told: dict[str, Any]) -> None:
        """Tells the guard, at once or once it has come up: the loop, which calls this, never waits for that."""
        self._outbox.append(told)
        self._deliver()

    def _deliver(self) -> None:
        while self._outbox and self._lock.acquire(blocking=False):
            try:
                while self._outbox:
                    self._deliver_one(self._outbox.popleft())
            finally:
                self._lock.release()

    def _deliver_one(self, told: dict[str, Any]) -> None:
        if told["do"] == "leave":
            if not self._charges and not self._expecting and self._process is not None:
                self._let_go(self._process)
        elif told["do"] == "hand over":
            # known here until it is heard: the next one learns of it, too, where this one is lost
            if told["id"] in self._charges:
                self._handed[told["id"]] = self._tell({**told, "do": "stop"})
        else:
            self._tell(told)

    def _tell(self, told: dict[str, Any]) -> int:
        return 0 if self._process is None else self._process.tell(told)

    def _renew(self) -> None:
        """Has another one come up, which is told what the one before it knew; that one ends only then.

        Raises:
            GuardError: it did not come up; the one before it is left as it is.
        """
        before, process = self._process, self._launch()
        self._process = process
        number = self._tell_all()
        if not process.hears(number, HEAR_LIMIT):
            self._process = before
            process.kill()
            process.end()
            raise GuardError(f"It did not answer within {HEAR_LIMIT:g} s.")
        if before is not None:
            # once it is continued it would take the end of its pipe for this process's
            before.kill()
            self._let_go(before)

    def _tell_all(self) -> int:
        number = self._tell({"do": "hear"})
        for session_id, (charge, since) in list(self._charges.items()):
            left = charge.left - (time.monotonic() - since)
            number = self._tell(_told(charge, left))
            if session_id in self._started:
                number = self._tell({"do": "started", "id": session_id, "left": left})
            if session_id in self._stopping:
                number = self._tell({"do": "stop", "id": session_id})
            if session_id in self._handed:
                self._handed[session_id] = number
        return number

    def _launch(self) -> Process:
        try:
            with self._opening:
                # a fork on another thread waits, and then finds and closes what is this process's
                command = [sys.executable, "-P", "-m", MODULE, str(os.getpid())]
                process = Process(command, _environment())
                self._open.add(process)
            is_ready = process.comes_up(READY_LIMIT)
        except (OSError, subprocess.SubprocessError) as failure:
            raise GuardError(f"{type(failure).__name__}: {failure}") from None
        if not is_ready:
            has_ended = process.is_gone
            self._close(process)
            raise GuardError("It ended at once." if has_ended else f"It was not ready within {READY_LIMIT:g} s.")
        with contextlib.suppress(RuntimeError):  # there are no more: the next start, or keep-alive, looks after it
            threading.Thread(target=self._watch, args=[process], name=THREAD_NAME, daemon=True).start()
            process.is_watched = True
        return process

    def _watch(self, process: Process) -> None:
        """Until it is let go: has another one take its place as soon as it is lost."""
        asked, is_told = time.monotonic(), False
        while not process.is_let_go.is_set():
            process.pause(PULSE)
            self._take_off(process)
            self._leave_if_forgotten()
            if process.is_gone or process.is_mute(HEAR_LIMIT):
                how = "has ended" if process.is_gone else "does not answer"
                why = self._replace(process)
                if why is None:
                    continue
                if not is_told:
                    logger.warning(
                        "the process that guards the sessions %s, and no other came up (%s): it is tried again; until "
                        "one is there, what runs when this process dies is billed to its cap", how, why,
                    )  # fmt: skip
                is_told = True
                process.is_let_go.wait(RENEW_PAUSE)
            elif time.monotonic() - asked >= PULSE:
                asked, is_told = time.monotonic(), False
                self._post({"do": "hear"})
        self._close(process)

    def _leave_if_forgotten(self) -> None:
        """Let it go where it came up for a start that was given up meanwhile, by whoever asked for it."""
        now = time.monotonic()
        if self._charges or self._expecting:
            self._wanted_at = now
        elif now - self._wanted_at > UNUSED_LIMIT:
            self.leave_if_unused()

    def _replace(self, process: Process) -> str | None:
        """Has another one take its place; why none came up."""
        with self._lock:
            if self._process is process and not process.is_let_go.is_set():
                if not self._charges and not self._expecting:
                    self._let_go(process)
                else:
                    try:
                        self._renew()
                    except GuardError as failure:
                        return str(failure)
                    logger.warning("the process that guards the sessions was lost: another one has taken its place")
        self._deliver()
        return None

    def _take_off(self, process: Process) -> None:
        """What was handed over, and is heard of, is no business of this process any more."""
        process.listen()
        if not self._handed:
            return
        with self._lock:
            known = self._handed if process is self._process else {}
            for session_id in [one for one, number in known.items() if process.has_heard(number)]:
                self._drop(session_id)
        self.leave_if_unused()

    def _let_go(self, process: Process) -> None:
        process.end()
        if self._process is process:
            self._process = None
        if not process.is_watched:
            self._close(process)

    def _close(self, process: Process) -> None:
        process.close()
        self._open.discard(process)


def _told(charge: Charge, left: float) -> dict[str, Any]:
    return {
        "do": "guard",
        "id": charge.session_id,
        **charge.service.told,
        "key": charge.key.reveal(),
        "left": left,
        "journal": None if charge.journal is None else str(charge.journal),
    }


def _environment() -> dict[str, str]:
    """What Python and the way to the service need of this process's own: a key may stand under any name.

    The path is this process's, too, but for the notebook's folder, which may shadow modules.
    """
    try:
        here = Path.cwd()
    except OSError:  # it was deleted
        here = None
    path = [entry for entry in sys.path if entry and (here is None or Path(entry) != here)]
    kept = {name: value for name, value in os.environ.items() if KEPT.fullmatch(name)}
    if here is not None:
        # the guard has another working directory
        kept |= {name: str(here / kept[name]) for name in FILES if kept.get(name)}
    return {**kept, "PYTHONPATH": os.pathsep.join(path)}


guard = Guard()
