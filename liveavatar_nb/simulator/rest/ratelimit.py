"""The rate limit: how many times per second a credential may call an endpoint."""

from __future__ import annotations

import time
from collections import Counter
from typing import Final

WINDOW_SECONDS: Final = 1


class RateLimit:
    """A counter of requests in fixed windows of one real second, like the real service's.

    Args:
        limit: Maximum requests per window; None for no limit.
    """

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._window = 0
        self._counts: Counter[tuple[str, str]] = Counter()

    def count(self, credential: str, endpoint: str) -> dict[str, str] | None:
        """Count a request; if it exceeds the limit, return the headers for the 429 response, else None."""
        if self._limit is None:
            return None
        if (window := int(time.time() / WINDOW_SECONDS)) != self._window:
            self._window = window
            self._counts.clear()
        self._counts[credential, endpoint] += 1
        if self._counts[credential, endpoint] <= self._limit:
            return None
        return {"Retry-After": str(WINDOW_SECONDS), "X-RateLimit-Reset": str((window + 1) * WINDOW_SECONDS)}
