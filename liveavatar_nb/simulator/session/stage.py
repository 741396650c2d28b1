"""The stage on which a session's avatar is seen and heard: a LiveKit room or a client's drawn room."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

from ..account.ledger import Session
from ..clock import SECOND
from ..media.avatar_participant import AvatarParticipant
from ..media.host import AVATAR, CLIENT
from ..media.tokens import Room
from .conversation import Conversation
from .critic import Critic
from .protocols import DrawnRoomLike
from .speech import BYTES_A_SECOND, SAMPLE_BYTES, SAMPLE_RATE

if TYPE_CHECKING:
    from ..service import Service

CONTROL_TOPIC: Final = "agent-control"
ROOM_PIECE: Final = BYTES_A_SECOND // 50  # bytes of audio sent to a LiveKit room at a time (20 ms)
DRAWN_ROOM_PIECE: Final = BYTES_A_SECOND // 10  # bytes of audio in one frame of the drawn room (0.1 s)
LEAD: Final = 0.06  # seconds by which audio is sent early, so that a busy event loop causes no gaps
MOST_WAITING: Final = 600 * BYTES_A_SECOND  # maximum bytes of audio waiting to be spoken (ten minutes)
FAREWELL_SECONDS: Final = 1.0  # maximum real seconds for sending the last events of a session that has ended


class Stage:
    """One session's avatar, from the session's start to its end.

    Attributes:
        drawn_room: The newest client of the drawn room, if any.
        critic: The source of the session's warnings.
    """

    def __init__(self, service: Service, session: Session) -> None:
        self.drawn_room: DrawnRoomLike | None = None
        self.critic: Final = Critic(service.warn)  # shared by all of the session's WebSockets
        self._service, self._session = service, session
        converses = session.mode == "FULL" or not session.has_socket
        self._conversation = Conversation(service, session, self) if converses else None
        self._participant: AvatarParticipant | None = None
        self._owns_room = False  # whether the simulator created the LiveKit room
        self._playing: asyncio.Task[None] | None = None
        self._waiting = bytearray()
        self._has_sound = asyncio.Event()

    async def open(self) -> tuple[str | None, str | None]:
        """Bring the avatar on stage.

        Returns:
            The room's address and the client's token; None for both if the room is the account's own.
        """
        room = await self._find_room()
        self._playing = asyncio.create_task(self._run())
        return room

    async def aclose(self) -> None:
        """Take the avatar off stage, even though its session has not ended."""
        if self._playing is not None:
            self._playing.cancel()
            await asyncio.gather(self._playing, return_exceptions=True)

    async def _find_room(self) -> tuple[str | None, str | None]:
        session, host = self._session, self._service.host
        await host.load()
        if session.own_room is not None:
            if host.can_join:
                self._participant = self._make_participant(session.own_room)
            return None, None
        seconds = session.cap / SECOND
        if await host.create_room(session.id):
            self._owns_room = True
            self._participant = self._make_participant(host.room(session.id, identity=AVATAR, seconds=seconds))
            room = host.room(session.id, identity=CLIENT, seconds=seconds)
            return room.url, room.token
        return f"ws://127.0.0.1:{self._service.port}/_simulator/room/{session.id}", session.room_token

    @property
    def is_there(self) -> bool:
        """Whether clients can see the avatar."""
        return self._participant is None or self._participant.is_there

    @property
    def is_in_room(self) -> bool:
        """Whether the avatar is in a LiveKit room, or trying to join one."""
        return self._participant is not None

    @property
    def has_audience(self) -> bool:
        """Whether anybody is there to see and hear the avatar."""
        return self.drawn_room is not None or (self._participant is not None and self._participant.has_audience)

    @property
    def has_sound(self) -> bool:
        """Whether the avatar can be heard; this requires the clock to run at speed 1."""
        if self._service.clock.speed == 1:
            return True
        if self.drawn_room is not None or self._participant is not None:
            self.warn("the avatar cannot be heard: sound needs a simulator at speed 1")
        return False

    def say(self, pcm: bytes) -> None:
        """Queue audio for the avatar to speak: 24 kHz mono PCM16."""
        if not self.has_sound:
            return
        if len(self._waiting) + len(pcm) > MOST_WAITING:
            self.warn("more than ten minutes of audio is waiting to be spoken: the rest is dropped")
            return
        self._waiting += pcm
        self._has_sound.set()

    def hush(self) -> None:
        """Stop talking and clear the queue."""
        self._waiting.clear()
        self._has_sound.clear()
        if self._participant is not None:
            self._participant.hush()

    def skip(self, seconds: float) -> None:
        """Drop the audio that would have been spoken during the `seconds` that the clock has skipped."""
        size = min(round(seconds * SAMPLE_RATE) * SAMPLE_BYTES, len(self._waiting))
        del self._waiting[:size]

    def publish(self, topic: str, payload: dict[str, Any]) -> None:
        """Send data reliably to everybody who is there."""
        if self._participant is not None:
            self._participant.publish(topic, payload)
        elif self.drawn_room is not None:
            self.drawn_room.publish(topic, payload)

    def on_presence_changed(self) -> None:
        """Handle a possible arrival or departure of the avatar or its audience."""
        self._service.clock.poke()

    def receive(self, topic: str, payload: bytes) -> None:
        """Handle a data packet from the room."""
        if topic == CONTROL_TOPIC and self._conversation is not None:
            self._conversation.receive(payload)

    def on_user_speech(self, *, started: bool) -> None:
        """Handle the start or end of speech picked up by a participant's microphone."""
        if self._conversation is not None:
            self._conversation.on_user_speech(started)

    def warn(self, text: str) -> None:
        """Add a warning, unless the session already has the same one."""
        self.critic.note(text)

    async def _run(self) -> None:
        """Keep the avatar on stage until the session ends, for whatever reason."""
        tasks = [asyncio.create_task(self._play())]
        if self._participant is not None:
            tasks.append(asyncio.create_task(self._participant.run()))
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
            if self._owns_room:
                await self._service.host.delete_room(self._session.id)

    def _make_participant(self, room: Room) -> AvatarParticipant:
        session = self._session
        avatar = self._service.catalogue.get(session.avatar_id)
        assert avatar is not None
        return AvatarParticipant(
            self,
            room,
            avatar.look,
            quality=session.quality,
            encoding=session.encoding,
            hears=self._conversation is not None,
            prepare=self._service.host.ensure_running if self._owns_room else _prepare_nothing,
        )

    async def _until_end(self) -> None:
        while True:
            seen = self._service.clock.version
            self._service.now()
            if not self._session.running:
                return
            await self._service.clock.pause(None, seen=seen)

    async def _play(self) -> None:
        """Play the waiting audio in real time, piece by piece, whether or not anybody hears it."""
        while True:
            await self._has_sound.wait()
            due = time.monotonic() - LEAD
            while self._waiting:
                size = DRAWN_ROOM_PIECE if self._participant is None else ROOM_PIECE
                piece = bytes(self._waiting[:size])
                del self._waiting[:size]
                if self._participant is not None:
                    await self._participant.play(piece)
                elif self.drawn_room is not None:
                    self.drawn_room.sound(piece)
                due += len(piece) / BYTES_A_SECOND
                await asyncio.sleep(max(0.0, due - time.monotonic()))
            self._has_sound.clear()

    def _note_failure(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()):
            self._service.warn(f"the stage failed, which is a bug in the simulator: {error!r}")


async def _prepare_nothing() -> None:
    """Do nothing, since the server of the account's own room needs no preparation."""
