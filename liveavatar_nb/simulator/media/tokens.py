"""Tokens of LiveKit's rooms: made for rooms of the simulator's, and looked at where the room is somebody else's."""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from ..options import LiveKit

NEEDED: Final = {  # as the token spells it, and as its makers do
    "roomJoin": "room_join",
    "canPublish": "can_publish",
    "canSubscribe": "can_subscribe",
    "canPublishData": "can_publish_data",
}
JWT_PARTS: Final = 3


@dataclass(frozen=True, slots=True)
class Room:
    """A room, and what somebody joins it with."""

    url: str
    name: str
    token: str = field(repr=False)


def token(livekit: LiveKit, room: str, identity: str, seconds: float) -> str:
    """What lets somebody join one room, and say and show all there, for so long."""
    from livekit.api import AccessToken, VideoGrants  # noqa: PLC0415 (the media's, imported when first used)

    grants = VideoGrants(room_join=True, room=room, can_publish=True, can_subscribe=True, can_publish_data=True)
    made = AccessToken(livekit.api_key, livekit.api_secret).with_identity(identity).with_grants(grants)
    return made.with_ttl(timedelta(seconds=seconds)).to_jwt()


def claims(text: str) -> dict[str, Any] | None:
    """What a token says, whoever signed it; None where it is no JWT."""
    parts = text.split(".")
    if len(parts) != JWT_PARTS:
        return None
    try:
        told = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, RecursionError):
        return None
    return told if isinstance(told, dict) else None


def lacking(room: Room) -> str | None:
    """What the avatar could not do in the room with this token, in words that do not show it."""
    told = claims(room.token)
    if told is None:
        return "livekit_client_token is no LiveKit token"
    grants = told.get("video")
    grants = grants if isinstance(grants, dict) else {}
    lacks = [name for key, name in NEEDED.items() if grants.get(key) is not True]
    if lacks:
        return f"livekit_client_token lacks {' and '.join(lacks)}"
    if grants.get("room") != room.name:
        return f"livekit_client_token is for the room {str(grants.get('room'))[:64]!r}, not for {room.name[:64]!r}"
    expires = told.get("exp")
    if not isinstance(expires, int | float) or isinstance(expires, bool) or expires <= time.time():
        return "livekit_client_token has expired" if expires else "livekit_client_token says no time of its expiry"
    return None
