"""Callbacks that keep nothing alive: the loop must not hold objects that the user has dropped."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar
from weakref import WeakMethod

P = ParamSpec("P")
R = TypeVar("R")


def weakly(method: Callable[P, R], gone: Callable[[], R]) -> Callable[P, R]:
    """Make a callback that calls a method as long as its object is alive.

    Args:
        method: a bound method.
        gone: returns the result if the object is gone.
    """
    known = WeakMethod(method)

    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        found = known()
        return gone() if found is None else found(*args, **kwargs)

    return call


def nothing() -> None:
    """Do nothing: the object is gone."""


async def nothing_more() -> None:
    """Do nothing, for a callback that is awaited: the object is gone."""


async def is_gone() -> bool:
    """Return True, for an awaited callback that asks whether the object is done: it is gone, so it is."""
    return True
