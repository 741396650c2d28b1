"""The simulator's child process, seen from its parent: started, asked whether it lives, ended."""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

START_LIMIT: Final = 20.0  # seconds until the child must be ready
CLOSE_LIMIT: Final = 3.0  # seconds until a child that was told to end is killed
TAIL_BYTES: Final = 4_000
LONGEST_READY: Final = 1_024  # bytes
SCRIPT: Final = Path(__file__).with_name("__main__.py")
SECRET_VARIABLE: Final = re.compile(r"^LIVEAVATAR_|(KEY|TOKEN|SECRET|PASSWORD)$")

_living: weakref.WeakSet[ChildProcess] = weakref.WeakSet()


class SimulatorError(RuntimeError):
    """The simulator did not start, is gone, or refused what its owner asked of it."""


class _Popen(subprocess.Popen[bytes]):
    def __del__(self, *_: object) -> None:
        """Says nothing: at the interpreter's end the pipe's end is what ends the child, after every atexit."""


class ChildProcess:
    """One child that serves until its pipe is closed; `ChildProcess(...)` returns when it is ready.

    Parameters
    ----------
    told: what it is to know, as JSON; it travels through the pipe, never by argv, environment or disk.
    """

    def __init__(self, told: Mapping[str, Any]) -> None:
        self._owner = os.getpid()
        # bare descriptors: a fork can close them whatever lock a thread of its parent held
        self._errors = _unnamed_file()
        end_of_child, self._pipe = os.pipe()
        self._closed = False
        self._closing = threading.Lock()
        try:
            self._process = _Popen(
                [sys.executable, "-P", str(SCRIPT)],
                stdin=end_of_child,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                env=_environment(),
                start_new_session=True,
            )
        except BaseException:
            self.forget()
            raise
        finally:
            os.close(end_of_child)
        self.pid = self._process.pid
        _living.add(self)
        try:
            self._tell(told)
            self.url = self._ready()
        except BaseException:
            self.close()
            raise

    @property
    def closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        """Ends the child and waits until it is gone; idempotent, and nothing in a forked child."""
        if os.getpid() != self._owner:
            return
        with self._closing:
            if self._closed:
                return
            self._closed = True
            _living.discard(self)
            os.close(self._pipe)
            try:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(CLOSE_LIMIT)
            finally:
                if self._process.poll() is None:
                    self._process.kill()
                    self._process.wait()
                os.close(self._errors)

    def check(self, grace: float = 0.0) -> None:
        """Raises `SimulatorError` where the child cannot answer.

        Parameters
        ----------
        grace: seconds that a child which is just ending may take: its sockets go before its exit code comes.
        """
        if os.getpid() != self._owner:
            raise SimulatorError(f"The simulator belongs to process {self._owner}, not to this fork of it")
        if self._closed:
            raise SimulatorError("The simulator is closed")
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = self._process.wait(grace)
            raise SimulatorError(f"The simulator ended with exit code {code}{self._tail()}")

    def forget(self) -> None:
        """In a forked child: lets go of the pipe, which would keep the simulator alive after the parent."""
        os.close(self._pipe)
        os.close(self._errors)

    def _tell(self, told: Mapping[str, Any]) -> None:
        line = json.dumps({**told, "parent": self._owner, "path": _path()}).encode() + b"\n"
        with contextlib.suppress(BrokenPipeError):  # it is gone already: `_ready` says why
            while line:
                line = line[os.write(self._pipe, line) :]

    def _ready(self) -> str:
        assert self._process.stdout is not None
        deadline = time.monotonic() + START_LIMIT
        line = b""
        with self._process.stdout as output:
            while not line.endswith(b"\n"):
                if not select.select([output], [], [], max(0.0, deadline - time.monotonic()))[0]:
                    raise SimulatorError(f"The simulator was not ready after {START_LIMIT:g} s{self._tail()}")
                if not (more := os.read(output.fileno(), LONGEST_READY)):
                    raise SimulatorError(f"The simulator did not start{self._tail()}")
                line += more
        return line.decode().split()[1]

    def _tail(self) -> str:
        size = os.fstat(self._errors).st_size
        text = os.pread(self._errors, TAIL_BYTES, max(0, size - TAIL_BYTES)).decode(errors="replace").strip()
        return f":\n{text}" if text else ""


def _unnamed_file() -> int:
    # a file and not a pipe: nobody has to drain it, so no thread is needed
    descriptor, name = tempfile.mkstemp()
    Path(name).unlink()
    return descriptor


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not SECRET_VARIABLE.search(name)}


def _path() -> list[str]:
    """Where the child may look for packages that its own path does not lead to: not in the notebook's folder."""
    try:
        here = Path.cwd()
    except FileNotFoundError:  # it was deleted
        return []
    return [str(folder) for entry in sys.path if entry and (folder := here / entry) != here]


def _forget_all() -> None:
    for child in list(_living):
        child.forget()


os.register_at_fork(after_in_child=_forget_all)
