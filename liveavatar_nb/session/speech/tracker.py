"""`UtteranceTracker`: follows the utterances of a LITE session through the service's events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ... import config
from ...concurrency.bounded import BoundedDict
from ...concurrency.clock import CLOCK, Clock
from ...protocol.events import AGENT_STATE, Event
from ...protocol.lite import BUFFER_CLEARED, SPEAK_ENDED, SPEAK_INTERRUPTED, SPEAK_STARTED
from .utterance import AgentState, AsyncUtterance, UtteranceState

ALIASES: Final = 1000  # maximum number of ids to remember, each with its utterance
SLACK: Final = 0.5  # seconds by which the service may report the end of an utterance too early
DERIVED: Final = "derived_from"  # marks an older-style event that we derived from a newer-style one


class UtteranceTracker:
    """Follows the utterances that were sent to the service, using its older-style or newer-style events.

    Older builds of the service send `agent.speak_started` and `agent.speak_ended`, newer ones send
    `agent.state_updated`, and some send both. Once an `agent.speak_*` event has arrived, `agent.state_updated` no
    longer changes any utterance. Events may arrive twice, out of order, for utterances that are over, or with ids
    that the service assigned; even so, no state ever moves backwards.

    Args:
        clock: The clock to use.
        on_start: Called with each utterance at its first word.
    """

    def __init__(
        self, clock: Clock = CLOCK, on_start: Callable[[AsyncUtterance], None] = lambda utterance: None
    ) -> None:
        self._clock = clock
        self._on_start = on_start
        self._open: list[AsyncUtterance] = []
        self._known: BoundedDict[str, AsyncUtterance] = BoundedDict(ALIASES)
        self._sends_speak_events = False  # whether an `agent.speak_*` event has arrived
        self._derived: BoundedDict[tuple[str, str], None] = BoundedDict(ALIASES)
        self._rest = AgentState.IDLE
        self._silenced: list[AsyncUtterance] = []  # the utterances that were being said at the last interruption
        self._ignore_until = 0.0  # until this time, newer-style events may still be about the interrupted utterance
        self.agent_state = AgentState.IDLE

    @property
    def talking(self) -> AsyncUtterance | None:
        """The utterance that is being said, if any."""
        return next((utterance for utterance in self._open if utterance.state is UtteranceState.TALKING), None)

    def begin(self, utterance: AsyncUtterance) -> None:
        """Record that an utterance's first frame is being sent."""
        utterance.begin(has_waited=bool(self._open))
        self._open.append(utterance)
        self._known[utterance.id] = utterance

    def rest(self, state: AgentState) -> None:
        """Set the state that the avatar is in while it is silent."""
        self._rest = state

    def interrupt(self) -> list[AsyncUtterance]:
        """Record that an interruption is being sent; end all open utterances and return them."""
        if self._open:
            self._ignore_until = self._clock.monotonic() + config.DEAF
        self._silenced = [utterance for utterance in self._open if utterance.state is UtteranceState.TALKING]
        return self._close_all(UtteranceState.INTERRUPTED)

    def lose(self, error: Exception) -> list[AsyncUtterance]:
        """Record that the WebSocket is lost; fail all open utterances and return them."""
        self.agent_state = AgentState.IDLE
        return self._close_all(UtteranceState.FAILED, error)

    def drop(self, utterance: AsyncUtterance) -> None:
        """Stop following an utterance that is over."""
        if utterance in self._open:
            self._open.remove(utterance)

    def receive(self, event: Event) -> list[Event]:
        """Handle an event; return the event (unless it is redundant) and any older-style events derived from it."""
        if event.type in (SPEAK_STARTED, SPEAK_ENDED, SPEAK_INTERRUPTED):
            self._sends_speak_events = True
            utterance = self._find(event)
            self._apply(event.type, utterance)
            is_known = utterance is not None and (event.type, utterance.id) in self._derived
            return [] if is_known else [event]
        if event.type == BUFFER_CLEARED:
            self._ignore_until = 0.0
        if event.agent_state is not None:
            return [event, *self._turn(event.agent_state)]
        return [event]

    def _apply(self, event_type: str, utterance: AsyncUtterance | None) -> None:
        if event_type == SPEAK_STARTED:
            self.agent_state = AgentState.TALKING
            if utterance is not None:
                self._start(utterance)
            return
        if utterance is None or not utterance.is_open:
            # the utterance is over or unknown, so anything being said now continues
            if self.talking is None:
                self.agent_state = self._rest
            return
        if event_type == SPEAK_INTERRUPTED:
            # the service also dropped everything queued behind the interrupted utterance
            self._close_all(UtteranceState.INTERRUPTED)
        elif utterance.is_complete:
            self._end(utterance)
        if self.talking is None:
            self.agent_state = self._rest

    def _find(self, event: Event) -> AsyncUtterance | None:
        """Find the utterance that an event belongs to, by a known id or, failing that, by order."""
        ids = [event_id for event_id in (event.event_id, event.task_id) if event_id is not None]
        found = next((self._known[event_id] for event_id in ids if event_id in self._known), None)
        if found is None and event.type == SPEAK_STARTED:
            found = self._next_sending()
        elif found is None:
            found = self.talking
        if found is not None:
            for event_id in ids:
                self._known[event_id] = found
        return found

    def _turn(self, state: str) -> list[Event]:
        """Apply the state from a newer-style event; return the older-style events derived from that event."""
        before = self.agent_state
        if state not in (AgentState.IDLE, AgentState.LISTENING, AgentState.TALKING):
            return []
        if not (self._sends_speak_events and self.talking and state != AgentState.TALKING):
            self.agent_state = AgentState(state)
        if self._sends_speak_events:
            return []
        if state == AgentState.TALKING:
            if self._clock.monotonic() < self._ignore_until:
                # the interrupted utterance has not ended yet, and no newer one can start until it has
                return []
            first = self._next_sending()
            begun = self.talking is None and first is not None and self._start(first)
            return [self._derive(SPEAK_STARTED, first)] if begun and first is not None else []
        self._ignore_until = 0.0
        silenced, self._silenced = self._silenced, []
        events = [self._derive(SPEAK_INTERRUPTED, utterance) for utterance in silenced]
        if before == AgentState.TALKING:
            events += [self._derive(SPEAK_ENDED, utterance) for utterance in self._end_said()]
        return events

    def _end_said(self) -> list[AsyncUtterance]:
        """End the utterances that the avatar had time to finish before it fell silent; return them."""
        talking = self.talking
        if talking is None or not talking.is_complete:
            return []
        ended: list[AsyncUtterance] = []
        needed, passed = 0.0, talking.age + SLACK
        for utterance in list(self._open):
            needed += utterance.seconds
            if utterance is not talking and (not utterance.is_complete or passed < needed):
                break
            self._start(utterance)
            self._end(utterance)
            ended.append(utterance)
        return ended

    def _next_sending(self) -> AsyncUtterance | None:
        return next((utterance for utterance in self._open if utterance.state is UtteranceState.SENDING), None)

    def _derive(self, kind: str, utterance: AsyncUtterance) -> Event:
        self._derived[kind, utterance.id] = None
        return Event(kind, {"event_id": utterance.id, DERIVED: AGENT_STATE})

    def _start(self, utterance: AsyncUtterance) -> bool:
        if not utterance.start():
            return False
        # utterances are spoken in order, so earlier ones are over, even if their end events have not arrived
        for earlier in self._open[: self._open.index(utterance)] if utterance in self._open else []:
            self._end(earlier)
        self._on_start(utterance)
        return True

    def _end(self, utterance: AsyncUtterance) -> None:
        self.drop(utterance)
        utterance.finish(UtteranceState.ENDED)

    def _close_all(self, state: UtteranceState, error: Exception | None = None) -> list[AsyncUtterance]:
        closed, self._open = self._open, []
        return [utterance for utterance in closed if utterance.finish(state, error)]
