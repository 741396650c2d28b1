"""A page that is loaded anew, in a host that gives it a kernel of its own in the same process, shows what is billed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from .conftest import LIMITS, browsing, need
from .every import HOSTS
from .host import Host
from .visit import visiting

pytestmark = pytest.mark.timeout(300)


async def reload(host: Host, folder: Path) -> None:
    """A person starts a session, loads the page again, sees the session there, and stops it."""
    async with browsing() as browser, visiting(host, folder, browser, LIMITS) as visit:
        page = await visit.open()
        await visit.start(page)
        await page.reload()
        await visit.shows(page, "Live")
        assert await visit.button(page, "Start").count() == 0, "a second session is a click away"
        assert visit.billed() == 1
        await asyncio.sleep(LIMITS.unwatched + LIMITS.late)
        assert visit.billed() == 1, "the page that came back does not keep its session"
        await visit.button(page, "Stop").click()
        await visit.shows(page, "Ended")
        assert visit.billed() == 0


def test_a_page_that_marimo_loads_anew_shows_the_session_and_stops_it(tmp_path: Path) -> None:
    host = HOSTS["marimo-run"]
    need(host)
    asyncio.run(reload(host, tmp_path))
