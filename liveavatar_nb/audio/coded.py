"""mp3, ogg, flac, m4a and the sound of videos, by PyAV (the extra `audio`)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ..errors import AudioError
from .arrays import Block, check_rate
from .kinds import AAC, MP3, MP4, Kind
from .limits import FIRST_LOOK, INDEX_LOOK
from .reader import Reader

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer

MICROSECONDS: Final = 1_000_000  # FFmpeg's unit for the length of a file
LENIENT_ANYWAY: Final = 19  # the version of PyAV from which titles are never an error

Told = Callable[[float, float | None], None]


def blocks(reader: Reader, kind: Kind, notes: list[str], told: Told) -> Iterator[Block]:
    """Decodes a file, each block as soon as the bytes for it are there.

    Args:
        reader: stands at its beginning.
        kind: what it is.
        notes: where it is said what could not be decoded.
        told: takes its rate in Hz, and its length in seconds where that is known beforehand.

    Raises:
        AudioError: PyAV is not installed, or the file cannot be decoded.
    """
    what = f"{reader.label} is {kind.words}"
    try:
        import av  # noqa: PLC0415 (an extra, and slow to import)
    except ImportError:
        raise AudioError(
            f"{what}, for which PyAV is not installed.",
            remedy='Run `pip install "liveavatar-nb[audio]"`, or convert it to WAV.',
        ) from None
    if kind is MP4 and not reader.seekable():
        _expect_index(reader, what)
    # of parts smaller than a frame FFmpeg loses the first one
    reader.peek(FIRST_LOOK)
    try:
        # the format is given, so that nothing is opened which only looks like sound, as a playlist of addresses
        options = {"probesize": str(FIRST_LOOK)} if kind in (MP3, AAC) else {}
        # titles in no known encoding end no sound; from PyAV 19 on that is not even asked
        lenient: Any = {"metadata_errors": "replace"} if int(av.__version__.partition(".")[0]) < LENIENT_ANYWAY else {}
        with av.open(reader, mode="r", format=kind.format, options=options, **lenient) as container:
            stream = _stream(container, what)
            # the length of bare AAC would be a guess from its first frames
            told(stream.rate, None if kind is AAC else _seconds(container, stream))
            decoded = _decoded(container, stream, what, notes)
            # from a stream each frame is handed on at once, from a file, which is all there, many together
            yield from _joined(decoded) if reader.seekable() else decoded
    except av.FFmpegError as failure:
        raise AudioError(f"{what} that cannot be decoded: {failure.strerror or failure}.") from failure


def _stream(container: InputContainer, what: str) -> AudioStream:
    if not container.streams.audio:
        raise AudioError(f"{what} without a sound track.")
    stream = container.streams.audio[0]
    if stream.codec_context is None:
        raise AudioError(f"{what} whose sound is coded in a way that FFmpeg does not know.")
    return stream


def _seconds(container: InputContainer, stream: AudioStream) -> float | None:
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    return None if container.duration is None else container.duration / MICROSECONDS


def _decoded(container: InputContainer, stream: AudioStream, what: str, notes: list[str]) -> Iterator[Block]:
    import av  # noqa: PLC0415

    damaged, decoded, failure = 0, 0.0, None
    line, first = len(notes), 0.0
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except av.InvalidDataError as error:
            if not damaged:
                line, first = len(notes), decoded
                notes.append("")
            damaged, failure = damaged + 1, error
            parts = "1 part" if damaged == 1 else f"{damaged} parts"
            notes[line] = f"{parts} of it could not be decoded, first at {first:.1f} s."
            continue
        for frame in frames:
            if frame.samples:
                decoded += frame.samples / check_rate(frame.sample_rate, what)
                yield Block(frame.sample_rate, _samples(frame))
    if failure is not None and not decoded:
        raise AudioError(f"{what} of which nothing can be decoded.") from failure


def _joined(frames: Iterator[Block]) -> Iterator[Block]:
    """What a decoder gives in frames of some 20 ms, as blocks of 1 s at most."""
    waiting: list[Block] = []
    count = 0
    failure: Exception | None = None
    while True:
        try:
            frame = next(frames, None)
        except Exception as raised:  # noqa: BLE001 (raised below, after what was decoded before it)
            frame, failure = None, raised
        if waiting and (frame is None or not _is_alike(frame, waiting[0]) or count + len(frame.samples) > frame.rate):
            yield Block(waiting[0].rate, np.concatenate([block.samples for block in waiting]))
            waiting, count = [], 0
        if frame is None:
            break
        waiting.append(frame)
        count += len(frame.samples)
    if failure is not None:
        raise failure


def _is_alike(one: Block, other: Block) -> bool:
    """Whether two blocks can be joined."""
    same_kind = one.samples.dtype == other.samples.dtype and one.samples.shape[1] == other.samples.shape[1]
    return same_kind and one.rate == other.rate


def _samples(frame: AudioFrame) -> Any:
    array = frame.to_ndarray()
    return array.T if frame.format.is_planar else array.reshape(-1, frame.layout.nb_channels)


def _expect_index(reader: Reader, what: str) -> None:
    """An m4a that has its index at its end cannot be read without going back."""
    at = 0
    while at < INDEX_LOOK:
        head = reader.peek(16, at)
        if len(head) < 16:
            return
        size, name, large = struct.unpack(">I4sQ", head)
        if name == b"mdat":
            raise AudioError(
                f"{what} whose index is at its end, and comes as a stream, in which one cannot go back.",
                remedy="Pass its path or all its bytes, or write it with FFmpeg's `-movflags +faststart`.",
            )
        if name in (b"moov", b"moof") or size == 0:
            return
        at += large if size == 1 else max(size, 8)
