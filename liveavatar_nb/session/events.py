"""The events of one session, for any number of readers and handlers."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
import weakref
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, TypeVar

from .. import config
from ..concurrency.worker import Worker
from ..errors import InvalidArgument
from ..protocol import lite
from ..protocol.events import Event, matcher

logger = logging.getLogger("liveavatar_nb.session")

Handler = Callable[[Event], Awaitable[None] | None]
H = TypeVar("H", bound=Handler)


class EventStream:
    """Hands each event to every reader and handler; who falls behind loses its oldest."""

    def __init__(self) -> None:
        self.types: Sequence[str] = lite.EVENT_TYPES  # what the service is known to send in the session's mode
        # one that nobody holds any more, as of `events()` that was never read, is gone
        self._readers: weakref.WeakSet[_Reader] = weakref.WeakSet()
        self._subscriptions: list[_Subscription] = []
        self.worker = Worker(config.EVENT_BUFFER)  # has the thread of plain handlers
        self._closed = False

    def put(self, event: Event) -> None:
        """An event for all who read now; on the loop."""
        for reader in list(self._readers):
            reader.put(event)
        for subscription in list(self._subscriptions):
            subscription.put(event)

    def close(self) -> None:
        """Ends every reader's loop once it has read what waits for it."""
        self._closed = True
        for reader in list(self._readers):
            reader.close()

    def read(self) -> AsyncIterator[Event]:
        """The events from this call on."""
        reader = _Reader()
        if self._closed:
            reader.close()
        else:
            self._readers.add(reader)
        return self._iterate(reader)

    async def _iterate(self, reader: _Reader) -> AsyncIterator[Event]:
        try:
            async for event in reader:
                yield event
        finally:
            self._readers.discard(reader)

    async def wait_for(self, name: str, where: Callable[[Event], bool] | None = None) -> Event | None:
        """The next event of that name for which `where` is true; None where none comes any more.

        Raises:
            InvalidArgument: no event is called so.
        """
        fits = matcher(name, self.types)
        reader = _Reader()
        if self._closed:
            return None
        self._readers.add(reader)
        try:
            async for event in reader:
                if fits(event) and (where is None or where(event)):
                    return event
            return None
        finally:
            self._readers.discard(reader)

    def subscribe(self, name: str, handler: Handler) -> Callable[[], None]:
        """Has `handler` called with each event of that name.

        Returns:
            A function that ends it.

        Raises:
            InvalidArgument: no event is called so, or the handler cannot be called.
        """
        if not callable(handler):
            raise InvalidArgument(f"A handler is a function, not {type(handler).__name__}.", field="handler")
        subscription = _Subscription(matcher(name, self.types), handler, self.worker)
        self._subscriptions.append(subscription)
        return _Ending(self._subscriptions, subscription, f"{name_of(handler)} on {name!r}")


class _Ending:
    """Ends a subscription when it is called; what `on` gives, which a cell shows where that is its last line.

    Args:
        subscriptions: all that there are.
        subscription: which of them it ends.
        words: what is called on what.
    """

    def __init__(self, subscriptions: list[_Subscription], subscription: _Subscription, words: str) -> None:
        self._subscriptions = subscriptions
        self._subscription = subscription
        self._words = words

    def __call__(self) -> None:
        if self._subscription in self._subscriptions:
            self._subscriptions.remove(self._subscription)
            self._subscription.is_ended = True

    def __repr__(self) -> str:
        state = "ended" if self._subscription.is_ended else "call this to end it"
        return f"<handler {self._words}, {state}>"


class _Subscription:
    """One handler: a plain one is called on the worker's thread, an async one on the loop, each event after the other.

    Args:
        fits: tells which events it is for.
        handler: the user's.
        worker: has the thread.
    """

    def __init__(self, fits: Callable[[Event], bool], handler: Handler, worker: Worker) -> None:
        self._fits = fits
        self._handler = handler
        self._worker = worker
        self._is_async = inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(type(handler).__call__)
        self._reader = _Reader()
        self._task: asyncio.Task[None] | None = None
        self._context = contextvars.copy_context()  # that of the cell, in which what it shows is to appear
        self.is_ended = False

    def put(self, event: Event) -> None:
        if not self._fits(event):
            return
        if not self._is_async:
            loop = asyncio.get_running_loop()
            self._worker.post(lambda: self._context.run(self._call, event, loop))
            return
        self._reader.put(event)
        # it ends where nothing waits: one that waited for more would be nobody's once the session is dropped
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._attend(), name="liveavatar_nb event handler", context=self._context)

    def _call(self, event: Event, loop: asyncio.AbstractEventLoop) -> None:
        if self.is_ended:
            return
        try:
            result = self._handler(event)
            if result is not None and inspect.isawaitable(result):
                # a plain function that hands on what an async one gives
                asyncio.run_coroutine_threadsafe(self._finish(result, event), loop)
        except BaseException as failure:  # noqa: BLE001 (whatever a handler of the user's raises)
            self._show(failure, event)

    async def _attend(self) -> None:
        while not self.is_ended and (event := self._reader.take()) is not None:
            result = self._handler(event)
            if result is not None:
                await self._finish(result, event)

    async def _finish(self, result: Awaitable[None], event: Event) -> None:
        """Awaits what a handler began; nothing that it raises ends the loop, or keeps the next event from it."""
        try:
            await result
        except asyncio.CancelledError as failure:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            self._show(failure, event)
        except BaseException as failure:  # noqa: BLE001 (as above)
            self._show(failure, event)

    def _show(self, failure: BaseException, event: Event) -> None:
        show_failure(self._handler, event.type, failure)


def show_failure(handler: Callable[..., Any], what: str, failure: BaseException) -> None:
    """With its traceback: where nothing is set up for logs, Python shows it on stderr, a notebook in the cell."""
    logger.error("handler %s failed on %s", name_of(handler), what, exc_info=failure)


def name_of(handler: Callable[..., Any]) -> str:
    """What a function of the user's is called."""
    return str(getattr(handler, "__qualname__", handler))


class _Reader:
    """The events that wait for one `events()` loop."""

    def __init__(self) -> None:
        self._waiting: deque[Event] = deque()
        self._lost = 0
        self._more = asyncio.Event()
        self._closed = False

    def put(self, event: Event) -> None:
        self._waiting.append(event)
        if len(self._waiting) > config.EVENT_BUFFER:
            self._waiting.popleft()
            self._lost += 1
            if self._lost == 1:
                logger.warning("a reader of events is too slow: more than %d wait for it", config.EVENT_BUFFER)
        self._more.set()

    def close(self) -> None:
        self._closed = True
        self._more.set()

    def take(self) -> Event | None:
        """What waits longest; None where nothing does."""
        return self._waiting.popleft() if self._waiting else None

    async def __aiter__(self) -> AsyncIterator[Event]:
        while True:
            while (event := self.take()) is not None:
                yield event
            if self._closed:
                return
            self._more.clear()
            await self._more.wait()
