"""The options that a session is started with."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from .. import config
from ..models.requests import InteractivityType, Mode, VideoEncoding, VideoQuality
from ..rooms.own_room import AVATAR, AsyncRoom


class SessionOptions(Struct, frozen=True):
    """The options that a session is started with.

    Attributes:
        mode: `LITE` or `FULL`.
        is_sandbox: Whether to use the sandbox, which is free, lasts one minute and has only its own avatar.
        video_quality: `very_high`, `high`, `medium` or `low`.
        video_encoding: `H264` or `VP8`.
        max_seconds: The cap to request; the service ends the session this many seconds after its start.
        is_default_cap: Whether the cap is just the default, which the plan's own cap may replace.
        unwatched: Seconds after which the session is stopped if no page shows it any longer; None sets no limit. The
            limit applies once a page has shown the session.
        voice_agent_id: The id of the stored voice agent that leads the conversation; None if there is none. An agent of
            another provider makes it a LITE session without a WebSocket.
        context_id: FULL only: the context's id.
        voice_id: FULL only: the voice's id; None uses the avatar's own voice.
        language: FULL only: the language's code, such as `en`.
        interactivity_type: FULL only: `CONVERSATIONAL` or `PUSH_TO_TALK`.
        dynamic_variables: FULL only: the values of the context's variables, by name.
        has_opening: FULL only: whether the context makes the avatar speak first.
        room: LITE only: your own room for the avatar to join; None uses a room hosted by LiveAvatar.
        avatar_identity: LITE only: the avatar's identity in your own room.
    """

    mode: Mode = "LITE"
    is_sandbox: bool = False
    video_quality: VideoQuality = "high"
    video_encoding: VideoEncoding = "H264"
    max_seconds: int = int(config.MAX_MINUTES * 60)
    is_default_cap: bool = False
    unwatched: float | None = config.UNWATCHED
    voice_agent_id: str | None = None
    context_id: str | None = None
    voice_id: str | None = None
    language: str = "en"
    interactivity_type: InteractivityType = "CONVERSATIONAL"
    dynamic_variables: dict[str, str] | None = None
    has_opening: bool = False
    room: AsyncRoom | None = None
    avatar_identity: str = AVATAR

    @property
    def is_conversation(self) -> bool:
        """Whether the session is a conversation: FULL, or LITE with a voice agent."""
        return self.mode == "FULL" or self.voice_agent_id is not None

    @property
    def credits_per_minute(self) -> float:
        """The price in credits per minute; 0 in the sandbox."""
        return 0.0 if self.is_sandbox else config.CREDITS_PER_MINUTE[self.mode]

    @property
    def life(self) -> float:
        """The session's maximum duration, in seconds."""
        return min(config.SANDBOX_SECONDS, self.max_seconds) if self.is_sandbox else self.max_seconds

    def token_fields(self, avatar_id: str, *, capped: bool = True) -> dict[str, Any]:
        """Return the fields of the request for a token (`POST /v1/sessions/token`).

        Args:
            avatar_id: The avatar's id.
            capped: Whether to request a maximum duration; otherwise the plan's own limit applies.
        """
        fields: dict[str, Any] = {
            "mode": "FULL" if self.is_conversation else "LITE",
            "avatar_id": avatar_id,
            "is_sandbox": self.is_sandbox,
            "video_settings": {"quality": self.video_quality, "encoding": self.video_encoding},
        }
        if capped:
            fields["max_session_duration"] = int(self.life)
        if self.room is not None:
            minutes = min(self.life / 60 + config.ROOM_TOKEN_MINUTES, config.MINUTES_OF_A_DAY)
            fields["livekit_config"] = {
                "livekit_url": self.room.url,
                "livekit_room": self.room.name,
                "livekit_client_token": self.room.avatar_token(self.avatar_identity, minutes),
            }
        if self.voice_agent_id is not None:
            fields["voice_agent"] = {"id": self.voice_agent_id}
        elif self.mode == "FULL":
            persona = {"context_id": self.context_id, "voice_id": self.voice_id, "language": self.language}
            fields["avatar_persona"] = {name: value for name, value in persona.items() if value is not None}
        if self.is_conversation:
            fields["interactivity_type"] = self.interactivity_type
            fields["dynamic_variables"] = self.dynamic_variables
        return fields
