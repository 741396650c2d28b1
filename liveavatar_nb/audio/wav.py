"""Parses WAV headers, and reads samples that don't need a decoder."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from ..errors import AudioError
from .arrays import Block, check_rate
from .limits import BLOCK_BYTES, BLOCK_SECONDS, HEADER_LIMIT, MOST_CHANNELS
from .reader import Reader

PCM: Final = 1
FLOAT: Final = 3
EXTENSIBLE: Final = 0xFFFE
# size in the header of a file whose writer couldn't fill in the real size later; some writers use 0 instead
UNKNOWN: Final = 0xFFFFFFFF
PLACEHOLDER: Final = 0x7FFFF000  # this size, or any larger one, may be SoX's placeholder
WIDTHS: Final = {PCM: {1: "u1", 2: "<i2", 3: "", 4: "<i4"}, FLOAT: {4: "<f4", 8: "<f8"}}


@dataclass(frozen=True)
class Layout:
    """The binary format of samples.

    Args:
        rate: The rate in Hz.
        channels: The number of channels.
        width: The number of bytes per sample.
        code: NumPy's name for the sample type; "" for 24 bits, for which NumPy has no type.
    """

    rate: float
    channels: int = 1
    width: int = 2
    code: str = "<i2"

    @property
    def frame(self) -> int:
        """The number of bytes per frame; a frame holds one sample of each channel."""
        return self.channels * self.width


@dataclass(frozen=True)
class Header:
    """The information in a WAV file's header.

    Args:
        layout: The format of the samples; None if they need a decoder.
        start: The position of the first sample, in bytes.
        size: The total size of the samples in bytes; None if the header doesn't say.
        trailer: The number of bytes that follow the samples.
    """

    layout: Layout | None
    start: int = 0
    size: int | None = None
    trailer: int = 0


def header(reader: Reader) -> Header:
    """Parse the header at a reader's position without consuming it.

    Raises:
        AudioError: The header is invalid or unsupported.
    """
    at, layout = 12, None
    file_size, long_size = struct.unpack("<I", reader.peek(4, 4))[0] + 8, 0
    while True:
        head = reader.peek(8, at)
        if len(head) < 8:
            raise AudioError(f"{reader.label} is a WAV file that ends before its sound begins.")
        name, size = struct.unpack("<4sI", head)
        at += 8
        if name == b"data":
            if layout is None:
                raise AudioError(f"{reader.label} is a WAV file whose sound comes before its format chunk.")
            return _extent(reader, layout, at, long_size if size == UNKNOWN and long_size else size, file_size)
        if at + size > HEADER_LIMIT:
            raise AudioError(f"{reader.label} is a WAV file without sound in its first {HEADER_LIMIT >> 20} MiB.")
        if name in (b"fmt ", b"ds64"):
            body = reader.peek(size, at)
            if len(body) < 16:
                raise AudioError(f"{reader.label} is a WAV file whose header ends early.")
            if name == b"ds64":
                file_size, long_size = struct.unpack("<QQ", body[:16])
                file_size += 8
            elif (layout := _layout(reader.label, body)) is None:
                return Header(None)
        at += size + size % 2


def _extent(reader: Reader, layout: Layout, start: int, size: int, file_size: int) -> Header:
    """Return a header with the samples' position, and with their size if the writer knew it."""
    rest = reader.rest()
    is_unknown = (
        size == UNKNOWN
        or (size >= PLACEHOLDER and (rest is None or rest < start + size))
        or (size == 0 and (file_size <= start or file_size >= PLACEHOLDER))
    )
    if is_unknown:
        return Header(layout, start)
    return Header(layout, start, size, max(0, file_size - start - size) if file_size < PLACEHOLDER else 0)


def _layout(label: str, body: bytes) -> Layout | None:
    """Parse the format chunk; return None if the samples need a decoder."""
    tag, channels, rate, _, align, bits = struct.unpack("<HHIIHH", body[:16])
    if tag == EXTENSIBLE and len(body) >= 26:
        (tag,) = struct.unpack("<H", body[24:26])
    if tag not in WIDTHS:
        return None
    if not 1 <= channels <= MOST_CHANNELS:
        raise AudioError(f"{label} is a WAV file with {channels} channels; 1 to {MOST_CHANNELS} are supported.")
    width = align // channels or (bits + 7) // 8
    if width not in WIDTHS[tag] or align not in (0, width * channels):
        raise AudioError(
            f"{label} is a WAV file with {bits}-bit {'float' if tag == FLOAT else 'PCM'} samples and {align} bytes per "
            "frame. Only 8-, 16-, 24- or 32-bit PCM and 32- or 64-bit float are supported."
        )
    return Layout(check_rate(rate, label), channels, width, WIDTHS[tag][width])


def blocks(reader: Reader, layout: Layout, notes: list[str], size: int | None = None) -> Iterator[Block]:
    """Yield blocks of samples, each as soon as it is available.

    Args:
        reader: A reader at the first sample.
        layout: The format of the samples.
        notes: The list to which a note is added if the samples end early.
        size: The total size of the samples in bytes; None to read to the end.
    """
    frame = layout.frame
    most = max(1, min(int(layout.rate * BLOCK_SECONDS), BLOCK_BYTES // frame)) * frame
    left, carried = size, b""
    while left is None or left > 0:
        data = reader.read(most - len(carried) if left is None else min(left, most - len(carried)))
        if not data:
            break
        if left is not None:
            left -= len(data)
        if carried:
            data = carried + data
        complete = len(data) - len(data) % frame
        carried = data[complete:]
        if complete:
            yield Block(layout.rate, _samples(data, complete, layout))
    if left:
        notes.append(
            f"{reader.label} ends early: {left / frame / layout.rate:.2f} s are missing according to its header."
        )
    elif carried:
        notes.append(f"{reader.label} ends in the middle of a sample, which was dropped.")


def _samples(data: bytes, complete: int, layout: Layout) -> np.ndarray:
    if layout.code:
        return np.frombuffer(data, layout.code, complete // layout.width).reshape(-1, layout.channels)
    # 24-bit samples become the upper three bytes of 32-bit samples
    wide = np.zeros((complete // 3, 4), np.uint8)
    wide[:, 1:] = np.frombuffer(data, np.uint8, complete).reshape(-1, 3)
    return wide.view("<i4").reshape(-1, layout.channels)
