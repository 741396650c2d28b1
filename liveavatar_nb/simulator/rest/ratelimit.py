"""How often a credential may call an endpoint: so many times in each second, as the service counts."""

from __future__ import annotations

import time
from collections import Counter
from typing import Final

WINDOW_SECONDS: Final = 1


class RateLimit:
    """Counts in fixed windows of one real second; None is no limit."""

    def __init__(self, most: int | None) -> None:
        self._most = most
        self._window = 0
        self._counts: Counter[tuple[str, str]] = Counter()

    def exceeded(self, credential: str, endpoint: str) -> dict[str, str] | None:
        """Counts one request; the headers of a 429 where it is one too many."""
        if self._most is None:
            return None
        if (window := int(time.time() / WINDOW_SECONDS)) != self._window:
            self._window = window
            self._counts.clear()
        self._counts[credential, endpoint] += 1
        if self._counts[credential, endpoint] <= self._most:
            return None
        return {"Retry-After": str(WINDOW_SECONDS), "X-RateLimit-Reset": str((window + 1) * WINDOW_SECONDS)}
