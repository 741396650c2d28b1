"""Which hosts the tests of hosts have, how long things take in them, and the browser that shows them."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from playwright.async_api import Browser, async_playwright

from ..conftest import CHROMIUM_FLAGS, REQUIRED, missing
from .host import Host
from .visit import FULL, SHORT

IS_FULL: Final = os.environ.get("LIVEAVATAR_NB_TEST_HOSTS") == "all"  # real limits, and not those of the gate
LIMITS: Final = FULL if IS_FULL else SHORT


def is_there(host: Host) -> bool:
    """Whether a host is installed; where the environment asks for hosts it is installed now."""
    if host.environment is not None and (IS_FULL or "hosts" in REQUIRED):
        host.environment.make()
    return host.is_there


def need(host: Host) -> None:
    """Skip a test for want of a host, or of a browser to show it."""
    if shutil.which("chromium") is None:
        missing("chromium", "install Debian's package of that name")
    if not host.is_there:
        missing("hosts", "`python -m tests.hosts` installs them")


@asynccontextmanager
async def browsing() -> AsyncIterator[Browser]:
    """Debian's Chromium, for several hosts at the same time."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=CHROMIUM_FLAGS)
        try:
            yield browser
        finally:
            await browser.close()
