"""Arrays, and whatever numpy can see as one, as blocks of samples."""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..errors import AudioError
from .limits import BLOCK_BYTES, BLOCK_SECONDS, HIGHEST_RATE, LOWEST_RATE, MOST_CHANNELS, PLAUSIBLE_CHANNELS

Samples: TypeAlias = NDArray[Any]


class Block(NamedTuple):
    """A stretch of sound of bounded size.

    Args:
        rate: Hz.
        samples: of the shape (n, channels), of any real type.
    """

    rate: float
    samples: Samples


def is_number(value: object) -> bool:
    """Whether it is a real number."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def check_rate(rate: Any, label: str) -> float:
    """A rate in Hz.

    Raises:
        AudioError: it is none, or one that cannot be resampled.
    """
    if not is_number(rate):
        raise AudioError(f"{label} has a rate that is no number of Hz, but {type(rate).__name__}.", field="rate")
    if not math.isfinite(rate) or not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise AudioError(
            f"{label} has a rate of {rate:,g} Hz; rates from {LOWEST_RATE:,} to {HIGHEST_RATE:,} Hz can be read.",
            field="rate",
        )
    return float(rate)


def blocks(array: Samples, rate: float) -> Iterator[Block]:
    """An array of the shape (n,) or (n, channels), walked in slices."""
    frames = array.reshape(-1, 1) if array.ndim == 1 else array
    most = max(1, min(int(rate * BLOCK_SECONDS), BLOCK_BYTES // (array.itemsize * frames.shape[1])))
    for start in range(0, len(frames), most):
        yield Block(rate, frames[start : start + most])


def array_of(audio: Any, label: str) -> Samples:
    """What numpy makes of an array or of a list of numbers.

    Raises:
        AudioError: it is not of a type or shape that sound has.
    """
    try:
        array = np.asarray(audio)
    except Exception as failure:
        raise AudioError(f"{label} gives no array: {failure}.", remedy="Pass a NumPy array.") from failure
    if array.dtype.kind not in "iuf":
        raise AudioError(
            f"{label} is of the type {array.dtype}; samples are real numbers.",
            remedy="Pass floats up to 1.0, or integers that fill their type's range.",
        )
    if array.ndim == 0:
        raise AudioError(f"{label} is a single number; samples come in arrays.")
    if array.ndim > 2 or 0 in array.shape[1:]:
        raise AudioError(f"{label} is of the shape {array.shape}; samples are (n,) or (n, channels).")
    if array.ndim == 2:
        rows, columns = array.shape
        if columns > PLAUSIBLE_CHANNELS and columns > rows > 0:
            raise AudioError(
                f"{label} is of the shape {array.shape}: that looks like (channels, n), and is to be (n, channels).",
                remedy="Pass audio.T.",
            )
        if columns > MOST_CHANNELS:
            raise AudioError(f"{label} has {columns} channels; {MOST_CHANNELS} at most can be read.")
    return array


def array_of_list(values: Sequence[Any], label: str) -> Samples:
    """What a plain list of numbers is: floats, or whole numbers of 16 bit."""
    array = array_of(values, label)
    if array.dtype.kind == "f":
        return array
    limits = np.iinfo(np.int16)
    if array.size and not (limits.min <= array.min() and array.max() <= limits.max):
        raise AudioError(
            f"{label} holds whole numbers that do not fit 16 bit, and does not say of how many bits they are.",
            remedy="Pass numpy.array(samples, dtype=...), where the type's range is full scale.",
        )
    return array.astype(np.int16)
