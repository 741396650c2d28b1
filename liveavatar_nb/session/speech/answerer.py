"""`Answerer`: answers the user with the function given to `on_user_text`, sentence by sentence."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import inspect
import re
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Iterator
from typing import Any, Final

from ...concurrency.threads import bearable, iterate_on_own_thread
from ...concurrency.worker import Worker
from ...errors import InvalidArgument
from ..event_stream import show_failure
from ..start_checks import check_answer
from .utterance import AsyncUtterance, UtteranceState

Answer = Callable[[str], Any]

LONGEST_SENTENCE: Final = 1000  # maximum number of characters per sentence; longer sentences are split
# a full stop ends a sentence only before a space, so that "3.5" and "example.org" are not split
SENTENCE_END: Final = re.compile(
    r"[.!?\N{HORIZONTAL ELLIPSIS}]+[\"')\]\N{RIGHT DOUBLE QUOTATION MARK}]*\s+"
    r"|[\N{IDEOGRAPHIC FULL STOP}\N{FULLWIDTH EXCLAMATION MARK}\N{FULLWIDTH QUESTION MARK}]+|\n+"
)
WORD: Final = re.compile(r"[^\W\d_]")


class Sentences:
    """Splits text into sentences as the pieces of the text arrive."""

    def __init__(self) -> None:
        self._held = ""

    def push(self, text: str) -> Iterator[str]:
        """Add a piece of text, and yield the sentences that it completes."""
        self._held += text
        start = 0
        for end in SENTENCE_END.finditer(self._held):
            if WORD.search(sentence := self._held[start : end.end()]):
                yield from filter(None, map(str.strip, _parts(sentence)))
                start = end.end()
        *parts, self._held = _parts(self._held[start:])
        yield from filter(None, map(str.strip, parts))

    def rest(self) -> str:
        """Return the text left over at the end of the input; it may be empty."""
        return self._held.strip()


class Answerer:
    """Answers everything the user says; new words from the user, or an interruption, cut an answer off.

    Args:
        function: A sync or async function that returns text, or a sync or async iterator of text.
        say: Says one sentence; returns once the service has received the command.
        interrupt: Silences the older answer.
        worker: The worker whose thread runs a non-async function.
    """

    def __init__(
        self,
        function: Answer,
        say: Callable[[str], Awaitable[AsyncUtterance]],
        interrupt: Callable[[], Awaitable[None]],
        worker: Worker,
    ) -> None:
        check_answer(function)
        self._function = function
        self._say = say
        self._interrupt = interrupt
        self._worker = worker
        self._context = contextvars.copy_context()  # so that output appears in the cell that passed the function
        self._task: asyncio.Task[object] | None = None
        self._error: Exception | None = None  # the error with which the answer was stopped; None if it was interrupted
        self._said: list[AsyncUtterance] = []

    def answer(self, text: str, whole: AsyncUtterance | None = None) -> None:
        """Answer the user, cutting off any older answer.

        Args:
            text: The user's words.
            whole: An utterance that stands for the whole answer, and is updated as the answer's sentences are said.
        """
        self.stop()
        answer: Coroutine[Any, Any, object] = self._answer(text) if whole is None else self._answer_as(whole, text)
        self._task = asyncio.create_task(answer, name="liveavatar_nb answer", context=self._context)
        if whole is not None:
            # this also covers a task that is cancelled before it begins to run
            self._task.add_done_callback(lambda _: self._cut(whole))

    def stop(self, error: Exception | None = None) -> None:
        """Stop the answer, which then fails with `error`, or counts as interrupted if `error` is None."""
        if self._task is not None and self._task is not asyncio.current_task():
            self._error = error
            self._task.cancel()

    def _cut(self, whole: AsyncUtterance) -> None:
        whole.finish(UtteranceState.INTERRUPTED if self._error is None else UtteranceState.FAILED, self._error)

    async def _answer_as(self, whole: AsyncUtterance, text: str) -> None:
        whole.begin(has_waited=False)
        try:
            failure = await self._answer(text, whole)
            for utterance in self._said:
                await utterance.is_over()
        except asyncio.CancelledError:
            self._cut(whole)
            raise
        failure = failure or next((utterance.error for utterance in self._said if utterance.error is not None), None)
        is_cut = any(utterance.state is UtteranceState.INTERRUPTED for utterance in self._said)
        end = UtteranceState.INTERRUPTED if is_cut else UtteranceState.ENDED
        whole.finish(end if failure is None else UtteranceState.FAILED, failure)

    async def _answer(self, text: str, whole: AsyncUtterance | None = None) -> Exception | None:
        """Call the function and speak its answer; log any error, or return the error if `whole` is given."""
        try:
            if any(not utterance.state.is_final for utterance in self._said):
                await self._interrupt()
            self._said = []
            sentences = Sentences()
            async for piece in self._pieces(text):
                for sentence in sentences.push(piece):
                    await self._say_sentence(sentence, whole)
            if rest := sentences.rest():
                await self._say_sentence(rest, whole)
        except asyncio.CancelledError as failure:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            show_failure(self._function, f"{text!r}", failure)
        except BaseException as failure:  # noqa: BLE001 (a user's function may raise anything)
            if whole is not None and isinstance(failure, Exception):
                return failure
            show_failure(self._function, f"{text!r}", failure)
        return None

    async def _say_sentence(self, sentence: str, whole: AsyncUtterance | None) -> None:
        utterance = await self._say(sentence)
        self._said.append(utterance)
        if whole is not None:
            whole.hear(f"{whole.text} {sentence}" if whole.text else sentence)
            if len(self._said) == 1:
                await utterance.has_begun()
                whole.start()

    async def _pieces(self, text: str) -> AsyncIterator[str]:
        answer = await self._call(text)
        if isinstance(answer, AsyncIterable):
            async for piece in answer:
                yield _text_of(piece)
        elif isinstance(answer, Iterable) and not isinstance(answer, str | bytes):
            end = getattr(answer, "close", lambda: None)
            async for piece in iterate_on_own_thread(answer, ahead=1, end=end):
                yield _text_of(piece)
        elif answer is not None:
            yield _text_of(answer)

    async def _call(self, text: str) -> Any:
        kind = self._function if inspect.isroutine(self._function) else getattr(self._function, "__call__", None)  # noqa: B004
        if inspect.iscoroutinefunction(kind) or inspect.isasyncgenfunction(kind):
            answer = self._function(text)
        else:
            answer = await self._on_worker(text)
        return await answer if inspect.isawaitable(answer) else answer

    async def _on_worker(self, text: str) -> Any:
        done: concurrent.futures.Future[Any] = concurrent.futures.Future()

        def call() -> None:
            if not done.set_running_or_notify_cancel():
                return
            try:
                done.set_result(self._context.copy().run(self._function, text))
            except BaseException as failure:  # noqa: BLE001 (it is passed on to the caller)
                done.set_exception(bearable(failure))

        self._worker.post(call)
        return await asyncio.wrap_future(done)


def _parts(text: str) -> Iterator[str]:
    """Split text into parts of limited length, between words if possible."""
    while len(text) > LONGEST_SENTENCE:
        space = text.rfind(" ", 1, LONGEST_SENTENCE)
        cut = LONGEST_SENTENCE if space == -1 else space
        yield text[:cut]
        text = text[cut:]
    yield text


def _text_of(piece: Any) -> str:
    if not isinstance(piece, str):
        raise InvalidArgument(
            f"on_user_text must return text, or an iterator of text, not {type(piece).__name__}.", field="on_user_text"
        )
    return piece
