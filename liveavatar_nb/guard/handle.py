"""What a kernel has of its guard: a pipe, whose end is the kernel's end."""

from __future__ import annotations

import contextlib
import json
import os
import re
import selectors
import subprocess
import sys
import threading
import time
import weakref
from collections import deque
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from ..config import Masked

THREAD_NAME: Final = "liveavatar_nb-guard"
READY_LIMIT: Final = 10.0  # s until it must say READY
MODULE: Final = __name__.rpartition(".")[0]
KEPT: Final = re.compile(
    r"PATH|HOME|LANG|LC_(ALL|COLLATE|CTYPE|MESSAGES|MONETARY|NUMERIC|TIME)|TZ|TMPDIR|TEMP|TMP|SYSTEMROOT"
    r"|PYTHONHOME|VIRTUAL_ENV|LD_LIBRARY_PATH|DYLD_[A-Z_]*PATH|DYLD_INSERT_LIBRARIES"
    r"|SSL_CERT_FILE|SSL_CERT_DIR|(https?|all|no)_proxy",
    re.IGNORECASE,
)


class GuardError(Exception):
    """The guard could not be started, or is gone; the message says why."""


@dataclass(frozen=True)
class Charge:
    """One session to guard.

    Args:
        session_id: the service's id.
        base_url: the service's address.
        key: signs the stop.
        left: seconds until nobody has to insist on the stop any more.
        journal: the folder of its record; None where it has none.
    """

    session_id: str
    base_url: str
    key: Masked
    left: float
    journal: Path | None


