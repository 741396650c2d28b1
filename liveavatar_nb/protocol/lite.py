"""LITE: the JSON text frames of a session's WebSocket, encoded and decoded. No input, no output."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from ..audio import SAMPLE_BYTES, SAMPLE_RATE
from .events import AGENT_STATE, SESSION_STATE, Event

FIRST_FRAME: Final = 0.6  # s of sound in an utterance's first frame: the avatar begins the sooner
LATER_FRAME: Final = 1.0  # s in those that follow; 64 kB on the wire, where 1 MB is the most
BYTES_PER_SECOND: Final = SAMPLE_RATE * SAMPLE_BYTES

# what the service is known to send
SPEAK_STARTED: Final = "agent.speak_started"
SPEAK_ENDED: Final = "agent.speak_ended"
SPEAK_INTERRUPTED: Final = "agent.speak_interrupted"
BUFFER_CLEARED: Final = "agent.audio_buffer_cleared"
EVENT_TYPES: Final = (
    SESSION_STATE,
    AGENT_STATE,
    SPEAK_STARTED,
    SPEAK_ENDED,
    SPEAK_INTERRUPTED,
    "agent.audio_buffer_appended",
    "agent.audio_buffer_committed",
    BUFFER_CLEARED,
    "error",
    "warning",
)


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


@dataclass(frozen=True)
class Command:
    """Something that the service is told.

    Attributes:
        type: the frame's `type`.
        event_id: the utterance's, or the command's own.
        pcm: sound, 16-bit signed little-endian, mono, 24,000 Hz; on `agent.speak` only.
    """

    type: str
    event_id: str | None = None
    pcm: bytes | None = field(default=None, repr=False)

    @property
    def seconds(self) -> float:
        """How much sound is in it."""
        return seconds_of(self.pcm or b"")

    @property
    def shown(self) -> dict[str, Any]:
        """Its fields without the sound, for who looks at the wire."""
        fields: dict[str, Any] = {} if self.event_id is None else {"event_id": self.event_id}
        if self.pcm is not None:
            fields["audio"] = f"<{self.seconds:.2f} s, {len(self.pcm):,} bytes>"
        return fields

    def encode(self) -> bytes:
        """The frame's text, UTF-8."""
        fields: dict[str, Any] = {"type": self.type}
        if self.event_id is not None:
            fields["event_id"] = self.event_id
        if self.pcm is not None:
            fields["audio"] = self.pcm
        return msgspec.json.encode(fields)  # bytes become base64


def speak(pcm: bytes, utterance_id: str) -> Command:
    """More of what the avatar is to say (`agent.speak`)."""
    return Command("agent.speak", utterance_id, pcm)


def speak_end(utterance_id: str) -> Command:
    """The utterance is complete (`agent.speak_end`); without it the avatar never goes back to idle."""
    return Command("agent.speak_end", utterance_id)


def interrupt(event_id: str) -> Command:
    """Stop, and forget all that waits (`agent.interrupt`)."""
    return Command("agent.interrupt", event_id)


def listen(event_id: str, *, start: bool) -> Command:
    """An attentive pose, or the idle one (`agent.start_listening`, `agent.stop_listening`)."""
    return Command("agent.start_listening" if start else "agent.stop_listening", event_id)


def seconds_of(pcm: bytes) -> float:
    """How long so much sound lasts."""
    return len(pcm) / BYTES_PER_SECOND


class Framer:
    """Cuts the sound of one utterance into frames: a short first one, then longer ones, none of more than 1 MB."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._size = _bytes_of(FIRST_FRAME)

    def push(self, pcm: bytes) -> list[bytes]:
        """The frames that are full with this piece, of any length."""
        self._held += pcm
        frames = []
        while len(self._held) >= self._size:
            frames.append(bytes(self._held[: self._size]))
            del self._held[: self._size]
            self._size = _bytes_of(LATER_FRAME)
        return frames

    def rest(self) -> bytes:
        """What is left for the last frame; may be empty."""
        return bytes(self._held)


def _bytes_of(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE) * SAMPLE_BYTES
