"""Ctrl-C around the end of a start: `python -m tests.deaths.interrupts --count 1000 --owner kernel`.

A kernel, or a plain interpreter, starts session after session at a simulator in a process of its own. From here, a
third process, each start gets one real SIGINT, most of them within milliseconds of the moment at which the owner
receives `connected`. A loss is a session that the cell has no name for and that the ledger bills 10 s later.

To judge another commit, copy this file into a worktree of it and run it there.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import select
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from liveavatar_nb import Simulator

from ..kernels import Kernel
from .owners import Owner, connect

OwnerKind = Literal["kernel", "interpreter"]

LATER = 10.0  # s after which the ledger is looked at
NEAR = (-2.0, 5.0)  # ms around `connected` that matter
BATCH = 125  # starts between two looks at the ledger
PATIENCE = 30.0  # s for one start
RECENT = 15  # starts that tell when the next one will be connected
BARS = [*range(-30, -5, 5), *range(-5, 10), *range(10, 31, 5)]  # ms

SETUP = """
import json, os, time
import liveavatar_nb
from liveavatar_nb.session.lifecycle import SessionLifecycle

class Judge:
    def __init__(self, path):
        self._pipe = os.open(path, os.O_WRONLY)

    def tell(self, what, told=None):
        os.write(self._pipe, json.dumps([what, time.monotonic(), told]).encode() + b"\\n")

judge = Judge({pipe!r})
arrive = SessionLifecycle._set_connected

def told(lifecycle):
    if not lifecycle._connected.is_set():
        judge.tell("connected", lifecycle.id)
    arrive(lifecycle)

SessionLifecycle._set_connected = told
with la.start("Silas"):
    pass  # what the first start imports is imported
print(os.path.dirname(liveavatar_nb.__file__))
"""
# one signal comes for each, in the start or in the sleep
CELL = """
s = None
try:
    judge.tell("begins")
    s = la.start("Silas", concurrent=True)
    judge.tell("returned")
    time.sleep(5)
except KeyboardInterrupt:
    pass
judge.tell("ended", None if s is None else s.id)
if s is not None:
    s.stop()
"""


@dataclass
class Run:
    """One start and its signal; moments by `time.monotonic()`.

    Attributes:
        begun: when `start` was called.
        signalled: when the signal was sent.
        connected: when the owner received that event; None where the start ended before.
        returned: whether `start` had returned when the signal came.
        session_id: of the session that was connected.
        held: the id of the session that the cell has; None for none.
        is_lost: no name, and billed.
    """

    begun: float
    signalled: float = 0.0
    connected: float | None = None
    returned: bool = False
    session_id: str | None = None
    held: str | None = None
    is_lost: bool = False

    @property
    def offset(self) -> float | None:
        """Milliseconds from `connected` to the signal."""
        return None if self.connected is None else (self.signalled - self.connected) * 1000

    @property
    def is_near(self) -> bool:
        """Whether the signal came when it matters."""
        return self.offset is not None and NEAR[0] <= self.offset <= NEAR[1]


class Wire:
    """What the owner tells, line by line."""

    def __init__(self, path: Path) -> None:
        self._pipe = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self._rest = b""

    def close(self) -> None:
        os.close(self._pipe)

    def read(self, until: float) -> Iterator[tuple[str, float, str | None]]:
        """What has come, or comes until then (`time.monotonic()`); nothing where that is over."""
        if b"\n" not in self._rest and select.select([self._pipe], [], [], max(0.0, until - time.monotonic()))[0]:
            self._rest += os.read(self._pipe, 65536)
        *lines, self._rest = self._rest.split(b"\n")
        for line in lines:
            what, moment, told = json.loads(line)
            yield what, moment, told


class Aim:
    """When the signals are sent: most right before or after `connected`, some anywhere in a start."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._recent = [0.05]

    def saw(self, seconds: float) -> None:
        """A start took so long until it was connected."""
        self._recent = [*self._recent[-RECENT:], seconds]

    def next(self) -> tuple[float | None, float]:
        """Seconds after the beginning at which it is sent, where that comes first; seconds after `connected`."""
        usual = statistics.median(self._recent)
        kind = self._random.random()
        if kind < 0.6:
            return None, self._random.choice([0.0, self._random.uniform(0.0, 0.0045)])
        if kind < 0.85:
            return usual + self._random.uniform(-0.003, 0.001), 0.0
        return self._random.uniform(0.0, 1.2 * usual), 0.0


@dataclass(frozen=True)
class Cells:
    """An owner.

    Attributes:
        pid: its process.
        begin: has it execute a cell; returns at once.
        end: waits until it has, given what `begin` returned.
    """

    pid: int
    begin: Callable[[str], Any]
    end: Callable[[Any], Any]


