"""`Feed`: audio of any kind, read on a separate thread while it is being spoken."""

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
    """Audio that is read on a separate thread, even if it comes from an async iterator.

    Args:
        loop: The loop that the async iterator runs on.
    """

    loop: asyncio.AbstractEventLoop
    sound: Sound | None = None
    _iterators: set[AsyncIterator[Any]] = field(default_factory=set)
    _steps: set[asyncio.Task[Any]] = field(default_factory=set)
    _is_closed: bool = False

    def open(self, audio: Any, rate: float | None) -> None:
        """Read the beginning of the audio; this may block, so call it on a separate thread."""
        self.sound = open_sound(audio, rate, self._pull)
        if self._is_closed:
            self.sound.close()

    def _pull(self, items: AsyncIterator[Any]) -> Any:
        """Return the next item of an async iterator; called on the reading thread."""
        step = self._step(items)
        try:
            return asyncio.run_coroutine_threadsafe(step, self.loop).result()
        except RuntimeError:  # the loop is closed
            step.close()
            raise

    async def _step(self, items: AsyncIterator[Any]) -> Any:
        if self._is_closed:
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
        """Cancel any pending read, and close the async iterators."""
        self._is_closed = True
        for step in self._steps:
            step.cancel()
        if self._steps:
            await asyncio.wait(self._steps)
        for items in self._iterators:
            if (close := getattr(items, "aclose", None)) is not None:
                await close()

    async def discard(self) -> None:
        """Close the feed and its audio without reading the rest."""
        await self.close()
        # audio that is still being opened will be closed by `open`
        if self.sound is not None:
            await on_own_thread(self.sound.close)

    def pieces(self) -> AsyncGenerator[bytes, None]:
        """Iterate over the audio, converted to 16-bit mono at 24,000 Hz, in pieces of at most 1 s."""
        assert self.sound is not None
        return iterate_on_own_thread(self.sound.pcm(), ahead=config.PIECES_AHEAD, end=self.sound.close)


async def synthesize(tts: TextToSpeech, text: str) -> Any:
    """Call a text-to-speech function, which may return any kind of audio.

    A non-async function is allowed to block, because it runs on a separate thread.
    """
    try:
        if inspect.iscoroutinefunction(tts) or inspect.iscoroutinefunction(getattr(tts, "__call__", None)):  # noqa: B004
            return await tts(text)
        sound = await on_own_thread(lambda: tts(text))
        return await sound if inspect.isawaitable(sound) else sound
    except (SystemExit, KeyboardInterrupt) as failure:
        raise bearable(failure) from failure
