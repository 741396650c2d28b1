"""What was said, line by line: chunks that add a word or replace the phrase, whole words, late ones."""

from __future__ import annotations

import pytest

from liveavatar_nb import config
from liveavatar_nb.concurrency.clock import CLOCK
from liveavatar_nb.session.speech.transcript import Role, SessionTranscript, UserTurns


@pytest.fixture
def lines() -> SessionTranscript:
    return SessionTranscript(CLOCK, lambda: 7.9)


def told(lines: SessionTranscript) -> list[tuple[str, str, bool]]:
    return [(one.role, one.transcript, one.partial) for one in lines.records]


@pytest.mark.parametrize(
    ("role", "chunks", "grown"),
    [
        ("avatar", ["Hello", " there", "."], ["Hello", "Hello there", "Hello there."]),
        ("avatar", ["No, ", "no"], ["No, ", "No, no"]),
        ("avatar", ["ha", "ha", "", "haha"], ["ha", "haha", "haha", "hahahaha"]),
        ("user", ["Hello", "Hello there", "Hello there."], ["Hello", "Hello there", "Hello there."]),
        ("user", ["I want two", "I want to go"], ["I want two", "I want to go"]),
        ("user", ["Hello there", "Hello", ""], ["Hello there", "Hello", "Hello"]),
    ],
)
def test_a_line_grows(lines: SessionTranscript, role: Role, chunks: list[str], grown: list[str]) -> None:
    seen = []
    for chunk in chunks:
        lines.grow(role, "u", chunk)
        seen += [one.transcript for one in lines.records]
    assert seen == grown
    assert told(lines)[0][2]


def test_the_whole_words_take_the_place_of_the_chunks_and_stay(lines: SessionTranscript) -> None:
    lines.grow("avatar", "u", "Helo ther")
    lines.finish("avatar", "u", "Hello there.")
    lines.grow("avatar", "u", " And more")
    lines.finish("avatar", "u", "Something else")
    assert told(lines) == [("avatar", "Hello there.", False)]
    assert lines.is_final("avatar", "u")


def test_a_line_that_is_closed_may_still_get_its_whole_words(lines: SessionTranscript) -> None:
    lines.grow("avatar", "u", "Hello")
    lines.close("avatar", "u")
    assert told(lines) == [("avatar", "Hello", False)]
    assert not lines.is_final("avatar", "u")
    lines.finish("avatar", "u", "Hello there.")
    assert told(lines) == [("avatar", "Hello there.", False)]


def test_what_was_handed_out_does_not_change(lines: SessionTranscript) -> None:
    lines.grow("avatar", "u", "Hello")
    before = lines.records
    lines.finish("avatar", "u", "Hello there.")
    assert before[0].transcript == "Hello"
    assert before[0].partial


def test_the_oldest_go_first(lines: SessionTranscript) -> None:
    for number in range(config.KEPT_LINES + 2):
        lines.finish("user", str(number), f"line {number}")
    assert len(lines.records) == config.KEPT_LINES
    assert lines.records[0].transcript == "line 2"


def test_a_list_of_lines_shows_itself(lines: SessionTranscript) -> None:
    lines.finish("user", "a", "<b>Why?</b>")
    lines.grow("avatar", "u", "Because")
    html = lines.records._repr_html_()
    assert html is not None
    assert "&lt;b&gt;Why?" in html
    assert "Because…" in html
    assert "0:07" in html
    assert repr(lines.records[1]) == "<SpokenLine avatar: 'Because'…>"
    assert lines.records.to_dict()[0] == {
        "role": "user",
        "transcript": "<b>Why?</b>",
        "absolute_timestamp": lines.records[0].absolute_timestamp,
        "relative_timestamp": 7,
        "partial": False,
    }


def test_the_user_speaks_turn_by_turn(lines: SessionTranscript) -> None:
    user = UserTurns(lines)
    user.begin()
    user.grow("What")
    user.grow("What is")
    assert told(lines) == [("user", "What is", True)]
    user.finish("What is that?")
    user.grow(" that?")
    assert told(lines) == [("user", "What is that?", False)]
    user.begin()
    user.grow("And")
    user.begin()
    user.grow("Yes")
    assert told(lines)[1:] == [("user", "And", False), ("user", "Yes", True)]


def test_a_turn_may_begin_with_a_word_of_the_one_before(lines: SessionTranscript) -> None:
    user = UserTurns(lines)
    user.finish("What is that?")
    user.grow("What is")
    user.grow("that?")
    assert len(lines.records) == 1
    user.begin()
    user.grow("What")
    assert told(lines)[1:] == [("user", "What", True)]


def test_whole_words_that_are_late_are_of_the_turn_before(lines: SessionTranscript) -> None:
    user = UserTurns(lines)
    user.grow("And what")
    user.begin()
    user.finish("And what else?")
    assert told(lines) == [("user", "And what else?", False)]
    user.finish("Thanks.")
    assert told(lines)[1:] == [("user", "Thanks.", False)]
    user.finish("Thanks.")
    user.begin()
    user.grow("Yes")
    user.begin()
    user.finish("No.")
    assert told(lines)[2:] == [("user", "Thanks.", False), ("user", "Yes", False), ("user", "No.", False)]


def test_words_that_are_late_are_so_once(lines: SessionTranscript) -> None:
    user = UserTurns(lines)
    user.grow("Yes")
    user.begin()
    user.finish("Yes.")
    user.finish("Yes. And more.")
    assert told(lines) == [("user", "Yes.", False), ("user", "Yes. And more.", False)]
