"""Callbacks that keep no object alive, so that a loop doesn't hold on to objects that the user has dropped."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar
from weakref import WeakMethod

P = ParamSpec("P")
R = TypeVar("R")


def weakly(method: Callable[P, R], gone: Callable[[], R]) -> Callable[P, R]:
    """Return a callback that calls a method as long as the method's object is alive.

    Args:
        method: A bound method.
        gone: Called instead once the object is gone; its result becomes the callback's result.
    """
    known = WeakMethod(method)

    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        found = known()
        return gone() if found is None else found(*args, **kwargs)

    return call


def nothing() -> None:
    """A callback that does nothing, used in place of a method whose object is gone."""


async def nothing_more() -> None:
    """An async callback that does nothing, used in place of a method whose object is gone."""


async def is_gone() -> bool:
    """An async `is_over` callback that returns True, used once the session's object is gone."""
    return True
