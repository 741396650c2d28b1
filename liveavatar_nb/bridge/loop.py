"""The managed event loop.

One daemon thread runs one loop for the whole process. It starts at first use, is made anew after a fork,
and leaves without a trace once the last client is closed. Calls from other threads wait for it; Ctrl-C ends
such a wait by cancelling the task, and what had come of it already is undone. A call made on the loop's own
thread, from inside an async handler, runs nested: `nested` does that.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import contextlib
import logging
import os
import threading
import weakref
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, overload

from ..concurrency.loops import Farewell
from ..errors import ClientClosed, LiveAvatarException, calling_context
from .nested import run_nested

R = TypeVar("R")

Undo = Callable[[Any], Coroutine[Any, Any, object]]

INTERRUPT_GRACE = 0.3  # s that a cancelled task has to clean up before KeyboardInterrupt goes on
TAKEN_LOOK = 0.1  # s between two looks at whether a caller has taken its result
SHUTDOWN_LIMIT = 2.0  # s for the loop's tasks and thread to end

logger = logging.getLogger("liveavatar_nb.bridge")

THREAD_NAME = "liveavatar_nb-loop"
LOOP_CLOSED = "The managed loop was closed while the call was waiting."


class ManagedLoop(asyncio.SelectorEventLoop):
    """A class of its own: nest_asyncio patches a loop's class, and the kernel's loop must not share it."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: set[_Wait] = set()
        self.is_going = False  # it ends its tasks, and takes no others
        self._farewells: list[weakref.WeakMethod[Farewell]] = []

    def at_end(self, farewell: Farewell) -> None:
        """Call and await a method when the loop ends: what holds connections of it closes them."""
        self._farewells = [known for known in self._farewells if known() is not None]
        self._farewells.append(weakref.WeakMethod(farewell))

    async def say_farewell(self) -> None:
        """Calls what was given to `at_end`."""
        for known in self._farewells:
            if (farewell := known()) is not None:
                await farewell()


class LoopSilent(Exception):
    """The loop does not answer: somebody blocks it."""


class _Wait:
    """One coroutine on the loop, and the thread that waits for what comes of it.

    An interrupt can come between any two steps of that thread, also while it sees to an earlier one. So the thread
    does no more than set one of two marks, and the loop sees to it that a result that was not taken is undone.

    Args:
        loop: the managed one.
        work: the coroutine.
        undo: is given a result that the caller has left; None where a result costs and holds nothing.
        is_whole: an interrupt does not cancel the work: only its result tells what there is to undo.
    """

    __slots__ = (
        "_done", "_failure", "_is_done", "_is_whole", "_loop", "_result", "_task", "_undo", "_undoing", "_work",
        "is_closed", "is_left", "is_taken",
    )  # fmt: skip

    def __init__(self, loop: ManagedLoop, work: Coroutine[Any, Any, Any], undo: Undo | None, *, is_whole: bool) -> None:
        # A bare lock. What run_coroutine_threadsafe gives is waited for by a Condition, which an interrupt can leave
        # locked, so that the loop hangs as it sets the result; and it costs a fifth of the call.
        self._done = threading.Lock()
        self._done.acquire()
        self._is_done = False
        self._loop = loop
        self._work = work
        self._undo = undo
        self._is_whole = is_whole
        self._task: asyncio.Task[None] | None = None
        self._undoing: asyncio.Task[None] | None = None
        self._result: Any = None
        self._failure: BaseException | None = None
        self.is_taken = False  # the caller has it
        self.is_left = False  # the caller has gone without it
        self.is_closed = False  # the loop was closed meanwhile

    @property
    def has_failed(self) -> bool:
        """Whether nothing can come of it any more."""
        return self._failure is not None

    def start(self) -> None:
        """On the loop: begins the work, unless nobody waits for it any more."""
        if self.is_left:
            self._drop()
        else:
            self._task = self._loop.create_task(self._run())
            self._task.add_done_callback(self._end)

    async def _run(self) -> None:
        try:
            self._result = await self._work
        except BaseException as failure:  # noqa: BLE001 (it belongs to the thread that waits)
            self._failure = failure
        finally:
            self._settle()

    def _settle(self, failure: BaseException | None = None) -> None:
        self._loop.waits.discard(self)
        if not self._is_done:
            self._failure = self._failure or failure
            self._is_done = True
            self._done.release()

    def _end(self, task: asyncio.Task[None]) -> None:
        """Work that was cancelled before its first step is closed all the same, and nobody waits for it."""
        if not self._is_done:
            self._drop()
        self._see_it_taken()

    def _drop(self) -> None:
        """Work that has not begun, and will not."""
        self._work.close()
        self._settle(asyncio.CancelledError())

    def _see_it_taken(self) -> None:
        """On the loop: has a result undone that the caller has left; asks again as long as that is not known."""
        if self._undo is None or self._failure is not None or self.is_taken:
            return
        if not self.is_left:
            self._loop.call_later(TAKEN_LOOK, self._see_it_taken)
            return
        self._undoing = self._loop.create_task(self._undo_it(self._undo), name="liveavatar_nb undoing")
        self._undo = None

    async def _undo_it(self, undo: Undo) -> None:
        logger.info("a call was interrupted as it ended: what came of it is undone")
        try:
            await undo(self._result)
        except Exception as failure:  # noqa: BLE001 (nobody waits for it)
            logger.warning("a call was interrupted as it ended, and what came of it could not be undone: %s", failure)

    def leave(self, is_over: Callable[[], None]) -> None:
        """On the loop, after `start`: ends the work, for its caller has left, and undoes what came of it all the same.

        Args:
            is_over: called once that is done.
        """
        self._loop.create_task(self._leave()).add_done_callback(lambda _: is_over())

    async def _leave(self) -> None:
        if self._task is None:
            self._drop()
            return
        if not self._is_whole:
            self._task.cancel()
        await asyncio.wait([self._task])
        self._see_it_taken()
        if self._undoing is not None:
            await asyncio.wait([self._undoing])

    def give_up(self) -> None:
        """Ends the wait for work that the closed loop will never do."""
        if self._task is None:
            self._work.close()
        self._settle(ClientClosed(LOOP_CLOSED))

    def outcome(self, patience: float | None = None) -> Any:
        """Waits for what comes of it.

        Args:
            patience: seconds until a loop that does not answer is given up; None waits for it.

        Raises:
            LoopSilent: the loop does not answer.
        """
        while not self._done.acquire(timeout=-1 if patience is None else patience):
            if not _ask(self._loop, _answer, patience or 0):
                raise LoopSilent
        failure = self._failure
        if failure is None:
            return self._result
        if (self.is_closed or self._loop.is_going) and isinstance(failure, asyncio.CancelledError):
            raise ClientClosed(LOOP_CLOSED) from None
        try:
            # one of ours says it all in words; the frames in here tell a user nothing
            raise failure.with_traceback(None) if isinstance(failure, LiveAvatarException) else failure
        finally:
            # a frame that holds its own exception keeps everything below it alive
            del failure, self


