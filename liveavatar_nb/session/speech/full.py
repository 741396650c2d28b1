"""`Conversation`: what is said in a session whose words go by its room's data channel (FULL), on both sides."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Final

from ... import config
from ...concurrency.bounded import Newest
from ...concurrency.clock import Clock
from ...errors import RoomNotHeld, SessionEnded, UtteranceFailed
from ...protocol import full
from ...protocol.events import Event
from ...protocol.full import Command
from ...rooms.connection import RoomLine
from ..timings import Stopwatch
from .sources import Sources
from .transcript import Lines, UserSide
from .utterance import AgentState, AsyncUtterance, UtteranceState

logger = logging.getLogger("liveavatar_nb.session")

REMEMBERED: Final = 1000  # what was asked, and said word for word


class Conversation:
    """What one session says and hears, and how far that is.

    Events may come twice, in the wrong order, or be about what is over; nothing goes back by them.

    Args:
        clock: tells the time.
        times: takes down how long an answer, and a silence, was waited for.
        lines: what was said.
        on_change: called on the loop when something of it that is shown has changed.
        has_opening: the avatar says something by itself first.
    """

    def __init__(
        self, clock: Clock, times: Stopwatch, lines: Lines, on_change: Callable[[], None], *, has_opening: bool
    ) -> None:
        self._clock = clock
        self._times = times
        self._lines = lines
        self._on_change = on_change
        self._sources = Sources(clock, has_opening=has_opening)
        self._line: RoomLine | None = None
        self._open: list[AsyncUtterance] = []
        self._asked: Newest[str, str] = Newest(REMEMBERED)  # what was asked, by the ids of the answers
        self._words: Newest[str, str] = Newest(REMEMBERED)  # what is said word for word, by its ids
        self._repeats = full.Repeats()
        self._user = UserSide(lines)
        self._rest = AgentState.IDLE
        self._thinking_until = 0.0
        self._asked_at: float | None = None  # when the user had said something
        self._hushed_at: float | None = None
        self._deaf_until = 0.0
        self._news_at = 0.0  # when the avatar was last heard
        self._end: SessionEnded | None = None
        self._workers: set[asyncio.Task[None]] = set()
        self.is_user_speaking = False
        self.on_text: Callable[[str], None] = lambda text: None
        self.on_hush: Callable[[], None] = lambda: None
        self.utterances: deque[AsyncUtterance] = deque(maxlen=config.KEPT_UTTERANCES)

    # what is seen of it

    @property
    def talking(self) -> AsyncUtterance | None:
        """The utterance that is being said."""
        return next((one for one in self._open if one.state is UtteranceState.TALKING), None)

    @property
    def utterance(self) -> AsyncUtterance | None:
        """The one that is being said, else asked for."""
        return self.talking or (self._open[0] if self._open else None)

    @property
    def agent_state(self) -> AgentState:
        """What the avatar does."""
        if self.talking is not None:
            return AgentState.TALKING
        return AgentState.THINKING if self._clock.monotonic() < self._thinking_until else self._rest

    @property
    def _way(self) -> RoomLine:
        """The way to the service."""
        if self._line is None:
            raise RoomNotHeld("The service named no room.", session_id=None, remedy="Start another session.")
        return self._line

    # what it is told to do

    def connect(self, line: RoomLine) -> None:
        """By this room it speaks."""
        self._line = line

    async def speak(self, utterance: AsyncUtterance, command: Command, *, grace: float | None, question: bool) -> None:
        """Has something said, or answered; returns once the service has been told.

        Args:
            utterance: tells how far it is.
            command: carries its id.
            grace: seconds of silence after which the service has forgotten it; None for any time.
            question: whether the text is the user's, to be answered.

        Raises:
            RoomNotHeld: there is no way to the service.
        """
        self._refuse_ended()
        self._sources.add(utterance)
        if not question:
            self._words[utterance.id] = command.text or ""
        self._open.append(utterance)
        self.utterances.append(utterance)
        self._on_change()

        def begin() -> bool:
            if utterance.state is UtteranceState.QUEUED:
                self._begin(utterance, command.text if question else None)
            return not utterance.state.is_final

        try:
            await self._way.send(command, begin)
        except asyncio.CancelledError:
            if utterance.is_open:
                # it may be on its way
                with contextlib.suppress(RoomNotHeld):
                    await self.interrupt()
            self._end_one(utterance, UtteranceState.INTERRUPTED)
            raise
        except Exception as failure:
            self._end_one(utterance, UtteranceState.FAILED, failure)
            self._refuse_ended()  # which is why there is no way any more
            raise
        if grace is not None and not utterance.state.is_final:
            self._spawn(self._watch(utterance, grace))

    def _refuse_ended(self) -> None:
        if self._end is not None:
            raise SessionEnded(self._end.message, session_id=self._end.session_id, end_reason=self._end.end_reason)

    def _begin(self, utterance: AsyncUtterance, question: str | None) -> None:
        self._sources.somebody_is_there()
        utterance.begin(has_waited=self._open[0] is not utterance)
        if question is not None:
            self._asked[utterance.id] = question
            self._lines.finish("user", utterance.id, question)
            self._think()
        self._on_change()

    def asked(self, question_id: str, text: str) -> None:
        """The user asked something by text, which the service is not to answer."""
        self._lines.finish("user", question_id, text)
        self._think()
        self._on_change()

    async def interrupt(self) -> None:
        """Silence: what is said, or waits, is over, and what still comes of it is not heard.

        Raises:
            RoomNotHeld: there is no way to the service, and something was said.
        """
        was_busy = self._hush()
        if self._end is not None:
            return
        try:
            await self._way.send(full.interrupt(str(uuid.uuid4()), self._way.session_id))
        except RoomNotHeld:
            # the session may have ended meanwhile, and that is silence, too
            if was_busy and self._end is None:
                raise

    async def listen(self, *, start: bool) -> None:
        """An attentive pose while it does not talk, or the idle one."""
        await self._send(full.listen(str(uuid.uuid4()), self._way.session_id, start=start))
        self._rest = AgentState.LISTENING if start else AgentState.IDLE
        self._on_change()

    async def push_to_talk(self, *, start: bool) -> None:
        """The user's turn begins, or is over."""
        await self._send(full.push_to_talk(str(uuid.uuid4()), self._way.session_id, start=start))

    async def _send(self, command: Command) -> None:
        try:
            await self._way.send(command)
        except RoomNotHeld:
            self._refuse_ended()  # which is why there is no way any more
            raise

    def close(self, end: SessionEnded) -> None:
        """The session is over, and with it all that was to be said."""
        self._end = end
        self.on_hush()
        self._thinking_until = 0.0
        self.is_user_speaking = False
        self._user.begin()
        for utterance in list(self._open):
            self._end_one(utterance, UtteranceState.FAILED, end)
        for task in self._workers:
            task.cancel()

    # what it is told of

    def receive(self, event: Event) -> bool:
        """Takes an event in; whether it is new, and of this session."""
        if self._end is not None or self._is_foreign(event) or self._repeats.has(event):
            return False
        self._sources.somebody_is_there()
        source = self._sources.of(event)
        before = self.agent_state, self.talking, self.is_user_speaking
        text = (event.text or "").encode("utf-8", "replace").decode()  # half a character of a cut emoji becomes "?"
        if event.type == full.USER_STARTED:
            self.is_user_speaking = True
            self._user.begin()
        elif event.type == full.USER_ENDED:
            self.is_user_speaking = False
        elif event.type == full.USER_CHUNK:
            self._hear_user(text, source, is_whole=False)
        elif event.type == full.USER_TEXT:
            self._hear_user(text, source, is_whole=True)
        elif event.type == full.AVATAR_STARTED:
            self._started(source, event)
        elif event.type == full.AVATAR_ENDED:
            self._ended(source, event)
        elif event.type == full.AVATAR_CHUNK:
            self._hear_avatar(event, text, source, is_whole=False)
        elif event.type == full.AVATAR_TEXT:
            self._hear_avatar(event, text, source, is_whole=True)
        if text or before != (self.agent_state, self.talking, self.is_user_speaking):
            self._on_change()
        return True

    def _is_foreign(self, event: Event) -> bool:
        ours = None if self._line is None else self._line.session_id
        return event.session_id is not None and event.session_id != ours

    # the user's side

    def _hear_user(self, text: str, source: AsyncUtterance | None, *, is_whole: bool) -> None:
        if not text or (is_whole and not text.strip()) or self._is_asked(text, source):
            return
        if not is_whole:
            self._user.grow(text)
            return
        self._user.finish(text)
        self._asked_at = self._clock.monotonic()
        self._think()
        self.on_text(text)

    def _is_asked(self, text: str, source: AsyncUtterance | None) -> bool:
        """Whether the service repeats what was asked by text, which stands there already."""
        if source is not None and source.id in self._asked:
            return True
        return any(text.strip() == self._asked[one.id].strip() for one in self._open if one.id in self._asked)

    def _think(self) -> None:
        self._thinking_until = self._clock.monotonic() + config.THINKING_LIMIT
        self._spawn(self._think_no_longer(self._thinking_until))

    async def _think_no_longer(self, until: float) -> None:
        await self._clock.sleep(max(0.0, until - self._clock.monotonic()))
        if self._thinking_until == until:
            self._on_change()

    # the avatar's side

    def _started(self, source: AsyncUtterance | None, event: Event) -> None:
        self._news_at = self._clock.monotonic()
        if source is not None and source.state is UtteranceState.ENDED and source.duration is not None:
            # more of the same
            self._start(self._unasked(event))
        elif source is not None:
            self._sources.named(source)
            self._start(source)
        elif self.talking is None:
            self._start(self._sources.next(self._open) or self._unasked(event))
        elif event.source_event_id is not None:
            # another one, and not ours
            self._start(self._unasked(event))

    def _unasked(self, event: Event) -> AsyncUtterance:
        """What the avatar says by itself: its opening, or an answer to what the user said aloud."""
        utterance = AsyncUtterance(clock=self._clock, is_voiced=True)
        utterance.begin(has_waited=False)
        self._sources.claim(event, utterance)
        self._open.append(utterance)
        self.utterances.append(utterance)
        if self._asked_at is not None:
            self._times.sample("answer", self._news_at - self._asked_at)
        self._spawn(self._watch(utterance, config.SPEECH_GRACE))
        return utterance

    def _start(self, utterance: AsyncUtterance) -> None:
        if utterance.state.is_final:
            return
        if (talking := self.talking) is not None and talking is not utterance:
            # its end went unheard
            self._end_one(talking, UtteranceState.ENDED)
        if utterance.start() and utterance.lag is not None and self._sources.is_ours(utterance):
            self._times.sample("first_word", utterance.lag)
        for other in self._open:
            if other is not utterance:
                other.give_way()
        self._thinking_until = self._deaf_until = 0.0
        self._asked_at = self._hushed_at = None

    def _ended(self, source: AsyncUtterance | None, event: Event) -> None:
        self._news_at = self._clock.monotonic()
        self._deaf_until = 0.0
        if self._hushed_at is not None:
            self._times.sample("interrupt_to_silence", self._news_at - self._hushed_at)
            self._hushed_at = None
        if source is None and event.source_event_id is None:
            source = self.talking
        elif source is None:
            source = self.talking if self.talking is not None and not self._sources.is_ours(self.talking) else None
        if source is not None:
            self._end_one(source, UtteranceState.ENDED)

    def _hear_avatar(self, event: Event, text: str, source: AsyncUtterance | None, *, is_whole: bool) -> None:
        self._news_at = self._clock.monotonic()
        if not text or (is_whole and not text.strip()):
            return
        utterance = source or self.talking
        if utterance is None:
            if self._news_at < self._deaf_until:
                return
            utterance = self._just_ended(text) if is_whole else None
            if utterance is None and self._lines.is_repeated("avatar", text):
                return
            utterance = utterance or self._sources.next(self._open) or self._unasked(event)
        if utterance.state in (UtteranceState.INTERRUPTED, UtteranceState.FAILED):
            return
        if not utterance.state.is_final:
            self._start(utterance)
        if is_whole:
            self._lines.finish("avatar", utterance.id, text)
        else:
            self._lines.grow("avatar", utterance.id, text)
            if utterance.state.is_final:
                self._lines.close("avatar", utterance.id)
        if utterance.id not in self._words:
            utterance.hear(self._lines.text("avatar", utterance.id) or text)

    def _just_ended(self, text: str) -> AsyncUtterance | None:
        """The utterance that is over, and whose whole words these are."""
        last = self.utterances[-1] if self.utterances else None
        if last is None or last.state is not UtteranceState.ENDED or self._lines.is_final("avatar", last.id):
            return None
        return last

    # how it ends

    def _hush(self) -> bool:
        """All that is said, or waits, is over; whether there was something."""
        self.on_hush()
        was_talking = self.talking is not None
        was_busy = bool(self._open)
        if was_talking:
            self._hushed_at = self._clock.monotonic()
            self._deaf_until = self._hushed_at + config.DEAF
        self._thinking_until = 0.0
        self._asked_at = None
        for utterance in list(self._open):
            self._end_one(utterance, UtteranceState.INTERRUPTED)
        if self._line is not None:
            self._line.hear(b"")
        self._on_change()
        return was_busy

    def _end_one(self, utterance: AsyncUtterance, state: UtteranceState, error: Exception | None = None) -> None:
        if utterance in self._open:
            self._open.remove(utterance)
        if not utterance.finish(state, error):
            return
        if state is UtteranceState.ENDED and utterance.id in self._words:
            self._lines.finish("avatar", utterance.id, self._words[utterance.id])
        self._lines.close("avatar", utterance.id)
        self._on_change()

    async def _watch(self, utterance: AsyncUtterance, grace: float) -> None:
        """Gives up what the service has said nothing of for so long; a long text has its time to be said."""
        began = self._clock.monotonic()
        while True:
            talking = self.talking
            needed = 0.0 if talking is None else len(talking.text or "") / config.SLOWEST_SPEECH
            left = max(began, self._news_at) + needed + grace - self._clock.monotonic()
            if left <= 0:
                break
            if await utterance.is_over_within(left):
                return
        if not self._sources.is_ours(utterance):
            self._end_one(utterance, UtteranceState.ENDED)
            return
        what = "was spoken" if utterance.state is UtteranceState.TALKING else "is being spoken"
        told = f"The service did not say that {utterance.name!r} {what}, and was silent for {grace:g} s."
        self._end_one(utterance, UtteranceState.FAILED, UtteranceFailed(told, session_id=self._way.session_id))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._workers.add(task)
        task.add_done_callback(self._workers.discard)
