"""One frame of a session's WebSocket or data channel, safe to show: secrets are masked before it is stored."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import msgspec

from ..masking import kept

Channel = Literal["websocket", "data"]
Direction = Literal["sent", "received"]

NO_EVENT: Final = "(no event)"
SOUND: Final = r"([\d,]+) bytes"  # matches the size in the text that stands in for audio


@dataclass(frozen=True)
class Frame:
    """One frame, sent or received.

    Attributes:
        at: The time at which the frame was sent or received, in seconds since the epoch.
        session_id: The session's id.
        channel: `websocket`, or `data` for LiveKit's data channel.
        direction: `sent` or `received`.
        type: The event's type, or "" if the frame isn't an event.
        size: The size on the wire in bytes.
    """

    at: float
    session_id: str
    channel: Channel
    direction: Direction
    type: str
    size: int
    _payload: bytes = field(repr=False)

    @classmethod
    def of(
        cls,
        *,
        at: float,
        session_id: str,
        channel: Channel,
        direction: Direction,
        type: str,  # noqa: A002 (the field's name)
        payload: Mapping[str, Any] | str | bytes,
        size: int,
        secrets: Sequence[str] = (),
    ) -> Frame:
        """Create a frame from what was sent or received.

        Args:
            at, session_id, channel, direction, type, size: As for the attributes.
            payload: The event's other fields, with audio replaced by a description. If the frame isn't an event, its
                text or bytes; for bytes, only their number is stored.
            secrets: The session's secrets, which the frame may quote.
        """
        if isinstance(payload, bytes):
            payload = f"<{len(payload):,} bytes>"
        elif isinstance(payload, str):
            payload = _decode(payload)
        return cls(at, session_id, channel, direction, type, size, kept(payload, secrets))

    @property
    def payload(self) -> Any:
        """The event's other fields, or the frame's text, with secrets masked; a large payload is truncated."""
        return msgspec.json.decode(self._payload)

    @property
    def kept_size(self) -> int:
        """The entry's approximate size in memory, in bytes."""
        return len(self._payload)

    @property
    def kind(self) -> Channel:
        """The kind of entry, which is its channel."""
        return self.channel

    @property
    def name(self) -> str:
        """The event's type, or a placeholder if the frame isn't an event."""
        return self.type or NO_EVENT

    def curl(self) -> str | None:
        """Return None, since curl can't send frames."""
        return None

    def python(self) -> str | None:
        """Return a Python program that resends the frame, with silence in place of its audio.

        Returns:
            The program, or None if the frame wasn't sent over the WebSocket.
        """
        if self.channel != "websocket" or self.direction != "sent" or not isinstance(payload := self.payload, dict):
            return None
        fields = {"type": self.type, **payload}
        sound = re.search(SOUND, str(fields.pop("audio", "")))
        lines = [f"    {name!r}: {value!r}," for name, value in fields.items()]
        imports = ["json", "os"]
        if sound is not None:
            imports.insert(0, "base64")
            silence = f"base64.b64encode(bytes({sound[1].replace(',', '_')})).decode()"
            lines.append(f'    "audio": {silence},  # silence: the log does not contain the audio')
        return (
            "".join(f"import {name}\n" for name in imports)
            + "\nfrom websockets.sync.client import connect\n\nframe = {\n"
            + "\n".join(lines)
            + '\n}\nwith connect(os.environ["WS_URL"]) as socket:\n'
            + '    while json.loads(socket.recv()).get("state") != "connected":\n        pass\n'
            + "    socket.send(json.dumps(frame))\n    print(socket.recv())\n"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the frame as plain, JSON-serializable data."""
        return {
            "at": self.at,
            "kind": self.kind,
            "direction": self.direction,
            "session_id": self.session_id,
            "type": self.type,
            "size": self.size,
            "payload": self.payload,
        }


def _decode(text: str) -> Any:
    """Decode JSON, so that secrets can be recognised by their field names; return other text unchanged."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return text
