"""A bounded, thread-safe store of a wire log's entries, in the order in which they began."""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final
from urllib.parse import parse_qsl

from msgspec import Struct

from .. import config
from ..config import Masked
from .exchange import Exchange
from .frame import Frame

logger = logging.getLogger("liveavatar_nb.wire")

Entry = Exchange | Frame

SHORTEST_IN_QUERY: Final = 12  # minimum length for a value in a URL's query to be treated as a secret


class TimelineRow(Struct, eq=False):
    """An entry and its position in the log.

    Attributes:
        entry: The entry.
        seq: The entry's sequence number, which increases with each entry.
        change: The number of the entry's last change.
        size: The entry's size, as counted towards the log's limit, in bytes.
    """

    entry: Entry
    seq: int
    change: int
    size: int


class Timeline:
    """The rows of a log, and its sessions' known secrets."""

    def __init__(self) -> None:
        self.rows: deque[TimelineRow] = deque()
        self.dropped = 0
        self.changes = 0
        self._hidden: dict[str, tuple[Masked, ...]] = {}
        self._seq = 0
        self._bytes = 0
        self._watchers: tuple[Callable[[], None], ...] = ()
        self.unlock()
        _timelines.add(self)

    def unlock(self) -> None:
        """Create a new lock, since nothing in a forked child would ever release the parent's lock."""
        self._lock = threading.Lock()

    def snapshot(self) -> list[TimelineRow]:
        """Return the current rows."""
        with self._lock:
            return list(self.rows)

    def add(self, entry: Entry) -> TimelineRow:
        """Append a row for an entry."""
        with self._lock:
            self._seq += 1
            self.changes += 1
            row = TimelineRow(entry, self._seq, self.changes, entry.kept_size)
            self.rows.append(row)
            self._count(row.size)
        self._notify()
        return row

    def changed(self, row: TimelineRow) -> None:
        """Record that a row's entry has changed."""
        with self._lock:
            self.changes += 1
            row.change = self.changes
            grown = row.entry.kept_size - row.size
            row.size += grown
            # the size of a row that has been dropped must not be counted
            if row.seq >= self.rows[0].seq:
                self._count(grown)
        self._notify()

    def hide(self, session_id: str, secrets: Iterable[str]) -> None:
        """Add secrets to those known for a session."""
        found = {value for secret in secrets for value in (secret, *_query_values(secret))}
        with self._lock:
            self._hidden[session_id] = (*self._hidden.get(session_id, ()), *map(Masked, found))
            while len(self._hidden) > config.WIRE_SESSIONS:
                del self._hidden[next(iter(self._hidden))]

    def secrets(self, session_id: str) -> list[str]:
        """Return a session's known secrets."""
        return [secret.reveal() for secret in self._hidden.get(session_id, ())]

    def _count(self, grown: int) -> None:
        self._bytes += grown
        rows = self.rows
        while len(rows) > config.WIRE_ENTRIES or (self._bytes > config.WIRE_BYTES and len(rows) > 1):
            self._bytes -= rows.popleft().size
            self.dropped += 1

    def watch(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call a function after every change; return a function that stops these calls."""

        def watcher() -> None:
            callback()

        def end() -> None:
            with self._lock:
                self._watchers = tuple(other for other in self._watchers if other is not watcher)

        with self._lock:
            self._watchers = (*self._watchers, watcher)
        return end

    def _notify(self) -> None:
        for watcher in self._watchers:
            try:
                watcher()
            except Exception:
                logger.exception("a wire log callback failed")


def _query_values(address: str) -> list[str]:
    """Return the values in a URL's query that may be secrets."""
    return [value for _, value in parse_qsl(address.partition("?")[2]) if len(value) >= SHORTEST_IN_QUERY]


_timelines: weakref.WeakSet[Timeline] = weakref.WeakSet()


def _unlock_all() -> None:
    for timeline in _timelines:
        timeline.unlock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_unlock_all)
