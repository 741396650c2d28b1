"""`AsyncUtterance`: something that the avatar says, and its progress."""

from __future__ import annotations

import asyncio
import uuid
from enum import StrEnum
from types import TracebackType

from ...concurrency.clock import CLOCK, Clock


class AgentState(StrEnum):
    """What the avatar is doing (LITE: event `agent.state_updated`).

    Attributes:
        IDLE: It is doing nothing.
        LISTENING: It is listening, in a listening pose.
        THINKING: It was asked something, and has not begun to answer yet. Only occurs in a conversation.
        TALKING: It is speaking.
    """

    IDLE = "idle"
    LISTENING = "listening"
    THINKING = "thinking"
    TALKING = "talking"


class UtteranceState(StrEnum):
    """An utterance's state, which only moves forward.

    Attributes:
        QUEUED: The utterance is waiting for its turn.
        SENDING: The utterance is being sent, and the avatar has not begun to speak it yet.
        TALKING: The avatar is speaking the utterance.
        ENDED: The avatar spoke all of it.
        INTERRUPTED: The utterance was interrupted, or dropped from the queue.
        FAILED: The avatar did not speak all of it; `error` says why.
    """

    QUEUED = "queued"
    SENDING = "sending"
    TALKING = "talking"
    ENDED = "ended"
    INTERRUPTED = "interrupted"
    FAILED = "failed"

    @property
    def is_final(self) -> bool:
        """Whether no other state can follow this one."""
        return self in (UtteranceState.ENDED, UtteranceState.INTERRUPTED, UtteranceState.FAILED)

    def may_become(self, other: UtteranceState) -> bool:
        """Return whether `other` can follow this state."""
        order = list(UtteranceState)
        return not self.is_final and order.index(other) > order.index(self)


class AsyncUtterance:
    """Something that the avatar says, returned by `AsyncSession.play`, `say` and `ask`.

    Args:
        name: The name to show; by default, the audio's name.
        text: The words, for captions and the transcript.
        clock: The clock to use.
        is_voiced: Whether the service generates the audio, in which case this client sends none.
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
        """The utterance's id: the `event_id` of its frames or its command."""
        return self._id

    @property
    def name(self) -> str:
        """The audio's name, such as `welcome.wav`; for `say` the text, for `ask` the question."""
        return self._name or self._text or ""

    @property
    def text(self) -> str | None:
        """The words given by the caller, or reported by the service so far; None if there are none."""
        return self._text

    @property
    def state(self) -> UtteranceState:
        """The utterance's state: queued, sending, talking, ended, interrupted or failed."""
        return self._state

    @property
    def seconds(self) -> float:
        """Seconds of audio sent so far; in a conversation, seconds spoken so far."""
        return self.age if self._is_voiced else self._seconds

    @property
    def total(self) -> float | None:
        """The length in seconds; None while the length is unknown, as for a stream or in a conversation."""
        if self._is_voiced:
            return self.duration
        return self._seconds if self._is_complete else self._total

    @property
    def played(self) -> float:
        """Seconds spoken so far."""
        return min(self.seconds, self.age)

    @property
    def age(self) -> float:
        """Seconds from the first word until now, or until the end; 0 before the first word."""
        return 0.0 if self._started_at is None else (self._ended_at or self._clock.monotonic()) - self._started_at

    @property
    def duration(self) -> float | None:
        """Seconds from the first word to the end; None before the end."""
        return None if self._started_at is None or self._ended_at is None else self.age

    @property
    def lag(self) -> float | None:
        """Seconds from the first frame that was sent (in a conversation, from the command) to the first word.

        None before the first word, or if the utterance had to wait for another one.
        """
        if self._first_frame_at is None or self._started_at is None or self._has_waited:
            return None
        return self._started_at - self._first_frame_at

    @property
    def notes(self) -> tuple[str, ...]:
        """Messages about problems with the audio, such as clipped samples, NaN samples or a file cut short."""
        return tuple(self._notes)

    @property
    def error(self) -> Exception | None:
        """The error with which the utterance failed, if any."""
        return self._error

    async def wait(self) -> None:
        """Wait until the utterance has been spoken or interrupted.

        If you cancel the wait, the avatar goes on talking; `interrupt()` stops it.

        Raises:
            UtteranceFailed: The WebSocket was lost, the session ended, or the service never confirmed that the
                utterance was spoken.
            AudioError: The audio could not be read to the end.
            Exception: Whatever your iterator raised.
        """
        await self._over.wait()
        if self._error is not None:
            # raise with the original traceback, or each waiter would add its own frames, which keep objects alive
            raise self._error.with_traceback(self._traceback)

    def __repr__(self) -> str:
        parts = [str(self._state)]
        if self._state is UtteranceState.ENDED and self.duration is not None:
            parts.append(f"{self.seconds:.1f} s")
        elif self._state.is_final or self._state is UtteranceState.TALKING:
            parts.append(f"{self.played:.1f} s said")
        if self.lag is not None:
            parts.append(f"first word after {self.lag:.2f} s")
        parts += self._notes
        return f"<{type(self).__name__} {self.name!r} {', '.join(parts)}>"

    async def has_begun(self) -> None:
        """Wait until the first word, or until the utterance ends without one."""
        await self._has_begun.wait()

    async def is_over(self) -> None:
        """Wait until the utterance is over, however it ended."""
        await self._over.wait()

    async def is_over_within(self, seconds: float) -> bool:
        """Wait up to `seconds` for the utterance to end; return whether it is over."""
        waits = [asyncio.ensure_future(self._clock.sleep(seconds)), asyncio.ensure_future(self.is_over())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        return self._state.is_final

    # called by the session

    @property
    def is_complete(self) -> bool:
        """Whether all of the utterance's audio has been sent, so that only `agent.speak_end` is left to send."""
        return self._is_complete

    @property
    def is_open(self) -> bool:
        """Whether the utterance's first frame or command has been sent, and the utterance is not over yet."""
        return self._first_frame_at is not None and not self._state.is_final

    def open(self, name: str, total: float | None) -> None:
        """Record that the audio was opened, and its length in seconds; use its name if the utterance has none."""
        self._name = self._name or name
        self._total = total

    def hear(self, text: str) -> None:
        """Set the words that the service has reported so far."""
        self._text = text

    def begin(self, *, has_waited: bool) -> None:
        """Record that sending has begun, and whether the utterance had to wait for others."""
        self._first_frame_at = self._clock.monotonic()
        self._has_waited = has_waited
        self._advance(UtteranceState.SENDING)

    def give_way(self) -> None:
        """Record that another utterance is being said first."""
        self._has_waited = True

    def sent(self, seconds: float) -> None:
        """Record that audio of this length, in seconds, was sent."""
        self._seconds += seconds

    def complete(self, notes: list[str]) -> None:
        """Record that all the audio has been sent, and store the notes on any problems with it."""
        self._is_complete = True
        self._notes = list(notes)

    def start(self) -> bool:
        """Record that the first word is being said; return whether this changed the state."""
        if not self._advance(UtteranceState.TALKING):
            return False
        self._started_at = self._clock.monotonic()
        self._has_begun.set()
        return True

    def finish(self, state: UtteranceState, error: Exception | None = None) -> bool:
        """Record how the utterance ended; return whether this changed the state."""
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
