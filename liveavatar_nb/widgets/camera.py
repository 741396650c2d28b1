"""`Camera`: pictures of what a page shows, asked for by Python or by a click in the page."""

from __future__ import annotations

import asyncio
import functools
import logging
import threading
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import traitlets

from ..bridge.loop import bridge
from ..concurrency.threads import on_own_thread
from ..errors import InvalidArgument, LiveAvatarException, ViewError
from ..rooms.connection import RoomLine
from ..session.session import AsyncSession
from ..session.speech.progress import is_shown
from .channel import Command
from .pages import SILENCE
from .problem import problem_of
from .recordings import Pictures, image_module, opened, write_beside
from .room import LONGEST_WORDS, RoomView, is_open, word

if TYPE_CHECKING:
    from PIL.Image import Image

logger = logging.getLogger("liveavatar_nb.widgets")

PAGES = 16  # whose newest words are known
PATIENCE = 10.0  # s that a page has for what is asked of it
HELD_UP = "This host brings what the page sends only when the cell has ended."


class Camera(RoomView):
    """A widget whose page takes pictures.

    Args:
        la: the client, a `LiveAvatar`.
        traits: of ipywidgets' DOM widgets, `layout` for one.
    """

    view_problem = traitlets.Dict(allow_none=True, default_value=None).tag(sync=True)
    saved = traitlets.Dict(allow_none=True, default_value=None).tag(sync=True)

    def __init__(self, la: Any, **traits: Any) -> None:
        self._commands: dict[str, tuple[float, Command]] = {}  # the newest of each page, and when it came
        self._news = asyncio.Event()
        self._requests: dict[str, asyncio.Future[Any]] = {}
        self._snapshots = Pictures()
        self._last_snapshot: bytes | None = None
        super().__init__(la, **traits)

    def snapshot(self, *, timeout: float = PATIENCE) -> Image:
        """A picture of what the page shows, as a PIL image; see-through where the background was removed.

        It waits for a page that shows the view, and for the avatar's video.

        Args:
            timeout: seconds after which it is given up.

        Raises:
            ConfigurationError: Pillow is not installed (extra `media`).
            ViewError: no session is live, no page shows the view, or it did not answer in time.

        Example:
            >>> view = s.view()
            >>> view.snapshot().save("avatar.png")
        """
        image_module()
        return bridge.call(self._snapshot(patience(timeout), holds_up()), closes=True)

    @property
    def last_snapshot(self) -> Image | None:
        """The newest picture, whoever took it; None before the first.

        Raises:
            ConfigurationError: Pillow is not installed (extra `media`).
        """
        return None if self._last_snapshot is None else opened(self._last_snapshot)

    # commands

    async def do_snapshot(
        self,
        *,
        request: str,
        width: int,
        height: int,
        part: int,
        parts: int,
        data: str,
        problem: str | None = None,
    ) -> None:
        """A part of a picture, or why there is none; of one that the page's own button took where `request` is ""."""
        try:
            if problem:
                raise ViewError(str(problem)[:LONGEST_WORDS])
            content = self._snapshots.receive(word().page, str(request), int(part), int(parts), str(data))
        except LiveAvatarException as failure:
            self._fail(str(request), failure)
            return
        if content is None:
            return
        self._last_snapshot = content
        path = None
        if not request:
            try:
                path = await on_own_thread(functools.partial(write_beside, content, ".png"))
            except OSError as failure:
                self._tell_view(not_written(failure))
                return
        self._write(saved=saved_as("snapshot", path, None, len(content)), view_problem=None)
        self._done(str(request), content)

    async def do_dismiss_view(self) -> None:
        """The problem was read."""
        self._write(view_problem=None)

    # what is asked of pages

    async def _snapshot(self, limit: float, is_held_up: bool) -> Image:
        content: bytes = await self._ask("snapshot", uuid.uuid4().hex, limit, is_held_up=is_held_up)
        return await on_own_thread(functools.partial(opened, content))

    async def _ask(self, kind: str, request: str, limit: float, *, is_held_up: bool, **told: Any) -> Any:
        """Asks the page that shows the view for something, as soon as there is one, and video; what came of it."""
        session = self._shown
        if session is None or not is_open(session):
            raise ViewError("No session is live.", remedy="Start one first.")
        answer = self._requests[request] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(limit):
                while (command := self._shower(session)) is None or not self._is_seen(session, command):
                    if command is not None and is_held_up and not command.is_prompt:
                        raise ViewError(HELD_UP, remedy="Click the button in the view.")
                    await self._next_news()
                if is_held_up and not command.is_prompt:
                    raise ViewError(HELD_UP, remedy="Click the button in the view.")
                self.tell_page(command.page, {"type": kind, "request": request, **told})
                return await answer
        except TimeoutError:
            raise self._late(session, limit) from None
        finally:
            del self._requests[request]

    def _shower(self, session: AsyncSession) -> Command | None:
        """The page that shows the view: the one in the session's room before others."""
        now = time.monotonic()
        there = [
            (at, command) for at, command in self._commands.values() if not command.is_prompt or now - at < SILENCE
        ]
        holder = None if session.room is None else session.room.holder
        in_room = [command for _, command in there if command.page == getattr(holder, "page", None)]
        if in_room:
            return in_room[0]
        return max(there, key=lambda one: one[0])[1] if there else None

    def _is_seen(self, session: AsyncSession, command: Command) -> bool:
        """Whether that page has a picture of the avatar to take."""
        line = session.room
        return line is not None and (line.kind == "drawn" or (line.has_avatar and _is_page(line)))

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
        if not self._is_seen(session, command):
            return ViewError("The avatar's video is not there yet.", remedy="Give it more time: timeout=30.")
        return ViewError(f"The page did not answer within {limit:g} s.", remedy="Click the button in the view.")

    def _done(self, request: str, result: Any) -> None:
        answer = self._requests.get(request)
        if answer is not None and not answer.done():
            answer.set_result(result)

    def _fail(self, request: str, failure: LiveAvatarException) -> None:
        """Tells who asked, or the page."""
        answer = self._requests.get(request)
        if answer is None:
            self._tell_view(failure)
        elif not answer.done():
            answer.set_exception(failure)

    # bookkeeping

    def _tell_view(self, failure: BaseException) -> None:
        self._write(view_problem=problem_of(failure))

    async def _perform(self, command: Command) -> None:
        self._commands[command.page] = time.monotonic(), command
        while len(self._commands) > PAGES:
            del self._commands[next(iter(self._commands))]
        self._news.set()
        await super()._perform(command)

    def _client_changed(self) -> None:
        super()._client_changed()
        self._news.set()


def _is_page(line: RoomLine) -> bool:
    return line.holder is not None and line.holder.kind == "page"


def saved_as(kind: str, path: Path | None, seconds: float | None, size: int) -> dict[str, Any]:
    """What a page is told of what was saved."""
    return {"kind": kind, "path": None if path is None else str(path), "seconds": seconds, "bytes": size}


def not_written(failure: OSError) -> ViewError:
    """The error for a file that cannot be written."""
    return ViewError(f"It cannot be written: {failure.strerror or failure}.", remedy="Make room, or another folder.")


def patience(timeout: Any) -> float:
    """The seconds that a page is waited for.

    Raises:
        InvalidArgument: it is no such time.
    """
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not timeout > 0:
        raise InvalidArgument(f"timeout must be seconds, not {timeout!r}.", field="timeout")
    return float(timeout)


def holds_up() -> bool:
    """Whether this call keeps a kernel's main thread from what pages send the ordinary way."""
    return is_shown() and threading.current_thread() is threading.main_thread()
