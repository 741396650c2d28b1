"""A guard that is lost or stopped, and a kernel that has no descriptors, no threads, or a loop that somebody blocks."""

from __future__ import annotations

import os
import signal
import time

import pytest

from liveavatar_nb import Simulator

from .owners import START, Owner, connect, guards, left_of, settles, stopped_after

NOTICED = 5.0  # s until the loss of a guard must show
LONGEST = 14.0  # s that a stop may take: its limit, and that of a loop that does not answer
NO_DESCRIPTORS = """
import resource
import liveavatar_nb.protection.blocking_stop, encodings.idna
resource.setrlimit(resource.RLIMIT_NOFILE, (3, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
"""
NO_THREADS = """
import threading
def start(self):
    raise RuntimeError("can't start new thread")
threading.Thread.start = start
"""
BLOCKED = """
from liveavatar_nb.bridge.loop import bridge
bridge.loop.call_soon_threadsafe(time.sleep, 60)
"""
BLOCKED_LATER = """
from liveavatar_nb.bridge.loop import bridge
bridge.loop.call_soon_threadsafe(bridge.loop.call_later, 0.3, time.sleep, 60)
"""
TIMED = """
began = time.monotonic()
try:
    {call}
    print("returned", time.monotonic() - began)
except Exception as failure:
    print(type(failure).__name__, time.monotonic() - began)
"""
CALLS = {
    "stop": "session.stop()",
    "close": "la.close()",
    "stop_sessions": "la.stop_sessions()",
    "stop_all": "la.stop_all()",
    "with": "with la: pass",
}


def billed(simulator: Simulator) -> list[str]:
    return [entry.session_id for entry in simulator.billed()]


@pytest.fixture(autouse=True)
def clear(simulator: Simulator) -> None:
    simulator.faults.clear()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_the_loss_of_a_guard_is_noticed_and_another_one_comes_up(simulator: Simulator, number: signal.Signals) -> None:
    """row 56"""
    with Owner() as owner:
        session_id = owner.run(connect(simulator) + START)
        [first] = guards(owner.pid)
        lost = time.monotonic()
        os.kill(first, number)
        assert settles(lambda: bool(guards(owner.pid)) and first not in guards(owner.pid), 2 * NOTICED)
        assert time.monotonic() - lost < NOTICED + 1
        time.sleep(0.5)  # it is told
        died = time.time()
        owner.kill()
        stopped_after(simulator, session_id, died)
        assert settles(lambda: not left_of(owner.pid)), left_of(owner.pid)


def test_a_start_beside_a_stopped_guard_has_another_one(simulator: Simulator) -> None:
    """row 56"""
    with Owner() as owner:
        first = owner.run(connect(simulator) + START)
        [stopped] = guards(owner.pid)
        os.kill(stopped, signal.SIGSTOP)
        second = owner.run(START)
        assert len(guards(owner.pid)) == 1
        assert guards(owner.pid) != [stopped]
        assert billed(simulator) == [first, second]
        died = time.time()
        owner.kill()
        for session_id in (first, second):
            stopped_after(simulator, session_id, died)


@pytest.mark.parametrize("call", CALLS)
def test_a_kernel_without_descriptors_has_its_guard_stop(simulator: Simulator, call: str) -> None:
    """row 57"""
    with Owner() as owner:
        owner.run(connect(simulator) + START)
        owner.run(NO_DESCRIPTORS)
        # its connections go, and it can open no other
        simulator.faults.add("any", "drop_before", times=1)
        told, seconds = owner.run(TIMED.format(call=CALLS[call])).split()
        # `stop_all` tells first that it cannot see what else runs
        assert told in ("StopNotConfirmed", "APIConnectionError")
        assert float(seconds) < LONGEST
        assert settles(lambda: not billed(simulator)), "it runs on"


@pytest.mark.parametrize("call", CALLS)
def test_a_kernel_without_threads_stops_what_it_has(simulator: Simulator, call: str) -> None:
    """row 57"""
    with Owner() as owner:
        owner.run(connect(simulator) + START)
        owner.run(NO_THREADS)
        simulator.faults.add("stop", "drop_before", times=None)
        owner.begin(TIMED.format(call=CALLS[call]))
        told, seconds = owner.end().split()
        assert told == "StopNotConfirmed"
        assert float(seconds) < LONGEST
        simulator.faults.clear()
        assert settles(lambda: not billed(simulator)), "it runs on"


@pytest.mark.parametrize("call", CALLS)
def test_every_way_to_stop_returns_where_the_loop_is_blocked(simulator: Simulator, call: str) -> None:
    """row 57"""
    with Owner() as owner:
        owner.run(connect(simulator) + START)
        owner.run(BLOCKED)
        told, seconds = owner.run(TIMED.format(call=CALLS[call])).split()
        assert told == "returned"
        assert float(seconds) < 2 * NOTICED
        assert not billed(simulator)
        assert settles(lambda: not left_of(owner.pid)), left_of(owner.pid)


@pytest.mark.parametrize("call", ["stop", "close"])
def test_a_stop_in_whose_middle_the_loop_is_blocked_returns(simulator: Simulator, call: str) -> None:
    """row 57"""
    with Owner() as owner:
        owner.run(connect(simulator) + START)
        simulator.faults.add("stop", "delay", seconds=1)
        told, seconds = owner.run(BLOCKED_LATER + TIMED.format(call=CALLS[call])).split()
        assert told == "returned"
        assert float(seconds) < 2 * NOTICED
        assert not billed(simulator)
