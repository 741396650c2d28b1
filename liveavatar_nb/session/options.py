"""What a session is started with, where it can be in its life, and how its end reads in words."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from .. import config
from ..models.requests import InteractivityType, Mode, VideoEncoding, VideoQuality
from ..rooms.own_room import AVATAR, AsyncRoom


class SessionState(StrEnum):
    """Where a session is in its life; it never goes back."""

    CREATED = "created"
    STARTING = "starting"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    STOPPING = "stopping"
    ENDED = "ended"
    FAILED = "failed"

    @property
    def is_final(self) -> bool:
        """Whether nothing comes after it."""
        return self in (SessionState.ENDED, SessionState.FAILED)

    def may_become(self, other: SessionState) -> bool:
        """Whether `other` comes later in a life."""
        order = list(SessionState)
        return not self.is_final and order.index(other) > order.index(self)


@dataclass(frozen=True)
class SessionOptions:
    """What a session is started with.

    Attributes:
        mode: `LITE` or `FULL`.
        is_sandbox: free, one minute, and only the sandbox avatar.
        video_quality: `very_high`, `high`, `medium` or `low`.
        video_encoding: `H264` or `VP8`.
        max_seconds: the cap that the service is asked to end it at.
        is_default_cap: nobody asked for that cap: a plan that refuses it may set one of its own.
        unwatched: seconds without a page that shows it after which it is stopped; None never does. It counts from
            the first page that shows it.
        context_id: FULL: what the avatar knows.
        voice_id: FULL: its voice; None is its own.
        language: FULL: a code as in `en`.
        interactivity_type: FULL: `CONVERSATIONAL` or `PUSH_TO_TALK`.
        dynamic_variables: FULL: what the context's `{{names}}` stand for.
        has_opening: FULL: the context has the avatar say something first.
        room: LITE: your own room, which the avatar joins; None is one of LiveAvatar's.
        avatar_identity: by which it is known there.
    """

    mode: Mode = "LITE"
    is_sandbox: bool = False
    video_quality: VideoQuality = "high"
    video_encoding: VideoEncoding = "H264"
    max_seconds: int = int(config.MAX_MINUTES * 60)
    is_default_cap: bool = False
    unwatched: float | None = config.UNWATCHED
    context_id: str | None = None
    voice_id: str | None = None
    language: str = "en"
    interactivity_type: InteractivityType = "CONVERSATIONAL"
    dynamic_variables: dict[str, str] | None = None
    has_opening: bool = False
    room: AsyncRoom | None = None
    avatar_identity: str = AVATAR

    @property
    def credits_per_minute(self) -> float:
        """Credits for each minute; 0 in the sandbox."""
        return 0.0 if self.is_sandbox else config.CREDITS_PER_MINUTE[self.mode]

    @property
    def life(self) -> float:
        """Seconds until the service ends it at the latest."""
        return min(config.SANDBOX_SECONDS, self.max_seconds) if self.is_sandbox else self.max_seconds

    def token_fields(self, avatar_id: str, *, capped: bool = True) -> dict[str, Any]:
        """What the token is asked for with (`POST /v1/sessions/token`).

        Args:
            avatar_id: which avatar.
            capped: whether the service is asked for the cap; else the plan sets one.
        """
        fields: dict[str, Any] = {
            "mode": self.mode,
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
        if self.mode == "FULL":
            persona = {"context_id": self.context_id, "voice_id": self.voice_id, "language": self.language}
            fields["avatar_persona"] = {name: value for name, value in persona.items() if value is not None}
            fields["interactivity_type"] = self.interactivity_type
            fields["dynamic_variables"] = self.dynamic_variables
        return fields
