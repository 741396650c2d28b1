"""`open_sound`: a sound of any kind, and `Sound`, from which it comes in pieces."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

from ..errors import AudioError
from .limits import SAMPLE_BYTES, SAMPLE_RATE

if TYPE_CHECKING:
    from .source import Source

Pull = Callable[[AsyncIterator[Any]], Any]


class Sound:
    """A sound that is being read: once, from its beginning to its end.

    Args:
        source: what it is read from.

    Attributes:
        name: what it is called: a file's name, or "array", "bytes", "stream".
        seconds: its length, None where that shows only at its end.
        notes: what was amiss, in words; grows while it is read.

    Raises:
        AudioError: its beginning cannot be read.
    """

    def __init__(self, source: Source) -> None:
        from .resample import pieces  # noqa: PLC0415 (numpy and soxr)

        self.name = source.name
        self.notes = source.notes
        self.seconds: float | None = None
        self._source = source
        self._handed_out = 0  # bytes
        self._turn = threading.Lock()
        self._is_closed = False
        with ExitStack() as undo:
            blocks = undo.enter_context(closing(source.blocks()))
            first = next(blocks, None)
            if first is None:
                raise AudioError(f"{source.label} holds no sound, not one sample.")
            self.seconds = source.seconds
            self._pieces = undo.enter_context(closing(pieces(first, blocks, self.notes)))
            self._open = undo.pop_all()

    def pcm(self) -> Generator[bytes]:
        """Its sound: 16-bit mono at 24,000 Hz, in pieces of 1 s at most, each as soon as its input is there.

        Ends early where it is closed, from whichever thread.

        Raises:
            AudioError: it cannot be read any further; the message says after how many seconds.
        """
        try:
            while not self._is_closed:
                with self._turn:
                    piece = self._next()
                if piece is None:
                    return
                yield piece
        finally:
            # where another thread wanted to close it during a turn, it is closed here
            self.close()

    def _next(self) -> bytes | None:
        try:
            piece = next(self._pieces, None)
        except AudioError as failure:
            seconds = self._handed_out / SAMPLE_BYTES / SAMPLE_RATE
            if failure is self._source.failure_of_caller or not seconds:
                raise
            message = f"After {seconds:.1f} s of sound: {failure.message}"
            raise AudioError(message, remedy=failure.remedy) from (failure.__cause__ or failure)
        self._handed_out += len(piece or b"")
        return piece

    def close(self) -> None:
        """Closes what was opened for it, and a generator that it was made of; never a file of the caller's."""
        self._is_closed = True
        # a thread that is just reading closes when its turn is over
        if self._turn.acquire(blocking=False):
            try:
                self._open.close()
            finally:
                self._turn.release()

    def __repr__(self) -> str:
        length = "" if self.seconds is None else f", {self.seconds:.1f} s"
        return f"<Sound {self.name!r}{length}>"


def open_sound(audio: Any, rate: float | None = None, pull: Pull | None = None) -> Sound:
    """A sound of any kind, with its beginning read. Blocks while it waits for that.

    Args:
        audio: a path; the bytes of a sound file; raw 16-bit mono samples as bytes; a binary file object; an array
            of the shape (n,) or (n, channels), where floats are full scale at 1.0, signed integers at the end of
            their type's range, unsigned ones have their zero in the middle, and plain lists of whole numbers count
            as 16 bit; a pair of any of these and its rate, in either order; an iterator or async iterator of any of
            these. Bytes that follow one another are one file until one begins like a file, or raw samples.
        rate: Hz of samples without a header: arrays, raw bytes.
        pull: gives the next item of an async iterator, and raises StopAsyncIteration at its end; who gives it
            closes that iterator.

    Raises:
        AudioError: it cannot be read; the message names what was found and what is accepted.
    """
    from .source import Source  # noqa: PLC0415 (numpy)

    return Sound(Source(audio, rate, pull))