class Guard:
    """The guard of this process: started with its first session, or for one that is expected; gone with the last."""

    def __init__(self) -> None:
        self._reset()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(before=self._before_fork, after_in_parent=self._after_fork, after_in_child=self._forget)

    def _reset(self) -> None:
        self._lock = threading.RLock()
        self._opening = threading.Lock()
        self._pipe: int | None = None
        self._answers: int | None = None
        self._charges: dict[str, tuple[Charge, float]] = {}  # with the moment since which its `left` counts
        self._started: set[str] = set()
        self._stopping: set[str] = set()
        self._outbox: deque[dict[str, Any]] = deque()
        self._expecting: weakref.WeakSet[Any] = weakref.WeakSet()  # who may start one soon

    def _before_fork(self) -> None:
        self._opening.acquire()

    def _after_fork(self) -> None:
        self._opening.release()

    def _forget(self) -> None:
        """In a forked child: lets go of the pipe, which would hide the parent's death from the guard."""
        for descriptor in (self._pipe, self._answers):
            if descriptor is not None:
                with contextlib.suppress(OSError):
                    os.close(descriptor)
        self._reset()

    @property
    def is_there(self) -> bool:
        """Whether its process lives."""
        answers = self._answers
        if answers is None:
            return False
        # it says one word in its life: what can be read afterwards is its end
        try:
            return not _is_readable(answers, 0)
        except (OSError, ValueError, KeyError):  # closed at this moment by another thread
            return False

    def prepare(self) -> None:
        """Starts it where it is not there, and returns when it is ready.

        Raises:
            GuardError: it did not come up.
        """
        with self._lock:
            if not self.is_there:
                self._close()
                try:
                    self._start()
                    self._tell_all()
                except (OSError, subprocess.SubprocessError) as failure:
                    self._close()
                    raise GuardError(f"{type(failure).__name__}: {failure}") from None
                except GuardError:
                    self._close()
                    raise
        self._deliver()

    def _tell_all(self) -> None:
        """Tells a new guard what the one before it knew."""
        for session_id, (charge, since) in list(self._charges.items()):
            left = charge.left - (time.monotonic() - since)
            self._tell(_told(charge, left))
            if session_id in self._started:
                self._tell({"do": "started", "id": session_id, "left": left})
            if session_id in self._stopping:
                self._tell({"do": "stop", "id": session_id})

    def add(self, charge: Charge) -> None:
        """From now on the session is stopped when this process ends, however it ends.

        Raises:
            GuardError: there is no guard to tell.
        """
        with self._lock:
            self.prepare()
            try:
                self._tell(_told(charge, charge.left))
            except OSError as failure:
                raise GuardError(f"It is gone ({failure.strerror}).") from None
            self._charges[charge.session_id] = (charge, time.monotonic())
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
        threading.Thread(target=self._hand_over, args=[session_id], name=THREAD_NAME, daemon=True).start()
        return True

    def _hand_over(self, session_id: str) -> None:
        # it may have been killed, and another one may be needed, or just be coming up
        with contextlib.suppress(GuardError):
            self.prepare()
        self._post({"do": "hand over", "id": session_id})

    def done(self, session_id: str) -> None:
        """Nothing of it is billed any more; with the last session the guard goes."""
        self._post({"do": "done", "id": session_id})
        self._drop(session_id)

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
        self._started.discard(session_id)
        self._stopping.discard(session_id)
        self.leave_if_unused()

    def _post(self, told: dict[str, Any]) -> None:
        """Tells the guard, at once or once it has come up: the loop, which calls this, never waits for that."""
        self._outbox.append(told)
        self._deliver()

    def _deliver(self) -> None:
        while self._outbox and self._lock.acquire(blocking=False):
            try:
                while self._outbox:
                    with contextlib.suppress(OSError):  # it is gone: the next look starts another
                        self._deliver_one(self._outbox.popleft())
            finally:
                self._lock.release()

    def _deliver_one(self, told: dict[str, Any]) -> None:
        if told["do"] == "leave":
            if not self._charges and not self._expecting:
                self._close()
        elif told["do"] == "hand over":
            # known here until it is told: one that has just come up learns of it, too
            self._tell({**told, "do": "stop"})
            self._drop(told["id"])
        else:
            self._tell(told)

    def _start(self) -> None:
        with self._opening:
            # a fork on another thread waits, and then finds and closes what is this process's
            its_input, self._pipe = os.pipe()
            self._answers, its_output = os.pipe()
            try:
                process = subprocess.Popen(
                    [sys.executable, "-P", "-m", MODULE, str(os.getpid())],
                    stdin=its_input,
                    stdout=its_output,
                    stderr=subprocess.DEVNULL,
                    cwd="/" if os.name == "posix" else None,
                    env=_environment(),
                    start_new_session=True,
                )
            finally:
                os.close(its_input)
                os.close(its_output)
        try:
            self._wait_until_ready()
        except GuardError:
            process.kill()
            raise
        finally:
            # what was started has made the guard, and ended
            process.wait(READY_LIMIT)

    def _wait_until_ready(self) -> None:
        assert self._answers is not None
        if not _is_readable(self._answers, READY_LIMIT):
            raise GuardError(f"It was not ready within {READY_LIMIT:g} s.")
        if not os.read(self._answers, 16):
            raise GuardError("It ended at once.")

    def _tell(self, told: dict[str, Any]) -> None:
        if self._pipe is None:
            raise BrokenPipeError(32, "there is no guard")
        line = json.dumps(told).encode() + b"\n"
        del told  # a traceback that shows local variables must not show the key
        while line:
            line = line[os.write(self._pipe, line) :]

    def _close(self) -> None:
        for descriptor in (self._pipe, self._answers):
            if descriptor is not None:
                os.close(descriptor)
        self._pipe = self._answers = None


def _is_readable(descriptor: int, limit: float) -> bool:
    """Whether something, or the end, can be read within so many seconds; `select` itself takes no large descriptor."""
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        return bool(selector.select(limit))


def _told(charge: Charge, left: float) -> dict[str, Any]:
    return {
        "do": "guard",
        "id": charge.session_id,
        "base_url": charge.base_url,
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
    return {**kept, "PYTHONPATH": os.pathsep.join(path)}


guard = Guard()
