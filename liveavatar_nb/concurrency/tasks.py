"""Helpers for asyncio tasks."""

from __future__ import annotations

import asyncio
from typing import Any


def unheard(task: asyncio.Task[Any]) -> None:
    """Mark a task's failure as seen, in case nobody awaits it; use it as a done callback."""
    if not task.cancelled():
        task.exception()
