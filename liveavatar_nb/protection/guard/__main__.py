"""The guard process, which waits until the kernel is gone and then stops the sessions still open.

Each kernel with a session has one guard, a detached process. The guard reads the kernel's messages from standard
input, one JSON object per line. The key arrives the same way, so that no argument list, environment or file contains
it. While the kernel lives, the guard only waits and acknowledges each line. When the pipe closes, the kernel is gone.
The guard then stops the open sessions, and keeps trying until 60 s after each session's cap, whatever fails.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import select
import signal
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from ...rest.network import Network

PIECE: Final = 65536  # maximum bytes per read
# seconds from the first session to the import of the code that a stop needs, which may be uninstalled later
PRELOAD_AFTER: Final = 5.0
CALL_LIMIT: Final = 5.0  # maximum seconds for one stop
SHORTEST_WAIT: Final = 0.2  # minimum seconds between attempts
REACH_LIMIT: Final = 10.0  # maximum seconds for reaching a service
LOCK_LIMIT: Final = 2.0  # how long, in seconds, a kernel that is shutting down may still hold its lock
NEVER: Final = float("inf")


class GuardedSession:
    """One guarded session.

    Args:
        message: The kernel's `guard` message about the session.
    """

    def __init__(self, message: dict[str, Any]) -> None:
        from ...config import Masked  # noqa: PLC0415 (keeps the start fast)

        self.id: str = message["id"]
        self.base_url: str = message["base_url"]
        self.key = Masked(message.pop("key"), "of the kernel")
        self._network_options: dict[str, Any] = message["network"]
        self.journal: str | None = message["journal"]
        self.is_starting = True
        self.is_over = False  # whether nothing is left to do for this session
        self.bury_lock: Callable[[], bool] = lambda: True  # removes the owner's lock; returns whether it was free
        self.due = NEVER
        self._is_active = False
        self._attempts = 0
        self._looks: list[float] = []
        self.until(message["left"])

    @functools.cached_property
    def network(self) -> Network:
        """The proxies and certificates of the kernel's client; parsed once for all attempts."""
        from ...rest.network import Network  # noqa: PLC0415 (large, and may never be needed)

        return Network.from_json(self._network_options)

    def until(self, left: float) -> None:
        """Set the time limit for stopping the session to `left` seconds from now."""
        self._until = (time.monotonic() + left, time.time() + left)

    @property
    def is_past(self) -> bool:
        """Whether the time limit has passed, according to the monotonic clock or the wall clock."""
        return time.monotonic() > self._until[0] or time.time() > self._until[1]

    def activate(self) -> None:
        """Schedule the stop to happen immediately."""
        from ...config import UNKNOWN_LOOKS  # noqa: PLC0415 (keeps the start fast)

        if not self._is_active:
            self._is_active, self.due = True, time.monotonic()
            self._looks = [self.due + after for after in UNKNOWN_LOOKS] if self.is_starting else []

    def act(self) -> None:
        """Stop the session, or check that it did not start after an earlier stop."""
        from ...rest.retry import delay  # noqa: PLC0415 (keeps the start fast)
        from ..blocking_stop import BlockingStopper  # noqa: PLC0415 (large, and may never be needed)

        with BlockingStopper(CALL_LIMIT, self.network) as stopper:
            is_over = stopper.stop_for_certain(self.base_url, self.key, self.id)
        now = time.monotonic()
        if not is_over:
            self._attempts += 1
            self.due = now + max(SHORTEST_WAIT, delay(self._attempts, 0.5))
            self.is_over = self.is_past
            return
        self._attempts = 0
        # a start request with an unknown outcome may still take effect, because this stop may have overtaken it
        self._looks = [moment for moment in self._looks if moment > now]
        if self._looks:
            self.due = self._looks[0]
            return
        if self.journal is not None:
            from pathlib import Path  # noqa: PLC0415 (keeps the start fast)

            from ..journal import Journal  # noqa: PLC0415

            book = Journal(Path(self.journal))
            for entry in book.entries():
                if entry.session_id == self.id:
                    book.bury(entry)
                    self.bury_lock = functools.partial(book.bury_lock, entry)
        self.is_over = True


