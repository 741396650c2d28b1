"""Browser pages in sessions' rooms: `PageHolder` is in one, `Hearing` hears what is said in a drawn one."""

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
from ..rooms.connection import RECONNECTING, HolderKind, HolderLost, RoomLine
from ..session.attention import UNKNOWN, Attention, Unknown
from ..session.options import SessionState
from ..session.session import AsyncSession
from .channel import Command
from .status import BEATS, LONGEST_BEAT

logger = logging.getLogger("liveavatar_nb.widgets")

PAGES: Final = 64  # of one session that are known; who is in the room, or on the way there, goes last
SILENCE: Final = BEATS * LONGEST_BEAT  # s without a word of a page after which it is taken for gone

GIVEN_AWAY: Final = "It is shown elsewhere now."
OVER: Final = "The session is over."
VANISHED: Final = "The page that was in the room does not answer any more."


class Teller(Protocol):
    """A widget, as far as a page in a room needs it."""

    def tell_page(self, page: str, message: dict[str, Any]) -> None:
        """Sends a message to one of the pages that show it."""
        ...

    def tell_sound(self, page: str, message: dict[str, Any], pcm: bytes) -> None:
        """Sends what is said to one of them."""
        ...


class Silence:
    """Calls back where a page has not said a word for too long, in time in which it could have been heard.

    Args:
        callback: what is called.
    """

    def __init__(self, callback: Callable[[], None]) -> None:
        self._callback = callback
        self._timer: asyncio.TimerHandle | None = None
        self._began_at: float | None = None
        self._attention: Attention | Unknown | None = None
        self._attended_at = 0.0

    @property
    def is_long(self) -> bool:
        """Whether no word came for too long, whatever that means."""
        return self._began_at is not None and time.monotonic() - self._began_at > SILENCE

    def begin(self, command: Command) -> None:
        """A word came. Where it is not known what would hold the next one up, its absence means nothing."""
        self.end()
        self._began_at = time.monotonic()
        self._attention = command.attention
        if command.attention is not None:
            self._attended_at = command.attention.seconds
        if command.attention is not UNKNOWN:
            self._timer = asyncio.get_running_loop().call_later(SILENCE, self._look)

    def _look(self) -> None:
        if self._attention is not None:
            left = SILENCE - (self._attention.seconds - self._attended_at)
            if left > 0:
                # a cell held up what it may have said
                self._timer = asyncio.get_running_loop().call_later(max(left, config.ATTENTION_TICK), self._look)
                return
        self._callback()

    def end(self) -> None:
        """Nobody waits for a word any more."""
        self._began_at = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class PageHolder:
    """A browser page that is in a session's room, or on its way there.

    Args:
        page: its id.
        session: whose room.
        line: the way into it.
    """

    kind: HolderKind = "page"

    def __init__(self, page: str, session: AsyncSession, line: RoomLine) -> None:
        self.page = page
        self.could_not = False  # its browser did not reach the room
        self._session = session
        self._line = line
        self._view: Teller | None = None  # the widget by which it was heard last
        self._is_prompt = False
        self._is_in = False
        self._is_silent = False
        self._out = asyncio.Event()
        self._steady = asyncio.Event()  # its connection is not being got back
        self._steady.set()
        self._silence = Silence(self._fall_silent)
        self._answers: dict[str, asyncio.Future[str | None]] = {}

    @property
    def is_in(self) -> bool:
        """Whether it said that it is in the room."""
        return self._is_in

    @property
    def is_there(self) -> bool:
        """Whether it is in the room or on its way, as far as is known."""
        return not self._out.is_set() and not self._is_silent

    def is_by(self, view: Teller) -> bool:
        """Whether it was heard last by that widget."""
        return self._view is view

    async def hear(self, view: Teller, command: Command) -> None:
        """The page said a word."""
        self._view, self._is_prompt = view, command.is_prompt
        if self._out.is_set():
            return
        self._silence.begin(command)
        if self._is_silent:
            self._is_silent = False
            if self._is_in and self._line.holder is None:
                await self._line.hold(self)

    def approach(self, view: Teller, command: Command) -> None:
        """The page is about to join."""
        self._view, self._is_prompt, self._is_silent = view, command.is_prompt, False
        self._out.clear()
        self._silence.begin(command)

    async def enter(self) -> None:
        """The page is in the room."""
        self._out.clear()
        self._is_in, self.could_not = True, False
        self._steady.set()
        await self._line.hold(self)

    def falter(self) -> None:
        """The page's connection is lost, and being got back."""
        self._steady.clear()

    def go(self, words: str | None = None, *, is_contested: bool = False, is_put_out: bool = False) -> None:
        """The page is out of the room, or did not come in; why, where there is something to say."""
        self._silence.end()
        self._is_in = False
        self._out.set()
        self._steady.set()
        if self._line.holder is None and words:
            self._line.tell(words)
        self._line.drop(self, words, is_contested=is_contested, is_put_out=is_put_out)
        for request in list(self._answers):
            self.sent(request, "it has left the room")

    async def send(self, payload: bytes) -> None:
        """Has the page send a packet.

        Raises:
            HolderLost: it did not, or does not answer.
            RoomNotHeld: its connection was lost, and is not back within 5 s.
        """
        await self._until_steady()
        if not self._is_in or self._is_silent:
            raise HolderLost(VANISHED)
        request = uuid.uuid4().hex
        answer = self._answers[request] = asyncio.get_running_loop().create_future()
        told = {"type": "room_send", "session_id": self._line.session_id, "request": request}
        self._tell({**told, "payload": payload.decode()})
        try:
            if not self._is_prompt:
                # the answer may wait for the very cell that waits for this
                return
            async with asyncio.timeout(config.HOLDER_LIMIT):
                problem = await answer
        except TimeoutError:
            raise HolderLost(VANISHED) from None
        finally:
            del self._answers[request]
        if problem is not None:
            raise HolderLost(f"The page could not send it: {problem}")

    async def _until_steady(self) -> None:
        try:
            async with asyncio.timeout(config.HOLDER_LIMIT):
                await self._steady.wait()
        except TimeoutError:
            raise RoomNotHeld(RECONNECTING, session_id=self._line.session_id, remedy="Try again in a moment.") from None

    def sent(self, request: str, problem: str | None) -> None:
        """What became of a packet."""
        answer = self._answers.get(request)
        if answer is not None and not answer.done():
            answer.set_result(problem)

    async def leave(self) -> None:
        """Has the page leave; returns once it has, or at once where it cannot say so."""
        self._is_in = False
        is_over = self._session.state.is_final or self._session.state is SessionState.STOPPING
        reason = OVER if is_over else GIVEN_AWAY
        self._tell({"type": "room_leave", "session_id": self._line.session_id, "reason": reason})
        if self._is_prompt and self.is_there and not is_over:
            await self._out.wait()
        self._silence.end()
        self._out.set()

    def forget(self) -> None:
        """The session is over."""
        self._silence.end()
        self._out.set()

    def _tell(self, message: dict[str, Any]) -> None:
        if self._view is not None:
            self._view.tell_page(self.page, message)

    def _fall_silent(self) -> None:
        logger.info("session %s: the page that was in its room is silent", self._line.session_id)
        self._is_silent = True
        self._line.drop(self, VANISHED)


