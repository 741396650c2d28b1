"""Helpers for asyncio tasks."""

from __future__ import annotations

import asyncio
from typing import Any


def unheard(task: asyncio.Task[Any]) -> None:
    """Mark a task's exception as retrieved, in case nobody awaits the task; use this as a done callback."""
    if not task.cancelled():
        task.exception()
