"""Converts blocks of any sample rate to mono PCM16 at 24 kHz, and reports faulty samples."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from typing import Final, TypeAlias

import numpy as np
import soxr
from numpy.typing import NDArray

from .arrays import Block, Samples
from .limits import FULL_SCALE, LOUDEST, PIECE_BYTES, SAMPLE_RATE

Mono: TypeAlias = NDArray[np.float32]

# 20-bit quality: aliases of a full-scale tone stay below -130 dB; VHQ reaches -160 dB, but takes a sixth longer
QUALITY: Final = "HQ"
LOWEST: Final = -FULL_SCALE
HIGHEST: Final = FULL_SCALE - 1
STEREO: Final = 2  # channels
SHORTEST_NOTED: Final = 0.01  # the shortest duration to report, in seconds; shorter faults are rounded up to it
NOTHING: Final[Mono] = np.empty(0, np.float32)


class Tally:
    """Counts the samples with one kind of fault, and keeps a note about them up to date.

    Args:
        notes: The list to which the note is added at the first fault.
        words: What was wrong and what was done about it, e.g. "was infinite and was clipped".
    """

    def __init__(self, notes: list[str], words: str) -> None:
        self._notes = notes
        self._words = words
        self._seconds = 0.0
        self._first = 0.0
        self._line: int | None = None

    def add(self, faults: NDArray[np.bool_], rate: float, at: float) -> None:
        """Count the faulty samples of a block.

        Args:
            faults: Which samples are faulty.
            rate: The block's rate in Hz.
            at: The time at which the block begins, in seconds.
        """
        count = int(np.count_nonzero(faults))
        if not count:
            return
        self._seconds += count / rate
        if self._line is None:
            self._line = len(self._notes)
            self._first = at + int(faults.argmax()) / rate
            self._notes.append("")
        length = max(self._seconds, SHORTEST_NOTED)
        self._notes[self._line] = f"{length:.2f} s of it {self._words}, first at {self._first:.1f} s."


class Mixer:
    """Mixes blocks down to mono: the mean of the channels as float32, scaled to the 16-bit range.

    The mixer reuses its memory for every block, because allocating new memory would take as long as mixing.
    """

    def __init__(self, notes: list[str]) -> None:
        self._nan = Tally(notes, "was NaN and became silence")
        self._infinite = Tally(notes, "was infinite and was clipped")
        self._elapsed = 0.0
        self._mean: Mono = NOTHING
        self._words = np.empty(0, np.int32)

    def mono(self, block: Block) -> Mono:
        """Return a block mixed down to mono; the array is valid only until the next call."""
        samples = block.samples
        if samples.dtype.kind == "f":
            samples = self._clean(samples, block.rate)
        self._elapsed += len(samples) / block.rate
        if len(samples) > len(self._mean):
            self._mean, self._words = np.empty(len(samples), np.float32), np.empty(len(samples), np.int32)
        mean = self._mean[: len(samples)]
        scale = np.float32(_scale(samples))
        if samples.dtype == np.float32 and samples.shape[1] == 1:
            np.multiply(samples[:, 0], scale, out=mean)
            return mean
        if samples.dtype == np.int16 and samples.shape[1] == STEREO and samples.flags.c_contiguous:
            self._add_pairs(samples, mean)
        else:
            _add(samples, mean)
        if scale != 1:
            mean *= scale
        return mean

    def _add_pairs(self, samples: Samples, total: Mono) -> None:
        """Sum the channels of 16-bit stereo, the most common format; for speed, read each frame as one 32-bit word."""
        both, low, high = samples.reshape(-1).view(np.int32), self._words[: len(total)], total.view(np.int32)
        np.left_shift(both, 16, out=low)
        np.right_shift(low, 16, out=low)
        np.right_shift(both, 16, out=high)
        np.add(low, high, out=low)
        np.copyto(total, low)

    def _clean(self, samples: Samples, rate: float) -> Samples:
        """Replace NaN with silence, and clip floats that are large enough to make resampling overflow."""
        with np.errstate(invalid="ignore"):
            if samples.max() <= LOUDEST and samples.min() >= -LOUDEST:
                return samples
        self._nan.add(np.logical_or.reduce(np.isnan(samples), axis=1), rate, self._elapsed)
        self._infinite.add(np.logical_or.reduce(np.isinf(samples), axis=1), rate, self._elapsed)
        finite = np.nan_to_num(samples, nan=0.0, posinf=LOUDEST, neginf=-LOUDEST)
        clipped: Samples = np.clip(finite, -LOUDEST, LOUDEST)
        return clipped


def _add(samples: Samples, total: Mono) -> None:
    """Add the channels one by one, since NumPy's own sum over short rows is twenty times slower."""
    np.copyto(total, samples[:, 0], casting="unsafe")
    for channel in range(1, samples.shape[1]):
        np.add(total, samples[:, channel], out=total, dtype=np.float32, casting="unsafe")
    if samples.dtype.kind == "u":
        total -= np.float32(samples.shape[1] * _half_range(samples))


