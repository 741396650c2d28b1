"""`Source`: what a caller calls a sound, taken for what it is, as blocks of samples."""

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
from . import arrays, coded, kinds, wav
from .arrays import Block, check_rate, is_number
from .limits import SNIFF_BYTES
from .reader import Reader, reader_of
from .wav import Layout

ACCEPTED: Final = (
    "A sound is a path, the bytes of a file, an open binary file, an array or raw bytes with rate=..., "
    "or an iterator of any of these."
)
FORMATS: Final = "WAV can be read, and with liveavatar-nb[audio] mp3, ogg, flac, m4a and the sound of videos."
SHOWN_PATH: Final = 120  # characters of a path in an error

Pull = Callable[[AsyncIterator[Any]], Any]


class Source:
    """A sound as it was given.

    Args:
        audio: what `open_sound` takes.
        rate: Hz of samples without a header.
        pull: gives the next item of an async iterator.

    Attributes:
        name: what it is called.
        label: how a sentence about it begins.
        notes: what was amiss.
        failure_of_caller: what the caller's own iterator raised.
    """

    def __init__(self, audio: Any, rate: float | None, pull: Pull | None) -> None:
        self._audio = audio
        self._pull = pull
        self._seconds: float | None = None
        self._is_stream = False
        self.name, self.label = _names(audio)
        self.notes: list[str] = []
        self.failure_of_caller: BaseException | None = None
        self._rate = None if rate is None else check_rate(rate, self.label)

    @property
    def seconds(self) -> float | None:
        """Its length, as far as its beginning tells; that of a stream shows at its end only."""
        return None if self._is_stream else self._seconds

    def blocks(self) -> Generator[Block]:
        """Its samples."""
        yield from self._read(self._audio, self._rate)

    def _read(self, audio: Any, rate: float | None) -> Iterator[Block]:
        label = _names(audio)[1]
        if (content := _content_of(audio)) is not None:
            audio = content
        if isinstance(audio, str | os.PathLike):
            return self._path(os.fsdecode(audio), rate, label)
        if _is_bytes(audio):
            return self._file(reader_of(io.BytesIO(bytes(audio)), label), rate)
        if _is_array(audio):
            return self._array(arrays.array_of(audio, label), rate, label)
        if isinstance(audio, list | tuple):
            return self._list(audio, rate, label)
        if callable(getattr(audio, "read", None)):
            return self._file(reader_of(audio, label), rate)
        if hasattr(audio, "__aiter__"):
            return self._items(self._awaited(audio), rate, label)
        if isinstance(audio, Iterable) and not isinstance(audio, Mapping | AbstractSet):
            return self._items(iter(audio), rate, label)
        raise _no_sound(audio)

    # samples

    def _array(self, samples: arrays.Samples, rate: float | None, label: str) -> Iterator[Block]:
        if rate is None:
            raise AudioError(f"{label} needs its rate.", remedy="Add it, as in rate=24000.", field="rate")
        self._seconds = len(samples) / rate
        return arrays.blocks(samples, rate)

    def _list(self, audio: list[Any] | tuple[Any, ...], rate: float | None, label: str) -> Iterator[Block]:
        if _is_pair(audio):
            samples, own = audio if is_number(audio[1]) else audio[::-1]
            own = check_rate(own, label)
            if rate not in (None, own):
                raise AudioError(f"The pair says {own:g} Hz, and rate says {rate:g} Hz: which is it?", field="rate")
            return self._read(samples, own)
        if _holds_numbers(audio):
            return self._array(arrays.array_of_list(audio, label), rate, label)
        return self._items(iter(audio), rate, label)

    # files

    def _path(self, path: str, rate: float | None, label: str) -> Iterator[Block]:
        if path.startswith(("http://", "https://")):
            raise AudioError("Addresses are not opened: what is played has to be here.", remedy="Download it first.")
        shown = repr(path if len(path) <= SHOWN_PATH else f"{path[:SHOWN_PATH]}...")
        try:
            file = Path(path).expanduser().open("rb", buffering=0)
        except FileNotFoundError:
            words = " " in path and not Path(path).suffix
            remedy = "If these are words to be spoken: say(...)." if words else "A relative path begins at os.getcwd()."
            raise AudioError(f"There is no file {shown}.", remedy=remedy) from None
        except IsADirectoryError:
            raise AudioError(f"{shown} is a folder.", remedy="Name a file in it.") from None
        except (OSError, RuntimeError, ValueError) as failure:
            raise AudioError(f"{shown} cannot be opened: {failure}.") from failure
        with file:
            yield from self._file(reader_of(file, shown), rate)

    def _file(self, reader: Reader, rate: float | None) -> Iterator[Block]:
        """A file by what it begins with, else raw samples."""
        head = reader.peek(SNIFF_BYTES)
        if not head:
            raise AudioError(f"{reader.label} is empty.")
        begins = f"it begins with {kinds.begins_with(head)}"
        kind = kinds.kind_of(head, may_be_raw=rate is not None)
        if kind is None and rate is None:
            remedy = "Raw samples, 16-bit mono, need rate=..., as in rate=24000."
            raise AudioError(f"{reader.label} is no sound file known here: {begins}. {FORMATS}", remedy=remedy)
        if kind is not None and kind.format is None:
            raise AudioError(f"{reader.label} is {kind.words}: {begins}. {FORMATS}", remedy=kind.remedy)

        def told(own: float, seconds: float | None) -> None:
            self._seconds = seconds
            if rate is None or rate == own:
                return
            note = f"{reader.label} has a rate of its own, {own:g} Hz; rate={rate:g} was left out."
            if note not in self.notes:
                self.notes.append(note)

        if kind is None:
            assert rate is not None
            yield from self._plain(reader, wav.Header(Layout(rate)), Layout(rate), told)
        elif kind is not kinds.WAV or (header := wav.header(reader)).layout is None:
            yield from coded.blocks(reader, kind, self.notes, told)
        else:
            yield from self._plain(reader, header, header.layout, told)

    def _plain(self, reader: Reader, header: wav.Header, layout: Layout, told: coded.Told) -> Iterator[Block]:
        reader.skip(header.start)
        known = [size for size in (header.size, reader.rest()) if size is not None]
        told(layout.rate, min(known) // layout.frame / layout.rate if known else None)
        yield from wav.blocks(reader, layout, self.notes, header.size)
        if reader.is_cut and header.size is not None:
            # services send the header with the first part, as if that were all
            reader.skip(header.trailer)
            yield from wav.blocks(reader, layout, self.notes)

    # streams

    def _items(self, items: Iterator[Any], rate: float | None, label: str) -> Iterator[Block]:
        """Sounds one after the other; bytes that follow one another are one file, or raw samples."""
        self._is_stream = True
        stream = _Stepping(self._guarded(items))
        with closing(stream):
            for item in stream:
                if _is_bytes(item):
                    yield from self._run(_parts(item, stream), rate, label)
                elif is_number(item):
                    raise AudioError(f"{label} gives single numbers.", remedy="Let it give arrays or lists of them.")
                else:
                    yield from self._read(item, rate)

    def _run(self, parts: Iterator[bytes], rate: float | None, label: str) -> Iterator[Block]:
        def fill(_: int) -> bytes:
            return next(parts, b"")

        reader = Reader(fill, label, is_cut=True)
        if reader.peek(1):
            yield from self._file(reader, rate)
        # what a decoder left of a file begins no other one
        while fill(0):
            pass

    def _guarded(self, items: Iterator[Any]) -> Generator[Any]:
        """What the caller's own iterator raises is the caller's, and is known for that."""
        try:
            yield from items
        except GeneratorExit:
            raise
        except BaseException as failure:
            self.failure_of_caller = failure
            raise

    def _awaited(self, items: Any) -> Iterator[Any]:
        if self._pull is None:
            raise AudioError("An async iterator is read by a running event loop only.", remedy="Give it to play(...).")
        iterator = aiter(items)
        while True:
            try:
                item = self._pull(iterator)
            except StopAsyncIteration:
                return
            yield item


class _Stepping:
    """An iterator with one step back."""

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


def _parts(first: Any, stream: _Stepping) -> Iterator[bytes]:
    """The bytes of one file or of raw samples, part by part; stops before an item that is not theirs."""
    # copies, where the caller may use the memory again
    if part := bytes(first):
        yield part
    for item in stream:
        if not _is_bytes(item) or kinds.begins_file(part := bytes(item)):
            stream.put_back(item)
            return
        if part:
            yield part


def _names(audio: Any) -> tuple[str, str]:
    """What a sound is called, and how a sentence about it begins."""
    if isinstance(audio, str | os.PathLike):
        name = Path(os.fsdecode(audio)).name or "file"
        return name, repr(name)
    if _is_bytes(audio):
        return "bytes", "The data"
    if _is_array(audio):
        return "array", "The array"
    if isinstance(audio, list | tuple):
        if _is_pair(audio):
            return _names(audio[0] if is_number(audio[1]) else audio[1])
        return ("array", "The list") if _holds_numbers(audio) else ("stream", "The stream")
    if hasattr(audio, "read"):
        own = getattr(audio, "name", None)
        return _names(own) if isinstance(own, str | os.PathLike) else ("file", "The file")
    return "stream", "The stream"


def _content_of(audio: Any) -> Any:
    """The sound in what libraries wrap it in: an HTTP response that was read, a row of a data set."""
    if isinstance(audio, Mapping) and {"array", "sampling_rate"} <= audio.keys():
        return audio["array"], audio["sampling_rate"]
    if not hasattr(audio, "iter_bytes") and not hasattr(audio, "iter_content"):
        return None
    try:
        return bytes(audio.content)
    except Exception as failure:
        raise AudioError(f"The response cannot be read: {failure}.", remedy="Pass its stream of bytes.") from failure


def _is_bytes(audio: Any) -> bool:
    return isinstance(audio, bytes | bytearray) or (isinstance(audio, memoryview) and audio.itemsize == 1)


def _is_array(audio: Any) -> bool:
    return hasattr(audio, "__array__") or isinstance(audio, array.array | memoryview)


def _is_pair(audio: Sequence[Any]) -> bool:
    """Whether it is samples and their rate, in either order."""
    return len(audio) == 2 and is_number(audio[0]) != is_number(audio[1])


def _holds_numbers(audio: Sequence[Any]) -> bool:
    """Whether it is a list of numbers, or of rows of them."""
    first = audio[0] if audio else None
    rows = isinstance(first, list | tuple) and bool(first) and all(map(is_number, first))
    return rows or is_number(first)


def _no_sound(audio: Any) -> AudioError:
    what = "None" if audio is None else f"An object of type {type(audio).__name__}"
    if inspect.iscoroutine(audio):
        return AudioError("A coroutine is no sound.", remedy="Await it first.")
    if callable(audio):
        return AudioError(f"{what} is no sound.", remedy="Call it, and pass what it gives.")
    return AudioError(f"{what} is no sound.", remedy=ACCEPTED)
