"""Real kernels die with a session, by what a front end does to them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest
from jupyter_core.utils import ensure_event_loop

from liveavatar_nb import Simulator

from ..kernels import Kernel
from .ends import ENDS, make_busy
from .owners import START, connect, guards, left_of, settles, stopped_after


@pytest.fixture(scope="module", autouse=True)
def loop_of_jupyter() -> None:
    """jupyter_client's blocking calls make one event loop for the process, which stays."""
    ensure_event_loop()


@pytest.fixture
def kernel() -> Iterator[Kernel]:
    kernel = Kernel()
    yield kernel
    kernel.close()


@pytest.mark.parametrize("end", ENDS)
def test_the_end_of_a_busy_kernel_stops_its_session(kernel: Kernel, simulator: Simulator, end: str) -> None:
    """row 39, row 40"""
    session_id = kernel.run(connect(simulator) + START)
    pid = kernel.pid
    assert len(guards(pid)) == 1
    make_busy(kernel)
    died = time.time()
    ENDS[end](kernel)
    assert stopped_after(simulator, session_id, died) < 10
    assert settles(lambda: not left_of(pid)), left_of(pid)


def test_an_interrupted_kernel_keeps_its_session_and_its_guard(kernel: Kernel, simulator: Simulator) -> None:
    kernel.run(connect(simulator) + START)
    there = guards(kernel.pid)
    cell = make_busy(kernel)
    kernel.manager.interrupt_kernel()
    with pytest.raises(RuntimeError, match="KeyboardInterrupt"):
        kernel.result(cell)
    assert kernel.run("print(session.state)") == "connected"
    assert guards(kernel.pid) == there
    assert len(simulator.billed()) == 1
    kernel.run("session.stop()")
    assert settles(lambda: not left_of(kernel.pid)), left_of(kernel.pid)


def test_two_kernels_on_one_journal_leave_each_other_alone(kernel: Kernel, simulator: Simulator) -> None:
    """row 48"""
    other = Kernel()
    try:
        ids = [each.run(connect(simulator) + START) for each in (kernel, other)]
        whose = "print(*(one.whose for one in la.sessions() if one.id == {!r}))"
        assert kernel.run(whose.format(ids[0])) == "this kernel"
        assert kernel.run(whose.format(ids[1])) == "another kernel"
        assert kernel.run("print(len(la.stop_orphans()))") == "0"
        other.run("session.stop()")
        ids[1] = other.run(START)
        assert {entry.session_id for entry in simulator.billed()} == set(ids)
        os.kill(other.pid, signal.SIGKILL)
        stopped_after(simulator, ids[1], time.time())
        assert [entry.session_id for entry in simulator.billed()] == ids[:1]
        assert kernel.run("print(session.state)") == "connected"
        kernel.run("session.stop()")
    finally:
        other.close()
    assert settles(lambda: not left_of(kernel.pid)), left_of(kernel.pid)
