"""A guard process, the two pipes that connect the kernel to it, and the messages sent and acknowledged.

Every wait for the guard has a time limit, and no message needs another descriptor or thread.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

PIECE: Final = 65536  # maximum bytes per read or write
SLICE: Final = 0.02  # seconds between checks for messages that another thread has read


class GuardProcess:
    """A guard process, which starts when this object is created.

    Args:
        command: The command that runs the guard.
        environment: The guard's environment variables.

    Raises:
        OSError: The system is out of descriptors or processes.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        if not hasattr(select, "poll"):
            raise OSError(errno.ENOSYS, "this system cannot poll pipes")
        self.pid: int | None = None  # the guard's process id, once it is ready
        self.is_watched = False  # whether a thread is watching the process, and will close it at the end
        self.is_let_go = threading.Event()
        self._reading = threading.Lock()
        self._writing = threading.Lock()
        self._unsent = bytearray()
        self._unread = b""
        self._sent = 0  # messages
        self._heard = 0  # how many of the messages the guard has acknowledged
        self._unheard_since: float | None = None
        self._reached: dict[
            str, str | None
        ] = {}  # maps each service to the reason why it could not be reached; "" if it could, None while unknown
        self._is_closed = False
        ends: list[int] = []
        try:
            ends += os.pipe()
            ends += os.pipe()
            its_input, self._input, self._answers, its_answers = ends
            os.set_blocking(self._input, False)
            os.set_blocking(self._answers, False)
            self._launcher = subprocess.Popen(
                command,
                stdin=its_input,
                stdout=its_answers,
                stderr=subprocess.DEVNULL,
                cwd="/" if os.name == "posix" else None,
                env=environment,
                start_new_session=True,
            )
        except BaseException:
            for end in ends:
                os.close(end)
            raise
        os.close(its_input)
        os.close(its_answers)

    def comes_up(self, limit: float) -> bool:
        """Wait for the guard to be ready, for at most `limit` seconds, and return whether it is."""
        self._wait(lambda: self.pid is not None, limit)
        if self.pid is None:
            self._launcher.kill()
        # the launcher exits once it has forked the guard
        self._launcher.wait(limit)
        return self.pid is not None

    @property
    def is_gone(self) -> bool:
        """Whether the guard has exited or been released."""
        return self.is_let_go.is_set() or self._has_ended

    @property
    def _has_ended(self) -> bool:
        # if no events are requested, poll reports only that the pipe was closed
        return self._is_closed or _has_event(self._answers, 0, 0)

    def is_mute(self, limit: float) -> bool:
        """Return whether the guard has left a message unacknowledged for more than `limit` seconds."""
        self.listen()
        since = self._unheard_since
        return since is not None and time.monotonic() - since > limit

    def post(self, message: dict[str, Any]) -> int:
        """Send a message, now or once the pipe has room, and return the number of the message."""
        self._sent += 1
        number = self._sent
        self._unheard_since = self._unheard_since or time.monotonic()
        # append the whole line in one step, so that no other thread can write in the middle of it
        self._unsent += json.dumps({**message, "number": number}).encode() + b"\n"
        self.send()
        return number

    def send(self) -> None:
        """Write as much unsent text as the pipe will accept, unless another thread is already writing."""
        while self._unsent and not self.is_let_go.is_set() and self._writing.acquire(blocking=False):
            try:
                while self._unsent and not self.is_let_go.is_set():
                    del self._unsent[: os.write(self._input, self._unsent[:PIECE])]
            except OSError:  # the pipe is full, or its other end is closed
                return
            finally:
                self._writing.release()

    def ask(self, name: str, service: dict[str, Any]) -> None:
        """Ask the guard to reach a service, unless the guard is already trying to."""
        if self._reached.get(name, "") is not None:
            self._reached[name] = None
            self.post({**service, "do": "reach", "id": name})

    def reaches(self, name: str, limit: float) -> str | None:
        """Wait until the guard has tried to reach a service, for at most `limit` seconds.

        Returns:
            The reason why the guard could not reach the service; "" if it could, None if the outcome is unknown.
        """
        self._wait(lambda: self._reached.get(name) is not None, limit)
        return self._reached.get(name)

    def was_asked(self, name: str) -> bool:
        """Return whether the guard was asked to reach a service."""
        return name in self._reached

    def hears(self, number: int, limit: float) -> bool:
        """Wait for a message to be acknowledged, for at most `limit` seconds, and return whether it was."""
        return self._wait(lambda: self._heard >= number, limit)

    def has_heard(self, number: int) -> bool:
        """Return whether the guard is known to have acknowledged a message."""
        return self._heard >= number

    def pause(self, limit: float) -> None:
        """Wait until the guard sends something or exits, for at most `limit` seconds."""
        _has_event(self._answers, select.POLLIN, limit)

    def listen(self) -> None:
        """Read and handle what the guard has sent."""
        with self._reading:
            while not self._is_closed:
                try:
                    piece = os.read(self._answers, PIECE)
                except OSError:  # there is nothing more to read for now
                    return
                if not piece:
                    return
                *lines, self._unread = (self._unread + piece).split(b"\n")
                for line in lines:
                    self._handle(json.loads(line))

    def _handle(self, message: dict[str, Any]) -> None:
        if "ready" in message:
            self.pid = message["ready"]
        elif "heard" in message:
            self._heard = message["heard"]
            self._unheard_since = None if self._heard == self._sent else time.monotonic()
        elif "reached" in message:
            self._reached[message["reached"]] = message["why"]

    def _wait(self, condition: Callable[[], bool], limit: float) -> bool:
        deadline = time.monotonic() + limit
        while True:
            is_last = self.is_gone or time.monotonic() > deadline
            self.listen()
            if is_last or condition():
                return condition()
            _has_event(self._answers, select.POLLIN, SLICE)

    def end(self) -> None:
        """Release the guard, which exits once it has handled all messages."""
        with self._writing:
            if not self.is_let_go.is_set():
                self.is_let_go.set()
                os.close(self._input)

    def kill(self) -> None:
        """Kill the guard, whatever it is doing."""
        if self.pid is not None and not self._has_ended:
            with contextlib.suppress(OSError):
                os.kill(self.pid, signal.SIGKILL)

    def close(self) -> None:
        """Close the pipes in both directions."""
        self.end()
        with self._reading:
            if not self._is_closed:
                self._is_closed = True
                os.close(self._answers)

    def forget(self) -> None:
        """In a forked child, close the pipes, because open copies would hide the parent's death."""
        # do not use the locks, because the fork may have copied them while they were held
        for descriptor, is_closed in ((self._input, self.is_let_go.is_set()), (self._answers, self._is_closed)):
            if not is_closed:
                with contextlib.suppress(OSError):
                    os.close(descriptor)
        self._is_closed = True
        self.is_let_go.set()


def _has_event(descriptor: int, events: int, limit: float) -> bool:
    """Wait up to `limit` seconds for an event or the end of the pipe; return whether either occurred."""
    # avoid `selectors`, which may need another descriptor
    poll = select.poll()
    poll.register(descriptor, events)
    return bool(poll.poll(limit * 1000))
