"""What a simulator keeps of what came over WebSockets."""

from __future__ import annotations

import random
import time
from typing import Any

import pytest

from liveavatar_nb.simulator.clock import SECOND
from liveavatar_nb.simulator.session import recorder
from liveavatar_nb.simulator.session.recorder import SpeechRecorder
from liveavatar_nb.simulator.session.speech import Speech

from .talker import SECOND_OF_AUDIO, talking


def noise(seconds: float, seed: int) -> bytes:
    return random.Random(seed).randbytes(round(seconds * 24_000) * 2)


def test_sound_is_kept_as_it_came(caller: Any) -> None:
    session = caller.started()
    sounds = [noise(0.6, 1), noise(1, 2), noise(0.013, 3)]
    before = time.time()
    with talking(session) as talker:
        for sound in sounds:
            talker.say(sound)
        (heard,) = caller.simulator.heard()
        assert heard.pcm == b"".join(sounds)
        assert heard.frames == tuple(len(sound) for sound in sounds)
        assert (heard.session_id, heard.event_id, heard.state, heard.dropped) == (session.id, "e1", "open", 0)
        assert before <= heard.first_at < heard.last_at <= time.time()
        talker.end()
        assert caller.simulator.heard()[0].state == "committed"
        caller.simulator.advance(2)
        talker.until("agent.speak_ended")
        assert caller.simulator.heard()[0].state == "said"
    assert "pcm" not in repr(heard)


def test_an_interrupt_is_known_by_all_that_it_forgets(caller: Any) -> None:
    with talking(caller.started()) as talker:
        for event_id in ("said", "first", "second"):
            talker.say(noise(1, 4), event_id)
            talker.end(event_id)
        talker.say(noise(1, 5), "third")
        caller.simulator.advance(1.5)
        talker.until("agent.speak_ended")
        talker.interrupt()
        talker.say(noise(0.1, 6), "fourth")
    assert [(one.event_id, one.state) for one in caller.simulator.heard()] == [
        ("said", "said"),
        ("first", "interrupted"),
        ("second", "interrupted"),
        ("third", "interrupted"),
        ("fourth", "open"),
    ]


def test_sessions_are_told_apart(caller: Any) -> None:
    one, two = caller.started(), caller.started()
    with talking(one) as first, talking(two) as second:
        first.say(noise(0.1, 7), "a")
        second.say(noise(0.1, 8), "b")
        first.say(noise(0.1, 9), "a")
    simulator = caller.simulator
    assert [heard.event_id for heard in simulator.heard()] == ["a", "b"]
    assert [heard.pcm for heard in simulator.heard(one.id)] == [noise(0.1, 7) + noise(0.1, 9)]
    assert [frame.session_id for frame in simulator.frames()] == [one.id, two.id, one.id]
    assert [frame.event_id for frame in simulator.frames(two.id)] == ["b"]
    assert simulator.heard("nobody") == simulator.frames("nobody") == []


def test_every_frame_is_noted(calling: Any) -> None:
    caller = calling(connect_delay=0.3)
    before = time.time()
    session = caller.started()
    with talking(session, at_once=["agent.stop_listening"]) as talker:
        talker.say(bytes(28_800), "e1")
        talker.send("agent.dance", event_id="e2")
        talker.send("agent.speak", audio="AAAA", event_id="e3")
        talker.socket.send("{")
        talker.socket.send(bytes(5))
        for _ in range(4):
            talker.until("error")
    frames = caller.simulator.frames()
    assert [(frame.type, frame.event_id, frame.seconds, frame.connected) for frame in frames] == [
        ("agent.stop_listening", None, 0.0, False),
        ("agent.speak", "e1", 0.6, True),
        ("agent.dance", "e2", 0.0, True),
        ("agent.speak", "e3", 0.0, True),
        ("", None, 0.0, True),
        ("", None, 0.0, True),
    ]
    assert frames[1].size == len('{"type": "agent.speak", "audio": "", "event_id": "e1"}') + 38_400
    assert [frame.size for frame in frames[-2:]] == [1, 5]
    times = [before, *(frame.received_at for frame in frames), time.time()]
    assert times == sorted(times)


