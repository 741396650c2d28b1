"""FULL: the JSON packets of a room's data channel, encoded and decoded. No input, no output."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from ..concurrency.bounded import Newest
from ..errors import InvalidArgument
from .events import SESSION_STATE, Event

CONTROL: Final = "agent-control"  # the topic of what is sent
RESPONSE: Final = "agent-response"  # and of what comes
INTERRUPT: Final = "avatar.interrupt"
PACKET_LIMIT: Final = 15_000  # bytes of a packet: what LiveKit sends reliably in one
REMEMBERED: Final = 1000  # events that are known again

# what the service is known to send
USER_STARTED: Final = "user.speak_started"
USER_ENDED: Final = "user.speak_ended"
AVATAR_STARTED: Final = "avatar.speak_started"
AVATAR_ENDED: Final = "avatar.speak_ended"
USER_TEXT: Final = "user.transcription"
USER_CHUNK: Final = "user.transcription.chunk"
AVATAR_TEXT: Final = "avatar.transcription"
AVATAR_CHUNK: Final = "avatar.transcription.chunk"
STOPPED: Final = "session.stopped"
EVENT_TYPES: Final = (
    USER_STARTED,
    USER_ENDED,
    AVATAR_STARTED,
    AVATAR_ENDED,
    USER_TEXT,
    USER_CHUNK,
    AVATAR_TEXT,
    AVATAR_CHUNK,
    SESSION_STATE,
    STOPPED,
)


def decode(packet: str | bytes) -> Event | None:
    """The event of a packet; None where the packet is none."""
    try:
        fields = json.loads(packet)
    except (ValueError, RecursionError):
        return None
    if not isinstance(fields, dict) or not isinstance(fields.get("event_type"), str):
        return None
    return Event(fields.pop("event_type"), fields)


class Repeats:
    """Knows events that come twice."""

    def __init__(self) -> None:
        self._seen: Newest[tuple[str, str, str | None], None] = Newest(REMEMBERED)
        self._chunk: tuple[str, str, str | None] | None = None

    def has(self, event: Event) -> bool:
        """Whether it came before. Chunks may share an id: they are the same only where one follows the other."""
        if event.event_id is None:
            return False
        key = event.type, event.event_id, event.text
        if event.type in (USER_CHUNK, AVATAR_CHUNK):
            last, self._chunk = self._chunk, key
            return last == key
        is_known = key in self._seen
        self._seen[key] = None
        return is_known


@dataclass(frozen=True)
class Command:
    """Something that the service is told.

    Attributes:
        type: the packet's `event_type`.
        event_id: the utterance's, or the command's own.
        session_id: whose.
        text: what is to be said, or answered.
    """

    type: str
    event_id: str
    session_id: str
    text: str | None = None

    @property
    def shown(self) -> dict[str, Any]:
        """Its fields besides the type, for who looks at the wire."""
        fields = {"event_id": self.event_id, "session_id": self.session_id}
        return fields if self.text is None else fields | {"text": self.text}

    def encode(self) -> bytes:
        """The packet, UTF-8."""
        return msgspec.json.encode({"event_type": self.type, **self.shown})


def speak_text(text: str, utterance_id: str, session_id: str) -> Command:
    """Say it word for word (`avatar.speak_text`).

    Raises:
        InvalidArgument: it is too long for one packet, or holds half a character.
    """
    return _worded("avatar.speak_text", text, utterance_id, session_id)


def speak_response(text: str, utterance_id: str, session_id: str) -> Command:
    """Answer it (`avatar.speak_response`).

    Raises:
        InvalidArgument: as for `speak_text`.
    """
    return _worded("avatar.speak_response", text, utterance_id, session_id)


def interrupt(event_id: str, session_id: str) -> Command:
    """Stop, and forget all that waits (`avatar.interrupt`)."""
    return Command(INTERRUPT, event_id, session_id)


def listen(event_id: str, session_id: str, *, start: bool) -> Command:
    """An attentive pose, or the idle one (`avatar.start_listening`, `avatar.stop_listening`)."""
    return Command("avatar.start_listening" if start else "avatar.stop_listening", event_id, session_id)


def push_to_talk(event_id: str, session_id: str, *, start: bool) -> Command:
    """The user's turn begins, or is over (`user.start_push_to_talk`, `user.stop_push_to_talk`)."""
    return Command("user.start_push_to_talk" if start else "user.stop_push_to_talk", event_id, session_id)


def _worded(kind: str, text: str, utterance_id: str, session_id: str) -> Command:
    command = Command(kind, utterance_id, session_id, text)
    try:
        size = len(command.encode())
    except UnicodeEncodeError:
        raise InvalidArgument("text holds half a character, as of an emoji that was cut.", field="text") from None
    if size > PACKET_LIMIT:
        raise InvalidArgument(
            f"text is too long: {size:,} bytes as a packet, where a room takes {PACKET_LIMIT:,}.",
            remedy="Give it in parts.",
            field="text",
        )
    return command
