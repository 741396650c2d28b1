"""One frame of a session's WebSocket or data channel, as it can be shown: secrets are masked before it is kept."""

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
SOUND: Final = re.compile(r"([\d,]+) bytes")  # in the words that stand for an `agent.speak`'s sound


@dataclass(frozen=True)
class Frame:
    """One frame, sent or received.

    Attributes:
        at: when, in seconds since the epoch.
        session_id: whose.
        channel: `websocket`, or `data` for LiveKit's data channel.
        direction: `sent` or `received`.
        type: the event's; "" for what is no event.
        size: bytes on the wire.
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
        """A frame of what was sent or came.

        Args:
            at, session_id, channel, direction, type, size: as the attributes.
            payload: the event's other fields, with words in the place of sound; where it is no event the text,
                or the bytes, of which the number is kept.
            secrets: those of the session, which it may quote.
        """
        if isinstance(payload, bytes):
            payload = f"<{len(payload):,} bytes>"
        elif isinstance(payload, str):
            payload = _decoded(payload)
        return cls(at, session_id, channel, direction, type, size, kept(payload, secrets))

    @property
    def payload(self) -> Any:
        """The event's fields besides its type as JSON, secrets masked, cut where it is large; else text."""
        return msgspec.json.decode(self._payload)

    @property
    def kept_size(self) -> int:
        """Bytes that it holds, about."""
        return len(self._payload)

    @property
    def kind(self) -> Channel:
        """What it went over."""
        return self.channel

    @property
    def name(self) -> str:
        """What it is called."""
        return self.type or NO_EVENT

    def curl(self) -> str | None:
        """None: there is no such command for a frame."""
        return None

    def python(self) -> str | None:
        """A frame that was sent over the WebSocket as a program that sends it again; its sound is silence."""
        if self.channel != "websocket" or self.direction != "sent" or not isinstance(payload := self.payload, dict):
            return None
        fields = {"type": self.type, **payload}
        sound = SOUND.search(str(fields.pop("audio", "")))
        lines = [f"    {name!r}: {value!r}," for name, value in fields.items()]
        imports = ["json", "os"]
        if sound is not None:
            imports.insert(0, "base64")
            silence = f"base64.b64encode(bytes({sound[1].replace(',', '_')})).decode()"
            lines.append(f'    "audio": {silence},  # silence: the sound is not in the log')
        return (
            "".join(f"import {name}\n" for name in imports)
            + "\nfrom websockets.sync.client import connect\n\nframe = {\n"
            + "\n".join(lines)
            + '\n}\nwith connect(os.environ["WS_URL"]) as socket:\n'
            + '    while json.loads(socket.recv()).get("state") != "connected":\n        pass\n'
            + "    socket.send(json.dumps(frame))\n    print(socket.recv())\n"
        )

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain data that goes into JSON."""
        return {
            "at": self.at,
            "kind": self.kind,
            "direction": self.direction,
            "session_id": self.session_id,
            "type": self.type,
            "size": self.size,
            "payload": self.payload,
        }


def _decoded(text: str) -> Any:
    """The JSON of a text, whose names tell what is secret; the text itself where it is none."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return text
