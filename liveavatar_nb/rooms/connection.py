"""`RoomConnection`: a session's connection to its room, held by a page or by this process."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final, Literal, Protocol

from .. import config
from ..concurrency.tasks import unheard
from ..config import Masked
from ..errors import LiveAvatarException, RoomNotHeld
from ..protocol import full
from ..protocol.events import Event
from ..protocol.full import Command
from ..rest.retry import delay
from ..wirelog.log import Wire

logger = logging.getLogger("liveavatar_nb.session")

DRAWN_PATH = "/_simulator/room/"  # part of the address of every room without a media server

HOSTED_AVATAR = "heygen"  # the avatar's identity in a room that LiveAvatar hosts

RECONNECTING: Final = "The connection to the room was lost. Reconnecting."
REPLACED: Final = "Somebody else joined the room with the session's token."
AVATAR_GONE: Final = "The avatar left the room, but the session is still running, and being billed. Stop the session."

HolderKind = Literal["page", "process"]


class HolderLost(LiveAvatarException):
    """The participant that was in the room on the session's behalf has left; nothing was sent."""

    title = "Nobody is left in the room"


class Holder(Protocol):
    """A participant that is in a room on behalf of a session."""

    @property
    def kind(self) -> HolderKind:
        """The kind of holder: `page` for a browser page, `process` for this process."""
        ...

    async def send(self, payload: bytes) -> None:
        """Send a packet reliably, on the topic `agent-control`.

        Raises:
            HolderLost: The holder is not in the room; nothing was sent.
            RoomNotHeld: The holder is temporarily disconnected but keeps the room; nothing was sent.
        """
        ...

    async def leave(self) -> None:
        """Leave the room, and return once this participant has left."""
        ...


Opener = Callable[["RoomConnection"], Awaitable[Holder]]


