"""`Recorder`: recordings of what a page shows, requested from Python or by a click on the page."""

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
from .pages import SilenceTimer
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
        link: The connection to the pages.
        requests: Sends Python's requests to the pages.
        problem: Shows why a recording failed.
    """

    def __init__(self, link: Link, requests: PageRequests, problem: ShownProblem) -> None:
        self._link = link
        self._requests = requests
        self._problem = problem
        self._recording: Recording | None = None
        self._is_recorded = asyncio.Event()
        self._filing = asyncio.Lock()
        self._silence = SilenceTimer(self._end_after_silence)

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
        """Start recording what the page shows, with the avatar's sound; `stop_recording` ends the recording.

        Args:
            path: The file to write, which must not exist yet; by default a file next to the notebook, named after the
                current time. It gets the extension `.webm`, or `.mp4` if the browser records in that format.
            seconds: The length in seconds at which the recording stops automatically.
            megabytes: The size, in units of 2**20 bytes, at which the recording stops automatically.
            timeout: The maximum number of seconds to wait for the page to start recording.

        Raises:
            InvalidArgument: A limit or the path is invalid.
            ViewError: No session is live, no page shows the view, a recording is already running, or the page cannot
                record.
        """
        place = place_of(path)
        work = self._record(place, *limits(seconds, megabytes), patience(timeout), holds_up())
        bridge.call(work, closes=True, undo=self._drop)

    def stop_recording(self, *, timeout: float = PATIENCE) -> Path:
        """Stop the recording, unless it has already stopped, and return the path of its file.

        Args:
            timeout: The maximum number of seconds to wait for the page to send the rest. After that, the recording
                consists of what has arrived.

        Raises:
            ViewError: No recording was started, or nothing was recorded.
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
        """Receive part of a recording, or the reason why there is no recording."""
        request, part, seconds = str(request), int(part), float(seconds)
        async with self._filing:
            recording = self._recording_of(request, part, is_refused=bool(problem))
            if recording is None:
                return
            try:
                if problem:
                    raise ViewError(str(problem)[:LONGEST_WORDS])
                reached = await on_own_thread(functools.partial(recording.receive, part, str(data), seconds))
            except (LiveAvatarException, OSError) as failure:
                self._stop_page(recording)
                self._requests.fail(
                    request, failure if isinstance(failure, LiveAvatarException) else not_written(failure)
                )
                self._end()
                return
            self._requests.settle(request, None)
            if reached is not None:
                self._stop_page(recording)
                self._problem.show(ViewError(f"{reached} The recording was stopped at that point and saved."))
            if reached is not None or is_last:
                self._end()
            else:
                self._silence.begin(current_command())

    async def cancel(self, request: str) -> None:
        """Discard the recording because the page cancelled it."""
        async with self._filing:
            recording = self._recording
            if recording is not None and not recording.is_over and recording.request == str(request):
                recording.cease()
                self._silence.end()
                await on_own_thread(recording.discard)
                self._is_recorded.set()

    # the recording

    async def _record(self, place: Path | None, seconds: float, size: int, limit: float, is_held_up: bool) -> Recording:
        self._end_if_silent()
        if self._recording is not None and not self._recording.is_over:
            raise ViewError("A recording is already running.", remedy="Stop it with stop_recording().")
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
        """Stop and discard a recording that failed to start or that its caller has abandoned."""
        self._stop_page(recording)
        recording.discard()
        if self._recording is recording:
            self._recording = None
            self._silence.end()

    async def _stop_recording(self, limit: float, is_held_up: bool) -> Path:
        recording, is_recorded = self._recording, self._is_recorded
        if recording is None:
            raise ViewError("No recording was started.", remedy="Start a recording with record().")
        if not recording.is_over:
            self._stop_page(recording)
            if is_held_up and not self._requests.is_prompt:
                raise ViewError(
                    HELD_UP, remedy="The recording ends after this cell. Its path is then in view.saved['path']."
                )
            try:
                async with asyncio.timeout(limit):
                    await is_recorded.wait()
            except TimeoutError:
                logger.warning(
                    "the page did not send the rest of a recording within %g s: saving what has arrived", limit
                )
                self._end()
        await is_recorded.wait()
        if recording.path is None:
            raise ViewError("Nothing was recorded.")
        return recording.path

    def _recording_of(self, request: str, part: int, *, is_refused: bool) -> Recording | None:
        """Return the recording that a part belongs to; the first part after a click starts a new one."""
        page, known = current_command().page, self._recording
        if known is not None and known.request == request:
            known.page = known.page or page
            if known.page != page:
                return None
            if known.is_over:
                # the page was silent for too long and does not know that its recording was stopped
                self._send_stop(request, page)
                return None
            return known
        self._end_if_silent()
        if known is not None and not known.is_over:
            self._send_stop(request, page)
            self._problem.show(ViewError("A recording is already running."))
            return None
        if part != 0:
            self._send_stop(request, page)
            return None
        clicked = Recording(page, request, None, *limits(CLICKED_SECONDS, CLICKED_MEGABYTES))
        if not is_refused:
            self._recording, self._is_recorded = clicked, asyncio.Event()
        return clicked

    def _end(self) -> None:
        """Stop the recording and save what has arrived, on a new thread because the disk may be slow."""
        recording = self._recording
        self._silence.end()
        if recording is None or recording.is_over:
            return
        recording.cease()
        args = recording, self._is_recorded, asyncio._get_running_loop()
        # not a daemon thread: the interpreter must wait until the file is complete
        threading.Thread(target=self._finish, args=args, name="liveavatar_nb-recording").start()

    def _finish(self, recording: Recording, is_recorded: asyncio.Event, loop: asyncio.AbstractEventLoop | None) -> None:
        try:
            self._save(recording)
        finally:
            if loop is not None:
                with contextlib.suppress(RuntimeError):  # the loop is closed, so nobody is waiting
                    loop.call_soon_threadsafe(is_recorded.set)

    def _save(self, recording: Recording) -> None:
        """Give the recording's file its final name, and show on the page that it was saved."""
        try:
            path = recording.finish()
        except OSError as failure:
            self._problem.show(not_written(failure))
        else:
            if path is not None:
                logger.info("saved a recording of %.0f s as %s", recording.seconds, path)
                self._link.write(saved=saved_as("recording", path, recording.seconds, recording.size))

    def _end_if_silent(self) -> None:
        """Stop the recording if its page has been silent for too long.

        Time during which a running cell may have held up the page's messages counts as silence.
        """
        if self._silence.is_long:
            self._end_after_silence()

    def _end_after_silence(self) -> None:
        logger.warning("the page that is recording has stopped responding: saving what has arrived")
        self._end()

    def _send_stop(self, request: str, page: str) -> None:
        """Tell a page to stop recording."""
        self._link.send({"type": "record_stop", "request": request}, page=page)

    def _stop_page(self, recording: Recording) -> None:
        self._send_stop(recording.request, recording.page or "")

    def refresh(self) -> None:
        if self._link.client.is_closed:
            # a closed client receives no more parts
            self._end()

    def close(self) -> None:
        if self._link.client.is_closed:
            self._end()
        else:
            self._link.submit(self._release(), "the recording")

    async def _release(self) -> None:
        self._end()
