"""`AsyncUtterance`: one thing that the avatar says, and how far it has come."""

from __future__ import annotations

import asyncio
import uuid
from enum import StrEnum
from types import TracebackType

from ...concurrency.clock import CLOCK, Clock


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
        self._has_begun = asyncio.Event()
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

    async def has_begun(self) -> None:
        """Returns once its first word came, or it is over without one."""
        await self._has_begun.wait()

    async def is_over(self) -> None:
        """Returns once it is over, however that came."""
        await self._over.wait()

    async def is_over_within(self, seconds: float) -> bool:
        """Waits for its end for so many seconds of its clock; whether it came."""
        waits = [asyncio.ensure_future(self._clock.sleep(seconds)), asyncio.ensure_future(self.is_over())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        return self._state.is_final

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

    def give_way(self) -> None:
        """Another one is said first."""
        self._has_waited = True

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
        self._has_begun.set()
        return True

    def finish(self, state: UtteranceState, error: Exception | None = None) -> bool:
        """It is over; whether that is new."""
        if not self._advance(state):
            return False
        self._error = error
        self._traceback = None if error is None else error.__traceback__
        self._ended_at = self._clock.monotonic()
        self._has_begun.set()
        self._over.set()
        return True

    def _advance(self, state: UtteranceState) -> bool:
        if not self._state.may_become(state):
            return False
        self._state = state
        return True
