"""A call made on the loop's own thread, from inside an async handler: the one job of nest_asyncio.

nest_asyncio is archived and fails on Python 3.14. Its heir, nest_asyncio2, is taken wherever it is installed: always
on 3.14, and on older ones beside a recent ipykernel.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Coroutine
from typing import Any, TypeVar

R = TypeVar("R")

_MARKS = ("_nest_patched", "_nest_asyncio2")  # how the two know that asyncio is patched


def run_nested(loop: asyncio.BaseEventLoop, work: Coroutine[Any, Any, R]) -> R:
    """Runs `work` on a loop that is running, from its own thread.

    Args:
        loop: of a class of its own: nest_asyncio patches the class.
        work: a coroutine.
    """
    if "_nest_patched" not in vars(type(loop)):
        # imported only when a re-entrant call is made
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
        # a turn that began before the patch still takes as many as it counted then, which the nested run has taken
        while len(ready) < counted:
            loop.call_soon(_nothing)


def _nothing() -> None:
    pass


class _asyncio_as_it_was:  # noqa: N801 (used as a statement)
    """Put back what nest_asyncio exchanges beside the loop's class: names of asyncio that all loops share.

    It exchanges run for the whole process, before Python 3.14 Task, Future and get_event_loop too, and makes the
    policy patch the class of each loop made later, which would be the kernel's. A nested run of our loop needs none
    of that. Whether the user applied it, or which of the two, makes no difference to ours: it is not told.
    """

    def __init__(self) -> None:
        owners: list[tuple[Any, tuple[str, ...]]] = [
            (asyncio, ("Task", "Future", "run", "get_event_loop", *_MARKS)),
            (asyncio.tasks, ("Task", "_CTask")),
            (asyncio.futures, ("Future", "_CFuture")),
            (asyncio.events, ("get_event_loop", "_get_event_loop")),
        ]
        if sys.version_info < (3, 14):  # from there on policies are deprecated, and left alone
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
