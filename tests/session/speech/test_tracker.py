"""The track of what is said: either spelling of the events moves an utterance on, and nothing moves it back."""

from __future__ import annotations

import json
import os
import random
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from liveavatar_nb.concurrency.clock import Clock
from liveavatar_nb.errors import UtteranceFailed
from liveavatar_nb.protocol import lite
from liveavatar_nb.protocol.events import Event
from liveavatar_nb.session.speech.tracker import UtteranceTracker
from liveavatar_nb.session.speech.utterance import AgentState, AsyncUtterance, UtteranceState

FRAMES = int(os.environ.get("LIVEAVATAR_NB_TEST_FRAMES", "100000"))
IN_A_RUN = 500


class Hand(Clock):
    """A clock by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@dataclass
class Said:
    """A track with a clock by hand."""

    clock: Hand = field(default_factory=Hand)
    started: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.track = UtteranceTracker(self.clock, lambda utterance: self.started.append(utterance.name))

    def begin(self, name: str, seconds: float = 2.0, *, complete: bool = True) -> AsyncUtterance:
        utterance = AsyncUtterance(name, clock=self.clock)
        self.track.begin(utterance)
        utterance.sent(seconds)
        if complete:
            utterance.complete([])
        return utterance

    def tell(self, kind: str, event_id: str | None = None, **data: Any) -> list[Event]:
        return self.track.receive(Event(kind, {**({} if event_id is None else {"event_id": event_id}), **data}))


@pytest.fixture
def said() -> Said:
    return Said()


def test_an_utterance_in_the_older_spelling(said: Said) -> None:
    one = said.begin("one")
    assert (one.state, one.lag, said.track.agent_state) == ("sending", None, "idle")
    said.clock.now += 0.25
    said.tell("agent.speak_started", one.id, task={"id": "t"})
    assert (one.state, one.lag, said.track.agent_state, said.track.talking) == ("talking", 0.25, "talking", one)
    said.clock.now += 1.5
    assert one.played == 1.5
    said.clock.now += 0.6
    said.tell("agent.speak_ended", one.id, task={"id": "t"})
    assert (str(one.state), one.played) == ("ended", 2.0)
    assert one.duration == pytest.approx(2.1)
    assert (said.track.agent_state, said.track.talking) == ("idle", None)


@pytest.mark.parametrize("name", ["new_state", "state"])
def test_an_utterance_in_the_newer_spelling_is_told_in_the_older_one_too(said: Said, name: str) -> None:
    one = said.begin("one")
    assert [event.type for event in said.tell("agent.state_updated", **{name: "talking"})] == [
        "agent.state_updated",
        "agent.speak_started",
    ]
    assert str(one.state) == "talking"
    _, derived = said.tell("agent.state_updated", **{name: "idle"})
    assert derived == Event("agent.speak_ended", {"event_id": one.id, "derived_from": "agent.state_updated"})
    assert str(one.state) == "ended"


def test_where_both_spellings_come_each_step_is_told_once(said: Said) -> None:
    one, two = said.begin("one"), said.begin("two")
    told = [
        *said.tell("agent.state_updated", new_state="talking"),
        *said.tell("agent.speak_started", one.id),
        *said.tell("agent.speak_ended", one.id),
        *said.tell("agent.speak_started", two.id),
        # late: it belongs to the end of the first
        *said.tell("agent.state_updated", new_state="idle"),
    ]
    assert [event.type for event in told if "speak" in event.type] == [
        "agent.speak_started",
        "agent.speak_ended",
        "agent.speak_started",
    ]
    assert (one.state, two.state, said.track.agent_state) == ("ended", "talking", "talking")
    said.tell("agent.speak_ended", two.id)
    assert (two.state, said.track.agent_state) == ("ended", "idle")
    assert said.started == ["one", "two"]


def test_ids_of_the_services_own_are_learnt(said: Said) -> None:
    one, two = said.begin("one"), said.begin("two")
    said.tell("agent.speak_started", "theirs-1", task={"id": "task-1"})
    said.tell("agent.speak_ended", "other", task={"id": "task-1"})
    said.tell("agent.speak_ended", "theirs-1")
    assert (one.state, two.state) == ("ended", "sending")
    said.tell("agent.speak_started", "theirs-2")
    assert str(two.state) == "talking"
    said.tell("agent.speak_ended")
    assert str(two.state) == "ended"


def test_row_29_twice_and_out_of_order(said: Said) -> None:
    """row 29: nothing goes back."""
    one = said.begin("one")
    said.tell("agent.speak_ended", one.id)
    assert str(one.state) == "ended"
    said.tell("agent.speak_started", one.id)
    said.tell("agent.speak_interrupted", one.id)
    assert str(one.state) == "ended"
    two, three = said.begin("two"), said.begin("three")
    said.tell("agent.speak_started", three.id)
    assert (two.state, three.state) == ("ended", "talking")
    for _ in range(2):
        said.tell("agent.speak_ended", two.id)
        said.tell("agent.speak_started", two.id)
    assert str(three.state) == "talking"
    for _ in range(2):
        said.tell("agent.speak_ended", three.id)
    assert str(three.state) == "ended"


def test_the_end_before_all_was_sent_is_a_pause(said: Said) -> None:
    one = said.begin("one", complete=False)
    said.tell("agent.speak_started", one.id)
    said.tell("agent.speak_ended", one.id)
    assert str(one.state) == "talking"
    one.complete([])
    said.tell("agent.speak_ended", one.id)
    assert str(one.state) == "ended"


def test_one_silence_ends_all_that_there_was_time_for(said: Said) -> None:
    one, two, three = said.begin("one", 2.0), said.begin("two", 3.0), said.begin("three", 4.0)
    said.tell("agent.state_updated", new_state="talking")
    said.clock.now += 5.1
    said.tell("agent.state_updated", new_state="idle")
    assert (one.state, two.state, three.state) == ("ended", "ended", "sending")


def test_an_interruption_of_ours_takes_nothing_that_comes_after_it(said: Said) -> None:
    one = said.begin("one")
    said.tell("agent.speak_started", "theirs")
    assert said.track.interrupt() == [one]
    two = said.begin("two")
    said.tell("agent.audio_buffer_cleared", "anything")
    said.tell("agent.speak_interrupted", "unheard-of")
    assert (one.state, two.state) == ("interrupted", "sending")
    said.tell("agent.speak_started", two.id)
    said.tell("agent.speak_interrupted", "theirs")
    assert str(two.state) == "talking"


def test_an_interruption_is_told_in_the_newer_spelling_too(said: Said) -> None:
    one = said.begin("one")
    said.tell("agent.state_updated", new_state="talking")
    said.track.interrupt()
    told = [*said.tell("agent.audio_buffer_cleared", "anything"), *said.tell("agent.state_updated", new_state="idle")]
    assert told[-1] == Event("agent.speak_interrupted", {"event_id": one.id, "derived_from": "agent.state_updated"})
    assert [event.type for event in said.tell("agent.state_updated", new_state="idle")] == ["agent.state_updated"]


@pytest.mark.parametrize("end", ["cleared", "idle", "late"])
def test_what_is_late_of_what_was_hushed_starts_nothing(said: Said, end: str) -> None:
    said.begin("one")
    said.track.interrupt()
    two = said.begin("two")
    said.tell("agent.state_updated", new_state="talking")
    assert two.state is UtteranceState.SENDING
    if end == "late":
        # a service that says nothing of the end
        said.clock.now += 3
    else:
        kind = {"cleared": "agent.audio_buffer_cleared", "idle": "agent.state_updated"}[end]
        said.tell(kind, new_state="idle")
    said.tell("agent.state_updated", new_state="talking")
    assert str(two.state) == "talking"


def test_an_interruption_of_somebody_elses_ends_all_that_was_sent(said: Said) -> None:
    one, two = said.begin("one"), said.begin("two")
    said.tell("agent.speak_started", one.id)
    said.tell("agent.speak_interrupted", one.id)
    assert (one.state, two.state, said.track.agent_state) == ("interrupted", "interrupted", "idle")


def test_what_is_lost_fails(said: Said) -> None:
    one = said.begin("one")
    failure = UtteranceFailed("lost", session_id=None)
    assert said.track.lose(failure) == [one]
    assert (one.state, one.error, said.track.agent_state) == ("failed", failure, "idle")


def test_it_rests_as_it_was_told(said: Said) -> None:
    said.track.rest(AgentState.LISTENING)
    one = said.begin("one")
    said.tell("agent.speak_started", one.id)
    said.tell("agent.speak_ended", one.id)
    assert said.track.agent_state is AgentState.LISTENING


def test_a_lag_is_not_told_of_what_waited_for_another(said: Said) -> None:
    one, two = said.begin("one"), said.begin("two")
    for utterance in (one, two):
        said.tell("agent.speak_started", utterance.id)
    assert (one.lag, two.lag) == (0, None)


async def test_who_waits_learns_how_it_went(said: Said) -> None:
    one, two = said.begin("one"), said.begin("two")
    said.tell("agent.speak_started", one.id)
    said.tell("agent.speak_ended", one.id)
    await one.wait()
    said.track.lose(UtteranceFailed("lost", session_id=None))
    with pytest.raises(UtteranceFailed, match="lost"):
        await two.wait()
    await two.is_over()


ODD = st.one_of(
    st.text(max_size=30),
    st.binary(max_size=10),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=6,
    ).map(json.dumps),
)


@settings(max_examples=max(1, FRAMES // IN_A_RUN), deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**64), st.lists(ODD, min_size=1, max_size=8))
def test_arbitrary_frames_and_sequences_move_nothing_back(seed: int, odd: list[str | bytes]) -> None:
    """Frames of any content in any order, among utterances that come, go, are hushed and lost."""
    chance, said = random.Random(seed), Said()
    utterances: list[AsyncUtterance] = []
    reached: dict[str, UtteranceState] = {}
    order = list(UtteranceState)
    ids: list[Any] = ["theirs", "theirs-too", None, 7, ["id"]]
    types = [*lite.EVENT_TYPES, "agent.dances", ""]
    states = [*AgentState, "connected", "dancing", "", None, 3]
    for _ in range(IN_A_RUN):
        said.clock.now += chance.choice((0, 0, 0.1, 3.0))
        what = chance.random()
        if what < 0.1:
            utterances.append(
                said.begin(str(len(utterances)), chance.choice((0.1, 3.0)), complete=chance.random() < 0.7)
            )
            ids.append(utterances[-1].id)
        elif what < 0.15 and utterances:
            chance.choice(utterances).complete([])
        elif what < 0.17:
            said.track.interrupt()
        elif what < 0.18:
            said.track.lose(UtteranceFailed("lost", session_id=None))
        elif what < 0.3:
            event = lite.decode(chance.choice(odd))
            assert event is None or said.track.receive(event)[:1] == [event]
        else:
            fields = {
                name: value
                for name, value in {
                    "event_id": chance.choice(ids),
                    "task": chance.choice([None, "t", {"id": chance.choice(ids)}, {}]),
                    "new_state": chance.choice(states),
                    "state": chance.choice(states),
                }.items()
                if chance.random() < 0.6
            }
            event = lite.decode(json.dumps({"type": chance.choice(types), **fields}))
            assert event is not None
            said.track.receive(event)
        for utterance in utterances:
            before = reached.get(utterance.id, UtteranceState.QUEUED)
            assert utterance.state is before or before.may_become(utterance.state)
            assert order.index(utterance.state) >= order.index(before)
            reached[utterance.id] = utterance.state
        assert sum(one.state is UtteranceState.TALKING for one in utterances) <= 1
        assert said.track.agent_state in set(AgentState)
    assert len(said.started) == len(set(said.started))
