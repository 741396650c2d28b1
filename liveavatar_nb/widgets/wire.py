"""`WireLog`: what goes over the wire, as it goes, with filter, copy and save."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..concurrency.threads import on_own_thread
from ..errors import InvalidArgument, LiveAvatarException
from .base import ControlledWidget, asset
from .controller import Answer, Controller
from .link import Link
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
        link = Link(self, la)
        feed = WireFeed(link)
        super().__init__(link, [feed], on_failure=feed.show_problem, **traits)


class WireFeed(Controller):
    """The rows of the log, for as long as a page looks at them.

    Args:
        link: the tie to the pages.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._asked_at = 0.0
        self._sent = 0  # the newest change that was told
        self._pushing: asyncio.Task[None] | None = None
        self._has_news = False
        self._unwatch: Callable[[], None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def commands(self) -> Mapping[str, Answer]:
        return {"wire": self.send_news, "save_wire": self.save}

    def close(self) -> None:
        self._end_watch()

    async def send_news(self, since: int) -> None:
        """Send a page that shows the log what came after the change `since`, and from now on what is new."""
        self._asked_at = time.monotonic()
        self._loop = asyncio.get_running_loop()
        if self._unwatch is None:
            self._unwatch = self._link.client.wire.watch(self._on_change)
        await self._send_rows(int(since))

    async def save(self, form: str) -> None:
        """Write the log into a file beside the notebook."""
        if form not in FORMATS:
            raise InvalidArgument(f"A wire log is saved as {' or '.join(FORMATS)}, not as {form!r}.")
        path = Path.cwd() / f"wire-{time.strftime('%Y%m%d-%H%M%S')}.{form}"
        try:
            await on_own_thread(lambda: self._link.client.wire.save(path))
        except (LiveAvatarException, OSError) as failure:
            told: dict[str, Any] = {"problem": problem_of(failure)}
        else:
            told = {"path": str(path)}
        self._link.send({"type": "wire_saved", **told})

    def _on_change(self) -> None:
        """Note that something went over the wire; on whichever thread."""
        if not self._has_news and self._loop is not None:
            self._has_news = True
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody looks any more
                self._loop.call_soon_threadsafe(self._push_soon)

    def _push_soon(self) -> None:
        if time.monotonic() - self._asked_at > WATCHED:
            self._end_watch()
        elif self._pushing is None or self._pushing.done():
            self._pushing = asyncio.get_running_loop().create_task(self._link.guard(self._push(), "the wire log"))

    async def _push(self) -> None:
        while self._has_news:
            self._has_news = False
            await self._send_rows(self._sent)
            await asyncio.sleep(PUSH_INTERVAL)

    def _end_watch(self) -> None:
        end, self._unwatch = self._unwatch, None
        self._has_news = False
        if end is not None:
            end()

    async def _send_rows(self, since: int) -> None:
        wire, more = self._link.client.wire, True
        while more:
            # making texts of many payloads takes a while, in which the loop sends sound
            rows, since = await on_own_thread(functools.partial(wire.rows, since, ROWS_A_MESSAGE))
            more = len(rows) >= ROWS_A_MESSAGE
            self._link.send({"type": "wire", "rows": rows})
        self._sent = max(self._sent, since)
        timings = [
            {"step": one.step, "count": one.count, "p50": one.p50, "p95": one.p95} for one in self._link.client.timings
        ]
        self._link.send({"type": "wire_state", "change": since, "timings": timings, "dropped": wire.dropped})

    def show_problem(self, failure: BaseException) -> None:
        """Show what went wrong with it."""
        self._link.send({"type": "wire_saved", "problem": problem_of(failure)})
