"""What the avatar says and when: from audio frames to the events of its utterances, by the clock alone."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any, Final

from .clock import SECOND

SAMPLE_RATE: Final = 24_000
SAMPLE_BYTES: Final = 2
LATENCY: Final = 100_000  # microseconds from the first frame to the first word

Event = dict[str, Any]


@dataclass(slots=True)
class Utterance:
    """Audio frames up to their ``agent.speak_end``."""

    event_id: str | None
    ready_at: int
    length: int = 0
    starts_at: int | None = None
    ends_at: int = 0
    started: bool = False
    committed_at: int | None = None
    mixed: bool = False
    task_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def append(self, length: int, now: int) -> None:
        self.length += length
        if self.starts_at is not None:
            # frames that come late leave a gap: what was said is said
            self.ends_at = max(self.ends_at, now) + length

    def begin(self, moment: int) -> None:
        self.starts_at = max(moment, self.ready_at)
        self.ends_at = self.starts_at + self.length

    @property
    def over_at(self) -> int | None:
        return None if self.committed_at is None else max(self.ends_at, self.committed_at)

    def event(self, name: str) -> Event:
        return {"type": f"agent.{name}", "event_id": self.event_id, "task": {"id": self.task_id}}


class Speech:
    """The avatar's voice in one connection: a queue of utterances and the pose between them."""

    def __init__(self) -> None:
        self._queue: list[Utterance] = []
        self._state = "idle"
        self._rest = "idle"

    def append(self, audio: bytes, event_id: str | None, now: int) -> tuple[list[Event], bool]:
        """The acknowledgement, and whether this is the utterance's first frame with another event id."""
        if not self._queue or self._queue[-1].committed_at is not None:
            utterance = Utterance(event_id, ready_at=now + LATENCY)
            if not self._queue:
                utterance.begin(now)
            self._queue.append(utterance)
        utterance = self._queue[-1]
        utterance.append(len(audio) * SECOND // (SAMPLE_RATE * SAMPLE_BYTES), now)
        mixed = event_id != utterance.event_id and not utterance.mixed
        utterance.mixed = utterance.mixed or mixed
        return [_ack("appended", event_id)], mixed

    def commit(self, event_id: str | None, now: int) -> list[Event]:
        if self._queue and self._queue[-1].committed_at is None:
            self._queue[-1].committed_at = now
        return [_ack("committed", event_id)]

    def interrupt(self, event_id: str | None) -> list[Event]:
        events = [_ack("cleared", event_id)]
        if self._queue and self._queue[0].started:
            events.append(self._queue[0].event("speak_interrupted"))
            events += self._to(self._rest)
        self._queue.clear()
        return events

    def pose(self, state: str) -> list[Event]:
        """Listening or idle: at once, or when the avatar has spoken."""
        self._rest = state
        return [] if self._state == "talking" else self._to(state)

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
        return head.ends_at + sum(utterance.length for utterance in later)

    def _to(self, state: str) -> list[Event]:
        previous, self._state = self._state, state
        if previous == state:
            return []
        return [{"type": "agent.state_updated", "previous_state": previous, "new_state": state}]


def _ack(what: str, event_id: str | None) -> Event:
    return {"type": f"agent.audio_buffer_{what}", "event_id": event_id}
