"""Whatever a client sends, in whatever order: the socket stays, and speech keeps its order."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from liveavatar_nb.simulator import Simulator
from liveavatar_nb.simulator.clock import SECOND
from liveavatar_nb.simulator.session.commands import LONGEST_NAME, Command, InvalidCommand, read
from liveavatar_nb.simulator.session.critic import Critic
from liveavatar_nb.simulator.session.recorder import SpeechRecorder
from liveavatar_nb.simulator.session.speech import Event, Speech, Utterance

from .conftest import Caller, Started
from .talker import Talker

TYPES = [
    "agent.speak",
    "agent.speak_end",
    "agent.interrupt",
    "agent.start_listening",
    "agent.stop_listening",
    "session.keep_alive",
]
FAR = 10**6 * SECOND

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
sounds = st.sampled_from(["AAA=", "AAAAAA==", "UklGRgAAAABXQVZF", "SUQz", "AAAA", "%", "\u00e9"]) | st.text(max_size=12)
events = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(TYPES) | values,
        "event_id": st.sampled_from(["a", "b"]) | values,
        "audio": sounds | values,
        "extra": values,
    },
)
# by json.dumps also NaN and lone surrogates, as escapes
texts = events.map(json.dumps) | values.map(json.dumps) | st.text(max_size=40)
frames = texts | st.binary(max_size=40)


@settings(max_examples=2_000, deadline=None)
@given(frame=frames)
@example(frame="[" * 100_000)
@example(frame='{"type": "agent.speak", "audio": "AAA=", "event_id": "\\ud800"}')
@example(frame='{"type": ' + "9" * 5_000 + "}")
def test_a_frame_is_a_command_or_wrong(frame: str | bytes) -> None:
    try:
        command = read(frame)
    except InvalidCommand:
        return
    assert isinstance(command, Command)
    assert len(command.type) <= LONGEST_NAME
    assert bool(command.audio) == (command.type == "agent.speak")


@pytest.fixture(scope="module")
def started() -> Iterator[tuple[Simulator, Started]]:
    with Simulator(speed=0, connect_delay=0, history=False, rate_limit=None) as simulator:
        caller = Caller(simulator)
        yield simulator, caller.started()
        caller.close()


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(early=st.lists(frames, max_size=3), later=st.lists(frames, max_size=12))
def test_no_frames_end_a_socket(
    started: tuple[Simulator, Started], early: list[str | bytes], later: list[str | bytes]
) -> None:
    simulator, session = started
    with connect(session.ws_url, proxy=None) as socket:
        talker = Talker(socket)

        def send(sent: list[str | bytes]) -> None:
            for frame in sent:
                # without lone surrogates, which no frame can hold
                socket.send(frame.encode(errors="replace").decode() if isinstance(frame, str) else frame)

        send(early)
        while talker.until("session.state_updated")[-1]["state"] != "connected":
            pass
        send(later)
        talker.send("agent.interrupt", event_id="the last")
        while talker.until("agent.audio_buffer_cleared")[-1]["event_id"] != "the last":
            pass
        assert all(heard.state != "open" for heard in simulator.heard(session.id)[-1:])


def test_text_that_is_no_utf8_ends_its_socket_only(started: tuple[Simulator, Started]) -> None:
    _, session = started
    with connect(session.ws_url, proxy=None) as socket:
        socket.send(b"\xff", text=True)
        Talker(socket).rest()
        assert socket.close_code == 1007
    with connect(session.ws_url, proxy=None) as socket:
        assert Talker(socket).next()["state"] == "connecting"


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(noise=st.binary(min_size=1, max_size=200))
def test_bytes_that_are_no_frames_end_their_socket_only(started: tuple[Simulator, Started], noise: bytes) -> None:
    simulator, session = started
    with connect(session.ws_url, proxy=None, close_timeout=0) as socket:
        socket.socket.sendall(noise)
        with contextlib.suppress(ConnectionClosed):
            socket.send("")
    assert len(simulator.billed()) == 1


ids = st.sampled_from([None, "a", "b", "c"])
moments = st.integers(0, 3 * SECOND)
acts = st.one_of(
    st.tuples(st.just("append"), st.integers(1, 60_000).map(lambda samples: samples * 2), ids),
    st.tuples(st.just("commit"), ids),
    st.tuples(st.just("interrupt"), ids),
    st.tuples(st.just("pose"), st.sampled_from(["idle", "listening"])),
    st.tuples(st.just("wait"), moments, st.lists(moments, max_size=3)),
)


class Run:
    """Speech that is told what to do; where it is `asked`, it also has to say in between what happened."""

    def __init__(self, *, asked: bool) -> None:
        self.asked = asked
        self.speech, self.recorder = Speech(), SpeechRecorder()
        self.noted: list[str] = []
        self.critic = Critic(self.noted.append)
        self.now = 0
        self.events: list[Event] = []
        self.utterances: dict[str, Utterance] = {}

    def do(self, act: Any) -> None:
        kind, *told = act
        if kind == "append":
            audio = bytes(told[0])
            utterance, events = self.speech.append(audio, told[1], self.now)
            self.utterances[utterance.task_id] = utterance
            self.critic.check_frame(utterance, audio, told[1], self.speech.busy_until() - self.now)
            self.recorder.add_sound("s", utterance, audio, 0.0)
        elif kind == "commit":
            events = self.speech.commit(told[0], self.now)
        elif kind == "interrupt":
            events = self.speech.interrupt(told[0], self.now)
            assert self.speech.next_due() is None
            assert self.speech.busy_until() == 0
        elif kind == "pose":
            events = self.speech.pose(told[0], self.now)
        else:
            begin, self.now = self.now, self.now + told[0]
            moments = sorted(
                {*(begin + moment for moment in told[1] if moment < told[0]), self.now} if self.asked else ()
            )
            events = []
            for moment in moments:
                events += self.speech.settle(moment)
                self.critic.check_overdue(self.speech, moment)
        self.events += events
        due = self.speech.next_due()
        assert due is None or due >= self.now or not self.asked

    def end(self) -> list[tuple[Any, ...]]:
        """All that happened, told without what is drawn by lot."""
        self.events += self.speech.commit(None, self.now)
        self.events += self.speech.settle(FAR)
        assert self.speech.next_due() is None
        return [
            (event["type"], event.get("event_id"), event.get("previous_state"), event.get("new_state"))
            for event in self.events
        ]


@settings(max_examples=500, deadline=None)
@given(acts=st.lists(acts, max_size=25))
def test_speech_keeps_its_order(acts: list[Any]) -> None:
    run, seldom = Run(asked=True), Run(asked=False)
    for act in acts:
        run.do(act)
        seldom.do(act)
    # the same happens, however seldom somebody asks
    assert run.end() == seldom.end()

    pose, speaking, begun = "idle", None, []
    for event in run.events:
        name = event["type"].removeprefix("agent.")
        if name == "speak_started":
            assert speaking is None
            speaking = event["task"]["id"]
            begun.append(speaking)
        elif name in ("speak_ended", "speak_interrupted"):
            assert event["task"]["id"] == speaking
            expected = "said" if name == "speak_ended" else "interrupted"
            assert run.utterances[speaking].state == expected
            speaking = None
        elif name == "state_updated":
            assert event["previous_state"] == pose != event["new_state"]
            pose = event["new_state"]
    assert speaking is None
    assert pose != "talking"
    assert begun == [one for one in run.utterances if one in begun], "they begin in the order in which they came"
    said = [one for one, utterance in run.utterances.items() if utterance.state == "said"]
    assert set(said) <= set(begun)
    assert {utterance.state for utterance in run.utterances.values()} <= {"said", "interrupted"}
    sent = [act[1] for act in acts if act[0] == "append"]
    assert [size for heard in run.recorder.heard(None) for size in heard.frames] == sent
    assert all(len(heard.pcm) == sum(heard.frames) for heard in run.recorder.heard(None))
