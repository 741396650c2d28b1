"""The logic of speech in LITE sessions, without any I/O: it turns audio frames into timed events."""

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
    """Return the duration of `size` bytes of audio, in microseconds."""
    return size * SECOND // BYTES_A_SECOND


@dataclass(slots=True, eq=False)
class Utterance:
    """An utterance: the audio frames up to one ``agent.speak_end``; times are in simulated microseconds."""

    event_id: str | None
    ready_at: int
    size: int = 0  # bytes
    starts_at: int | None = None
    committed_at: int | None = None
    state: State = "open"
    noted: set[str] = field(default_factory=set)  # warnings already given about this utterance
    task_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    started: bool = False
    # start time and byte count of the current gapless stretch; only the total is rounded, so errors do not accumulate
    _flows_at: int = 0
    _flow: int = 0

    def append(self, size: int, now: int) -> None:
        """Add a frame of `size` bytes."""
        self.size += size
        if self.starts_at is not None:
            if now > self.ends_at:
                # the frame is late, so there was a gap
                self._flows_at, self._flow = now, 0
            self._flow += size

    def begin(self, moment: int) -> None:
        """Begin the utterance at `moment`, or once it is ready if that is later."""
        self.starts_at = self._flows_at = max(moment, self.ready_at)
        self._flow = self.size

    @property
    def ends_at(self) -> int:
        """The time at which the audio so far will have been spoken; only valid once the utterance has begun."""
        return self._flows_at + duration(self._flow)

    @property
    def over_at(self) -> int | None:
        """The time at which the utterance will be over; None before its ``agent.speak_end``."""
        return None if self.committed_at is None else max(self.ends_at, self.committed_at)

    def event(self, name: str) -> Event:
        """Return an event about this utterance."""
        return {"type": f"agent.{name}", "event_id": self.event_id, "task": {"id": self.task_id}}


class Speech:
    """What the avatar says over one connection: a queue of utterances, and the avatar's pose between them.

    Methods that take `now` first process everything due by that time, and also return the resulting events.
    """

    def __init__(self) -> None:
        self._queue: list[Utterance] = []
        self._state = "idle"
        self._rest = "idle"

    @property
    def open(self) -> Utterance | None:
        """The utterance that the next frame belongs to: the one without an ``agent.speak_end`` yet, if any."""
        return self._queue[-1] if self._queue and self._queue[-1].committed_at is None else None

    def append(self, audio: bytes, event_id: str | None, now: int) -> tuple[Utterance, list[Event]]:
        """Add a frame of audio; return its utterance and the resulting events."""
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
        """Handle ``agent.speak_end``."""
        events = self.settle(now)
        if (utterance := self.open) is not None:
            utterance.committed_at = now
            utterance.state = "committed"
        return [*events, _ack("committed", event_id)]

    def interrupt(self, event_id: str | None, now: int) -> list[Event]:
        """Handle ``agent.interrupt``: stop speaking and clear the queue."""
        events = [*self.settle(now), _ack("cleared", event_id)]
        if self._queue and self._queue[0].started:
            events += [self._queue[0].event("speak_interrupted"), *self._change_state(self._rest)]
        for utterance in self._queue:
            utterance.state = "interrupted"
        self._queue.clear()
        return events

    def pose(self, state: str, now: int) -> list[Event]:
        """Change the pose to listening or idle, immediately or once the avatar has finished speaking."""
        events = self.settle(now)
        self._rest = state
        return events if self._state == "talking" else [*events, *self._change_state(state)]

    def settle(self, now: int) -> list[Event]:
        """Return the events that are due by now."""
        events: list[Event] = []
        while self._queue:
            head = self._queue[0]
            assert head.starts_at is not None
            if not head.started:
                if head.starts_at > now:
                    break
                head.started = True
                events += [head.event("speak_started"), *self._change_state("talking")]
            if head.over_at is None or head.over_at > now:
                break
            head.state = "said"
            events += [head.event("speak_ended"), *self._change_state(self._rest)]
            del self._queue[0]
            if self._queue:
                self._queue[0].begin(head.over_at)
        return events

    def next_due(self) -> int | None:
        """Return the time at which `settle` will have events to return, if nothing else happens first."""
        if not self._queue:
            return None
        head = self._queue[0]
        return head.over_at if head.started else head.starts_at

    def busy_until(self) -> int:
        """Return the time at which everything received so far will have been said; 0 if the queue is empty."""
        if not self._queue:
            return 0
        head, *later = self._queue
        return head.ends_at + sum(duration(utterance.size) for utterance in later)

    def _change_state(self, state: str) -> list[Event]:
        previous, self._state = self._state, state
        if previous == state:
            return []
        return [{"type": "agent.state_updated", "previous_state": previous, "new_state": state}]


def _ack(action: str, event_id: str | None) -> Event:
    return {"type": f"agent.audio_buffer_{action}", "event_id": event_id}
