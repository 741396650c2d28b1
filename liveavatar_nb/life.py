"""What a session is started with, where it can be in its life, and how its end reads in words."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from . import config
from .bodies import Mode, VideoEncoding, VideoQuality


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
        mode: `LITE`.
        is_sandbox: free, one minute, and only the sandbox avatar.
        video_quality: `very_high`, `high`, `medium` or `low`.
        video_encoding: `H264` or `VP8`.
        max_seconds: the cap that the service is asked to end it at.
    """

    mode: Mode = "LITE"
    is_sandbox: bool = False
    video_quality: VideoQuality = "high"
    video_encoding: VideoEncoding = "H264"
    max_seconds: int = int(config.MAX_MINUTES * 60)

    @property
    def credits_per_minute(self) -> float:
        """Credits for each minute; 0 in the sandbox."""
        return 0.0 if self.is_sandbox else config.CREDITS_PER_MINUTE[self.mode]

    @property
    def life(self) -> float:
        """Seconds until the service ends it at the latest."""
        return min(config.SANDBOX_SECONDS, self.max_seconds) if self.is_sandbox else self.max_seconds
