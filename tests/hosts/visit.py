"""`Visit`: a person with a page in a host, and the ledger of a service of its own that says what it cost."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.async_api import Browser, BrowserContext, Page, expect

from liveavatar_nb import Simulator

from .host import PAGE_LIMIT, Host, Running, studio

STATE_LIMIT = 30.0  # s from a click to what it leads to
LOOK = 0.25  # s between two looks at the ledger
SETTLE_LIMIT = 30.0  # s after the host's end in which its guards have stopped what it left

# before anything else of the package is imported: what a start takes for granted is read then
STUDIO = """
from liveavatar_nb import config
config.UNWATCHED = config.SHORTEST_UNWATCHED = {unwatched!r}
from liveavatar_nb import LiveAvatar
la = LiveAvatar({key!r}, api_url={url!r})
studio = la.studio()
studio
"""
BUSY = """
import time
from pathlib import Path
Path("{name}.begun").touch()
time.sleep({seconds!r})
Path("{name}.ended").touch()
"""


@dataclass(frozen=True)
class Limits:
    """How long things take.

    Args:
        unwatched: seconds without a page after which a session is to be stopped.
        late: seconds more that the stop may take.
        busy: seconds of a busy cell.
    """

    unwatched: float
    late: float
    busy: float


SHORT = Limits(unwatched=10, late=5, busy=20)
FULL = Limits(unwatched=60, late=5, busy=180)


class Visit:
    """What a person does in one host, and what the ledger says to it.

    Args:
        running: the host.
        context: the browser's.
        simulator: the service.
        folder: where the notebook runs.
        limits: how long things take.
    """

    def __init__(
        self, running: Running, context: BrowserContext, simulator: Simulator, folder: Path, limits: Limits
    ) -> None:
        self._simulator = simulator
        self.limits = limits
        self._running = running
        self._context = context
        self._folder = folder

    async def open(self) -> Page:
        """Open the notebook, and have it show the studio."""
        page = await self._context.new_page()
        page.set_default_timeout(PAGE_LIMIT)
        await self._running.open(page)
        await self._running.run(page, 0)
        await expect(studio(page)).to_be_visible(timeout=PAGE_LIMIT)
        return page

    async def start(self, page: Page) -> None:
        """Press Start, and see the session live."""
        await studio(page).get_by_role("button", name=re.compile("^Start")).first.click()
        await self.shows(page, "Live")

    async def shows(self, page: Page, state: str) -> None:
        """Return once the page shows that state of the session."""
        await expect(studio(page).locator(".lv-pill").first).to_contain_text(state, timeout=STATE_LIMIT * 1000)

    async def compute(self, page: Page) -> None:
        """Begin the busy cell; return once it runs."""
        for path in self._folder.glob("cell.*"):
            path.unlink()
        await self._running.run(page, 1)
        assert await until(lambda: self._has("cell.begun"), STATE_LIMIT), "the cell did not begin"

    async def computed(self) -> None:
        """Return once the busy cell has ended."""
        limit = self.limits.busy + STATE_LIMIT
        assert await until(lambda: self._has("cell.ended"), limit), "the cell did not end"

    def _has(self, name: str) -> bool:
        return (self._folder / name).exists()

    def billed(self) -> int:
        """How many sessions are billed."""
        return len(self._simulator.billed())

    async def seconds_billed(self) -> float:
        """For how long something is billed from now on; a little over the limit if it is for longer than that."""
        began = time.monotonic()
        await until(lambda: not self.billed(), self.limits.unwatched + self.limits.late + LOOK)
        return time.monotonic() - began


async def until(condition: Callable[[], bool], limit: float) -> bool:
    """Return once it is true, or has not been for so many seconds; whether it is."""
    end = time.monotonic() + limit
    while not condition():
        if time.monotonic() > end:
            return False
        await asyncio.sleep(LOOK)
    return True


@asynccontextmanager
async def visiting(host: Host, folder: Path, browser: Browser, limits: Limits) -> AsyncIterator[Visit]:
    """A visit in a host that serves a notebook from that folder; at the end, nothing of it is left, nor billed."""
    with Simulator() as simulator:
        cells = [
            STUDIO.format(unwatched=limits.unwatched, key=simulator.api_key, url=simulator.url),
            BUSY.format(name="cell", seconds=limits.busy),
        ]
        running = await asyncio.to_thread(host.serve, folder, cells)
        try:
            await running.server.ready()
            context = await browser.new_context(viewport={"width": 1280, "height": 1000})
            try:
                yield Visit(running, context, simulator, folder, limits)
            except Exception as failure:
                for page in context.pages:
                    failure.add_note(await page.locator("body").inner_text())
                failure.add_note(running.server.log)
                raise
            finally:
                await context.close()
        finally:
            await asyncio.to_thread(running.server.close)
            # the guards of its kernels stop what is left, and go
            await until(lambda: not simulator.billed(), SETTLE_LIMIT)
