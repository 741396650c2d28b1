"""`AsyncUtterance`: one thing that the avatar says; and `Track`, which learns from events how far it has come."""

from __future__ import annotations

import asyncio
import uuid
from collections import OrderedDict
from collections.abc import Callable
from enum import StrEnum
from types import TracebackType
from typing import Final

from .clock import CLOCK, Clock
from .protocol.events import AGENT_STATE, Event
from .protocol.lite import BUFFER_CLEARED, SPEAK_ENDED, SPEAK_INTERRUPTED, SPEAK_STARTED

ALIASES: Final = 1000  # ids of the service's own that are remembered with the utterances they stand for
DEAF: Final = 2.0  # s at most in which a service that was told to stop says that it has
SLACK: Final = 0.5  # s by which the service's end of an utterance may come before its sound's
DERIVED: Final = "derived_from"  # marks an event that the service said in another spelling


class AgentState(StrEnum):
    """What the avatar does (LITE: event `agent.state_updated`); `thinking` in a conversation alone: it was asked
    something, and has not begun to answer.
    """

    IDLE = "idle"
    LISTENING = "listening"
    THINKING = "thinking"
    TALKING = "talking"


class UtteranceState(StrEnum):
    """Where an utterance is; it never goes back."""

    QUEUED = "queued"
    SENDING = "sending"
    TALKING = "talking"
    ENDED = "ended"
    INTERRUPTED = "interrupted"
    FAILED = "failed"

    @property
    def is_final(self) -> bool:
        """Whether nothing comes after it."""
        return self in (UtteranceState.ENDED, UtteranceState.INTERRUPTED, UtteranceState.FAILED)

    def may_become(self, other: UtteranceState) -> bool:
        """Whether `other` comes later."""
        order = list(UtteranceState)
        return not self.is_final and order.index(other) > order.index(self)


class AsyncUtterance:
    """One thing that the avatar says; `AsyncSession.play`, `say` and `ask` make it.

    Args:
        name: what it is called; the name of its sound when not given.
        text: its words, for captions and the transcript.
        clock: tells the time.
        is_voiced: the service makes its sound, of which nothing is sent.
    """

    def __init__(
        self, name: str | None = None, text: str | None = None, clock: Clock = CLOCK, *, is_voiced: bool = False
    ) -> None:
        self._is_voiced = is_voiced
        self._name = name or ""
        self._text = text
        self._total: float | None = None
        self._clock = clock
        self._id = str(uuid.uuid4())
        self._state = UtteranceState.QUEUED
        self._seconds = 0.0
        self._is_complete = False
        self._has_waited = False
        self._notes: list[str] = []
        self._error: Exception | None = None
        self._traceback: TracebackType | None = None
        self._first_frame_at: float | None = None
        self._started_at: float | None = None
        self._ended_at: float | None = None
        self._over = asyncio.Event()

    @property
    def id(self) -> str:
        """The `event_id` that all its frames carry, or what asked for it."""
        return self._id

    @property
    def name(self) -> str:
        """What the sound is called, as `welcome.wav`; of words the text, of an answer the question."""
        return self._name or self._text or ""

    @property
    def text(self) -> str | None:
        """Its words, where they were given, or as far as they were heard."""
        return self._text

    @property
    def state(self) -> UtteranceState:
        """queued, sending, talking, ended, interrupted or failed."""
        return self._state

    @property
    def seconds(self) -> float:
        """Seconds of sound that were sent; in a conversation, that were said."""
        return self.age if self._is_voiced else self._seconds

    @property
    def total(self) -> float | None:
        """Its length in seconds; None while that is not known, as of a stream, or in a conversation."""
        if self._is_voiced:
            return self.duration
        return self._seconds if self._is_complete else self._total

    @property
    def played(self) -> float:
        """Seconds of it that were said so far."""
        return min(self.seconds, self.age)

    @property
    def age(self) -> float:
        """Seconds since its first word, up to its end; 0 before."""
        return 0.0 if self._started_at is None else (self._ended_at or self._clock.monotonic()) - self._started_at

    @property
    def duration(self) -> float | None:
        """Seconds from its first word to its end; None before."""
        return None if self._started_at is None or self._ended_at is None else self.age

    @property
    def lag(self) -> float | None:
        """Seconds from its first frame on the wire to its first word, in a conversation from what asked for it; None
        before, or where it waited for another.
        """
        if self._first_frame_at is None or self._started_at is None or self._has_waited:
            return None
        return self._started_at - self._first_frame_at

    @property
    def notes(self) -> tuple[str, ...]:
        """What was amiss with the sound, in words: clipped, not a number, cut short."""
        return tuple(self._notes)

    @property
    def error(self) -> Exception | None:
        """Why it failed."""
        return self._error

    async def wait(self) -> None:
        """Returns once it was said, or interrupted. Who ends the wait ends nothing else: `interrupt()` does.

        Raises:
            UtteranceFailed: the socket was lost, the session ended, or the service never said that it was spoken.
            AudioError: its sound could not be read to the end; and whatever an iterator of yours raised.
        """
        await self._over.wait()
        if self._error is not None:
            # as it was: each who waits would add frames of their own, and what those hold
            raise self._error.with_traceback(self._traceback)

    def __repr__(self) -> str:
        told = [str(self._state)]
        if self._state is UtteranceState.ENDED and self.duration is not None:
            told.append(f"{self.seconds:.1f} s")
        elif self._state.is_final or self._state is UtteranceState.TALKING:
            told.append(f"{self.played:.1f} s of it said")
        if self.lag is not None:
            told.append(f"first word after {self.lag:.2f} s")
        told += self._notes
        return f"<{type(self).__name__} {self.name!r} {', '.join(told)}>"

    async def is_over(self) -> None:
        """Returns once it is over, however that came."""
        await self._over.wait()

    # what its session does to it

    @property
    def is_complete(self) -> bool:
        """Whether all of it was sent, up to `agent.speak_end`."""
        return self._is_complete

    @property
    def is_open(self) -> bool:
        """Whether it was begun on the wire, and is not over."""
        return self._first_frame_at is not None and not self._state.is_final

    def open(self, name: str, total: float | None) -> None:
        """Its sound has begun; it is called so, unless it has a name already, and is so long, as far as is known."""
        self._name = self._name or name
        self._total = total

    def hear(self, text: str) -> None:
        """Its words, as far as the service told them."""
        self._text = text

    def begin(self, *, has_waited: bool) -> None:
        """Its first frame, or what asks for it, goes out, behind one that is still being said or not."""
        self._first_frame_at = self._clock.monotonic()
        self._has_waited = has_waited
        self._advance(UtteranceState.SENDING)

    def sent(self, seconds: float) -> None:
        """So much of it went out."""
        self._seconds += seconds

    def complete(self, notes: list[str]) -> None:
        """All of it went out."""
        self._is_complete = True
        self._notes = list(notes)

    def start(self) -> bool:
        """The first word; whether that is new."""
        if not self._advance(UtteranceState.TALKING):
            return False
        self._started_at = self._clock.monotonic()
        return True

    def finish(self, state: UtteranceState, error: Exception | None = None) -> bool:
        """It is over; whether that is new."""
        if not self._advance(state):
            return False
        self._error = error
        self._traceback = None if error is None else error.__traceback__
        self._ended_at = self._clock.monotonic()
        self._over.set()
        return True

    def _advance(self, state: UtteranceState) -> bool:
        if not self._state.may_become(state):
            return False
        self._state = state
        return True


