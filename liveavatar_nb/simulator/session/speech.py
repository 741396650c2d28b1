"""What the avatar says and when: from audio frames to the events of its utterances, by the clock alone."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any, Final

from ..clock import SECOND
from .heard import State

SAMPLE_RATE: Final = 24_000
SAMPLE_BYTES: Final = 2
BYTES_A_SECOND: Final = SAMPLE_RATE * SAMPLE_BYTES
LATENCY: Final = 100_000  # microseconds from the first frame to the first word

Event = dict[str, Any]


def duration(size: int) -> int:
    """Microseconds that so many bytes of sound take."""
    return size * SECOND // BYTES_A_SECOND


@dataclass(slots=True, eq=False)
class Utterance:
    """Audio frames up to their ``agent.speak_end``."""

    event_id: str | None
    ready_at: int
    size: int = 0  # bytes
    starts_at: int | None = None
    committed_at: int | None = None
    state: State = "open"
    noted: set[str] = field(default_factory=set)  # what was already said against it
    task_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    started: bool = False
    # the moment since which there was no gap, and the bytes to say from then on: rounded once, not for each frame
    _flows_at: int = 0
    _flow: int = 0

    def append(self, size: int, now: int) -> None:
        self.size += size
        if self.starts_at is not None:
            if now > self.ends_at:
                # frames that come late leave a gap: what was said is said
                self._flows_at, self._flow = now, 0
            self._flow += size

    def begin(self, moment: int) -> None:
        self.starts_at = self._flows_at = max(moment, self.ready_at)
        self._flow = self.size

    @property
    def ends_at(self) -> int:
        """When the sound so far has been said, for one that has begun."""
        return self._flows_at + duration(self._flow)

    @property
    def over_at(self) -> int | None:
        return None if self.committed_at is None else max(self.ends_at, self.committed_at)

    def event(self, name: str) -> Event:
        return {"type": f"agent.{name}", "event_id": self.event_id, "task": {"id": self.task_id}}


class Speech:
    """The avatar's voice in one connection: a queue of utterances and the pose between them.

    Each method first settles what fell due until `now`, and gives the events of that, too.
    """

    def __init__(self) -> None:
        self._queue: list[Utterance] = []
        self._state = "idle"
        self._rest = "idle"

    @property
    def open(self) -> Utterance | None:
        """The one that has had no ``agent.speak_end`` yet: the next frame is part of it."""
        return self._queue[-1] if self._queue and self._queue[-1].committed_at is None else None

    def append(self, audio: bytes, event_id: str | None, now: int) -> tuple[Utterance, list[Event]]:
        """The utterance that the frame is part of, and the events."""
        events = self.settle(now)
        utterance = self.open
        if utterance is None:
            utterance = Utterance(event_id, ready_at=now + LATENCY)
            if not self._queue:
                utterance.begin(now)
            self._queue.append(utterance)
        utterance.append(len(audio), now)
        return utterance, [*events, _ack("appended", event_id)]

    def commit(self, event_id: str | None, now: int) -> list[Event]:
        events = self.settle(now)
        if (utterance := self.open) is not None:
            utterance.committed_at = now
            utterance.state = "committed"
        return [*events, _ack("committed", event_id)]

    def interrupt(self, event_id: str | None, now: int) -> list[Event]:
        events = [*self.settle(now), _ack("cleared", event_id)]
        if self._queue and self._queue[0].started:
            events += [self._queue[0].event("speak_interrupted"), *self._to(self._rest)]
        for utterance in self._queue:
            utterance.state = "interrupted"
        self._queue.clear()
        return events

    def pose(self, state: str, now: int) -> list[Event]:
        """Listening or idle: at once, or when the avatar has spoken."""
        events = self.settle(now)
        self._rest = state
        return events if self._state == "talking" else [*events, *self._to(state)]

    def settle(self, now: int) -> list[Event]:
        """The events of what began and ended until now."""
        events: list[Event] = []
        while self._queue:
            head = self._queue[0]
            assert head.starts_at is not None
            if not head.started:
                if head.starts_at > now:
                    break
                head.started = True
                events += [head.event("speak_started"), *self._to("talking")]
            if head.over_at is None or head.over_at > now:
                break
            head.state = "said"
            events += [head.event("speak_ended"), *self._to(self._rest)]
            del self._queue[0]
            if self._queue:
                self._queue[0].begin(head.over_at)
        return events

    def next_due(self) -> int | None:
        if not self._queue:
            return None
        head = self._queue[0]
        return head.over_at if head.started else head.starts_at

    def busy_until(self) -> int:
        """The moment at which everything that was handed in so far has been said."""
        if not self._queue:
            return 0
        head, *later = self._queue
        return head.ends_at + sum(duration(utterance.size) for utterance in later)

    def _to(self, state: str) -> list[Event]:
        previous, self._state = self._state, state
        if previous == state:
            return []
        return [{"type": "agent.state_updated", "previous_state": previous, "new_state": state}]


def _ack(what: str, event_id: str | None) -> Event:
    return {"type": f"agent.audio_buffer_{what}", "event_id": event_id}
