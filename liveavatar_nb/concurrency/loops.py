"""`EndingLoop`: an event loop that tells of its end, as the managed one of the sync API does."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Protocol, runtime_checkable

Farewell = Callable[[], Coroutine[Any, Any, None]]


@runtime_checkable
class EndingLoop(Protocol):
    """A loop that tells of its end; an event loop of somebody else's does not.

    Attributes:
        is_going: whether it is ending its tasks, and takes no others.
    """

    is_going: bool

    def at_end(self, farewell: Farewell) -> None:
        """Call and await a method when the loop ends: what holds connections of it closes them."""
        ...
