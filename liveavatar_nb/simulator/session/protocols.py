"""The interfaces between the parts of a session, and between them and the service."""

from __future__ import annotations

from typing import Any, Protocol

from .critic import Critic


class DrawnRoomLike(Protocol):
    """A drawn-room connection as used by the stage; sending preserves the order and never blocks."""

    def sound(self, pcm: bytes) -> None:
        """Send up to 0.1 s of audio without delay, because the stage calls this in real time."""

    def publish(self, topic: str, payload: dict[str, Any]) -> None: ...


class StageLike(Protocol):
    """The interface to the avatar's stage that the service and the connections use."""

    drawn_room: DrawnRoomLike | None

    @property
    def critic(self) -> Critic: ...

    @property
    def is_there(self) -> bool: ...

    @property
    def is_in_room(self) -> bool: ...

    @property
    def has_audience(self) -> bool: ...

    @property
    def has_sound(self) -> bool: ...

    async def aclose(self) -> None: ...

    def say(self, pcm: bytes) -> None: ...

    def hush(self) -> None: ...

    def skip(self, seconds: float) -> None: ...

    def publish(self, topic: str, payload: dict[str, Any]) -> None: ...

    def receive(self, topic: str, payload: bytes) -> None: ...

    def warn(self, text: str) -> None: ...
