"""The logic of a conversation, without any I/O: it turns text and speech into timed events and audio."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from ..account.ledger import Persona, TranscriptLine
from ..clock import SECOND
from .brain import Brain, transcribe
from .speech import LATENCY, Event, duration
from .voice import seconds_of

THINKING: Final = 600_000  # microseconds from a question to the first word of its answer
AHEAD: Final = 2  # number of utterances to synthesize in advance
LONGEST_CHUNK: Final = 16  # maximum characters per chunk; longer words are split
CHUNK: Final = re.compile(rf"\s*\S{{1,{LONGEST_CHUNK}}}")
# maximum chunks in one turn of the user's, one a second, so that moving the clock by years does not produce millions
MOST_HEARD: Final = 3_600


@dataclass(frozen=True, slots=True)
class Sound:
    """Audio that the avatar begins to play; if `pcm` is None, the avatar falls silent instead."""

    pcm: bytes | None = field(repr=False)


Output = Event | Sound


@dataclass(slots=True, eq=False)
class Utterance:
    """An utterance of the avatar; times are in simulated microseconds."""

    text: str
    source: str | None  # the event id of the command that requested the utterance
    ready_at: int
    line: TranscriptLine | None = None
    pcm: bytes | None = field(default=None, repr=False)
    starts_at: int | None = None
    sent: int = 0  # chunks
    chunks: list[str] = field(init=False)
    begins: list[float] = field(init=False)  # where each chunk begins, as a fraction of the text's length

    def __post_init__(self) -> None:
        self.chunks = CHUNK.findall(self.text)
        total, before = sum(map(len, self.chunks)), 0
        self.begins = []
        for chunk in self.chunks:
            self.begins.append(before / total)
            before += len(chunk)

    @property
    def duration(self) -> int:
        """The length in microseconds; an estimate if there is no audio yet."""
        return round(seconds_of(self.text) * SECOND) if self.pcm is None else duration(len(self.pcm))

    def due(self) -> int | None:
        """Return the time at which the next chunk or the end is due; None if the utterance has not begun."""
        if self.starts_at is None:
            return None
        if self.sent == len(self.chunks):
            return self.starts_at + self.duration
        return self.starts_at + round(self.begins[self.sent] * self.duration)


class Dialogue:
    """Both sides of one conversation.

    Methods that take `now` first process everything due by that time, and return the resulting events and audio in
    order. The user's speech does not interrupt the avatar: answers are queued.

    Args:
        persona: The avatar's role.
        transcript: The session's transcript, to which everything said is added.
        opening: What the avatar says first; it is already the first line of the transcript.

    Attributes:
        push_to_talk: Whether the user must hold a button to talk.
        answers: Whether the avatar answers questions; it does so only if it has a prompt.
    """

    def __init__(self, persona: Persona, transcript: list[TranscriptLine], opening: str | None) -> None:
        self.push_to_talk: Final = persona.push_to_talk
        self.answers: Final = persona.prompt is not None
        self._brain = Brain(persona)
        self._transcript, self._opening = transcript, opening
        self._is_open = False
        self._queue: list[Utterance] = []
        self._turn_at: int | None = None  # the time at which the user's turn began; None between turns
        self._microphone = False  # whether the microphone is picking up speech
        self._heard, self._counted_at, self._chunks = 0, 0, 0

    def open(self, now: int) -> list[Output]:
        """Begin the conversation; only the first call has an effect."""
        if self._is_open:
            return []
        self._is_open = True
        if self._opening and self._opening.strip():
            self._queue.append(Utterance(self._opening, None, now + LATENCY, self._transcript[0]))
        return [{"event_type": "session.state_updated", "state": "connected"}]

    def say(self, text: str, source: str | None, now: int) -> list[Output]:
        """Queue text for the avatar to say word for word."""
        outputs = self.settle(now)
        self._queue.append(Utterance(text, source, now + LATENCY))
        return outputs

    def ask(self, text: str, source: str | None, now: int) -> list[Output]:
        """Queue the answer to a typed question, if the avatar has a prompt."""
        outputs = self.settle(now)
        self._note("user", text, now)
        self._answer(text, source, now)
        return outputs

    def interrupt(self, now: int) -> list[Output]:
        """Stop the current utterance and clear the queue."""
        outputs = self.settle(now)
        if self._queue and (head := self._queue[0]).sent:
            said = "".join(head.chunks[: head.sent])
            if head.line in self._transcript:
                self._transcript[self._transcript.index(head.line)] = replace(head.line, text=said)
            outputs += [Sound(None), *_end_events(head, said)]
        self._queue.clear()
        return outputs

    def set_microphone(self, is_speaking: bool, now: int) -> list[Output]:
        """Handle the start or end of the user's speech."""
        outputs = self.settle(now)
        self._count_speech(now)
        self._microphone = is_speaking
        if self.push_to_talk:
            return outputs
        return outputs + (self._begin_turn(now) if is_speaking else self._end_turn(now))

    def set_push_to_talk(self, is_held: bool, now: int) -> list[Output]:
        """Handle the user pressing or releasing the button."""
        return self.settle(now) + (self._begin_turn(now) if is_held else self._end_turn(now))

    def next_without_sound(self) -> Utterance | None:
        """Return the next utterance that still needs audio, if any."""
        return next((utterance for utterance in self._queue[:AHEAD] if utterance.pcm is None), None)

    def set_sound(self, utterance: Utterance, pcm: bytes, now: int) -> list[Output]:
        """Add an utterance's audio, so that it can begin."""
        outputs = self.settle(now)
        utterance.pcm = pcm
        if self._queue and self._queue[0] is utterance:
            utterance.starts_at = max(now, utterance.ready_at)
        return outputs

    def settle(self, now: int) -> list[Output]:
        """Return the events and audio that are due by now."""
        outputs: list[Output] = []
        while (due := self.next_due()) is not None and due <= now:
            outputs += self._hear(due) if due == self._chunk_due() else self._speak(due)
        return outputs

    def next_due(self) -> int | None:
        """Return the time at which `settle` will have something to return, if nothing else happens first."""
        dues = (self._chunk_due(), self._queue[0].due() if self._queue else None)
        return min((due for due in dues if due is not None), default=None)

    def busy_until(self, now: int) -> int:
        """Return the approximate time at which everything queued so far will have been said."""
        moment = now
        for utterance in self._queue:
            starts_at = max(moment, utterance.ready_at) if utterance.starts_at is None else utterance.starts_at
            moment = starts_at + utterance.duration
        return moment

    def _speak(self, moment: int) -> list[Output]:
        """Return the events for the current utterance's next chunk, or for its end."""
        head = self._queue[0]
        if head.sent == len(head.chunks):
            del self._queue[0]
            if self._queue and self._queue[0].pcm is not None:
                self._queue[0].starts_at = max(moment, self._queue[0].ready_at)
            return _end_events(head, head.text)
        outputs: list[Output] = []
        if not head.sent:
            head.line = head.line or self._note("avatar", head.text, moment)
            outputs = [_event(head, "avatar.speak_started"), Sound(head.pcm)]
        outputs.append(_event(head, "avatar.transcription.chunk", text=head.chunks[head.sent]))
        head.sent += 1
        return outputs

    def _answer(self, text: str, source: str | None, now: int) -> None:
        if self.answers:
            self._queue.append(Utterance(self._brain.answer(text), source, now + THINKING))

    def _begin_turn(self, now: int) -> list[Output]:
        if self._turn_at is not None:
            return []
        self._turn_at = self._counted_at = now
        self._heard = self._chunks = 0
        return [{"event_type": "user.speak_started"}]

    def _end_turn(self, now: int) -> list[Output]:
        if self._turn_at is None:
            return []
        self._count_speech(now)
        self._turn_at = None
        text = transcribe(self._heard / SECOND)
        self._note("user", text, now)
        self._answer(text, None, now)
        return [{"event_type": "user.speak_ended"}, {"event_type": "user.transcription", "text": text}]

    def _count_speech(self, now: int) -> None:
        """Add to the turn's total the time for which the user has spoken since the previous call."""
        if self._turn_at is not None:
            self._heard += (now - self._counted_at) * self._microphone
            self._counted_at = now

    def _chunk_due(self) -> int | None:
        if self._turn_at is None or self._chunks == MOST_HEARD:
            return None
        return self._turn_at + (self._chunks + 1) * SECOND

    def _hear(self, moment: int) -> list[Output]:
        """Return the event with the user's whole phrase so far."""
        self._chunks += 1
        self._count_speech(moment)
        return [{"event_type": "user.transcription.chunk", "text": transcribe(self._heard / SECOND)}]

    def _note(self, role: Literal["user", "avatar"], text: str, moment: int) -> TranscriptLine:
        line = TranscriptLine(role=role, text=text, moment=moment)
        self._transcript.append(line)
        return line


def _end_events(utterance: Utterance, said: str) -> list[Output]:
    return [_event(utterance, "avatar.transcription", text=said), _event(utterance, "avatar.speak_ended")]


def _event(utterance: Utterance, kind: str, **fields: Any) -> Event:
    source = {} if utterance.source is None else {"source_event_id": utterance.source}
    return {"event_type": kind, **source, **fields}
