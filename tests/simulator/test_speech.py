"""The timing of utterances, without sockets."""

from __future__ import annotations

from liveavatar_nb.simulator.clock import SECOND
from liveavatar_nb.simulator.speech import LATENCY, Speech

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
