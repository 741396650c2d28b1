"""Work on a thread of its own, awaited: the loop's executor is the user's, who may have filled it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

THREAD_NAME = "liveavatar_nb-work"


async def on_own_thread(work: Callable[[], T]) -> T:
    """What `work` returns or raises; where the wait is cancelled, it goes on all the same."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, failure: BaseException | None) -> None:
        if done.done():
            return
        if failure is None:
            done.set_result(result)  # type: ignore[arg-type]
        else:
            done.set_exception(failure)

    def run() -> None:
        result, failure = None, None
        try:
            result = work()
        except BaseException as raised:  # noqa: BLE001 (it belongs to who waits)
            failure = raised
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
            loop.call_soon_threadsafe(settle, result, failure)

    threading.Thread(target=run, name=THREAD_NAME, daemon=True).start()
    return await done
