"""From blocks of any rate to PCM16 at 24 kHz: made mono, resampled, rounded, and counted where something is amiss."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from typing import Final, TypeAlias

import numpy as np
import soxr
from numpy.typing import NDArray

from .arrays import Block, Samples
from .limits import FULL_SCALE, LOUDEST, PIECE_BYTES, SAMPLE_RATE

Mono: TypeAlias = NDArray[np.float32]

# 20 bit: aliases of a tone at full scale are below -130 dB, VHQ's below -160 dB at a sixth more time
QUALITY: Final = "HQ"
LOWEST: Final = -FULL_SCALE
HIGHEST: Final = FULL_SCALE - 1
STEREO: Final = 2  # channels
SHORTEST_TOLD: Final = 0.01  # s: what is amiss for less is told as that
NOTHING: Final[Mono] = np.empty(0, np.float32)


class Tally:
    """Counts what is amiss with single samples, and keeps its line among the notes.

    Args:
        notes: where the line goes when there is something to say.
        words: what is said, as in "was no number".
    """

    def __init__(self, notes: list[str], words: str) -> None:
        self._notes = notes
        self._words = words
        self._seconds = 0.0
        self._first = 0.0
        self._line: int | None = None

    def add(self, faults: NDArray[np.bool_], rate: float, at: float) -> None:
        """Takes down the samples that are marked.

        Args:
            faults: the marks of one block.
            rate: of the block, in Hz.
            at: where it begins, in seconds.
        """
        count = int(np.count_nonzero(faults))
        if not count:
            return
        self._seconds += count / rate
        if self._line is None:
            self._line = len(self._notes)
            self._first = at + int(faults.argmax()) / rate
            self._notes.append("")
        length = max(self._seconds, SHORTEST_TOLD)
        self._notes[self._line] = f"{length:.2f} s of it {self._words}, first at {self._first:.1f} s."


class Mixer:
    """Makes blocks mono: the mean over channels as float32, in steps of 16 bit.

    Its memory is used again for each block, since new pages would cost as much as the work in them.
    """

    def __init__(self, notes: list[str]) -> None:
        self._no_numbers = Tally(notes, "was no number (NaN) and is silent")
        self._infinite = Tally(notes, "was infinite and was clipped")
        self._elapsed = 0.0
        self._mean: Mono = NOTHING
        self._words = np.empty(0, np.int32)

    def mono(self, block: Block) -> Mono:
        """The block in mono, until the next one."""
        samples = block.samples
        if samples.dtype.kind == "f":
            samples = self._tame(samples, block.rate)
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
        """Both channels of 16-bit stereo, the commonest, as the halves of whole words: at twice the speed."""
        both, low, high = samples.reshape(-1).view(np.int32), self._words[: len(total)], total.view(np.int32)
        np.left_shift(both, 16, out=low)
        np.right_shift(low, 16, out=low)
        np.right_shift(both, 16, out=high)
        np.add(low, high, out=low)
        np.copyto(total, low)

    def _tame(self, samples: Samples, rate: float) -> Samples:
        """Floats that can be resampled: numbers, and not so large that they overflow."""
        with np.errstate(invalid="ignore"):
            if samples.max() <= LOUDEST and samples.min() >= -LOUDEST:
                return samples
        self._no_numbers.add(np.logical_or.reduce(np.isnan(samples), axis=1), rate, self._elapsed)
        self._infinite.add(np.logical_or.reduce(np.isinf(samples), axis=1), rate, self._elapsed)
        tamed: Samples = np.clip(np.nan_to_num(samples, nan=0.0, posinf=LOUDEST, neginf=-LOUDEST), -LOUDEST, LOUDEST)
        return tamed


def _add(samples: Samples, total: Mono) -> None:
    """All channels; one by one, for numpy's own sum over short rows is twenty times slower."""
    np.copyto(total, samples[:, 0], casting="unsafe")
    for channel in range(1, samples.shape[1]):
        np.add(total, samples[:, channel], out=total, dtype=np.float32, casting="unsafe")
    if samples.dtype.kind == "u":
        total -= np.float32(samples.shape[1] * _half_range(samples))


def _scale(samples: Samples) -> float:
    """From the sum over the channels to their mean in steps of 16 bit."""
    channels: int = samples.shape[1]
    full = 1.0 if samples.dtype.kind == "f" else _half_range(samples)
    return FULL_SCALE / full / channels


def _half_range(samples: Samples) -> int:
    half: int = 1 << (8 * samples.dtype.itemsize - 1)
    return half


class Encoder:
    """Makes PCM16 of mono floats."""

    def __init__(self, notes: list[str]) -> None:
        self._clipped = Tally(notes, "was louder than full scale and was clipped")
        self._samples = 0

    def encode(self, samples: Mono) -> Iterator[bytes]:
        """Pieces of 1 s at most."""
        if not len(samples):
            return
        if samples.max() > HIGHEST or samples.min() < LOWEST:
            # 1.0 itself is full scale, though 16 bit end one step below
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
    """PCM16 at 24 kHz; each piece as soon as the blocks for it are there.

    Args:
        first: where it begins.
        rest: how it goes on.
        notes: where it is said what was amiss.
    """
    mixer, encoder = Mixer(notes), Encoder(notes)
    rate, stream = first.rate, _stream(first.rate)
    yield from encoder.encode(_resampled(stream, mixer.mono(first)))
    for block in rest:
        if block.rate != rate:
            yield from encoder.encode(_tail(stream))
            rate, stream = block.rate, _stream(block.rate)
        yield from encoder.encode(_resampled(stream, mixer.mono(block)))
    yield from encoder.encode(_tail(stream))


def _stream(rate: float) -> soxr.ResampleStream | None:
    """One for as long as the rate stays, so that no cut is heard; none where there is nothing to do."""
    return None if rate == SAMPLE_RATE else soxr.ResampleStream(rate, SAMPLE_RATE, 1, "float32", QUALITY)


def _resampled(stream: soxr.ResampleStream | None, samples: Mono) -> Mono:
    return samples if stream is None else stream.resample_chunk(samples)


def _tail(stream: soxr.ResampleStream | None) -> Mono:
    return NOTHING if stream is None else stream.resample_chunk(NOTHING, last=True)
