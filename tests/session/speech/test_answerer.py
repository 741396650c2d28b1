"""A function of the user's answers: of every kind, by sentences, the newest alone, and its failures are shown."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import logging
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liveavatar_nb.concurrency.worker import THREAD_NAME, Worker
from liveavatar_nb.errors import InvalidArgument
from liveavatar_nb.session.speech.answerer import LONGEST_SENTENCE, Answerer, Sentences
from liveavatar_nb.session.speech.utterance import AsyncUtterance, UtteranceState

from ...waiting import until


class Avatar:
    """Says sentences, each until it is told to be silent."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.utterances: list[AsyncUtterance] = []
        self.hushed = 0
        self.worker = Worker()
        self.answerer: Answerer | None = None

    def answers(self, function: Any) -> Answerer:
        self.answerer = Answerer(function, self.say, self.hush, self.worker)
        return self.answerer

    async def say(self, sentence: str) -> AsyncUtterance:
        self.said.append(sentence)
        self.utterances.append(AsyncUtterance(sentence, sentence))
        return self.utterances[-1]

    async def hush(self) -> None:
        self.hushed += 1
        assert self.answerer is not None
        self.answerer.stop()
        for utterance in self.utterances:
            utterance.finish(UtteranceState.INTERRUPTED)


@pytest.fixture
def avatar() -> Avatar:
    return Avatar()


def plain(text: str) -> str:
    return f"You said {text}. Really?"


def pieces(text: str) -> Iterator[str]:
    yield "You sa"
    yield f"id {text}. Rea"
    yield "lly?"


async def awaited(text: str) -> str:
    await asyncio.sleep(0)
    return plain(text)


async def streamed(text: str) -> AsyncIterator[str]:
    for piece in pieces(text):
        yield piece


async def awaited_stream(text: str) -> AsyncIterator[str]:
    return streamed(text)


class Plain:
    """A plain callable that hands on what an async one gives."""

    def __init__(self, function: Any) -> None:
        self._function = function

    def __call__(self, text: str) -> Any:
        return self._function(text)


class Callable:
    async def __call__(self, text: str) -> list[str]:
        return list(pieces(text))


@pytest.mark.parametrize(
    "function",
    [
        plain,
        pieces,
        awaited,
        streamed,
        awaited_stream,
        Callable(),
        functools.partial(awaited),
        Plain(awaited),
        Plain(streamed),
    ],
)
async def test_an_answer_of_any_kind_is_said_sentence_by_sentence(avatar: Avatar, function: Any) -> None:
    avatar.answers(function).answer("yes")
    await until(lambda: len(avatar.said) == 2)
    assert avatar.said == ["You said yes.", "Really?"]
    assert avatar.hushed == 0


async def test_a_sentence_is_said_while_the_rest_still_comes(avatar: Avatar) -> None:
    more = asyncio.Event()

    async def slow(text: str) -> AsyncIterator[str]:
        yield "First. Sec"
        await more.wait()
        yield "ond."

    avatar.answers(slow).answer("")
    await until(lambda: avatar.said)
    assert avatar.said == ["First."]
    more.set()
    await until(lambda: len(avatar.said) == 2)
    assert avatar.said[1] == "Second."


async def test_a_plain_function_runs_on_the_handlers_thread_with_the_cells_context(avatar: Avatar) -> None:
    cell: contextvars.ContextVar[str] = contextvars.ContextVar("cell")
    cell.set("this one")
    seen: list[tuple[str, str]] = []

    def answer(text: str) -> None:
        seen.append((threading.current_thread().name, cell.get()))

    avatar.answers(answer).answer("Hello")
    await until(lambda: seen)
    assert seen == [(THREAD_NAME, "this one")]
    assert avatar.said == []


async def test_an_async_function_has_the_cells_context(avatar: Avatar) -> None:
    cell: contextvars.ContextVar[str] = contextvars.ContextVar("cell")
    cell.set("this one")

    async def answer(text: str) -> str:
        return cell.get()

    answerer = avatar.answers(answer)
    cell.set("another")
    answerer.answer("Hello")
    await until(lambda: avatar.said)
    assert avatar.said == ["this one"]


