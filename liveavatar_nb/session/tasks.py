"""`SessionTasks`: the tasks of one session, which end with it, and what follows where their loop ends first."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable, Coroutine
from typing import Any
from weakref import WeakSet


class _Canary:
    """Sits in a loop, and dies with it."""

    def sit(self) -> None:
        """What it does there."""


class SessionTasks:
    """The tasks of one session.

    Args:
        failed: called with what one of them raised.
        lost: called where the loop cancels one, which nobody here did: the loop ends.
        limit: seconds that they have to end.
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
        """Has `closed` called where the loop is closed without a word to its tasks; on the thread that does so.

        Args:
            closed: holds nothing of the session's alive.
            longest: seconds that no loop runs.
        """
        canary = _Canary()
        # nothing but the loop's schedule holds it, which a loop drops as it is closed
        self._timer = weakref.ref(asyncio.get_running_loop().call_later(longest, canary.sit))
        self._canary = weakref.finalize(canary, closed)
        self._canary.atexit = False

    def mind_loop_no_more(self) -> None:
        """The session is over; on the loop."""
        if self._canary is not None:
            self._canary.detach()
        if (timer := self._timer()) is not None:
            timer.cancel()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Has it done beside the rest, until the session ends."""
        task = self.begin(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(self.report)

    def begin(self, work: Coroutine[Any, Any, None], name: str | None = None) -> asyncio.Task[None]:
        """Has it done, also past the session's end."""
        task = asyncio.create_task(self._while_loop_runs(work), name=name)
        task.add_done_callback(lambda task: work.close())  # one that was ended before its first step
        return task

    def dismiss(self, task: asyncio.Task[None]) -> None:
        """Ends one."""
        self._dismissed.add(task)
        task.cancel()

    def dismiss_all(self) -> set[asyncio.Task[None]]:
        """Ends all that were spawned, but for the one that asks for it."""
        dismissed = self._tasks - {asyncio.current_task()}
        for task in dismissed:
            self.dismiss(task)
        return dismissed

    async def end(self) -> None:
        """Ends all that were spawned; returns once they have."""
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
        """Tells what it raised."""
        if not task.cancelled() and (failure := task.exception()) is not None:
            self._failed(failure)
