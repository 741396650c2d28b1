"""`WireLog`: what goes over the wire, as it goes, with filter, copy and save."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..concurrency.threads import on_own_thread
from ..errors import InvalidArgument, LiveAvatarException
from .base import ControlledWidget, asset
from .problem import problem_of

PUSH_INTERVAL = 0.25  # s between two messages with what is new
ROWS_A_MESSAGE = 250
WATCHED = 30.0  # s that a page is told of what is new after it asked last; it asks every 10 s
FORMATS = ("har", "jsonl")


class WireLog(ControlledWidget):
    """One timeline of REST and WebSocket: time, direction, name, status, duration; payload, curl and Python of each.

    `la.wire` is the same as data. The rows go to the page only while it shows them, and into no saved notebook.

    Args:
        la: the client, a `LiveAvatar`.
        traits: of ipywidgets' DOM widgets, `layout` for one.

    Example:
        >>> WireLog(la)
    """

    _esm = asset("wire.js")

    def __init__(self, la: Any, **traits: Any) -> None:
        self._wire_asked_at = 0.0
        self._wire_sent = 0  # the newest change that was told
        self._wire_push: asyncio.Task[None] | None = None
        self._wire_news = False
        self._unwatch_wire: Callable[[], None] | None = None
        self._wire_loop: asyncio.AbstractEventLoop | None = None
        super().__init__(la, **traits)

    def close(self) -> None:
        """Takes the widget from the page."""
        self._end_watch()
        super().close()

    async def do_wire(self, since: int) -> None:
        """The page shows the log, and has it up to the change `since`."""
        self._wire_asked_at = time.monotonic()
        self._wire_loop = asyncio.get_running_loop()
        if self._unwatch_wire is None:
            self._unwatch_wire = self._client.wire.watch(self._wire_changed)
        await self._send_rows(int(since))

    async def do_save_wire(self, form: str) -> None:
        """Writes the log into a file beside the notebook."""
        if form not in FORMATS:
            raise InvalidArgument(f"A wire log is saved as {' or '.join(FORMATS)}, not as {form!r}.")
        path = Path.cwd() / f"wire-{time.strftime('%Y%m%d-%H%M%S')}.{form}"
        try:
            await on_own_thread(lambda: self._client.wire.save(path))
        except (LiveAvatarException, OSError) as failure:
            told: dict[str, Any] = {"problem": problem_of(failure)}
        else:
            told = {"path": str(path)}
        self._post({"type": "wire_saved", **told})

    def _wire_changed(self) -> None:
        """Something went over the wire; on whichever thread."""
        if not self._wire_news and self._wire_loop is not None:
            self._wire_news = True
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody looks any more
                self._wire_loop.call_soon_threadsafe(self._push_soon)

    def _push_soon(self) -> None:
        if time.monotonic() - self._wire_asked_at > WATCHED:
            self._end_watch()
        elif self._wire_push is None or self._wire_push.done():
            self._wire_push = asyncio.get_running_loop().create_task(self._guard(self._push(), "the wire log"))

    async def _push(self) -> None:
        while self._wire_news:
            self._wire_news = False
            await self._send_rows(self._wire_sent)
            await asyncio.sleep(PUSH_INTERVAL)

    def _end_watch(self) -> None:
        end, self._unwatch_wire = getattr(self, "_unwatch_wire", None), None
        self._wire_news = False
        if end is not None:
            end()

    async def _send_rows(self, since: int) -> None:
        wire, more = self._client.wire, True
        while more:
            # making texts of many payloads takes a while, in which the loop sends sound
            rows, since = await on_own_thread(functools.partial(wire.rows, since, ROWS_A_MESSAGE))
            more = len(rows) >= ROWS_A_MESSAGE
            self._post({"type": "wire", "rows": rows})
        self._wire_sent = max(self._wire_sent, since)
        timings = [
            {"step": one.step, "count": one.count, "p50": one.p50, "p95": one.p95} for one in self._client.timings
        ]
        self._post({"type": "wire_state", "change": since, "timings": timings, "dropped": wire.dropped})

    def _show(self, failure: BaseException) -> None:
        self._post({"type": "wire_saved", "problem": problem_of(failure)})
