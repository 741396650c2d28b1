"""The guard: waits for its kernel's end, and then stops the sessions that are still open.

One detached process for each kernel that has a session. What it is to guard comes through its standard input, a
line of JSON each, with the key: so no key is in an argv, an environment or a file. The pipe's end is the kernel's
end. Until then it only waits, and says how far it has heard; afterwards it stops what is open, and insists until 60 s
after a session's cap. Nothing that goes wrong ends it before.
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

PIECE: Final = 65536  # bytes that are read at once
PRELOAD_AFTER: Final = 5.0  # s with a session until what a stop needs is imported: it may be uninstalled later
CALL_LIMIT: Final = 5.0  # s for one stop
SHORTEST_WAIT: Final = 0.2  # s between two attempts
REACH_LIMIT: Final = 10.0  # s to reach a service
LOCK_LIMIT: Final = 2.0  # s that the lock of a kernel that is just ending may still be held
NEVER: Final = float("inf")


class Charge:
    """One session that is guarded.

    Args:
        told: what the kernel said of it.
    """

    def __init__(self, told: dict[str, Any]) -> None:
        from ...config import Masked  # noqa: PLC0415 (a quick start)

        self.id: str = told["id"]
        self.base_url: str = told["base_url"]
        self.key = Masked(told.pop("key"), "of the kernel")
        self._way: dict[str, Any] = told["network"]
        self.journal: str | None = told["journal"]
        self.is_starting = True
        self.is_over = False  # whether there is nothing left to do
        self.bury_lock: Callable[[], bool] = lambda: True  # whether nothing of its owner's is left in the journal
        self.due = NEVER
        self._is_active = False
        self._attempts = 0
        self._looks: list[float] = []
        self.until(told["left"])

    @functools.cached_property
    def network(self) -> Network:
        """The way of the kernel's client; certificates are read once, for a guard may insist for many minutes."""
        from ...rest.network import Network  # noqa: PLC0415 (large, and may never be needed)

        return Network.from_told(self._way)

    def until(self, left: float) -> None:
        """In so many seconds nobody has to insist any more."""
        self._until = (time.monotonic() + left, time.time() + left)

    @property
    def is_past(self) -> bool:
        """Whether the service has ended it for certain: by the clock that may sleep, or by the one that may jump."""
        return time.monotonic() > self._until[0] or time.time() > self._until[1]

    def activate(self) -> None:
        """From now on it is stopped."""
        from ...config import UNKNOWN_LOOKS  # noqa: PLC0415 (a quick start)

        if not self._is_active:
            self._is_active, self.due = True, time.monotonic()
            self._looks = [self.due + after for after in UNKNOWN_LOOKS] if self.is_starting else []

    def act(self) -> None:
        """Stops it, or looks whether it has come back."""
        from ...rest.retry import delay  # noqa: PLC0415 (a quick start)
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
        # a start whose outcome nobody learnt can still be applied: a stop can overtake it
        self._looks = [moment for moment in self._looks if moment > now]
        if self._looks:
            self.due = self._looks[0]
            return
        if self.journal is not None:
            from pathlib import Path  # noqa: PLC0415 (a quick start)

            from ..journal import Journal  # noqa: PLC0415

            book = Journal(Path(self.journal))
            for entry in book.entries():
                if entry.session_id == self.id:
                    book.bury(entry)
                    self.bury_lock = functools.partial(book.bury_lock, entry)
        self.is_over = True


