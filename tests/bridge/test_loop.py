"""The managed loop: one for the process, interruptible, re-entrant, gone when closed."""

from __future__ import annotations

import asyncio
import errno
import inspect
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from types import FrameType
from typing import Any

import pytest

from liveavatar_nb.bridge import loop
from liveavatar_nb.bridge.loop import THREAD_NAME, ManagedLoop, bridge
from liveavatar_nb.bridge.wrappers import SyncWrapper, blocking
from liveavatar_nb.errors import ClientClosed
from liveavatar_nb.models.base import Records
from liveavatar_nb.rest.pagination import Listing, Page

from ..waiting import wait_for


async def double(number: int) -> int:
    await asyncio.sleep(0)
    return 2 * number


@pytest.fixture(autouse=True)
def own_loop() -> Iterator[None]:
    yield
    bridge.close()


def loop_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == THREAD_NAME]


def test_calls_run_on_one_daemon_thread_of_its_own_loop_class() -> None:
    async def where() -> tuple[asyncio.AbstractEventLoop, threading.Thread]:
        return asyncio.get_running_loop(), threading.current_thread()

    first, second = bridge.call(where()), bridge.call(where())
    assert first == second
    assert isinstance(first[0], ManagedLoop)
    assert first[1].daemon
    assert loop_threads() == [first[1]]


def test_nothing_starts_before_first_use() -> None:
    assert not bridge.is_running
    assert not loop_threads()


@pytest.mark.parametrize("use", [bridge.call, bridge.submit], ids=["call", "submit"])
@pytest.mark.parametrize("lack", ["descriptors", "threads"])
def test_a_loop_that_cannot_start_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, use: Callable[[Coroutine[Any, Any, int]], object], lack: str
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files") if lack == "descriptors" else RuntimeError("no thread")

    work = double(1)
    with monkeypatch.context() as patch:
        if lack == "descriptors":
            patch.setattr(loop, "ManagedLoop", refuse)
        else:
            patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises((OSError, RuntimeError)):
            use(work)
    assert inspect.getcoroutinestate(work) == inspect.CORO_CLOSED
    assert not bridge.is_running
    assert bridge.call(double(1)) == 2


def test_closed_it_is_gone_without_a_trace_and_starts_afresh() -> None:
    ended = []

    async def forever() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append(True)

    bridge.submit(forever())
    loop = bridge.loop
    bridge.call(double(1))
    bridge.close()
    assert not loop_threads()
    assert loop.is_closed()
    assert ended == [True]
    assert bridge.call(double(4)) == 8
    assert bridge.loop is not loop


def test_the_loop_goes_with_its_last_user() -> None:
    bridge.retain()
    bridge.retain()
    bridge.call(double(1))
    bridge.release()
    assert bridge.is_running
    bridge.release()
    assert not bridge.is_running


def test_an_exception_comes_through() -> None:
    async def fail() -> None:
        raise LookupError("nothing there")

    with pytest.raises(LookupError, match="nothing there"):
        bridge.call(fail())


def test_ctrl_c_cancels_the_task_and_leaves_the_loop_healthy() -> None:
    cancelled = threading.Event()

    async def slow() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    timer = threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        bridge.call(slow())
    timer.join()
    assert time.monotonic() - began < 5
    assert cancelled.is_set()
    assert bridge.call(double(2)) == 4


def test_ctrl_c_does_not_wait_for_a_task_that_will_not_end() -> None:
    let_go = threading.Event()

    async def stubborn() -> None:
        while not let_go.is_set():
            try:
                await asyncio.sleep(0.05)
            except asyncio.CancelledError:
                continue

    timer = threading.Timer(0.1, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        bridge.call(stubborn())
    timer.join()
    let_go.set()
    assert bridge.call(double(2)) == 4


class Maker:
    """Makes what must not be lost, each under a number of its own."""

    def __init__(self) -> None:
        self.made: set[int] = set()
        self.undone: set[int] = set()

    async def make(self, number: int) -> int:
        await asyncio.sleep(0)
        self.made.add(number)
        return number

    async def undo(self, number: int) -> None:
        self.undone.add(number)


class Made(SyncWrapper):
    def __init__(self, number: int) -> None:
        self._inner = number


class SyncMaker(SyncWrapper):
    def __init__(self) -> None:
        self._inner = Maker()

    make = blocking(Maker.make, wrap=Made, undo=Maker.undo)


ATTEMPTS = 1500
PLACES = 250  # in a call, one after another, at which the signals come


@pytest.fixture
def interrupts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A timer's signals are interrupts in the frames of `SyncMaker.make`."""
    # an interrupt in a finalizer is told to this, and the next one would come in there, were it not in C
    monkeypatch.setattr(sys, "unraisablehook", id)

    is_looking = False

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal is_looking
        # Reading `f_code` runs filelock's audit hook, if an earlier test has imported it: the next signal would come
        # there, and the one after that again, until the stack is full.
        if is_looking:
            return
        is_looking = True
        try:
            while frame is not None:
                if frame.f_code is SyncMaker.make.__code__:
                    raise KeyboardInterrupt
                frame = frame.f_back
        finally:
            is_looking = False

    before = signal.signal(signal.SIGALRM, interrupt)
    bridge.retain()
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)
    bridge.release()


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")
@pytest.mark.usefixtures("interrupts")
@pytest.mark.parametrize("again", [0, 0.00005, 0.0005], ids=["one", "a storm", "a slower storm"])
def test_what_was_made_is_had_or_undone_wherever_an_interrupt_comes(again: float) -> None:
    maker = SyncMaker()
    began = time.perf_counter()
    for _ in range(20):
        maker.make(-1)
    longest = 2 * (time.perf_counter() - began) / 20
    had = set()
    for number in range(ATTEMPTS):
        made = None
        try:
            signal.setitimer(signal.ITIMER_REAL, 1e-6 + longest * (number % PLACES) / PLACES, again)
            made = maker.make(number)
        except KeyboardInterrupt:
            pass
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        if made is not None:
            had.add(number)
    inner: Maker = maker._inner
    wait_for(lambda: inner.made - {-1} <= had | inner.undone)
    assert not had & inner.undone
    assert inner.undone, "no interrupt came where it matters"
    assert len(loop_threads()) == 1, "an interrupt had the loop's thread taken for dead"
    assert bridge.call(double(2)) == 4


