"""What a client does that the service bears in silence: noted once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from liveavatar_nb.simulator.clock import SECOND
from liveavatar_nb.simulator.session.critic import KEPT_IDS, Critic
from liveavatar_nb.simulator.session.speech import Speech

from .talker import Talker, talking

MIXED = "frames of one utterance carry different event ids"
AGAIN = "the event id of an earlier utterance is used again"
PLAYS = "a frame arrived after its utterance was interrupted, but is played anyway"
NOTHING = "agent.speak_end was sent without any audio before it"
NO_END = "no agent.speak_end within 10 s of the end of the audio: the avatar does not become idle"
FIRST = "a first frame has more than 1.5 s of audio"
LATER = "a frame after the first has more than 2 s of audio"
AHEAD = "audio arrives more than 60 s ahead of what is being said"
MILLISECOND = 48


def garbled(name: str) -> str:
    return f"an utterance begins with a file header ({name}), which is played as noise: send raw PCM"


def whole(talker: Talker, event_id: str | None, sound: bytes = bytes(48_000)) -> None:
    talker.say(sound, event_id)
    talker.end(event_id)


def interrupted(talker: Talker) -> None:
    talker.say(bytes(48_000), "a")
    talker.interrupt()
    for _ in range(3):
        talker.say(bytes(48_000), "a")
    talker.end("a")
    whole(talker, "b")


def ends_without_sound(talker: Talker) -> None:
    for event_id in ("a", "b"):
        talker.end(event_id)
    whole(talker, "c")


def far_ahead(talker: Talker) -> None:
    for _ in range(65):
        talker.say(bytes(48_000), "a")
    talker.end("a")


def long_frames(talker: Talker) -> None:
    for event_id in ("a", "b"):
        for milliseconds in (1_501, 2_000, 2_001, 3_000):
            talker.say(bytes(milliseconds * MILLISECOND), event_id)
        talker.end(event_id)


def fitting_frames(talker: Talker) -> None:
    for event_id in (None, None, "a", "b"):
        talker.say(bytes(1_500 * MILLISECOND), event_id)
        talker.say(bytes(2_000 * MILLISECOND), event_id)
        talker.end(event_id)
    talker.say(bytes(48_000), "c")
    talker.interrupt()
    whole(talker, "d")


def headers(talker: Talker) -> None:
    for name in (b"RIFF\x24\x00\x0a\x00WAVE", b"ID3", b"OggS", b"fLaC"):
        whole(talker, None, name.ljust(100, b"\0"))
    whole(talker, None, b"RIFF\x24\x00\x00\x00AVI " + bytes(100))
    talker.say(bytes(100))
    talker.say(b"OggS" + bytes(100))
    talker.end()


@pytest.mark.parametrize(
    ("act", "noted"),
    [
        (fitting_frames, []),
        (interrupted, [PLAYS]),
        (ends_without_sound, [NOTHING]),
        (far_ahead, [AHEAD]),
        (long_frames, [FIRST, LATER, FIRST, LATER]),
        (headers, [garbled(name) for name in ("RIFF", "ID3", "OggS", "fLaC")]),
    ],
)
def test_each_kind_is_noted_once(caller: Any, act: Callable[[Talker], None], noted: list[str]) -> None:
    with talking(caller.started()) as talker:
        act(talker)
    assert caller.simulator.warnings() == noted
    assert caller.simulator.refusals() == []


def test_ids_of_several_utterances(caller: Any) -> None:
    with talking(caller.started()) as talker:
        for event_id in ("a", "b", "c"):
            talker.say(bytes(48_000), event_id)
        talker.end("d")
        assert caller.simulator.warnings() == [MIXED]
        for event_id in ("b", "d"):
            talker.say(bytes(48_000), event_id)
        talker.end("d")
        assert caller.simulator.warnings() == [MIXED, AGAIN, MIXED]


def test_an_id_is_known_after_the_socket_was_lost(caller: Any) -> None:
    session = caller.started()
    for _ in range(2):
        with talking(session) as talker:
            whole(talker, "a")
    assert caller.simulator.warnings() == [AGAIN]
    with talking(caller.started()) as talker:
        whole(talker, "a")
    assert caller.simulator.warnings() == [AGAIN]


def test_before_connected_once_in_a_session(calling: Any) -> None:
    caller = calling(connect_delay=0.3)
    session = caller.started()
    for _ in range(2):
        with talking(session, at_once=["agent.speak", "agent.speak_end", "session.keep_alive"]) as talker:
            talker.interrupt()
    assert caller.simulator.warnings() == ["agent.speak was sent before the session connected: it was dropped"]


def test_an_end_that_does_not_come(caller: Any) -> None:
    with talking(caller.started()) as talker:
        whole(talker, "a")
        talker.say(bytes(48_000), "b")
        caller.simulator.advance(11.5)
        assert caller.simulator.warnings() == []
        caller.simulator.advance(1)
        assert caller.simulator.warnings() == [NO_END]
        talker.say(bytes(48_000), "b")
        caller.simulator.advance(20)
        talker.end("b")
        whole(talker, "c")
        caller.simulator.advance(20)
    assert caller.simulator.warnings() == [NO_END]


def test_event_ids_are_known_in_bounded_memory() -> None:
    noted: list[str] = []
    critic, speech = Critic(noted.append), Speech()

    def frame(event_id: str) -> None:
        utterance, _ = speech.append(bytes(2), event_id, 0)
        critic.check_frame(utterance, bytes(2), event_id, 0)
        speech.commit(event_id, 0)
        speech.settle(SECOND)

    for number in range(KEPT_IDS + 1):
        frame(str(number))
    frame("0")
    assert noted == []
    frame(str(KEPT_IDS))
    assert noted == [AGAIN]