def test_what_is_refused_is_not_kept(caller: Any) -> None:
    with talking(caller.started()) as talker:
        talker.say(bytes(4))
        for audio in ("", "AAAA", "%", 5, None, ["AAA="]):
            talker.send("agent.speak", audio=audio, event_id="e1")
            assert talker.next()["type"] == "error"
        talker.send("agent.speak", audio=SECOND_OF_AUDIO, event_id=7)
        assert talker.next()["type"] == "error"
        talker.socket.send('{"type": "agent.speak", "audio": "' + SECOND_OF_AUDIO * 20 + '"}')
        assert talker.next()["type"] == "error"
    (heard,) = caller.simulator.heard()
    assert heard.pcm == bytes(4)
    assert caller.simulator.refusals() == [
        "audio of 0 bytes is not 16-bit PCM",
        "audio of 3 bytes is not 16-bit PCM",
        "audio must be base64",
        *["audio of 0 bytes is not 16-bit PCM"] * 3,
        "event_id must be a string",
        f"a frame of {20 * len(SECOND_OF_AUDIO) + 36} bytes is over the limit of 1000000",
    ]


def test_what_comes_before_connected_is_not_heard(calling: Any) -> None:
    caller = calling(connect_delay=0.3)
    with talking(caller.started(), at_once=["agent.speak"]) as talker:
        talker.say(bytes(2), "e1")
    (heard,) = caller.simulator.heard()
    assert heard.frames == (2,)
    assert [frame.seconds for frame in caller.simulator.frames()] == [1.0, 2 / 48_000]


def test_a_lost_socket_leaves_an_utterance_as_it_was(caller: Any) -> None:
    session = caller.started()
    with talking(session) as talker:
        talker.say(noise(1, 10), "lost")
    with talking(session) as talker:
        talker.say(noise(1, 11), "next")
        talker.end("next")
        caller.simulator.advance(5)
        talker.until("agent.speak_ended")
    assert [(one.event_id, one.state) for one in caller.simulator.heard()] == [("lost", "open"), ("next", "said")]
    assert caller.simulator.warnings() == []


def test_a_long_name_is_cut(caller: Any) -> None:
    with talking(caller.started()) as talker:
        talker.say(bytes(2), "e" * 100_000)
        talker.send("t" * 100_000)
        talker.until("error")
    assert caller.simulator.heard()[0].event_id == "e" * 256
    assert [(frame.type, frame.event_id) for frame in caller.simulator.frames()] == [
        ("agent.speak", "e" * 256),
        ("t" * 256, None),
    ]


def test_a_large_sound_comes_back_whole(caller: Any) -> None:
    sound = noise(10, 12)
    with talking(caller.started()) as talker:
        for _ in range(40):
            talker.say(sound)
    (heard,) = caller.simulator.heard()
    assert heard.pcm == sound * 40


def test_the_oldest_sound_goes_first_and_is_counted() -> None:
    kept, speech = SpeechRecorder(kept_sound=1_000), Speech()
    for number, event_id in enumerate(["a", "a", "b", "b"]):
        utterance, _ = speech.append(bytes([number]) * 300, event_id, 0)
        kept.add_sound("s", utterance, bytes([number]) * 300, float(number))
        if event_id == "a" and number:
            speech.commit(event_id, 0)
    first, second = kept.heard(None)
    assert (first.pcm, first.frames, first.dropped) == (b"\x01" * 300, (300,), 300)
    assert (second.pcm, second.dropped) == (b"\x02" * 300 + b"\x03" * 300, 0)
    utterance, _ = speech.append(bytes(900), "b", 0)
    kept.add_sound("s", utterance, bytes(900), 4.0)
    first, second = kept.heard(None)
    assert (first.pcm, first.frames, first.dropped) == (b"", (), 600)
    assert (second.pcm, second.frames, second.dropped) == (bytes(900), (900,), 600)


def test_frames_of_several_sessions_go_in_the_order_in_which_they_came() -> None:
    kept = SpeechRecorder(kept_sound=100)
    one, two = Speech(), Speech()
    for session_id, speech in (("one", one), ("two", two), ("one", one)):
        utterance, _ = speech.append(bytes(40), None, 0)
        kept.add_sound(session_id, utterance, bytes(40), 0.0)
    assert [heard.frames for heard in kept.heard(None)] == [(40,), (40,)]
    assert [heard.dropped for heard in kept.heard(None)] == [40, 0]


def test_utterances_are_bounded_in_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "KEPT_UTTERANCES", 3)
    kept, speech = SpeechRecorder(kept_sound=12), Speech()
    for number in range(5):
        utterance, _ = speech.append(bytes(4), str(number), number * SECOND)
        kept.add_sound("s", utterance, bytes(4), 0.0)
        speech.commit(None, number * SECOND)
    assert [heard.event_id for heard in kept.heard(None)] == ["2", "3", "4"]
    assert sum(len(heard.pcm) for heard in kept.heard(None)) == 12
