"""The records of what arrived over WebSockets, for the owner of a simulator. Parent and child share them."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

State = Literal["open", "committed", "said", "interrupted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """The sound of one utterance, as it arrived.

    Attributes:
        session_id: The session's id.
        event_id: The event id of the utterance's first frame.
        pcm: The sound: 16-bit signed little-endian mono PCM at 24,000 Hz. The oldest frames may have been dropped to
            save memory.
        frames: The bytes of sound in each ``agent.speak`` that is still in `pcm`.
        first_at: When the first frame arrived, in real seconds (``time.time()``).
        last_at: When the last frame arrived.
        state: ``open`` until ``agent.speak_end``, then ``committed``, and ``said`` from ``agent.speak_ended`` on; or
            ``interrupted``. If the WebSocket is lost, the state stays as it was.
        dropped: How many bytes of sound were dropped.
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
        """Return the record that `to_json` described."""
        return cls(**{**data, "pcm": base64.b64decode(data["pcm"]), "frames": tuple(data["frames"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One frame that a client sent over a WebSocket, even if it was refused.

    Attributes:
        session_id: The session's id.
        received_at: When it arrived, in real seconds (``time.time()``).
        type: Its type; empty if it is not a command.
        event_id: Its event id.
        size: Its size in bytes.
        seconds: The length of its sound.
        connected: Whether the session had reported ``connected`` before.
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
        # not with asdict, which copies each value: there are up to 5,000 frames
        return {name: getattr(self, name) for name in self.__slots__}