class Hearing:
    """What is said in a drawn room, on its way to one page: the first that shows it, as long as it does.

    Where the absence of a page does not show, the newest.

    Args:
        line: the session's way into that room.
    """

    def __init__(self, line: RoomLine) -> None:
        self._session_id = line.session_id
        self._on_sound = line.on_sound
        self._views: WeakSet[Any] = WeakSet()
        self._page: str | None = None
        self._is_prompt = False
        self._unsubscribe: Callable[[], None] | None = None
        self._silence = Silence(self.end)

    def hear(self, view: Teller, command: Command) -> None:
        """A page that shows the session by that widget said a word."""
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

    def drop(self, view: Teller) -> None:
        """The widget is gone."""
        self._views.discard(view)
        if not self._views:
            self.end()

    def leave(self, page: str) -> None:
        """A page does not show it any more."""
        if page == self._page:
            self.end()

    def end(self) -> None:
        """Nobody hears it any more."""
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
            view.tell_sound(self._page or "", message, pcm)


class Pages:
    """The pages that are in sessions' rooms, or hear drawn ones, whichever widget shows them."""

    def __init__(self) -> None:
        self._holders: dict[AsyncSession, dict[str, PageHolder]] = {}
        self._hearings: dict[AsyncSession, Hearing] = {}

    def holder(self, session: AsyncSession, line: RoomLine, page: str) -> PageHolder:
        """The page as one that is in that room, or may be."""
        known = self._holders.setdefault(session, {})
        if page not in known:
            if len(known) >= PAGES:
                # a page's id is what the page says that it is
                oldest = min(known.values(), key=lambda one: (one.is_in, one.is_there))
                known.pop(oldest.page).go()
            known[page] = PageHolder(page, session, line)
        return known[page]

    def of(self, session: AsyncSession) -> list[PageHolder]:
        """The pages that are, or were, in a session's room."""
        return list(self._holders.get(session, {}).values())

    def find(self, session_id: str) -> AsyncSession | None:
        """The session of that id, if a page was in its room."""
        return next((session for session in list(self._holders) if session.id == session_id), None)

    async def hear(self, view: Teller, command: Command) -> None:
        """A page said a word by that widget, to whatever end."""
        for holder in self._all(command.page):
            await holder.hear(view, command)

    def sent(self, page: str, request: str, problem: str | None) -> None:
        """What became of a packet that a page was to send."""
        for holder in self._all(page):
            holder.sent(request, problem)

    def listen(self, session: AsyncSession, line: RoomLine, view: Teller, command: Command) -> None:
        """A page shows a session whose room is drawn."""
        hearing = self._hearings.get(session)
        if hearing is None:
            hearing = self._hearings[session] = Hearing(line)
        hearing.hear(view, command)

    def unlisten(self, session: AsyncSession, page: str) -> None:
        """A page does not show that session any more."""
        hearing = self._hearings.get(session)
        if hearing is not None:
            hearing.leave(page)

    def drop(self, view: Teller) -> None:
        """The widget is gone, and with it the pages that were heard by it alone."""
        for hearing in list(self._hearings.values()):
            hearing.drop(view)
        for known in list(self._holders.values()):
            for holder in list(known.values()):
                if holder.is_by(view):
                    holder.go()

    def tidy(self) -> None:
        """Forgets the sessions that are over."""
        for session in [one for one in {*self._holders, *self._hearings} if one.state.is_final]:
            for holder in self._holders.pop(session, {}).values():
                holder.forget()
            if (hearing := self._hearings.pop(session, None)) is not None:
                hearing.end()

    def _all(self, page: str) -> list[PageHolder]:
        return [known[page] for known in list(self._holders.values()) if page in known]


pages = Pages()
