"""Encodes and decodes the JSON packets of a FULL session's data channel; performs no I/O."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from ..concurrency.bounded import BoundedDict
from ..errors import InvalidArgument
from .events import SESSION_STATE, Event

CONTROL: Final = "agent-control"  # the data-channel topic of commands
RESPONSE: Final = "agent-response"  # the data-channel topic of events
INTERRUPT: Final = "avatar.interrupt"
PACKET_LIMIT: Final = 15_000  # maximum size, in bytes, of a packet that LiveKit sends reliably
REMEMBERED: Final = 1000  # maximum number of events to remember, for recognising duplicates

# the events that the service is known to send
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
    """Decode a packet as an event; return None if it isn't one."""
    try:
        fields = json.loads(packet)
    except (ValueError, RecursionError):
        return None
    if not isinstance(fields, dict) or not isinstance(fields.get("event_type"), str):
        return None
    return Event(fields.pop("event_type"), fields)


class Repeats:
    """Recognises repeated events."""

    def __init__(self) -> None:
        self._seen: BoundedDict[tuple[str, str, str | None], None] = BoundedDict(REMEMBERED)
        self._chunk: tuple[str, str, str | None] | None = None

    def has(self, event: Event) -> bool:
        """Return whether an event has been seen before, and remember the event.

        Several chunks may share an id, so a chunk counts as seen only if it equals the chunk right before it.
        """
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
    """A command for the service.

    Attributes:
        type: The packet's `event_type`.
        event_id: The utterance's id or, if the command belongs to no utterance, the command's own id.
        session_id: The session's id.
        text: The text to say, or the question to answer.
    """

    type: str
    event_id: str
    session_id: str
    text: str | None = None

    @property
    def shown(self) -> dict[str, Any]:
        """All fields of the command except its type, for the wire log."""
        fields = {"event_id": self.event_id, "session_id": self.session_id}
        return fields if self.text is None else fields | {"text": self.text}

    def encode(self) -> bytes:
        """Return the packet as UTF-8."""
        return msgspec.json.encode({"event_type": self.type, **self.shown})


def speak_text(text: str, utterance_id: str, session_id: str) -> Command:
    """Return a command to say text word for word (`avatar.speak_text`).

    Raises:
        InvalidArgument: The text is too long for one packet, or contains an unpaired surrogate.
    """
    return _text_command("avatar.speak_text", text, utterance_id, session_id)


def speak_response(text: str, utterance_id: str, session_id: str) -> Command:
    """Return a command to answer a question (`avatar.speak_response`).

    Raises:
        InvalidArgument: For the same reasons as in `speak_text`.
    """
    return _text_command("avatar.speak_response", text, utterance_id, session_id)


def interrupt(event_id: str, session_id: str) -> Command:
    """Return a command to stop speaking and clear the queue (`avatar.interrupt`)."""
    return Command(INTERRUPT, event_id, session_id)


def listen(event_id: str, session_id: str, *, start: bool) -> Command:
    """Return a command to show the listening or the idle pose (`avatar.start_listening`, `stop_listening`)."""
    return Command("avatar.start_listening" if start else "avatar.stop_listening", event_id, session_id)


def push_to_talk(event_id: str, session_id: str, *, start: bool) -> Command:
    """Return a command to begin or end the user's turn (`user.start_push_to_talk`, `stop_push_to_talk`)."""
    return Command("user.start_push_to_talk" if start else "user.stop_push_to_talk", event_id, session_id)


def _text_command(kind: str, text: str, utterance_id: str, session_id: str) -> Command:
    command = Command(kind, utterance_id, session_id, text)
    try:
        size = len(command.encode())
    except UnicodeEncodeError:
        raise InvalidArgument(
            "text contains an unpaired surrogate, which cannot be sent as UTF-8.",
            remedy="Remove it; it is usually one half of an emoji that was cut in two.",
            field="text",
        ) from None
    if size > PACKET_LIMIT:
        raise InvalidArgument(
            f"text is too long: it needs a packet of {size:,} bytes, but the maximum is {PACKET_LIMIT:,} bytes.",
            remedy="Send the text in several parts.",
            field="text",
        )
    return command
