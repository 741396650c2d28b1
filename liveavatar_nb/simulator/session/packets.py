"""Strict parsing of a conversation's commands, which are data packets on the topic `agent-control`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeGuard

from ..rest.validation import Invalid, parse
from .commands import LONGEST_NAME, InvalidCommand

LONGEST_PACKET: Final = 15_000  # maximum bytes that a data channel carries in one packet
SPEAK_TEXT: Final = "avatar.speak_text"
SPEAK_RESPONSE: Final = "avatar.speak_response"
INTERRUPT: Final = "avatar.interrupt"
START_PUSH: Final = "user.start_push_to_talk"
STOP_PUSH: Final = "user.stop_push_to_talk"
POSES: Final = ("avatar.start_listening", "avatar.stop_listening")
TYPES: Final = (SPEAK_TEXT, SPEAK_RESPONSE, INTERRUPT, START_PUSH, STOP_PUSH, *POSES)


@dataclass(frozen=True, slots=True)
class Packet:
    """A well-formed command of a known type."""

    type: str
    event_id: str | None
    text: str = ""


def read(payload: bytes, session_id: str) -> Packet:
    """Parse the command in a packet.

    Raises:
        InvalidCommand: The packet is not a well-formed command for this session.
    """
    if len(payload) > LONGEST_PACKET:
        raise InvalidCommand(f"a packet of {len(payload)} bytes is over the limit of {LONGEST_PACKET}")
    try:
        fields = parse(payload.decode())
    except (Invalid, UnicodeDecodeError):
        fields = None
    if not isinstance(fields, dict) or not isinstance(kind := fields.get("event_type"), str):
        raise InvalidCommand("a packet must be a JSON object with an event_type")
    if kind not in TYPES:
        raise InvalidCommand(f"unknown event_type {kind[:64]!r}")
    event_id = fields.get("event_id")
    if event_id is not None and not (_is_text(event_id) and len(event_id) <= LONGEST_NAME):
        raise InvalidCommand(f"{kind}: event_id must be a string of at most {LONGEST_NAME} characters")
    if fields.get("session_id") not in (None, session_id):
        raise InvalidCommand(f"{kind}: session_id belongs to another session")
    if kind not in (SPEAK_TEXT, SPEAK_RESPONSE):
        return Packet(kind, event_id)
    text = fields.get("text")
    if not _is_text(text) or not text.strip():
        raise InvalidCommand(f"{kind}: text must be a non-empty string")
    return Packet(kind, event_id, text.strip())


def _is_text(value: object) -> TypeGuard[str]:
    """Return whether the value is a string without lone surrogates, which JSON escapes can produce."""
    return isinstance(value, str) and not any("\ud800" <= character <= "\udfff" for character in value)