class Track:
    """What the service says of the utterances that were sent to it, in either of its spellings.

    Older builds say `agent.speak_started` and `agent.speak_ended`, newer ones `agent.state_updated`, some both. Once
    the first was heard the second moves no utterance any more. Events may come twice, in the wrong order, for
    utterances that are over, or under ids of the service's own; nothing goes back by them.

    Args:
        clock: tells the time.
        on_start: called with each utterance at its first word.
    """

    def __init__(
        self, clock: Clock = CLOCK, on_start: Callable[[AsyncUtterance], None] = lambda utterance: None
    ) -> None:
        self._clock = clock
        self._on_start = on_start
        self._open: list[AsyncUtterance] = []
        self._known: OrderedDict[str, AsyncUtterance] = OrderedDict()
        self._speaks = False  # whether `agent.speak_*` was heard
        self._derived: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._rest = AgentState.IDLE
        self._silenced: list[AsyncUtterance] = []  # what was being said then
        self._deaf_until = 0.0  # until when the newer spelling may still speak of what was hushed
        self.agent_state = AgentState.IDLE

    @property
    def talking(self) -> AsyncUtterance | None:
        """The utterance that is being said."""
        return next((one for one in self._open if one.state is UtteranceState.TALKING), None)

    def begin(self, utterance: AsyncUtterance) -> None:
        """Its first frame goes out."""
        utterance.begin(has_waited=bool(self._open))
        self._open.append(utterance)
        self._remember(utterance.id, utterance)

    def rest(self, state: AgentState) -> None:
        """What the avatar was told to do while it does not talk."""
        self._rest = state

    def hush(self) -> list[AsyncUtterance]:
        """An interruption goes out: what was sent is over; what that was."""
        if self._open:
            self._deaf_until = self._clock.monotonic() + DEAF
        self._silenced = [one for one in self._open if one.state is UtteranceState.TALKING]
        return self._close_all(UtteranceState.INTERRUPTED)

    def lose(self, error: Exception) -> list[AsyncUtterance]:
        """The socket is lost, and with it what was sent; what that was."""
        self.agent_state = AgentState.IDLE
        return self._close_all(UtteranceState.FAILED, error)

    def drop(self, utterance: AsyncUtterance) -> None:
        """It is over by itself."""
        if utterance in self._open:
            self._open.remove(utterance)

    def receive(self, event: Event) -> list[Event]:
        """Takes an event in; gives what is to be told of it: itself, and what it means in the other spelling."""
        if event.type in (SPEAK_STARTED, SPEAK_ENDED, SPEAK_INTERRUPTED):
            self._speaks = True
            utterance = self._find(event)
            self._obey(event.type, utterance)
            told_before = utterance is not None and (event.type, utterance.id) in self._derived
            return [] if told_before else [event]
        if event.type == BUFFER_CLEARED:
            self._deaf_until = 0.0
        if event.agent_state is not None:
            return [event, *self._turn(event.agent_state)]
        return [event]

    def _obey(self, told: str, utterance: AsyncUtterance | None) -> None:
        if told == SPEAK_STARTED:
            self.agent_state = AgentState.TALKING
            if utterance is not None:
                self._start(utterance)
            return
        if utterance is None or not utterance.is_open:
            # of one that is over, or of nobody's: what is being said now goes on
            if self.talking is None:
                self.agent_state = self._rest
            return
        if told == SPEAK_INTERRUPTED:
            # the service forgot all that waited behind it, too
            self._close_all(UtteranceState.INTERRUPTED)
        elif utterance.is_complete:
            self._end(utterance)
        if self.talking is None:
            self.agent_state = self._rest

    def _find(self, event: Event) -> AsyncUtterance | None:
        """The utterance that an event is about: by an id that is known, else by the order of things."""
        ids = [one for one in (event.event_id, event.task_id) if one is not None]
        found = next((self._known[one] for one in ids if one in self._known), None)
        if found is None and event.type == SPEAK_STARTED:
            found = next((one for one in self._open if one.state is UtteranceState.SENDING), None)
        elif found is None:
            found = self.talking
        if found is not None:
            for one in ids:
                self._remember(one, found)
        return found

    def _remember(self, known: str, utterance: AsyncUtterance) -> None:
        self._known[known] = utterance
        while len(self._known) > ALIASES:
            self._known.popitem(last=False)

    def _turn(self, state: str) -> list[Event]:
        """The other spelling: what the avatar does."""
        before = self.agent_state
        if state not in set(AgentState):
            return []
        if not (self._speaks and self.talking and state != AgentState.TALKING):
            self.agent_state = AgentState(state)
        if self._speaks:
            return []
        if state == AgentState.TALKING:
            if self._clock.monotonic() < self._deaf_until:
                # its end is on the way; what was sent since is not said before that
                return []
            first = next((one for one in self._open if one.state is UtteranceState.SENDING), None)
            begun = self.talking is None and first is not None and self._start(first)
            return [self._derive(SPEAK_STARTED, first)] if begun and first is not None else []
        self._deaf_until = 0.0
        silenced, self._silenced = self._silenced, []
        told = [self._derive(SPEAK_INTERRUPTED, one) for one in silenced]
        if before == AgentState.TALKING:
            told += [self._derive(SPEAK_ENDED, one) for one in self._all_said()]
        return told

    def _all_said(self) -> list[AsyncUtterance]:
        """The avatar fell silent: what it was saying is over, and what else there was time for."""
        talking = self.talking
        if talking is None or not talking.is_complete:
            return []
        ended: list[AsyncUtterance] = []
        needed, passed = 0.0, talking.age + SLACK
        for one in list(self._open):
            needed += one.seconds
            if one is not talking and (not one.is_complete or passed < needed):
                break
            self._start(one)
            self._end(one)
            ended.append(one)
        return ended

    def _derive(self, kind: str, utterance: AsyncUtterance) -> Event:
        self._derived[kind, utterance.id] = None
        while len(self._derived) > ALIASES:
            self._derived.popitem(last=False)
        return Event(kind, {"event_id": utterance.id, DERIVED: AGENT_STATE})

    def _start(self, utterance: AsyncUtterance) -> bool:
        if not utterance.start():
            return False
        # the avatar speaks in order: the end of what comes before went unheard, or is still on its way
        for earlier in self._open[: self._open.index(utterance)] if utterance in self._open else []:
            self._end(earlier)
        self._on_start(utterance)
        return True

    def _end(self, utterance: AsyncUtterance) -> None:
        self.drop(utterance)
        utterance.finish(UtteranceState.ENDED)

    def _close_all(self, state: UtteranceState, error: Exception | None = None) -> list[AsyncUtterance]:
        closed, self._open = self._open, []
        return [one for one in closed if one.finish(state, error)]
