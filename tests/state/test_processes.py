"""200 steps with processes: kernels on one journal that are killed, held, forked and short of descriptors, and guards
that are killed and stopped.

`LIVEAVATAR_NB_TEST_STEPS` over 10,000 sets more of them; `LIVEAVATAR_NB_TEST_SEED` sets which.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from liveavatar_nb import Simulator
from liveavatar_nb.protection.journal import journal

from ..faults.canary import CANARY, KEY

STEPS = max(200, int(os.environ.get("LIVEAVATAR_NB_TEST_STEPS", "10000")) // 50)
SEED = int(os.environ.get("LIVEAVATAR_NB_TEST_SEED", "20261124"))
STEPS_OF_A_RUN = 25
PATIENCE = 30.0  # s until things have settled
GUARD = """
from liveavatar_nb.protection.guard import __main__ as guard
guard.LOOKS = (0.3, 0.6, 1.0)
guard.CALL_LIMIT = 1.0
guard.main()
"""
DEATHS = {"SIGKILL": signal.SIGKILL, "SIGTERM": signal.SIGTERM, "SIGHUP": signal.SIGHUP}
FAULTS: list[tuple[str, str, dict[str, Any]]] = [
    ("start", "drop_after", {}),
    ("start", "late", {"seconds": 0.1}),
    ("start", "late", {"seconds": 0.2, "status": 500}),
    ("start", "delay", {"seconds": 0.2}),
    ("start", "truncated", {}),
    ("start", "drip", {"seconds": 0.01}),
    ("start", "status", {"status": 500}),
    ("token", "delay", {"seconds": 0.1}),
    ("stop", "status", {"status": 500}),
    ("stop", "status", {"status": 404}),
    ("stop", "drop_before", {}),
    ("stop", "delay", {"seconds": 0.2}),
    ("sessions", "status", {"status": 503}),
    ("keep_alive", "status", {"status": 500}),
    ("any", "reset", {}),
    ("socket", "close", {"code": 1006}),
    ("socket", "never_connected", {}),
]

whoever = st.integers(0, 5)


class Kernel:
    """A process that has sessions.

    Args:
        address: where they are made.
    """

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(address)
        self._socket.settimeout(PATIENCE)
        self._lines = self._socket.makefile("rw")
        self.pid = int(json.loads(self._lines.readline()))
        self.is_held = False
        self.forks: list[int] = []

    def does(self, name: str, *arguments: Any) -> Any:
        """Has it do something; what came of it."""
        self.hold(False)
        self._lines.write(json.dumps([name, arguments]) + "\n")
        self._lines.flush()
        told = json.loads(self._lines.readline() or '{"is": null}')
        return told.get("is", told.get("raised"))

    def hold(self, held: bool) -> None:
        """SIGSTOP, and SIGCONT."""
        if held != self.is_held:
            os.kill(self.pid, signal.SIGSTOP if held else signal.SIGCONT)
            self.is_held = held

    def dies(self, how: str) -> None:
        """By a signal, or by its own doing."""
        self.hold(False)
        if how in DEATHS:
            os.kill(self.pid, DEATHS[how])
        else:
            self._lines.write(json.dumps([how, []]) + "\n")
            self._lines.flush()
        self.close()
        eventually(lambda: not psutil.pid_exists(self.pid), f"does not die by {how}")

    def close(self) -> None:
        """Nothing more is said to it."""
        self._lines.close()
        self._socket.close()


def guards(*pids: int) -> list[psutil.Process]:
    """The guards that live, of these processes."""
    names = {str(pid) for pid in pids}
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        command = process.info["cmdline"] or []
        if command[-2:-1] == ["quick_guard"] and command[-1] in names and process.info["status"] != "zombie":
            found.append(process)
    return found


def eventually(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


class Place:
    """What all runs share."""

    simulator: Simulator
    address: str
    steps = 0
    runs = 0


class Kernels(RuleBasedStateMachine):
    """Whoever dies in whichever way, once things have settled nothing is billed."""

    def __init__(self) -> None:
        super().__init__()
        Place.runs += 1
        self.alive: list[Kernel] = []
        self.all: list[Kernel] = []
        self.steps: list[str] = []
        self.guard_died = False
        self.stopped: list[psutil.Process] = []
        self.known = {entry.session_id for entry in Place.simulator.ledger()}

    def one(self, which: int) -> Kernel | None:
        return self.alive[which % len(self.alive)] if self.alive else None

    def does(self, what: str) -> None:
        Place.steps += 1
        self.steps.append(what)

    @initialize()
    def begin(self) -> None:
        self.spawn()
        self.spawn()

    def spawn(self) -> None:
        if len(self.alive) < 3:
            kernel = Kernel(Place.address)
            self.alive.append(kernel)
            self.all.append(kernel)
            kernel.does("connect", KEY, Place.simulator.url)

    @rule()
    def another(self) -> None:
        self.does("another kernel")
        self.spawn()

    @rule(which=whoever, pause=st.sampled_from([0, 0.05, 0.2]))
    def start(self, which: int, pause: float) -> None:
        self.does(f"start({which}), {pause} s")
        if kernel := self.one(which):
            kernel.does("start")
            time.sleep(pause)

    @rule(which=whoever)
    def cancel(self, which: int) -> None:
        self.does(f"cancel({which})")
        if kernel := self.one(which):
            kernel.does("cancel")

    @rule(which=whoever, session=whoever)
    def stop(self, which: int, session: int) -> None:
        self.does(f"stop({which}, {session})")
        if kernel := self.one(which):
            kernel.does("stop", session)

    @rule(which=whoever)
    def stop_orphans(self, which: int) -> None:
        self.does(f"stop_orphans({which})")
        if kernel := self.one(which):
            kernel.does("stop_orphans")

    @rule(fault=st.sampled_from(FAULTS), times=st.sampled_from([1, 1, 2, 5]))
    def go_wrong(self, fault: tuple[str, str, dict[str, Any]], times: int) -> None:
        operation, kind, parameters = fault
        self.does(f"fault({operation!r}, {kind!r}, {times}, {parameters})")
        Place.simulator.faults.add(operation, kind, times=times, **parameters)

    @rule(which=whoever, how=st.sampled_from([*DEATHS, "SIGKILL", "exit", "leave"]))
    def die(self, which: int, how: str) -> None:
        self.does(f"die({which}, {how!r})")
        if kernel := self.one(which):
            self.alive.remove(kernel)
            kernel.dies(how)

    @rule(which=whoever, lives_on=st.booleans())
    def fork(self, which: int, lives_on: bool) -> None:
        self.does(f"fork({which}, {lives_on})")
        if kernel := self.one(which):
            kernel.forks.append(kernel.does("fork", lives_on))

    @rule(which=whoever)
    def hold(self, which: int) -> None:
        self.does(f"hold({which})")
        if kernel := self.one(which):
            kernel.hold(not kernel.is_held)

    @rule(which=whoever, chance=st.integers(0, 2))
    def kill_guard(self, which: int, chance: int) -> None:
        self.does(f"kill_guard({which}) at {chance} of 2")
        if self.all and not chance:
            for guard in guards(self.all[which % len(self.all)].pid):
                self.guard_died = True
                guard.kill()

    @rule(which=whoever, chance=st.integers(0, 2))
    def stop_guard(self, which: int, chance: int) -> None:
        self.does(f"stop_guard({which}) at {chance} of 2")
        if self.all and not chance:
            for guard in guards(self.all[which % len(self.all)].pid):
                guard.suspend()
                self.stopped.append(guard)

    @rule(which=whoever, chance=st.integers(0, 2))
    def sicken(self, which: int, chance: int) -> None:
        self.does(f"sicken({which}) at {chance} of 2")
        if (kernel := self.one(which)) and not chance:
            kernel.does("sicken")

    @rule(which=whoever)
    def recover(self, which: int) -> None:
        self.does(f"recover({which})")
        if kernel := self.one(which):
            kernel.does("recover")

    @rule(seconds=st.sampled_from([0.02, 0.1, 0.4]))
    def wait(self, seconds: float) -> None:
        self.does(f"wait({seconds})")
        time.sleep(seconds)

    def teardown(self) -> None:
        try:
            self.settle()
        except AssertionError as failure:
            raise AssertionError("\n  ".join([str(failure), "after", *self.steps])) from failure
        finally:
            self.clear()

    def settle(self) -> None:
        Place.simulator.faults.clear()
        for guard in self.stopped:
            with contextlib.suppress(psutil.NoSuchProcess):
                guard.resume()
        time.sleep(0.25)
        for number, kernel in enumerate(self.alive):
            kernel.does("recover")
            told = kernel.does("settle")
            assert not told["hang"], f"a call hangs: {told}"
            assert CANARY not in str(told)
            unwatched = [error for error in told["errors"] if "CancelledError" in error or "RuntimeError" in error]
            assert not unwatched, unwatched
            billed = {entry.session_id for entry in Place.simulator.billed()}
            assert set(told["connected"]) <= billed, "a session of a kernel that lives was stopped by another"
            whose = self.whose(kernel)
            strangers = [one for one in whose.values() if one not in ("this kernel", "another kernel", "orphan")]
            assert not strangers, whose
            assert all(whose[session] == "this kernel" for session in told["connected"]), whose
            if number % 2:
                kernel.dies("SIGKILL")
            else:
                assert kernel.does("close") == 0
                kernel.dies("exit")
        self.alive.clear()
        pids = [kernel.pid for kernel in self.all]
        eventually(lambda: not guards(*pids), "a guard does not leave")
        if self.guard_died:
            heir = Kernel(Place.address)
            heir.does("connect", KEY, Place.simulator.url)
            heir.does("stop_orphans")
            eventually(lambda: not Place.simulator.billed(), f"billed: {Place.simulator.billed()}")
            heir.dies("exit")
        assert not Place.simulator.billed(), f"billed: {Place.simulator.billed()}"
        entries = [entry for entry in Place.simulator.ledger() if entry.session_id not in self.known]
        assert all(entry.starts <= 1 for entry in entries), "a start was sent twice"
        left = [path.name for path in journal.folder.glob("*.json")]
        assert self.guard_died or not left, f"in the journal: {left}"
        for path in journal.folder.glob("*"):
            assert CANARY.encode() not in path.read_bytes()

    @staticmethod
    def whose(kernel: Kernel) -> dict[str, str | None]:
        """Ask until it is answered: a busy machine takes longer than the short limits here allow."""
        answers: list[Any] = []

        def is_answered() -> bool:
            answers.append(kernel.does("whose"))
            return isinstance(answers[-1], dict)

        eventually(is_answered, "does not list its sessions")
        told: dict[str, str | None] = answers[-1]
        return told

    def clear(self) -> None:
        for kernel in self.alive:
            kernel.dies("SIGKILL")
        for pid in [pid for kernel in self.all for pid in kernel.forks]:
            with contextlib.suppress(psutil.Error):
                child = psutil.Process(pid)
                if "worker.py" in " ".join(child.cmdline()):
                    child.kill()
        for path in journal.folder.glob("*"):
            path.unlink()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Place]]:
    """A simulator, a journal, and where kernels are made."""
    (tmp_path / "quick_guard.py").write_text(GUARD)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    Place.address = str(tmp_path / "kernels")
    command = [sys.executable, str(Path(__file__).with_name("worker.py")), Place.address]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    with Simulator(
        api_key=KEY, credits=10**9, concurrency=100, connect_delay=0, history=False, rate_limit=None
    ) as Place.simulator:
        maker = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)
        try:
            assert maker.stdout is not None
            assert maker.stdout.readline() == b"ready\n"
            yield Place
        finally:
            maker.kill()
            maker.wait()
            assert maker.stdout is not None
            maker.stdout.close()


@pytest.mark.timeout(300 + STEPS)
def test_kernels(place: type[Place], capsys: pytest.CaptureFixture[str]) -> None:
    began, number = time.monotonic(), SEED
    try:
        while place.steps < STEPS:
            checked = settings(
                max_examples=-(-(STEPS - place.steps) // STEPS_OF_A_RUN),
                stateful_step_count=STEPS_OF_A_RUN,
                deadline=None,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
                verbosity=Verbosity.quiet,
            )
            run_state_machine_as_test(seed(number)(Kernels), settings=checked)
            number += 1
    finally:
        seconds = time.monotonic() - began
        with capsys.disabled():
            print(f"\nseed {SEED}: {place.steps} steps with processes in {place.runs} runs, {seconds:.1f} s")
