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
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from ..config import Masked

READY_LIMIT: Final = 10.0  # s until it must say READY
MODULE: Final = __name__.rpartition(".")[0]
KEPT: Final = re.compile(
    r"PATH|HOME|LANG|LC_.*|TZ|TMPDIR|TEMP|TMP|SYSTEMROOT|PYTHONHOME|VIRTUAL_ENV|LD_LIBRARY_PATH|DYLD_.*"
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
    """The guard of this process: started with its first session, gone with its last one."""

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
        if self._answers is None:
            return False
        # it says one word in its life: what can be read afterwards is its end
        return not _is_readable(self._answers, 0)

    def prepare(self) -> None:
        """Starts it where it is not there, and returns when it is ready.

        Raises:
            GuardError: it did not come up.
        """
        with self._lock:
            if self.is_there:
                return
            self._close()
            try:
                self._start()
                for session_id, (charge, since) in self._charges.items():
                    left = charge.left - (time.monotonic() - since)
                    self._tell(_told(charge, left))
                    if session_id in self._started:
                        self._tell({"do": "started", "id": session_id, "left": left})
            except (OSError, subprocess.SubprocessError) as failure:
                self._close()
                raise GuardError(f"{type(failure).__name__}: {failure}") from None
            except GuardError:
                self._close()
                raise

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

    def started(self, session_id: str, left: float) -> None:
        """The service confirmed the start, and ends the session so many seconds from now at the latest."""
        with self._lock:
            if session_id in self._charges:
                charge, _ = self._charges[session_id]
                self._charges[session_id] = (replace(charge, left=left), time.monotonic())
                self._started.add(session_id)
                self._note(session_id, {"do": "started", "id": session_id, "left": left})

    def stop(self, session_id: str) -> None:
        """Has the guard stop it now, although this process lives."""
        self._note(session_id, {"do": "stop", "id": session_id})

    def hand_over(self, session_id: str) -> bool:
        """Has the guard stop it, for this process is done with it; whether there is a guard that does."""
        with self._lock:
            if session_id not in self._charges:
                return False
            with contextlib.suppress(GuardError):
                self.prepare()
            if not self.is_there:
                return False
            self.stop(session_id)
            self._drop(session_id)
            return True

    def done(self, session_id: str) -> None:
        """Nothing of it is billed any more; with the last session the guard goes."""
        with self._lock:
            self._note(session_id, {"do": "done", "id": session_id})
            self._drop(session_id)

    def _drop(self, session_id: str) -> None:
        self._charges.pop(session_id, None)
        self._started.discard(session_id)
        self.leave_if_unused()

    def leave_if_unused(self) -> None:
        """Lets it go where it has nothing to guard."""
        with self._lock:
            if not self._charges:
                self._close()

    def _note(self, session_id: str, told: dict[str, Any]) -> None:
        with self._lock:
            if session_id in self._charges and self._pipe is not None:
                with contextlib.suppress(OSError):  # it is gone: the next start, or the next look, starts another
                    self._tell(told)

    def _start(self) -> None:
        with self._opening:
            # known before there is a second process: a fork on another thread finds and closes it
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
        assert self._pipe is not None
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
