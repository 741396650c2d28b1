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
    """Passes each event to every reader and handler; those that fall behind lose their oldest events."""

    def __init__(self) -> None:
        self.types: Sequence[str] = lite.EVENT_TYPES  # the event types that the service sends in this mode
        # weak references, so that an abandoned `events()` iterator is not kept alive
        self._readers: weakref.WeakSet[_Reader] = weakref.WeakSet()
        self._subscriptions: list[_Subscription] = []
        self.worker = Worker(config.EVENT_BUFFER)  # the worker whose thread runs non-async handlers
        self._closed = False

    def put(self, event: Event) -> None:
        """Pass an event on to all current readers and handlers; call this on the loop."""
        for reader in list(self._readers):
            reader.put(event)
        for subscription in list(self._subscriptions):
            subscription.put(event)

    def close(self) -> None:
        """Close the stream; each reader stops once it has read its remaining events."""
        self._closed = True
        for reader in list(self._readers):
            reader.close()

    def read(self) -> AsyncIterator[Event]:
        """Iterate over the events that arrive after this call."""
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
        """Return the next event that has this name and satisfies `where`; None if the stream ends first.

        Raises:
            InvalidArgument: No event has this name.
        """
        matches = matcher(name, self.types)
        reader = _Reader()
        if self._closed:
            return None
        self._readers.add(reader)
        try:
            async for event in reader:
                if matches(event) and (where is None or where(event)):
                    return event
            return None
        finally:
            self._readers.discard(reader)

    def subscribe(self, name: str, handler: Handler) -> Callable[[], None]:
        """Call a handler for every event with this name.

        Returns:
            A function that removes the handler.

        Raises:
            InvalidArgument: No event has this name, or the handler is not a function.
        """
        if not callable(handler):
            raise InvalidArgument(f"handler must be a function, not {type(handler).__name__}.", field="handler")
        subscription = _Subscription(matcher(name, self.types), handler, self.worker)
        self._subscriptions.append(subscription)
        return _Remover(self._subscriptions, subscription, f"{name_of(handler)} on {name!r}")


class _Remover:
    """The callable that `on` returns; it removes a handler, and has a readable repr for notebooks.

    Args:
        subscriptions: The stream's list of subscriptions.
        subscription: The subscription to remove from the list.
        words: A description of the handler and its event, for the repr.
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
        state = "removed" if self._subscription.is_ended else "call this to remove it"
        return f"<handler {self._words}, {state}>"


class _Subscription:
    """A handler and the events waiting for it, which it handles one at a time.

    A non-async handler runs on the worker's thread, an async handler on the loop.

    Args:
        matches: Returns whether the handler wants an event.
        handler: The user's function.
        worker: Runs non-async handlers.
    """

    def __init__(self, matches: Callable[[Event], bool], handler: Handler, worker: Worker) -> None:
        self._matches = matches
        self._handler = handler
        self._worker = worker
        self._is_async = inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(type(handler).__call__)
        self._reader = _Reader()
        self._task: asyncio.Task[None] | None = None
        self._context = contextvars.copy_context()  # so that output appears in the cell that adds the handler
        self.is_ended = False

    def put(self, event: Event) -> None:
        if not self._matches(event):
            return
        if not self._is_async:
            loop = asyncio.get_running_loop()
            self._worker.post(lambda: self._context.run(self._call, event, loop))
            return
        self._reader.put(event)
        # the task ends when the queue is empty; if it waited for more events, it would outlive a dropped session
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._drain(), name="liveavatar_nb event handler", context=self._context)

    def _call(self, event: Event, loop: asyncio.AbstractEventLoop) -> None:
        if self.is_ended:
            return
        try:
            result = self._handler(event)
            if result is not None and inspect.isawaitable(result):
                # a non-async function may also return an awaitable
                asyncio.run_coroutine_threadsafe(self._finish(result, event), loop)
        except BaseException as failure:  # noqa: BLE001 (a user's handler may raise anything)
            self._show(failure, event)

    async def _drain(self) -> None:
        while not self.is_ended and (event := self._reader.pop()) is not None:
            result = self._handler(event)
            if result is not None:
                await self._finish(result, event)

    async def _finish(self, result: Awaitable[None], event: Event) -> None:
        """Wait for a handler to finish; log any exception, so that later events are still handled."""
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


def show_failure(handler: Callable[..., Any], cause: str, failure: BaseException) -> None:
    """Log a handler's exception; by default, logs appear on stderr or, in a notebook, below the cell."""
    logger.error("handler %s failed on %s", name_of(handler), cause, exc_info=failure)


def name_of(handler: Callable[..., Any]) -> str:
    """Return the name of a function that the user passed."""
    return str(getattr(handler, "__qualname__", handler))


class _Reader:
    """The event queue of one reader or handler."""

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
                logger.warning(
                    "an event reader is too slow: more than %d events are waiting, so the oldest are dropped",
                    config.EVENT_BUFFER,
                )
        self._more.set()

    def close(self) -> None:
        self._closed = True
        self._more.set()

    def pop(self) -> Event | None:
        """Remove and return the oldest event; None if there is none."""
        return self._waiting.popleft() if self._waiting else None

    async def __aiter__(self) -> AsyncIterator[Event]:
        while True:
            while (event := self.pop()) is not None:
                yield event
            if self._closed:
                return
            self._more.clear()
            await self._more.wait()
