"""The command WebSocket of a LITE session."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from .talker import SECOND_OF_AUDIO, Talker, talking


def test_an_utterance_takes_as_long_as_its_audio(caller: Any) -> None:
    with talking(caller.started()) as talker:
        for _ in range(2):
            talker.send("agent.speak", audio=SECOND_OF_AUDIO, event_id="e1")
        talker.send("agent.speak_end", event_id="e1")
        assert talker.types(3) == ["audio_buffer_appended", "audio_buffer_appended", "audio_buffer_committed"]
        assert talker.silent()
        caller.simulator.advance(0.5)
        started = talker.next()
        assert (started["type"], started["event_id"]) == ("agent.speak_started", "e1")
        assert talker.next() == {"type": "agent.state_updated", "previous_state": "idle", "new_state": "talking"}
        caller.simulator.advance(1.5)
        assert talker.silent()
        caller.simulator.advance(0.1)
        ended = talker.next()
        assert (ended["type"], ended["event_id"], ended["task"]) == ("agent.speak_ended", "e1", started["task"])
        assert talker.next() == {"type": "agent.state_updated", "previous_state": "talking", "new_state": "idle"}
    assert caller.simulator.warnings() == []


def test_speech_in_real_time(calling: Any) -> None:
    caller = calling(speed=1)
    with talking(caller.started()) as talker:
        began = time.monotonic()
        talker.send("agent.speak", audio=base64.b64encode(bytes(14_400)).decode(), event_id="e1")
        talker.send("agent.speak_end", event_id="e1")
        while talker.next()["type"] != "agent.speak_ended":
            pass
        assert 0.39 < time.monotonic() - began < 1.5


def test_interrupt_forgets_all_that_is_queued(caller: Any) -> None:
    with talking(caller.started()) as talker:
        for event_id in ("e1", "e2"):
            talker.send("agent.speak", audio=SECOND_OF_AUDIO, event_id=event_id)
            talker.send("agent.speak_end", event_id=event_id)
        assert len(talker.types(4)) == 4
        caller.simulator.advance(0.5)
        assert talker.types(2) == ["speak_started", "state_updated"]
        talker.send("agent.interrupt", event_id="i")
        assert talker.types(3) == ["audio_buffer_cleared", "speak_interrupted", "state_updated"]
        caller.simulator.advance(5)
        assert talker.silent()


def test_poses_wait_for_the_end_of_speech(caller: Any) -> None:
    with talking(caller.started()) as talker:
        talker.send("agent.start_listening")
        assert talker.next()["new_state"] == "listening"
        talker.send("agent.start_listening")
        talker.send("agent.speak", audio=SECOND_OF_AUDIO)
        talker.send("agent.speak_end")
        assert talker.types(2) == ["audio_buffer_appended", "audio_buffer_committed"]
        caller.simulator.advance(0.5)
        assert talker.types(2) == ["speak_started", "state_updated"]
        talker.send("agent.stop_listening")
        assert talker.silent()
        caller.simulator.advance(1)
        assert talker.next()["type"] == "agent.speak_ended"
        assert talker.next()["new_state"] == "idle"


def test_the_sessions_end_is_told_before_the_close(caller: Any) -> None:
    session = caller.started()
    with talking(session) as talker:
        caller.post("/v1/sessions/stop", {"session_id": session.id, "reason": "USER_CLOSED"})
        assert [frame["state"] for frame in talker.rest()] == ["closing", "closed"]
        assert (talker.socket.close_code, talker.socket.close_reason) == (1000, "USER_CLOSED")


def test_a_stop_before_connected_is_told_too(calling: Any) -> None:
    caller = calling(connect_delay=30)
    session = caller.started()
    with connect(session.ws_url, proxy=None) as socket:
        talker = Talker(socket)
        assert talker.next()["state"] == "connecting"
        caller.stop(session.id)
        assert [frame["state"] for frame in talker.rest()] == ["closing", "closed"]


def test_connected_takes_its_time(calling: Any) -> None:
    caller = calling(connect_delay=0.4)
    with connect(caller.started().ws_url, proxy=None) as socket:
        talker = Talker(socket)
        assert talker.next()["state"] == "connecting"
        began = time.monotonic()
        talker.send("agent.speak", audio=SECOND_OF_AUDIO)
        talker.send("session.keep_alive")
        assert talker.next()["state"] == "connected"
        assert time.monotonic() - began > 0.3
        assert talker.silent()
    (noted,) = caller.simulator.warnings()
    assert "before the session connected" in noted


@pytest.mark.parametrize("change", ["token", "session", "none", "ended", "created"])
def test_a_wrong_token_is_refused(caller: Any, change: str) -> None:
    session = caller.started()
    url = session.ws_url
    if change == "token":
        url = url[:-4] + "AAAA"
    elif change == "session":
        url = url.replace(session.id, caller.started().id)
    elif change == "none":
        url = url.partition("?")[0]
    elif change == "ended":
        caller.stop(session.id)
    else:
        url = url.replace(session.id, caller.token()["session_id"])
    with pytest.raises(InvalidStatus) as refused:
        connect(url, proxy=None)
    assert refused.value.response.status_code == 403


@pytest.mark.parametrize(
    "frame",
    [
        "{",
        "[]",
        '"agent.speak"',
        "{}",
        '{"type": 1}',
        '{"type": "agent.dance"}',
        '{"type": "agent.speak"}',
        b"{}",
        '{"type": "agent.speak", "audio": "%%%"}',
        '{"type": "agent.speak", "audio": ""}',
        '{"type": "agent.speak", "audio": "AAAA"}',
        '{"type": "agent.speak", "audio": 5}',
        '{"type": "agent.speak_end", "event_id": 5}',
        '{"type": "agent.speak", "audio": "\xe9"}',
        json.dumps({"type": "agent.speak", "audio": "A" * 1_000_000}),
    ],
)
def test_a_wrong_frame_is_an_error_and_not_the_end(caller: Any, frame: str | bytes) -> None:
    with talking(caller.started()) as talker:
        talker.socket.send(frame)
        error = talker.next()
        assert error["type"] == "error"
        assert error["error"]
        talker.send("agent.start_listening")
        assert talker.next()["new_state"] == "listening"


def test_a_frame_of_just_the_limit(caller: Any) -> None:
    with talking(caller.started()) as talker:
        empty = len(json.dumps({"type": "agent.speak", "audio": ""}))
        audio = base64.b64encode(bytes(748_000)).decode()
        talker.socket.send(json.dumps({"type": "agent.speak", "audio": audio}) + " " * (1_000_000 - empty - len(audio)))
        assert talker.next()["type"] == "agent.audio_buffer_appended"


def test_mixed_event_ids_are_noted_once(caller: Any) -> None:
    with talking(caller.started()) as talker:
        for event_id in ("a", "b", "c"):
            talker.send("agent.speak", audio=SECOND_OF_AUDIO, event_id=event_id)
        assert len(talker.types(3)) == 3
    assert caller.simulator.warnings() == ["frames of one utterance carry different event ids"]


def test_speech_and_keep_alive_put_the_idle_limit_off(calling: Any) -> None:
    caller = calling(idle_limit=30)
    session = caller.started()
    with talking(session) as talker:
        caller.simulator.advance(20)
        talker.send("session.keep_alive")
        talker.send("agent.start_listening")  # its answer shows that the frame before was taken
        assert talker.next()["new_state"] == "listening"
        caller.simulator.advance(20)
        for _ in range(10):
            talker.send("agent.speak", audio=SECOND_OF_AUDIO)
        talker.send("agent.speak_end")
        assert talker.types(11)[-1] == "audio_buffer_committed"
        caller.simulator.advance(39)
        assert len(caller.simulator.billed()) == 1
        caller.simulator.advance(60)
    entry = caller.entry(session.id)
    assert entry.end_reason == "IDLE_TIMEOUT"
    assert entry.seconds == pytest.approx(20 + 20 + 10.1 + 30)


def test_a_newer_socket_takes_over(caller: Any) -> None:
    session = caller.started()
    with talking(session) as first, talking(session) as second:
        assert first.rest() == []
        assert first.socket.close_code == 4409
        second.send("agent.start_listening")
        assert second.next()["new_state"] == "listening"


def test_a_dropped_socket_ends_no_session(caller: Any) -> None:
    session = caller.started()
    with talking(session):
        pass
    with talking(session) as again:
        again.send("agent.start_listening")
        assert again.next()["new_state"] == "listening"
    assert len(caller.simulator.billed()) == 1


STARTED, ENDED = "agent.speak_started", "agent.speak_ended"
TALKING = ("idle", "talking", "idle")


@pytest.mark.parametrize(
    ("spelling", "expected"),
    [
        (
            "both",
            [STARTED, "new_state", ENDED, "new_state", STARTED, "new_state", "agent.speak_interrupted", "new_state"],
        ),
        ("speak", [STARTED, ENDED, STARTED, "agent.speak_interrupted"]),
        ("state", ["new_state"] * 4),
        ("bare_state", ["state"] * 4),
    ],
)
def test_spellings_of_what_the_avatar_does(calling: Any, spelling: str, expected: list[str]) -> None:
    caller = calling(spelling=spelling)
    found = []
    with talking(caller.started()) as talker:
        talker.say(bytes(48_000))
        talker.end()
        caller.simulator.advance(0.5)
        caller.simulator.advance(1)
        talker.send("agent.speak", audio=SECOND_OF_AUDIO, event_id="e2")
        found += talker.until("agent.audio_buffer_appended")[:-1]
        caller.simulator.advance(0.5)
        talker.send("agent.interrupt")
        found += talker.until("agent.audio_buffer_cleared")[:-1]
        talker.send("agent.dance")
        found += talker.until("error")[:-1]
    named = [next((name for name in ("state", "new_state") if name in event), event["type"]) for event in found]
    assert named == expected
    changes = [
        (event["previous_state"], event.get("new_state", event.get("state")))
        for event in found
        if "previous_state" in event
    ]
    if changes:
        assert changes == [("idle", "talking"), ("talking", "idle")] * 2


def test_nothing_is_said_after_the_sessions_end(calling: Any) -> None:
    caller = calling(max_session_seconds=10)
    with talking(caller.started()) as talker:
        for _ in range(20):
            talker.say(bytes(48_000))
        talker.end()
        caller.simulator.advance(60)
        assert [frame["type"] for frame in talker.rest()] == [
            "agent.speak_started",
            "agent.state_updated",
            "session.state_updated",
            "session.state_updated",
        ]
    assert [heard.state for heard in caller.simulator.heard()] == ["committed"]


def test_a_keep_alive_of_either_kind_takes_nothing_from_the_speech(calling: Any) -> None:
    caller = calling(idle_limit=30)
    session = caller.started()
    with talking(session) as talker:
        for _ in range(60):
            talker.say(bytes(48_000))
        talker.end()
        assert caller.bare("POST", "/v1/sessions/keep-alive", headers=session.bearer).status_code == 200
        talker.send("session.keep_alive")
        talker.say(bytes(2), "e2")
        talker.end("e2")
        caller.simulator.advance(89)
        assert len(caller.simulator.billed()) == 1
        caller.simulator.advance(2)
        assert not caller.simulator.billed()


def test_what_fell_due_is_told_before_the_answer_to_a_frame(calling: Any) -> None:
    caller = calling(speed=1_000)
    with talking(caller.started()) as talker:
        talker.send("agent.speak", audio=SECOND_OF_AUDIO, event_id="e1")
        talker.send("agent.speak_end", event_id="e1")
        talker.until("agent.speak_ended")
        talker.interrupt()
    assert [heard.state for heard in caller.simulator.heard()] == ["said"]
