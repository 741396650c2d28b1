"""`Track`: how far the utterances of a LITE session have come, by what the service says of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ... import config
from ...concurrency.bounded import Newest
from ...concurrency.clock import CLOCK, Clock
from ...protocol.events import AGENT_STATE, Event
from ...protocol.lite import BUFFER_CLEARED, SPEAK_ENDED, SPEAK_INTERRUPTED, SPEAK_STARTED
from .utterance import AgentState, AsyncUtterance, UtteranceState

ALIASES: Final = 1000  # ids of the service's own that are remembered with the utterances they stand for
SLACK: Final = 0.5  # s by which the service's end of an utterance may come before its sound's
DERIVED: Final = "derived_from"  # marks an event that the service said in another spelling


class Track:
    """What the service says of the utterances that were sent to it, in either of its spellings.

    Older builds say `agent.speak_started` and `agent.speak_ended`, newer ones `agent.state_updated`, some both. Once
    the first was heard the second moves no utterance any more. Events may come twice, in the wrong order, for
    utterances that are over, or under ids of the service's own; nothing goes back by them.

    Args:
        clock: tells the time.
        on_start: called with each utterance at its first word.
    """

    def __init__(
        self, clock: Clock = CLOCK, on_start: Callable[[AsyncUtterance], None] = lambda utterance: None
    ) -> None:
        self._clock = clock
        self._on_start = on_start
        self._open: list[AsyncUtterance] = []
        self._known: Newest[str, AsyncUtterance] = Newest(ALIASES)
        self._speaks = False  # whether `agent.speak_*` was heard
        self._derived: Newest[tuple[str, str], None] = Newest(ALIASES)
        self._rest = AgentState.IDLE
        self._silenced: list[AsyncUtterance] = []  # what was being said then
        self._deaf_until = 0.0  # until when the newer spelling may still speak of what was hushed
        self.agent_state = AgentState.IDLE

    @property
    def talking(self) -> AsyncUtterance | None:
        """The utterance that is being said."""
        return next((one for one in self._open if one.state is UtteranceState.TALKING), None)

    def begin(self, utterance: AsyncUtterance) -> None:
        """Its first frame goes out."""
        utterance.begin(has_waited=bool(self._open))
        self._open.append(utterance)
        self._known[utterance.id] = utterance

    def rest(self, state: AgentState) -> None:
        """What the avatar was told to do while it does not talk."""
        self._rest = state

    def hush(self) -> list[AsyncUtterance]:
        """An interruption goes out: what was sent is over; what that was."""
        if self._open:
            self._deaf_until = self._clock.monotonic() + config.DEAF
        self._silenced = [one for one in self._open if one.state is UtteranceState.TALKING]
        return self._close_all(UtteranceState.INTERRUPTED)

    def lose(self, error: Exception) -> list[AsyncUtterance]:
        """The socket is lost, and with it what was sent; what that was."""
        self.agent_state = AgentState.IDLE
        return self._close_all(UtteranceState.FAILED, error)

    def drop(self, utterance: AsyncUtterance) -> None:
        """It is over by itself."""
        if utterance in self._open:
            self._open.remove(utterance)

    def receive(self, event: Event) -> list[Event]:
        """Takes an event in; gives what is to be told of it: itself, and what it means in the other spelling."""
        if event.type in (SPEAK_STARTED, SPEAK_ENDED, SPEAK_INTERRUPTED):
            self._speaks = True
            utterance = self._find(event)
            self._obey(event.type, utterance)
            told_before = utterance is not None and (event.type, utterance.id) in self._derived
            return [] if told_before else [event]
        if event.type == BUFFER_CLEARED:
            self._deaf_until = 0.0
        if event.agent_state is not None:
            return [event, *self._turn(event.agent_state)]
        return [event]

    def _obey(self, told: str, utterance: AsyncUtterance | None) -> None:
        if told == SPEAK_STARTED:
            self.agent_state = AgentState.TALKING
            if utterance is not None:
                self._start(utterance)
            return
        if utterance is None or not utterance.is_open:
            # of one that is over, or of nobody's: what is being said now goes on
            if self.talking is None:
                self.agent_state = self._rest
            return
        if told == SPEAK_INTERRUPTED:
            # the service forgot all that waited behind it, too
            self._close_all(UtteranceState.INTERRUPTED)
        elif utterance.is_complete:
            self._end(utterance)
        if self.talking is None:
            self.agent_state = self._rest

    def _find(self, event: Event) -> AsyncUtterance | None:
        """The utterance that an event is about: by an id that is known, else by the order of things."""
        ids = [one for one in (event.event_id, event.task_id) if one is not None]
        found = next((self._known[one] for one in ids if one in self._known), None)
        if found is None and event.type == SPEAK_STARTED:
            found = next((one for one in self._open if one.state is UtteranceState.SENDING), None)
        elif found is None:
            found = self.talking
        if found is not None:
            for one in ids:
                self._known[one] = found
        return found

    def _turn(self, state: str) -> list[Event]:
        """The other spelling: what the avatar does."""
        before = self.agent_state
        if state not in (AgentState.IDLE, AgentState.LISTENING, AgentState.TALKING):
            return []
        if not (self._speaks and self.talking and state != AgentState.TALKING):
            self.agent_state = AgentState(state)
        if self._speaks:
            return []
        if state == AgentState.TALKING:
            if self._clock.monotonic() < self._deaf_until:
                # its end is on the way; what was sent since is not said before that
                return []
            first = next((one for one in self._open if one.state is UtteranceState.SENDING), None)
            begun = self.talking is None and first is not None and self._start(first)
            return [self._derive(SPEAK_STARTED, first)] if begun and first is not None else []
        self._deaf_until = 0.0
        silenced, self._silenced = self._silenced, []
        told = [self._derive(SPEAK_INTERRUPTED, one) for one in silenced]
        if before == AgentState.TALKING:
            told += [self._derive(SPEAK_ENDED, one) for one in self._all_said()]
        return told

    def _all_said(self) -> list[AsyncUtterance]:
        """The avatar fell silent: what it was saying is over, and what else there was time for."""
        talking = self.talking
        if talking is None or not talking.is_complete:
            return []
        ended: list[AsyncUtterance] = []
        needed, passed = 0.0, talking.age + SLACK
        for one in list(self._open):
            needed += one.seconds
            if one is not talking and (not one.is_complete or passed < needed):
                break
            self._start(one)
            self._end(one)
            ended.append(one)
        return ended

    def _derive(self, kind: str, utterance: AsyncUtterance) -> Event:
        self._derived[kind, utterance.id] = None
        return Event(kind, {"event_id": utterance.id, DERIVED: AGENT_STATE})

    def _start(self, utterance: AsyncUtterance) -> bool:
        if not utterance.start():
            return False
        # the avatar speaks in order: the end of what comes before went unheard, or is still on its way
        for earlier in self._open[: self._open.index(utterance)] if utterance in self._open else []:
            self._end(earlier)
        self._on_start(utterance)
        return True

    def _end(self, utterance: AsyncUtterance) -> None:
        self.drop(utterance)
        utterance.finish(UtteranceState.ENDED)

    def _close_all(self, state: UtteranceState, error: Exception | None = None) -> list[AsyncUtterance]:
        closed, self._open = self._open, []
        return [one for one in closed if one.finish(state, error)]
