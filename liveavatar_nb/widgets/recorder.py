"""`Recorder`: recordings of what a page shows, asked for by Python or by a click in the page."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import threading
import uuid
from pathlib import Path
from typing import Any

from ..bridge.loop import bridge
from ..concurrency.threads import on_own_thread
from ..errors import LiveAvatarException, ViewError
from .camera import HELD_UP, PATIENCE, Camera, holds_up, not_written, patience, saved_as
from .pages import Silence
from .recordings import (
    CLICKED_MEGABYTES,
    CLICKED_SECONDS,
    RECORDING_MEGABYTES,
    RECORDING_SECONDS,
    Recording,
    limits,
    place_of,
)
from .room import LONGEST_WORDS, word

logger = logging.getLogger("liveavatar_nb.widgets")


class Recorder(Camera):
    """A widget whose page records, and takes pictures.

    Args:
        la: the client, a `LiveAvatar`.
        traits: of ipywidgets' DOM widgets, `layout` for one.
    """

    def __init__(self, la: Any, **traits: Any) -> None:
        self._recording: Recording | None = None
        self._is_recorded = asyncio.Event()
        self._filing = asyncio.Lock()
        self._recorder_silence = Silence(self._recorder_is_gone)
        super().__init__(la, **traits)

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
        work = self._record(place, *limits(seconds, megabytes), patience(timeout), holds_up())
        bridge.call(work, closes=True, undo=self._drop)

    def stop_recording(self, *, timeout: float = PATIENCE) -> Path:
        """Ends the recording, and gives its file's path; one that has ended by itself, too.

        Args:
            timeout: seconds in which the page must have sent the rest; after that, what came is the recording.

        Raises:
            ViewError: none was begun, or nothing came of it.
        """
        return bridge.call(self._stop_recording(patience(timeout), holds_up()), closes=True)

    def close(self) -> None:
        """Takes the widget from the page, and ends what it records."""
        super().close()
        if self.widget_id and self._client.is_closed:
            self._end_recording()

    # commands

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
        request, part, seconds = str(request), int(part), float(seconds)
        async with self._filing:
            recording = self._recording_of(request, part, is_refused=bool(problem))
            if recording is None:
                return
            try:
                if problem:
                    raise ViewError(str(problem)[:LONGEST_WORDS])
                reached = await on_own_thread(functools.partial(recording.take, part, str(data), seconds))
            except (LiveAvatarException, OSError) as failure:
                self._tell_recorder(recording)
                self._fail(request, failure if isinstance(failure, LiveAvatarException) else not_written(failure))
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
                recording.cease()
                self._recorder_silence.end()
                await on_own_thread(recording.discard)
                self._is_recorded.set()

    # what is recorded

    async def _record(self, place: Path | None, seconds: float, size: int, limit: float, is_held_up: bool) -> Recording:
        self._end_forgotten()
        if self._recording is not None and not self._recording.is_over:
            raise ViewError("A recording is under way already.", remedy="stop_recording() ends it.")
        request = uuid.uuid4().hex
        recording = self._recording = Recording(None, request, place, seconds, size)
        self._is_recorded = asyncio.Event()
        try:
            await self._ask("record", request, limit, is_held_up=is_held_up, seconds=seconds, bytes=size)
        except BaseException:
            await self._drop(recording)
            raise
        return recording

    async def _drop(self, recording: Recording) -> None:
        """Ends it, and keeps nothing of it: nobody knows that it was begun."""
        self._tell_recorder(recording)
        recording.discard()
        if self._recording is recording:
            self._recording = None
            self._recorder_silence.end()

    async def _stop_recording(self, limit: float, is_held_up: bool) -> Path:
        recording, is_recorded = self._recording, self._is_recorded
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
                    await is_recorded.wait()
            except TimeoutError:
                logger.warning("the page did not send the rest of a recording within %g s: what came is kept", limit)
                self._end_recording()
        await is_recorded.wait()
        if recording.path is None:
            raise ViewError("Nothing was recorded.")
        return recording.path

    def _recording_of(self, request: str, part: int, *, is_refused: bool) -> Recording | None:
        """The recording that a part belongs to; a click in the page has begun it where it is the first of one."""
        page, known = word().page, self._recording
        if known is not None and known.request == request:
            known.page = known.page or page
            if known.page != page:
                return None
            if known.is_over:
                # it was silent for too long, and does not know that it was ended
                self.tell_page(page, {"type": "record_stop", "request": request})
                return None
            return known
        self._end_forgotten()
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
        """Has the file get its name, on a thread of its own, for the disk may be slow: what came is kept."""
        recording = self._recording
        self._recorder_silence.end()
        if recording is None or recording.is_over:
            return
        recording.cease()
        args = recording, self._is_recorded, asyncio._get_running_loop()
        # no daemon: the interpreter waits until the file is whole
        threading.Thread(target=self._file, args=args, name="liveavatar_nb-recording").start()

    def _file(self, recording: Recording, is_recorded: asyncio.Event, loop: asyncio.AbstractEventLoop | None) -> None:
        try:
            self._keep(recording)
        finally:
            if loop is not None:
                with contextlib.suppress(RuntimeError):  # it is closed: nobody waits
                    loop.call_soon_threadsafe(is_recorded.set)

    def _keep(self, recording: Recording) -> None:
        """Gives the file its name, and says so."""
        try:
            path = recording.finish()
        except OSError as failure:
            self._tell_view(not_written(failure))
        else:
            if path is not None:
                logger.info("a recording of %.0f s is in %s", recording.seconds, path)
                self._write(saved=saved_as("recording", path, recording.seconds, recording.size))

    def _end_forgotten(self) -> None:
        """Ends a recording whose page is silent, where that was no sign of its absence as long as nobody asked."""
        if self._recorder_silence.is_long:
            self._recorder_is_gone()

    def _recorder_is_gone(self) -> None:
        logger.warning("the page that recorded is silent: what came is kept")
        self._end_recording()

    def _tell_recorder(self, recording: Recording) -> None:
        self.tell_page(recording.page or "", {"type": "record_stop", "request": recording.request})

    def _client_changed(self) -> None:
        super()._client_changed()
        if self._client.is_closed:
            # nothing is taken in any more
            self._end_recording()

    async def _let_go(self) -> None:
        await super()._let_go()
        self._end_recording()
