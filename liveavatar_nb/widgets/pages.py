"""Browser pages in rooms: `PageHolder` for rooms with media, `PageAudio` for pages that draw the avatar."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Callable
from typing import Any, Final, Protocol
from weakref import WeakSet

from .. import config
from ..errors import RoomNotHeld
from ..rooms.connection import RECONNECTING, HolderKind, HolderLost, RoomConnection
from ..session.attention import UNKNOWN, Attention, UnknownAttention
from ..session.session import AsyncSession
from ..session.state import SessionState
from .channel import Command
from .status import BEATS, LONGEST_BEAT

logger = logging.getLogger("liveavatar_nb.widgets")

PAGES: Final = 64  # maximum number of pages remembered per session; those in the room or about to join are dropped last
SILENCE: Final = BEATS * LONGEST_BEAT  # seconds without a command after which a page counts as gone

GIVEN_AWAY: Final = "It is shown elsewhere now."
OVER: Final = "The session is over."
VANISHED: Final = "The page in the room has stopped responding."


class View(Protocol):
    """A widget that can send messages to a page in a room."""

    def send_to_page(self, page: str, message: dict[str, Any]) -> None:
        """Send a message to one of the pages that show the widget."""
        ...

    def send_sound(self, page: str, message: dict[str, Any], pcm: bytes) -> None:
        """Send speech to one of the pages that show the widget; `pcm` is b"" when the avatar falls silent."""
        ...


class SilenceTimer:
    """Calls a function if a page is silent for too long.

    Time during which a running cell held up the page's messages does not count.

    Args:
        callback: The function to call.
    """

    def __init__(self, callback: Callable[[], None]) -> None:
        self._callback = callback
        self._timer: asyncio.TimerHandle | None = None
        self._began_at: float | None = None
        self._attention: Attention | UnknownAttention | None = None
        self._attended_at = 0.0

    @property
    def is_long(self) -> bool:
        """Whether the page has been silent for too long.

        Time during which a running cell may have held up the page's messages counts as silence.
        """
        return self._began_at is not None and time.monotonic() - self._began_at > SILENCE

    def begin(self, command: Command) -> None:
        """Restart the timer after a command.

        If delays cannot be measured, the timer stays off, because silence then proves nothing.
        """
        self.end()
        self._began_at = time.monotonic()
        self._attention = command.attention
        if command.attention is not None:
            self._attended_at = command.attention.seconds
        if command.attention is not UNKNOWN:
            self._timer = asyncio.get_running_loop().call_later(SILENCE, self._check)

    def _check(self) -> None:
        if self._attention is not None:
            left = SILENCE - (self._attention.seconds - self._attended_at)
            if left > 0:
                # a running cell may have delayed the page's commands
                self._timer = asyncio.get_running_loop().call_later(max(left, config.ATTENTION_TICK), self._check)
                return
        self._callback()

    def end(self) -> None:
        """Stop the timer."""
        self._began_at = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class PageHolder:
    """A browser page that is in a session's room, or about to join it.

    Args:
        page: The page's id.
        session: The session.
        room: The session's connection to its room.
    """

    kind: HolderKind = "page"

    def __init__(self, page: str, session: AsyncSession, room: RoomConnection) -> None:
        self.page = page
        self.was_unreachable = False  # whether the page's browser failed to reach the room
        self._session = session
        self._room = room
        self._view: View | None = None  # the widget through which the page last sent a command
        self._is_prompt = False
        self._is_in = False
        self._is_silent = False
        self._out = asyncio.Event()
        self._steady = asyncio.Event()  # cleared while the page is reconnecting
        self._steady.set()
        self._silence = SilenceTimer(self._fall_silent)
        self._answers: dict[str, asyncio.Future[str | None]] = {}

    @property
    def is_in(self) -> bool:
        """Whether the page has reported that it is in the room."""
        return self._is_in

    @property
    def is_there(self) -> bool:
        """Whether the page is in the room or about to join, as far as is known."""
        return not self._out.is_set() and not self._is_silent

    def was_heard_by(self, view: View) -> bool:
        """Return whether the page's last command came through the widget `view`."""
        return self._view is view

    async def hear(self, view: View, command: Command) -> None:
        """Handle a command from the page; if the page was thought to be gone, let it represent the session again."""
        self._view, self._is_prompt = view, command.is_prompt
        if self._out.is_set():
            return
        self._silence.begin(command)
        if self._is_silent:
            self._is_silent = False
            if self._is_in and self._room.holder is None:
                await self._room.hold(self)

    def approach(self, view: View, command: Command) -> None:
        """Record that the page is about to join."""
        self._view, self._is_prompt, self._is_silent = view, command.is_prompt, False
        self._out.clear()
        self._silence.begin(command)

    async def enter(self) -> None:
        """Record that the page has joined the room, and let it represent the session there."""
        self._out.clear()
        self._is_in, self.was_unreachable = True, False
        self._steady.set()
        await self._room.hold(self)

    def falter(self) -> None:
        """Record that the page has lost its connection and is reconnecting."""
        self._steady.clear()

    def go(self, words: str | None = None, *, is_contested: bool = False, is_put_out: bool = False) -> None:
        """Record that the page has left the room, or could not join it.

        Args:
            words: The reason to show, if any.
            is_contested: Whether somebody else joined with the session's token.
            is_put_out: Whether the page was removed from the room, or the room is gone.
        """
        self._silence.end()
        self._is_in = False
        self._out.set()
        self._steady.set()
        if self._room.holder is None and words:
            self._room.tell(words)
        self._room.drop(self, words, is_contested=is_contested, is_put_out=is_put_out)
        for request in list(self._answers):
            self.settle(request, "the page has left the room")

    async def send(self, payload: bytes) -> None:
        """Make the page send a packet.

        Raises:
            HolderLost: The page could not send the packet, or does not respond.
            RoomNotHeld: The page lost its connection and did not reconnect within 5 s.
        """
        await self._until_steady()
        if not self._is_in or self._is_silent:
            raise HolderLost(VANISHED)
        request = uuid.uuid4().hex
        answer = self._answers[request] = asyncio.get_running_loop().create_future()
        message = {"type": "room_send", "session_id": self._room.session_id, "request": request}
        self._send_to_page({**message, "payload": payload.decode()})
        try:
            if not self._is_prompt:
                # the page's reply may be stuck behind the very cell that is making this call
                return
            async with asyncio.timeout(config.HOLDER_LIMIT):
                problem = await answer
        except TimeoutError:
            raise HolderLost(VANISHED) from None
        finally:
            del self._answers[request]
        if problem is not None:
            raise HolderLost(f"The page could not send the packet: {problem}")

    async def _until_steady(self) -> None:
        try:
            async with asyncio.timeout(config.HOLDER_LIMIT):
                await self._steady.wait()
        except TimeoutError:
            raise RoomNotHeld(RECONNECTING, session_id=self._room.session_id, remedy="Try again in a moment.") from None

    def settle(self, request: str, problem: str | None) -> None:
        """Record that the page has sent a packet, or the reason why it could not."""
        answer = self._answers.get(request)
        if answer is not None and not answer.done():
            answer.set_result(problem)

    async def leave(self) -> None:
        """Make the page leave the room, and wait until it has left.

        This does not wait if the session is over or stopping, the page is gone, or a running cell could delay the
        page's reply.
        """
        self._is_in = False
        is_over = self._session.state.is_final or self._session.state is SessionState.STOPPING
        reason = OVER if is_over else GIVEN_AWAY
        self._send_to_page({"type": "room_leave", "session_id": self._room.session_id, "reason": reason})
        if self._is_prompt and self.is_there and not is_over:
            await self._out.wait()
        self._silence.end()
        self._out.set()

    def forget(self) -> None:
        """Stop waiting for the page, because the session is over."""
        self._silence.end()
        self._out.set()

    def _send_to_page(self, message: dict[str, Any]) -> None:
        if self._view is not None:
            self._view.send_to_page(self.page, message)

    def _fall_silent(self) -> None:
        logger.info("session %s: the page in its room has stopped responding", self._room.session_id)
        self._is_silent = True
        self._room.drop(self, VANISHED)


