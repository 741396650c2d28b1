"""Conversations by the events of FULL, over the line."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from liveavatar_nb.simulator import Simulator
from liveavatar_nb.simulator.session.packets import LONGEST_PACKET, TYPES
from liveavatar_nb.simulator.session.speech import BYTES_A_SECOND
from tests.waiting import wait_for

from .conftest import Caller, Started
from .visitor import Visitor, kinds, visiting

QUICK: dict[str, Any] = {
    "speed": 30,
    "idle_limit": 1e6,
    "max_session_seconds": 10**6,
    "credits": 10**9,
    "rate_limit": None,
}
SAID = ["avatar.speak_started", "avatar.transcription.chunk", "avatar.transcription", "avatar.speak_ended"]
PROMPT = "You are the guide. The museum is open until six."
ANSWER = "You said: “When is it open?” My prompt says: The museum is open until six."


@pytest.fixture
def quick(calling: Any) -> Any:
    """A caller of a simulator whose seconds are short."""
    return calling(**QUICK)


def conversing(caller: Any, *, has_context: bool = True, opening: str | None = None, **body: Any) -> Started:
    persona = {"context_id": caller.context(PROMPT, opening)} if has_context else {}
    started: Started = caller.started(mode="FULL", avatar_persona={**persona, **body.pop("persona", {})}, **body)
    return started


@contextmanager
def welcomed(session: Started) -> Iterator[Visitor]:
    """Somebody on the line who was told that the session is there."""
    with visiting(session) as visitor:
        state = visitor.next()
        assert (state["event_type"], state["state"]) == ("session.state_updated", "connected")
        yield visitor


def transcript(caller: Any, session: Started) -> list[tuple[str, str]]:
    data = caller.get(f"/v1/sessions/{session.id}/transcript")["transcript_data"]
    return [(line["role"], line["transcript"]) for line in data]


def texts(events: list[dict[str, Any]], kind: str) -> list[str]:
    return [event["text"] for event in events if event["event_type"] == kind]


def test_a_conversation_with_all_its_events(quick: Any) -> None:
    session = conversing(quick, opening="Welcome to us!")
    with welcomed(session) as visitor:
        opening = visitor.until("avatar.speak_ended")
        assert kinds(opening) == SAID
        assert texts(opening, "avatar.transcription") == ["Welcome to us!"]
        assert texts(opening, "avatar.transcription.chunk") == ["Welcome", " to", " us!"]
        assert all("source_event_id" not in event for event in opening)

        visitor.send("avatar.speak_response", "q1", text="When is it open?", session_id=session.id)
        visitor.send("avatar.speak_text", "s1", text="Good bye.")
        answer, text = visitor.until("avatar.speak_ended"), visitor.until("avatar.speak_ended")
        for told, source, words in ((answer, "q1", ANSWER), (text, "s1", "Good bye.")):
            assert kinds(told) == SAID
            assert {event["source_event_id"] for event in told} == {source}
            assert "".join(texts(told, "avatar.transcription.chunk")) == words
            assert texts(told, "avatar.transcription") == [words]

        quick.stop(session.id)
        end = visitor.rest()
        assert [event["event_type"] for event in end] == ["session.state_updated", "session.stopped"]
        assert (end[0]["state"], end[1]["end_reason"], end[1]["stop_reason"]) == ("closing", "UNKNOWN", "UNKNOWN")
    events = [*opening, *answer, *text, *end]
    assert {event["session_id"] for event in events} == {session.id}
    assert len({uuid.UUID(event["event_id"]) for event in events}) == len(events)
    said = [("avatar", "Welcome to us!"), ("user", "When is it open?"), ("avatar", ANSWER), ("avatar", "Good bye.")]
    assert transcript(quick, session) == said
    assert quick.simulator.refusals() == []
    assert all("speed 1" in warning for warning in quick.simulator.warnings())


def test_the_opening_waits_for_somebody_and_is_said_once(quick: Any) -> None:
    session = conversing(quick, opening="Welcome!")
    quick.simulator.advance(100)
    with welcomed(session) as visitor:
        assert kinds(visitor.until("avatar.speak_ended")) == SAID
    with visiting(session) as visitor:
        assert visitor.silent()
    assert transcript(quick, session) == [("avatar", "Welcome!")]


def test_the_prompt_has_its_variables_and_the_agent_its_language(quick: Any) -> None:
    context = quick.context("Der Gast heißt ${name}.", "Hallo ${name}!")
    persona = {"context_id": context, "language": "de"}
    session = quick.started(mode="FULL", avatar_persona=persona, dynamic_variables={"name": "Kim"})
    with welcomed(session) as visitor:
        assert texts(visitor.until("avatar.speak_ended"), "avatar.transcription") == ["Hallo Kim!"]
        visitor.send("avatar.speak_response", text="Wie heißt der Gast?")
        answer = texts(visitor.until("avatar.speak_ended"), "avatar.transcription")
        assert answer == ["“Wie heißt der Gast?” Der Gast heißt Kim."]


def test_without_a_context_texts_are_said_and_questions_never_answered(quick: Any) -> None:
    session = conversing(quick, has_context=False)
    with welcomed(session) as visitor:
        for _ in range(2):
            visitor.send("avatar.speak_response", "q", text="Hello?")
        visitor.send("avatar.speak_text", "s", text="Hello.")
        assert {event["source_event_id"] for event in visitor.until("avatar.speak_ended")} == {"s"}
        assert visitor.silent()
    assert transcript(quick, session) == [("user", "Hello?"), ("user", "Hello?"), ("avatar", "Hello.")]
    warned = [warning for warning in quick.simulator.warnings() if warning.startswith("avatar.speak_response")]
    assert warned == ["avatar.speak_response without a context_id: the avatar never answers"]


def test_an_agent_of_another_vendor_speaks_the_same_events(quick: Any) -> None:
    agent = {"secret_id": quick.secret("ELEVENLABS_API_KEY"), "agent_id": "a"}
    session = quick.started(elevenlabs_agent_config=agent)
    assert session.answer["ws_url"] is None
    with welcomed(session) as visitor:
        visitor.send("avatar.speak_response", text="Who are you?")
        assert kinds(visitor.until("avatar.speak_ended")) == SAID


def test_an_interruption(calling: Any) -> None:
    caller = calling(speed=1)
    session = conversing(caller)
    with welcomed(session) as visitor:
        visitor.send("avatar.speak_text", "s1", text="One two three four five six seven eight nine ten. " * 5)
        visitor.send("avatar.speak_text", "s2", text="Never said.")
        said = visitor.until("avatar.transcription.chunk") + visitor.until("avatar.transcription.chunk")
        visitor.send("avatar.interrupt", "i")
        said += visitor.until("avatar.speak_ended")
        assert kinds(said[-2:]) == ["avatar.transcription", "avatar.speak_ended"]
        assert {event["source_event_id"] for event in said} == {"s1"}
        words = "".join(texts(said, "avatar.transcription.chunk"))
        assert words.startswith("One two")
        assert texts(said, "avatar.transcription") == [words]
        assert visitor.pieces
        visitor.pieces.clear()
        assert visitor.silent()
        assert visitor.pieces == []
        visitor.send("avatar.speak_text", "s3", text="Again.")
        assert {event["source_event_id"] for event in visitor.until("avatar.speak_ended")} == {"s3"}
    assert transcript(caller, session) == [("avatar", words), ("avatar", "Again.")]


def test_words_and_sound_go_together(calling: Any) -> None:
    session = conversing(calling(speed=1))
    with welcomed(session) as visitor:
        visitor.send("avatar.speak_text", text="One two three four.")
        assert kinds(visitor.until("avatar.speak_started")) == ["avatar.speak_started"]
        assert visitor.pieces == []
        visitor.until("avatar.speak_ended")
        assert visitor.silent()
        assert all(len(piece) <= BYTES_A_SECOND / 10 for piece in visitor.pieces)
        seconds = sum(map(len, visitor.pieces)) / BYTES_A_SECOND
        assert 0.5 < seconds < 5
        assert max(b"".join(visitor.pieces)) > 0


def test_push_to_talk(quick: Any) -> None:
    session = conversing(quick, interactivity_type="PUSH_TO_TALK")
    with welcomed(session) as visitor:
        visitor.send("user.start_push_to_talk")
        assert visitor.next()["event_type"] == "user.speak_started"
        heard = visitor.until("user.transcription.chunk")
        visitor.send("user.stop_push_to_talk")
        heard += visitor.until("user.transcription")
        assert kinds(heard) == ["user.transcription.chunk", "user.speak_ended", "user.transcription"]
        assert texts(heard, "user.transcription") == ["(silence)"]  # the line has no microphone
        assert kinds(visitor.until("avatar.speak_ended")) == SAID
    (asked, answered) = transcript(quick, session)
    assert asked == ("user", "(silence)")
    assert "(silence)" in answered[1]
    assert quick.simulator.refusals() == []


@pytest.mark.parametrize("kind", ["user.start_push_to_talk", "user.stop_push_to_talk"])
def test_push_to_talk_is_refused_where_the_session_has_none(quick: Any, kind: str) -> None:
    with welcomed(conversing(quick)) as visitor:
        visitor.send(kind)
        assert visitor.silent()
    assert quick.simulator.refusals() == [f"{kind} needs a session whose interactivity_type is PUSH_TO_TALK"]


def test_poses_are_taken_in_silence(quick: Any) -> None:
    with welcomed(conversing(quick)) as visitor:
        visitor.send("avatar.start_listening")
        visitor.send("avatar.stop_listening")
        visitor.send("avatar.interrupt")
        assert visitor.silent()
    assert quick.simulator.refusals() == []


def test_what_is_no_command_is_noted_and_nothing_else(quick: Any) -> None:
    session = conversing(quick)
    with welcomed(session) as visitor:
        visitor.put(["no object"])
        visitor.put({"event_type": "agent.speak"})
        visitor.send("avatar.speak_text", text=7)
        visitor.send("avatar.speak_text", text="Hello", session_id=str(uuid.uuid4()))
        visitor.send("avatar.speak_text", text="x" * LONGEST_PACKET)
        visitor.put({"event_type": "avatar.speak_text", "text": "Hello"}, topic="agent-response")
        visitor.send("avatar.speak_text", text="x" * (LONGEST_PACKET - 100))
        assert visitor.until("avatar.speak_started")
    refusals = quick.simulator.refusals()
    for words, refusal in zip(
        ["JSON object", "unknown event_type", "text must be a non-empty string", "another session", "limit of 15000"],
        refusals,
        strict=True,
    ):
        assert words in refusal
    assert transcript(quick, session) == [("avatar", "x" * (LONGEST_PACKET - 100))]


def test_speech_and_questions_keep_a_session_alive(calling: Any) -> None:
    caller = calling(idle_limit=100)
    session = conversing(caller)
    with welcomed(session) as visitor:
        visitor.send("avatar.speak_text", text="museum " * 400)  # about 180 s
        while visitor.silent():
            caller.simulator.advance(0.1)
        caller.simulator.advance(120)
        assert caller.entry(session.id).ended_at is None
        visitor.send("avatar.interrupt")
        visitor.until("avatar.speak_ended")
        caller.simulator.advance(60)
        visitor.send("avatar.speak_response", text="When?")
        wait_for(lambda: ("user", "When?") in transcript(caller, session))
        caller.simulator.advance(60)
        assert caller.entry(session.id).ended_at is None
        caller.simulator.advance(300)
        assert caller.entry(session.id).end_reason == "IDLE_TIMEOUT"


def test_nothing_is_said_after_the_end(calling: Any) -> None:
    caller = calling()
    session = conversing(caller, max_session_duration=20)
    with welcomed(session) as visitor:
        visitor.send("avatar.speak_text", text="word " * 400)
        while visitor.silent():
            caller.simulator.advance(0.1)
        caller.simulator.advance(1_000)
        end = visitor.rest()
        assert kinds(end) == ["avatar.transcription.chunk", "session.state_updated", "session.stopped"]
        assert 20 < len(end) < 200
        assert end[-1]["end_reason"] == "MAX_DURATION_REACHED"


def test_faults_of_what_a_conversation_says(quick: Any) -> None:
    faults = quick.simulator.faults
    with welcomed(conversing(quick)) as visitor:
        faults.add("room", "twice")
        faults.add("room", "rename", old="avatar.transcription", new="avatar.novelty")
        visitor.send("avatar.speak_text", text="Hello")
        told = visitor.until("avatar.speak_ended")
        assert [event["event_type"] for event in told] == [
            "avatar.speak_started",
            "avatar.speak_started",
            "avatar.transcription.chunk",
            "avatar.novelty",
            "avatar.speak_ended",
        ]
        assert told[0] == told[1]
        faults.add("room", "swap")
        visitor.send("avatar.speak_text", text="Hello")
        told = visitor.until("avatar.speak_ended")
        assert kinds(told) == [SAID[1], SAID[0], *SAID[2:]]
        assert faults.list() == []


def test_the_socket_has_no_faults_of_the_room(caller: Any) -> None:
    caller.simulator.faults.add("socket", "twice")
    with welcomed(conversing(caller, opening="Hi")):
        pass
    assert [fault.operation for fault in caller.simulator.faults.list()] == ["socket"]


@pytest.fixture(scope="module")
def talkative() -> Iterator[Visitor]:
    with Simulator(**QUICK, history=False) as simulator:
        caller = Caller(simulator)
        with welcomed(conversing(caller, interactivity_type="PUSH_TO_TALK")) as visitor:
            yield visitor
        caller.close()


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
packets = values | st.fixed_dictionaries(
    {},
    optional={
        "event_type": st.sampled_from(TYPES) | values,
        "event_id": st.sampled_from(["a", "b"]) | values,
        "session_id": st.none() | values,
        "text": st.sampled_from(["Hello", "one two", "\ud800", "\0"]) | values,
    },
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sent=st.lists(packets, max_size=10))
def test_whatever_is_sent_the_avatar_still_speaks(talkative: Visitor, sent: list[Any]) -> None:
    for payload in sent:
        talkative.put(payload)
    last = str(uuid.uuid4())
    talkative.send("user.stop_push_to_talk")
    talkative.send("avatar.interrupt")
    talkative.send("avatar.speak_text", last, text="Still here.")
    told: list[dict[str, Any]] = []
    while not told or (told[-1]["event_type"], told[-1].get("source_event_id")) != ("avatar.speak_ended", last):
        told.append(talkative.next())
    assert kinds(told)[-4:] == SAID
    json.dumps(told, ensure_ascii=False).encode("utf-8", "surrogatepass")
