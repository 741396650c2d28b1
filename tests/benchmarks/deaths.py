"""How long after a death its session ends, and what the guard costs that sees to it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil
from jupyter_core.utils import ensure_event_loop

from liveavatar_nb import LiveAvatar, Simulator
from liveavatar_nb.protection.guard.handle import Guard

from ..deaths.ends import ENDS, make_busy
from ..deaths.owners import DEATHS, START, Death, Owner, connect, guards, left_of, settles, stopped_after
from ..kernels import Kernel
from .table import Row, show

RUNS = 3  # of each death
AIM = 2.0  # s from the death to the ledger's end
LAUNCH_ROUNDS = 15
START_ROUNDS = 25
PRELOADED = 6.0  # s after which the guard has imported all that a stop needs
NETWORK = 0.1  # s that the token takes where the service is far
BARE = "python -c pass"
GUARD = "the guard, until it is ready"
PLAIN = "start(), no guard and no journal"
COMES_UP = "start(), the guard comes up"
IS_THERE = "start(), the guard is there"


def report() -> bool:
    """Print the tables; says whether the aims were met."""
    with tempfile.TemporaryDirectory() as state:
        before = os.environ.get("XDG_STATE_HOME")
        os.environ["XDG_STATE_HOME"] = state
        try:
            with Simulator(connect_delay=0, concurrency=10, rate_limit=None, credits=1_000_000) as simulator:
                met = _deaths(simulator)
                _memory()
                _launch()
                _starts(simulator)
        finally:
            del os.environ["XDG_STATE_HOME"]
            if before is not None:
                os.environ["XDG_STATE_HOME"] = before
    return met


def _deaths(simulator: Simulator) -> bool:
    ensure_event_loop()
    measured: dict[str, Callable[[], float]] = {
        death.name: lambda death=death: _death(simulator, death)  # type: ignore[misc]
        for death in DEATHS
    }
    measured |= {
        f"busy kernel: {name}": lambda name=name: _end(simulator, name)  # type: ignore[misc]
        for name in ENDS
    }
    print(f"\nFrom a death to the ledger's end ({RUNS} runs), in seconds{'':21}each   <= {AIM:g}")
    met = True
    for name, measure in measured.items():
        seconds = [measure() for _ in range(RUNS)]
        is_met = max(seconds) <= AIM
        met = met and is_met
        print(f"{name:44}{'   '.join(f'{one:8.3f}' for one in seconds)}   {'met' if is_met else 'MISSED'}")
    return met


def _death(simulator: Simulator, death: Death) -> float:
    with Owner(errors=subprocess.DEVNULL) as owner:
        session_id = owner.run(connect(simulator) + START)
        child = int(owner.run(death.before))
        died = time.time()
        death.begins(owner)
        try:
            seconds = stopped_after(simulator, session_id, died)
            owner.wait()
        finally:
            if child != owner.pid:
                os.kill(child, 9)
        assert settles(lambda: not left_of(owner.pid)), left_of(owner.pid)
        return seconds


def _end(simulator: Simulator, name: str) -> float:
    kernel = Kernel(errors=subprocess.DEVNULL)
    try:
        session_id = kernel.run(connect(simulator) + START)
        make_busy(kernel)
        died = time.time()
        ENDS[name](kernel)
        return stopped_after(simulator, session_id, died)
    finally:
        kernel.close()


def _memory() -> None:
    print(f"\nMemory, in MiB{'':33}RSS     USS     PSS")
    bare = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    time.sleep(1)
    _tell_memory('python -c "input()"', bare.pid)
    bare.communicate(b"\n")
    with Owner() as owner, Simulator() as simulator:
        owner.run(connect(simulator) + START)
        [guard] = guards(owner.pid)
        _tell_memory("the guard, with its first session", guard)
        time.sleep(PRELOADED)
        _tell_memory(f"the guard, {PRELOADED:g} s later", guard)
        _tell_memory("its kernel, a bare Python with a client", owner.pid)
        owner.run("session.stop()")


def _tell_memory(name: str, pid: int) -> None:
    info = psutil.Process(pid).memory_full_info()
    print(f"{name:44}" + "".join(f"{size / 2**20:8.1f}" for size in (info.rss, info.uss, info.pss)))


def _launch() -> None:
    rounds: dict[str, list[float]] = {BARE: [], GUARD: []}
    for _ in range(LAUNCH_ROUNDS):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", "pass"], check=True)
        rounds[BARE].append(time.perf_counter() - began)
        guard = Guard()
        began = time.perf_counter()
        guard.prepare()
        rounds[GUARD].append(time.perf_counter() - began)
        guard.leave_if_unused()
    rows = [Row(name, times) for name, times in rounds.items()]
    show(f"Start-up ({LAUNCH_ROUNDS} interleaved rounds)", rows, reference=BARE, unit="ms", per_second=1e3)


def _starts(simulator: Simulator) -> None:
    """What a start costs, with the guard to come up and with one that is there, against a bare one."""
    for delay in (0.0, NETWORK):
        rounds: dict[str, list[float]] = {PLAIN: [], COMES_UP: [], IS_THERE: []}
        with _client(simulator) as plain, _client(simulator) as guarded:
            plain._inner.is_simulated = True
            for _ in range(START_ROUNDS):
                rounds[PLAIN].append(_start(simulator, plain, delay))
                rounds[COMES_UP].append(_start(simulator, guarded, delay))
                with guarded.start("Silas"):
                    rounds[IS_THERE].append(_start(simulator, guarded, delay))
        rows = [Row(name, times) for name, times in rounds.items()]
        title = f"start() until connected, the token after {delay:g} s ({START_ROUNDS} interleaved rounds)"
        show(title, rows, reference=PLAIN, unit="ms", per_second=1e3)


@contextmanager
def _client(simulator: Simulator) -> Iterator[LiveAvatar]:
    with LiveAvatar(simulator.api_key, api_url=simulator.url) as la:
        la.start("Silas").stop()
        yield la


def _start(simulator: Simulator, la: LiveAvatar, delay: float) -> float:
    if delay:
        simulator.faults.add("token", "delay", seconds=delay)
    began = time.perf_counter()
    session = la.start("Silas", concurrent=True)
    seconds = time.perf_counter() - began
    session.stop()
    return seconds
