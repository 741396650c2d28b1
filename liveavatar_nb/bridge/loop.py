"""The managed event loop.

One daemon thread runs one loop for the whole process. The loop starts on first use, is replaced after a fork, and ends
when the last client is closed. Calls from other threads wait for their results. Ctrl-C during such a wait cancels the
call; if the call has already finished, its result is undone. A call made on the loop's own thread, from inside an async
handler, runs nested (see `nested`).
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import contextlib
import logging
import os
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, overload

from ..concurrency.loops import EndingLoop
from ..errors import ClientClosed, LiveAvatarException, calling_context
from .nested import run_nested

R = TypeVar("R")

Undo = Callable[[Any], Coroutine[Any, Any, object]]

INTERRUPT_GRACE = 0.3  # seconds to wait for a cancelled task to clean up before KeyboardInterrupt propagates
TAKEN_LOOK = 0.1  # seconds between checks whether a caller has received its result
SHUTDOWN_LIMIT = 2.0  # seconds to wait for the loop's tasks and thread to finish

logger = logging.getLogger("liveavatar_nb.bridge")

THREAD_NAME = "liveavatar_nb-loop"
LOOP_CLOSED = "The managed loop was closed during the call."


class ManagedLoop(EndingLoop):
    """A separate class for the managed loop, so that nest_asyncio never patches the kernel's loop class."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: set[_Wait] = set()


class LoopSilent(Exception):
    """The loop is not responding, because something is blocking it."""


