"""`Source`: recognises the kind of audio that a caller passed, and reads it as blocks of samples."""

from __future__ import annotations

import array
import inspect
import io
import os
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from ..errors import AudioError
from . import arrays, coded, formats, wav
from .arrays import Block, check_rate, is_number
from .limits import SNIFF_BYTES
from .reader import Reader, reader_of
from .wav import Layout

ACCEPTED: Final = (
    "Pass a path, the bytes of a file, an open binary file, an array or raw bytes with rate=..., "
    "or an iterator of any of these."
)
FORMATS: Final = "Supported are WAV and, with liveavatar-nb[audio], mp3, ogg, flac, m4a and the sound of videos."
SHOWN_PATH: Final = 120  # maximum number of characters of a path to show in an error

Pull = Callable[[AsyncIterator[Any]], Any]


class Source:
    """Audio that a caller passed.

    Args:
        audio: Anything that `open_sound` accepts.
        rate: The rate in Hz of samples without a header.
        pull: Returns the next item of an async iterator.

    Attributes:
        name: The audio's name.
        label: The subject of error messages, e.g. "The file".
        notes: Descriptions of the problems found in the audio.
        failure_of_caller: The error that the caller's own iterator raised.
    """

    def __init__(self, audio: Any, rate: float | None, pull: Pull | None) -> None:
        self._audio = audio
        self._pull = pull
        self._seconds: float | None = None
        self._is_stream = False
        self.name, self.label = _name_and_label(audio)
        self.notes: list[str] = []
        self.failure_of_caller: BaseException | None = None
        self._rate = None if rate is None else check_rate(rate, self.label)

    @property
    def seconds(self) -> float | None:
        """The length in seconds; None if it isn't known in advance, as for streams."""
        return None if self._is_stream else self._seconds

    def blocks(self) -> Generator[Block]:
        """Yield the samples in blocks."""
        yield from self._read(self._audio, self._rate)

    def _read(self, audio: Any, rate: float | None) -> Iterator[Block]:
        label = _name_and_label(audio)[1]
        if (content := _unwrap(audio)) is not None:
            audio = content
        if isinstance(audio, str | os.PathLike):
            return self._read_path(os.fsdecode(audio), rate, label)
        if _is_bytes(audio):
            return self._read_file(reader_of(io.BytesIO(bytes(audio)), label), rate)
        if _is_array(audio):
            return self._read_array(arrays.array_of(audio, label), rate, label)
        if isinstance(audio, list | tuple):
            return self._read_list(audio, rate, label)
        if callable(getattr(audio, "read", None)):
            return self._read_file(reader_of(audio, label), rate)
        if hasattr(audio, "__aiter__"):
            return self._read_items(self._awaited(audio), rate, label)
        if isinstance(audio, Iterable) and not isinstance(audio, Mapping | AbstractSet):
            return self._read_items(iter(audio), rate, label)
        raise _not_audio(audio)

    # samples

    def _read_array(self, samples: arrays.Samples, rate: float | None, label: str) -> Iterator[Block]:
        if rate is None:
            raise AudioError(f"{label} has no rate.", remedy="Add it, e.g. rate=24000.", field="rate")
        self._seconds = len(samples) / rate
        return arrays.blocks(samples, rate)

    def _read_list(self, audio: list[Any] | tuple[Any, ...], rate: float | None, label: str) -> Iterator[Block]:
        if _is_pair(audio):
            samples, own = audio if is_number(audio[1]) else audio[::-1]
            own = check_rate(own, label)
            if rate not in (None, own):
                raise AudioError(
                    f"The pair contains the rate {own:g} Hz, but rate={rate:g} was passed.",
                    remedy="Pass only one rate.",
                    field="rate",
                )
            return self._read(samples, own)
        if _holds_numbers(audio):
            return self._read_array(arrays.array_of_list(audio, label), rate, label)
        return self._read_items(iter(audio), rate, label)

    # files

    def _read_path(self, path: str, rate: float | None, label: str) -> Iterator[Block]:
        if path.startswith(("http://", "https://")):
            raise AudioError("URLs can't be played.", remedy="Download the file first.")
        shown = repr(path if len(path) <= SHOWN_PATH else f"{path[:SHOWN_PATH]}...")
        try:
            file = Path(path).expanduser().open("rb", buffering=0)
        except FileNotFoundError:
            is_text = " " in path and not Path(path).suffix
            remedy = "To have this text spoken, use say(...)." if is_text else "Relative paths start at os.getcwd()."
            raise AudioError(f"There is no file {shown}.", remedy=remedy) from None
        except IsADirectoryError:
            raise AudioError(f"{shown} is a folder.", remedy="Pass a file in that folder.") from None
        except (OSError, RuntimeError, ValueError) as failure:
            raise AudioError(f"{shown} can't be opened: {failure}.") from failure
        with file:
            yield from self._read_file(reader_of(file, shown), rate)

    def _read_file(self, reader: Reader, rate: float | None) -> Iterator[Block]:
        """Yield the samples in a file; if its first bytes match no known format, read it as raw samples."""
        head = reader.peek(SNIFF_BYTES)
        if not head:
            raise AudioError(f"{reader.label} is empty.")
        begins = f"it begins with {formats.begins_with(head)}"
        file_format = formats.format_of(head, may_be_raw=rate is not None)
        if file_format is None and rate is None:
            remedy = "For raw 16-bit mono samples, pass the rate, e.g. rate=24000."
            raise AudioError(f"{reader.label} is not in a recognised audio format: {begins}. {FORMATS}", remedy=remedy)
        if file_format is not None and file_format.ffmpeg_name is None:
            raise AudioError(f"{reader.label} is {file_format.words}: {begins}. {FORMATS}", remedy=file_format.remedy)

        def on_format(own: float, seconds: float | None) -> None:
            self._seconds = seconds
            if rate is None or rate == own:
                return
            note = f"{reader.label} has its own rate of {own:g} Hz; rate={rate:g} was ignored."
            if note not in self.notes:
                self.notes.append(note)

        if file_format is None:
            assert rate is not None
            yield from self._read_uncoded(reader, wav.Header(Layout(rate)), Layout(rate), on_format)
        elif file_format is not formats.WAV or (header := wav.header(reader)).layout is None:
            yield from coded.blocks(reader, file_format, self.notes, on_format)
        else:
            yield from self._read_uncoded(reader, header, header.layout, on_format)

    def _read_uncoded(
        self, reader: Reader, header: wav.Header, layout: Layout, on_format: coded.OnFormat
    ) -> Iterator[Block]:
        reader.skip(header.start)
        known = [size for size in (header.size, reader.rest()) if size is not None]
        on_format(layout.rate, min(known) // layout.frame / layout.rate if known else None)
        yield from wav.blocks(reader, layout, self.notes, header.size)
        if reader.is_cut and header.size is not None:
            # some services send a header whose size covers only the first part, although more audio follows
            reader.skip(header.trailer)
            yield from wav.blocks(reader, layout, self.notes)

    # streams

    def _read_items(self, items: Iterator[Any], rate: float | None, label: str) -> Iterator[Block]:
        """Yield the samples of several sounds in order; consecutive bytes form a file or a run of raw samples."""
        self._is_stream = True
        stream = _Pushback(self._guarded(items))
        with closing(stream):
            for item in stream:
                if _is_bytes(item):
                    yield from self._read_parts(_same_file(item, stream), rate, label)
                elif is_number(item):
                    raise AudioError(
                        f"{label} yields single numbers.", remedy="Yield arrays or lists of numbers instead."
                    )
                else:
                    yield from self._read(item, rate)

    def _read_parts(self, parts: Iterator[bytes], rate: float | None, label: str) -> Iterator[Block]:
        def fill(_: int) -> bytes:
            return next(parts, b"")

        reader = Reader(fill, label, is_cut=True)
        if reader.peek(1):
            yield from self._read_file(reader, rate)
        # skip the bytes that a decoder left unread, since they aren't the beginning of another file
        while fill(0):
            pass

    def _guarded(self, items: Iterator[Any]) -> Generator[Any]:
        """Yield the caller's items, and remember any error that the caller's own iterator raises."""
        try:
            yield from items
        except GeneratorExit:
            raise
        except BaseException as failure:
            self.failure_of_caller = failure
            raise

    def _awaited(self, items: Any) -> Iterator[Any]:
        if self._pull is None:
            raise AudioError("An async iterator needs a running event loop.", remedy="Pass the iterator to play(...).")
        iterator = aiter(items)
        while True:
            try:
                item = self._pull(iterator)
            except StopAsyncIteration:
                return
            yield item


class _Pushback:
    """An iterator that lets you put items back."""

    def __init__(self, items: Generator[Any]) -> None:
        self._items = items
        self._back: list[Any] = []

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return self._back.pop() if self._back else next(self._items)

    def put_back(self, item: Any) -> None:
        self._back.append(item)

    def close(self) -> None:
        self._items.close()


def _same_file(first: Any, stream: _Pushback) -> Iterator[bytes]:
    """Yield the chunks of one file, or of one run of raw samples, and stop before the next begins."""
    # copy the bytes, since the caller may reuse the memory
    if part := bytes(first):
        yield part
    for item in stream:
        if not _is_bytes(item) or formats.begins_file(part := bytes(item)):
            stream.put_back(item)
            return
        if part:
            yield part


def _name_and_label(audio: Any) -> tuple[str, str]:
    """Return a sound's name, and the phrase by which error messages refer to the sound."""
    if isinstance(audio, str | os.PathLike):
        name = Path(os.fsdecode(audio)).name or "file"
        return name, repr(name)
    if _is_bytes(audio):
        return "bytes", "The data"
    if _is_array(audio):
        return "array", "The array"
    if isinstance(audio, list | tuple):
        if _is_pair(audio):
            return _name_and_label(audio[0] if is_number(audio[1]) else audio[1])
        return ("array", "The list") if _holds_numbers(audio) else ("stream", "The stream")
    if hasattr(audio, "read"):
        own = getattr(audio, "name", None)
        return _name_and_label(own) if isinstance(own, str | os.PathLike) else ("file", "The file")
    return "stream", "The stream"


def _unwrap(audio: Any) -> Any:
    """Return the audio inside an HTTP response or a dataset row; None for any other object."""
    if isinstance(audio, Mapping) and {"array", "sampling_rate"} <= audio.keys():
        return audio["array"], audio["sampling_rate"]
    if not hasattr(audio, "iter_bytes") and not hasattr(audio, "iter_content"):
        return None
    try:
        return bytes(audio.content)
    except Exception as failure:
        raise AudioError(
            f"The response can't be read: {failure}.", remedy="Pass the response's byte stream."
        ) from failure


def _is_bytes(audio: Any) -> bool:
    return isinstance(audio, bytes | bytearray) or (isinstance(audio, memoryview) and audio.itemsize == 1)


def _is_array(audio: Any) -> bool:
    return hasattr(audio, "__array__") or isinstance(audio, array.array | memoryview)


def _is_pair(audio: Sequence[Any]) -> bool:
    """Return whether the audio is a pair of samples and their rate, in either order."""
    return len(audio) == 2 and is_number(audio[0]) != is_number(audio[1])


def _holds_numbers(audio: Sequence[Any]) -> bool:
    """Return whether the audio is a list of numbers, or of rows of numbers."""
    first = audio[0] if audio else None
    rows = isinstance(first, list | tuple) and bool(first) and all(map(is_number, first))
    return rows or is_number(first)


def _not_audio(audio: Any) -> AudioError:
    subject = "None" if audio is None else f"An object of type {type(audio).__name__}"
    if inspect.iscoroutine(audio):
        return AudioError("A coroutine is not audio.", remedy="Await it first.")
    if callable(audio):
        return AudioError(f"{subject} is not audio.", remedy="Call the function and pass the result.")
    return AudioError(f"{subject} is not audio.", remedy=ACCEPTED)
