"""`UtteranceFinder`: finds which of a conversation's utterances an event belongs to, by id or by order."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ... import config
from ...concurrency.bounded import BoundedDict
from ...concurrency.clock import Clock
from ...protocol.events import Event
from .utterance import AsyncUtterance, UtteranceState

REMEMBERED: Final = 1000  # maximum number of ids to remember, each with its utterance


class UtteranceFinder:
    """Maps events to the utterances that they belong to.

    An event's `source_event_id` names the command that caused the event, or an earlier event with the same cause. If
    the service leaves this field out, we assume that the utterances are said in the order requested, after the opening.

    Args:
        clock: The clock to use.
        has_opening: Whether the avatar speaks first, without being asked to.
    """

    def __init__(self, clock: Clock, *, has_opening: bool) -> None:
        self._clock = clock
        self._has_opening = has_opening
        self._opening_until: float | None = None  # set at the first sign that somebody is in the room
        self._known: BoundedDict[str, AsyncUtterance] = BoundedDict(REMEMBERED)
        self._are_named = False  # whether the service has named an utterance that was requested

    def add(self, utterance: AsyncUtterance) -> None:
        """Add an utterance that was requested."""
        self._known[utterance.id] = utterance

    def is_ours(self, utterance: AsyncUtterance) -> bool:
        """Return whether this utterance was requested, rather than begun by the avatar on its own."""
        return utterance.id in self._known

    def expect_opening(self) -> None:
        """Record that somebody is in the room; from the first call on, the avatar's opening words are due."""
        if self._opening_until is None:
            self._opening_until = self._clock.monotonic() + config.OPENING_LIMIT

    def find(self, event: Event) -> AsyncUtterance | None:
        """Return the utterance that an event names, if any; also map the event's own id to that utterance."""
        found = None if event.source_event_id is None else self._known.get(event.source_event_id)
        if found is not None and event.event_id is not None:
            self._known[event.event_id] = found
        return found

    def note_named(self, utterance: AsyncUtterance) -> None:
        """Record that the service named this utterance as the one being said."""
        self._are_named = self._are_named or self.is_ours(utterance)

    def next(self, waiting: Iterable[AsyncUtterance]) -> AsyncUtterance | None:
        """Return the utterance that is next in order; None if the avatar is speaking on its own."""
        is_opening = self._has_opening and self._clock.monotonic() < (self._opening_until or 0.0)
        if self._are_named or is_opening:
            return None
        return next((utterance for utterance in waiting if utterance.state is UtteranceState.SENDING), None)

    def claim(self, event: Event, utterance: AsyncUtterance) -> None:
        """Record that this event began an utterance that was not requested."""
        self._has_opening = False
        if event.source_event_id is not None:
            self._known[event.source_event_id] = utterance
