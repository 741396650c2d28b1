"""`Crew`: the tasks of one session, which end with it; it also notices if their loop ends first."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable, Coroutine
from typing import Any
from weakref import WeakSet


class _Canary:
    """An object that only a loop's schedule refers to, so that it dies with the loop."""

    def sit(self) -> None:
        """Do nothing: the loop's schedule needs something to call."""


class Crew:
    """The tasks of one session.

    Args:
        failed: called with an exception that a task raised.
        lost: called if a task was cancelled, but not by the crew: its loop is ending.
        limit: seconds for the tasks to end.
    """

    def __init__(self, failed: Callable[[BaseException], None], lost: Callable[[], None], limit: float) -> None:
        self._failed = failed
        self._lost = lost
        self._limit = limit
        self._tasks: set[asyncio.Task[None]] = set()
        self._dismissed: WeakSet[asyncio.Task[None]] = WeakSet()
        self._canary: weakref.finalize[[], _Canary] | None = None
        self._timer: Callable[[], asyncio.TimerHandle | None] = lambda: None

    def mind_loop(self, closed: Callable[[], None], longest: float) -> None:
        """Call `closed` if the loop is closed without cancelling its tasks, on the thread that closes it.

        Args:
            closed: the callback; it must not keep the session alive.
            longest: more seconds than any loop runs.
        """
        canary = _Canary()
        # only the loop's schedule refers to it, and a loop drops its schedule when it is closed
        self._timer = weakref.ref(asyncio.get_running_loop().call_later(longest, canary.sit))
        self._canary = weakref.finalize(canary, closed)
        self._canary.atexit = False

    def mind_loop_no_more(self) -> None:
        """Stop watching the loop, because the session is over; call it on the loop."""
        if self._canary is not None:
            self._canary.detach()
        if (timer := self._timer()) is not None:
            timer.cancel()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run work in the background until the session ends."""
        task = self.begin(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(self.report)

    def begin(self, work: Coroutine[Any, Any, None], name: str | None = None) -> asyncio.Task[None]:
        """Run work in the background, even past the session's end."""
        task = asyncio.create_task(self._while_loop_runs(work), name=name)
        task.add_done_callback(lambda task: work.close())  # for a task that was cancelled before its first step
        return task

    def dismiss(self, task: asyncio.Task[None]) -> None:
        """Cancel a task of the crew."""
        self._dismissed.add(task)
        task.cancel()

    def dismiss_all(self) -> set[asyncio.Task[None]]:
        """Cancel all spawned tasks but the current one, and return those cancelled."""
        dismissed = self._tasks - {asyncio.current_task()}
        for task in dismissed:
            self.dismiss(task)
        return dismissed

    async def end(self) -> None:
        """Cancel all spawned tasks, and wait until they have ended."""
        if dismissed := self.dismiss_all():
            await asyncio.wait(dismissed, timeout=self._limit)

    async def _while_loop_runs(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except asyncio.CancelledError:
            if asyncio.current_task() not in self._dismissed:
                self._lost()
            raise

    def report(self, task: asyncio.Task[None]) -> None:
        """Report what a task raised."""
        if not task.cancelled() and (failure := task.exception()) is not None:
            self._failed(failure)


def unheard(task: asyncio.Task[Any]) -> None:
    """Mark a task's exception as retrieved, so that asyncio does not log it if nobody awaits the task.

    Use it as a done callback.
    """
    if not task.cancelled():
        task.exception()
