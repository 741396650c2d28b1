"""`WireLog`: a live log of the traffic with the service; users can filter, copy and save the log."""

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
from .base import ControlledWidget
from .controller import Answer, Controller
from .link import Link
from .problem import problem_of

PUSH_INTERVAL = 0.25  # seconds between messages with new rows
ROWS_A_MESSAGE = 250
WATCHED = 30.0  # seconds to keep sending new rows after a page's request; pages repeat the request every 10 s
FORMATS = ("har", "jsonl")


class WireLog(ControlledWidget):
    """A timeline of the REST and WebSocket traffic.

    Each row has a time, a direction, a name, a status and a duration, plus the payload and, where possible, a curl
    command and Python code that resend it. Rows are sent only while a page shows them, and are not saved in the
    notebook. The same information is available as data in `la.wire`.

    Args:
        la: The client, a `LiveAvatar`.
        traits: Any other ipywidgets traits, such as `layout`.

    Example:
        >>> WireLog(la)
    """

    _COMPONENT = "wire"

    def __init__(self, la: Any, **traits: Any) -> None:
        link = Link(self, la)
        feed = WireFeed(link)
        super().__init__(link, [feed], on_failure=feed.show_problem, **traits)


class WireFeed(Controller):
    """Sends the log's rows to the pages while a page shows the log.

    Args:
        link: The connection to the pages.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._asked_at = 0.0
        self._sent = 0  # the number of the latest change that has been sent
        self._pushing: asyncio.Task[None] | None = None
        self._has_news = False
        self._unwatch: Callable[[], None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def commands(self) -> Mapping[str, Answer]:
        return {"wire": self.send_news, "save_wire": self.save}

    def close(self) -> None:
        self._end_watch()

    async def send_news(self, since: int) -> None:
        """Send the rows that changed after change number `since`; from then on, send new rows as well."""
        self._asked_at = time.monotonic()
        self._loop = asyncio.get_running_loop()
        if self._unwatch is None:
            self._unwatch = self._link.client.wire.watch(self._on_change)
        await self._send_rows(int(since))

    async def save(self, form: str) -> None:
        """Save the log to a file next to the notebook."""
        if form not in FORMATS:
            raise InvalidArgument(f"A wire log can be saved as {' or '.join(FORMATS)}, not as {form!r}.")
        path = Path.cwd() / f"wire-{time.strftime('%Y%m%d-%H%M%S')}.{form}"
        try:
            await on_own_thread(lambda: self._link.client.wire.save(path))
        except (LiveAvatarException, OSError) as failure:
            result: dict[str, Any] = {"problem": problem_of(failure)}
        else:
            result = {"path": str(path)}
        self._link.send({"type": "wire_saved", **result})

    def _on_change(self) -> None:
        """Handle a change in the log; may be called on any thread."""
        if not self._has_news and self._loop is not None:
            self._has_news = True
            with contextlib.suppress(RuntimeError):  # the loop is closed, so nobody is watching
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
        unwatch, self._unwatch = self._unwatch, None
        self._has_news = False
        if unwatch is not None:
            unwatch()

    async def _send_rows(self, since: int) -> None:
        wire, more = self._link.client.wire, True
        while more:
            # use another thread, because rendering many payloads takes a while and the loop must keep sending sound
            rows, since = await on_own_thread(functools.partial(wire.rows, since, ROWS_A_MESSAGE))
            more = len(rows) >= ROWS_A_MESSAGE
            self._link.send({"type": "wire", "rows": rows})
        self._sent = max(self._sent, since)
        timings = [
            {"step": timing.step, "count": timing.count, "p50": timing.p50, "p95": timing.p95}
            for timing in self._link.client.timings
        ]
        self._link.send({"type": "wire_state", "change": since, "timings": timings, "dropped": wire.dropped})

    def show_problem(self, failure: BaseException) -> None:
        """Show an error in the log."""
        self._link.send({"type": "wire_saved", "problem": problem_of(failure)})
