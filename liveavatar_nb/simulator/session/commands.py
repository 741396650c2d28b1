"""Strict parsing of the commands that a client sends over a session's WebSocket."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Final

from ..rest.validation import Invalid, parse
from .speech import SAMPLE_BYTES

LONGEST_FRAME: Final = 1_000_000  # maximum bytes
LONGEST_NAME: Final = 256  # maximum characters; longer types and event ids are truncated to save memory


@dataclass(frozen=True, slots=True)
class Command:
    """A well-formed command, although possibly of an unknown type."""

    type: str
    event_id: str | None
    audio: bytes = b""


class InvalidCommand(Exception):
    """Raised for a command that the service refuses; WebSocket clients receive an ``error`` event.

    Attributes:
        kind: The command's type; empty if it could not be read.
        event_id: The command's event id; None if it could not be read.
    """

    def __init__(self, message: str, kind: str = "", event_id: str | None = None) -> None:
        super().__init__(message)
        self.kind, self.event_id = kind, event_id


def measure(frame: str | bytes) -> int:
    """Return a frame's size in bytes, as sent over the network."""
    return len(frame) if isinstance(frame, bytes) else len(frame.encode("utf-8", "surrogatepass"))


def read(frame: str | bytes) -> Command:
    """Parse the command in a frame.

    Raises:
        InvalidCommand: The frame is not a well-formed command.
    """
    if isinstance(frame, bytes):
        raise InvalidCommand("a frame must be JSON text, not binary")
    if (size := measure(frame)) > LONGEST_FRAME:
        raise InvalidCommand(f"a frame of {size} bytes is over the limit of {LONGEST_FRAME}")
    try:
        fields = parse(frame)
    except Invalid:
        fields = None
    if not isinstance(fields, dict) or not isinstance(kind := fields.get("type"), str):
        raise InvalidCommand("a frame must be a JSON object with a type")
    kind = kind[:LONGEST_NAME]
    event_id = fields.get("event_id")
    if event_id is not None and not isinstance(event_id, str):
        raise InvalidCommand("event_id must be a string", kind)
    event_id = event_id and event_id[:LONGEST_NAME]
    if kind != "agent.speak":
        return Command(kind, event_id)
    audio = fields.get("audio")
    try:
        samples = base64.b64decode(audio, validate=True) if isinstance(audio, str) else b""
    except ValueError:
        raise InvalidCommand("audio must be base64", kind, event_id) from None
    if not samples or len(samples) % SAMPLE_BYTES:
        raise InvalidCommand(f"audio of {len(samples)} bytes is not 16-bit PCM", kind, event_id)
    return Command(kind, event_id, samples)
