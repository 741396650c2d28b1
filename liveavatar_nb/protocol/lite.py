"""Encodes and decodes the JSON text frames of a LITE session's WebSocket; performs no I/O."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from ..audio import SAMPLE_BYTES, SAMPLE_RATE
from .events import AGENT_STATE, SESSION_STATE, Event

FIRST_FRAME: Final = 0.6  # seconds of audio in an utterance's first frame; short, so that the avatar starts sooner
LATER_FRAME: Final = 1.0  # seconds of audio in each later frame: 64 kB on the wire, well below the limit of 1 MB
BYTES_PER_SECOND: Final = SAMPLE_RATE * SAMPLE_BYTES

# the events that the service is known to send
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
    """Decode a frame as an event; return None if it isn't one."""
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
    """A command for the service.

    Attributes:
        type: The frame's `type`.
        event_id: The utterance's id or, if the command belongs to no utterance, the command's own id.
        pcm: The audio, as 16-bit signed little-endian mono samples at 24,000 Hz; only for `agent.speak`.
    """

    type: str
    event_id: str | None = None
    pcm: bytes | None = field(default=None, repr=False)

    @property
    def seconds(self) -> float:
        """The length of the command's audio, in seconds."""
        return seconds_of(self.pcm or b"")

    @property
    def shown(self) -> dict[str, Any]:
        """All fields except the type, for the wire log; the audio is replaced by its length and size."""
        fields: dict[str, Any] = {} if self.event_id is None else {"event_id": self.event_id}
        if self.pcm is not None:
            fields["audio"] = f"<{self.seconds:.2f} s, {len(self.pcm):,} bytes>"
        return fields

    def encode(self) -> bytes:
        """Return the frame's text as UTF-8."""
        fields: dict[str, Any] = {"type": self.type}
        if self.event_id is not None:
            fields["event_id"] = self.event_id
        if self.pcm is not None:
            fields["audio"] = self.pcm
        return msgspec.json.encode(fields)  # bytes become base64


def speak(pcm: bytes, utterance_id: str) -> Command:
    """Return a command to add audio for the avatar to speak (`agent.speak`)."""
    return Command("agent.speak", utterance_id, pcm)


def speak_end(utterance_id: str) -> Command:
    """Return a command to end the utterance (`agent.speak_end`), so that the avatar goes back to idle."""
    return Command("agent.speak_end", utterance_id)


def interrupt(event_id: str) -> Command:
    """Return a command to stop speaking and clear the queue (`agent.interrupt`)."""
    return Command("agent.interrupt", event_id)


def listen(event_id: str, *, start: bool) -> Command:
    """Return a command to show the listening or the idle pose (`agent.start_listening`, `stop_listening`)."""
    return Command("agent.start_listening" if start else "agent.stop_listening", event_id)


def seconds_of(pcm: bytes) -> float:
    """Return the length of PCM audio, in seconds."""
    return len(pcm) / BYTES_PER_SECOND


class Framer:
    """Cuts one utterance's audio into frames: a short one, then longer ones, all well under 1 MB."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self._size = _bytes_of(FIRST_FRAME)

    def push(self, pcm: bytes) -> list[bytes]:
        """Add a piece of audio of any length, and return the frames that are now full."""
        self._pending += pcm
        frames = []
        while len(self._pending) >= self._size:
            frames.append(bytes(self._pending[: self._size]))
            del self._pending[: self._size]
            self._size = _bytes_of(LATER_FRAME)
        return frames

    def rest(self) -> bytes:
        """Return the remaining audio, which makes up the last frame and may be empty."""
        return bytes(self._pending)


def _bytes_of(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE) * SAMPLE_BYTES