def test_a_call_that_waits_while_the_loop_is_closed_ends() -> None:
    async def forever() -> None:
        await asyncio.sleep(3600)

    outcome: list[BaseException] = []

    def wait() -> None:
        try:
            bridge.call(forever())
        except BaseException as failure:  # noqa: BLE001
            outcome.append(failure)

    thread = threading.Thread(target=wait)
    thread.start()
    time.sleep(0.1)
    bridge.close()
    thread.join(5)
    assert [type(failure) for failure in outcome] == [ClientClosed]


def test_after_a_fork_the_child_has_a_loop_of_its_own() -> None:
    code = """
import os, threading
from liveavatar_nb.bridge.loop import bridge
async def one(): return 1
bridge.call(one())
parent = bridge.loop
pid = os.fork()
if pid == 0:
    fresh = bridge.call(one()) == 1 and bridge.loop is not parent
    os._exit(0 if fresh else 1)
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
assert bridge.call(one()) == 1 and bridge.loop is parent
print("child", status)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout.strip() == "child 0", done.stderr


@pytest.mark.parametrize("ending", ["pass", "raise SystemExit(3)", "1 / 0"])
def test_an_interpreter_that_ends_with_tasks_under_way_says_nothing_of_them(ending: str) -> None:
    code = f"""
import asyncio
from liveavatar_nb.bridge.loop import bridge
async def forever():
    await asyncio.sleep(3600)
bridge.submit(forever())
async def one(): return 1
bridge.call(one())
{ending}
"""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-c", code], capture_output=True, text=True, timeout=30, check=False
    )
    assert "Task" not in done.stderr
    assert "Fatal" not in done.stderr


REENTRANT = """
import asyncio, sys, threading
{ours}
{before}
from liveavatar_nb.bridge.loop import ManagedLoop, bridge
names = lambda: (asyncio.Task, asyncio.Future, asyncio.run, asyncio.get_event_loop, asyncio.tasks.Task,
                 asyncio.events.get_event_loop, hasattr(asyncio, "_nest_patched"),
                 type(asyncio.get_event_loop_policy()).get_event_loop, dict(vars(asyncio.SelectorEventLoop)))
kernel = asyncio.new_event_loop()
{before_apply}
was = names()
async def inner(n):
    async with asyncio.timeout(5):
        await asyncio.sleep(0.02)
    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio.sleep(0.01))
    return 2 * n
ticks = 0
async def tick():
    global ticks
    while True:
        await asyncio.sleep(0.005)
        ticks += 1
async def handler():
    ticking = asyncio.create_task(tick())
    results = [bridge.call(inner(n)) for n in range(3)]
    await asyncio.sleep(0.01)
    ticking.cancel()
    return results
assert bridge.call(handler()) == [0, 2, 4]
assert ticks > 3, ticks
assert names() == was, "asyncio is not as it was"
{which}
{after}
async def cell():
    return bridge.call(inner(3)) + await inner(4)
assert kernel.run_until_complete(cell()) == 14
assert bridge.call(handler()) == [0, 2, 4]
kernel.close()
bridge.close()
assert asyncio.run(inner(2)) == 4
print("well")
"""


APPLIED = {
    "never": {},
    "before": {"before": "import {user}", "before_apply": "{user}.apply(kernel)"},
    "after": {"after": "import {user}; {user}.apply(kernel)"},
}


@pytest.mark.parametrize("ours", ["nest_asyncio2", "nest_asyncio"])
@pytest.mark.parametrize(
    ("applied", "user"),
    [("never", ""), *((when, user) for when in ("before", "after") for user in ("nest_asyncio2", "nest_asyncio"))],
)
def test_a_reentrant_call_returns_and_leaves_the_kernels_loop_untouched(ours: str, applied: str, user: str) -> None:
    if sys.version_info >= (3, 14) and "nest_asyncio" in {ours, user}:
        pytest.skip("nest_asyncio breaks asyncio.timeout on Python 3.14, for everybody in the process")
    if ours == "nest_asyncio":
        lines = {"ours": "sys.modules['nest_asyncio2'] = None", "which": "assert 'nest_asyncio' in sys.modules"}
    else:
        lines = {"ours": "", "which": "assert 'nest_asyncio2' in sys.modules"}
    for name in {ours, user} - {""}:
        pytest.importorskip(name)
    if user == "nest_asyncio2" and ours == "nest_asyncio":
        pytest.skip("where the user has nest_asyncio2, so have we")
    lines |= {name: line.format(user=user) for name, line in APPLIED[applied].items()}
    code = REENTRANT.format(**{"before": "", "before_apply": "", "after": "", **lines})
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout.strip() == "well", done.stderr


def test_a_listing_can_be_read_from_a_handler() -> None:
    async def page(number: int) -> Page[int]:
        await asyncio.sleep(0)
        return Page(Records([number]), 2, has_next=number < 2)

    async def handler() -> list[int]:
        return bridge.call(Listing(page).all())

    assert bridge.call(handler()) == [1, 2]
