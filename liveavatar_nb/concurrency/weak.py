"""Callbacks that keep nothing alive: the loop must not hold objects that the user has dropped."""

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
        gone: Called instead once the object is gone; returns the result.
    """
    known = WeakMethod(method)

    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        found = known()
        return gone() if found is None else found(*args, **kwargs)

    return call


def nothing() -> None:
    """Do nothing: the object is gone."""


async def nothing_more() -> None:
    """Do nothing, as an async callback: the object is gone."""


async def is_gone() -> bool:
    """Return True, as an async callback that asks whether the object is done: it is gone, so nothing is left to do."""
    return True