class PageAudio:
    """Sends the avatar's speech to one page; used for rooms without media, where pages draw the avatar.

    The speech goes to the first page that shows the session, for as long as that page does so. If this page
    could disappear unnoticed, the speech goes to the newest page instead.

    Args:
        room: The session's connection to the room.
    """

    def __init__(self, room: RoomConnection) -> None:
        self._session_id = room.session_id
        self._on_sound = room.on_sound
        self._views: WeakSet[Any] = WeakSet()
        self._page: str | None = None
        self._is_prompt = False
        self._unsubscribe: Callable[[], None] | None = None
        self._silence = SilenceTimer(self.end)

    def hear(self, view: View, command: Command) -> None:
        """Handle a command that a page showing the session sent through the widget `view`."""
        is_other = command.page != self._page
        if is_other and self._page is not None and command.name == "ready" and not self._is_prompt:
            self.end()
        if self._page is None:
            self._page = command.page
            self._unsubscribe = self._on_sound(self._send)
        if command.page == self._page:
            self._is_prompt = command.is_prompt
            self._views.add(view)
            self._silence.begin(command)

    def drop(self, view: View) -> None:
        """Forget a widget that is gone."""
        self._views.discard(view)
        if not self._views:
            self.end()

    def leave(self, page: str) -> None:
        """Record that a page no longer shows the session."""
        if page == self._page:
            self.end()

    def end(self) -> None:
        """Stop sending speech to the page."""
        self._silence.end()
        unsubscribe, self._unsubscribe, self._page = self._unsubscribe, None, None
        self._views.clear()
        if unsubscribe is not None:
            unsubscribe()

    def _send(self, pcm: bytes) -> None:
        message: dict[str, Any] = {"type": "sound", "session_id": self._session_id}
        if not pcm:
            message["hush"] = True
        for view in list(self._views):
            view.send_sound(self._page or "", message, pcm)


