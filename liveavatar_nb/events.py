"""The events of one session, for any number of readers."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from . import config
from .protocol.lite import Event


class EventStream:
    """Hands each event to every reader; a reader that falls behind loses its oldest."""

    def __init__(self) -> None:
        self._readers: set[_Reader] = set()
        self._closed = False

    def put(self, event: Event) -> None:
        """An event for all who read now."""
        for reader in self._readers:
            reader.put(event)

    def close(self) -> None:
        """Ends every reader's loop once it has read what waits for it."""
        self._closed = True
        for reader in self._readers:
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


class _Reader:
    """The events that wait for one `events()` loop."""

    def __init__(self) -> None:
        self._waiting: deque[Event] = deque(maxlen=config.EVENT_BUFFER)
        self._more = asyncio.Event()
        self._closed = False

    def put(self, event: Event) -> None:
        self._waiting.append(event)
        self._more.set()

    def close(self) -> None:
        self._closed = True
        self._more.set()

    async def __aiter__(self) -> AsyncIterator[Event]:
        while True:
            while self._waiting:
                yield self._waiting.popleft()
            if self._closed:
                return
            self._more.clear()
            await self._more.wait()
