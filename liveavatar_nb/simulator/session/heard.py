"""Records of what arrived over WebSockets, for the simulator's owner.

The parent and the child process share these classes.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

State = Literal["open", "committed", "said", "interrupted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """The audio of one utterance, as it arrived.

    Attributes:
        session_id: The session's id.
        event_id: The event id of the utterance's first frame.
        pcm: The audio: 16-bit signed little-endian mono PCM at 24,000 Hz. The oldest frames may have been dropped to
            save memory.
        frames: For each ``agent.speak`` frame whose audio is still in `pcm`, the audio's size in bytes.
        first_at: The time at which the first frame arrived, in real seconds (``time.time()``).
        last_at: The time at which the last frame arrived, in real seconds.
        state: ``open`` until ``agent.speak_end``, then ``committed`` until ``agent.speak_ended``, then ``said``. An
            interruption changes it to ``interrupted``; losing the WebSocket leaves it unchanged.
        dropped: How many bytes of audio were dropped.
    """

    session_id: str
    event_id: str | None
    pcm: bytes = field(repr=False)
    frames: tuple[int, ...] = field(repr=False)
    first_at: float
    last_at: float
    state: State
    dropped: int

    def to_json(self) -> dict[str, Any]:
        """Return the record as JSON data."""
        return asdict(self) | {"pcm": base64.b64encode(self.pcm).decode(), "frames": list(self.frames)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Heard:
        """Restore a record from the result of `to_json`."""
        return cls(**{**data, "pcm": base64.b64decode(data["pcm"]), "frames": tuple(data["frames"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One frame that a client sent over a WebSocket, even if it was refused.

    Attributes:
        session_id: The session's id.
        received_at: The time at which the frame arrived, in real seconds (``time.time()``).
        type: The command's type; empty if the frame is not a command.
        event_id: The command's event id.
        size: The frame's size in bytes.
        seconds: The length of the frame's audio.
        connected: Whether the session had already reported ``connected``.
    """

    session_id: str
    received_at: float
    type: str
    event_id: str | None
    size: int
    seconds: float
    connected: bool

    def to_json(self) -> dict[str, Any]:
        """Return the record as JSON data."""
        # do not use asdict: it copies each value, which is slow for 5,000 frames
        return {name: getattr(self, name) for name in self.__slots__}