async def test_a_plain_iterator_is_closed_where_nobody_wants_its_rest(avatar: Avatar) -> None:
    closed = threading.Event()

    def answer(text: str) -> Iterator[str]:
        try:
            while True:
                yield "More. "
        finally:
            closed.set()

    answerer = avatar.answers(answer)
    answerer.answer("Hello")
    await until(lambda: avatar.said)
    answerer.stop()
    await until(closed.is_set)


async def test_a_function_whose_answer_nobody_wants_any_more_is_not_called(avatar: Avatar) -> None:
    go_on, done = threading.Event(), threading.Event()
    called: list[str] = []

    def hold() -> None:
        go_on.wait(10)

    answerer = avatar.answers(called.append)
    avatar.worker.post(hold)
    answerer.answer("Hello")
    await asyncio.sleep(0.01)
    answerer.stop()
    await asyncio.sleep(0.01)
    avatar.worker.post(done.set)
    go_on.set()
    await until(done.is_set)
    assert called == []


async def test_a_newer_text_ends_the_older_answer(avatar: Avatar, caplog: pytest.LogCaptureFixture) -> None:
    ended: list[str] = []

    async def answer(text: str) -> AsyncIterator[str]:
        yield f"About {text}. And "
        if text == "old":
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(text)
        yield "more."

    answerer = avatar.answers(answer)
    answerer.answer("old")
    await until(lambda: avatar.said)
    answerer.answer("new")
    await until(lambda: len(avatar.said) == 3)
    assert avatar.said == ["About old.", "About new.", "And more."]
    assert (ended, avatar.hushed) == (["old"], 1)
    assert avatar.utterances[0].state == "interrupted"
    assert caplog.messages == []


async def test_what_was_said_to_its_end_is_not_interrupted(avatar: Avatar) -> None:
    answerer = avatar.answers(plain)
    answerer.answer("one")
    await until(lambda: len(avatar.said) == 2)
    for utterance in avatar.utterances:
        utterance.finish(UtteranceState.ENDED)
    answerer.answer("two")
    await until(lambda: len(avatar.said) == 4)
    assert avatar.hushed == 0


async def test_an_answer_that_asks_for_silence_goes_on(avatar: Avatar) -> None:
    async def answer(text: str) -> AsyncIterator[str]:
        yield "One. "
        await avatar.hush()
        await asyncio.sleep(0)
        yield "Two."

    avatar.answers(answer).answer("Hello")
    await until(lambda: len(avatar.said) == 2)
    assert avatar.said == ["One.", "Two."]


async def test_an_interruption_ends_it(avatar: Avatar) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def answer(text: str) -> str:
        begun.set()
        go_on.wait(10)
        return "Too late."

    answerer = avatar.answers(answer)
    answerer.answer("Hello")
    await until(begun.is_set)
    answerer.stop()
    answerer.stop()
    go_on.set()
    done = threading.Event()
    avatar.worker.post(done.set)
    await until(done.is_set)
    await asyncio.sleep(0.01)
    assert avatar.said == []


# an answer that somebody waits for


async def test_an_answer_is_over_with_its_last_sentence(avatar: Avatar) -> None:
    answerer = avatar.answers(plain)
    for over in (UtteranceState.INTERRUPTED, UtteranceState.ENDED):
        whole, at = AsyncUtterance("Hello"), len(avatar.said)
        answerer.answer("yes", whole)
        await until(lambda: len(avatar.said) == at + 1)  # noqa: B023 (it is awaited here)
        assert (whole.state, whole.text) == ("sending", "You said yes.")
        avatar.utterances[at].start()
        await until(lambda: len(avatar.said) == at + 2)  # noqa: B023
        assert (whole.state, whole.text) == ("talking", "You said yes. Really?")
        avatar.utterances[at].finish(UtteranceState.ENDED)
        avatar.utterances[at + 1].finish(over)
        await whole.wait()
        assert whole.state == over


async def test_an_answer_fails_with_a_sentence_of_it(avatar: Avatar) -> None:
    whole = AsyncUtterance("Hello")
    avatar.answers(lambda text: "One.").answer("yes", whole)
    await until(lambda: avatar.said)
    avatar.utterances[0].finish(UtteranceState.FAILED, LookupError("it is silent"))
    with pytest.raises(LookupError, match="it is silent"):
        await whole.wait()


