"""`Headless`: this process in a session's LiveKit room, where no page shows it; needs the extra `media`."""

from __future__ import annotations

import asyncio
import importlib.util
import logging
from typing import TYPE_CHECKING, Any, Final

from . import config
from .errors import RoomNotHeld
from .holder import HolderKind, HolderLost, RoomLine
from .protocol import full

if TYPE_CHECKING:
    from livekit import rtc

logger = logging.getLogger("liveavatar_nb.session")

# what goes wrong is told by the room's words: where nothing is set up for logs, the library's are not to be printed
logging.getLogger("livekit").addHandler(logging.NullHandler())

_leaving: set[asyncio.Task[None]] = set()  # a loop alone does not keep its tasks

RECONNECTING: Final = "The room's connection is lost, and being got back."
REPLACED: Final = "Somebody else joined the room with the session's token."


def is_installed() -> bool:
    """Whether this process can join a room: the package `livekit` is there."""
    try:
        return importlib.util.find_spec("livekit.rtc") is not None
    except ModuleNotFoundError:
        return False


class Headless:
    """This process in a room. It looks for the avatar and carries packets; no video or sound comes here.

    Args:
        line: the session's way into the room.
        room: what was joined.
    """

    kind: HolderKind = "process"

    def __init__(self, line: RoomLine, room: rtc.Room) -> None:
        self._line = line
        self._room = room
        self._leaving = asyncio.Event()
        self._steady = asyncio.Event()  # it is connected, and not being got back
        self._steady.set()
        self._staying: asyncio.Task[None] | None = None

    @classmethod
    async def join(cls, line: RoomLine) -> Headless:
        """Joins the room.

        Raises:
            RoomNotHeld: it cannot be reached, or does not take the token.
        """
        from livekit import rtc  # noqa: PLC0415 (heavy, and of the extra `media`)

        room = rtc.Room()
        holder = cls(line, room)
        holder._listen()
        # a task of its own: cut short it would go on all the same, unseen
        connecting = asyncio.create_task(_connect(room, line))
        done: set[asyncio.Task[None]] = set()
        try:
            done, _ = await asyncio.wait([connecting], timeout=config.ROOM_JOIN_LIMIT)
        finally:
            if not done:
                holder._leaving.set()
                await _see_off(room, connecting)
        failure = connecting.exception() if done else None
        if failure is not None or not done:
            why = f"no answer within {config.ROOM_JOIN_LIMIT:g} s" if failure is None else _words(failure)
            raise RoomNotHeld(
                f"The session's room cannot be reached ({why}).",
                session_id=line.session_id,
                remedy="Try again; behind a firewall, allow UDP or TCP to the room's address.",
            ) from None
        holder._staying = asyncio.create_task(holder._stay(), name="liveavatar_nb headless")
        holder._look()
        return holder

    async def _stay(self) -> None:
        try:
            await self._leaving.wait()
        finally:
            try:
                # also where the loop ends, and cancels this and the library's own task
                await self._room.disconnect()
            finally:
                self._line.drop(self)

    async def send(self, payload: bytes) -> None:
        """Sends a packet reliably, on the topic `agent-control`.

        Raises:
            HolderLost: it is not in the room.
            RoomNotHeld: the connection was lost, and is not back within 5 s.
        """
        try:
            async with asyncio.timeout(config.HOLDER_LIMIT):
                await self._steady.wait()
                if not self._room.isconnected():
                    raise HolderLost
                await self._room.local_participant.publish_data(payload, reliable=True, topic=full.CONTROL)
        except TimeoutError:
            raise RoomNotHeld(RECONNECTING, session_id=self._line.session_id, remedy="Try again in a moment.") from None
        except HolderLost:
            raise
        except Exception as failure:  # noqa: BLE001 (whatever the library raises, it did not go out)
            logger.info("session %s: a packet did not go out: %s", self._line.session_id, _words(failure))
            raise HolderLost from None

    async def leave(self) -> None:
        """Leaves the room; returns once it has."""
        self._leaving.set()
        if self._staying is not None:
            await asyncio.wait([self._staying])

    # what it hears of

    def _listen(self) -> None:
        room = self._room
        room.on("data_received", self._take)
        for event in ("track_published", "track_unpublished", "participant_disconnected"):
            room.on(event, self._changed)
        room.on("reconnecting", self._reconnecting)
        room.on("reconnected", self._reconnected)
        room.on("disconnected", self._disconnected)

    def _take(self, packet: rtc.DataPacket) -> None:
        self._line.take(packet.topic or "", packet.data)

    def _changed(self, *told: Any) -> None:
        self._look()

    def _reconnecting(self) -> None:
        self._steady.clear()
        self._line.tell(RECONNECTING)

    def _reconnected(self) -> None:
        self._steady.set()
        self._line.tell(None)
        self._look()

    def _look(self) -> None:
        """Whether the avatar shows itself. Its video is not sent here: nobody would look at it."""
        from livekit import rtc  # noqa: PLC0415 (as in `join`)

        avatar = self._room.remote_participants.get(self._line.avatar_identity)
        tracks = avatar.track_publications.values() if avatar is not None else ()
        self._line.see(any(track.kind == rtc.TrackKind.KIND_VIDEO for track in tracks))

    def _disconnected(self, reason: rtc.DisconnectReason.ValueType) -> None:
        from livekit import rtc  # noqa: PLC0415 (as in `join`)

        if self._leaving.is_set():
            return
        self._leaving.set()
        self._steady.set()
        is_replaced = reason == rtc.DisconnectReason.DUPLICATE_IDENTITY
        told = rtc.DisconnectReason.Name(reason).lower().replace("_", " ")
        words = REPLACED if is_replaced else f"The room's connection is lost ({told})."
        logger.warning("session %s: %s", self._line.session_id, words)
        self._line.drop(self, words, is_contested=is_replaced)


async def _connect(room: rtc.Room, line: RoomLine) -> None:
    from livekit import rtc  # noqa: PLC0415 (as in `join`)

    await room.connect(line.url, line.viewer().reveal(), rtc.RoomOptions(auto_subscribe=False))


async def _see_off(room: rtc.Room, connecting: asyncio.Task[None]) -> None:
    """Leaves a room as soon as it is joined, where nobody wants it any more; waits for that, up to a limit."""

    async def leave() -> None:
        await asyncio.wait([connecting])
        if not connecting.cancelled() and connecting.exception() is None:
            await room.disconnect()

    leaving = asyncio.create_task(leave(), name="liveavatar_nb headless leaving")
    _leaving.add(leaving)
    leaving.add_done_callback(_leaving.discard)
    await asyncio.wait([leaving], timeout=config.LEAVE_LIMIT)


def _words(failure: BaseException) -> str:
    """What the library says of a failure, without an address, whose query holds the token."""
    told = str(getattr(failure, "message", failure)).strip()
    return type(failure).__name__ if not told or "access_token" in told else told
