"""LITE: the JSON text frames of a session's WebSocket."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Event:
    """Something that the service said about a session.

    Attributes:
        type: the frame's `type`, as in `session.state_updated`; a type that is not known is new, not wrong.
        data: the frame's other fields, as they came.
    """

    type: str
    data: dict[str, Any] = field(default_factory=dict)

    @property
    def session_state(self) -> str | None:
        """`connecting`, `connected`, `closing` or `closed` on `session.state_updated`, else None."""
        state = self.data.get("state") if self.type == "session.state_updated" else None
        return state if isinstance(state, str) else None


def decode(frame: str | bytes) -> Event | None:
    """The event of a frame; None where the frame is none."""
    if isinstance(frame, bytes):
        return None
    try:
        fields = json.loads(frame)
    except (ValueError, RecursionError):
        return None
    if not isinstance(fields, dict) or not isinstance(fields.get("type"), str):
        return None
    return Event(fields.pop("type"), fields)
