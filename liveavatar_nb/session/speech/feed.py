"""`Feed`: a sound of any kind that is read on a thread of its own, also from an async iterator, while it is said."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from ... import config
from ...audio import Sound, open_sound
from ...concurrency.threads import bearable, iterate_on_own_thread, on_own_thread

TextToSpeech = Callable[[str], Any]


@dataclass
class Feed:
    """A sound, and what is pulled for it from an async iterator.

    Args:
        loop: the one that the async iterator lives on.
    """

    loop: asyncio.AbstractEventLoop
    sound: Sound | None = None
    _iterators: set[AsyncIterator[Any]] = field(default_factory=set)
    _steps: set[asyncio.Task[Any]] = field(default_factory=set)
    _is_given_up: bool = False

    def open(self, audio: Any, rate: float | None) -> None:
        """Reads its beginning; on a thread of its own, for that may block."""
        self.sound = open_sound(audio, rate, self._pull)
        if self._is_given_up:
            self.sound.close()

    def _pull(self, items: AsyncIterator[Any]) -> Any:
        """The next item of an async iterator; on the thread that reads."""
        step = self._step(items)
        try:
            return asyncio.run_coroutine_threadsafe(step, self.loop).result()
        except RuntimeError:  # the loop is closed
            step.close()
            raise

    async def _step(self, items: AsyncIterator[Any]) -> Any:
        if self._is_given_up:
            raise StopAsyncIteration
        self._iterators.add(items)
        step = asyncio.current_task()
        assert step is not None
        self._steps.add(step)
        try:
            return await anext(items)
        except (SystemExit, KeyboardInterrupt) as failure:
            raise bearable(failure) from failure
        finally:
            self._steps.discard(step)

    async def close(self) -> None:
        """Ends what it waits for, and the async iterators that it began."""
        self._is_given_up = True
        for step in self._steps:
            step.cancel()
        if self._steps:
            await asyncio.wait(self._steps)
        for items in self._iterators:
            if (close := getattr(items, "aclose", None)) is not None:
                await close()

    async def discard(self) -> None:
        """Ends it unread."""
        await self.close()
        # where it is just being opened it closes itself
        if self.sound is not None:
            await on_own_thread(self.sound.close)

    def pieces(self) -> AsyncGenerator[bytes, None]:
        """Its sound; 16-bit mono at 24,000 Hz in pieces of 1 s at most."""
        assert self.sound is not None
        return iterate_on_own_thread(self.sound.pcm(), ahead=config.PIECES_AHEAD, end=self.sound.close)


async def voiced(tts: TextToSpeech, text: str) -> Any:
    """What a text-to-speech callable makes of a text: sound of any kind; a plain callable may block."""
    try:
        if inspect.iscoroutinefunction(tts) or inspect.iscoroutinefunction(getattr(tts, "__call__", None)):  # noqa: B004
            return await tts(text)
        made = await on_own_thread(lambda: tts(text))
        return await made if inspect.isawaitable(made) else made
    except (SystemExit, KeyboardInterrupt) as failure:
        raise bearable(failure) from failure
