"""Waiting for what happens in another process, thread or page."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

LIMIT = 15.0  # s


def wait_for(condition: Callable[[], Any], limit: float = LIMIT) -> None:
    """Returns once it is true."""
    deadline = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.02)


async def until(condition: Callable[[], Any], limit: float = LIMIT) -> None:
    """Returns once it is true; others go on meanwhile."""
    async with asyncio.timeout(limit):
        while not condition():  # noqa: ASYNC110 (what is waited for tells nobody)
            await asyncio.sleep(0.01)
