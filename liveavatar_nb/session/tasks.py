"""`SessionTasks`: runs one session's tasks until the session ends, and watches their event loop."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable, Coroutine
from typing import Any
from weakref import WeakSet


class _Canary:
    """An object kept alive only by the loop's scheduled calls, so that it is freed when the loop is closed."""

    def do_nothing(self) -> None:
        """Do nothing; only the reference to this method matters."""


class SessionTasks:
    """The tasks of one session.

    Args:
        on_failure: Called with an exception that a task raised.
        on_loop_ending: Called if a task is cancelled by other code, which means that the loop is shutting down.
        limit: How long to wait for cancelled tasks, in seconds.
    """

    def __init__(
        self, on_failure: Callable[[BaseException], None], on_loop_ending: Callable[[], None], limit: float
    ) -> None:
        self._on_failure = on_failure
        self._on_loop_ending = on_loop_ending
        self._limit = limit
        self._tasks: set[asyncio.Task[None]] = set()
        self._dismissed: WeakSet[asyncio.Task[None]] = WeakSet()
        self._canary: weakref.finalize[[], _Canary] | None = None
        self._timer: Callable[[], asyncio.TimerHandle | None] = lambda: None

    def watch_loop(self, on_closed: Callable[[], None], longest: float) -> None:
        """Have a function called if the loop is closed without its tasks being cancelled.

        Args:
            on_closed: The function, called on the thread that closes the loop; it must not keep the session alive.
            longest: A delay, in seconds, that is longer than any loop will run.
        """
        canary = _Canary()
        # only the loop's scheduled calls refer to the canary, and a loop drops those when it is closed
        self._timer = weakref.ref(asyncio.get_running_loop().call_later(longest, canary.do_nothing))
        self._canary = weakref.finalize(canary, on_closed)
        self._canary.atexit = False

    def unwatch_loop(self) -> None:
        """Stop watching the loop; call this on the loop, once the session is over."""
        if self._canary is not None:
            self._canary.detach()
        if (timer := self._timer()) is not None:
            timer.cancel()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine in the background, until the session ends."""
        task = self.begin(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(self.report)

    def begin(self, work: Coroutine[Any, Any, None], name: str | None = None) -> asyncio.Task[None]:
        """Run a coroutine as a task that may outlive the session."""
        task = asyncio.create_task(self._while_loop_runs(work), name=name)
        task.add_done_callback(lambda task: work.close())  # in case the task was cancelled before it began to run
        return task

    def dismiss(self, task: asyncio.Task[None]) -> None:
        """Cancel a task, without the cancellation being taken to mean that the loop is shutting down."""
        self._dismissed.add(task)
        task.cancel()

    def dismiss_all(self) -> set[asyncio.Task[None]]:
        """Cancel all spawned tasks except the current one; return those that were cancelled."""
        dismissed = self._tasks - {asyncio.current_task()}
        for task in dismissed:
            self.dismiss(task)
        return dismissed

    async def end(self) -> None:
        """Cancel all spawned tasks except the current one, and wait until they have finished."""
        if dismissed := self.dismiss_all():
            await asyncio.wait(dismissed, timeout=self._limit)

    async def _while_loop_runs(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except asyncio.CancelledError:
            if asyncio.current_task() not in self._dismissed:
                self._on_loop_ending()
            raise

    def report(self, task: asyncio.Task[None]) -> None:
        """Report the exception of a finished task, if the task raised one."""
        if not task.cancelled() and (failure := task.exception()) is not None:
            self._on_failure(failure)
