"""The parent's control over the simulator's child process: starting, checking and stopping it."""

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

START_LIMIT: Final = 20.0  # seconds to wait for the child to be ready
CLOSE_LIMIT: Final = 3.0  # seconds to wait for a child to exit before killing it
TAIL_BYTES: Final = 4_000
LONGEST_READY: Final = 1_024  # bytes
SCRIPT: Final = Path(__file__).with_name("__main__.py")
SECRET_VARIABLE: Final = re.compile(r"^LIVEAVATAR_|(KEY|TOKEN|SECRET|PASSWORD)$")

_children: weakref.WeakSet[ChildProcess] = weakref.WeakSet()


class SimulatorError(RuntimeError):
    """Raised if the simulator does not start or respond, has exited, or refuses one of its owner's commands."""


class _Popen(subprocess.Popen[bytes]):
    def __del__(self, *_: object) -> None:
        """Suppress the warning about a running child; the child exits when the pipe closes at interpreter exit."""


class ChildProcess:
    """A child process that serves until its pipe is closed; the constructor waits until it is ready.

    Args:
        settings: JSON data for the child, sent through the pipe only: never in arguments, the environment or a file.

    Attributes:
        pid: The child's process id.
        url: The base URL that the child serves.

    Raises:
        SimulatorError: The child did not start.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._owner = os.getpid()
        # use raw descriptors: a forked child can close them even if another thread held a lock during the fork
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
        _children.add(self)
        try:
            self._send(settings)
            self.url = self._wait_until_ready()
        except BaseException:
            self.close()
            raise

    @property
    def closed(self) -> bool:
        """Whether `close` has been called."""
        return self._closed

    def close(self) -> None:
        """Shut down the child and wait until it has exited.

        Calling this again, or in a forked child, does nothing.
        """
        if os.getpid() != self._owner:
            return
        with self._closing:
            if self._closed:
                return
            self._closed = True
            _children.discard(self)
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
        """Check that the child is running.

        Args:
            grace: Seconds to wait for the child to exit; useful when its sockets have just closed.

        Raises:
            SimulatorError: The child has exited, `close` was called, or this process is a fork of the child's parent.
        """
        if os.getpid() != self._owner:
            raise SimulatorError(f"The simulator belongs to process {self._owner}, not to this forked process")
        if self._closed:
            raise SimulatorError("The simulator is closed")
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = self._process.wait(grace)
            raise SimulatorError(f"The simulator exited with code {code}{self._tail()}")

    def forget(self) -> None:
        """Close the descriptors in a forked child, because an open pipe would keep the simulator alive."""
        os.close(self._pipe)
        os.close(self._errors)

    def _send(self, settings: Mapping[str, Any]) -> None:
        line = json.dumps({**settings, "parent": self._owner, "path": _import_path()}).encode() + b"\n"
        with contextlib.suppress(BrokenPipeError):  # the child has exited; `_wait_until_ready` reports why
            while line:
                line = line[os.write(self._pipe, line) :]

    def _wait_until_ready(self) -> str:
        assert self._process.stdout is not None
        deadline = time.monotonic() + START_LIMIT
        line = b""
        with self._process.stdout as output:
            while not line.endswith(b"\n"):
                if not select.select([output], [], [], max(0.0, deadline - time.monotonic()))[0]:
                    raise SimulatorError(f"The simulator was not ready within {START_LIMIT:g} s{self._tail()}")
                if not (more := os.read(output.fileno(), LONGEST_READY)):
                    raise SimulatorError(f"The simulator did not start{self._tail()}")
                line += more
        return line.decode().split()[1]

    def _tail(self) -> str:
        size = os.fstat(self._errors).st_size
        text = os.pread(self._errors, TAIL_BYTES, max(0, size - TAIL_BYTES)).decode(errors="replace").strip()
        return f":\n{text}" if text else ""


def _unnamed_file() -> int:
    # use a file, because a pipe would need a thread to drain it
    descriptor, name = tempfile.mkstemp()
    Path(name).unlink()
    return descriptor


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not SECRET_VARIABLE.search(name)}


def _import_path() -> list[str]:
    """Return this process's import path without the working directory, which is the notebook's folder."""
    try:
        here = Path.cwd()
    except FileNotFoundError:  # the working directory was deleted
        return []
    return [str(folder) for entry in sys.path if entry and (folder := here / entry) != here]


def _forget_all() -> None:
    for child in list(_children):
        child.forget()


os.register_at_fork(after_in_child=_forget_all)
