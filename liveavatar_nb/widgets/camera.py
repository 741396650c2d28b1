"""`Camera`: snapshots and recordings of what a page shows, asked for by Python or by a click in the page."""

from __future__ import annotations

import asyncio
import functools
import logging
import threading
import time
import uuid
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import traitlets

from ..bridge import bridge
from ..errors import InvalidArgument, LiveAvatarException, ViewError
from ..holder import RoomLine
from ..progress import is_shown
from ..session import AsyncSession
from ..threads import on_own_thread
from .channel import Command
from .holders import SILENCE, Silence
from .problem import problem_of
from .recordings import (
    CLICKED_MEGABYTES,
    CLICKED_SECONDS,
    RECORDING_MEGABYTES,
    RECORDING_SECONDS,
    Pictures,
    Recording,
    image_module,
    limits,
    opened,
    place_of,
    write_beside,
)
from .room import LONGEST_WORDS, RoomView, is_open, word

if TYPE_CHECKING:
    from PIL.Image import Image

logger = logging.getLogger("liveavatar_nb.widgets")

R = TypeVar("R")

PAGES = 16  # whose newest words are known
PATIENCE = 10.0  # s that a page has for what is asked of it
HELD_UP = "This host brings what the page sends only when the cell has ended."


class Camera(RoomView):
    """A widget whose page takes pictures and records.

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
        self._recording: Recording | None = None
        self._is_recorded = asyncio.Event()
        self._filing = asyncio.Lock()
        self._recorder_silence = Silence(self._recorder_is_gone)
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
        return self._wait(self._snapshot(_seconds(timeout), _holds_up()))

    @property
    def last_snapshot(self) -> Image | None:
        """The newest picture, whoever took it; None before the first.

        Raises:
            ConfigurationError: Pillow is not installed (extra `media`).
        """
        return None if self._last_snapshot is None else opened(self._last_snapshot)

    def record(
        self,
        path: str | Path | None = None,
        *,
        seconds: float = RECORDING_SECONDS,
        megabytes: float = RECORDING_MEGABYTES,
        timeout: float = PATIENCE,
    ) -> None:
        """Begins to record what the page shows, with the avatar's sound; `stop_recording` ends it.

        Args:
            path: of the file, which must not be there yet; beside the notebook, named by the time, when not given.
                It ends in `.webm`, or `.mp4` where the browser records that.
            seconds: after which it ends by itself.
            megabytes: of 2**20 bytes, after which it ends by itself.
            timeout: seconds in which the page must have begun.

        Raises:
            InvalidArgument: a limit or a path that cannot be used.
            ViewError: no session is live, no page shows the view, one records already, or it cannot record.
        """
        place = place_of(path)
        self._wait(self._record(place, *limits(seconds, megabytes), _seconds(timeout), _holds_up()))

    def stop_recording(self, *, timeout: float = PATIENCE) -> Path:
        """Ends the recording, and gives its file's path; one that has ended by itself, too.

        Args:
            timeout: seconds in which the page must have sent the rest; after that, what came is the recording.

        Raises:
            ViewError: none was begun, or nothing came of it.
        """
        return self._wait(self._stop_recording(_seconds(timeout), _holds_up()))

    def close(self) -> None:
        """Takes the widget from the page, and ends what it records."""
        super().close()
        if self.widget_id and self._client.is_closed:
            self._end_recording()

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
                self._tell_view(_not_written(failure))
                return
        self._write(saved=_saved("snapshot", path, None, len(content)), view_problem=None)
        self._done(str(request), content)

    async def do_recording(
        self,
        *,
        request: str,
        part: int,
        data: str,
        is_last: bool,
        seconds: float,
        problem: str | None = None,
    ) -> None:
        """A part of a recording, or why there is none."""
        request, part = str(request), int(part)
        async with self._filing:
            recording = self._recording_of(request, part, is_refused=bool(problem))
            if recording is None:
                return
            try:
                if problem:
                    raise ViewError(str(problem)[:LONGEST_WORDS])
                reached = await on_own_thread(functools.partial(recording.take, part, str(data), float(seconds)))
            except (LiveAvatarException, OSError) as failure:
                self._tell_recorder(recording)
                self._fail(request, failure if isinstance(failure, LiveAvatarException) else _not_written(failure))
                self._end_recording()
                return
            self._done(request, None)
            if reached is not None:
                self._tell_recorder(recording)
                self._tell_view(ViewError(f"{reached} It was ended there, and kept."))
            if reached is not None or is_last:
                self._end_recording()
            else:
                self._recorder_silence.begin(word())

    async def do_cancel_recording(self, request: str) -> None:
        """The page drops what it has recorded."""
        async with self._filing:
            recording = self._recording
            if recording is not None and not recording.is_over and recording.request == str(request):
                await on_own_thread(recording.discard)
                self._end_recording()

    async def do_dismiss_view(self) -> None:
        """The problem was read."""
        self._write(view_problem=None)

    # what is asked of pages

    def _wait(self, work: Coroutine[Any, Any, R]) -> R:
        try:
            return bridge.call(work)
        finally:
            bridge.close_if_unused()

    async def _snapshot(self, limit: float, is_held_up: bool) -> Image:
        content: bytes = await self._ask("snapshot", uuid.uuid4().hex, limit, is_held_up=is_held_up)
        return await on_own_thread(functools.partial(opened, content))

    async def _record(self, place: Path | None, seconds: float, size: int, limit: float, is_held_up: bool) -> None:
        if self._recording is not None and not self._recording.is_over:
            raise ViewError("A recording is under way already.", remedy="stop_recording() ends it.")
        request = uuid.uuid4().hex
        recording = self._recording = Recording(None, request, place, seconds, size)
        self._is_recorded = asyncio.Event()
        try:
            await self._ask("record", request, limit, is_held_up=is_held_up, seconds=seconds, bytes=size)
        except BaseException:
            self._tell_recorder(recording)
            recording.discard()
            self._recording = None
            raise

    async def _stop_recording(self, limit: float, is_held_up: bool) -> Path:
        recording = self._recording
        if recording is None:
            raise ViewError("Nothing is recorded.", remedy="record() begins.")
        if not recording.is_over:
            self._tell_recorder(recording)
            if is_held_up and not self._is_prompt:
                raise ViewError(
                    HELD_UP, remedy="Its end comes after this cell: view.saved['path'] names the file then."
                )
            try:
                async with asyncio.timeout(limit):
                    await self._is_recorded.wait()
            except TimeoutError:
                logger.warning("the page did not send the rest of a recording within %g s: what came is kept", limit)
                self._end_recording()
        if recording.path is None:
            raise ViewError("Nothing was recorded.")
        return recording.path

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

    # what is recorded

    def _recording_of(self, request: str, part: int, *, is_refused: bool) -> Recording | None:
        """The recording that a part belongs to; a click in the page has begun it where it is the first of one."""
        page, known = word().page, self._recording
        if known is not None and known.request == request:
            known.page = known.page or page
            return None if known.is_over or known.page != page else known
        if known is not None and not known.is_over:
            self.tell_page(page, {"type": "record_stop", "request": request})
            self._tell_view(ViewError("A recording is under way already."))
            return None
        if part != 0:
            self.tell_page(page, {"type": "record_stop", "request": request})
            return None
        made = Recording(page, request, None, *limits(CLICKED_SECONDS, CLICKED_MEGABYTES))
        if not is_refused:
            self._recording, self._is_recorded = made, asyncio.Event()
        return made

    def _end_recording(self) -> None:
        """Gives the file its name: what came of a recording is kept."""
        recording = self._recording
        if recording is None or recording.is_over:
            self._is_recorded.set()
            return
        self._recorder_silence.end()
        try:
            path = recording.finish()
        except OSError as failure:
            self._tell_view(_not_written(failure))
        else:
            if path is not None:
                logger.info("a recording of %.0f s is in %s", recording.seconds, path)
                self._write(saved=_saved("recording", path, recording.seconds, recording.size))
        self._is_recorded.set()

    def _recorder_is_gone(self) -> None:
        logger.warning("the page that recorded is silent: what came is kept")
        self._end_recording()

    def _tell_recorder(self, recording: Recording) -> None:
        self.tell_page(recording.page or "", {"type": "record_stop", "request": recording.request})

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
        if self._client.is_closed:
            # nothing is taken in any more
            self._end_recording()

    async def _let_go(self) -> None:
        await super()._let_go()
        self._end_recording()


def _is_page(line: RoomLine) -> bool:
    return line.holder is not None and line.holder.kind == "page"


def _saved(kind: str, path: Path | None, seconds: float | None, size: int) -> dict[str, Any]:
    return {"kind": kind, "path": None if path is None else str(path), "seconds": seconds, "bytes": size}


def _not_written(failure: OSError) -> ViewError:
    return ViewError(f"It cannot be written: {failure.strerror or failure}.", remedy="Make room, or another folder.")


def _seconds(timeout: Any) -> float:
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not timeout > 0:
        raise InvalidArgument(f"timeout must be seconds, not {timeout!r}.", field="timeout")
    return float(timeout)


def _holds_up() -> bool:
    """Whether this call keeps a kernel's main thread from what pages send the ordinary way."""
    return is_shown() and threading.current_thread() is threading.main_thread()
