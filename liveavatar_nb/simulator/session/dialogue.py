"""A conversation by the clock alone: from what is said and asked to the events, words and sounds of both sides."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from ..account.ledger import Line, Persona
from ..clock import SECOND
from .brain import Brain, transcribed
from .speech import LATENCY, Event, duration
from .voice import seconds_of

THINKING: Final = 600_000  # microseconds from a question to the first word of its answer
AHEAD: Final = 2  # utterances whose sound is made before it is their turn
LONGEST_CHUNK: Final = 16  # characters of a word, or of a text without spaces, that come in one chunk
CHUNK: Final = re.compile(rf"\s*\S{{1,{LONGEST_CHUNK}}}")
HEARD: Final = "…"  # each second of a speech that is not understood
MOST_DOTS: Final = 3_600  # seconds of one turn that are told of: a clock that is moved on by years tells no more


@dataclass(frozen=True, slots=True)
class Sound:
    """What the avatar begins to say; None: it falls silent."""

    pcm: bytes | None = field(repr=False)


Happening = Event | Sound


@dataclass(slots=True, eq=False)
class Utterance:
    """One text that the avatar says."""

    text: str
    source: str | None  # the event id of the command that asked for it
    ready_at: int
    line: Line | None = None
    pcm: bytes | None = field(default=None, repr=False)
    starts_at: int | None = None
    told: int = 0  # chunks
    chunks: list[str] = field(init=False)
    begins: list[float] = field(init=False)  # where each chunk begins, as a part of the whole

    def __post_init__(self) -> None:
        self.chunks = CHUNK.findall(self.text)
        total, before = sum(map(len, self.chunks)), 0
        self.begins = []
        for chunk in self.chunks:
            self.begins.append(before / total)
            before += len(chunk)

    @property
    def duration(self) -> int:
        """Microseconds, about as many where there is no sound yet."""
        return round(seconds_of(self.text) * SECOND) if self.pcm is None else duration(len(self.pcm))

    def due(self) -> int | None:
        """The moment at which more of it is to be told."""
        if self.starts_at is None:
            return None
        if self.told == len(self.chunks):
            return self.starts_at + self.duration
        return self.starts_at + round(self.begins[self.told] * self.duration)


class Dialogue:
    """Both sides of one conversation; each method first settles what fell due until `now`.

    They give what happened, in order: events, and sounds. A user's speech does not interrupt the avatar: its answer
    waits.

    Parameters
    ----------
    transcript: the session's, to which all that is said is added.
    opening: what the avatar says first, and already a line of the transcript.
    """

    def __init__(self, persona: Persona, transcript: list[Line], opening: str | None) -> None:
        self.push_to_talk: Final = persona.push_to_talk
        self.answers: Final = persona.prompt is not None
        self._brain = Brain(persona)
        self._transcript, self._opening = transcript, opening
        self._is_open = False
        self._queue: list[Utterance] = []
        self._turn_at: int | None = None  # since when the user has the word
        self._microphone = False  # whether it is heard
        self._heard, self._counted_at, self._dots = 0, 0, 0

    def open(self, now: int) -> list[Happening]:
        """Somebody is there; only the first time counts."""
        if self._is_open:
            return []
        self._is_open = True
        if self._opening and self._opening.strip():
            self._queue.append(Utterance(self._opening, None, now + LATENCY, self._transcript[0]))
        return [{"event_type": "session.state_updated", "state": "connected"}]

    def say(self, text: str, source: str | None, now: int) -> list[Happening]:
        """Word for word, behind all that waits."""
        happened = self.settle(now)
        self._queue.append(Utterance(text, source, now + LATENCY))
        return happened

    def ask(self, text: str, source: str | None, now: int) -> list[Happening]:
        """Something typed, which is answered where the avatar has a prompt."""
        happened = self.settle(now)
        self._note("user", text, now)
        self._answer(text, source, now)
        return happened

    def interrupt(self, now: int) -> list[Happening]:
        """Stops what is said, and forgets all that waits."""
        happened = self.settle(now)
        if self._queue and (head := self._queue[0]).told:
            said = "".join(head.chunks[: head.told])
            if head.line in self._transcript:
                self._transcript[self._transcript.index(head.line)] = replace(head.line, text=said)
            happened += [Sound(None), *_over(head, said)]
        self._queue.clear()
        return happened

    def user(self, started: bool, now: int) -> list[Happening]:
        """The microphone is heard, or not any more."""
        happened = self.settle(now)
        self._count(now)
        self._microphone = started
        if self.push_to_talk:
            return happened
        return happened + (self._begin_turn(now) if started else self._end_turn(now))

    def push(self, started: bool, now: int) -> list[Happening]:
        """The user holds the button, or lets it go."""
        return self.settle(now) + (self._begin_turn(now) if started else self._end_turn(now))

    def voiceless(self) -> Utterance | None:
        """The next one that needs a sound."""
        return next((one for one in self._queue[:AHEAD] if one.pcm is None), None)

    def voice(self, utterance: Utterance, pcm: bytes, now: int) -> list[Happening]:
        """Its sound is there."""
        happened = self.settle(now)
        utterance.pcm = pcm
        if self._queue and self._queue[0] is utterance:
            utterance.starts_at = max(now, utterance.ready_at)
        return happened

    def settle(self, now: int) -> list[Happening]:
        """What was said until now."""
        happened: list[Happening] = []
        while (due := self.next_due()) is not None and due <= now:
            happened += self._dot(due) if due == self._dot_due() else self._speak(due)
        return happened

    def next_due(self) -> int | None:
        dues = (self._dot_due(), self._queue[0].due() if self._queue else None)
        return min((due for due in dues if due is not None), default=None)

    def busy_until(self, now: int) -> int:
        """The moment at which all that was said and asked so far has been told, or about that."""
        moment = now
        for utterance in self._queue:
            starts_at = max(moment, utterance.ready_at) if utterance.starts_at is None else utterance.starts_at
            moment = starts_at + utterance.duration
        return moment

    def _speak(self, moment: int) -> list[Happening]:
        """The next chunk of what is said, or its end."""
        head = self._queue[0]
        if head.told == len(head.chunks):
            del self._queue[0]
            if self._queue and self._queue[0].pcm is not None:
                self._queue[0].starts_at = max(moment, self._queue[0].ready_at)
            return _over(head, head.text)
        happened: list[Happening] = []
        if not head.told:
            head.line = head.line or self._note("avatar", head.text, moment)
            happened = [_event(head, "avatar.speak_started"), Sound(head.pcm)]
        happened.append(_event(head, "avatar.transcription.chunk", text=head.chunks[head.told]))
        head.told += 1
        return happened

    def _answer(self, text: str, source: str | None, now: int) -> None:
        if self.answers:
            self._queue.append(Utterance(self._brain.answer(text), source, now + THINKING))

    def _begin_turn(self, now: int) -> list[Happening]:
        if self._turn_at is not None:
            return []
        self._turn_at = self._counted_at = now
        self._heard = self._dots = 0
        return [{"event_type": "user.speak_started"}]

    def _end_turn(self, now: int) -> list[Happening]:
        if self._turn_at is None:
            return []
        self._count(now)
        self._turn_at = None
        text = transcribed(self._heard / SECOND)
        self._note("user", text, now)
        self._answer(text, None, now)
        return [{"event_type": "user.speak_ended"}, {"event_type": "user.transcription", "text": text}]

    def _count(self, now: int) -> None:
        """Adds what was heard since it was last counted."""
        if self._turn_at is not None:
            self._heard += (now - self._counted_at) * self._microphone
            self._counted_at = now

    def _dot_due(self) -> int | None:
        if self._turn_at is None or self._dots == MOST_DOTS:
            return None
        return self._turn_at + (self._dots + 1) * SECOND

    def _dot(self, moment: int) -> list[Happening]:
        self._dots += 1
        return [{"event_type": "user.transcription.chunk", "text": HEARD}]

    def _note(self, role: Literal["user", "avatar"], text: str, moment: int) -> Line:
        line = Line(role=role, text=text, moment=moment)
        self._transcript.append(line)
        return line


def _over(utterance: Utterance, said: str) -> list[Happening]:
    return [_event(utterance, "avatar.transcription", text=said), _event(utterance, "avatar.speak_ended")]


def _event(utterance: Utterance, kind: str, **fields: Any) -> Event:
    source = {} if utterance.source is None else {"source_event_id": utterance.source}
    return {"event_type": kind, **source, **fields}
