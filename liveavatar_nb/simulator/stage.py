"""Where one session's avatar is seen and heard: in a LiveKit room, or on the line to a client that draws it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Protocol

from .account import Session
from .speech import BYTES_A_SECOND

if TYPE_CHECKING:
    from .conversation import Conversation
    from .media.actor import Actor
    from .service import Service

CONTROL_TOPIC: Final = "agent-control"
ROOM_PIECE: Final = BYTES_A_SECOND // 50  # bytes of sound that go into the room at once: 20 ms
LINE_PIECE: Final = BYTES_A_SECOND // 10  # bytes of sound in one frame of the line: 0.1 s
LEAD: Final = 0.06  # seconds that sound is handed on before its moment, so that a late loop leaves no gap
MOST_WAITING: Final = 600 * BYTES_A_SECOND  # bytes of sound that wait to be said: ten minutes
FAREWELL_SECONDS: Final = 1.0  # real ones, for the last events of a session that ended


class LineConnection(Protocol):
    """The client's end of the line, as the stage uses it; sends in order, and never waits for the client."""

    def sound(self, pcm: bytes) -> None:
        """What is said right now, at most 0.1 s of it: the stage hands it on in real time, so it is sent at once."""

    def publish(self, topic: str, payload: dict[str, Any]) -> None: ...


class Stage:
    """One session's avatar, from the session's start to its end."""

    def __init__(self, service: Service, session: Session) -> None:
        self.line: LineConnection | None = None
        self._service, self._session = service, session
        self._conversation: Conversation | None = None
        self._actor: Actor | None = None
        self._waiting = bytearray()
        self._has_sound = asyncio.Event()

    @property
    def is_there(self) -> bool:
        """Whether the avatar is where it is to be seen."""
        return self._actor is None or self._actor.is_there

    @property
    def has_audience(self) -> bool:
        """Whether somebody is there to see and hear it."""
        return self.line is not None or (self._actor is not None and self._actor.has_audience)

    def say(self, pcm: bytes) -> None:
        """Says it behind what is being said; 24 kHz mono PCM16."""
        if self._service.clock.speed != 1:
            self._warn("there is sound only where a simulated second is a real one")
            return
        if len(self._waiting) + len(pcm) > MOST_WAITING:
            self._warn("what waits to be said is longer than ten minutes: the rest of it is not heard")
            return
        self._waiting += pcm
        self._has_sound.set()

    def hush(self) -> None:
        """Silence at once, and nothing is left to say."""
        self._waiting.clear()
        self._has_sound.clear()
        if self._actor is not None:
            self._actor.hush()

    def publish(self, topic: str, payload: dict[str, Any]) -> None:
        """Reliable data for whoever is there."""
        if self._actor is not None:
            self._actor.publish(topic, payload)
        elif self.line is not None:
            self.line.publish(topic, payload)

    def take(self, topic: str, payload: bytes) -> None:
        """A packet of data that came in by the room or the line."""
        if topic == CONTROL_TOPIC and self._conversation is not None:
            self._conversation.take(payload)

    def user(self, *, started: bool) -> None:
        """A participant's microphone begins or stops to be heard."""
        if self._conversation is not None:
            self._conversation.user(started)

    async def run(self) -> None:
        """Stands on it until the session ends, whatever the reason."""
        tasks = [asyncio.create_task(self._play())]
        if self._actor is not None:
            tasks.append(asyncio.create_task(self._actor.run()))
        if self._conversation is not None:
            tasks.append(conversing := asyncio.create_task(self._converse(self._conversation)))
            conversing.add_done_callback(self._note_failure)
        try:
            await self._until(lambda: False)
            if self._conversation is not None:
                await asyncio.wait({conversing}, timeout=FAREWELL_SECONDS)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _converse(self, conversation: Conversation) -> None:
        """Begins once somebody is there, who would else miss the first words."""
        await self._until(lambda: self.is_there and self.has_audience)
        if self._session.running:
            await conversation.run()

    async def _until(self, is_true: Callable[[], bool]) -> None:
        """Returns when it is true, or the session over; whoever changes either pokes the clock."""
        while True:
            seen = self._service.clock.version
            self._service.now()
            if is_true() or not self._session.running:
                return
            await self._service.clock.pause(None, seen=seen)

    async def _play(self) -> None:
        """Hands on what is to be said in real time, piece by piece, heard by somebody or not."""
        while True:
            await self._has_sound.wait()
            due = time.monotonic() - LEAD
            while self._waiting:
                size = LINE_PIECE if self._actor is None else ROOM_PIECE
                piece = bytes(self._waiting[:size])
                del self._waiting[:size]
                if self._actor is not None:
                    await self._actor.play(piece)
                elif self.line is not None:
                    self.line.sound(piece)
                due += len(piece) / BYTES_A_SECOND
                await asyncio.sleep(max(0.0, due - time.monotonic()))
            self._has_sound.clear()

    def _note_failure(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()):
            self._service.warn(f"the simulator failed on the stage, which is a bug of its own: {error!r}")

    def _warn(self, text: str) -> None:
        self._service.critic(self._session.id).stage(text)