class Bridge:
    """Owns the managed loop and its thread; `bridge` is the process's one."""

    def __init__(self) -> None:
        self._users = 0  # a forked child has its parent's clients
        self._reset()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._reset)

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._loop: ManagedLoop | None = None
        self._thread: threading.Thread | None = None

    @property
    def loop(self) -> ManagedLoop:
        """The managed loop, running; started here where there is none."""
        loop = self._loop
        if loop is None:
            with self._lock:
                loop = self._loop or self._start()
        return loop

    @property
    def is_running(self) -> bool:
        """Whether the loop is there."""
        return self._loop is not None

    def _start(self) -> ManagedLoop:
        loop = ManagedLoop()
        thread = threading.Thread(target=self._run, args=[loop], name=THREAD_NAME, daemon=True)
        thread.start()
        # under the lock that the thread waits for: one that an interrupt kept from being known here ends at once
        self._loop, self._thread = loop, thread
        atexit.unregister(self.close)
        atexit.register(self.close)
        return loop

    def _run(self, loop: ManagedLoop) -> None:
        """The loop's life, on its own thread."""
        with self._lock:
            is_known = self._loop is loop
        asyncio.set_event_loop(loop)
        try:
            if is_known:
                loop.run_forever()
        finally:
            loop.is_going = True
            with self._lock:
                # the next call starts another one
                if self._loop is loop:
                    self._loop = self._thread = None
            for wait in list(loop.waits):
                wait.is_closed = True
            try:
                _drain(loop)
            finally:
                asyncio.set_event_loop(None)
                loop.close()
                for wait in list(loop.waits):
                    wait.give_up()

    @overload
    def call(
        self,
        work: Coroutine[Any, Any, R],
        *,
        closes: bool = False,
        undo: Undo | None = None,
        is_whole: bool = False,
        patience: float | None = None,
    ) -> R: ...
    @overload
    def call(
        self,
        work: Coroutine[Any, Any, Any],
        *,
        closes: bool = False,
        undo: Undo | None = None,
        is_whole: bool = False,
        patience: float | None = None,
        take: Callable[[Any], Any] | None = None,
    ) -> Any: ...
    def call(
        self,
        work: Coroutine[Any, Any, Any],
        *,
        closes: bool = False,
        undo: Undo | None = None,
        is_whole: bool = False,
        patience: float | None = None,
        take: Callable[[Any], Any] | None = None,
    ) -> Any:
        """Runs `work` on the loop and waits for its result, from any thread.

        Args:
            work: a coroutine.
            closes: whether a loop that no client needs goes afterwards.
            undo: a coroutine function, given a result whose caller was interrupted before it had it.
            is_whole: an interrupt does not cancel the work: only its result tells what there is to undo.
            patience: seconds until a loop that does not answer is given up; None waits for it.
            take: what the caller makes of the result, on its own thread.

        Raises:
            KeyboardInterrupt: the wait was interrupted; the task was cancelled, or its result undone.
            LoopSilent: the loop does not answer; the task is cancelled once it does.
            ClientClosed: the loop was closed meanwhile.
        """
        loop, thread = self.loop, self._thread
        if thread is not None and threading.get_ident() == thread.ident:
            result = calling_context().run(run_nested, loop, work)
            return result if take is None else take(result)
        wait = _Wait(loop, work, undo, is_whole=is_whole)
        try:
            loop.waits.add(wait)
            try:
                loop.call_soon_threadsafe(wait.start, context=calling_context())
            except RuntimeError:
                wait.give_up()
            result = wait.outcome(patience)
            if closes:
                self.close_if_unused()
            taken = result if take is None else take(result)
        except BaseException:
            wait.is_left = True  # first of all: interrupts come at calls, and there is none before it
            if not wait.has_failed:
                _ask(loop, wait.leave, INTERRUPT_GRACE)
            if closes:
                self.close_if_unused()
            raise
        wait.is_taken = True  # last of all, likewise
        return taken

    def submit(self, work: Coroutine[Any, Any, R]) -> concurrent.futures.Future[R]:
        """Runs `work` on the loop without waiting for it."""
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def answers(self, limit: float) -> bool:
        """Whether the loop takes calls: False where it runs and does nothing for so many seconds.

        One that has ended takes calls: the next one starts another.
        """
        loop = self._loop
        return loop is None or self._thread is threading.current_thread() or _ask(loop, _answer, limit)

    def retain(self) -> None:
        """One more client needs the loop."""
        with self._lock:
            self._users += 1

    def release(self) -> None:
        """One client less; with the last one the loop goes."""
        with self._lock:
            self._users = max(0, self._users - 1)
        self.close_if_unused()

    def close_if_unused(self) -> None:
        """Closes the loop that a call on a closed client has started."""
        if not self._users:
            self._end(self._take(only_unused=True))

    def close(self) -> None:
        """Cancels what runs, closes the loop and ends its thread; the next use starts afresh."""
        self._end(self._take())

    def _take(self, *, only_unused: bool = False) -> tuple[ManagedLoop, threading.Thread] | None:
        """The loop and its thread, which nobody else finds from here on."""
        with self._lock:
            if only_unused and self._users:
                return None
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        return None if loop is None or thread is None else (loop, thread)

    @staticmethod
    def _end(taken: tuple[ManagedLoop, threading.Thread] | None) -> None:
        if taken is None:
            return
        loop, thread = taken
        for wait in list(loop.waits):
            wait.is_closed = True
        with contextlib.suppress(RuntimeError):  # it has ended meanwhile
            loop.call_soon_threadsafe(loop.stop)
        if thread is not threading.current_thread():
            thread.join(SHUTDOWN_LIMIT)


