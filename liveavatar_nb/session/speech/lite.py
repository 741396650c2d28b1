"""`Speech`: what one LITE session says: a queue of utterances, sent a little ahead of real time, hushed at once."""

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
from .tracker import Track
from .transcript import Lines
from .utterance import AgentState, AsyncUtterance, UtteranceState

logger = logging.getLogger("liveavatar_nb.session")

SILENCE = (lite.SPEAK_INTERRUPTED, lite.BUFFER_CLEARED)


@dataclass(frozen=True)
class Order:
    """Something to be said.

    Attributes:
        utterance: tells how far it is.
        make: gives its sound, of any kind.
        rate: Hz of raw samples.
        grace: seconds after its end in which the service is to say that it was spoken; None for any time.
        replace: silence all else once the sound has begun.
        is_awaited: whether somebody waits, and is told of what is amiss; else the log tells.
    """

    utterance: AsyncUtterance
    make: Callable[[], Awaitable[Any]]
    rate: float | None
    grace: float | None
    replace: bool
    is_awaited: bool


@dataclass(frozen=True)
class _Waiting:
    order: Order
    feed: Feed

    @property
    def utterance(self) -> AsyncUtterance:
        return self.order.utterance


class Speech:
    """What one session says and how far that is.

    Args:
        clock: tells the time.
        times: takes down how long a first word, and a silence, was waited for.
        lines: what was said.
        on_change: called on the loop when something of it that is shown has changed.
    """

    def __init__(self, clock: Clock, times: Stopwatch, lines: Lines, on_change: Callable[[], None]) -> None:
        self._clock = clock
        self._times = times
        self._lines = lines
        self._on_change = on_change
        self._socket: WebSocket | None = None
        self._queue: deque[_Waiting] = deque()
        self._current: _Waiting | None = None
        self._pump: asyncio.Task[None] | None = None
        self._workers: set[asyncio.Task[None]] = set()
        self._session_id: str | None = None
        self._track = Track(clock, self._began)
        self._pace = Pace(config.SPEECH_LEAD)
        self._hushed_at: float | None = None
        self._owed: list[Command] = []
        self._preparing: set[AsyncUtterance] = set()
        self._is_held = False
        self._end: SessionEnded | None = None
        self.utterances: deque[AsyncUtterance] = deque(maxlen=config.KEPT_UTTERANCES)

    # what is seen of it

    @property
    def agent_state(self) -> AgentState:
        """What the avatar does."""
        return self._track.agent_state

    @property
    def utterance(self) -> AsyncUtterance | None:
        """The one that is being said, else sent."""
        return self._track.talking or (None if self._current is None else self._current.utterance)

    # what it is told to do

    def connect(self, socket: WebSocket) -> None:
        """By this socket it speaks, as soon as that is ready."""
        self._socket = socket
        self._session_id = socket.session_id
        self._go_on()

    async def take(self, order: Order) -> None:
        """Has something said when what came before is sent; returns once its sound has begun, or it is over.

        Raises:
            AudioError: the sound cannot be read; and what `make` raises.
        """
        utterance = order.utterance
        work = asyncio.create_task(self._prepare(order))
        over = asyncio.create_task(utterance.is_over())
        self._preparing.add(utterance)
        try:
            await asyncio.wait({work, over}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()
        except asyncio.CancelledError:
            # it may wait for its turn already
            if self._holds(utterance):
                await self.interrupt()
            raise
        finally:
            self._preparing.discard(utterance)
            work.cancel()
            over.cancel()

    async def _prepare(self, order: Order) -> None:
        utterance, feed = order.utterance, Feed(asyncio.get_running_loop())
        try:
            audio = await order.make()
            await on_own_thread(lambda: feed.open(audio, order.rate))
            if order.replace and not utterance.state.is_final:
                self._hush(besides=utterance)
                await self._tell(lite.interrupt(str(uuid.uuid4())))
        except BaseException:
            await feed.discard()
            raise
        if utterance.state.is_final:
            # hushed meanwhile, or its session ended
            await feed.discard()
            return
        assert feed.sound is not None
        utterance.open(feed.sound.name, feed.sound.seconds)
        self.utterances.append(utterance)
        self._queue.append(_Waiting(order, feed))
        self._go_on()
        self._on_change()

    def _holds(self, utterance: AsyncUtterance) -> bool:
        """Whether it waits for its turn, or is being said."""
        waiting = [one.utterance for one in (*self._queue, *filter(None, [self._current]))]
        return utterance in waiting or utterance.is_open

    async def interrupt(self) -> None:
        """Silence: what is said, sent or waits is over, and no frame of it is sent any more."""
        self._hush()
        await self._tell(lite.interrupt(str(uuid.uuid4())))

    async def listen(self, *, start: bool) -> None:
        """An attentive pose while it does not talk, or the idle one; at the latest when the avatar is there."""
        self._track.rest(AgentState.LISTENING if start else AgentState.IDLE)
        await self._tell(lite.listen(str(uuid.uuid4()), start=start))

    async def _tell(self, command: Command) -> None:
        """Sends a command now, else as soon as the avatar is there, before any sound: the line may be cut, and the
        service may still say what it held then.
        """
        if self._end is not None:
            return
        try:
            if self._socket is None:
                raise SocketLost
            await self._socket.send(command)
        except SocketLost:
            self._owed = [*(one for one in self._owed if one.type != command.type), command]
            self._hushed_at = None
            self._go_on()

    # what it is told of

    def receive(self, event: Event) -> list[Event]:
        """Takes an event in; gives what is to be told of it."""
        before = self._track.agent_state, self._track.talking
        told = self._track.receive(event)
        is_silent = event.type in SILENCE or event.agent_state in (AgentState.IDLE, AgentState.LISTENING)
        if self._hushed_at is not None and is_silent:
            self._times.sample("interrupt_to_silence", self._clock.monotonic() - self._hushed_at)
            self._hushed_at = None
        self._drop_what_is_over()
        if before != (self._track.agent_state, self._track.talking):
            self._on_change()
        return told

    def lost(self) -> None:
        """The socket was lost: what was on the wire fails, and is not sent again; what waits goes on with the next."""
        self._pace.reset()
        self._hushed_at = None
        failure = UtteranceFailed("The WebSocket was lost while it was being said.", session_id=self._session_id)
        for utterance in self._track.lose(failure):
            logger.warning("utterance %s failed: its WebSocket was lost", utterance.name)
        self._drop_what_is_over()
        self._on_change()

    def hold(self) -> None:
        """The session is being stopped: nothing more is sent."""
        self._is_held = True
        if self._pump is not None:
            self._pump.cancel()

    def close(self, end: SessionEnded) -> None:
        """The session is over, and with it all that was to be said."""
        self._end = end
        self._owed = []
        self._track.lose(end)
        self._end_all(UtteranceState.FAILED, end)

    def _drop_what_is_over(self) -> None:
        """Sends no more of what is over, and goes on with what waits."""
        if self._current is not None and self._current.utterance.state.is_final:
            self._stop_pump()
            self._go_on()

    # how it works

    def _go_on(self) -> None:
        is_idle = self._pump is None or self._pump.done()
        if is_idle and not self._is_held and self._socket is not None and (self._queue or self._owed):
            self._pump = asyncio.create_task(self._run(), name="liveavatar_nb speech")

    def _stop_pump(self) -> None:
        """No frame goes out from here on; what was being sent is nobody's any more."""
        if self._pump is not None:
            self._pump.cancel()
        self._pump = self._current = None

    def _hush(self, besides: AsyncUtterance | None = None) -> None:
        self._pace.reset()
        is_heard = bool(self._track.hush()) or self._track.agent_state is AgentState.TALKING
        if is_heard and self._hushed_at is None:
            self._hushed_at = self._clock.monotonic()
        self._end_all(UtteranceState.INTERRUPTED, besides=besides)
        self._on_change()

    def _end_all(
        self, state: UtteranceState, error: Exception | None = None, *, besides: AsyncUtterance | None = None
    ) -> None:
        """Ends what is being sent, what waits, and what is being got ready."""
        ending = self._preparing - {besides}
        if self._current is not None:
            ending.add(self._current.utterance)
        self._stop_pump()
        while self._queue:
            waiting = self._queue.popleft()
            ending.add(waiting.utterance)
            self._spawn(waiting.feed.discard())
        for utterance in ending:
            utterance.finish(state, error)

    async def _run(self) -> None:
        while self._queue or self._owed:
            await self._ready()
            if self._queue:
                waiting = self._current = self._queue.popleft()
                await self._say(waiting)
                self._current = None
                self._on_change()

    async def _ready(self) -> WebSocket:
        """The socket, once the avatar is there and has been told what could not be sent before."""
        assert self._socket is not None
        await self._socket.ready.wait()
        while self._owed and self._socket.ready.is_set():
            await self._tell(self._owed.pop(0))
        return self._socket

    async def _say(self, waiting: _Waiting) -> None:
        utterance, framer = waiting.utterance, Framer()
        try:
            async with contextlib.aclosing(waiting.feed.pieces()) as pieces:
                async for piece in pieces:
                    for frame in framer.push(piece):
                        await self._send(frame, utterance)
            if rest := framer.rest():
                await self._send(rest, utterance)
            if not utterance.seconds:
                raise AudioError(f"{utterance.name!r} holds no sound: it is over before the first sample.")
            self._complete(waiting)
            await (await self._ready()).send(lite.speak_end(utterance.id))
        except SocketLost:
            # known here first; it is over with the session's end, or once it is known that it is the socket alone
            pass
        except Exception as failure:  # noqa: BLE001 (the sound is the user's, and so is what reading it raises)
            await self._break_off(waiting, failure)
        finally:
            self._spawn(waiting.feed.close())

    async def _send(self, frame: bytes, utterance: AsyncUtterance) -> None:
        """Sends one frame when it is due."""
        while (wait := self._pace.wait(self._clock.monotonic())) > 0:
            await self._clock.sleep(wait)
        socket = await self._ready()
        if not utterance.seconds:
            self._track.begin(utterance)
        command = lite.speak(frame, utterance.id)
        utterance.sent(command.seconds)
        self._pace.sent(command.seconds, self._clock.monotonic())
        await socket.send(command)

    def _complete(self, waiting: _Waiting) -> None:
        """All of it was sent: from now on the service is to say that it was spoken."""
        assert waiting.feed.sound is not None
        utterance, notes = waiting.utterance, waiting.feed.sound.notes
        utterance.complete(notes)
        for note in () if waiting.order.is_awaited else notes:
            logger.warning("sound %s: %s", utterance.name, note)
        if waiting.order.grace is not None:
            self._spawn(self._watch(utterance, waiting.order.grace))

    async def _break_off(self, waiting: _Waiting, failure: Exception) -> None:
        """Its sound cannot be read any further: the avatar says what it has, and is done."""
        utterance = waiting.utterance
        if not waiting.order.is_awaited:
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
            told = f"The service did not say that {utterance.name!r} was spoken, {grace:g} s after its end."
            self._fail(utterance, UtteranceFailed(told, session_id=self._session_id))

    def _fail(self, utterance: AsyncUtterance, failure: Exception) -> None:
        self._track.drop(utterance)
        if utterance.finish(UtteranceState.FAILED, failure):
            self._on_change()

    def _began(self, utterance: AsyncUtterance) -> None:
        """Its first word."""
        self._hushed_at = None
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
    """What a user's iterator raises as it is closed is nobody's any more, and is shown all the same."""
    if not task.cancelled() and (failure := task.exception()) is not None:
        logger.warning("after a sound: %s", failure, exc_info=failure)
