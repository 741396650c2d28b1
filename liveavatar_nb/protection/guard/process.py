"""One process that guards: the two pipes to it, what it was told, and how far it has heard it.

Only what has a limit waits for it, and nothing that is told needs a descriptor or a thread more.
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

PIECE: Final = 65536  # bytes that are read, or written, at once
SLICE: Final = 0.02  # s after which a wait looks at what another thread has read


class Process:
    """A guard that comes up.

    Args:
        command: what runs it.
        environment: what it has in its environment.

    Raises:
        OSError: there are no more descriptors, or processes.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        if not hasattr(select, "poll"):
            raise OSError(errno.ENOSYS, "this system cannot wait for pipes")
        self.pid: int | None = None  # its own, once it is ready
        self.is_watched = False  # by a thread, which also closes it
        self.is_let_go = threading.Event()
        self._reading = threading.Lock()
        self._writing = threading.Lock()
        self._unsent = bytearray()
        self._unread = b""
        self._told = 0  # lines
        self._heard = 0  # of them
        self._unheard_since: float | None = None
        self._reached: dict[str, str | None] = {}  # by what it was asked for: why it could not, None until it is known
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
        """Whether it is ready within so many seconds."""
        self._wait(lambda: self.pid is not None, limit)
        if self.pid is None:
            self._launcher.kill()
        # what was started has made the guard, and ended
        self._launcher.wait(limit)
        return self.pid is not None

    @property
    def is_gone(self) -> bool:
        """Whether it has ended, or was let go."""
        return self.is_let_go.is_set() or self._has_ended

    @property
    def _has_ended(self) -> bool:
        # no event is asked for: what remains is the pipe's end
        return self._is_closed or _has_event(self._answers, 0, 0)

    def is_mute(self, limit: float) -> bool:
        """Whether it has not heard for so many seconds what it was told: it may be stopped."""
        self.listen()
        since = self._unheard_since
        return since is not None and time.monotonic() - since > limit

    def tell(self, told: dict[str, Any]) -> int:
        """Tells it something, at once or once its pipe takes it; the number by which `hears` knows it."""
        self._told += 1
        number = self._told
        self._unheard_since = self._unheard_since or time.monotonic()
        # one step, in whose middle no other line comes; and no local here holds the text, which can have the key
        self._unsent += json.dumps({**told, "number": number}).encode() + b"\n"
        del told
        self.send()
        return number

    def send(self) -> None:
        """Sends of what is unsent what the pipe takes; who finds another thread at that leaves it to it."""
        while self._unsent and not self.is_let_go.is_set() and self._writing.acquire(blocking=False):
            try:
                while self._unsent and not self.is_let_go.is_set():
                    del self._unsent[: os.write(self._input, self._unsent[:PIECE])]
            except OSError:  # the pipe is full, or has no other end any more
                return
            finally:
                self._writing.release()

    def ask(self, whom: str, told: dict[str, Any]) -> None:
        """Has it reach a service, unless it is at it."""
        if self._reached.get(whom, "") is not None:
            self._reached[whom] = None
            self.tell({**told, "do": "reach", "id": whom})

    def reaches(self, whom: str, limit: float) -> str | None:
        """Why it could not reach it, "" where it could; None where that is not known within so many seconds."""
        self._wait(lambda: self._reached.get(whom) is not None, limit)
        return self._reached.get(whom)

    def was_asked(self, whom: str) -> bool:
        """Whether it has reached it, has tried, or is at it."""
        return whom in self._reached

    def hears(self, number: int, limit: float) -> bool:
        """Whether it hears within so many seconds what it was told by this number."""
        return self._wait(lambda: self._heard >= number, limit)

    def has_heard(self, number: int) -> bool:
        """Whether it is known to have heard that."""
        return self._heard >= number

    def pause(self, limit: float) -> None:
        """Returns once it has said something, or has ended, and after so many seconds at the latest."""
        _has_event(self._answers, select.POLLIN, limit)

    def listen(self) -> None:
        """Takes in what it has said."""
        with self._reading:
            while not self._is_closed:
                try:
                    piece = os.read(self._answers, PIECE)
                except OSError:  # nothing more for now
                    return
                if not piece:
                    return
                *lines, self._unread = (self._unread + piece).split(b"\n")
                for line in lines:
                    self._take(json.loads(line))

    def _take(self, said: dict[str, Any]) -> None:
        if "ready" in said:
            self.pid = said["ready"]
        elif "heard" in said:
            self._heard = said["heard"]
            self._unheard_since = None if self._heard == self._told else time.monotonic()
        elif "reached" in said:
            self._reached[said["reached"]] = said["why"]

    def _wait(self, condition: Callable[[], bool], limit: float) -> bool:
        deadline = time.monotonic() + limit
        while True:
            is_last = self.is_gone or time.monotonic() > deadline
            self.listen()
            if is_last or condition():
                return condition()
            _has_event(self._answers, select.POLLIN, SLICE)

    def end(self) -> None:
        """Lets it go: it ends once it has done what it was told."""
        with self._writing:
            if not self.is_let_go.is_set():
                self.is_let_go.set()
                os.close(self._input)

    def kill(self) -> None:
        """Ends it, whatever it does."""
        if self.pid is not None and not self._has_ended:
            with contextlib.suppress(OSError):
                os.kill(self.pid, signal.SIGKILL)

    def close(self) -> None:
        """Nothing is said any more, in neither direction."""
        self.end()
        with self._reading:
            if not self._is_closed:
                self._is_closed = True
                os.close(self._answers)

    def forget(self) -> None:
        """In a forked child: lets go of the pipes, which would hide the parent's death from the guard."""
        # the locks are as the fork found them
        for descriptor, is_closed in ((self._input, self.is_let_go.is_set()), (self._answers, self._is_closed)):
            if not is_closed:
                with contextlib.suppress(OSError):
                    os.close(descriptor)
        self._is_closed = True
        self.is_let_go.set()


def _has_event(descriptor: int, events: int, limit: float) -> bool:
    """Whether there is one of these, or the end, within so many seconds; `selectors` would need a descriptor more."""
    poll = select.poll()
    poll.register(descriptor, events)
    return bool(poll.poll(limit * 1000))
