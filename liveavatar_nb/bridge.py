"""The managed event loop, and the typed wrapper that makes an async method look synchronous.

One daemon thread runs one loop for the whole process. It starts at first use, is made anew after a fork,
and leaves without a trace once the last client is closed. Calls from other threads wait for it; Ctrl-C ends
such a wait by cancelling the task. A call made on the loop's own thread, from inside an async handler, runs
nested by nest_asyncio: the only place where that is imported.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import contextlib
import functools
import inspect
import logging
import os
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, overload

from . import config
from .checks import misfit
from .errors import ClientClosed, LiveAvatarException, calling_context
from .nesting import run_nested

P = ParamSpec("P")
R = TypeVar("R")
C = TypeVar("C", bound=Callable[..., Any])
F = TypeVar("F", bound="Face")

Farewell = Callable[[], Coroutine[Any, Any, None]]

INTERRUPT_GRACE = 0.3  # s that a cancelled task has to clean up before KeyboardInterrupt goes on
SHUTDOWN_LIMIT = 2.0  # s for the loop's tasks and thread to end

logger = logging.getLogger("liveavatar_nb.bridge")

THREAD_NAME = "liveavatar_nb-loop"


class ManagedLoop(asyncio.SelectorEventLoop):
    """A class of its own: nest_asyncio patches a loop's class, and the kernel's loop must not share it."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: set[_Wait] = set()
        self.is_going = False  # it ends its tasks, and takes no others
        self._farewells: list[weakref.WeakMethod[Farewell]] = []

    def at_end(self, farewell: Farewell) -> None:
        """Has a method called and awaited when the loop ends: what holds connections of it closes them."""
        self._farewells = [known for known in self._farewells if known() is not None]
        self._farewells.append(weakref.WeakMethod(farewell))

    async def say_farewell(self) -> None:
        """Calls what was given to `at_end`."""
        for known in self._farewells:
            if (farewell := known()) is not None:
                await farewell()


class _Wait:
    """One coroutine on the loop and the thread that waits for it."""

    __slots__ = ("_done", "_failure", "_result", "_task", "_work", "is_abandoned", "is_closed")

    def __init__(self, work: Coroutine[Any, Any, Any]) -> None:
        # a bare lock: concurrent.futures.Future and its chain of callbacks cost half the call
        self._done = threading.Lock()
        self._done.acquire()
        self._work = work
        self._task: asyncio.Task[None] | None = None
        self._result: Any = None
        self._failure: BaseException | None = None
        self.is_abandoned = False
        self.is_closed = False

    def start(self, loop: ManagedLoop) -> None:
        """On the loop: begins the work, unless nobody waits for it any more."""
        if self.is_abandoned:
            self._work.close()
            self._done.release()
        else:
            self._task = loop.create_task(self._run())
            self._task.add_done_callback(self._end)

    async def _run(self) -> None:
        try:
            self._result = await self._work
        except BaseException as failure:  # noqa: BLE001 (it belongs to the thread that waits)
            self._failure = failure
        finally:
            self._done.release()

    def _end(self, task: asyncio.Task[None]) -> None:
        """Work that was cancelled before its first step is closed all the same, and nobody waits for it."""
        if self._done.locked():
            self._work.close()
            self._failure = asyncio.CancelledError()
            self._done.release()

    def cancel(self) -> None:
        """On the loop, after `start`: ends the work."""
        if self._task is not None:
            self._task.cancel()

    def give_up(self) -> None:
        """Ends the wait for work that the closed loop will never do."""
        if self._task is None:
            self._work.close()
        if self._done.locked():
            self._failure = ClientClosed("The managed loop was closed while the call was waiting.")
            self._done.release()

    def wait(self, timeout: float = -1) -> None:
        self._done.acquire(timeout=timeout)

    def outcome(self) -> Any:
        failure = self._failure
        if failure is None:
            return self._result
        if self.is_closed and isinstance(failure, asyncio.CancelledError):
            raise ClientClosed("The managed loop was closed while the call was waiting.") from None
        try:
            # one of ours says it all in words; the frames in here tell a user nothing
            raise failure.with_traceback(None) if isinstance(failure, LiveAvatarException) else failure
        finally:
            # a frame that holds its own exception keeps everything below it alive
            del failure, self


