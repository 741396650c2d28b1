"""Where one session's avatar is seen and heard: in a LiveKit room, or on the line to a client that draws it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

from ..account.ledger import Session
from ..clock import SECOND
from ..media.actor import Actor
from ..media.host import AVATAR, CLIENT
from ..media.tokens import Room
from .conversation import Conversation
from .critic import Critic
from .protocols import LineConnection
from .speech import BYTES_A_SECOND, SAMPLE_BYTES, SAMPLE_RATE

if TYPE_CHECKING:
    from ..service import Service

CONTROL_TOPIC: Final = "agent-control"
ROOM_PIECE: Final = BYTES_A_SECOND // 50  # bytes of sound that go into the room at once: 20 ms
LINE_PIECE: Final = BYTES_A_SECOND // 10  # bytes of sound in one frame of the line: 0.1 s
LEAD: Final = 0.06  # seconds that sound is handed on before its moment, so that a late loop leaves no gap
MOST_WAITING: Final = 600 * BYTES_A_SECOND  # bytes of sound that wait to be said: ten minutes
FAREWELL_SECONDS: Final = 1.0  # real ones, for the last events of a session that ended


class Stage:
    """One session's avatar, from the session's start to its end."""

    def __init__(self, service: Service, session: Session) -> None:
        self.line: LineConnection | None = None
        self.critic: Final = Critic(service.warn)  # whichever socket the session's client comes by
        self._service, self._session = service, session
        converses = session.mode == "FULL" or not session.has_socket
        self._conversation = Conversation(service, session, self) if converses else None
        self._actor: Actor | None = None
        self._is_lent = False  # whether it plays in a room of the simulator's making
        self._playing: asyncio.Task[None] | None = None
        self._waiting = bytearray()
        self._has_sound = asyncio.Event()

    async def open(self) -> tuple[str | None, str | None]:
        """Has the avatar come: the address of its room, and the client's token; none where the room is not ours."""
        room = await self._find_room()
        self._playing = asyncio.create_task(self._run())
        return room

    async def aclose(self) -> None:
        """Has it leave before its session ends."""
        if self._playing is not None:
            self._playing.cancel()
            await asyncio.gather(self._playing, return_exceptions=True)

    async def _find_room(self) -> tuple[str | None, str | None]:
        session, host = self._session, self._service.host
        await host.load()
        if session.own_room is not None:
            if host.can_join:
                self._actor = self._cast(session.own_room)
            return None, None
        seconds = session.cap / SECOND
        if await host.lend(session.id):
            self._is_lent = True
            self._actor = self._cast(host.room(session.id, identity=AVATAR, seconds=seconds))
            room = host.room(session.id, identity=CLIENT, seconds=seconds)
            return room.url, room.token
        return f"ws://127.0.0.1:{self._service.port}/_simulator/room/{session.id}", session.room_token

    @property
    def is_there(self) -> bool:
        """Whether the avatar is where it is to be seen."""
        return self._actor is None or self._actor.is_there

    @property
    def is_in_room(self) -> bool:
        """Whether it plays in a LiveKit room, or tries to."""
        return self._actor is not None

    @property
    def has_audience(self) -> bool:
        """Whether somebody is there to see and hear it."""
        return self.line is not None or (self._actor is not None and self._actor.has_audience)

    @property
    def has_sound(self) -> bool:
        """Whether what is said can be heard: not where simulated seconds are no real ones."""
        if self._service.clock.speed == 1:
            return True
        if self.line is not None or self._actor is not None:
            self.warn("there is sound only where a simulated second is a real one: at speed 1")
        return False

    def say(self, pcm: bytes) -> None:
        """Says it behind what is being said; 24 kHz mono PCM16."""
        if not self.has_sound:
            return
        if len(self._waiting) + len(pcm) > MOST_WAITING:
            self.warn("what waits to be said is longer than ten minutes: the rest of it is not heard")
            return
        self._waiting += pcm
        self._has_sound.set()

    def hush(self) -> None:
        """Silence at once, and nothing is left to say."""
        self._waiting.clear()
        self._has_sound.clear()
        if self._actor is not None:
            self._actor.hush()

    def skip(self, seconds: float) -> None:
        """The clock was moved on: what would have been said meanwhile is not said any more."""
        size = min(round(seconds * SAMPLE_RATE) * SAMPLE_BYTES, len(self._waiting))
        del self._waiting[:size]

    def publish(self, topic: str, payload: dict[str, Any]) -> None:
        """Reliable data for whoever is there."""
        if self._actor is not None:
            self._actor.publish(topic, payload)
        elif self.line is not None:
            self.line.publish(topic, payload)

    def changed(self) -> None:
        """The avatar is there or gone, or its audience is."""
        self._service.clock.poke()

    def take(self, topic: str, payload: bytes) -> None:
        """A packet of data that came in by the room or the line."""
        if topic == CONTROL_TOPIC and self._conversation is not None:
            self._conversation.take(payload)

    def user(self, *, started: bool) -> None:
        """A participant's microphone begins or stops to be heard."""
        if self._conversation is not None:
            self._conversation.user(started)

    def warn(self, text: str) -> None:
        """Once in the session."""
        self.critic.stage(text)

    async def _run(self) -> None:
        """Stands on it until the session ends, whatever the reason."""
        tasks = [asyncio.create_task(self._play())]
        if self._actor is not None:
            tasks.append(asyncio.create_task(self._actor.run()))
        if self._conversation is not None:
            tasks.append(conversing := asyncio.create_task(self._conversation.run()))
        for task in tasks:
            task.add_done_callback(self._note_failure)
        try:
            await self._until_end()
            if self._conversation is not None:
                await asyncio.wait({conversing}, timeout=FAREWELL_SECONDS)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if self._service.stages.get(self._session.id) is self:
                del self._service.stages[self._session.id]
            self._service.clock.poke()
            if self._is_lent:
                await self._service.host.remove(self._session.id)

    def _cast(self, room: Room) -> Actor:
        session = self._session
        avatar = self._service.catalogue.get(session.avatar_id)
        assert avatar is not None
        return Actor(
            self,
            room,
            avatar.look,
            quality=session.quality,
            encoding=session.encoding,
            hears=self._conversation is not None,
            prepare=self._service.host.ready if self._is_lent else _nothing,
        )

    async def _until_end(self) -> None:
        while True:
            seen = self._service.clock.version
            self._service.now()
            if not self._session.running:
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


async def _nothing() -> None:
    """What has to be done before the room of somebody else is joined."""
