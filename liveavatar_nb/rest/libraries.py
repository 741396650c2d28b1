"""The HTTP libraries whose clients a caller may pass in: httpx, and httpx2, which has the same API but its own classes.

Our own clients are httpx's. httpx2 is optional, and this package never imports it.
"""

from __future__ import annotations

import sys
from typing import Any

import httpx


def classes(*names: str) -> tuple[type[Any], ...]:
    """Return the classes with these names, of httpx and, if the caller has imported it, of httpx2."""
    # an object of httpx2 can't exist before httpx2 is imported; another thread may be importing it just now
    libraries = httpx, sys.modules.get("httpx2")
    return tuple(getattr(library, name) for library in libraries for name in names if hasattr(library, name))
