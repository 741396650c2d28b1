"""`FullConversation`: tracks what both sides say in a session that uses its room's data channel (FULL)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Final

from ... import config
from ...concurrency.bounded import BoundedDict
from ...concurrency.clock import Clock
from ...concurrency.weak import nothing, weakly
from ...errors import RoomNotHeld, SessionEnded, UtteranceFailed
from ...protocol import full
from ...protocol.events import Event
from ...protocol.full import Command
from ...rooms.connection import RoomConnection
from ..timings import Stopwatch
from .transcript import SessionTranscript, UserTurns
from .utterance import AgentState, AsyncUtterance, UtteranceState
from .utterance_finder import UtteranceFinder

logger = logging.getLogger("liveavatar_nb.session")

REMEMBERED: Final = 1000  # maximum number of questions, and of texts said word for word, that are remembered


class FullConversation:
    """Keeps track of what both sides of a conversation say.

    Events may arrive twice, out of order, or for utterances that are over; even so, no state ever moves backwards.

    Args:
        clock: The clock to use.
        times: Records how soon the avatar begins to speak, and how soon it falls silent when interrupted.
        lines: The transcript to write to.
        on_change: Called on the loop when any of the displayed state has changed.
        has_opening: Whether the avatar speaks first, without being asked to.
    """

    def __init__(
        self,
        clock: Clock,
        times: Stopwatch,
        lines: SessionTranscript,
        on_change: Callable[[], None],
        *,
        has_opening: bool,
    ) -> None:
        self._clock = clock
        self._times = times
        self._lines = lines
        self._on_change = on_change
        self._finder = UtteranceFinder(clock, has_opening=has_opening)
        self._room: RoomConnection | None = None
        self._open: list[AsyncUtterance] = []
        self._sent: set[str] = set()  # the ids of open utterances whose words the service has been asked to say
        self._asked: BoundedDict[str, str] = BoundedDict(REMEMBERED)  # questions, keyed by the id of the answer
        self._words: BoundedDict[str, str] = BoundedDict(REMEMBERED)  # texts said word for word, keyed by utterance id
        self._repeats = full.Repeats()
        self._user = UserTurns(lines)
        self._rest = AgentState.IDLE
        self._thinking_until = 0.0
        self._asked_at: float | None = None  # the time at which the user last finished speaking
        self._interrupted_at: float | None = None
        self._ignore_until = 0.0
        self._heard_at = 0.0  # the time of the avatar's last speech event
        self._end: SessionEnded | None = None
        self._workers: set[asyncio.Task[None]] = set()
        self.is_user_speaking = False
        self.on_text: Callable[[str], None] = lambda text: None
        self.on_interrupt: Callable[[], None] = lambda: None
        self.utterances: deque[AsyncUtterance] = deque(maxlen=config.KEPT_UTTERANCES)

    # state

    @property
    def talking(self) -> AsyncUtterance | None:
        """The utterance that is being said, if any."""
        return next((utterance for utterance in self._open if utterance.state is UtteranceState.TALKING), None)

    @property
    def utterance(self) -> AsyncUtterance | None:
        """The utterance that is being said or, if there is none, the first one that is waiting."""
        return self.talking or (self._open[0] if self._open else None)

    @property
    def agent_state(self) -> AgentState:
        """What the avatar is doing."""
        if self.talking is not None:
            return AgentState.TALKING
        return AgentState.THINKING if self._clock.monotonic() < self._thinking_until else self._rest

    @property
    def _connected_room(self) -> RoomConnection:
        """The room that commands go through; raises `RoomNotHeld` if there is none."""
        if self._room is None:
            raise RoomNotHeld(
                "The service provided no room for the session.", session_id=None, remedy="Start another session."
            )
        return self._room

    # commands

    def connect(self, room: RoomConnection) -> None:
        """Use this room from now on."""
        self._room = room
        room.on_back = weakly(self._on_back, nothing)

    async def speak(self, utterance: AsyncUtterance, command: Command, *, grace: float | None, question: bool) -> None:
        """Ask the service to speak a text or to answer a question; return once it has received the command.

        Args:
            utterance: The utterance to update as the avatar says it.
            command: The command to send; it carries the utterance's id.
            grace: Seconds of silence after which the utterance fails; None waits indefinitely.
            question: Whether the text is a question to answer, rather than words to say.

        Raises:
            RoomNotHeld: Nobody is in the session's room, and this process cannot join.
        """
        self._refuse_ended()
        self._finder.add(utterance)
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
            await self._connected_room.send(command, begin)
        except asyncio.CancelledError:
            if utterance.is_open:
                # the command may already be on its way
                with contextlib.suppress(RoomNotHeld):
                    await self.interrupt()
            self._end_one(utterance, UtteranceState.INTERRUPTED)
            raise
        except Exception as failure:
            self._end_one(utterance, UtteranceState.FAILED, failure)
            self._refuse_ended()  # if the session has ended, report that instead
            raise
        if grace is not None and not utterance.state.is_final:
            if not question:
                self._sent.add(utterance.id)
            self._spawn(self._watch(utterance, grace))

    def _refuse_ended(self) -> None:
        if self._end is not None:
            raise SessionEnded(self._end.message, session_id=self._end.session_id, end_reason=self._end.end_reason)

    def _begin(self, utterance: AsyncUtterance, question: str | None) -> None:
        self._finder.expect_opening()
        utterance.begin(has_waited=self._open[0] is not utterance)
        if question is not None:
            self._asked[utterance.id] = question
            self._lines.finish("user", utterance.id, question)
            self._think()
        self._on_change()

    def note_question(self, question_id: str, text: str) -> None:
        """Record a typed question that the function given to `on_user_text` will answer."""
        self._lines.finish("user", question_id, text)
        self._think()
        self._on_change()

    async def interrupt(self) -> None:
        """Stop talking, clear the queue, and ignore late events about anything that was being said.

        Raises:
            RoomNotHeld: Something was being said, but nobody is in the session's room, and this process cannot join.
        """
        was_busy = self._silence()
        if self._end is not None:
            return
        try:
            await self._connected_room.send(full.interrupt(str(uuid.uuid4()), self._connected_room.session_id))
        except RoomNotHeld:
            # if the session has just ended, the avatar is silent anyway
            if was_busy and self._end is None:
                raise

    async def listen(self, *, start: bool) -> None:
        """Show the listening pose or the idle pose while the avatar is silent."""
        await self._send(full.listen(str(uuid.uuid4()), self._connected_room.session_id, start=start))
        self._rest = AgentState.LISTENING if start else AgentState.IDLE
        self._on_change()

    async def push_to_talk(self, *, start: bool) -> None:
        """Start or end the user's turn."""
        await self._send(full.push_to_talk(str(uuid.uuid4()), self._connected_room.session_id, start=start))

    async def _send(self, command: Command) -> None:
        try:
            await self._connected_room.send(command)
        except RoomNotHeld:
            self._refuse_ended()  # if the session has ended, report that instead
            raise

    def close(self, end: SessionEnded) -> None:
        """End every utterance, because the session is over."""
        self._end = end
        self.on_interrupt()
        self._thinking_until = 0.0
        self.is_user_speaking = False
        self._user.begin()
        for utterance in list(self._open):
            self._end_one(utterance, UtteranceState.FAILED, end)
        for task in self._workers:
            task.cancel()

    # events

    def receive(self, event: Event) -> bool:
        """Handle an event; return whether it is new and belongs to this session."""
        if self._end is not None or self._is_foreign(event) or self._repeats.has(event):
            return False
        self._finder.expect_opening()
        source = self._finder.find(event)
        before = self.agent_state, self.talking, self.is_user_speaking
        text = (event.text or "").encode("utf-8", "replace").decode()  # half an emoji on its own becomes "?"
        if event.type == full.USER_STARTED:
            self.is_user_speaking = True
            self._user.begin()
        elif event.type == full.USER_ENDED:
            self.is_user_speaking = False
        elif event.type == full.USER_CHUNK:
            self._on_user_text(text, source, is_whole=False)
        elif event.type == full.USER_TEXT:
            self._on_user_text(text, source, is_whole=True)
        elif event.type == full.AVATAR_STARTED:
            self._on_started(source, event)
        elif event.type == full.AVATAR_ENDED:
            self._on_ended(source, event)
        elif event.type == full.AVATAR_CHUNK:
            self._on_avatar_text(event, text, source, is_whole=False)
        elif event.type == full.AVATAR_TEXT:
            self._on_avatar_text(event, text, source, is_whole=True)
        if text or before != (self.agent_state, self.talking, self.is_user_speaking):
            self._on_change()
        return True

    def _is_foreign(self, event: Event) -> bool:
        ours = None if self._room is None else self._room.session_id
        return event.session_id is not None and event.session_id != ours

    # the user's side

    def _on_user_text(self, text: str, source: AsyncUtterance | None, *, is_whole: bool) -> None:
        if not text.strip() or self._is_asked(text, source):
            return
        if not is_whole:
            self._user.grow(text)
            return
        self._user.finish(text)
        self._asked_at = self._clock.monotonic()
        self._think()
        self.on_text(text)

    def _is_asked(self, text: str, source: AsyncUtterance | None) -> bool:
        """Return whether this text merely repeats a typed question, which is already in the transcript."""
        if source is not None and source.id in self._asked:
            return True
        questions = [self._asked[utterance.id] for utterance in self._open if utterance.id in self._asked]
        return text.strip() in map(str.strip, questions)

    def _think(self) -> None:
        self._thinking_until = self._clock.monotonic() + config.THINKING_LIMIT
        self._spawn(self._think_no_longer(self._thinking_until))

    async def _think_no_longer(self, until: float) -> None:
        await self._clock.sleep(max(0.0, until - self._clock.monotonic()))
        if self._thinking_until == until:
            self._on_change()

    # the avatar's side

    def _on_started(self, source: AsyncUtterance | None, event: Event) -> None:
        self._heard_at = self._clock.monotonic()
        if source is not None and source.state is UtteranceState.ENDED and source.duration is not None:
            # this utterance was already over, so the avatar is continuing its answer
            self._start(self._begin_unasked(event))
        elif source is not None:
            self._finder.note_named(source)
            self._start(source)
        elif self.talking is None:
            self._start(self._finder.next(self._open) or self._begin_unasked(event))
        elif event.source_event_id is not None:
            # this is another utterance, which we did not request
            self._start(self._begin_unasked(event))

    def _begin_unasked(self, event: Event) -> AsyncUtterance:
        """Begin an utterance that was not requested: the opening, or an answer to the user's speech."""
        utterance = AsyncUtterance(clock=self._clock, is_voiced=True)
        utterance.begin(has_waited=False)
        self._finder.claim(event, utterance)
        self._open.append(utterance)
        self.utterances.append(utterance)
        if self._asked_at is not None:
            self._times.sample("answer", self._heard_at - self._asked_at)
        self._spawn(self._watch(utterance, config.SPEECH_GRACE))
        return utterance

    def _start(self, utterance: AsyncUtterance) -> None:
        if utterance.state.is_final:
            return
        if (talking := self.talking) is not None and talking is not utterance:
            # we missed the end of the previous utterance
            self._end_one(talking, UtteranceState.ENDED)
        if utterance.start() and utterance.lag is not None and self._finder.is_ours(utterance):
            self._times.sample("first_word", utterance.lag)
        for other in self._open:
            if other is not utterance:
                other.give_way()
        self._thinking_until = self._ignore_until = 0.0
        self._asked_at = self._interrupted_at = None

    def _on_ended(self, source: AsyncUtterance | None, event: Event) -> None:
        self._heard_at = self._clock.monotonic()
        self._ignore_until = 0.0
        if self._interrupted_at is not None:
            self._times.sample("interrupt_to_silence", self._heard_at - self._interrupted_at)
            self._interrupted_at = None
        if source is None and event.source_event_id is None:
            source = self.talking
        elif source is None:
            source = self.talking if self.talking is not None and not self._finder.is_ours(self.talking) else None
        if source is not None:
            self._end_one(source, UtteranceState.ENDED)

    def _on_avatar_text(self, event: Event, text: str, source: AsyncUtterance | None, *, is_whole: bool) -> None:
        self._heard_at = self._clock.monotonic()
        if not text or (is_whole and not text.strip()):
            return
        utterance = source or self.talking
        if utterance is None:
            if self._heard_at < self._ignore_until:
                return
            utterance = self._just_ended(text) if is_whole else None
            if utterance is None and self._lines.is_repeated("avatar", text):
                return
            utterance = utterance or self._finder.next(self._open) or self._begin_unasked(event)
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
        """Return the last utterance if it ended before its complete text arrived, so that late text can be added."""
        last = self.utterances[-1] if self.utterances else None
        if last is None or last.state is not UtteranceState.ENDED or self._lines.is_final("avatar", last.id):
            return None
        return last

    # ends

    def _silence(self) -> bool:
        """Stop the current speech and clear the queue; return whether there was anything to stop."""
        self.on_interrupt()
        was_talking = self.talking is not None
        was_busy = bool(self._open)
        if was_talking:
            self._interrupted_at = self._clock.monotonic()
            self._ignore_until = self._interrupted_at + config.DEAF
        self._thinking_until = 0.0
        self._asked_at = None
        for utterance in list(self._open):
            self._end_one(utterance, UtteranceState.INTERRUPTED)
        if self._room is not None:
            self._room.hear(b"")
        self._on_change()
        return was_busy

    def _end_one(self, utterance: AsyncUtterance, state: UtteranceState, error: Exception | None = None) -> None:
        if utterance in self._open:
            self._open.remove(utterance)
        self._sent.discard(utterance.id)
        if not utterance.finish(state, error):
            return
        if state is UtteranceState.ENDED and utterance.id in self._words:
            self._lines.finish("avatar", utterance.id, self._words[utterance.id])
        self._lines.close("avatar", utterance.id)
        self._on_change()

    async def _watch(self, utterance: AsyncUtterance, grace: float) -> None:
        """Give up on an utterance after `grace` seconds of silence, plus the time needed to say a long text."""
        began = self._clock.monotonic()
        while True:
            talking = self.talking
            needed = 0.0 if talking is None else len(talking.text or "") / config.SLOWEST_SPEECH
            left = max(began, self._heard_at) + needed + grace - self._clock.monotonic()
            if left <= 0:
                break
            if await utterance.is_over_within(left):
                return
        self._give_up(utterance, f"was silent for {grace:g} s")

    def _on_back(self) -> None:
        """Allow little time for utterances sent before the room was lost, because their events may be lost, too.

        An answer is waited for as usual, because it may take the service longer.
        """
        for utterance in self._open:
            if utterance.id in self._sent:
                self._spawn(self._watch_after_loss(utterance))

    async def _watch_after_loss(self, utterance: AsyncUtterance) -> None:
        back = self._clock.monotonic()
        needed = 0.0
        if (talking := self.talking) is not None:
            needed = max(0.0, self._heard_at + len(talking.text or "") / config.SLOWEST_SPEECH - back)
        is_over = await utterance.is_over_within(needed + config.RECONNECT_GRACE)
        if not is_over and self._heard_at <= back:
            self._give_up(utterance, "the connection to the room had been lost")

    def _give_up(self, utterance: AsyncUtterance, why: str) -> None:
        """End an utterance whose events have stopped coming; if we sent it, it fails."""
        if not self._finder.is_ours(utterance):
            self._end_one(utterance, UtteranceState.ENDED)
            return
        step = "the end" if utterance.state is UtteranceState.TALKING else "the start"
        message = f"The service did not confirm {step} of {utterance.name!r}, and {why}."
        failure = UtteranceFailed(message, session_id=self._connected_room.session_id)
        self._end_one(utterance, UtteranceState.FAILED, failure)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._workers.add(task)
        task.add_done_callback(self._workers.discard)