def _scale(samples: Samples) -> float:
    """Return the factor that turns the sum of the channels into their mean, scaled to the 16-bit range."""
    channels: int = samples.shape[1]
    full = 1.0 if samples.dtype.kind == "f" else _half_range(samples)
    return FULL_SCALE / full / channels


def _half_range(samples: Samples) -> int:
    half: int = 1 << (8 * samples.dtype.itemsize - 1)
    return half


class Encoder:
    """Encodes mono floats as PCM16."""

    def __init__(self, notes: list[str]) -> None:
        self._clipped = Tally(notes, "was louder than full scale and was clipped")
        self._samples = 0

    def encode(self, samples: Mono) -> Iterator[bytes]:
        """Yield the encoded samples in pieces of at most 1 s."""
        if not len(samples):
            return
        if samples.max() > HIGHEST or samples.min() < LOWEST:
            # don't report 1.0 as clipped, although the largest 16-bit value is one step below full scale
            loud = np.abs(samples) > FULL_SCALE + 0.5
            self._clipped.add(loud, SAMPLE_RATE, self._samples / SAMPLE_RATE)
            samples = np.clip(samples, LOWEST, HIGHEST)
        self._samples += len(samples)
        rounded = np.empty(len(samples), "<i2")
        np.rint(samples, out=rounded, casting="unsafe")
        data = rounded.tobytes()
        if len(data) <= PIECE_BYTES:
            yield data
            return
        for start in range(0, len(data), PIECE_BYTES):
            yield data[start : start + PIECE_BYTES]


def pieces(first: Block, rest: Iterable[Block], notes: list[str]) -> Generator[bytes]:
    """Yield PCM16 at 24 kHz, each piece as soon as its blocks are available.

    Args:
        first: The first block.
        rest: The other blocks.
        notes: The list to which notes about faulty samples are added.
    """
    mixer, encoder = Mixer(notes), Encoder(notes)
    rate, stream = first.rate, _new_stream(first.rate)
    yield from encoder.encode(_resample(stream, mixer.mono(first)))
    for block in rest:
        if block.rate != rate:
            yield from encoder.encode(_flush(stream))
            rate, stream = block.rate, _new_stream(block.rate)
        yield from encoder.encode(_resample(stream, mixer.mono(block)))
    yield from encoder.encode(_flush(stream))


def _new_stream(rate: float) -> soxr.ResampleStream | None:
    """Return a resampler for consecutive blocks of one rate, or None if no resampling is needed.

    Using one resampler for all these blocks makes the joins between them inaudible.
    """
    return None if rate == SAMPLE_RATE else soxr.ResampleStream(rate, SAMPLE_RATE, 1, "float32", QUALITY)


def _resample(stream: soxr.ResampleStream | None, samples: Mono) -> Mono:
    return samples if stream is None else stream.resample_chunk(samples)


def _flush(stream: soxr.ResampleStream | None) -> Mono:
    return NOTHING if stream is None else stream.resample_chunk(NOTHING, last=True)