class Bridge:
    """Owns the managed loop and its thread; `bridge` is the process's one."""

    def __init__(self) -> None:
        self._users = 0  # a forked child has its parent's clients
        self._reset()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._reset)

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._loop: ManagedLoop | None = None
        self._thread: threading.Thread | None = None

    @property
    def loop(self) -> ManagedLoop:
        """The managed loop, running; started here where there is none."""
        loop = self._loop
        if loop is None or self._thread is None or not self._thread.is_alive():
            with self._lock:
                loop = self._loop
                if loop is None or self._thread is None or not self._thread.is_alive():
                    loop = self._start()
        return loop

    @property
    def is_running(self) -> bool:
        """Whether the loop's thread is there."""
        return self._thread is not None and self._thread.is_alive()

    def _start(self) -> ManagedLoop:
        loop = ManagedLoop()

        def run() -> None:
            asyncio.set_event_loop(loop)
            try:
                loop.run_forever()
            finally:
                loop.is_going = True
                with self._lock:
                    # the next call starts another one
                    if self._loop is loop:
                        self._loop = self._thread = None
                for wait in list(loop.waits):
                    wait.is_closed = True
                try:
                    _drain(loop)
                finally:
                    asyncio.set_event_loop(None)
                    loop.close()
                    for wait in list(loop.waits):
                        wait.give_up()

        # known before it runs: an interrupt from here on leaves no thread that nobody knows
        self._loop, self._thread = loop, threading.Thread(target=run, name=THREAD_NAME, daemon=True)
        self._thread.start()
        atexit.unregister(self.close)
        atexit.register(self.close)
        return loop

    def call(self, work: Coroutine[Any, Any, R]) -> R:
        """Runs `work` on the loop and waits for its result, from any thread.

        Raises:
            KeyboardInterrupt: the wait was interrupted; the task was cancelled.
            ClientClosed: the loop was closed meanwhile.
        """
        loop, thread = self.loop, self._thread
        if thread is not None and threading.get_ident() == thread.ident:
            return calling_context().run(run_nested, loop, work)
        wait = _Wait(work)
        loop.waits.add(wait)
        try:
            loop.call_soon_threadsafe(wait.start, loop, context=calling_context())
            wait.wait()
            wait.is_closed = wait.is_closed or loop.is_going
        except RuntimeError:
            wait.give_up()
        except BaseException:
            # an interrupt can come before `start` was handed over, or after: it finds one mark or the other
            wait.is_abandoned = True
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(wait.cancel)
                wait.wait(INTERRUPT_GRACE)
            raise
        finally:
            loop.waits.discard(wait)
        result: R = wait.outcome()
        return result

    def submit(self, work: Coroutine[Any, Any, R]) -> concurrent.futures.Future[R]:
        """Runs `work` on the loop without waiting for it."""
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def answers(self, limit: float) -> bool:
        """Whether the loop takes calls: False where it runs and does nothing for so many seconds.

        One whose thread is dead takes calls: the next one starts another.
        """
        loop, thread = self._loop, self._thread
        if loop is None or thread is None or not thread.is_alive() or thread is threading.current_thread():
            return True
        answered = threading.Event()
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(answered.set)
            return answered.wait(limit)
        return True

    def retain(self) -> None:
        """One more client needs the loop."""
        with self._lock:
            self._users += 1

    def release(self) -> None:
        """One client less; with the last one the loop goes."""
        with self._lock:
            self._users = max(0, self._users - 1)
            taken = self._take() if not self._users else None
        self._end(taken)

    def close_if_unused(self) -> None:
        """Closes the loop that a call on a closed client has started."""
        with self._lock:
            taken = self._take() if not self._users else None
        self._end(taken)

    def close(self) -> None:
        """Cancels what runs, closes the loop and ends its thread; the next use starts afresh."""
        with self._lock:
            taken = self._take()
        self._end(taken)

    def _take(self) -> tuple[ManagedLoop, threading.Thread] | None:
        """The loop and its thread, which nobody else finds from here on."""
        loop, thread = self._loop, self._thread
        self._loop = self._thread = None
        return None if loop is None or thread is None or not thread.is_alive() else (loop, thread)

    @staticmethod
    def _end(taken: tuple[ManagedLoop, threading.Thread] | None) -> None:
        if taken is None:
            return
        loop, thread = taken
        for wait in list(loop.waits):
            wait.is_closed = True
        with contextlib.suppress(RuntimeError):  # it has ended meanwhile
            loop.call_soon_threadsafe(loop.stop)
        if thread is not threading.current_thread():
            thread.join(SHUTDOWN_LIMIT)


def _drain(loop: ManagedLoop) -> None:
    """Ends the tasks that are left, so that none is destroyed while it waits, nor those that they begin then."""
    deadline = loop.time() + SHUTDOWN_LIMIT
    while (tasks := asyncio.all_tasks(loop)) and loop.time() < deadline:
        for task in tasks:
            task.cancel()
        _run_to_end(loop, asyncio.wait(tasks, timeout=deadline - loop.time()))
    # a connection that does not close is no reason to stay
    _run_to_end(loop, asyncio.wait_for(loop.say_farewell(), SHUTDOWN_LIMIT))
    _run_to_end(loop, loop.shutdown_asyncgens())
    _run_to_end(loop, loop.shutdown_default_executor())


def _run_to_end(loop: ManagedLoop, work: Coroutine[Any, Any, Any]) -> None:
    """Runs it to its end, whatever it raises, also where the loop is stopped once more."""
    task = loop.create_task(work)
    while not task.done():
        with contextlib.suppress(Exception):
            loop.run_until_complete(task)
    if not task.cancelled() and (failure := task.exception()) is not None:
        logger.info("the managed loop ended with %s", type(failure).__name__)


