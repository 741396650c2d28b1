"""`RoomLine`: a session's way into its room, and who is in that room for it: a page, or this process."""

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

DRAWN_PATH = "/_simulator/room/"  # in the address of a room that has no media server

HOSTED_AVATAR = "heygen"  # the avatar's identity in a room that LiveAvatar hosts

RECONNECTING: Final = "The room's connection is lost, and being got back."
REPLACED: Final = "Somebody else joined the room with the session's token."
AVATAR_GONE: Final = "The avatar is not in the room any more. The session goes on, and is billed: stop it."

HolderKind = Literal["page", "process"]


class HolderLost(LiveAvatarException):
    """The holder is not in the room any more; what was to be sent was not."""

    title = "Nobody is in the room any more"


class Holder(Protocol):
    """Who is in a session's room."""

    @property
    def kind(self) -> HolderKind:
        """`page`, or `process` for this one."""
        ...

    async def send(self, payload: bytes) -> None:
        """Sends a packet reliably, on the topic `agent-control`.

        Raises:
            HolderLost: it is not in the room; nothing was sent.
            RoomNotHeld: it is cut off for a while, and stays; nothing was sent.
        """
        ...

    async def leave(self) -> None:
        """Leaves the room; returns once it has."""
        ...


Opener = Callable[["RoomLine"], Awaitable[Holder]]


