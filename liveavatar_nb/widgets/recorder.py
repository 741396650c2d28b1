"""`Recorder`: recordings of what a page shows, asked for by Python or by a click in the page."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import threading
import uuid
from collections.abc import Mapping
from pathlib import Path

from ..bridge.loop import bridge
from ..concurrency.threads import on_own_thread
from ..errors import LiveAvatarException, ViewError
from .channel import current_command
from .controller import Answer, Controller
from .link import Link
from .page_requests import HELD_UP, PATIENCE, PageRequests, holds_up, patience
from .pages import Silence
from .problem import ShownProblem
from .recordings import (
    CLICKED_MEGABYTES,
    CLICKED_SECONDS,
    RECORDING_MEGABYTES,
    RECORDING_SECONDS,
    Recording,
    limits,
    not_written,
    place_of,
    saved_as,
)
from .room import LONGEST_WORDS

logger = logging.getLogger("liveavatar_nb.widgets")


class Recorder(Controller):
    """Records what the page shows.

    Args:
        link: the tie to the pages.
        requests: what is asked of them.
        problem: where it is shown why there is no recording.
    """

    def __init__(self, link: Link, requests: PageRequests, problem: ShownProblem) -> None:
        self._link = link
        self._requests = requests
        self._problem = problem
        self._recording: Recording | None = None
        self._is_recorded = asyncio.Event()
        self._filing = asyncio.Lock()
        self._silence = Silence(self._keep_what_came)

    def commands(self) -> Mapping[str, Answer]:
        return {"recording": self.receive, "cancel_recording": self.cancel}

    def record(
        self,
        path: str | Path | None = None,
        *,
        seconds: float = RECORDING_SECONDS,
        megabytes: float = RECORDING_MEGABYTES,
        timeout: float = PATIENCE,
    ) -> None:
        """Begin to record what the page shows, with the avatar's sound; `stop_recording` ends it.

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
        """End the recording, and return its file's path; one that has ended by itself, too.

        Args:
            timeout: seconds in which the page must have sent the rest; after that, what came is the recording.

        Raises:
            ViewError: none was begun, or nothing came of it.
        """
        return bridge.call(self._stop_recording(patience(timeout), holds_up()), closes=True)

    async def receive(
        self,
        *,
        request: str,
        part: int,
        data: str,
        is_last: bool,
        seconds: float,
        problem: str | None = None,
    ) -> None:
        """Take in a part of a recording, or why there is none."""
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
                self._tell_page(recording)
                self._requests.fail(
                    request, failure if isinstance(failure, LiveAvatarException) else not_written(failure)
                )
                self._end()
                return
            self._requests.settle(request, None)
            if reached is not None:
                self._tell_page(recording)
                self._problem.show(ViewError(f"{reached} It was ended there, and kept."))
            if reached is not None or is_last:
                self._end()
            else:
                self._silence.begin(current_command())

    async def cancel(self, request: str) -> None:
        """Drop what the page has recorded."""
        async with self._filing:
            recording = self._recording
            if recording is not None and not recording.is_over and recording.request == str(request):
                recording.cease()
                self._silence.end()
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
            await self._requests.ask("record", request, limit, is_held_up=is_held_up, seconds=seconds, bytes=size)
        except BaseException:
            await self._drop(recording)
            raise
        return recording

    async def _drop(self, recording: Recording) -> None:
        """End it, and keep nothing of it: nobody knows that it was begun."""
        self._tell_page(recording)
        recording.discard()
        if self._recording is recording:
            self._recording = None
            self._silence.end()

    async def _stop_recording(self, limit: float, is_held_up: bool) -> Path:
        recording, is_recorded = self._recording, self._is_recorded
        if recording is None:
            raise ViewError("Nothing is recorded.", remedy="record() begins.")
        if not recording.is_over:
            self._tell_page(recording)
            if is_held_up and not self._requests.is_prompt:
                raise ViewError(
                    HELD_UP, remedy="Its end comes after this cell: view.saved['path'] names the file then."
                )
            try:
                async with asyncio.timeout(limit):
                    await is_recorded.wait()
            except TimeoutError:
                logger.warning("the page did not send the rest of a recording within %g s: what came is kept", limit)
                self._end()
        await is_recorded.wait()
        if recording.path is None:
            raise ViewError("Nothing was recorded.")
        return recording.path

    def _recording_of(self, request: str, part: int, *, is_refused: bool) -> Recording | None:
        """Return the recording that a part belongs to; a click has begun it where it is the first of one."""
        page, known = current_command().page, self._recording
        if known is not None and known.request == request:
            known.page = known.page or page
            if known.page != page:
                return None
            if known.is_over:
                # it was silent for too long, and does not know that it was ended
                self._send_stop(request, page)
                return None
            return known
        self._end_forgotten()
        if known is not None and not known.is_over:
            self._send_stop(request, page)
            self._problem.show(ViewError("A recording is under way already."))
            return None
        if part != 0:
            self._send_stop(request, page)
            return None
        made = Recording(page, request, None, *limits(CLICKED_SECONDS, CLICKED_MEGABYTES))
        if not is_refused:
            self._recording, self._is_recorded = made, asyncio.Event()
        return made

    def _end(self) -> None:
        """Give the file its name, on a thread of its own, for the disk may be slow: what came is kept."""
        recording = self._recording
        self._silence.end()
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
        """Give the file its name, and say so."""
        try:
            path = recording.finish()
        except OSError as failure:
            self._problem.show(not_written(failure))
        else:
            if path is not None:
                logger.info("a recording of %.0f s is in %s", recording.seconds, path)
                self._link.write(saved=saved_as("recording", path, recording.seconds, recording.size))

    def _end_forgotten(self) -> None:
        """End a recording whose page is silent, where that was no sign of its absence as long as nobody asked."""
        if self._silence.is_long:
            self._keep_what_came()

    def _keep_what_came(self) -> None:
        logger.warning("the page that recorded is silent: what came is kept")
        self._end()

    def _send_stop(self, request: str, page: str) -> None:
        """Tell a page to end its recording."""
        self._link.send({"type": "record_stop", "request": request}, page=page)

    def _tell_page(self, recording: Recording) -> None:
        self._send_stop(recording.request, recording.page or "")

    def refresh(self) -> None:
        if self._link.client.is_closed:
            # nothing is taken in any more
            self._end()

    def close(self) -> None:
        if self._link.client.is_closed:
            self._end()
        else:
            self._link.submit(self._let_go(), "the recording")

    async def _let_go(self) -> None:
        self._end()
