"""`open_sound` opens any kind of audio, and `Sound` reads it in pieces."""

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
    """A sound that is read once, from beginning to end.

    Args:
        source: The source to read the sound from.

    Attributes:
        name: The sound's name: a file's name, or "array", "bytes" or "stream".
        seconds: The length in seconds; None if it isn't known before the end.
        notes: Descriptions of the problems found in the audio; the list grows as the sound is read.

    Raises:
        AudioError: The beginning can't be read.
    """

    def __init__(self, source: Source) -> None:
        from .resample import pieces  # noqa: PLC0415 (numpy and soxr)

        self.name = source.name
        self.notes = source.notes
        self.seconds: float | None = None
        self._source = source
        self._bytes_read = 0
        self._reading = threading.Lock()
        self._is_closed = False
        with ExitStack() as undo:
            blocks = undo.enter_context(closing(source.blocks()))
            first = next(blocks, None)
            if first is None:
                raise AudioError(f"{source.label} contains no samples.")
            self.seconds = source.seconds
            self._pieces = undo.enter_context(closing(pieces(first, blocks, self.notes)))
            self._open = undo.pop_all()

    def pcm(self) -> Generator[bytes]:
        """Yield the sound as 16-bit mono at 24,000 Hz, in pieces of at most 1 s.

        Each piece is yielded as soon as it is available. The generator ends early if any thread closes the sound.

        Raises:
            AudioError: The rest can't be read; the message says how many seconds were read.
        """
        try:
            while not self._is_closed:
                with self._reading:
                    piece = self._next()
                if piece is None:
                    return
                yield piece
        finally:
            # another thread may have tried to close the sound while a piece was being read
            self.close()

    def _next(self) -> bytes | None:
        try:
            piece = next(self._pieces, None)
        except AudioError as failure:
            seconds = self._bytes_read / SAMPLE_BYTES / SAMPLE_RATE
            if failure is self._source.failure_of_caller or not seconds:
                raise
            message = f"After {seconds:.1f} s of sound: {failure.message}"
            raise AudioError(message, remedy=failure.remedy) from (failure.__cause__ or failure)
        self._bytes_read += len(piece or b"")
        return piece

    def close(self) -> None:
        """Close the caller's generator and everything that was opened for the sound, but never the caller's file."""
        self._is_closed = True
        # if another thread is reading a piece, that thread closes the sound afterwards
        if self._reading.acquire(blocking=False):
            try:
                self._open.close()
            finally:
                self._reading.release()

    def __repr__(self) -> str:
        length = "" if self.seconds is None else f", {self.seconds:.1f} s"
        return f"<Sound {self.name!r}{length}>"


def open_sound(audio: Any, rate: float | None = None, pull: Pull | None = None) -> Sound:
    """Open any kind of audio, and block until its beginning has been read.

    Args:
        audio: One of these:

            - a path, the bytes of an audio file, or an open binary file;
            - raw 16-bit mono samples as bytes;
            - an array of shape (n,) or (n, channels). Full scale is 1.0 for floats and the type's range for
              integers; unsigned integers have zero in the middle. Plain lists of integers are treated as 16-bit;
            - any of these paired with its rate, in either order;
            - an iterator or async iterator of any of these. Consecutive bytes form one file (or raw samples) until an
              item looks like the start of a new file.
        rate: The rate in Hz of samples without a header, i.e. of arrays and raw bytes.
        pull: Returns the next item of an async iterator, and raises StopAsyncIteration at its end. You must close
            the iterator yourself.

    Raises:
        AudioError: The audio can't be read; the message says what was found and what is accepted.
    """
    from .source import Source  # noqa: PLC0415 (numpy)

    return Sound(Source(audio, rate, pull))