class KernelWatch:
    """Reads the kernel's messages, and stops sessions on request or once the kernel is gone.

    Each stop has its own thread, so a service that hangs delays neither other stops nor the reading of messages.
    """

    def __init__(self) -> None:
        self._sessions: dict[str, GuardedSession] = {}
        self._rest = b""
        self._kernel_lives = True
        self._preload_at = NEVER
        self._over: list[GuardedSession] = []
        self._woken, self._wake = os.pipe()

    def run(self) -> None:
        """Run until nothing is left to guard."""
        while self._kernel_lives or self._sessions:
            due = min([self._preload_at, *(session.due for session in self._sessions.values())])
            wait = None if due == NEVER else max(0.0, due - time.monotonic())
            readable, _, _ = select.select([self._woken, *([0] if self._kernel_lives else [])], [], [], wait)
            if self._woken in readable:
                os.read(self._woken, PIECE)
            if 0 in readable:
                self._read()
            self._start_due_work()
        # a kernel's pipe can close before its lock is released
        until = time.monotonic() + LOCK_LIMIT
        while [session for session in self._over if not session.bury_lock()] and time.monotonic() < until:
            time.sleep(SHORTEST_WAIT)

    def _read(self) -> None:
        piece = os.read(0, PIECE)
        if piece:
            *lines, self._rest = (self._rest + piece).split(b"\n")
            for line in lines:
                # a kernel that runs a different release of this package may send messages unknown to this one
                with contextlib.suppress(Exception):
                    message = json.loads(line)
                    self._handle(message)
                    say(heard=message["number"])
            return
        self._kernel_lives = False
        hang_up()
        for session in self._sessions.values():
            session.activate()

    def _handle(self, message: dict[str, Any]) -> None:
        session = self._sessions.get(message.get("id", ""))
        if message["do"] == "guard":
            self._sessions[message["id"]] = GuardedSession(message)
            self._preload_at = min(self._preload_at, time.monotonic() + PRELOAD_AFTER)
        elif message["do"] == "done":
            self._sessions.pop(message["id"], None)
        elif message["do"] == "reach":
            self._start_thread(self._reach, message)
        elif session is not None and message["do"] == "started":
            session.is_starting = False
            session.until(message["left"])
        elif session is not None and message["do"] == "stop":
            session.activate()

    def _start_due_work(self) -> None:
        now = time.monotonic()
        if now >= self._preload_at:
            self._preload_at = NEVER
            self._start_thread(self._preload)
        for session in list(self._sessions.values()):
            if session.is_over:
                self._over.append(self._sessions.pop(session.id))
            elif session.due <= now:
                session.due = NEVER
                self._start_thread(self._stop, session)

    @staticmethod
    def _start_thread(work: Callable[..., None], *args: Any) -> None:
        try:
            threading.Thread(target=work, args=args, daemon=True).start()
        except RuntimeError:  # no new thread can be started, so do the work on this one
            work(*args)

    def _preload(self) -> None:
        for session in list(self._sessions.values()):
            # ignore any failure here, because the stop will fail in the same way and be retried
            with contextlib.suppress(Exception):
                from .. import journal  # noqa: F401, PLC0415 (see PRELOAD_AFTER)
                from ..blocking_stop import BlockingStopper  # noqa: PLC0415

                with BlockingStopper(network=session.network) as stopper:
                    stopper.warm_up(session.base_url)

    @staticmethod
    def _reach(message: dict[str, Any]) -> None:
        why = ""
        try:
            from ...rest.network import Network  # noqa: PLC0415 (large; loads all that a stop needs)
            from ..blocking_stop import BlockingStopper  # noqa: PLC0415

            with BlockingStopper(REACH_LIMIT, Network.from_json(message["network"])) as stopper:
                stopper.reach(message["base_url"])
        except Exception as failure:  # noqa: BLE001 (every failure is reported to the kernel)
            why = f"{type(failure).__name__}: {failure}".removesuffix(": ")
        say(reached=message["id"], why=why)

    def _stop(self, session: GuardedSession) -> None:
        try:
            session.act()
        except Exception:  # noqa: BLE001 (nobody is left to read a report, and the session may still run)
            session.due = time.monotonic() + CALL_LIMIT
            session.is_over = session.is_past
        os.write(self._wake, b".")


def say(**message: Any) -> None:
    """Send the kernel a message if the kernel is still listening."""
    with contextlib.suppress(OSError):
        os.write(1, json.dumps(message).encode() + b"\n")


def hang_up() -> None:
    """Close our end of the pipe to the kernel, so that a kernel that reads from it need not wait for us to exit."""
    os.dup2(2, 1)


def detach() -> None:
    """Leave the kernel's process tree, because whatever kills a kernel often kills its children, too."""
    if hasattr(os, "fork") and os.fork():
        os._exit(0)
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        # a machine shutdown signals every process, but the guard must outlive the kernel to stop its sessions
        if number := getattr(signal, name, None):
            signal.signal(number, signal.SIG_IGN)
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource  # noqa: PLC0415 (not on every system)

        # a core dump would contain the key
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> None:
    """Run the guard until nothing is left to guard."""
    detach()
    # a kernel that does not read its messages must not block the guard
    os.set_blocking(1, False)
    say(ready=os.getpid())
    KernelWatch().run()


if __name__ == "__main__":
    main()
