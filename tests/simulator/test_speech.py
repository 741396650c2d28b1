"""The timing of utterances, without sockets."""

from __future__ import annotations

from collections.abc import Callable

from liveavatar_nb.simulator.clock import SECOND
from liveavatar_nb.simulator.session.speech import LATENCY, Event, Speech

ONE_SECOND = bytes(48_000)


def names(events: list[dict[str, object]]) -> list[str]:
    return [str(event.get("new_state", event["type"])).removeprefix("agent.") for event in events]


def test_utterances_follow_each_other_without_a_gap() -> None:
    speech = Speech()
    for event_id in ("one", "two"):
        speech.append(ONE_SECOND, event_id, 0)
        speech.commit(event_id, 0)
    assert speech.busy_until() == 2 * SECOND + LATENCY
    assert speech.next_due() == LATENCY
    assert names(speech.settle(LATENCY)) == ["speak_started", "talking"]
    assert speech.next_due() == SECOND + LATENCY
    events = speech.settle(SECOND + LATENCY)
    assert names(events) == ["speak_ended", "idle", "speak_started", "talking"]
    assert [event["event_id"] for event in events if "event_id" in event] == ["one", "two"]
    assert names(speech.settle(10 * SECOND)) == ["speak_ended", "idle"]
    assert speech.next_due() is None


def test_all_at_once_comes_in_order() -> None:
    speech = Speech()
    speech.append(ONE_SECOND, "one", 0)
    speech.commit("one", 0)
    assert names(speech.settle(10 * SECOND)) == ["speak_started", "talking", "speak_ended", "idle"]


def test_without_its_end_an_utterance_never_goes_back_to_idle() -> None:
    speech = Speech()
    speech.append(ONE_SECOND, "one", 0)
    assert names(speech.settle(100 * SECOND)) == ["speak_started", "talking"]
    assert speech.next_due() is None
    speech.commit("one", 200 * SECOND)
    assert names(speech.settle(200 * SECOND)) == ["speak_ended", "idle"]


def test_frames_that_come_late_leave_a_gap() -> None:
    speech = Speech()
    speech.append(ONE_SECOND, "one", 0)
    speech.settle(5 * SECOND)
    speech.append(ONE_SECOND, "one", 5 * SECOND)
    speech.commit("one", 5 * SECOND)
    assert speech.next_due() == 6 * SECOND


def test_an_interrupt_of_silence_says_that_the_buffer_is_empty() -> None:
    assert names(Speech().interrupt("i", 0)) == ["audio_buffer_cleared"]


def test_each_method_first_settles_what_fell_due() -> None:
    acts: list[Callable[[Speech], list[Event]]] = [
        lambda speech: speech.append(ONE_SECOND, "two", 5 * SECOND)[1],
        lambda speech: speech.commit("two", 5 * SECOND),
        lambda speech: speech.interrupt("i", 5 * SECOND),
        lambda speech: speech.pose("idle", 5 * SECOND),
    ]
    for act in acts:
        speech = Speech()
        utterance, _ = speech.append(ONE_SECOND, "one", 0)
        speech.commit("one", 0)
        told = names(act(speech))
        assert told[:4] == ["speak_started", "talking", "speak_ended", "idle"]
        assert "speak_interrupted" not in told
        assert utterance.state == "said"


def test_an_interrupt_in_speech_settles_its_beginning_first() -> None:
    speech = Speech()
    utterance, _ = speech.append(ONE_SECOND, "one", 0)
    assert names(speech.interrupt("i", SECOND // 2)) == [
        "speak_started",
        "talking",
        "audio_buffer_cleared",
        "speak_interrupted",
        "idle",
    ]
    assert utterance.state == "interrupted"


def test_frames_of_any_size_take_as_long_as_their_sum() -> None:
    speech = Speech()
    for _ in range(24_000):
        utterance, _ = speech.append(bytes(2), "one", 0)
    assert utterance.ends_at == LATENCY + SECOND


def test_frames_in_a_waiting_utterance_take_as_long_as_their_sum() -> None:
    speech = Speech()
    speech.append(ONE_SECOND, "one", 0)
    speech.commit("one", 0)
    for _ in range(24_000):
        speech.append(bytes(2), "two", 0)
    assert speech.busy_until() == LATENCY + 2 * SECOND
    speech.commit("two", 0)
    speech.settle(LATENCY + SECOND)
    assert speech.next_due() == LATENCY + 2 * SECOND
