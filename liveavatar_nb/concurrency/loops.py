"""`EndingLoop`: an event loop of our own, which closes its connections before it ends."""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

Closer = Callable[[], Coroutine[Any, Any, None]]


class EndingLoop(asyncio.SelectorEventLoop):
    """An event loop on which objects can register to be closed when it ends.

    The user's own event loops cannot do this, so there the user has to close the objects.

    Attributes:
        is_going: Whether the loop is shutting down: it ends its tasks and accepts no more.
    """

    def __init__(self) -> None:
        super().__init__()
        self.is_going = False
        self._closers: list[weakref.WeakMethod[Closer]] = []

    def at_end(self, close: Closer) -> None:
        """Register a method to await before the loop ends. This does not keep the method's object alive."""
        self._closers = [known for known in self._closers if known() not in (None, close)]
        self._closers.append(weakref.WeakMethod(close))

    async def close_connections(self) -> None:
        """Await all registered methods, even if some fail."""
        for known in self._closers:
            if (close := known()) is not None:
                with contextlib.suppress(Exception):  # one broken connection must not keep the others open
                    await close()


def run(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run the coroutine that `work` returns on a new loop, as `asyncio.run` does, and close the loop's connections."""

    async def run_and_close() -> T:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, EndingLoop)
        try:
            return await work()
        finally:
            await loop.close_connections()

    with asyncio.Runner(loop_factory=EndingLoop) as runner:
        return runner.run(run_and_close())
