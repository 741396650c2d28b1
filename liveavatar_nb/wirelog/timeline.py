"""The entries of a wire log, in the order in which they began: bounded, safe to write and read from any thread."""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

from .. import config
from ..config import Masked
from .exchange import Exchange
from .frame import Frame

logger = logging.getLogger("liveavatar_nb.wire")

Entry = Exchange | Frame

SHORTEST_IN_QUERY: Final = 12  # characters of a value that may be a secret


@dataclass(eq=False, slots=True)
class Line:
    """An entry in its place.

    Attributes:
        entry: what it is.
        seq: its number, which only grows.
        change: the number of its last change.
        size: bytes that are counted for it.
    """

    entry: Entry
    seq: int
    change: int
    size: int


class Timeline:
    """The lines, and what is known of the sessions' secrets."""

    def __init__(self) -> None:
        self.lines: deque[Line] = deque()
        self.dropped = 0
        self.changes = 0
        self._hidden: dict[str, tuple[Masked, ...]] = {}
        self._seq = 0
        self._bytes = 0
        self._watchers: tuple[Callable[[], None], ...] = ()
        self.unlock()
        _timelines.add(self)

    def unlock(self) -> None:
        """A lock of its own: in a forked child nobody opens that of the parent."""
        self._lock = threading.Lock()

    def snapshot(self) -> list[Line]:
        """The lines of now."""
        with self._lock:
            return list(self.lines)

    def add(self, entry: Entry) -> Line:
        """A new line at the end."""
        with self._lock:
            self._seq += 1
            self.changes += 1
            line = Line(entry, self._seq, self.changes, entry.kept_size)
            self.lines.append(line)
            self._count(line.size)
        self._tell()
        return line

    def changed(self, line: Line) -> None:
        """The entry of a line is another than it was."""
        with self._lock:
            self.changes += 1
            line.change = self.changes
            grown = line.entry.kept_size - line.size
            line.size += grown
            # one that was dropped meanwhile is not counted any more
            if line.seq >= self.lines[0].seq:
                self._count(grown)
        self._tell()

    def hide(self, session_id: str, secrets: Iterable[str]) -> None:
        """Secrets of a session, besides those that are known."""
        found = {value for secret in secrets for value in (secret, *_values(secret))}
        with self._lock:
            self._hidden[session_id] = (*self._hidden.get(session_id, ()), *map(Masked, found))
            while len(self._hidden) > config.WIRE_SESSIONS:
                del self._hidden[next(iter(self._hidden))]

    def secrets(self, session_id: str) -> list[str]:
        """The secrets of a session."""
        return [secret.reveal() for secret in self._hidden.get(session_id, ())]

    def _count(self, grown: int) -> None:
        self._bytes += grown
        lines = self.lines
        while len(lines) > config.WIRE_ENTRIES or (self._bytes > config.WIRE_BYTES and len(lines) > 1):
            self._bytes -= lines.popleft().size
            self.dropped += 1

    def watch(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Has `callback` called after each change; returns what ends it."""

        def watcher() -> None:
            callback()

        def end() -> None:
            with self._lock:
                self._watchers = tuple(one for one in self._watchers if one is not watcher)

        with self._lock:
            self._watchers = (*self._watchers, watcher)
        return end

    def _tell(self) -> None:
        for watcher in self._watchers:
            try:
                watcher()
            except Exception:
                logger.exception("who watches the wire failed")


def _values(address: str) -> list[str]:
    """What the query of an address holds."""
    return [value for _, value in parse_qsl(address.partition("?")[2]) if len(value) >= SHORTEST_IN_QUERY]


_timelines: weakref.WeakSet[Timeline] = weakref.WeakSet()


def _unlock_all() -> None:
    for timeline in _timelines:
        timeline.unlock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_unlock_all)
