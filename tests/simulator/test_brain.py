"""What the avatar answers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liveavatar_nb.simulator.account.history import DESK_PROMPT
from liveavatar_nb.simulator.account.ledger import Persona
from liveavatar_nb.simulator.session.brain import LONGEST_QUOTE, Brain, transcribe

DESK = Persona(name="Museum desk", prompt=DESK_PROMPT)


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ("When is it open?", "It is open from Tuesday to Sunday, 10:00 to 18:00."),
        ("Do CHILDREN pay?", "Children under 12 enter free of charge."),
        (
            "Is there a child's ticket?",
            "You answer questions at the desk of the Lantern Museum: opening hours, tickets",
        ),
        ("Any freebies?", "Children under 12 enter free of charge."),
    ],
)
def test_an_answer_quotes_the_question_and_a_fitting_sentence(question: str, sentence: str) -> None:
    answer = Brain(DESK).answer(question)
    assert answer.startswith(f"You said: “{question}” My prompt says: {sentence}")


def test_what_the_prompt_says_nothing_about() -> None:
    assert Brain(DESK).answer("What is love") == (
        "You said: “What is love.” I am only a simulator, and my prompt says nothing about it."
    )


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Hello!", "Hello! I am the simulator's Museum desk, and I answer from my prompt."),
        ("good morning", "Hello! I am"),
        ("Thank you, that helped.", "You are welcome!"),
        ("Bye", "Goodbye! That was your first message."),
        ("Hello, when is it open?", "You said: “Hello, when is it open?” My prompt says: It is open"),
    ],
)
def test_courtesy(text: str, answer: str) -> None:
    assert Brain(DESK).answer(text).startswith(answer)


def test_turns_are_counted() -> None:
    brain = Brain(DESK)
    begins = [brain.answer("Why?").split(":")[0] for _ in range(12)]
    assert begins[:3] == ["You said", "Your second message was", "Your third message was"]
    assert begins[9:] == ["Your tenth message was", "Your latest message was", "Your latest message was"]


def test_the_same_conversation_has_the_same_answers() -> None:
    questions = ["Hello", "When is it open?", "And for children?", "Why?", "Thanks"]
    first, second = (list(map(brain.answer, questions)) for brain in (Brain(DESK), Brain(DESK)))
    assert first == second


def test_another_language_is_only_quoted() -> None:
    brain = Brain(Persona(prompt="Wir sind ab neun geöffnet.\nKinder zahlen nichts.", language="de"))
    assert brain.answer("Was zahlen Kinder?") == "“Was zahlen Kinder?” Kinder zahlen nichts."
    assert brain.answer("Hallo!") == "“Hallo!”"


def test_long_texts_are_quoted_in_short() -> None:
    long = "word " * 1_000
    answer = Brain(Persona(prompt=f"Guide. {long}")).answer(long)
    assert answer.count("word") < 2 * LONGEST_QUOTE / 4
    assert answer.endswith("…")


def test_what_a_microphone_heard() -> None:
    assert transcribe(2.345) == "(2.3 seconds of speech, which the simulator does not understand)"
    assert transcribe(0) == "(silence)"
    assert "2.3 seconds of speech" in Brain(DESK).answer(transcribe(2.345))


@given(prompt=st.text(max_size=200), text=st.text(min_size=1, max_size=200), language=st.sampled_from(["en", "fr"]))
def test_there_is_always_an_answer(prompt: str, text: str, language: str) -> None:
    answer = Brain(Persona(name="x", prompt=prompt, language=language)).answer(text)
    assert answer.strip()
    assert len(answer) < 3 * LONGEST_QUOTE + 100
