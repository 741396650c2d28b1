"""What the parts of a session know of one another, and the service of them."""

from __future__ import annotations

from typing import Any, Protocol

from .critic import Critic


class LineConnection(Protocol):
    """The client's end of the line, as the stage uses it; sends in order, and never waits for the client."""

    def sound(self, pcm: bytes) -> None:
        """What is said right now, at most 0.1 s of it: the stage hands it on in real time, so it is sent at once."""

    def publish(self, topic: str, payload: dict[str, Any]) -> None: ...


class StageLike(Protocol):
    """Where the avatar is, as what leads it uses it."""

    line: LineConnection | None

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

    def take(self, topic: str, payload: bytes) -> None: ...

    def warn(self, text: str) -> None: ...