class Pages:
    """All pages, of any widget, that are in a session's room or play the session's speech."""

    def __init__(self) -> None:
        self._holders: dict[AsyncSession, dict[str, PageHolder]] = {}
        self._audio: dict[AsyncSession, PageAudio] = {}

    def holder(self, session: AsyncSession, room: RoomConnection, page: str) -> PageHolder:
        """Return the `PageHolder` of a page that is in the room or may join; create one if necessary."""
        known = self._holders.setdefault(session, {})
        if page not in known:
            if len(known) >= PAGES:
                # a limit is needed because each page chooses its own id
                oldest = min(known.values(), key=lambda holder: (holder.is_in, holder.is_there))
                known.pop(oldest.page).go()
            known[page] = PageHolder(page, session, room)
        return known[page]

    def of(self, session: AsyncSession) -> list[PageHolder]:
        """Return the pages that are, or were, in a session's room."""
        return list(self._holders.get(session, {}).values())

    def find(self, session_id: str) -> AsyncSession | None:
        """Return the session with this id; None if no page has been in its room."""
        return next((session for session in list(self._holders) if session.id == session_id), None)

    async def hear(self, view: View, command: Command) -> None:
        """Handle any kind of command that a page sent through the widget `view`."""
        for holder in self._all(command.page):
            await holder.hear(view, command)

    def settle(self, page: str, request: str, problem: str | None) -> None:
        """Record that a page has sent a packet, or the reason why it could not."""
        for holder in self._all(page):
            holder.settle(request, problem)

    def listen(self, session: AsyncSession, room: RoomConnection, view: View, command: Command) -> None:
        """Handle a command from a page that shows a session and draws its avatar."""
        audio = self._audio.get(session)
        if audio is None:
            audio = self._audio[session] = PageAudio(room)
        audio.hear(view, command)

    def unlisten(self, session: AsyncSession, page: str) -> None:
        """Record that a page no longer shows the session."""
        audio = self._audio.get(session)
        if audio is not None:
            audio.leave(page)

    def drop(self, view: View) -> None:
        """Forget a widget that is gone, and the pages whose last command came through that widget."""
        for audio in list(self._audio.values()):
            audio.drop(view)
        for known in list(self._holders.values()):
            for holder in list(known.values()):
                if holder.was_heard_by(view):
                    holder.go()

    def tidy(self) -> None:
        """Forget the sessions that are over."""
        for session in [known for known in {*self._holders, *self._audio} if known.state.is_final]:
            for holder in self._holders.pop(session, {}).values():
                holder.forget()
            if (audio := self._audio.pop(session, None)) is not None:
                audio.end()

    def _all(self, page: str) -> list[PageHolder]:
        return [known[page] for known in list(self._holders.values()) if page in known]


pages = Pages()
