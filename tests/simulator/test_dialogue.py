"""A conversation by the clock alone."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liveavatar_nb.simulator.account.ledger import Persona, TranscriptLine
from liveavatar_nb.simulator.clock import SECOND
from liveavatar_nb.simulator.session.dialogue import THINKING, Dialogue, Output, Sound
from liveavatar_nb.simulator.session.speech import BYTES_A_SECOND, LATENCY

GUIDE = Persona(name="Guide", prompt="The museum is open until six.")
NOBODY = Persona()
HEARD = "({:.1f} seconds of speech, which the simulator does not understand)"
SECOND_OF_SOUND = bytes(BYTES_A_SECOND)


class Told:
    """A dialogue, its transcript, and what it told, by the moment in seconds."""

    def __init__(self, persona: Persona = GUIDE, opening: str | None = None) -> None:
        self.transcript = [TranscriptLine(role="avatar", text=opening, moment=0)] if opening else []
        self.dialogue = Dialogue(persona, self.transcript, opening)
        self.now = 0
        self.told: list[Output] = self.dialogue.open(0)
        self.told.clear()

    def ask(self, text: str, source: str | None = "a") -> None:
        self.told += self.dialogue.ask(text, source, self.now)

    def say(self, text: str, source: str | None = "s") -> None:
        self.told += self.dialogue.say(text, source, self.now)

    def interrupt(self) -> None:
        self.told += self.dialogue.interrupt(self.now)

    def user(self, *, started: bool) -> None:
        self.told += self.dialogue.set_microphone(started, self.now)

    def push(self, *, started: bool) -> None:
        self.told += self.dialogue.set_push_to_talk(started, self.now)

    def voice(self, seconds: float = 1.0) -> None:
        """Gives a sound to all that waits for one."""
        while (utterance := self.dialogue.next_without_sound()) is not None:
            self.told += self.dialogue.set_sound(utterance, bytes(round(seconds * BYTES_A_SECOND)), self.now)

    def after(self, seconds: float) -> list[Any]:
        """Moves the clock on; what was told since the last time, in short."""
        self.now += round(seconds * SECOND)
        self.told += self.dialogue.settle(self.now)
        told = [_short(one) for one in self.told]
        self.told.clear()
        return told

    def lines(self) -> list[tuple[str, str]]:
        return [(line.role, line.text) for line in self.transcript]


def _short(one: Output) -> Any:
    if isinstance(one, Sound):
        return one.pcm and len(one.pcm)
    return (one["event_type"], one["text"]) if "text" in one else one["event_type"]


def chunks(text: str) -> list[tuple[str, str]]:
    first, *later = text.split(" ")
    return [("avatar.transcription.chunk", chunk) for chunk in (first, *(f" {word}" for word in later))]


def whole(text: str) -> list[Any]:
    """All that an utterance of a second tells."""
    return [
        "avatar.speak_started",
        BYTES_A_SECOND,
        *chunks(text),
        ("avatar.transcription", text),
        "avatar.speak_ended",
    ]


def test_a_text_is_said_word_by_word() -> None:
    told = Told()
    told.say("One two three")
    told.voice()
    assert told.after(0.099) == []
    assert told.after(0.001) == ["avatar.speak_started", BYTES_A_SECOND, *chunks("One")]
    # by characters: " two" begins after 3 of 13, " three" after 7
    assert told.after(3 / 13 - 0.001) == []
    assert told.after(0.002) == [("avatar.transcription.chunk", " two")]
    assert told.after(4 / 13) == [("avatar.transcription.chunk", " three")]
    assert told.after(6 / 13 - 0.002) == []
    assert told.after(0.002) == [("avatar.transcription", "One two three"), "avatar.speak_ended"]
    assert told.after(1_000) == []
    assert told.lines() == [("avatar", "One two three")]
    assert told.transcript[0].moment == LATENCY


def test_all_at_once_where_the_clock_jumps() -> None:
    told = Told()
    told.say("One two three")
    told.voice()
    assert told.after(100) == whole("One two three")


def test_chunks_together_are_the_text() -> None:
    told = Told()
    text = "Long  blanks,\nlines and Donaudampfschifffahrtsgesellschaft und 日本語の文章には空白がありません。"
    told.say(text)
    told.voice()
    found = [one[1] for one in told.after(100) if isinstance(one, tuple) and one[0].endswith("chunk")]
    assert "".join(found) == text
    assert len(found) > 8


def test_a_question_is_thought_about_and_answered() -> None:
    told = Told()
    told.ask("Is the museum open?", "q1")
    told.voice()
    assert told.after(THINKING / SECOND - 0.001) == []
    answer = "You said: “Is the museum open?” My prompt says: The museum is open until six."
    assert told.after(10) == whole(answer)
    assert told.lines() == [("user", "Is the museum open?"), ("avatar", answer)]


def test_every_event_of_an_utterance_names_its_command() -> None:
    told = Told()
    told.say("One two", "e1")
    told.ask("Is it open?", "e2")
    told.say("Three", None)
    told.voice()
    told.now += 2 * SECOND
    told.told += told.dialogue.settle(told.now)
    told.voice()
    told.told += told.dialogue.settle(told.now + 100 * SECOND)
    events = [one for one in told.told if not isinstance(one, Sound)]
    found: dict[Any, list[str]] = {}
    for one in events:
        found.setdefault(one.get("source_event_id"), []).append(one["event_type"])
    assert list(found) == ["e1", "e2", None]
    assert all((kinds[0], kinds[-1]) == ("avatar.speak_started", "avatar.speak_ended") for kinds in found.values())


def test_without_a_prompt_there_is_no_answer_and_a_text_is_said() -> None:
    told = Told(NOBODY)
    assert not told.dialogue.answers
    told.ask("Hello?")
    told.voice()
    assert told.after(100) == []
    told.say("Hello")
    told.voice()
    assert told.after(100) == whole("Hello")
    assert told.lines() == [("user", "Hello?"), ("avatar", "Hello")]


def test_what_waits_is_said_in_its_order_without_a_gap() -> None:
    told = Told()
    for text in ("One", "Two", "Three", "Four"):
        told.say(text)
    told.voice()
    assert told.after(1.6) == [*whole("One"), *whole("Two")[:3]]
    told.voice()
    assert told.after(1) == [*whole("Two")[3:], *whole("Three")[:3]]
    told.voice()
    assert told.after(1) == [*whole("Three")[3:], *whole("Four")[:3]]


def test_only_two_sounds_are_made_ahead() -> None:
    told = Told()
    for text in ("One", "Two", "Three"):
        told.say(text)
    told.voice()
    assert told.dialogue.next_without_sound() is None
    told.after(1.2)
    waiting = told.dialogue.next_without_sound()
    assert waiting is not None
    assert waiting.text == "Three"


def test_a_sound_that_comes_late_is_said_when_it_is_there() -> None:
    told = Told()
    told.say("One")
    assert told.after(5) == []
    told.voice()
    assert told.after(0) == whole("One")[:3]
    assert told.after(0.999) == []
    assert told.after(0.001) == whole("One")[3:]


def test_an_interruption_ends_what_is_said_and_forgets_the_rest() -> None:
    told = Told()
    told.say("One two three four")
    told.ask("Is it open?")
    told.voice()
    told.after(0.1 + 0.5)
    told.interrupt()
    assert told.after(0) == [None, ("avatar.transcription", "One two three"), "avatar.speak_ended"]
    assert told.after(100) == []
    assert told.dialogue.next_without_sound() is None
    assert told.lines() == [("user", "Is it open?"), ("avatar", "One two three")]
    told.say("On again")
    told.voice()
    assert told.after(100) == whole("On again")


def test_an_interruption_before_the_first_word_leaves_no_trace() -> None:
    told = Told()
    told.interrupt()
    told.say("One")
    told.voice()
    told.interrupt()
    told.ask("Is it open?")
    told.voice()
    told.interrupt()
    assert told.after(100) == []
    assert told.lines() == [("user", "Is it open?")]


def test_an_interruption_in_the_moment_of_the_end_is_late() -> None:
    told = Told()
    told.say("One")
    told.voice()
    told.after(0.1)
    told.now += SECOND
    told.interrupt()
    assert told.after(100) == whole("One")[3:]


def test_a_sound_for_what_was_forgotten_is_not_said() -> None:
    told = Told()
    told.say("One")
    forgotten = told.dialogue.next_without_sound()
    assert forgotten is not None
    told.interrupt()
    told.say("Two")
    told.told += told.dialogue.set_sound(forgotten, SECOND_OF_SOUND, told.now)
    assert told.after(10) == []
    told.voice()
    assert told.after(10) == whole("Two")


def test_the_opening_is_said_once_and_before_all_else() -> None:
    told = Told(opening="Good day!")
    assert told.dialogue.open(told.now) == []
    told.say("One")
    told.voice()
    assert told.after(100) == [*whole("Good day!"), *whole("One")]
    assert told.lines() == [("avatar", "Good day!"), ("avatar", "One")]


def test_an_opening_that_is_interrupted_is_a_shorter_line() -> None:
    told = Told(opening="Good day to you!")
    told.voice()
    told.after(0.1)
    told.interrupt()
    assert told.lines() == [("avatar", "Good")]


def test_an_opening_of_blanks_is_not_said() -> None:
    told = Told(opening=" \n")
    assert told.dialogue.next_without_sound() is None
    assert told.after(100) == []


def test_somebody_is_there() -> None:
    assert Dialogue(GUIDE, [], None).open(0) == [{"event_type": "session.state_updated", "state": "connected"}]


def test_speech_is_heard_and_answered() -> None:
    told = Told()
    told.user(started=True)
    assert told.after(2.3) == [
        "user.speak_started",
        ("user.transcription.chunk", HEARD.format(1)),
        ("user.transcription.chunk", HEARD.format(2)),
    ]
    told.user(started=False)
    heard = HEARD.format(2.3)
    assert told.after(0) == ["user.speak_ended", ("user.transcription", heard)]
    told.voice()
    assert told.after(THINKING / SECOND - 0.001) == []
    assert told.after(0.001)[0] == "avatar.speak_started"
    assert told.lines()[0] == ("user", heard)
    assert heard in told.lines()[1][1]


def test_speech_that_goes_on_is_told_once() -> None:
    told = Told(NOBODY)
    told.user(started=False)
    told.user(started=True)
    told.user(started=True)
    assert told.after(0.5) == ["user.speak_started"]
    told.user(started=False)
    told.user(started=False)
    assert [one for one in told.after(100) if one == "user.speak_ended"] == ["user.speak_ended"]


def test_speech_does_not_interrupt() -> None:
    told = Told(NOBODY)
    told.say("One")
    told.voice()
    told.after(0.2)
    told.user(started=True)
    told.now += SECOND // 10
    told.user(started=False)
    assert told.after(10)[-2:] == whole("One")[-2:]


def test_push_to_talk_hears_while_the_button_is_held() -> None:
    told = Told(Persona(prompt="", push_to_talk=True))
    told.user(started=True)
    assert told.after(5) == []
    told.push(started=True)
    told.push(started=True)
    assert told.after(0.5) == ["user.speak_started"]
    told.user(started=False)
    told.after(0.9)
    told.user(started=True)
    told.after(0.75)
    told.push(started=False)
    heard = HEARD.format(1.2)
    assert told.after(0)[-2:] == ["user.speak_ended", ("user.transcription", heard)]
    told.push(started=False)
    told.user(started=False)
    assert told.after(10) == []
    told.voice()
    assert told.after(10)[0] == "avatar.speak_started"


def test_a_button_held_in_silence() -> None:
    told = Told(Persona(push_to_talk=True))
    told.push(started=True)
    told.after(1)
    told.push(started=False)
    assert told.after(0)[-1] == ("user.transcription", "(silence)")


def test_busy_until_the_last_word() -> None:
    told = Told()
    assert told.dialogue.busy_until(5) == 5
    told.say("x" * 14)
    assert told.dialogue.busy_until(0) == LATENCY + SECOND
    told.voice(2)
    assert told.dialogue.busy_until(0) == LATENCY + 2 * SECOND
    told.say("y" * 28)
    assert told.dialogue.busy_until(0) == LATENCY + 4 * SECOND
    told.after(1)
    assert told.dialogue.busy_until(told.now) == LATENCY + 4 * SECOND
    told.voice()
    told.after(10)
    assert told.dialogue.busy_until(told.now) == told.now


ACTIONS = ("say", "ask", "interrupt", "voice", "hear", "unhear", "push", "release", "wait")


@pytest.mark.parametrize("push_to_talk", [False, True])
@given(steps=st.lists(st.sampled_from(ACTIONS) | st.integers(0, 3_000), max_size=40))
def test_whatever_happens_the_order_holds(*, push_to_talk: bool, steps: list[str | int]) -> None:
    told = Told(Persona(name="G", prompt="The museum is open.", push_to_talk=push_to_talk), opening="Welcome to it")
    for number, step in enumerate(steps):
        match step:
            case int():
                told.now += step * 1_000
            case "say":
                told.say(f"Text number {number}", str(number))
            case "ask":
                told.ask(f"Is number {number} open?", str(number))
            case "voice":
                told.voice()
            case "interrupt":
                told.interrupt()
            case "hear" | "unhear":
                told.user(started=step == "hear")
            case "push" | "release":
                told.push(started=step == "push")
    for _ in range(len(steps) + 2):  # only two sounds are made ahead
        told.voice()
        told.told += told.dialogue.settle(told.now)
        told.now += 3 * SECOND
    avatar = [one for one in told.told if isinstance(one, Sound) or one["event_type"].startswith("avatar")]
    said = ""
    is_talking = False
    for one in avatar:
        if isinstance(one, Sound):
            assert is_talking
        elif one["event_type"] == "avatar.speak_started":
            assert not is_talking
            is_talking, said = True, ""
        else:
            assert is_talking
            if one["event_type"].endswith("chunk"):
                said += one["text"]
            elif one["event_type"] == "avatar.transcription":
                assert one["text"] == said
                assert ("avatar", said) in told.lines()
            is_talking = one["event_type"] != "avatar.speak_ended"
    assert not is_talking
    assert told.dialogue.next_without_sound() is None
    user = [one["event_type"] for one in told.told if not isinstance(one, Sound) and "user.speak" in one["event_type"]]
    assert user == (["user.speak_started", "user.speak_ended"] * len(user))[: len(user)]
    moments = [line.moment for line in told.transcript]
    assert moments == sorted(moments)