def _ask(loop: ManagedLoop, work: Callable[[Callable[[], None]], None], limit: float) -> bool:
    """Has the loop do something that calls what it is given; whether that came in time, or the loop is closed."""
    # no Event: an interrupt can leave its lock held, and the loop would hang as it sets it
    answered = threading.Lock()
    answered.acquire()
    try:
        loop.call_soon_threadsafe(work, answered.release)
    except RuntimeError:
        return True
    return answered.acquire(timeout=limit)


def _answer(is_heard: Callable[[], None]) -> None:
    is_heard()


def _drain(loop: ManagedLoop) -> None:
    """Ends the tasks that are left, so that none is destroyed while it waits, nor those that they begin then."""
    deadline = loop.time() + SHUTDOWN_LIMIT
    while (tasks := asyncio.all_tasks(loop)) and loop.time() < deadline:
        for task in tasks:
            task.cancel()
        _run_to_end(loop, asyncio.wait(tasks, timeout=deadline - loop.time()))
    # a connection that does not close is no reason to stay
    _run_to_end(loop, asyncio.wait_for(loop.say_farewell(), SHUTDOWN_LIMIT))
    _run_to_end(loop, loop.shutdown_asyncgens())
    _run_to_end(loop, loop.shutdown_default_executor())


def _run_to_end(loop: ManagedLoop, work: Coroutine[Any, Any, Any]) -> None:
    """Runs it to its end, whatever it raises, also where the loop is stopped once more."""
    task = loop.create_task(work)
    while not task.done():
        with contextlib.suppress(Exception):
            loop.run_until_complete(task)
    if not task.cancelled() and (failure := task.exception()) is not None:
        logger.info("the managed loop ended with %s", type(failure).__name__)


bridge = Bridge()
