"""10,000 steps in one process: clients, sessions, faults, cancels, clocks, a guard that dies, in any order.

`LIVEAVATAR_NB_TEST_STEPS` sets how many, `LIVEAVATAR_NB_TEST_SEED` which.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import logging
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import httpx
import pytest
from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from liveavatar_nb import LiveAvatarAPI, Simulator, config
from liveavatar_nb.models.avatars import Avatar
from liveavatar_nb.protection.guard import __main__ as guard_process
from liveavatar_nb.protection.journal import journal
from liveavatar_nb.protection.running import running_sessions

from ..faults.canary import KEY
from ..faults.manual import ManualClock
from .lab import LIMITS, SETTLED, GuardTime, HandGuard, Lab, Listener, fault
from .proxy import Proxy

STEPS = int(os.environ.get("LIVEAVATAR_NB_TEST_STEPS", "10000"))
SEED = int(os.environ.get("LIVEAVATAR_NB_TEST_SEED", "20261124"))
STEPS_OF_A_RUN = 100
RUNS_OF_A_SIMULATOR = 10

whoever = st.integers(0, 11)
endings = st.sampled_from(["close", "close", "look", "look", "exit", "kill"])
choices = st.fixed_dictionaries(
    {"max_minutes": st.sampled_from([None, 1, 5]), "unwatched": st.sampled_from([None, 60.0])}
)
moment = st.sampled_from([0, 0, 0, 0, 0.001, 0.001, 0.002, 0.004, 0.02])


class Stage:
    """What all runs share."""

    simulator: Simulator | None = None
    avatar: Avatar
    guard: HandGuard
    clock: ManualClock
    proxy: Proxy
    listener: Listener
    runs = 0
    steps = 0
    settling = 0.0

    @classmethod
    def set(cls) -> Simulator:
        """A simulator, a new one from time to time: its ledger grows."""
        if cls.simulator is None or cls.runs % RUNS_OF_A_SIMULATOR == 0:
            cls.clear()
            cls.simulator = Simulator(
                api_key=KEY, speed=0, credits=10**9, concurrency=100, connect_delay=0, history=False, rate_limit=None
            )
        cls.runs += 1
        return cls.simulator

    @classmethod
    def clear(cls) -> None:
        if cls.simulator is not None:
            cls.simulator.close()
            cls.simulator = None


class Sessions(RuleBasedStateMachine):
    """Whatever happens, once things have settled nothing is billed."""

    stage: ClassVar = Stage

    def __init__(self) -> None:
        super().__init__()
        self.lab = Lab(Stage.set(), Stage.avatar, Stage.guard, Stage.clock, Stage.proxy)
        self.ending = "close"

    def does(self, what: str) -> None:
        Stage.steps += 1
        self.lab.steps.append(what)

    @initialize(
        ending=st.sampled_from(["close", "close", "look", "look", "exit", "kill"]),
        sync=st.booleans(),
        proxied=st.booleans(),
    )
    def begin(self, ending: str, sync: bool, proxied: bool) -> None:
        self.ending = ending
        # a thread cannot be killed: what dies has its sessions on a loop that stands still
        self.lab.is_async = ending == "kill"
        self.lab.connect(sync=sync, proxied=proxied)
        self.lab.connect(sync=not sync)

    @rule(sync=st.booleans(), way=st.sampled_from(["", "lent", "proxied"]))
    def connect(self, sync: bool, way: str) -> None:
        self.does(f"connect(sync={sync}, {way or 'direct'})")
        self.lab.connect(sync=sync, lent=way == "lent", proxied=way == "proxied")

    @rule(pause=moment)
    def break_proxy(self, pause: float) -> None:
        self.does(f"break_proxy(); turn({pause})")
        self.lab.break_proxy()
        self.lab.turn(pause)

    @rule()
    def mend_proxy(self) -> None:
        self.does("mend_proxy()")
        self.lab.mend_proxy()

    @rule(which=whoever, pause=moment)
    def close_lent(self, which: int, pause: float) -> None:
        self.does(f"close_lent({which}); turn({pause})")
        self.lab.close_lent(which)
        self.lab.turn(pause)

    @rule(which=whoever, pause=moment)
    def interrupt_late(self, which: int, pause: float) -> None:
        self.does(f"interrupt_late({which}); turn({pause})")
        self.lab.interrupt_late(which)
        self.lab.turn(pause)

    @rule(count=st.sampled_from([5, 25]), chance=st.integers(0, 3))
    def crowd(self, count: int, chance: int) -> None:
        self.does(f"crowd({count}) at {chance} of 3")
        if not chance:
            self.lab.crowd(count)

    @rule(count=st.sampled_from([1, 5, 20]), pause=moment)
    def thin_out(self, count: int, pause: float) -> None:
        self.does(f"thin_out({count}); turn({pause})")
        self.lab.thin_out(count)
        self.lab.turn(pause)

    @rule(which=whoever, others=st.sampled_from(["concurrent", "replace", ""]), options=choices, pause=moment)
    def start(self, which: int, others: str, options: dict[str, float | None], pause: float) -> None:
        told = {**options, **({others: True} if others else {})}
        self.does(f"start({which}, {told}); turn({pause})")
        self.lab.start(which, **told)
        self.lab.turn(pause)

    @rule(chance=st.integers(0, 2**32), pause=moment)
    def go_wrong(self, chance: int, pause: float) -> None:
        operation, kind, times, parameters = fault(random.Random(chance))
        self.does(f"fault({operation!r}, {kind!r}, {times}, {parameters}); turn({pause})")
        self.lab.go_wrong(operation, kind, times, parameters)
        self.lab.turn(pause)

    @rule(pause=moment)
    def go_right(self, pause: float) -> None:
        self.does(f"faults.clear(); turn({pause})")
        self.lab.simulator.faults.clear()
        self.lab.turn(pause)

    @rule(which=whoever, pause=moment)
    def cancel(self, which: int, pause: float) -> None:
        self.does(f"cancel({which}); turn({pause})")
        self.lab.cancel(which)
        self.lab.turn(pause)

    @rule(which=whoever, pause=moment)
    def stop(self, which: int, pause: float) -> None:
        self.does(f"stop({which}); turn({pause})")
        self.lab.stop(which)
        self.lab.turn(pause)

    @rule(which=whoever, how=st.sampled_from(["stop_sessions", "stop_all", "stop_orphans"]), pause=moment)
    def stop_all(self, which: int, how: str, pause: float) -> None:
        self.does(f"{how}({which}); turn({pause})")
        self.lab.stop_all(which, how)
        self.lab.turn(pause)

    @rule(which=whoever)
    def beat(self, which: int) -> None:
        self.does(f"beat({which})")
        self.lab.beat(which)

    @rule(pause=moment)
    def wait(self, pause: float) -> None:
        self.does(f"turn({pause})")
        self.lab.turn(pause)

    @rule(seconds=st.sampled_from([1, 2, 5, 10, 31, 60]))
    def pass_time(self, seconds: float) -> None:
        self.does(f"pass_time({seconds})")
        self.lab.pass_time(seconds)

    @rule(seconds=st.sampled_from([40, 200, 301]))
    def sleep_machine(self, seconds: float) -> None:
        self.does(f"sleep_machine({seconds})")
        self.lab.sleep_machine(seconds)

    @rule(which=whoever)
    def close(self, which: int) -> None:
        self.does(f"close({which})")
        self.lab.close(which)

    @rule(which=whoever)
    def let_go(self, which: int) -> None:
        self.does(f"let_go({which})")
        self.lab.let_go(which)

    @rule(chance=st.integers(0, 3))
    def kill_guard(self, chance: int) -> None:
        self.does(f"kill_guard() at {chance} of 3")
        if not chance:
            self.lab.kill_guard()

    @rule(chance=st.integers(0, 3))
    def hold_guard(self, chance: int) -> None:
        self.does(f"hold_guard() at {chance} of 3")
        if not chance:
            self.lab.hold_guard()

    @rule(chance=st.integers(0, 3))
    def kill_loop(self, chance: int) -> None:
        self.does(f"kill_loop() at {chance} of 3")
        if not chance:
            self.lab.kill_loop()

    def teardown(self) -> None:
        began = time.monotonic()
        self.lab.settle(self.ending)
        Stage.settling += time.monotonic() - began
        findings = [*self.lab.findings, *Stage.listener.heard]
        if findings:
            steps = "\n  ".join([*self.lab.steps, f"settle({self.ending!r})"])
            raise AssertionError("\n".join([*findings, f"after\n  {steps}"]))


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[type[Stage]]:
    """A clock and a guard by hand, short limits, a log that is heard, and a journal of its own."""
    for name, value in LIMITS.items():
        monkeypatch.setattr(config, name, value)
    Stage.clock, Stage.listener, Stage.proxy = ManualClock(), Listener(), Proxy()
    Stage.guard = HandGuard(Stage.clock)
    monkeypatch.setattr("liveavatar_nb.protection.running.guard", Stage.guard)
    monkeypatch.setattr(guard_process, "time", GuardTime(Stage.clock))
    monkeypatch.setattr(guard_process, "CALL_LIMIT", 0.3)
    # reading certificates, of which loopback has none, takes longer than a step
    certificates = functools.cache(httpx.create_ssl_context)
    monkeypatch.setattr("httpx.create_ssl_context", lambda **_: certificates())
    monkeypatch.setattr("httpx._transports.default.create_ssl_context", lambda **_: certificates())
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    loggers = [logging.getLogger(name) for name in ("liveavatar_nb", "httpx")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(Stage.listener)
        logger.setLevel(logging.DEBUG)
        logger.propagate = False
    yield Stage
    for logger, level in zip(loggers, levels, strict=True):
        logger.removeHandler(Stage.listener)
        logger.setLevel(level)
        logger.propagate = True
    Stage.clear()
    Stage.proxy.close()
    gc.collect()
    assert not len(running_sessions)
    assert not list(journal.folder.glob("*"))


async def _get_avatar(simulator: Simulator) -> Avatar:
    # the first call takes longest, and is none of those that are tried
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(config, "TOTAL_TIMEOUT", SETTLED["TOTAL_TIMEOUT"])
        return await _look_up(simulator)


async def _look_up(simulator: Simulator) -> Avatar:
    async with LiveAvatarAPI(KEY, api_url=simulator.url) as api:
        return next(avatar for avatar in await api.avatars.public() if avatar.name == "Silas")


@pytest.mark.timeout(600 + STEPS // 10)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
def test_sessions(stage: type[Stage], capsys: pytest.CaptureFixture[str]) -> None:
    stage.avatar = asyncio.run(_get_avatar(stage.set()))
    stage.runs = stage.steps = 0
    began, number = time.monotonic(), SEED
    try:
        while stage.steps < STEPS:
            checked = settings(
                max_examples=-(-(STEPS - stage.steps) // STEPS_OF_A_RUN),
                stateful_step_count=STEPS_OF_A_RUN,
                deadline=None,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
                verbosity=Verbosity.quiet,
            )
            run_state_machine_as_test(seed(number)(Sessions), settings=checked)
            number += 1
    finally:
        seconds = time.monotonic() - began
        with capsys.disabled():
            print(
                f"\nseed {SEED}: {stage.steps} steps in {stage.runs} runs, {seconds:.1f} s, "
                f"{1000 * seconds / stage.steps:.1f} ms a step, {stage.settling:.1f} s of it to settle; "
                f"{stage.proxy.connections} connections through the proxy"
            )
