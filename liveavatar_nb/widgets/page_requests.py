"""`PageRequests`: Python's requests to the page that shows a view, and the page's responses."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from ..errors import InvalidArgument, LiveAvatarException, ViewError
from ..rooms.connection import RoomConnection
from ..session.session import AsyncSession
from ..session.speech.progress import is_shown
from .channel import Command
from .controller import Controller
from .link import Link
from .pages import SILENCE
from .room import is_open
from .status import ShownSession

PAGES: Final = 16  # maximum number of pages whose latest command is kept
PATIENCE: Final = 10.0  # default number of seconds to wait for a page to respond
HELD_UP: Final = "This host delivers the page's messages only when the cell has ended."


class PageRequests(Controller):
    """Sends Python's requests to the page that shows a view, and receives the page's responses.

    Args:
        link: The connection to the pages.
        shown: The session that the pages show.
        on_failure: Called with the error if a request started by a click on the page fails.
    """

    def __init__(self, link: Link, shown: ShownSession, on_failure: Callable[[BaseException], None]) -> None:
        self._link = link
        self._shown = shown
        self._on_failure = on_failure
        self._commands: dict[str, tuple[float, Command]] = {}  # each page's latest command, with its time of arrival
        self._is_prompt = False
        self._news = asyncio.Event()
        self._open: dict[str, asyncio.Future[Any]] = {}

    @property
    def is_prompt(self) -> bool:
        """Whether the latest command came through the control channel, which a running cell does not delay."""
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
        """Wait for a page that shows the view and has video, send it a request, and return the result.

        Args:
            kind: The message's type.
            request: The request's id, which is later passed to `settle` or `fail`.
            limit: The maximum number of seconds to wait for the response.
            is_held_up: Whether the caller keeps the kernel from receiving ordinary widget messages.
            details: The message's other fields.

        Returns:
            The result passed to `settle`.

        Raises:
            ViewError: No session is live, no page shows the view, or the page did not respond in time.
        """
        session = self._shown.session
        if session is None or not is_open(session):
            raise ViewError("No session is live.", remedy="Start one first.")
        answer = self._open[request] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(limit):
                while (command := self._find_page(session)) is None or not _is_seen(session):
                    if command is not None and is_held_up and not command.is_prompt:
                        raise ViewError(HELD_UP, remedy="Click the button in the view.")
                    await self._next_news()
                if is_held_up and not command.is_prompt:
                    raise ViewError(HELD_UP, remedy="Click the button in the view.")
                self._link.send({"type": kind, "request": request, **details}, page=command.page)
                return await answer
        except TimeoutError:
            raise self._late_error(session, limit) from None
        finally:
            del self._open[request]

    def settle(self, request: str, result: Any) -> None:
        """Pass a request's result to the caller that waits for it; a request started by a click has no caller."""
        answer = self._open.get(request)
        if answer is not None and not answer.done():
            answer.set_result(result)

    def fail(self, request: str, failure: LiveAvatarException) -> None:
        """Raise an error in the request's caller, or show it if a click on the page started the request."""
        answer = self._open.get(request)
        if answer is None:
            self._on_failure(failure)
        elif not answer.done():
            answer.set_exception(failure)

    def _find_page(self, session: AsyncSession) -> Command | None:
        """Return the latest command from a page that shows the view, preferably from the page in the room."""
        now = time.monotonic()
        present = [
            (at, command) for at, command in self._commands.values() if not command.is_prompt or now - at < SILENCE
        ]
        holder = None if session.room is None else session.room.holder
        in_room = [command for _, command in present if command.page == getattr(holder, "page", None)]
        if in_room:
            return in_room[0]
        return max(present, key=lambda entry: entry[0])[1] if present else None

    async def _next_news(self) -> None:
        self._news.clear()
        await self._news.wait()

    def _late_error(self, session: AsyncSession, limit: float) -> ViewError:
        command = self._find_page(session)
        if command is None:
            return ViewError(
                f"No page that shows this view responded within {limit:g} s.",
                remedy="Display the view first. If the page has to wait for the cell, click the button in the view.",
            )
        if not _is_seen(session):
            return ViewError(
                "The avatar's video has not started yet.", remedy="Allow more time, for example timeout=30."
            )
        return ViewError(f"The page did not respond within {limit:g} s.", remedy="Click the button in the view.")


def _is_seen(session: AsyncSession) -> bool:
    """Return whether the page shows the avatar, as video or as a drawing."""
    room = session.room
    return room is not None and (room.kind == "drawn" or (room.has_avatar and _is_page(room)))


def _is_page(room: RoomConnection) -> bool:
    return room.holder is not None and room.holder.kind == "page"


def patience(timeout: Any) -> float:
    """Return the timeout in seconds as a float.

    Raises:
        InvalidArgument: The timeout is not a number above 0.
    """
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not timeout > 0:
        raise InvalidArgument(f"timeout must be a number of seconds above 0, not {timeout!r}.", field="timeout")
    return float(timeout)


def holds_up() -> bool:
    """Return whether the calling code keeps the kernel's main thread from receiving ordinary widget messages."""
    return is_shown() and threading.current_thread() is threading.main_thread()
