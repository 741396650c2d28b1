"""`Sources`: which utterance of a conversation an event is about, by ids that it names or by the order of things."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ... import config
from ...concurrency.bounded import Newest
from ...concurrency.clock import Clock
from ...protocol.events import Event
from .utterance import AsyncUtterance, UtteranceState

REMEMBERED: Final = 1000  # ids, with the utterances they stand for


class Sources:
    """Events name by `source_event_id` what they answer: a command of ours, or an event that answers it. Where the
    service leaves that out, what was asked for first is said first, after the opening.

    Args:
        clock: tells the time.
        has_opening: the avatar says something by itself first.
    """

    def __init__(self, clock: Clock, *, has_opening: bool) -> None:
        self._clock = clock
        self._has_opening = has_opening
        self._opening_until: float | None = None  # known from the first sign of somebody in the room
        self._known: Newest[str, AsyncUtterance] = Newest(REMEMBERED)
        self._are_named = False  # whether the service has named one of ours

    def add(self, utterance: AsyncUtterance) -> None:
        """One that was asked for."""
        self._known[utterance.id] = utterance

    def is_ours(self, utterance: AsyncUtterance) -> bool:
        """Whether it was asked for, by text."""
        return utterance.id in self._known

    def somebody_is_there(self) -> None:
        """From the first time on the opening is due."""
        if self._opening_until is None:
            self._opening_until = self._clock.monotonic() + config.OPENING_LIMIT

    def of(self, event: Event) -> AsyncUtterance | None:
        """The one that an event names; what answers the event answers that, too."""
        found = None if event.source_event_id is None else self._known.get(event.source_event_id)
        if found is not None and event.event_id is not None:
            self._known[event.event_id] = found
        return found

    def named(self, utterance: AsyncUtterance) -> None:
        """The service named it as what it says now."""
        self._are_named = self._are_named or self.is_ours(utterance)

    def next(self, waiting: Iterable[AsyncUtterance]) -> AsyncUtterance | None:
        """The one whose turn it is by the order of things; None where the avatar speaks by itself."""
        is_opening = self._has_opening and self._clock.monotonic() < (self._opening_until or 0.0)
        if self._are_named or is_opening:
            return None
        return next((one for one in waiting if one.state is UtteranceState.SENDING), None)

    def claim(self, event: Event, utterance: AsyncUtterance) -> None:
        """With this event the avatar began to say something by itself."""
        self._has_opening = False
        if event.source_event_id is not None:
            self._known[event.source_event_id] = utterance
