"""What a client says over a session's WebSocket, read by the letter."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Final

from ..rest.validation import Invalid, parse
from .speech import SAMPLE_BYTES

LONGEST_FRAME: Final = 1_000_000  # bytes
LONGEST_NAME: Final = 256  # characters of a type or an event id that are read: they are kept for long


@dataclass(frozen=True, slots=True)
class Command:
    """A frame that can be obeyed, if its type is known."""

    type: str
    event_id: str | None
    audio: bytes = b""


class Wrong(Exception):
    """A frame that the service answers with an ``error``; with as much of it as could be read."""

    def __init__(self, message: str, kind: str = "", event_id: str | None = None) -> None:
        super().__init__(message)
        self.kind, self.event_id = kind, event_id


def measure(frame: str | bytes) -> int:
    """The bytes of a frame as it travelled."""
    return len(frame) if isinstance(frame, bytes) else len(frame.encode("utf-8", "surrogatepass"))


def read(frame: str | bytes) -> Command:
    """The command of a frame; raises `Wrong`."""
    if isinstance(frame, bytes):
        raise Wrong("a frame must be JSON text, not binary")
    if (size := measure(frame)) > LONGEST_FRAME:
        raise Wrong(f"a frame of {size} bytes is over the limit of {LONGEST_FRAME}")
    try:
        fields = parse(frame)
    except Invalid:
        fields = None
    if not isinstance(fields, dict) or not isinstance(kind := fields.get("type"), str):
        raise Wrong("a frame must be a JSON object with a type")
    kind = kind[:LONGEST_NAME]
    event_id = fields.get("event_id")
    if event_id is not None and not isinstance(event_id, str):
        raise Wrong("event_id must be text", kind)
    event_id = event_id and event_id[:LONGEST_NAME]
    if kind != "agent.speak":
        return Command(kind, event_id)
    audio = fields.get("audio")
    try:
        samples = base64.b64decode(audio, validate=True) if isinstance(audio, str) else b""
    except ValueError:
        raise Wrong("audio must be base64", kind, event_id) from None
    if not samples or len(samples) % SAMPLE_BYTES:
        raise Wrong(f"audio of {len(samples)} bytes is no 16-bit PCM", kind, event_id)
    return Command(kind, event_id, samples)
