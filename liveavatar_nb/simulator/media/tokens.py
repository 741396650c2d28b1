"""LiveKit tokens: created for the simulator's rooms, and checked for the account's own rooms."""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from ..options import LiveKit

NEEDED: Final = {  # the grants that a token needs, with their names in the LiveKit libraries
    "roomJoin": "room_join",
    "canPublish": "can_publish",
    "canSubscribe": "can_subscribe",
    "canPublishData": "can_publish_data",
}
JWT_PARTS: Final = 3


@dataclass(frozen=True, slots=True)
class Room:
    """A room and a token for joining it."""

    url: str
    name: str
    token: str = field(repr=False)


def token(livekit: LiveKit, room: str, identity: str, seconds: float) -> str:
    """Return a token that lets a participant join a room, publish and subscribe.

    Args:
        livekit: The LiveKit server and its credentials.
        room: The room's name.
        identity: The participant's identity.
        seconds: How long the token is valid, in seconds.
    """
    from livekit.api import AccessToken, VideoGrants  # noqa: PLC0415 (in the extra `media`, imported on first use)

    grants = VideoGrants(room_join=True, room=room, can_publish=True, can_subscribe=True, can_publish_data=True)
    access = AccessToken(livekit.api_key, livekit.api_secret).with_identity(identity).with_grants(grants)
    return access.with_ttl(timedelta(seconds=seconds)).to_jwt()


def claims(text: str) -> dict[str, Any] | None:
    """Return a token's claims without checking the signature; None if it is not a JWT."""
    parts = text.split(".")
    if len(parts) != JWT_PARTS:
        return None
    try:
        payload = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, RecursionError):
        return None
    return payload if isinstance(payload, dict) else None


def lacking(room: Room) -> str | None:
    """Return what is wrong with the avatar's token, without showing the token; None if the token is fine."""
    content = claims(room.token)
    if content is None:
        return "livekit_client_token is not a LiveKit token"
    grants = content.get("video")
    grants = grants if isinstance(grants, dict) else {}
    missing = [name for key, name in NEEDED.items() if grants.get(key) is not True]
    if missing:
        return f"livekit_client_token lacks {' and '.join(missing)}"
    if grants.get("room") != room.name:
        return f"livekit_client_token is for the room {str(grants.get('room'))[:64]!r}, not for {room.name[:64]!r}"
    expires = content.get("exp")
    if not isinstance(expires, int | float) or isinstance(expires, bool) or expires <= time.time():
        return "livekit_client_token has expired" if expires else "livekit_client_token has no expiry time"
    return None
