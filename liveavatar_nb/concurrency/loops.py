"""`EndingLoop`: our own event loop, which closes the connections opened on it before it shuts down."""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

Closer = Callable[[], Coroutine[Any, Any, None]]


class EndingLoop(asyncio.SelectorEventLoop):
    """An event loop that, before it shuts down, closes the objects registered with it.

    The user's own event loops cannot do this; on those, the user has to close the objects.

    Attributes:
        is_going: Whether the loop is shutting down; if so, it cancels its tasks and accepts no new ones.
    """

    def __init__(self) -> None:
        super().__init__()
        self.is_going = False
        self._closers: list[weakref.WeakMethod[Closer]] = []

    def at_end(self, close: Closer) -> None:
        """Register an async method to be called before the loop shuts down; this does not keep its object alive."""
        self._closers = [known for known in self._closers if known() not in (None, close)]
        self._closers.append(weakref.WeakMethod(close))

    async def close_connections(self) -> None:
        """Call and await all registered methods, even if some of them fail."""
        for known in self._closers:
            if (close := known()) is not None:
                with contextlib.suppress(Exception):  # a failure to close one connection must not leave the others open
                    await close()


def run(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Like `asyncio.run`, run the coroutine from `work` on a new loop, but also close the loop's connections."""

    async def run_and_close() -> T:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, EndingLoop)
        try:
            return await work()
        finally:
            await loop.close_connections()

    with asyncio.Runner(loop_factory=EndingLoop) as runner:
        return runner.run(run_and_close())
