"""Runs sync calls made from inside an async handler, on the loop's own thread.

Only such nested calls need nest_asyncio, which is archived and fails on Python 3.14. Its successor, nest_asyncio2, is
used if installed: on Python 3.14 it always is, and on older versions a recent ipykernel installs it.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Coroutine
from typing import Any, TypeVar

R = TypeVar("R")

_MARKS = (
    "_nest_patched",
    "_nest_asyncio2",
)  # attributes showing that nest_asyncio or nest_asyncio2 has patched asyncio


def run_nested(loop: asyncio.BaseEventLoop, work: Coroutine[Any, Any, R]) -> R:
    """Run `work` on a loop that is already running, from the loop's own thread.

    Args:
        loop: The running loop. It must not share its class with other loops, because nest_asyncio patches the class.
        work: A coroutine.
    """
    if "_nest_patched" not in vars(type(loop)):
        # imported here, because only a nested call needs it
        try:
            import nest_asyncio2 as nest_asyncio  # noqa: PLC0415
        except ImportError:
            import nest_asyncio  # noqa: PLC0415
        with _asyncio_as_it_was():
            nest_asyncio.apply(loop)
    ready: deque[asyncio.Handle] = loop._ready  # type: ignore[attr-defined]
    counted = len(ready)
    try:
        return loop.run_until_complete(work)
    finally:
        # the loop's current iteration still expects `counted` handles, so replace those that the nested run consumed
        while len(ready) < counted:
            loop.call_soon(_nothing)


def _nothing() -> None:
    pass


class _asyncio_as_it_was:  # noqa: N801 (used as a statement)
    """On exit, restores the names in asyncio that nest_asyncio replaces for all loops.

    nest_asyncio replaces `run` for the whole process, and before Python 3.14 also `Task`, `Future` and
    `get_event_loop`. It also makes asyncio's event loop policy patch the class of every loop created later, which
    would include the kernel's. A nested run of our loop needs none of that. Inside the block, the attributes that mark
    asyncio as patched are hidden, so that it makes no difference whether the user has applied a patch from either of
    the two packages.
    """

    def __init__(self) -> None:
        owners: list[tuple[Any, tuple[str, ...]]] = [
            (asyncio, ("Task", "Future", "run", "get_event_loop", *_MARKS)),
            (asyncio.tasks, ("Task", "_CTask")),
            (asyncio.futures, ("Future", "_CFuture")),
            (asyncio.events, ("get_event_loop", "_get_event_loop")),
        ]
        if sys.version_info < (3, 14):  # Python 3.14 deprecates policies, and nest_asyncio2 leaves them alone
            owners.append((type(asyncio.get_event_loop_policy()), ("get_event_loop",)))
        if "tornado" in sys.modules:
            owners.append((sys.modules["tornado.concurrent"], ("Future", "FUTURES")))
        self._names = [(owner, name) for owner, names in owners for name in names]
        self._before: list[Any] = []

    def __enter__(self) -> None:
        self._before = [vars(owner).get(name, self) for owner, name in self._names]
        for mark in _MARKS:
            vars(asyncio).pop(mark, None)

    def __exit__(self, *exc: object) -> None:
        for (owner, name), value in zip(self._names, self._before, strict=True):
            if value is not self:
                setattr(owner, name, value)
            elif name in vars(owner):
                delattr(owner, name)
