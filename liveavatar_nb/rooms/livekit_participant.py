"""`LiveKitParticipant`: this process in a session's LiveKit room (needs the extra `media`)."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from typing import TYPE_CHECKING, Any

from .. import config
from ..config import Masked
from ..errors import RoomNotHeld
from ..protocol import full
from .connection import RECONNECTING, REPLACED, HolderKind, HolderLost, RoomConnection

if TYPE_CHECKING:
    from livekit import rtc

logger = logging.getLogger("liveavatar_nb.session")

# keep livekit from printing log messages when logging isn't configured; we report failures as room messages
logging.getLogger("livekit").addHandler(logging.NullHandler())


def is_installed() -> bool:
    """Return whether this process can join a room, which needs the package `livekit`."""
    try:
        return importlib.util.find_spec("livekit.rtc") is not None
    except ModuleNotFoundError:
        return False


class LiveKitParticipant:
    """This process as a participant in a room.

    The participant watches for the avatar and relays packets, but receives no video or sound.

    LiveKit's library kills the whole process if the loop that awaits a join is gone when the join completes. So each
    participant has a separate thread and loop, which last until this process leaves the room, whatever happens to the
    session's loop.

    Args:
        connection: The session's connection to the room.
    """

    kind: HolderKind = "process"

    def __init__(self, connection: RoomConnection) -> None:
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._joined: asyncio.Future[str | None] = self._loop.create_future()  # an error message, or None for success
        self._left = asyncio.Event()
        self._steady = asyncio.Event()  # cleared while reconnecting
        self._steady.set()
        self._staying: asyncio.Task[None] | None = None
        self._unwanted: Future[None] = Future()  # done once this process must leave the room
        self._room: rtc.Room
        self._room_loop: asyncio.AbstractEventLoop

    @classmethod
    async def join(cls, connection: RoomConnection) -> LiveKitParticipant:
        """Join the room.

        Raises:
            RoomNotHeld: The room cannot be reached, or rejects the token.
        """
        holder = cls(connection)
        access = connection.url, connection.viewer()
        threading.Thread(target=holder._live, args=access, name="liveavatar_nb room", daemon=True).start()
        failure: str | None = f"no answer within {config.ROOM_JOIN_LIMIT:g} s"
        try:
            await asyncio.wait([holder._joined], timeout=config.ROOM_JOIN_LIMIT)
            if holder._joined.done():
                failure = holder._joined.result()
        finally:
            # leave the room even if the join was cancelled; otherwise, the thread would keep running unnoticed
            if failure is not None:
                await holder._depart()
        if failure is not None:
            raise RoomNotHeld(
                f"The session's room cannot be reached ({failure}).",
                session_id=connection.session_id,
                remedy="Try again; behind a firewall, allow UDP or TCP to the room's address.",
            )
        holder._staying = asyncio.create_task(holder._stay(), name="liveavatar_nb LiveKit room")
        return holder

    async def _stay(self) -> None:
        try:
            await self._left.wait()
        finally:
            try:
                # leave the room even if the loop is shutting down and cancels this task
                await self._depart()
            finally:
                self._connection.drop(self)

    async def send(self, payload: bytes) -> None:
        """Send a packet reliably, on the topic `agent-control`.

        Raises:
            HolderLost: This process is not in the room.
            RoomNotHeld: The connection was lost and not restored within 5 s.
        """
        failure: asyncio.Future[str | None] = self._loop.create_future()
        try:
            async with asyncio.timeout(config.HOLDER_LIMIT):
                await self._steady.wait()
                if self._left.is_set():
                    raise HolderLost
                try:
                    self._room_loop.call_soon_threadsafe(lambda: asyncio.ensure_future(self._publish(payload, failure)))
                except RuntimeError:  # the room's loop has just been closed
                    raise HolderLost from None
                why = await failure
        except TimeoutError:
            raise RoomNotHeld(
                RECONNECTING, session_id=self._connection.session_id, remedy="Try again in a moment."
            ) from None
        if why is not None:
            logger.info("session %s: a packet could not be sent: %s", self._connection.session_id, why)
            raise HolderLost

    async def leave(self) -> None:
        """Leave the room, and return once this process has left."""
        await self._depart()
        if self._staying is not None:
            await asyncio.wait([self._staying])

    async def _depart(self) -> None:
        """Leave the room once any join in progress has finished, waiting at most `LEAVE_LIMIT` seconds."""
        self._give_up()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(config.LEAVE_LIMIT):
                await self._left.wait()

    def _give_up(self) -> None:
        """Ask the room's thread to leave the room; can be called from any thread."""
        with contextlib.suppress(InvalidStateError):
            self._unwanted.set_result(None)

    def _on_lost(self, words: str, is_replaced: bool) -> None:
        logger.warning("session %s: %s", self._connection.session_id, words)
        self._connection.drop(self, words, is_contested=is_replaced, is_put_out=not is_replaced)
        self._give_up()
        self._steady.set()

    def _on_reconnecting(self) -> None:
        self._steady.clear()
        self._connection.tell(RECONNECTING)

    def _on_reconnected(self) -> None:
        self._steady.set()
        self._connection.come_back()

    # the methods that run on the room's own thread

    def _call(self, function: Callable[..., object], *args: Any) -> None:
        """Call a function on the session's loop; if that loop is closed, leave the room."""
        try:
            self._loop.call_soon_threadsafe(function, *args)
        except RuntimeError:
            self._give_up()

    def _report(self, function: Callable[..., object], *args: Any) -> None:
        """Call a function on the session's loop, unless this process has begun to leave the room by then."""
        self._call(lambda: None if self._unwanted.done() else function(*args))

    def _live(self, url: str, token: Masked) -> None:
        with asyncio.Runner() as runner:
            runner.run(self._visit(url, token))

    async def _visit(self, url: str, token: Masked) -> None:
        """Join the room, stay until `_give_up` is called, and then leave."""
        try:
            from livekit import rtc  # noqa: PLC0415 (heavy, and only in the extra `media`)

            self._room_loop = asyncio.get_running_loop()
            self._room = room = rtc.Room()
            self._listen()
            await room.connect(url, token.reveal(), rtc.RoomOptions(auto_subscribe=False))
            self._call(_settle, self._joined, None)
            self._look()
            await asyncio.wrap_future(self._unwanted)
            await room.disconnect()
        except Exception as failure:  # noqa: BLE001 (whatever the library raises, this process is not in the room)
            self._call(_settle, self._joined, _words(failure))
        finally:
            self._call(self._left.set)

    async def _publish(self, payload: bytes, failure: asyncio.Future[str | None]) -> None:
        why: str | None = "the room was left"
        try:
            if self._room.isconnected():
                await self._room.local_participant.publish_data(payload, reliable=True, topic=full.CONTROL)
                why = None
        except Exception as raised:  # noqa: BLE001 (whatever the library raises, nothing was sent)
            why = _words(raised)
        finally:
            self._call(_settle, failure, why)

    def _listen(self) -> None:
        room = self._room
        room.on("data_received", lambda packet: self._report(self._connection.take, packet.topic or "", packet.data))
        for event in ("track_published", "track_unpublished", "participant_disconnected", "reconnected"):
            room.on(event, self._look)
        room.on("reconnecting", lambda: self._report(self._on_reconnecting))
        room.on("reconnected", lambda: self._report(self._on_reconnected))
        room.on("disconnected", self._on_disconnected)

    def _look(self, *_: Any) -> None:
        """Report whether the avatar publishes a video track; this process does not subscribe to the track."""
        from livekit import rtc  # noqa: PLC0415 (as in `_visit`)

        avatar = self._room.remote_participants.get(self._connection.avatar_identity)
        tracks = avatar.track_publications.values() if avatar is not None else ()
        self._report(self._connection.see, any(track.kind == rtc.TrackKind.KIND_VIDEO for track in tracks))

    def _on_disconnected(self, reason: rtc.DisconnectReason.ValueType) -> None:
        from livekit import rtc  # noqa: PLC0415 (as in `_visit`)

        is_replaced = reason == rtc.DisconnectReason.DUPLICATE_IDENTITY
        why = rtc.DisconnectReason.Name(reason).lower().replace("_", " ")
        words = REPLACED if is_replaced else f"The connection to the room was lost ({why})."
        self._report(self._on_lost, words, is_replaced)


def _settle(future: asyncio.Future[str | None], why: str | None) -> None:
    if not future.done():
        future.set_result(why)


def _words(failure: BaseException) -> str:
    """Return the library's error message, or the error's type if the message would reveal the token."""
    message = str(getattr(failure, "message", failure)).strip()
    return type(failure).__name__ if not message or "access_token" in message else message
