"""In every host: a page that goes takes its session along, and one that stays keeps it beside a busy cell.

With `LIVEAVATAR_NB_TEST_HOSTS=all` the limits are those that users have: 60 s, and a cell of 3 minutes.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import traceback
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import Browser

from .conftest import IS_FULL, LIMITS, browsing, is_there, need
from .every import HOSTS
from .host import Host
from .visit import visiting

pytestmark = pytest.mark.timeout(2400 if IS_FULL else 1200)  # all visits are made within the first test

AT_ONCE = os.cpu_count() or 1  # hosts that begin at the same time: that is work, and the rest is waiting
END = LIMITS.unwatched + LIMITS.late  # s in which a session without a page ends


@dataclass
class Seen:
    """What came of a visit, as far as it went.

    Args:
        beside_cell: sessions billed at the end of the busy cell, with the page open.
        after_cell: sessions billed so long afterwards that one without a page would have ended.
        after_page: seconds billed after the page was closed.
        after_both: seconds billed after the end of a cell during which the page was closed.
        failure: why the visit went no further.
    """

    beside_cell: int | None = None
    after_cell: int | None = None
    after_page: float | None = None
    after_both: float | None = None
    failure: str = ""


async def visit_one(host: Host, folder: Path, browser: Browser, beginning: asyncio.Semaphore) -> Seen:
    """All that the tests ask of one host."""
    seen = Seen()
    try:
        async with AsyncExitStack() as stack:
            async with beginning:
                visit = await stack.enter_async_context(visiting(host, folder, browser, LIMITS))
                page = await visit.open()
                await visit.start(page)
            await visit.compute(page)
            await visit.computed()
            seen.beside_cell = visit.billed()
            await asyncio.sleep(END)
            seen.after_cell = visit.billed()
            await page.close()
            seen.after_page = await visit.seconds_billed()
            assert seen.after_page <= END, "the session of the closed page is billed on"
            async with beginning:
                page = await visit.open()
                await visit.start(page)
            await visit.compute(page)
            await page.close()
            await visit.computed()
            seen.after_both = await visit.seconds_billed()
    except Exception:  # noqa: BLE001 (the tests of this host fail by it, and those of others do not)
        seen.failure = traceback.format_exc()
    return seen


async def visit_all(hosts: list[Host], folder: Path) -> list[Seen]:
    """All hosts, side by side."""
    beginning = asyncio.Semaphore(AT_ONCE)
    for host in hosts:
        (folder / host.name).mkdir()
    async with browsing() as browser:
        return await asyncio.gather(*(visit_one(host, folder / host.name, browser, beginning) for host in hosts))


@pytest.fixture(scope="module")
def visits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Seen]:
    """What came of a visit to each host that is there."""
    there = [host for host in HOSTS.values() if is_there(host)] if shutil.which("chromium") else []
    visited = asyncio.run(visit_all(there, tmp_path_factory.mktemp("hosts"))) if there else []
    return dict(zip([host.name for host in there], visited, strict=True))


@pytest.fixture(params=HOSTS)
def seen(request: pytest.FixtureRequest, visits: dict[str, Seen]) -> Seen:
    """What came of the visit to one host."""
    need(HOSTS[request.param])
    print(visits[request.param])
    return visits[request.param]


def test_an_open_page_keeps_its_session_beside_a_busy_cell(seen: Seen) -> None:
    """row 61"""
    assert seen.beside_cell is not None, seen.failure
    assert seen.beside_cell == 1, "it was stopped while the cell ran"
    assert seen.after_cell == 1, "it was stopped after the cell, although a page shows it"


def test_a_closed_page_ends_its_session(seen: Seen) -> None:
    """row 61"""
    assert seen.after_page is not None, seen.failure
    assert seen.after_page <= END


def test_a_page_closed_beside_a_busy_cell_ends_its_session_after_the_cell(seen: Seen) -> None:
    """row 61"""
    assert seen.after_both is not None, seen.failure
    assert seen.after_both <= END