class _Wait:
    """A coroutine on the loop, and the thread that waits for the coroutine's result.

    An interrupt can hit the waiting thread between any two steps, even while it handles an earlier interrupt. So the
    thread only sets one of two flags, and the loop makes sure that a result that was not received is undone.

    Args:
        loop: The managed loop.
        work: The coroutine.
        undo: Undoes a result that the caller did not receive; None if nothing needs to be undone.
        is_whole: Whether to let the work finish despite an interrupt, because only its result shows what to undo.
    """

    __slots__ = (
        "_done", "_failure", "_is_done", "_is_whole", "_loop", "_result", "_task", "_undo", "_undoing", "_work",
        "is_closed", "is_left", "is_taken",
    )  # fmt: skip

    def __init__(self, loop: ManagedLoop, work: Coroutine[Any, Any, Any], undo: Undo | None, *, is_whole: bool) -> None:
        # use a bare lock: the Condition in run_coroutine_threadsafe's future would take a fifth of each call's time
        # an interrupt could leave a Condition locked, and then the loop would hang when setting the result
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
        self.is_taken = False  # the caller has received the result
        self.is_left = False  # the caller stopped waiting and did not receive the result
        self.is_closed = False  # the loop was closed during the call

    @property
    def has_failed(self) -> bool:
        """Whether the work has failed."""
        return self._failure is not None

    def start(self) -> None:
        """Start the work on the loop, unless the caller has stopped waiting."""
        if self.is_left:
            self._drop()
        else:
            self._task = self._loop.create_task(self._run())
            self._task.add_done_callback(self._end)

    async def _run(self) -> None:
        try:
            self._result = await self._work
        except BaseException as failure:  # noqa: BLE001 (it is raised in the waiting thread)
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
        """Clean up after the task; work that was cancelled before its first step still has to be closed."""
        if not self._is_done:
            self._drop()
        self._undo_unless_taken()

    def _drop(self) -> None:
        """Close work that has not begun and never will."""
        self._work.close()
        self._settle(asyncio.CancelledError())

    def _undo_unless_taken(self) -> None:
        """Undo the result if the caller did not receive it; keep checking while the caller may still receive it."""
        if self._undo is None or self._failure is not None or self.is_taken:
            return
        if not self.is_left:
            self._loop.call_later(TAKEN_LOOK, self._undo_unless_taken)
            return
        self._undoing = self._loop.create_task(self._undo_result(self._undo), name="liveavatar_nb undoing")
        self._undo = None

    async def _undo_result(self, undo: Undo) -> None:
        logger.info("a call was interrupted just as it finished; undoing the result")
        try:
            await undo(self._result)
        except Exception as failure:  # noqa: BLE001 (nobody is waiting for it)
            logger.warning(
                "a call was interrupted just as it finished, and the result could not be undone: %s", failure
            )

    def leave(self, on_done: Callable[[], None]) -> None:
        """Cancel the work, because the caller has stopped waiting, and undo the result if there is one.

        This runs on the loop, after `start`.

        Args:
            on_done: Called once the work has been cancelled and the result, if any, has been undone.
        """
        self._loop.create_task(self._leave()).add_done_callback(lambda _: on_done())

    async def _leave(self) -> None:
        if self._task is None:
            self._drop()
            return
        if not self._is_whole:
            self._task.cancel()
        await asyncio.wait([self._task])
        self._undo_unless_taken()
        if self._undoing is not None:
            await asyncio.wait([self._undoing])

    def give_up(self) -> None:
        """End the caller's wait, because the loop is closed and will never do the work."""
        if self._task is None:
            self._work.close()
        self._settle(ClientClosed(LOOP_CLOSED))

    def outcome(self, patience: float | None = None) -> Any:
        """Wait for the result, and return it or raise the failure.

        Args:
            patience: How many seconds to wait for a loop that does not respond; None waits forever.

        Raises:
            LoopSilent: The loop does not respond.
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
            # drop the traceback of our own errors, because our frames tell a user nothing
            raise failure.with_traceback(None) if isinstance(failure, LiveAvatarException) else failure
        finally:
            # a frame that refers to the exception being raised would keep all objects in the traceback alive
            del failure, self


class Bridge:
    """Owns the managed loop and its thread; `bridge` is the only instance in each process."""

    def __init__(self) -> None:
        self._users = 0  # this count survives a fork, since the child inherits its parent's clients
        self._reset()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._reset)

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._loop: ManagedLoop | None = None
        self._thread: threading.Thread | None = None

    @property
    def loop(self) -> ManagedLoop:
        """The running managed loop; reading this property starts it if necessary."""
        loop = self._loop
        if loop is None:
            with self._lock:
                loop = self._loop or self._start()
        return loop

    def _loop_for(self, work: Coroutine[Any, Any, Any]) -> ManagedLoop:
        """Return the running loop; close the work if the loop cannot be started, e.g. for want of descriptors."""
        try:
            return self.loop
        except BaseException:
            work.close()
            raise

    @property
    def is_running(self) -> bool:
        """Whether the loop exists."""
        return self._loop is not None

    def _start(self) -> ManagedLoop:
        loop = ManagedLoop()
        thread = threading.Thread(target=self._run, args=[loop], name=THREAD_NAME, daemon=True)
        try:
            thread.start()
        except RuntimeError:  # no more threads
            loop.close()
            raise
        # the thread waits for the lock held here; it exits at once if an interrupt keeps the next line from running
        self._loop, self._thread = loop, thread
        atexit.unregister(self.close)
        atexit.register(self.close)
        return loop

    def _run(self, loop: ManagedLoop) -> None:
        """Run the loop on its own thread until it is stopped, then clean up."""
        with self._lock:
            is_known = self._loop is loop
        asyncio.set_event_loop(loop)
        try:
            if is_known:
                loop.run_forever()
        finally:
            loop.is_going = True
            with self._lock:
                # the next call starts a new loop
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
        convert: Callable[[Any], Any] | None = None,
    ) -> Any: ...
    def call(
        self,
        work: Coroutine[Any, Any, Any],
        *,
        closes: bool = False,
        undo: Undo | None = None,
        is_whole: bool = False,
        patience: float | None = None,
        convert: Callable[[Any], Any] | None = None,
    ) -> Any:
        """Run `work` on the loop and wait for its result; can be called from any thread.

        Args:
            work: A coroutine.
            closes: Whether to close the loop afterwards if no client needs it.
            undo: A coroutine function that undoes a result whose caller was interrupted before receiving it.
            is_whole: Whether to let the work finish despite an interrupt, because only its result shows what to undo.
            patience: How many seconds to wait for a loop that does not respond; None waits forever.
            convert: Converts the result, on the caller's thread.

        Returns:
            The result, converted if `convert` is given.

        Raises:
            KeyboardInterrupt: The wait was interrupted; the task was cancelled, or its result undone.
            LoopSilent: The loop does not respond; the task is cancelled once the loop responds again.
            ClientClosed: The loop was closed during the call.
            OSError, RuntimeError: The loop could not be started; the process has no descriptors or threads left.
        """
        loop, thread = self._loop_for(work), self._thread
        if thread is not None and threading.get_ident() == thread.ident:
            result = calling_context().run(run_nested, loop, work)
            return result if convert is None else convert(result)
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
            converted = result if convert is None else convert(result)
        except BaseException:
            # set this flag before calling anything, since an interrupt can be raised only during a call
            wait.is_left = True
            if not wait.has_failed:
                _ask(loop, wait.leave, INTERRUPT_GRACE)
            if closes:
                self.close_if_unused()
            raise
        wait.is_taken = True  # set this flag last, since an interrupt can arrive during any of the calls above
        return converted

    def submit(self, work: Coroutine[Any, Any, R]) -> concurrent.futures.Future[R]:
        """Run `work` on the loop without waiting for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop_for(work))

    def answers(self, limit: float) -> bool:
        """Return whether the loop responds to a call within `limit` seconds.

        If no loop is running, the result is True, because the next call starts a loop.
        """
        loop = self._loop
        return loop is None or self._thread is threading.current_thread() or _ask(loop, _answer, limit)

    def retain(self) -> None:
        """Register one more client that needs the loop."""
        with self._lock:
            self._users += 1

    def release(self) -> None:
        """Unregister a client that needed the loop; close the loop after the last client."""
        with self._lock:
            self._users = max(0, self._users - 1)
        self.close_if_unused()

    def close_if_unused(self) -> None:
        """Close the loop if no client needs it, for example because a call on a closed client has started it."""
        if not self._users:
            self._end(self._detach(only_unused=True))

    def close(self) -> None:
        """Cancel all tasks, close the loop and stop its thread; the next use starts a new loop."""
        self._end(self._detach())

    def _detach(self, *, only_unused: bool = False) -> tuple[ManagedLoop, threading.Thread] | None:
        """Forget the loop and its thread, so that nothing else uses them, and return both."""
        with self._lock:
            if only_unused and self._users:
                return None
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        return None if loop is None or thread is None else (loop, thread)

    @staticmethod
    def _end(detached: tuple[ManagedLoop, threading.Thread] | None) -> None:
        if detached is None:
            return
        loop, thread = detached
        for wait in list(loop.waits):
            wait.is_closed = True
        with contextlib.suppress(RuntimeError):  # the loop is already closed
            loop.call_soon_threadsafe(loop.stop)
        if thread is not threading.current_thread():
            thread.join(SHUTDOWN_LIMIT)


