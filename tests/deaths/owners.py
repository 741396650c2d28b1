"""A process that has a session and is about to die: the ways of it, and what may be left of it afterwards."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

from liveavatar_nb import Simulator
from liveavatar_nb.protection.journal import journal

PATIENCE = 10.0  # s until something has happened; how long it took is the benchmarks' subject
DONE = "done"  # the line after all that a step printed

# what it is to do comes line by line, so that no argv holds a key
PROGRAM = f"""
import json, sys
for line in sys.stdin:
    exec(json.loads(line))
    print({DONE!r}, flush=True)
"""
CONNECT = """
import os, time
from liveavatar_nb import LiveAvatar
la = LiveAvatar({key!r}, api_url={url!r})
"""
START = "session = la.start('Silas', concurrent=True)\nprint(session.id)"


def connect(simulator: Simulator) -> str:
    """What makes `la`, a client of the simulator."""
    return CONNECT.format(key=simulator.api_key, url=simulator.url)


class Owner:
    """A process that does what it is told, in a group of its own.

    Args:
        environment: what it has in its environment beside what this process has.
        errors: takes its standard error; this process's own where not given.
    """

    def __init__(self, environment: dict[str, str] | None = None, errors: IO[bytes] | int | None = None) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )
        self.pid = self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with suppress(OSError):
                pipe.close()

    def begin(self, code: str) -> None:
        """Has it do something."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(code).encode() + b"\n")
        self._process.stdin.flush()

    def end(self) -> str:
        """What it printed, once it has done it; the rest where it died of it."""
        assert self._process.stdout is not None
        printed = []
        while (line := self._process.stdout.readline().decode()) and line.strip() != DONE:
            printed.append(line)
        return "".join(printed).strip()

    def run(self, code: str) -> str:
        """Has it do something; what it printed."""
        self.begin(code)
        return self.end()

    def leave(self) -> None:
        """Has its program come to its end."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    def wait(self) -> int:
        """How it ended."""
        return self._process.wait(PATIENCE)

    def kill(self) -> None:
        """Ends it by SIGKILL, where it lives still."""
        self._process.kill()
        self._process.wait(PATIENCE)


@dataclass(frozen=True)
class Death:
    """A way to die.

    Args:
        name: what kills.
        begins: begins it.
        before: what the process does first.
    """

    name: str
    begins: Callable[[Owner], None]
    before: str = "print(os.getpid())"


def _by(number: signal.Signals) -> Callable[[Owner], None]:
    return lambda owner: os.kill(owner.pid, number)


def _of(code: str) -> Callable[[Owner], None]:
    return lambda owner: owner.begin(code)


FORK = """
if not (child := os.fork()):
    # as a worker that goes on: it holds copies of all that its parent had open
    time.sleep(600)
    os._exit(0)
print(child)
"""
MULTIPROCESSING = """
import multiprocessing
worker = multiprocessing.get_context("fork").Process(target=time.sleep, args=(600,))
worker.start()
print(worker.pid)
"""
DEATHS = [
    Death("SIGKILL", _by(signal.SIGKILL)),
    Death("SIGTERM", _by(signal.SIGTERM)),
    Death("SIGHUP", _by(signal.SIGHUP)),
    Death("killpg", lambda owner: os.killpg(owner.pid, signal.SIGKILL)),
    Death("os._exit", _of("os._exit(3)")),
    Death("uncaught error", _of("1 / 0")),
    Death("normal exit", Owner.leave),
    Death("SIGKILL, a fork lives on", _by(signal.SIGKILL), FORK),
    Death("SIGKILL, a multiprocessing worker lives on", _by(signal.SIGKILL), MULTIPROCESSING),
]


def guards(pid: int | str) -> list[int]:
    """The processes that guard this one."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                argv = (entry / "cmdline").read_bytes().split(b"\0")
                if b"liveavatar_nb.protection.guard" in argv and str(pid).encode() in argv:
                    found.append(int(entry.name))
    return found


def kill_guards(pid: int | str) -> None:
    """Ends them by SIGKILL; a kernel that lives and has a session has another one soon."""
    killed = guards(pid)
    for guard in killed:
        with suppress(ProcessLookupError):
            os.kill(guard, signal.SIGKILL)
    assert settles(lambda: not set(killed) & set(guards(pid)))


def left_of(pid: int) -> list[str]:
    """What a process that is gone has left: guards, and all that lies in the journal."""
    written = [item.name for item in journal.folder.iterdir()] if journal.folder.exists() else []
    return [*(f"guard {guard}" for guard in guards(pid)), *written]


def settles(condition: Callable[[], bool], limit: float = PATIENCE) -> bool:
    """Whether it becomes true in time."""
    deadline = time.monotonic() + limit
    while not (happened := condition()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return happened


def is_alive(pid: int) -> bool:
    """Whether the process runs: one that only waits to be fetched does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@contextmanager
def ended_afterwards(pid: int) -> Iterator[None]:
    """Ends this process in the end."""
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        assert settles(lambda: not is_alive(pid))


def stopped_after(simulator: Simulator, session_id: str, began: float) -> float:
    """Waits until nothing of the session is billed; seconds from a moment (`time.time()`) to its end."""
    assert settles(lambda: session_id not in [entry.session_id for entry in simulator.billed()]), "it runs on"
    entry = next(entry for entry in simulator.ledger() if entry.session_id == session_id)
    assert entry.ended_at is not None
    assert entry.stop_received_at is not None
    assert (entry.starts, entry.end_reason) == (1, "USER_CLOSED")
    return entry.stop_received_at - began
