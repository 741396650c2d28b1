"""`PageRequests`: what Python asks of the page that shows a view, and the page's answers."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from ..errors import InvalidArgument, LiveAvatarException, ViewError
from ..rooms.connection import RoomLine
from ..session.session import AsyncSession
from ..session.speech.progress import is_shown
from .channel import Command
from .controller import Controller
from .link import Link
from .pages import SILENCE
from .room import is_open
from .status import ShownSession

PAGES: Final = 16  # whose newest words are known
PATIENCE: Final = 10.0  # s that a page has for what is asked of it
HELD_UP: Final = "This host brings what the page sends only when the cell has ended."


class PageRequests(Controller):
    """What Python asks of the page that shows a view, and the page's answers.

    Args:
        link: the tie to the pages.
        shown: the session that they show.
        on_failure: shows why a page could not do what a click in it asked for.
    """

    def __init__(self, link: Link, shown: ShownSession, on_failure: Callable[[BaseException], None]) -> None:
        self._link = link
        self._shown = shown
        self._on_failure = on_failure
        self._commands: dict[str, tuple[float, Command]] = {}  # the newest of each page, and when it came
        self._is_prompt = False
        self._news = asyncio.Event()
        self._open: dict[str, asyncio.Future[Any]] = {}

    @property
    def is_prompt(self) -> bool:
        """Whether the newest word of a page came by a way that no cell holds up."""
        return self._is_prompt

    async def hear(self, command: Command) -> None:
        self._commands[command.page] = time.monotonic(), command
        while len(self._commands) > PAGES:
            del self._commands[next(iter(self._commands))]
        self._is_prompt = command.is_prompt
        self._news.set()

    def refresh(self) -> None:
        self._news.set()

    async def ask(self, kind: str, request: str, limit: float, *, is_held_up: bool, **details: Any) -> Any:
        """Ask the page that shows the view for something, as soon as there is one, and video.

        Args:
            kind: of the message.
            request: its id, by which `settle` or `fail` answer it.
            limit: seconds after which it is given up.
            is_held_up: whether the caller keeps the kernel from what pages send the ordinary way.
            details: what else is in the message.

        Returns:
            What `settle` is called with.

        Raises:
            ViewError: no session is live, no page shows the view, or it did not answer in time.
        """
        session = self._shown.session
        if session is None or not is_open(session):
            raise ViewError("No session is live.", remedy="Start one first.")
        answer = self._open[request] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(limit):
                while (command := self._shower(session)) is None or not _is_seen(session):
                    if command is not None and is_held_up and not command.is_prompt:
                        raise ViewError(HELD_UP, remedy="Click the button in the view.")
                    await self._next_news()
                if is_held_up and not command.is_prompt:
                    raise ViewError(HELD_UP, remedy="Click the button in the view.")
                self._link.send({"type": kind, "request": request, **details}, page=command.page)
                return await answer
        except TimeoutError:
            raise self._late(session, limit) from None
        finally:
            del self._open[request]

    def settle(self, request: str, result: Any) -> None:
        """Give who asked what came of it; nobody, if it was a click in the page."""
        answer = self._open.get(request)
        if answer is not None and not answer.done():
            answer.set_result(result)

    def fail(self, request: str, failure: LiveAvatarException) -> None:
        """Tell who asked, or the page, why nothing came of it."""
        answer = self._open.get(request)
        if answer is None:
            self._on_failure(failure)
        elif not answer.done():
            answer.set_exception(failure)

    def _shower(self, session: AsyncSession) -> Command | None:
        """Return the page that shows the view, by its newest word: the one in the session's room before others."""
        now = time.monotonic()
        there = [
            (at, command) for at, command in self._commands.values() if not command.is_prompt or now - at < SILENCE
        ]
        holder = None if session.room is None else session.room.holder
        in_room = [command for _, command in there if command.page == getattr(holder, "page", None)]
        if in_room:
            return in_room[0]
        return max(there, key=lambda one: one[0])[1] if there else None

    async def _next_news(self) -> None:
        self._news.clear()
        await self._news.wait()

    def _late(self, session: AsyncSession, limit: float) -> ViewError:
        command = self._shower(session)
        if command is None:
            return ViewError(
                f"No page that shows this view was heard within {limit:g} s.",
                remedy="Display it first; where pages have to wait for the cell, click the button in the view.",
            )
        if not _is_seen(session):
            return ViewError("The avatar's video is not there yet.", remedy="Give it more time: timeout=30.")
        return ViewError(f"The page did not answer within {limit:g} s.", remedy="Click the button in the view.")


def _is_seen(session: AsyncSession) -> bool:
    """Tell whether the page has a picture of the avatar to take."""
    line = session.room
    return line is not None and (line.kind == "drawn" or (line.has_avatar and _is_page(line)))


def _is_page(line: RoomLine) -> bool:
    return line.holder is not None and line.holder.kind == "page"


def patience(timeout: Any) -> float:
    """Return the seconds that a page is waited for.

    Raises:
        InvalidArgument: it is no such time.
    """
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not timeout > 0:
        raise InvalidArgument(f"timeout must be seconds, not {timeout!r}.", field="timeout")
    return float(timeout)


def holds_up() -> bool:
    """Tell whether this call keeps a kernel's main thread from what pages send the ordinary way."""
    return is_shown() and threading.current_thread() is threading.main_thread()