class Judge:
    """Starts, signals, and what came of them.

    Args:
        owner: starts.
        wire: what the owner tells.
        simulator: whose ledger it is.
        seed: of the aim.
    """

    def __init__(self, owner: Cells, wire: Wire, simulator: Simulator, seed: int) -> None:
        self._owner = owner
        self._wire = wire
        self._simulator = simulator
        self._aim = Aim(seed)
        self._known: set[str] = set()
        self.runs: list[Run] = []

    def start(self, count: int) -> None:
        """So many starts, each with its signal."""
        for _ in range(count):
            self.runs.append(self._one())

    def look(self) -> None:
        """What of them is billed now and has no name in a cell is lost."""
        billed = self.billed()
        for run in self.runs:
            run.is_lost = run.is_lost or run.session_id in billed
        # one that was not connected when it was left is known by the ledger alone
        self.runs += [Run(0.0, session_id=one, is_lost=True) for one in billed - {run.session_id for run in self.runs}]
        self._known |= billed

    def billed(self) -> set[str]:
        """The sessions that are billed, but for those of which that was known."""
        return {entry.session_id for entry in self._simulator.billed()} - self._known

    def _one(self) -> Run:
        after_begin, after_connected = self._aim.next()
        cell = self._owner.begin(CELL)
        run = Run(0.0)
        due, is_sent, is_over = time.monotonic() + PATIENCE, False, False
        deadline = due
        while not is_over:
            now = time.monotonic()
            if not is_sent and now >= due:
                run.signalled = time.monotonic()
                os.kill(self._owner.pid, signal.SIGINT)
                is_sent = True
            assert now < deadline, f"the owner does not answer: {run}"
            for what, moment, told in self._wire.read(deadline if is_sent else due - 0.0002):
                if not run.begun and what != "begins":
                    # of the one before, which was left as it became connected
                    if what == "connected" and self.runs:
                        self.runs[-1].connected, self.runs[-1].session_id = moment, told
                elif what == "begins":
                    run.begun = moment
                    due = deadline if after_begin is None else moment + after_begin
                elif what == "connected":
                    self._aim.saw(moment - run.begun)
                    run.connected, run.session_id = moment, told
                    due = min(due, moment + after_connected)
                elif what == "returned":
                    run.returned = not is_sent
                else:
                    run.held, is_over = told, True
        self._owner.end(cell)
        return run


@contextmanager
def judged(kind: OwnerKind, seed: int) -> Iterator[tuple[Judge, str]]:
    """A judge of an owner of that kind, and where the owner's package lies."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        simulator = stack.enter_context(Simulator(connect_delay=0, concurrency=100_000, credits=10**9, rate_limit=None))
        pipe = folder / "pipe"
        os.mkfifo(pipe)
        wire = Wire(pipe)
        stack.callback(wire.close)
        environment = {"XDG_STATE_HOME": str(folder / "state")}
        setup = connect(simulator) + SETUP.format(pipe=str(pipe))
        if kind == "kernel":
            kernel = Kernel(environment)
            stack.callback(kernel.close)
            where = kernel.run(setup)
            cells = Cells(kernel.pid, kernel.begin, kernel.result)
        else:
            owner = stack.enter_context(Owner(environment))
            where = owner.run(setup)
            cells = Cells(owner.pid, owner.begin, lambda _: owner.end())
        yield Judge(cells, wire, simulator, seed), where


def table(runs: list[Run]) -> str:
    """The histogram of the signals' times, and what came of them."""
    counts: dict[int | None, Counter[str]] = {}
    for run in runs:
        offset = run.offset
        bar = None if offset is None else max((bar for bar in BARS if bar <= offset), default=BARS[0])
        verdict = "LOST" if run.is_lost else "held" if run.held else "ended"
        counts.setdefault(bar, Counter())[verdict] += 1
    lines = ["ms after `connected`   held  interrupted, not billed  LOST"]
    for bar, following in zip(BARS, [*BARS[1:], None], strict=True):
        found = counts.get(bar, Counter())
        name = f"{bar:>4} to {following}" if following is not None else f"{bar:>4} and more"
        row = f"{name:<20} {found['held']:>6} {found['ended']:>24} {found['LOST']:>5}"
        lines.append(f"{row}  {'#' * -(-found.total() // 4)}")
    before = counts.get(None, Counter())
    lines.append(f"{'never connected':<20} {before['held']:>6} {before['ended']:>24} {before['LOST']:>5}")
    return "\n".join(lines)


def summary(runs: list[Run]) -> str:
    """What came of them, in a line."""
    near = [run for run in runs if run.is_near]
    late = [run for run in near if run.held is None and run.offset is not None and run.offset >= 0]
    return (
        f"{len(runs)} starts; {len(near)} signals from {NEAR[0]:g} to {NEAR[1]:g} ms around `connected`, "
        f"{len(late)} of them behind it with KeyboardInterrupt; {sum(run.held is not None for run in runs)} handles "
        f"held; {sum(run.is_lost for run in runs)} lost"
    )


def main() -> int:
    """Prints the histogram; 1 where something was lost, or too few signals came when they matter."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--owner", choices=["kernel", "interpreter"], default="interpreter")
    parser.add_argument("--seed", type=int, default=15)
    parser.add_argument("--each", action="store_true", help="print each run, too")
    given = parser.parse_args()
    began = time.monotonic()
    with judged(given.owner, given.seed) as (judge, where):
        print(f"Python {platform.python_version()}, {given.owner}, seed {given.seed}, package in {where}", flush=True)
        while (left := given.count - len(judge.runs)) > 0:
            judge.start(min(BATCH, left))
            time.sleep(LATER)
            judge.look()
            print(f"{time.monotonic() - began:5.0f} s: {summary(judge.runs)}", file=sys.stderr, flush=True)
        runs = judge.runs
    if given.each:
        for number, run in enumerate(runs):
            when = "never connected" if run.offset is None else f"{run.offset:+8.2f} ms"
            handle = "held" if run.held else "none"
            then = "BILLED" if run.is_lost else "not billed"
            print(f"{number:>5} {when:>16}  handle {handle}  {then} {LATER:g} s later  {run.session_id or ''}".rstrip())
    print(table(runs))
    print(summary(runs))
    print(f"{time.monotonic() - began:.0f} s, load {os.getloadavg()[0]:.1f}")
    return int(any(run.is_lost for run in runs) or sum(run.is_near for run in runs) < 0.4 * given.count)


if __name__ == "__main__":
    sys.exit(main())
