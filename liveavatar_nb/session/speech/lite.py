"""`LiteSpeech`: queues the audio of a LITE session, and sends it a little ahead of real time."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from ... import config
from ...concurrency.clock import Clock
from ...concurrency.threads import on_own_thread
from ...errors import AudioError, SessionEnded, UtteranceFailed
from ...protocol import lite
from ...protocol.events import Event
from ...protocol.lite import Command, Framer
from ...protocol.websocket import SocketLost, WebSocket
from ..timings import Stopwatch
from .feed import Feed
from .pacing import Pace
from .tracker import UtteranceTracker
from .transcript import SessionTranscript
from .utterance import AgentState, AsyncUtterance, UtteranceState

logger = logging.getLogger("liveavatar_nb.session")

SILENCE = (lite.SPEAK_INTERRUPTED, lite.BUFFER_CLEARED)


@dataclass(frozen=True)
class PlayRequest:
    """A request to speak audio.

    Attributes:
        utterance: The utterance to update as the avatar says it.
        make: Returns the audio, which may be of any kind.
        rate: The sample rate of raw samples, in Hz.
        grace: Seconds to wait, after the audio should have ended, for the service to confirm that it was spoken; None
            waits indefinitely.
        replace: Whether to silence everything else once the audio has been opened.
        is_awaited: Whether the caller waits for the end and so gets any error; otherwise, errors are logged.
    """

    utterance: AsyncUtterance
    make: Callable[[], Awaitable[Any]]
    rate: float | None
    grace: float | None
    replace: bool
    is_awaited: bool


@dataclass(frozen=True)
class _Queued:
    request: PlayRequest
    feed: Feed

    @property
    def utterance(self) -> AsyncUtterance:
        return self.request.utterance


class LiteSpeech:
    """Sends the audio of a LITE session, and keeps track of what the avatar says.

    Args:
        clock: The clock to use.
        times: Records how soon the avatar begins to speak, and how soon it falls silent when interrupted.
        lines: The transcript to write to.
        on_change: Called on the loop when any of the displayed state has changed.
    """

    def __init__(self, clock: Clock, times: Stopwatch, lines: SessionTranscript, on_change: Callable[[], None]) -> None:
        self._clock = clock
        self._times = times
        self._lines = lines
        self._on_change = on_change
        self._socket: WebSocket | None = None
        self._queue: deque[_Queued] = deque()
        self._current: _Queued | None = None
        self._pump: asyncio.Task[None] | None = None
        self._workers: set[asyncio.Task[None]] = set()
        self._session_id: str | None = None
        self._tracker = UtteranceTracker(clock, self._on_first_word)
        self._pace = Pace(config.SPEECH_LEAD)
        self._interrupted_at: float | None = None
        self._owed: list[Command] = []
        self._preparing: set[AsyncUtterance] = set()
        self._is_held = False
        self._end: SessionEnded | None = None
        self.utterances: deque[AsyncUtterance] = deque(maxlen=config.KEPT_UTTERANCES)

    # state

    @property
    def agent_state(self) -> AgentState:
        """What the avatar is doing."""
        return self._tracker.agent_state

    @property
    def utterance(self) -> AsyncUtterance | None:
        """The utterance that is being said, or else the one that is being sent."""
        return self._tracker.talking or (None if self._current is None else self._current.utterance)

    # commands

    def connect(self, socket: WebSocket) -> None:
        """Use this WebSocket as soon as it is ready."""
        self._socket = socket
        self._session_id = socket.session_id
        self._resume()

    async def enqueue(self, request: PlayRequest) -> None:
        """Queue audio; return once the audio has been opened, or its utterance is over.

        Raises:
            AudioError: The audio cannot be read.
            Exception: Whatever `make` raises.
        """
        utterance = request.utterance
        work = asyncio.create_task(self._prepare(request))
        over = asyncio.create_task(utterance.is_over())
        self._preparing.add(utterance)
        try:
            await asyncio.wait({work, over}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()
        except asyncio.CancelledError:
            # the utterance may already be in the queue
            if self._has(utterance):
                await self.interrupt()
            raise
        finally:
            self._preparing.discard(utterance)
            work.cancel()
            over.cancel()

    async def _prepare(self, request: PlayRequest) -> None:
        utterance, feed = request.utterance, Feed(asyncio.get_running_loop())
        try:
            audio = await request.make()
            await on_own_thread(lambda: feed.open(audio, request.rate))
            if request.replace and not utterance.state.is_final:
                self._silence(spare=utterance)
                await self._send_command(lite.interrupt(str(uuid.uuid4())))
        except BaseException:
            await feed.discard()
            raise
        if utterance.state.is_final:
            # the utterance was interrupted, or the session ended, while the audio was being opened
            await feed.discard()
            return
        assert feed.sound is not None
        utterance.open(feed.sound.name, feed.sound.seconds)
        self.utterances.append(utterance)
        self._queue.append(_Queued(request, feed))
        self._resume()
        self._on_change()

    def _has(self, utterance: AsyncUtterance) -> bool:
        """Return whether an utterance is in the queue or being said."""
        queued = [entry.utterance for entry in (*self._queue, *filter(None, [self._current]))]
        return utterance in queued or utterance.is_open

    async def interrupt(self) -> None:
        """Stop talking immediately, and clear the queue; no more audio is sent."""
        self._silence()
        await self._send_command(lite.interrupt(str(uuid.uuid4())))

    async def listen(self, *, start: bool) -> None:
        """Show the listening pose or the idle pose while the avatar is silent."""
        self._tracker.rest(AgentState.LISTENING if start else AgentState.IDLE)
        await self._send_command(lite.listen(str(uuid.uuid4()), start=start))

    async def _send_command(self, command: Command) -> None:
        """Send a command as soon as the WebSocket is ready, and before any audio.

        A command that cannot be sent now is sent once the WebSocket is ready again, because the avatar may still be
        talking even if the connection was cut.
        """
        if self._end is not None:
            return
        try:
            if self._socket is None:
                raise SocketLost
            await self._socket.send(command)
        except SocketLost:
            self._owed = [*(owed for owed in self._owed if owed.type != command.type), command]
            self._interrupted_at = None
            self._resume()

    # events

    def receive(self, event: Event) -> list[Event]:
        """Handle an event; return the events to pass on in its place."""
        before = self._tracker.agent_state, self._tracker.talking
        events = self._tracker.receive(event)
        is_silent = event.type in SILENCE or event.agent_state in (AgentState.IDLE, AgentState.LISTENING)
        if self._interrupted_at is not None and is_silent:
            self._times.sample("interrupt_to_silence", self._clock.monotonic() - self._interrupted_at)
            self._interrupted_at = None
        self._drop_ended()
        if before != (self._tracker.agent_state, self._tracker.talking):
            self._on_change()
        return events

    def lost(self) -> None:
        """Fail the utterances sent so far, because the WebSocket is lost; keep the queued ones."""
        self._pace.reset()
        self._interrupted_at = None
        failure = UtteranceFailed("The WebSocket was lost during the utterance.", session_id=self._session_id)
        for utterance in self._tracker.lose(failure):
            logger.warning("utterance %s failed: the WebSocket was lost", utterance.name)
        self._drop_ended()
        self._on_change()

    def hold(self) -> None:
        """Send nothing more, because the session is being stopped."""
        self._is_held = True
        if self._pump is not None:
            self._pump.cancel()

    def close(self, end: SessionEnded) -> None:
        """End every utterance, because the session is over."""
        self._end = end
        self._owed = []
        self._tracker.lose(end)
        self._end_all(UtteranceState.FAILED, end)

    def _drop_ended(self) -> None:
        """If the current utterance is over, stop sending it and go on to the next one in the queue."""
        if self._current is not None and self._current.utterance.state.is_final:
            self._stop_pump()
            self._resume()

    # internals

    def _resume(self) -> None:
        is_idle = self._pump is None or self._pump.done()
        if is_idle and not self._is_held and self._socket is not None and (self._queue or self._owed):
            self._pump = asyncio.create_task(self._run(), name="liveavatar_nb speech")

    def _stop_pump(self) -> None:
        """Stop sending the current utterance, and forget it."""
        if self._pump is not None:
            self._pump.cancel()
        self._pump = self._current = None

    def _silence(self, spare: AsyncUtterance | None = None) -> None:
        self._pace.reset()
        is_heard = bool(self._tracker.interrupt()) or self._tracker.agent_state is AgentState.TALKING
        if is_heard and self._interrupted_at is None:
            self._interrupted_at = self._clock.monotonic()
        self._end_all(UtteranceState.INTERRUPTED, spare=spare)
        self._on_change()

    def _end_all(
        self, state: UtteranceState, error: Exception | None = None, *, spare: AsyncUtterance | None = None
    ) -> None:
        """End every utterance that is being prepared, queued or sent."""
        ending = self._preparing - {spare}
        if self._current is not None:
            ending.add(self._current.utterance)
        self._stop_pump()
        while self._queue:
            queued = self._queue.popleft()
            ending.add(queued.utterance)
            self._spawn(queued.feed.discard())
        for utterance in ending:
            utterance.finish(state, error)

    async def _run(self) -> None:
        while self._queue or self._owed:
            await self._ready()
            if self._queue:
                queued = self._current = self._queue.popleft()
                await self._say(queued)
                self._current = None
                self._on_change()

    async def _ready(self) -> WebSocket:
        """Wait until the WebSocket is ready and all postponed commands have been sent; return the WebSocket."""
        assert self._socket is not None
        await self._socket.ready.wait()
        while self._owed and self._socket.ready.is_set():
            await self._send_command(self._owed.pop(0))
        return self._socket

    async def _say(self, queued: _Queued) -> None:
        utterance, framer = queued.utterance, Framer()
        try:
            async with contextlib.aclosing(queued.feed.pieces()) as pieces:
                async for piece in pieces:
                    for frame in framer.push(piece):
                        await self._send(frame, utterance)
            if rest := framer.rest():
                await self._send(rest, utterance)
            if not utterance.seconds:
                raise AudioError(f"{utterance.name!r} contains no audio. It ends before the first sample.")
            self._complete(queued)
            await (await self._ready()).send(lite.speak_end(utterance.id))
        except SocketLost:
            # the utterance is ended by `lost` or, if the session is over, by `close`
            pass
        except Exception as failure:  # noqa: BLE001 (reading the user's audio may raise anything)
            await self._break_off(queued, failure)
        finally:
            self._spawn(queued.feed.close())

    async def _send(self, frame: bytes, utterance: AsyncUtterance) -> None:
        """Send one frame when it is due."""
        while (wait := self._pace.wait(self._clock.monotonic())) > 0:
            await self._clock.sleep(wait)
        socket = await self._ready()
        if not utterance.seconds:
            self._tracker.begin(utterance)
        command = lite.speak(frame, utterance.id)
        utterance.sent(command.seconds)
        self._pace.sent(command.seconds, self._clock.monotonic())
        await socket.send(command)

    def _complete(self, queued: _Queued) -> None:
        """Record that all the audio has been sent; wait in the background for the service to confirm the end."""
        assert queued.feed.sound is not None
        utterance, notes = queued.utterance, queued.feed.sound.notes
        utterance.complete(notes)
        for note in () if queued.request.is_awaited else notes:
            logger.warning("sound %s: %s", utterance.name, note)
        if queued.request.grace is not None:
            self._spawn(self._watch(utterance, queued.request.grace))

    async def _break_off(self, queued: _Queued, failure: Exception) -> None:
        """Fail an utterance whose audio cannot be read any further; the avatar still says what was sent."""
        utterance = queued.utterance
        if not queued.request.is_awaited:
            traceback = None if isinstance(failure, AudioError) else failure
            logger.warning("utterance %s failed: %s", utterance.name, failure, exc_info=traceback)
        is_open = utterance.is_open
        self._fail(utterance, failure)
        if is_open:
            with contextlib.suppress(SocketLost):
                await (await self._ready()).send(lite.speak_end(utterance.id))

    async def _watch(self, utterance: AsyncUtterance, grace: float) -> None:
        left = self._pace.left(self._clock.monotonic())
        if not await utterance.is_over_within(left + grace):
            message = f"The service did not confirm that {utterance.name!r} was spoken within {grace:g} s of its end."
            self._fail(utterance, UtteranceFailed(message, session_id=self._session_id))

    def _fail(self, utterance: AsyncUtterance, failure: Exception) -> None:
        self._tracker.drop(utterance)
        if utterance.finish(UtteranceState.FAILED, failure):
            self._on_change()

    def _on_first_word(self, utterance: AsyncUtterance) -> None:
        """Record the time of an utterance's first word, and add its text to the transcript."""
        self._interrupted_at = None
        if utterance.lag is not None:
            self._times.sample("first_word", utterance.lag)
        if utterance.text:
            self._lines.finish("avatar", utterance.id, utterance.text)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._workers.add(task)
        task.add_done_callback(self._workers.discard)
        task.add_done_callback(_log_failure)


def _log_failure(task: asyncio.Task[None]) -> None:
    """Log any error raised while closing a user's iterator, since nobody is waiting for the result."""
    if not task.cancelled() and (failure := task.exception()) is not None:
        logger.warning("closing an audio source failed: %s", failure, exc_info=failure)
