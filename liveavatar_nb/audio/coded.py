"""Decodes mp3, ogg, flac, m4a and video soundtracks with PyAV, which the `audio` extra installs."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ..errors import AudioError
from .arrays import Block, check_rate
from .formats import AAC, MP3, MP4, FileFormat
from .limits import FIRST_LOOK, INDEX_LOOK
from .reader import Reader

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer

MICROSECONDS: Final = 1_000_000  # FFmpeg gives the length of a file in microseconds
LENIENT_ANYWAY: Final = 19  # the first major version of PyAV in which a title in an unknown encoding causes no error

OnFormat = Callable[[float, float | None], None]


def blocks(reader: Reader, file_format: FileFormat, notes: list[str], on_format: OnFormat) -> Iterator[Block]:
    """Decode a file, yielding each block as soon as its bytes are available.

    Args:
        reader: A reader at the beginning of the file.
        file_format: The format of the file.
        notes: The list to which a note is added if something can't be decoded.
        on_format: Called with the rate in Hz and the length in seconds; the length is None if unknown in advance.

    Raises:
        AudioError: PyAV is not installed, or the file can't be decoded.
    """
    subject = f"{reader.label} is {file_format.words}"
    try:
        import av  # noqa: PLC0415 (an extra, and slow to import)
    except ImportError:
        raise AudioError(
            f"{subject}, and reading it needs PyAV, which is not installed.",
            remedy='Run `pip install "liveavatar-nb[audio]"`, or convert the audio to WAV.',
        ) from None
    if file_format is MP4 and not reader.seekable():
        _require_index_first(reader, subject)
    # without this peek, FFmpeg would drop the first part of a stream if that part is smaller than a frame
    reader.peek(FIRST_LOOK)
    try:
        # specify the format, so that FFmpeg never opens something else, such as a playlist of URLs
        options = {"probesize": str(FIRST_LOOK)} if file_format in (MP3, AAC) else {}
        # keep a title in an unknown encoding from causing an error, as it would before PyAV 19
        lenient: Any = {"metadata_errors": "replace"} if int(av.__version__.partition(".")[0]) < LENIENT_ANYWAY else {}
        with av.open(reader, mode="r", format=file_format.ffmpeg_name, options=options, **lenient) as container:
            stream = _audio_stream(container, subject)
            # for raw AAC, the length would only be a guess based on the first frames
            on_format(stream.rate, None if file_format is AAC else _length_of(container, stream))
            decoded = _decode(container, stream, subject, notes)
            # yield a stream's frames immediately, but join the frames of a file, which is already complete
            yield from _join(decoded) if reader.seekable() else decoded
    except av.FFmpegError as failure:
        raise AudioError(f"{subject}, but can't be decoded: {failure.strerror or failure}.") from failure


def _audio_stream(container: InputContainer, subject: str) -> AudioStream:
    if not container.streams.audio:
        raise AudioError(f"{subject}, but has no audio track.")
    stream = container.streams.audio[0]
    if stream.codec_context is None:
        raise AudioError(f"{subject}, but FFmpeg doesn't support its codec.")
    return stream


def _length_of(container: InputContainer, stream: AudioStream) -> float | None:
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    return None if container.duration is None else container.duration / MICROSECONDS


def _decode(container: InputContainer, stream: AudioStream, subject: str, notes: list[str]) -> Iterator[Block]:
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
            notes[line] = f"{parts} could not be decoded, the first at {first:.1f} s."
            continue
        for frame in frames:
            if frame.samples:
                decoded += frame.samples / check_rate(frame.sample_rate, subject)
                yield Block(frame.sample_rate, _samples(frame))
    if failure is not None and not decoded:
        raise AudioError(f"{subject}, but none of it can be decoded.") from failure


def _join(frames: Iterator[Block]) -> Iterator[Block]:
    """Join a decoder's frames of about 20 ms into blocks of at most 1 s."""
    waiting: list[Block] = []
    count = 0
    failure: Exception | None = None
    while True:
        try:
            frame = next(frames, None)
        except Exception as raised:  # noqa: BLE001 (raised below, once everything decoded before it is yielded)
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


def _is_alike(block: Block, other: Block) -> bool:
    """Return whether two blocks have the same format and can therefore be joined."""
    same_kind = block.samples.dtype == other.samples.dtype and block.samples.shape[1] == other.samples.shape[1]
    return same_kind and block.rate == other.rate


def _samples(frame: AudioFrame) -> Any:
    array = frame.to_ndarray()
    return array.T if frame.format.is_planar else array.reshape(-1, frame.layout.nb_channels)


def _require_index_first(reader: Reader, subject: str) -> None:
    """Reject an m4a stream whose index is at the end, since reading such a stream requires seeking."""
    at = 0
    while at < INDEX_LOOK:
        head = reader.peek(16, at)
        if len(head) < 16:
            return
        size, name, large = struct.unpack(">I4sQ", head)
        if name == b"mdat":
            raise AudioError(
                f"{subject}, but its index is at the end, so the file can't be read as a stream.",
                remedy="Pass the file's path or all of its bytes, or run FFmpeg on it with `-movflags +faststart`.",
            )
        if name in (b"moov", b"moof") or size == 0:
            return
        at += large if size == 1 else max(size, 8)