class Watch:
    """Reads what the kernel says, and acts where it is asked to, or once the kernel is gone.

    Each act has a thread: a service that hangs holds up neither the stop of another session nor the reading.
    """

    def __init__(self) -> None:
        self._charges: dict[str, Charge] = {}
        self._rest = b""
        self._kernel_lives = True
        self._preload_at = NEVER
        self._over: list[Charge] = []
        self._woken, self._wake = os.pipe()

    def run(self) -> None:
        """Returns when there is nothing left to guard."""
        while self._kernel_lives or self._charges:
            due = min([self._preload_at, *(charge.due for charge in self._charges.values())])
            wait = None if due == NEVER else max(0.0, due - time.monotonic())
            readable, _, _ = select.select([self._woken, *([0] if self._kernel_lives else [])], [], [], wait)
            if self._woken in readable:
                os.read(self._woken, PIECE)
            if 0 in readable:
                self._read()
            self._act()
        # the end of a kernel's pipe can come before that of its lock
        until = time.monotonic() + LOCK_LIMIT
        while [charge for charge in self._over if not charge.bury_lock()] and time.monotonic() < until:
            time.sleep(SHORTEST_WAIT)

    def _read(self) -> None:
        piece = os.read(0, PIECE)
        if piece:
            *lines, self._rest = (self._rest + piece).split(b"\n")
            for line in lines:
                # what another release of this package says is heard as far as it is understood
                with contextlib.suppress(Exception):
                    told = json.loads(line)
                    self._take(told)
                    say(heard=told["number"])
            return
        self._kernel_lives = False
        hang_up()
        for charge in self._charges.values():
            charge.activate()

    def _take(self, told: dict[str, Any]) -> None:
        charge = self._charges.get(told.get("id", ""))
        if told["do"] == "guard":
            self._charges[told["id"]] = Charge(told)
            self._preload_at = min(self._preload_at, time.monotonic() + PRELOAD_AFTER)
        elif told["do"] == "done":
            self._charges.pop(told["id"], None)
        elif told["do"] == "reach":
            self._begin(self._reach, told)
        elif charge is not None and told["do"] == "started":
            charge.is_starting = False
            charge.until(told["left"])
        elif charge is not None and told["do"] == "stop":
            charge.activate()

    def _act(self) -> None:
        now = time.monotonic()
        if now >= self._preload_at:
            self._preload_at = NEVER
            self._begin(self._preload)
        for charge in list(self._charges.values()):
            if charge.is_over:
                self._over.append(self._charges.pop(charge.id))
            elif charge.due <= now:
                charge.due = NEVER
                self._begin(self._stop, charge)

    @staticmethod
    def _begin(work: Callable[..., None], *args: Any) -> None:
        try:
            threading.Thread(target=work, args=args, daemon=True).start()
        except RuntimeError:  # the machine has no more of them: better late than never
            work(*args)

    def _preload(self) -> None:
        for charge in list(self._charges.values()):
            # what is wrong with the way to a service is so for its stop, too, which is tried again and again
            with contextlib.suppress(Exception):
                from .. import journal  # noqa: F401, PLC0415 (see PRELOAD_AFTER)
                from ..blocking_stop import BlockingStopper  # noqa: PLC0415

                with BlockingStopper(network=charge.network) as stopper:
                    stopper.warm_up(charge.base_url)

    @staticmethod
    def _reach(told: dict[str, Any]) -> None:
        why = ""
        try:
            from ...rest.network import Network  # noqa: PLC0415 (large: and once it is there, so is all that a stop needs)
            from ..blocking_stop import BlockingStopper  # noqa: PLC0415

            with BlockingStopper(REACH_LIMIT, Network.from_told(told["network"])) as stopper:
                stopper.reach(told["base_url"])
        except Exception as failure:  # noqa: BLE001 (the kernel is told, whatever it was)
            why = f"{type(failure).__name__}: {failure}".removesuffix(": ")
        say(reached=told["id"], why=why)

    def _stop(self, charge: Charge) -> None:
        try:
            charge.act()
        except Exception:  # noqa: BLE001 (nobody is there to read of it, and the session may run)
            charge.due = time.monotonic() + CALL_LIMIT
            charge.is_over = charge.is_past
        os.write(self._wake, b".")


def say(**said: Any) -> None:
    """Tells the kernel something, if it listens."""
    with contextlib.suppress(OSError):
        os.write(1, json.dumps(said).encode() + b"\n")


def hang_up() -> None:
    """Says no more: the kernel is not there, or is done with this guard, and need not wait for its end."""
    os.dup2(2, 1)


def detach() -> None:
    """Leaves the kernel's tree of processes: what ends a kernel ends its children, too."""
    if hasattr(os, "fork") and os.fork():
        os._exit(0)
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        # a machine that goes down sends them to all: the kernel dies by them, and then its sessions are stopped
        if number := getattr(signal, name, None):
            signal.signal(number, signal.SIG_IGN)
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource  # noqa: PLC0415 (not on every system)

        # a dump would hold the key
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> None:
    """Runs the guard until there is nothing left to guard."""
    detach()
    # a kernel that does not listen must not hold it up
    os.set_blocking(1, False)
    say(ready=os.getpid())
    Watch().run()


if __name__ == "__main__":
    main()
