"""The guard dies too, or before its kernel: the next use makes up for it."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from liveavatar_nb import Simulator

from .owners import START, Owner, connect, guards, kill_guards, left_of, settles, stopped_after

WHOSE = "print(*(one.whose for one in la.sessions()))"
NEXT_USE = {
    "start": "session = la.start('Silas')\nprint(session.id)\nsession.stop()",
    "stop_orphans": "print(len(la.stop_orphans()))",
}


@pytest.mark.parametrize("use", NEXT_USE)
def test_what_dies_with_its_guard_is_stopped_by_the_next_use(simulator: Simulator, records: Path, use: str) -> None:
    """row 41"""
    with Owner() as owner:
        session_id = owner.run(connect(simulator) + START)
        # it has no time to see that
        os.kill(owner.pid, signal.SIGSTOP)
        kill_guards(owner.pid)
        owner.kill()
    assert [entry.session_id for entry in simulator.billed()] == [session_id]
    with Owner() as other:
        assert other.run(connect(simulator) + WHOSE) == "orphan"
        began = time.time()
        assert other.run(NEXT_USE[use])
        stopped_after(simulator, session_id, began)
    assert not list(records.iterdir())


def test_the_next_start_brings_another_guard_for_all_sessions(simulator: Simulator) -> None:
    with Owner() as owner:
        first = owner.run(connect(simulator) + START)
        kill_guards(owner.pid)
        second = owner.run(START)
        assert len(guards(owner.pid)) == 1
        assert {entry.session_id for entry in simulator.billed()} == {first, second}
        died = time.time()
        os.kill(owner.pid, signal.SIGKILL)
        for session_id in (first, second):
            stopped_after(simulator, session_id, died)
        assert settles(lambda: not left_of(owner.pid)), left_of(owner.pid)


def test_a_keep_alive_brings_another_guard(simulator: Simulator) -> None:
    with Owner() as owner:
        owner.run("from liveavatar_nb import config\nconfig.KEEP_ALIVE_INTERVAL = 0.2")
        session_id = owner.run(connect(simulator) + START)
        [first] = guards(owner.pid)
        kill_guards(owner.pid)
        assert settles(lambda: bool(guards(owner.pid)))
        # a start waits until it is ready, and told what to guard
        owner.run("la.start('Ann', concurrent=True).stop()")
        [second] = guards(owner.pid)
        assert second != first
        died = time.time()
        os.kill(owner.pid, signal.SIGKILL)
        stopped_after(simulator, session_id, died)
        assert settles(lambda: not left_of(owner.pid)), left_of(owner.pid)


def test_the_guard_leaves_with_the_last_session_and_comes_back_with_the_next(simulator: Simulator) -> None:
    with Owner() as owner:
        owner.run(connect(simulator) + START)
        owner.run("other = la.start('Ann', concurrent=True)")
        there = guards(owner.pid)
        owner.run("other.stop()")
        assert guards(owner.pid) == there
        owner.run("session.stop()")
        assert settles(lambda: not left_of(owner.pid)), left_of(owner.pid)
        owner.run(START)
        assert len(guards(owner.pid)) == 1
        owner.run("la.close()")
        assert settles(lambda: not left_of(owner.pid)), left_of(owner.pid)


def test_the_guard_minds_no_signal_that_a_machine_sends_to_all(simulator: Simulator) -> None:
    with Owner() as owner:
        owner.run(connect(simulator) + START)
        [guard] = guards(owner.pid)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(guard, number)
        time.sleep(0.1)
        assert guards(owner.pid) == [guard]
        assert os.getsid(guard) != os.getsid(owner.pid)
        owner.run("session.stop()")


def test_a_service_that_is_out_when_the_kernel_dies(simulator: Simulator) -> None:
    """row 52: the guard insists until the service takes the stop."""
    with Owner() as owner:
        session_id = owner.run(connect(simulator) + START)
        simulator.faults.add("stop", "status", status=500, times=None)
        owner.kill()
        assert settles(lambda: tried(simulator) >= 2)
        assert guards(owner.pid)
        assert [entry.session_id for entry in simulator.billed()] == [session_id]
        simulator.faults.clear()
        stopped_after(simulator, session_id, time.time())
        assert settles(lambda: not left_of(owner.pid)), left_of(owner.pid)


def test_a_start_that_the_service_applies_after_the_kernels_death(simulator: Simulator) -> None:
    """row 6, row 40: the guard looks again where nobody learnt the start's outcome."""
    with Owner() as owner:
        owner.run(connect(simulator))
        before = len(simulator.ledger())
        simulator.faults.add("start", "delay", seconds=0.5)
        simulator.faults.add("start", "late", seconds=1.0)
        owner.begin(START)
        assert settles(lambda: len(simulator.faults.list()) == 1)
        owner.kill()
        entry = simulator.ledger()[before]
        assert settles(lambda: bool(simulator.billed())), "it was never applied"
        assert simulator.ledger()[before].stops == 1
        stopped_after(simulator, entry.session_id, time.time())
        assert simulator.ledger()[before].stops == 2
        # it goes on to look until a minute has passed
        kill_guards(owner.pid)


def tried(simulator: Simulator) -> int:
    return [request["path"] for request in simulator.requests()].count("/v1/sessions/stop")