def _ask(loop: ManagedLoop, work: Callable[[Callable[[], None]], None], limit: float) -> bool:
    """Call `work` on the loop and wait until it signals completion.

    Args:
        loop: The managed loop.
        work: Called on the loop with one argument: a function that it must call to signal completion.
        limit: How many seconds to wait.

    Returns:
        True if `work` completed in time, or if the loop is closed.
    """
    # use a lock: an interrupt could leave an Event locked, and then the loop would hang when setting the Event
    answered = threading.Lock()
    answered.acquire()
    try:
        loop.call_soon_threadsafe(work, answered.release)
    except RuntimeError:
        return True
    return answered.acquire(timeout=limit)


def _answer(on_done: Callable[[], None]) -> None:
    on_done()


def _drain(loop: ManagedLoop) -> None:
    """Cancel the remaining tasks and any that they start, so that none is destroyed while pending."""
    deadline = loop.time() + SHUTDOWN_LIMIT
    while (tasks := asyncio.all_tasks(loop)) and loop.time() < deadline:
        for task in tasks:
            task.cancel()
        _run_to_end(loop, asyncio.wait(tasks, timeout=deadline - loop.time()))
    # a connection that does not close must not keep the loop alive
    _run_to_end(loop, asyncio.wait_for(loop.close_connections(), SHUTDOWN_LIMIT))
    _run_to_end(loop, loop.shutdown_asyncgens())
    _run_to_end(loop, loop.shutdown_default_executor())


def _run_to_end(loop: ManagedLoop, work: Coroutine[Any, Any, Any]) -> None:
    """Run a coroutine until it has finished, even if the loop is stopped again; log any error that it raises."""
    task = loop.create_task(work)
    while not task.done():
        with contextlib.suppress(Exception):
            loop.run_until_complete(task)
    if not task.cancelled() and (failure := task.exception()) is not None:
        logger.info("an error occurred while the managed loop was closing: %s", type(failure).__name__)


bridge = Bridge()
