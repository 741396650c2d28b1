"""IDs that are the same in every simulator, and the creation date of the built-in resources."""

from __future__ import annotations

import uuid
from typing import Final

NAMESPACE: Final = uuid.UUID("2f6c2b53-6a0e-4c39-9a0e-7c1f4b0d5e11")
CREATED_AT: Final = "2026-03-02T09:00:00Z"
CREATED_MOMENT: Final = 1_772_442_000_000_000  # the same, in microseconds since the epoch


def identifier(name: str) -> str:
    """Return the fixed id for a name."""
    return str(uuid.uuid5(NAMESPACE, name))