class RoomLine:
    """A session's way into its room. All of it is used on the session's loop.

    A room that LiveAvatar hosts has one token, and who joins second with it throws the first out: so there is one
    holder at a time, and the present one leaves before the next one joins. In the user's own room everybody has a token
    of their own, and any number may be there.

    Args:
        url: of the room.
        token: the one of the start call.
        session_id: whose.
        wire: what comes and goes is written down there.
        receive: called with each event.
        on_change: called when something that is shown has changed.
        on_loss: called where somebody was put out of the room, or the avatar is gone from it: as when the session ends.
        opener: has this process join, where it can.
        mint: makes a token for one more who watches, in the user's own room.
        avatar_identity: by which the avatar is known in it.
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
        self.has_avatar = False  # the avatar's video was seen by who is in the room
        self.words: str | None = None  # what is to be said of it
        self._wire = wire
        self._receive = receive
        self._on_change = on_change
        self._on_loss = on_loss
        self._opener = opener
        self._mint = mint
        self._holders: list[Holder] = []
        self._expected_until = 0.0
        self._is_contested = False  # somebody else joined with the token
        self._is_closed = False
        self._is_met = False  # the avatar was there, or was waited for long enough
        self._opening: asyncio.Task[Holder] | None = None
        self._joined_at = 0.0  # when this process did last
        self._cuts = 0  # how often in a row it was thrown out soon after that
        self._pauses_until = 0.0
        self._attending: asyncio.Task[None] | None = None
        self._handing_over = asyncio.Lock()
        self._order = asyncio.Lock()
        self._meeting = asyncio.Lock()
        self._news = asyncio.Event()
        self._hearers: list[Callable[[bytes], None]] = []

    def __repr__(self) -> str:
        held = f"held by a {self.holder.kind}" if self.holder else "held by nobody"
        return f"<RoomLine of {self.session_id}: {self.kind}, {held}>"

    @property
    def kind(self) -> Literal["livekit", "drawn"]:
        """`drawn` where the simulator has no media server, and pages draw the face by themselves."""
        return "drawn" if DRAWN_PATH in self.url else "livekit"

    @property
    def is_own(self) -> bool:
        """Whether it is the user's own room, in which any number may watch."""
        return self._mint is not None

    @property
    def holder(self) -> Holder | None:
        """Who is in the room for the session."""
        return self._holders[0] if self._holders else None

    @property
    def can_send(self) -> bool:
        """Whether what is sent has a way: somebody is there, is on the way, or can join."""
        return bool(self._holders) or self._is_expected or (self._opener is not None and not self._is_contested)

    def viewer(self) -> Masked:
        """The token for a page that joins; in the user's own room one of its own each time."""
        return self.token if self._mint is None else self._mint()

    # who is in it

    async def expect(self) -> None:
        """A page is about to join: who is there leaves first, and commands wait for the page, for 5 s."""
        async with self._handing_over:
            self._expected_until = time.monotonic() + config.HOLDER_LIMIT
            self._is_contested = False
            await self._clear()
        self._changed()

    def expect_first(self) -> bool:
        """As `expect`, but at once, where nobody is there or on the way; whether that is so."""
        is_free = not (self._holders or self._attending or self._opening or self._handing_over.locked())
        if is_free:
            self._expected_until = time.monotonic() + config.HOLDER_LIMIT
            self._changed()
        return is_free

    async def hold(self, holder: Holder) -> None:
        """It is in the room; who was there before has left, or leaves now."""
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
        """It is out of the room.

        Args:
            holder: who.
            words: why, as far as it is to be shown.
            is_contested: somebody else joined with the session's token: this process is not to fight over it.
            is_put_out: the room is gone, or it was put out of it: not by us, nor for who joined with the token.
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
        """This process may join although somebody else did so with the token, whom that throws out."""
        self._is_contested = False
        self._changed()

    def need(self) -> None:
        """Somebody listens here: while no page is in the room, this process is, where it can."""
        if self._attending is None and self._opener is not None and not self._is_closed:
            self._attending = asyncio.create_task(self._attend(), name="liveavatar_nb room")

    async def reach(self) -> Holder:
        """Who is in the room; where nobody is, this process joins.

        Raises:
            RoomNotHeld: it cannot.
        """
        while self.holder is None:
            if self._is_expected:
                await self._wait_for_news(self._expected_until - time.monotonic())
                continue
            opening = self._open()
            await asyncio.wait([opening])
            if not opening.cancelled():
                return opening.result()
            # a page comes first, or the session is over
            if self._is_closed:
                raise self._nobody()
        return self.holder

    def end(self) -> None:
        """The session is over: nobody joins any more."""
        self._is_closed = self._is_met = True
        if self._attending is not None:
            self._attending.cancel()
        self._changed()

    async def close(self) -> None:
        """The session is over: everybody leaves."""
        self.end()
        async with self._handing_over:
            self._expected_until = 0.0
            await self._clear()
        self.has_avatar = False
        self._changed()

    # what goes through it

    async def send(self, command: Command, begin: Callable[[], bool] = lambda: True) -> None:
        """Sends a command, by who is in the room; one after the other.

        The first ones wait for the avatar, for at most 10 s: a room keeps no packet for who comes later. An
        interruption does not wait.

        Args:
            command: what is sent.
            begin: called when its turn has come; whether it is still to be sent.

        Raises:
            RoomNotHeld: nobody is, and this process cannot join.
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
        """A packet came, to whoever is in the room."""
        if topic != full.RESPONSE or self._is_closed:
            return
        event = full.decode(payload)
        size = len(payload.encode("utf-8", "surrogatepass")) if isinstance(payload, str) else len(payload)
        self._is_met = True
        name, shown = ("", payload) if event is None else (event.type, event.data)
        self._wire.received(self.session_id, name, shown, size, channel="data")
        if event is None:
            logger.warning("session %s: a packet that is no event was ignored", self.session_id)
        else:
            self._receive(event)

    def see(self, is_there: bool) -> None:
        """The avatar's video is there, or gone."""
        if self.has_avatar is not is_there and not self._is_closed:
            self.has_avatar = is_there
            self._is_met = self._is_met or is_there
            if is_there and self.words == AVATAR_GONE:
                self.words = None
            self._changed()
            if not is_there:
                self._on_loss()

    def miss_avatar(self) -> None:
        """The session lives; where its avatar is not to be seen by who is here, that is said."""
        if self._holders and self._is_met and not self.has_avatar:
            self.tell(AVATAR_GONE)

    def tell(self, words: str | None) -> None:
        """What is to be said of the room, as that it is being got back; None for nothing."""
        if self.words != words:
            self.words = words
            self._changed()

    async def wait_for_avatar(self) -> None:
        """Returns once the avatar's video was seen.

        Raises:
            RoomNotHeld: nobody can look, or the session is over.
        """
        while not self.has_avatar:
            await self.reach()
            if not self.has_avatar:
                await self._wait_for_news(config.HOLDER_LIMIT)

    # what is heard in a drawn room

    def on_sound(self, callback: Callable[[bytes], None]) -> Callable[[], None]:
        """Has `callback` called with what the avatar of a drawn room says, raw PCM, 16-bit, mono, 24,000 Hz, in real
        time; with b"" where it falls silent at once.

        Returns:
            A function that ends it.
        """
        self._hearers.append(callback)
        if self.kind == "drawn":
            self.need()

        def end() -> None:
            if callback in self._hearers:
                self._hearers.remove(callback)

        return end

    def hear(self, pcm: bytes) -> None:
        """Hands on what was said."""
        for callback in list(self._hearers):
            callback(pcm)

    # how it works

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
        """Ends a joining that is under way; in a hosted room, has who is there leave."""
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
        """This process joins; who asks meanwhile waits for the same."""
        if self._opening is None or self._opening.done():
            self._opening = asyncio.create_task(self._join(), name="liveavatar_nb room joining")
            self._opening.add_done_callback(unheard)  # the session may end meanwhile, and nobody wants it any more
        return self._opening

    async def _join(self) -> Holder:
        async with self._handing_over:
            pass  # who comes at this moment is there first
        # a room that throws out whoever joins is not joined without a pause
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
        return holder

    async def _attend(self) -> None:
        """Has this process in the room while nobody else is."""
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
                remedy="Close it there; view() or wait_for_avatar() joins again, and throws the other out.",
            )
        return RoomNotHeld(session_id=self.session_id)


async def _leave(holder: Holder) -> None:
    """Has it leave; one that does not answer has left."""
    with contextlib.suppress(HolderLost, TimeoutError):
        async with asyncio.timeout(config.LEAVE_LIMIT):
            await holder.leave()
