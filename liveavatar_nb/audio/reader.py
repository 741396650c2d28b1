"""`Reader`: bytes in order, from a file, from memory or from a stream, with a look ahead."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, BinaryIO, Final

from ..errors import AudioError
from .limits import READ_BYTES

AT_ONCE: Final = (io.FileIO, io.BufferedReader, io.BufferedRandom, io.BytesIO)

Fill = Callable[[int], bytes | bytearray | memoryview]


class Reader:
    """Bytes in order; PyAV reads from it as from a file.

    Args:
        fill: gives about so many bytes, as soon as there are any; none at the end.
        label: what is read, as a sentence about it begins.
        file: what `fill` reads from where one can go back in it.
        is_cut: whether it comes in parts of a stream, whose end nobody knew when the header was written.
    """

    def __init__(self, fill: Fill, label: str, *, file: BinaryIO | None = None, is_cut: bool = False) -> None:
        self._fill = fill
        self._file = file
        self._ahead = memoryview(b"")
        self.label = label
        self.is_cut = is_cut
        self._start = 0 if file is None else file.tell()

    def read(self, size: int = READ_BYTES) -> bytes:
        """The next bytes, `size` at most, as soon as there are any; none at the end."""
        if not self._ahead:
            self._ahead = memoryview(self._fill(size))
        piece, self._ahead = bytes(self._ahead[:size]), self._ahead[size:]
        return piece

    def peek(self, size: int, at: int = 0) -> bytes:
        """The `size` bytes that come `at` bytes from here, which stay to be read; fewer only at the end."""
        missing = at + size - len(self._ahead)
        if missing > 0:
            found = bytearray(self._ahead)
            # twice as far each time, so that many small looks copy little
            wanted = max(missing, len(found))
            while len(found) < at + size and (more := self._fill(wanted)):
                found += more
            self._ahead = memoryview(bytes(found))
        return bytes(self._ahead[at : at + size])

    def skip(self, size: int) -> int:
        """Leaves out the next `size` bytes; how many there were."""
        left = size
        while left and (piece := self.read(min(left, READ_BYTES))):
            left -= len(piece)
        return size - left

    def rest(self) -> int | None:
        """How many bytes there are still to come; None where that cannot be told without reading them."""
        # a file in an archive says that one can go to its end, and unpacks all of it for that
        if self._file is None or not isinstance(getattr(self._file, "file", self._file), AT_ONCE):
            return None
        here = self._file.tell()
        end = self._file.seek(0, io.SEEK_END)
        self._file.seek(here)
        return end - here + len(self._ahead)

    # what PyAV asks for

    def seekable(self) -> bool:
        """Whether one can go back."""
        return self._file is not None

    def tell(self) -> int:
        """How many bytes were read."""
        assert self._file is not None
        return self._file.tell() - self._start - len(self._ahead)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Goes to a byte."""
        assert self._file is not None
        if whence == io.SEEK_CUR:
            offset, whence = offset + self.tell(), io.SEEK_SET
        self._ahead = memoryview(b"")
        self._file.seek(offset + (self._start if whence == io.SEEK_SET else 0), whence)
        return self.tell()


def reader_of(file: Any, label: str) -> Reader:
    """A reader of a binary file object, from where it stands.

    Raises:
        AudioError: it is open as text.
    """
    if isinstance(file, io.TextIOBase):
        raise AudioError(f"{label} is open as text, not as bytes.", remedy="Open it with 'rb'.")
    # read1 and unbuffered files give what is there, so that many can be asked for; others wait for so many
    read = getattr(file, "read1", None)
    least = READ_BYTES if read or isinstance(file, io.RawIOBase) else 1
    read = read or file.read

    def fill(size: int) -> bytes | bytearray | memoryview:
        try:
            found = read(max(size, least))
        except Exception as failure:
            raise AudioError(f"{label} could not be read: {failure}.") from failure
        if isinstance(found, str):
            raise AudioError(f"{label} gives text, not bytes.", remedy="Open it with 'rb'.")
        if not isinstance(found, bytes | bytearray | memoryview):
            told = "nothing yet: it does not block" if found is None else f"{type(found).__name__}, not bytes"
            raise AudioError(f"{label} gives {told}.")
        return found

    return Reader(fill, label, file=file if _can_go_back(file) else None)


def _can_go_back(file: Any) -> bool:
    try:
        return bool(file.seekable()) and file.tell() >= 0 and callable(file.seek)
    except (AttributeError, OSError, ValueError):
        return False
