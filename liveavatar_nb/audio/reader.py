"""`Reader`: reads bytes sequentially from a file, memory or a stream, and can peek ahead."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, BinaryIO, Final

from ..errors import AudioError
from .limits import READ_BYTES

FAST_SEEKING: Final = (io.FileIO, io.BufferedReader, io.BufferedRandom, io.BytesIO)

Fill = Callable[[int], bytes | bytearray | memoryview]


class Reader:
    """Reads bytes sequentially; PyAV can read from it as if it were a file.

    Args:
        fill: Returns about as many bytes as requested, as soon as any are available; b"" at the end.
        label: The subject of error messages, e.g. "The file".
        file: The file that `fill` reads from; None if that file can't seek.
        is_cut: Whether the bytes come from a stream, whose header may have been written before the length was known.
    """

    def __init__(self, fill: Fill, label: str, *, file: BinaryIO | None = None, is_cut: bool = False) -> None:
        self._fill = fill
        self._file = file
        self._ahead = memoryview(b"")
        self.label = label
        self.is_cut = is_cut
        self._start = 0 if file is None else file.tell()

    def read(self, size: int = READ_BYTES) -> bytes:
        """Return the next bytes, at most `size`, as soon as any are available; b"" at the end."""
        if not self._ahead:
            self._ahead = memoryview(self._fill(size))
        piece, self._ahead = bytes(self._ahead[:size]), self._ahead[size:]
        return piece

    def peek(self, size: int, at: int = 0) -> bytes:
        """Return `size` bytes, starting `at` bytes ahead, without consuming them; fewer only near the end."""
        missing = at + size - len(self._ahead)
        if missing > 0:
            found = bytearray(self._ahead)
            # double the buffer each time, so that many small peeks don't copy the same bytes over and over
            wanted = max(missing, len(found))
            while len(found) < at + size and (more := self._fill(wanted)):
                found += more
            self._ahead = memoryview(bytes(found))
        return bytes(self._ahead[at : at + size])

    def skip(self, size: int) -> int:
        """Skip the next `size` bytes, and return how many were available."""
        left = size
        while left and (piece := self.read(min(left, READ_BYTES))):
            left -= len(piece)
        return size - left

    def rest(self) -> int | None:
        """Return how many bytes are left, or None if that can't be known without reading them."""
        # a file in an archive can seek to its end, but only by decompressing everything
        if self._file is None or not isinstance(getattr(self._file, "file", self._file), FAST_SEEKING):
            return None
        here = self._file.tell()
        end = self._file.seek(0, io.SEEK_END)
        self._file.seek(here)
        return end - here + len(self._ahead)

    # the methods that PyAV calls

    def seekable(self) -> bool:
        """Return whether the reader can seek."""
        return self._file is not None

    def tell(self) -> int:
        """Return how many bytes have been read."""
        assert self._file is not None
        return self._file.tell() - self._start - len(self._ahead)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position in bytes, and return the new position."""
        assert self._file is not None
        if whence == io.SEEK_CUR:
            offset, whence = offset + self.tell(), io.SEEK_SET
        self._ahead = memoryview(b"")
        self._file.seek(offset + (self._start if whence == io.SEEK_SET else 0), whence)
        return self.tell()


def reader_of(file: Any, label: str) -> Reader:
    """Return a reader that starts at the current position of a binary file object.

    Raises:
        AudioError: The file is open in text mode.
    """
    if isinstance(file, io.TextIOBase):
        raise AudioError(f"{label} is open in text mode, not in binary mode.", remedy="Open the file with mode 'rb'.")
    # request many bytes only from files that return what is available; others would block until all bytes arrive
    read = getattr(file, "read1", None)
    least = READ_BYTES if read or isinstance(file, io.RawIOBase) else 1
    read = read or file.read

    def fill(size: int) -> bytes | bytearray | memoryview:
        try:
            found = read(max(size, least))
        except Exception as failure:
            raise AudioError(f"{label} can't be read: {failure}.") from failure
        if isinstance(found, str):
            raise AudioError(f"{label} returned text, not bytes.", remedy="Open the file with mode 'rb'.")
        if found is None:
            raise AudioError(
                f"{label} returned nothing because it is in non-blocking mode.",
                remedy="Open the file in blocking mode.",
            )
        if not isinstance(found, bytes | bytearray | memoryview):
            raise AudioError(f"{label} returned {type(found).__name__}, not bytes.")
        return found

    return Reader(fill, label, file=file if _can_seek(file) else None)


def _can_seek(file: Any) -> bool:
    try:
        return bool(file.seekable()) and file.tell() >= 0 and callable(file.seek)
    except (AttributeError, OSError, ValueError):
        return False