bridge = Bridge()


class Face:
    """The base of what wraps an async object for callers who do not await."""

    _inner: Any
    _holder: Face | None = None

    def _held_by(self, holder: Face) -> Self:
        """Keeps `holder` for as long as this is kept: a session that is in use holds its client."""
        self._holder = holder
        return self

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Face) and other._inner is self._inner

    def __hash__(self) -> int:
        return hash(id(self._inner))

    def __repr__(self) -> str:
        return repr(self._inner).replace("<Async", "<", 1)


@overload
def blocking(
    method: Callable[Concatenate[Any, P], Coroutine[Any, Any, R]],
    *,
    otherwise: Callable[[Any], R] | None = None,
) -> Callable[Concatenate[Any, P], R]: ...
@overload
def blocking(
    method: Callable[Concatenate[Any, P], Coroutine[Any, Any, R]], *, wrap: Callable[[R], F]
) -> Callable[Concatenate[Any, P], F]: ...
def blocking(
    method: Callable[..., Coroutine[Any, Any, Any]],
    *,
    wrap: Any = None,
    otherwise: Callable[[Any], Any] | None = None,
) -> Callable[..., Any]:
    """The async method as one that waits for its result: same name, parameters and docstring.

    Args:
        method: a method of the async face.
        wrap: what makes the sync face's object of the result.
        otherwise: what is done on the caller's thread where the loop does not answer, or goes meanwhile.
    """

    @functools.wraps(method)
    def wrapper(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        if otherwise is not None and not bridge.answers(config.LOOP_LIMIT):
            return otherwise(self._inner)
        try:
            work = method(self._inner, *args, **kwargs)
        except TypeError as failure:
            refused = misfit(method, args, kwargs) or failure
            args, kwargs = (), {}
            raise refused.with_traceback(None) from None
        except LiveAvatarException as refused:
            args, kwargs = (), {}
            raise refused.with_traceback(None) from None
        # this frame waits, and a traceback would show what is a secret among them
        args, kwargs = (), {}
        try:
            result = bridge.call(work)
        except LiveAvatarException as failure:
            if otherwise is None or not isinstance(failure, ClientClosed):
                # its words say it all: of our frames this one is enough
                raise failure.with_traceback(None)  # noqa: B904 (it is the very same)
            return otherwise(self._inner)
        finally:
            bridge.close_if_unused()
        return result if wrap is None else wrap(result)._held_by(self)

    return as_sync(wrapper, method, wrap)


def passing(method: Callable[Concatenate[Any, P], R]) -> Callable[Concatenate[Any, P], R]:
    """A method that does not await, handed on as it is: it works from any thread."""

    @functools.wraps(method)
    def wrapper(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return method(self._inner, *args, **kwargs)
        except LiveAvatarException as failure:
            raise failure.with_traceback(None)  # noqa: B904 (it is the very same)

    return wrapper


def blocking_iter(
    method: Callable[Concatenate[Any, P], AsyncIterator[R]],
) -> Callable[Concatenate[Any, P], Iterator[R]]:
    """The async iterator's method as one that gives a plain iterator; each step is a task of its own."""

    async def step(items: AsyncIterator[R]) -> tuple[R] | None:
        try:
            return (await anext(items),)
        except StopAsyncIteration:
            return None

    async def begin(self: Any, args: Any, kwargs: Any) -> AsyncIterator[R]:
        return method(self, *args, **kwargs)

    def iterate(items: AsyncIterator[R]) -> Iterator[R]:
        while (item := bridge.call(step(items))) is not None:
            yield item[0]

    @functools.wraps(method)
    def wrapper(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> Iterator[R]:
        return iterate(bridge.call(begin(self._inner, args, kwargs)))

    return as_sync(wrapper, method, Iterator)


def as_sync(wrapper: C, method: Callable[..., Any], result: Any) -> C:
    """Has `wrapper` show the method's signature, with the result that the sync face gives."""
    if result is not None:
        # a function that makes it says by its own annotation what that is
        kind = result.__annotations__["return"] if inspect.isfunction(result) else getattr(result, "__name__", result)
        signature = inspect.signature(method).replace(return_annotation=kind)
        wrapper.__signature__ = signature  # type: ignore[attr-defined]
    return wrapper


class reading(Generic[R]):  # noqa: N801 (stands where `property` would)
    """A property of the async object, read through."""

    def __init__(self, source: Callable[[Any], R]) -> None:
        # to a type checker a property read from its class is the function that it wraps
        self._get: Callable[[Any], R] = getattr(source, "fget", source)
        self.__doc__ = source.__doc__

    @overload
    def __get__(self, face: None, owner: type) -> Self: ...
    @overload
    def __get__(self, face: Face, owner: type) -> R: ...
    def __get__(self, face: Face | None, owner: type) -> R | Self:
        return self if face is None else self._get(face._inner)
