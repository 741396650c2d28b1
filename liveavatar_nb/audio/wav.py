"""WAV: its header, and blocks of samples from bytes that need no decoder."""

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
UNKNOWN: Final = 0xFFFFFFFF  # the size in the header of a file that was written without going back to it, as is 0
PLACEHOLDER: Final = 0x7FFFF000  # and what SoX writes there, about
WIDTHS: Final = {PCM: {1: "u1", 2: "<i2", 3: "", 4: "<i4"}, FLOAT: {4: "<f4", 8: "<f8"}}


@dataclass(frozen=True)
class Layout:
    """How samples lie in bytes.

    Args:
        rate: Hz.
        channels: of one frame.
        width: bytes of one sample.
        code: numpy's name of the type; "" for 24 bit, which it has none for.
    """

    rate: float
    channels: int = 1
    width: int = 2
    code: str = "<i2"

    @property
    def frame(self) -> int:
        """Bytes of all channels' samples of one moment."""
        return self.channels * self.width


@dataclass(frozen=True)
class Header:
    """What a WAV file says before its sound.

    Args:
        layout: of its samples; None where they are coded.
        start: byte at which they begin.
        size: bytes of them; None where the header does not know.
        trailer: bytes that follow them.
    """

    layout: Layout | None
    start: int = 0
    size: int | None = None
    trailer: int = 0


def header(reader: Reader) -> Header:
    """The header that is ahead of `reader`, which stays where it is.

    Raises:
        AudioError: it cannot be used.
    """
    at, layout = 12, None
    whole, long_size = struct.unpack("<I", reader.peek(4, 4))[0] + 8, 0
    while True:
        head = reader.peek(8, at)
        if len(head) < 8:
            raise AudioError(f"{reader.label} is a WAV file that ends before its sound begins.")
        name, size = struct.unpack("<4sI", head)
        at += 8
        if name == b"data":
            if layout is None:
                raise AudioError(f"{reader.label} is a WAV file whose sound comes before its format.")
            return _extent(reader, layout, at, long_size if size == UNKNOWN and long_size else size, whole)
        if at + size > HEADER_LIMIT:
            raise AudioError(f"{reader.label} is a WAV file without sound in its first {HEADER_LIMIT >> 20} MiB.")
        if name in (b"fmt ", b"ds64"):
            body = reader.peek(size, at)
            if len(body) < 16:
                raise AudioError(f"{reader.label} is a WAV file whose header ends early.")
            if name == b"ds64":
                whole, long_size = struct.unpack("<QQ", body[:16])
                whole += 8
            elif (layout := _layout(reader.label, body)) is None:
                return Header(None)
        at += size + size % 2


def _extent(reader: Reader, layout: Layout, start: int, size: int, whole: int) -> Header:
    """How far the samples go, as far as the header knew when it was written."""
    rest = reader.rest()
    is_unknown = (
        size == UNKNOWN
        or (size >= PLACEHOLDER and (rest is None or rest < start + size))
        or (size == 0 and (whole <= start or whole >= PLACEHOLDER))
    )
    if is_unknown:
        return Header(layout, start)
    return Header(layout, start, size, max(0, whole - start - size) if whole < PLACEHOLDER else 0)


def _layout(label: str, body: bytes) -> Layout | None:
    """What the format chunk says; None where the samples are coded."""
    tag, channels, rate, _, align, bits = struct.unpack("<HHIIHH", body[:16])
    if tag == EXTENSIBLE and len(body) >= 26:
        (tag,) = struct.unpack("<H", body[24:26])
    if tag not in WIDTHS:
        return None
    if not 1 <= channels <= MOST_CHANNELS:
        raise AudioError(f"{label} is a WAV file with {channels} channels; 1 to {MOST_CHANNELS} can be read.")
    width = align // channels or (bits + 7) // 8
    if width not in WIDTHS[tag] or align not in (0, width * channels):
        raise AudioError(
            f"{label} is a WAV file of {bits} bit {'float' if tag == FLOAT else 'PCM'} in frames of {align} bytes; "
            "8, 16, 24 and 32 bit PCM can be read, and float of 32 and 64 bit."
        )
    return Layout(check_rate(rate, label), channels, width, WIDTHS[tag][width])


def blocks(reader: Reader, layout: Layout, notes: list[str], size: int | None = None) -> Iterator[Block]:
    """Samples from bytes, each block as soon as it is there.

    Args:
        reader: stands where they begin.
        layout: how they lie.
        notes: where it is said that they end early.
        size: bytes of them; None where they go on to the end.
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
        whole = len(data) - len(data) % frame
        carried = data[whole:]
        if whole:
            yield Block(layout.rate, _samples(data, whole, layout))
    if left:
        notes.append(
            f"{reader.label} ends early: {left / frame / layout.rate:.2f} s that its header promises are missing."
        )
    elif carried:
        notes.append(f"{reader.label} ends within a sample, which was left out.")


def _samples(data: bytes, whole: int, layout: Layout) -> np.ndarray:
    if layout.code:
        return np.frombuffer(data, layout.code, whole // layout.width).reshape(-1, layout.channels)
    # 24 bit become the upper bytes of 32
    wide = np.zeros((whole // 3, 4), np.uint8)
    wide[:, 1:] = np.frombuffer(data, np.uint8, whole).reshape(-1, 3)
    return wide.view("<i4").reshape(-1, layout.channels)
