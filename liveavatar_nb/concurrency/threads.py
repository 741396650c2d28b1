"""Runs work on separate threads, because the loop's executor belongs to the user and may be busy."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from .loops import run

T = TypeVar("T")

THREAD_NAME = "liveavatar_nb-work"


def bearable(failure: BaseException) -> Exception:
    """Return an exception in a form that an event loop can handle.

    `StopIteration`, which futures reject, and exceptions such as `SystemExit`, which would stop the loop, are replaced
    by a `RuntimeError`.
    """
    if isinstance(failure, Exception) and not isinstance(failure, StopIteration):
        return failure
    replacement = RuntimeError(f"{type(failure).__name__} was raised: {failure}".removesuffix(": "))
    replacement.__cause__ = failure
    return replacement


async def on_own_thread(work: Callable[[], T]) -> T:
    """Run `work` on a new thread, and return its result or raise its exception.

    Cancelling the wait does not stop the work. If the machine is out of threads, the work runs immediately on
    the loop's thread, and so blocks the loop.
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
        except BaseException as raised:  # noqa: BLE001 (it is raised in the waiting task)
            failure = bearable(raised)
        with contextlib.suppress(RuntimeError):  # the loop is closed, so nobody is waiting
            loop.call_soon_threadsafe(settle, result, failure)

    try:
        threading.Thread(target=run, name=THREAD_NAME, daemon=True).start()
    except RuntimeError:
        run()
    return await done


def on_own_loop(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run the coroutine from `work` on a new loop, which nothing else can block.

    The loop runs on another thread, because the caller's thread may already be running a loop.
    """
    with ThreadPoolExecutor(1, THREAD_NAME) as pool:
        return pool.submit(run, work).result()


async def iterate_on_own_thread(items: Iterable[T], *, ahead: int, end: Callable[[], None]) -> AsyncGenerator[T, None]:
    """Iterate over `items` on a separate thread, because fetching an item may block.

    Closing the iterator early does not wait for an item that is being fetched; the thread exits once that item arrives.

    Args:
        items: The iterable, which is read on the thread.
        ahead: How many items to read ahead.
        end: Called on the thread once the iteration is over, even after a failure or an early close.

    Yields:
        The items.
    """
    loop = asyncio.get_running_loop()
    room = threading.Semaphore(ahead)
    is_given_up = threading.Event()
    queue: asyncio.Queue[tuple[T] | Exception | None] = asyncio.Queue()

    def put(item: tuple[T] | Exception | None) -> None:
        try:
            loop.call_soon_threadsafe(queue.put_nowait, item)
        except RuntimeError:  # the loop is closed, so nobody is waiting
            is_given_up.set()

    def read() -> None:
        last: Exception | None = None
        try:
            for item in items:
                put((item,))
                room.acquire()
                if is_given_up.is_set():
                    break
        except BaseException as failure:  # noqa: BLE001 (it is raised in the waiting task)
            last = bearable(failure)
        finally:
            try:
                end()
            except BaseException as failure:  # noqa: BLE001 (as above)
                last = last or bearable(failure)
            put(last)

    # run the iterable's code in the caller's context, like the rest of the caller's code
    threading.Thread(target=contextvars.copy_context().run, args=[read], name=THREAD_NAME, daemon=True).start()
    try:
        while (item := await queue.get()) is not None:
            if isinstance(item, Exception):
                raise item
            yield item[0]
            room.release()
    finally:
        is_given_up.set()
        room.release()
