"""`unheard`: for tasks whose failure may be nobody's."""

from __future__ import annotations

import asyncio
from typing import Any


def unheard(task: asyncio.Task[Any]) -> None:
    """Mark a task's failure as seen, for those who wait for it may be nobody; to be given as a done callback."""
    if not task.cancelled():
        task.exception()