async def test_what_a_function_raises_is_for_who_waits_and_not_shown(
    avatar: Avatar, caplog: pytest.LogCaptureFixture
) -> None:
    def answer(text: str) -> str:
        raise LookupError("no idea")

    whole = AsyncUtterance("Hello")
    avatar.answers(answer).answer("yes", whole)
    with pytest.raises(LookupError, match="no idea"):
        await whole.wait()
    assert caplog.messages == []


@pytest.mark.parametrize(("why", "state"), [(None, "interrupted"), (LookupError("it is over"), "failed")])
@pytest.mark.parametrize("has_begun", [True, False])
async def test_who_waits_is_told_why_an_answer_was_stopped(
    avatar: Avatar, why: Exception | None, state: str, has_begun: bool
) -> None:
    whole = AsyncUtterance("Hello")
    answerer = avatar.answers(plain)
    answerer.answer("yes", whole)
    if has_begun:
        await until(lambda: avatar.said)
    answerer.stop(why)
    await until(lambda: whole.state.is_final)
    assert (whole.state, whole.error) == (state, why)


async def raises_later(text: str) -> AsyncIterator[str]:
    yield "Well. "
    raise LookupError("no idea")


def raises(text: str) -> str:
    raise SystemExit("no idea")


def stops(text: str) -> str:
    raise StopIteration("no idea")


async def cancels(text: str) -> str:
    raise asyncio.CancelledError("no idea")


@pytest.mark.parametrize("function", [raises_later, raises, stops, cancels])
async def test_what_it_raises_is_shown_and_ends_nothing_else(
    avatar: Avatar, function: Any, caplog: pytest.LogCaptureFixture
) -> None:
    answerer = avatar.answers(function)
    for _ in range(2):
        answerer.answer("Hello")
        count = len(caplog.records) + 1
        await until(lambda: len(caplog.records) >= count)  # noqa: B023 (it is awaited here)
    assert caplog.messages == [f"handler {function.__name__} failed on 'Hello'"] * 2
    assert caplog.records[0].exc_info is not None
    assert "no idea" in caplog.text


@pytest.mark.parametrize("answer", [3, b"bytes", [1]])
async def test_what_is_no_text_is_refused_in_words(
    avatar: Avatar, answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        avatar.answers(lambda text: answer).answer("Hello")
        await until(lambda: caplog.records)
    assert "must return text, or an iterator of text, not" in caplog.text


def test_what_is_no_function_is_refused(avatar: Avatar) -> None:
    with pytest.raises(InvalidArgument, match="a function that takes text, not str"):
        avatar.answers("Hello")


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ("It costs 3.50 at example.org. Fine.", ["It costs 3.50 at example.org.", "Fine."]),
        ('He said "Go!" Then he went.', ['He said "Go!"', "Then he went."]),
        ("Well... Yes.", ["Well...", "Yes."]),
        ("1. First\n2. Second\n", ["1. First", "2. Second"]),
        ("你好。再见。", ["你好。", "再见。"]),
        ("\n\n  \n", []),
        ("...", ["..."]),
        ("words " * 200 + "end. More", ["words " * 165 + "words", "words " * 34 + "end.", "More"]),
        ("a" * (LONGEST_SENTENCE + 1), ["a" * LONGEST_SENTENCE, "a"]),
        (" " * 3 * LONGEST_SENTENCE + "End.", ["End."]),
        ("", []),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_a_text_is_cut_at_the_ends_of_its_sentences(text: str, sentences: list[str], size: int) -> None:
    cutter = Sentences()
    found = [one for at in range(0, len(text), size) for one in cutter.push(text[at : at + size])]
    assert [*found, *filter(None, [cutter.rest()])] == sentences


@settings(deadline=None)
@given(st.lists(st.text(alphabet="ab .!?\n。", max_size=2000), max_size=5))
def test_nothing_is_lost_between_sentences(texts: list[str]) -> None:
    cutter = Sentences()
    found = [one for text in texts for one in cutter.push(text)] + [cutter.rest()]
    assert "".join("".join(found).split()) == "".join("".join(texts).split())
    assert all(len(one) <= LONGEST_SENTENCE for one in found)
