"""What came over WebSockets, as the owner of a simulator gets it. Both sides of the pipe know it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

State = Literal["open", "committed", "said", "interrupted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """The sound of one utterance, as it came.

    `pcm` is 16-bit signed little-endian mono sound of 24,000 Hz, `frames` the bytes of it that came in each
    ``agent.speak``; where there was no room for all of it, both lack the oldest frames, and `dropped` counts their
    bytes. `event_id` is that of the utterance's first frame, `first_at` and `last_at` are real seconds
    (``time.time()``) of its first and its last one.

    `state` is ``open`` until ``agent.speak_end``, then ``committed``, and ``said`` from ``agent.speak_ended`` on; or
    ``interrupted``. An utterance whose WebSocket was lost stays what it was.
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
        return asdict(self) | {"pcm": base64.b64encode(self.pcm).decode(), "frames": list(self.frames)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Heard:
        return cls(**{**data, "pcm": base64.b64decode(data["pcm"]), "frames": tuple(data["frames"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One frame that a client sent over a WebSocket, refused ones too.

    `received_at` is in real seconds (``time.time()``), `type` empty where the frame is no event, `size` the bytes of
    its text, `seconds` the length of its sound, `connected` whether the session had said ``connected`` before it.
    """

    session_id: str
    received_at: float
    type: str
    event_id: str | None
    size: int
    seconds: float
    connected: bool

    def to_json(self) -> dict[str, Any]:
        # not by asdict, which copies each value: there are 20,000 of these
        return {name: getattr(self, name) for name in self.__slots__}
