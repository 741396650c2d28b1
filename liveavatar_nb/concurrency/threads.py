"""Work on a thread of its own, awaited: the loop's executor is the user's, who may have filled it."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")

THREAD_NAME = "liveavatar_nb-work"


def bearable(failure: BaseException) -> Exception:
    """A failure that may be handed to a loop: what a future does not take, or what ends the loop that meets it, is told
    by another one.
    """
    if isinstance(failure, Exception) and not isinstance(failure, StopIteration):
        return failure
    told = RuntimeError(f"{type(failure).__name__} was raised: {failure}".removesuffix(": "))
    told.__cause__ = failure
    return told


async def on_own_thread(work: Callable[[], T]) -> T:
    """What `work` returns or raises; where the wait is cancelled, it goes on all the same.

    Where the machine has no more threads it is done at once, on the loop's: late beats never.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, failure: Exception | None) -> None:
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
            failure = bearable(raised)
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
            loop.call_soon_threadsafe(settle, result, failure)

    try:
        threading.Thread(target=run, name=THREAD_NAME, daemon=True).start()
    except RuntimeError:
        run()
    return await done


def on_own_loop(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """What the coroutine of `work` returns or raises, run by a loop of its own, which may be blocked by nobody else.

    The caller's thread may run a loop already: so it is done on another.
    """
    with ThreadPoolExecutor(1, THREAD_NAME) as pool:
        return pool.submit(lambda: asyncio.run(work())).result()


async def iterate_on_own_thread(items: Iterable[T], *, ahead: int, end: Callable[[], None]) -> AsyncGenerator[T, None]:
    """What `items` gives, each step of it on one thread of its own, for it may block.

    Closed early, it does not wait for a step that is under way: the thread ends after it.

    Args:
        items: read on the thread.
        ahead: how many items are read before they are asked for.
        end: called on the thread after the last item, whatever came between.
    """
    loop = asyncio.get_running_loop()
    room = threading.Semaphore(ahead)
    is_given_up = threading.Event()
    handed: asyncio.Queue[tuple[T] | Exception | None] = asyncio.Queue()

    def hand(item: tuple[T] | Exception | None) -> None:
        try:
            loop.call_soon_threadsafe(handed.put_nowait, item)
        except RuntimeError:  # the loop is closed: nobody waits
            is_given_up.set()

    def read() -> None:
        last: Exception | None = None
        try:
            for item in items:
                hand((item,))
                room.acquire()
                if is_given_up.is_set():
                    break
        except BaseException as failure:  # noqa: BLE001 (it belongs to who waits)
            last = bearable(failure)
        finally:
            try:
                end()
            except BaseException as failure:  # noqa: BLE001 (as above)
                last = last or bearable(failure)
            hand(last)

    # with the caller's context, as any other code of theirs
    threading.Thread(target=contextvars.copy_context().run, args=[read], name=THREAD_NAME, daemon=True).start()
    try:
        while (item := await handed.get()) is not None:
            if isinstance(item, Exception):
                raise item
            yield item[0]
            room.release()
    finally:
        is_given_up.set()
        room.release()
