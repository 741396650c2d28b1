"""Callbacks that keep nothing alive: what the loop holds must not hold what a user has dropped."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar
from weakref import WeakMethod

P = ParamSpec("P")
R = TypeVar("R")


def weakly(method: Callable[P, R], gone: Callable[[], R]) -> Callable[P, R]:
    """Has a method called as long as its object lives.

    Args:
        method: a bound one.
        gone: gives the result where there is no object any more.
    """
    known = WeakMethod(method)

    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        found = known()
        return gone() if found is None else found(*args, **kwargs)

    return call


def nothing() -> None:
    """What is left to do for an object that is gone."""


async def nothing_more() -> None:
    """As `nothing`, for who awaits."""


async def is_gone() -> bool:
    """Whether what is asked for is over, for who awaits: it is gone, and so it is."""
    return True
