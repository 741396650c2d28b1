"""`Headless`: this process in a session's LiveKit room, where no page shows it; needs the extra `media`."""

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
from .connection import RECONNECTING, REPLACED, HolderKind, HolderLost, RoomLine

if TYPE_CHECKING:
    from livekit import rtc

logger = logging.getLogger("liveavatar_nb.session")

# what goes wrong is told by the room's words: where nothing is set up for logs, the library's are not to be printed
logging.getLogger("livekit").addHandler(logging.NullHandler())


def is_installed() -> bool:
    """Whether this process can join a room: the package `livekit` is there."""
    try:
        return importlib.util.find_spec("livekit.rtc") is not None
    except ModuleNotFoundError:
        return False


class Headless:
    """This process in a room. It looks for the avatar and carries packets; no video or sound comes here.

    LiveKit's library ends the process where nobody is left to hear that a joining is done. So the room lives on a
    thread and a loop of its own, which go once it is left, whatever becomes of the session's loop.

    Args:
        line: the session's way into the room.
    """

    kind: HolderKind = "process"

    def __init__(self, line: RoomLine) -> None:
        self._line = line
        self._loop = asyncio.get_running_loop()
        self._joined: asyncio.Future[str | None] = self._loop.create_future()  # what went wrong
        self._left = asyncio.Event()
        self._steady = asyncio.Event()  # it is connected, and not being got back
        self._steady.set()
        self._staying: asyncio.Task[None] | None = None
        self._unwanted: Future[None] = Future()  # done once nobody wants the room any more
        self._room: rtc.Room
        self._room_loop: asyncio.AbstractEventLoop

    @classmethod
    async def join(cls, line: RoomLine) -> Headless:
        """Joins the room.

        Raises:
            RoomNotHeld: it cannot be reached, or does not take the token.
        """
        holder = cls(line)
        way_in = line.url, line.viewer()
        threading.Thread(target=holder._live, args=way_in, name="liveavatar_nb room", daemon=True).start()
        failure: str | None = f"no answer within {config.ROOM_JOIN_LIMIT:g} s"
        try:
            await asyncio.wait([holder._joined], timeout=config.ROOM_JOIN_LIMIT)
            if holder._joined.done():
                failure = holder._joined.result()
        finally:
            # also where it is cut short: it would go on all the same, unseen
            if failure is not None:
                await holder._go()
        if failure is not None:
            raise RoomNotHeld(
                f"The session's room cannot be reached ({failure}).",
                session_id=line.session_id,
                remedy="Try again; behind a firewall, allow UDP or TCP to the room's address.",
            )
        holder._staying = asyncio.create_task(holder._stay(), name="liveavatar_nb headless")
        return holder

    async def _stay(self) -> None:
        try:
            await self._left.wait()
        finally:
            try:
                # also where the loop ends, and cancels this
                await self._go()
            finally:
                self._line.drop(self)

    async def send(self, payload: bytes) -> None:
        """Sends a packet reliably, on the topic `agent-control`.

        Raises:
            HolderLost: it is not in the room.
            RoomNotHeld: the connection was lost, and is not back within 5 s.
        """
        failure: asyncio.Future[str | None] = self._loop.create_future()
        try:
            async with asyncio.timeout(config.HOLDER_LIMIT):
                await self._steady.wait()
                if self._left.is_set():
                    raise HolderLost
                try:
                    self._room_loop.call_soon_threadsafe(lambda: asyncio.ensure_future(self._publish(payload, failure)))
                except RuntimeError:  # it has just ended
                    raise HolderLost from None
                why = await failure
        except TimeoutError:
            raise RoomNotHeld(RECONNECTING, session_id=self._line.session_id, remedy="Try again in a moment.") from None
        if why is not None:
            logger.info("session %s: a packet did not go out: %s", self._line.session_id, why)
            raise HolderLost

    async def leave(self) -> None:
        """Leaves the room; returns once it has."""
        await self._go()
        if self._staying is not None:
            await asyncio.wait([self._staying])

    async def _go(self) -> None:
        """Leaves the room, or a joining that is under way as soon as it is done; waits for that, up to a limit."""
        self._give_up()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(config.LEAVE_LIMIT):
                await self._left.wait()

    def _give_up(self) -> None:
        """Nobody wants the room any more; from any thread."""
        with contextlib.suppress(InvalidStateError):
            self._unwanted.set_result(None)

    def _cut(self, words: str, is_replaced: bool) -> None:
        logger.warning("session %s: %s", self._line.session_id, words)
        self._line.drop(self, words, is_contested=is_replaced, is_put_out=not is_replaced)
        self._give_up()
        self._steady.set()

    def _falter(self) -> None:
        self._steady.clear()
        self._line.tell(RECONNECTING)

    def _recover(self) -> None:
        self._steady.set()
        self._line.tell(None)

    # on the room's own thread

    def _tell(self, slot: Callable[..., object], *told: Any) -> None:
        """Has `slot` called on the session's loop; where that has ended, nobody wants the room any more."""
        try:
            self._loop.call_soon_threadsafe(slot, *told)
        except RuntimeError:
            self._give_up()

    def _report(self, slot: Callable[..., object], *told: Any) -> None:
        """As `_tell`, for what nobody is to hear any more once the room is left."""
        self._tell(lambda: None if self._unwanted.done() else slot(*told))

    def _live(self, url: str, token: Masked) -> None:
        with asyncio.Runner() as runner:
            runner.run(self._visit(url, token))

    async def _visit(self, url: str, token: Masked) -> None:
        """In, and out again once nobody wants it any more."""
        try:
            from livekit import rtc  # noqa: PLC0415 (heavy, and of the extra `media`)

            self._room_loop = asyncio.get_running_loop()
            self._room = room = rtc.Room()
            self._listen()
            await room.connect(url, token.reveal(), rtc.RoomOptions(auto_subscribe=False))
            self._tell(_settle, self._joined, None)
            self._look()
            await asyncio.wrap_future(self._unwanted)
            await room.disconnect()
        except Exception as failure:  # noqa: BLE001 (whatever the library raises, it is not in)
            self._tell(_settle, self._joined, _words(failure))
        finally:
            self._tell(self._left.set)

    async def _publish(self, payload: bytes, failure: asyncio.Future[str | None]) -> None:
        why: str | None = "the room was left"
        try:
            if self._room.isconnected():
                await self._room.local_participant.publish_data(payload, reliable=True, topic=full.CONTROL)
                why = None
        except Exception as told:  # noqa: BLE001 (whatever the library raises, it did not go out)
            why = _words(told)
        finally:
            self._tell(_settle, failure, why)

    def _listen(self) -> None:
        room = self._room
        room.on("data_received", lambda packet: self._report(self._line.take, packet.topic or "", packet.data))
        for event in ("track_published", "track_unpublished", "participant_disconnected", "reconnected"):
            room.on(event, self._look)
        room.on("reconnecting", lambda: self._report(self._falter))
        room.on("reconnected", lambda: self._report(self._recover))
        room.on("disconnected", self._disconnected)

    def _look(self, *_told: Any) -> None:
        """Whether the avatar shows itself. Its video is not sent here: nobody would look at it."""
        from livekit import rtc  # noqa: PLC0415 (as in `_visit`)

        avatar = self._room.remote_participants.get(self._line.avatar_identity)
        tracks = avatar.track_publications.values() if avatar is not None else ()
        self._report(self._line.see, any(track.kind == rtc.TrackKind.KIND_VIDEO for track in tracks))

    def _disconnected(self, reason: rtc.DisconnectReason.ValueType) -> None:
        from livekit import rtc  # noqa: PLC0415 (as in `_visit`)

        is_replaced = reason == rtc.DisconnectReason.DUPLICATE_IDENTITY
        told = rtc.DisconnectReason.Name(reason).lower().replace("_", " ")
        self._report(self._cut, REPLACED if is_replaced else f"The room's connection is lost ({told}).", is_replaced)


def _settle(future: asyncio.Future[str | None], told: str | None) -> None:
    if not future.done():
        future.set_result(told)


def _words(failure: BaseException) -> str:
    """What the library says of a failure, without an address, whose query holds the token."""
    told = str(getattr(failure, "message", failure)).strip()
    return type(failure).__name__ if not told or "access_token" in told else told
