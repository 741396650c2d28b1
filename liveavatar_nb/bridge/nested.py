"""Runs sync calls made on the loop's own thread, from inside an async handler; only these need nest_asyncio.

nest_asyncio is archived and fails on Python 3.14. Its successor, nest_asyncio2, is used if it is installed, which it
always is on 3.14, and on older versions if ipykernel is recent.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Coroutine
from typing import Any, TypeVar

R = TypeVar("R")

_MARKS = ("_nest_patched", "_nest_asyncio2")  # attributes by which the two packages recognise that asyncio is patched


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
        # the loop's current iteration has counted its handles; the nested run may have used them, so replace these
        while len(ready) < counted:
            loop.call_soon(_nothing)


def _nothing() -> None:
    pass


class _asyncio_as_it_was:  # noqa: N801 (used as a statement)
    """Restores what nest_asyncio replaces besides the loop's class: names in asyncio that all loops share.

    It replaces `run` for the whole process, and before Python 3.14 also `Task`, `Future` and `get_event_loop`. It also
    makes the policy patch the class of every loop created later, which would include the kernel's. A nested run of
    our loop needs none of that. Inside the block, the patch's marks are hidden, so that it makes no difference
    whether the user has applied a patch, or from which of the two packages.
    """

    def __init__(self) -> None:
        owners: list[tuple[Any, tuple[str, ...]]] = [
            (asyncio, ("Task", "Future", "run", "get_event_loop", *_MARKS)),
            (asyncio.tasks, ("Task", "_CTask")),
            (asyncio.futures, ("Future", "_CFuture")),
            (asyncio.events, ("get_event_loop", "_get_event_loop")),
        ]
        if sys.version_info < (3, 14):  # later versions deprecate policies, and nest_asyncio2 leaves them alone
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