class RoomConnection:
    """A session's connection to its room. Use it only on the session's loop.

    A room that LiveAvatar hosts has a single token, and anyone who joins with it displaces the previous participant.
    So there is only one holder at a time, who leaves before the next holder joins. In the user's own room, each
    participant has a separate token, and any number of participants can join.

    Args:
        url: The room's address.
        token: The token from the start call.
        session_id: The session's id.
        wire: The log of everything sent and received.
        receive: Called with each event.
        on_change: Called when anything that pages show has changed.
        on_loss: Called when a holder is removed from the room or the avatar leaves the room; either may mean that the
            session has ended.
        opener: Makes this process join the room; None if this process cannot join.
        mint: Makes a token for another viewer of the user's own room; None for a hosted room.
        avatar_identity: The avatar's identity in the room.
    """

    def __init__(
        self,
        url: str,
        token: Masked,
        session_id: str,
        wire: Wire,
        *,
        receive: Callable[[Event], None],
        on_change: Callable[[], None],
        on_loss: Callable[[], None] = lambda: None,
        opener: Opener | None = None,
        mint: Callable[[], Masked] | None = None,
        avatar_identity: str = HOSTED_AVATAR,
    ) -> None:
        self.url = url
        self.token = token
        self.session_id = session_id
        self.avatar_identity = avatar_identity
        self.has_avatar = False  # whether the holder sees the avatar's video
        self.words: str | None = None  # the message to show about the room
        self.on_back: Callable[[], None] = lambda: None  # called when a lost connection to the room is back
        self._wire = wire
        self._receive = receive
        self._on_change = on_change
        self._on_loss = on_loss
        self._opener = opener
        self._mint = mint
        self._holders: list[Holder] = []
        self._expected_until = 0.0
        self._is_contested = False  # whether somebody else has joined with the session's token
        self._is_closed = False
        self._is_met = False  # whether the avatar has been seen, or the wait for the avatar has timed out
        self._opening: asyncio.Task[Holder] | None = None
        self._joined_at = 0.0  # the time at which this process last joined, by the monotonic clock
        self._cuts = 0  # how many times in a row this process has been removed from the room soon after joining
        self._pauses_until = 0.0
        self._attending: asyncio.Task[None] | None = None
        self._handing_over = asyncio.Lock()
        self._order = asyncio.Lock()
        self._meeting = asyncio.Lock()
        self._news = asyncio.Event()
        self._listeners: list[Callable[[bytes], None]] = []

    def __repr__(self) -> str:
        held = f"held by a {self.holder.kind}" if self.holder else "held by nobody"
        return f"<RoomConnection of {self.session_id}: {self.kind}, {held}>"

    @property
    def kind(self) -> Literal["livekit", "drawn"]:
        """The kind of room: `livekit`, or `drawn` if there is no media server and pages draw the face."""
        return "drawn" if DRAWN_PATH in self.url else "livekit"

    @property
    def is_own(self) -> bool:
        """Whether this is the user's own room, which any number of viewers may join."""
        return self._mint is not None

    @property
    def holder(self) -> Holder | None:
        """The participant in the room on the session's behalf; None if nobody is there."""
        return self._holders[0] if self._holders else None

    @property
    def can_send(self) -> bool:
        """Whether a command can be sent: True if a holder is in the room, is expected there, or can join."""
        return bool(self._holders) or self._is_expected or (self._opener is not None and not self._is_contested)

    def viewer(self) -> Masked:
        """Return a token with which a page can join; for the user's own room, make a new token each time."""
        return self.token if self._mint is None else self._mint()

    # holders

    async def expect(self) -> None:
        """Expect a page to join, and make the current holder of a hosted room leave.

        Commands wait up to 5 s for the page.
        """
        async with self._handing_over:
            self._expected_until = time.monotonic() + config.HOLDER_LIMIT
            self._is_contested = False
            await self._clear()
        self._changed()

    def expect_first(self) -> bool:
        """Expect a page to join, unless somebody already holds the room or is joining.

        Returns:
            Whether the room was free, so that a page is now expected.
        """
        is_free = not (self._holders or self._attending or self._opening or self._handing_over.locked())
        if is_free:
            self._expected_until = time.monotonic() + config.HOLDER_LIMIT
            self._changed()
        return is_free

    async def hold(self, holder: Holder) -> None:
        """Register a holder that has joined; in a hosted room, make any previous holder leave."""
        async with self._handing_over:
            if holder in self._holders:
                return
            if self._is_closed:
                await _leave(holder)
                return
            await self._clear()
            self._expected_until = 0.0
            self._holders.append(holder)
        self._changed()

    def drop(
        self, holder: Holder, words: str | None = None, *, is_contested: bool = False, is_put_out: bool = False
    ) -> None:
        """Unregister a holder that is no longer in the room.

        Args:
            holder: The holder.
            words: The reason to show, if any.
            is_contested: Whether somebody else joined with the session's token, in which case this process must not
                join again unless asked to.
            is_put_out: Whether the room is gone, or the holder was removed, but neither by us nor by somebody who
                joined with the session's token.
        """
        if holder not in self._holders:
            return
        self._holders.remove(holder)
        if holder.kind == "process":
            is_cut = time.monotonic() - self._joined_at < config.HOLDER_LIMIT
            self._cuts = self._cuts + 1 if is_cut else 0
            self._pauses_until = time.monotonic() + (delay(self._cuts, config.RETRY_BASE) if is_cut else 0)
        self._is_contested = is_contested
        self.words = words
        if not self._holders:
            self.has_avatar = False
        self._changed()
        if is_put_out and not self._is_closed:
            self._on_loss()

    def join_again(self) -> None:
        """Let this process join again, even if that displaces somebody else who joined with the token."""
        self._is_contested = False
        self._changed()

    def need(self) -> None:
        """Whenever no page is in the room, keep this process there, provided that this process can join.

        Called when anything in this process starts listening to the room.
        """
        if self._attending is None and self._opener is not None and not self._is_closed:
            self._attending = asyncio.create_task(self._attend(), name="liveavatar_nb room")

    async def reach(self) -> Holder:
        """Return the holder; if there is none, make this process join and return it as the holder.

        Raises:
            RoomNotHeld: This process cannot join.
        """
        while self.holder is None:
            if self._is_expected:
                await self._wait_for_news(self._expected_until - time.monotonic())
                continue
            opening = self._open()
            await asyncio.wait([opening])
            if not opening.cancelled():
                return opening.result()
            # the attempt was cancelled: a page is about to join, or the session is over
            if self._is_closed:
                raise self._nobody()
        return self.holder

    def end(self) -> None:
        """Record that the session is over, and accept no more holders."""
        self._is_closed = self._is_met = True
        if self._attending is not None:
            self._attending.cancel()
        self._changed()

    async def close(self) -> None:
        """Close the connection, and make any holder leave the room."""
        self.end()
        async with self._handing_over:
            self._expected_until = 0.0
            await self._clear()
        self.has_avatar = False
        self._changed()

    # packets

    async def send(self, command: Command, begin: Callable[[], bool] = lambda: True) -> None:
        """Send a command through the holder; commands are sent one at a time.

        The first commands wait up to 10 s for the avatar, because a room keeps no packets for those who join later.
        Interruptions do not wait.

        Args:
            command: The command to send.
            begin: Called when the command's turn comes; returns whether the command should still be sent.

        Raises:
            RoomNotHeld: There is no holder, and this process cannot join.
        """
        payload = command.encode()
        if command.type != full.INTERRUPT:
            async with self._meeting:
                await self._meet()
        async with self._order:
            for is_last in (False, True):
                holder = await self.reach()
                if not begin():
                    return
                self._wire.sent(self.session_id, command.type, command.shown, len(payload), channel="data")
                try:
                    await holder.send(payload)
                except HolderLost:
                    self.drop(holder)
                    await _leave(holder)
                    if is_last:
                        raise self._nobody() from None
                else:
                    return

    def take(self, topic: str, payload: bytes | str) -> None:
        """Handle a packet that the holder received."""
        if topic != full.RESPONSE or self._is_closed:
            return
        event = full.decode(payload)
        size = len(payload.encode("utf-8", "surrogatepass")) if isinstance(payload, str) else len(payload)
        self._is_met = True
        name, shown = ("", payload) if event is None else (event.type, event.data)
        self._wire.received(self.session_id, name, shown, size, channel="data")
        if event is None:
            logger.warning("session %s: ignored a packet that is not an event", self.session_id)
        else:
            self._receive(event)

    def see(self, is_there: bool) -> None:
        """Record whether the holder sees the avatar's video."""
        if self.has_avatar is not is_there and not self._is_closed:
            self.has_avatar = is_there
            self._is_met = self._is_met or is_there
            if is_there and self.words == AVATAR_GONE:
                self.words = None
            self._changed()
            if not is_there:
                self._on_loss()

    def miss_avatar(self) -> None:
        """Show a message if the session is live but the holder does not see the avatar."""
        if self._holders and self._is_met and not self.has_avatar:
            self.tell(AVATAR_GONE)

    def tell(self, words: str | None) -> None:
        """Show a message about the room, such as `RECONNECTING`; None clears the message."""
        if self.words != words:
            self.words = words
            self._changed()

    def come_back(self) -> None:
        """Record that the holder's lost connection to the room is back; events may have been missed meanwhile."""
        self.tell(None)
        self.on_back()

    async def wait_for_avatar(self) -> None:
        """Wait until the holder sees the avatar's video.

        Raises:
            RoomNotHeld: There is no holder and this process cannot join, or the session is over.
        """
        while not self.has_avatar:
            await self.reach()
            if not self.has_avatar:
                await self._wait_for_news(config.HOLDER_LIMIT)

    # the sound of a room without a media server

    def on_sound(self, callback: Callable[[bytes], None]) -> Callable[[], None]:
        """Register a callback that receives the avatar's speech in real time, if the kind of room is `drawn`.

        Args:
            callback: Receives raw PCM: 16-bit, mono, 24,000 Hz; b"" when the avatar is silenced.

        Returns:
            A function that removes the callback.
        """
        self._listeners.append(callback)
        if self.kind == "drawn":
            self.need()

        def remove() -> None:
            if callback in self._listeners:
                self._listeners.remove(callback)

        return remove

    def hear(self, pcm: bytes) -> None:
        """Pass the avatar's speech on to the callbacks."""
        for callback in list(self._listeners):
            callback(pcm)

    # internals

    @property
    def _is_expected(self) -> bool:
        return self._expected_until > time.monotonic()

    def _changed(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()
        self._on_change()

    async def _wait_for_news(self, seconds: float | None) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._news.wait()

    async def _clear(self) -> None:
        """Cancel any join in progress and, in a hosted room, make the current holder leave."""
        if self._opening is not None and not self._opening.done():
            self._opening.cancel()
            await asyncio.wait([self._opening])
        if self.is_own and not self._is_closed:
            return
        leaving, self._holders = self._holders, []
        if leaving:
            self.has_avatar = False
        for holder in leaving:
            await _leave(holder)

    async def _meet(self) -> None:
        until = time.monotonic() + config.ARRIVAL_LIMIT
        while not self._is_met and (left := until - time.monotonic()) > 0:
            await self.reach()
            if not self._is_met:
                await self._wait_for_news(left)
        self._is_met = True

    def _open(self) -> asyncio.Task[Holder]:
        """Start joining the room, unless this process is already joining; in both cases, return the task that joins."""
        if self._opening is None or self._opening.done():
            self._opening = asyncio.create_task(self._join(), name="liveavatar_nb room joining")
            self._opening.add_done_callback(unheard)  # if the session ends first, nobody awaits this task
        return self._opening

    async def _join(self) -> Holder:
        async with self._handing_over:
            pass  # let anyone who is already joining go first
        # pause before rejoining a room from which this process keeps being removed
        await asyncio.sleep(self._pauses_until - time.monotonic())
        if self.holder is not None:
            return self.holder
        if self._opener is None or self._is_contested or self._is_closed:
            raise self._nobody()
        holder = await self._opener(self)
        self._holders.append(holder)
        self._joined_at = time.monotonic()
        self.words = None
        self._changed()
        self.on_back()
        return holder

    async def _attend(self) -> None:
        """Keep this process in the room while nobody else is there."""
        attempt = 0
        while True:
            if self._holders or self._is_contested:
                attempt = 0
                await self._wait_for_news(None)
            elif self._is_expected:
                await self._wait_for_news(self._expected_until - time.monotonic())
            else:
                opening = self._open()
                await asyncio.wait([opening])
                if not opening.cancelled() and (failure := opening.exception()) is not None:
                    attempt += 1
                    self.tell(failure.message if isinstance(failure, LiveAvatarException) else str(failure))
                    await self._wait_for_news(delay(attempt, config.RETRY_BASE))

    def _nobody(self) -> RoomNotHeld:
        if self._is_contested:
            return RoomNotHeld(
                self.words or "Somebody else is in the session's room with its token.",
                session_id=self.session_id,
                remedy="Leave the room in the other client, or call view() or wait_for_avatar() to join in its place.",
            )
        return RoomNotHeld(session_id=self.session_id)


async def _leave(holder: Holder) -> None:
    """Make a holder leave; a holder that does not respond is treated as gone."""
    with contextlib.suppress(HolderLost, TimeoutError):
        async with asyncio.timeout(config.LEAVE_LIMIT):
            await holder.leave()
