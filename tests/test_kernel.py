"""In a real kernel: its loop stays as it is, an interrupt ends a wait, and its end stops the session."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator

import pytest
from jupyter_core.utils import ensure_event_loop

from liveavatar_nb import Simulator

from .kernels import Kernel


@pytest.fixture(scope="module", autouse=True)
def loop_of_jupyter() -> None:
    """jupyter_client's blocking calls make one event loop for the process, which stays."""
    ensure_event_loop()


@pytest.fixture
def kernel() -> Iterator[Kernel]:
    kernel = Kernel()
    yield kernel
    kernel.close()


@pytest.fixture
def connect(simulator: Simulator) -> str:
    return (
        "import asyncio\n"
        "from liveavatar_nb import LiveAvatar\n"
        "from liveavatar_nb.bridge.loop import bridge\n"
        f"la = LiveAvatar({simulator.api_key!r}, api_url={simulator.url!r})"
    )


def settles(condition: Callable[[], bool], limit: float = 10.0) -> bool:
    deadline = time.monotonic() + limit
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


# nest_asyncio breaks asyncio on Python 3.14
APPLY = f"import {'nest_asyncio2' if sys.version_info >= (3, 14) else 'nest_asyncio'} as nest\nnest.apply()"
WAS = "loop = type(asyncio.get_event_loop())\nwas = dict(vars(loop)), asyncio.Task, asyncio.run, asyncio.get_event_loop"
# a sync-looking call made on the managed loop's own thread, as in an async handler
REENTRANT = """
async def handler():
    return str(la.credits()), len(la.avatars())
print(*bridge.call(handler()))
"""
SAME = """
print((dict(vars(loop)), asyncio.Task, asyncio.run, asyncio.get_event_loop) == was)
print("_nest_patched" in vars(loop))
"""
# ipykernel 7.0 cannot send from a thread of ours, which is said on stderr
WIDGET = """
import time
studio = la.studio()
while studio.credits is None:
    time.sleep(0.05)
studio.close()
la.close()
"""
AWAIT = """
async with asyncio.TaskGroup() as group:
    task = group.create_task(asyncio.sleep(0.01, "well"))
print(task.result())
"""


def test_a_reentrant_call_leaves_the_kernels_loop_untouched(kernel: Kernel, connect: str) -> None:
    kernel.run(f"{connect}\n{WAS}")
    assert kernel.run(REENTRANT).split()[0].startswith("100")
    assert kernel.run(SAME).split() == ["True", "False"]
    assert kernel.run(AWAIT) == "well"
    kernel.run("la.close()")


def test_a_widgets_worker_reaches_its_page(kernel: Kernel, connect: str) -> None:
    assert kernel.run(connect + WIDGET) == ""


@pytest.mark.parametrize("order", ["before", "after"])
def test_it_works_where_the_user_applies_nest_asyncio(
    kernel: Kernel, connect: str, simulator: Simulator, order: str
) -> None:
    if order == "before":
        kernel.run(APPLY)
    kernel.run(f"{connect}\n{WAS}")
    kernel.run(REENTRANT)
    assert kernel.run(SAME).split()[0] == "True"
    if order == "after":
        kernel.run(APPLY)
    kernel.run(REENTRANT)
    assert kernel.run("s = la.start('Silas')\nprint(s.state)") == "connected"
    assert kernel.run("async def cell():\n    return la.session.state\nprint(asyncio.run(cell()))") == "connected"
    assert len(simulator.billed()) == 1
    kernel.run("s.stop()\nla.close()")
    assert not simulator.billed()


def test_an_interrupt_ends_the_wait_and_the_session_that_was_starting(
    kernel: Kernel, connect: str, simulator: Simulator
) -> None:
    kernel.run(connect)
    simulator.faults.add("start", "delay", seconds=1.0)
    cell = kernel.begin("la.start('Silas')")
    assert settles(lambda: any(request["path"].endswith("/start") for request in simulator.requests()))
    kernel.manager.interrupt_kernel()
    with pytest.raises(RuntimeError, match="KeyboardInterrupt"):
        kernel.result(cell)
    assert kernel.run("la.session.wait_until_ended()\nprint(la.session.state, la.live_sessions)") == "ended []"
    assert not simulator.billed()
    assert [entry.starts for entry in simulator.ledger()] == [1]


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
def test_the_kernels_shutdown_stops_the_session(
    kernel: Kernel, connect: str, simulator: Simulator, *, busy: bool
) -> None:
    kernel.run(f"{connect}\nla.start('Silas')")
    assert len(simulator.billed()) == 1
    if busy:
        kernel.begin("import time\ntime.sleep(60)")
        time.sleep(0.5)
    kernel.manager.shutdown_kernel()
    assert settles(lambda: not simulator.billed(), 1)


def test_a_demos_simulator_ends_with_its_kernel(kernel: Kernel) -> None:
    pid = int(kernel.run("from liveavatar_nb import LiveAvatar\nla = LiveAvatar.demo()\nprint(la.simulator.pid)"))
    kernel.manager.interrupt_kernel()
    assert kernel.run("print(la.credits())").startswith("100")
    kernel.manager.shutdown_kernel(now=True)

    def gone() -> bool:
        import psutil  # noqa: PLC0415

        return not psutil.pid_exists(pid)

    assert settles(gone)
