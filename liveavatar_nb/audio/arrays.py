"""StopLimiter arrays, and whatever numpy can convert to one, into blocks of samples."""

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
    """A block of samples of bounded size.

    Args:
        rate: The sample rate in Hz.
        samples: An array of the shape (n, channels) and any real type.
    """

    rate: float
    samples: Samples


def is_number(value: object) -> bool:
    """Return whether a value is a real number."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def check_rate(rate: Any, label: str) -> float:
    """Return a sample rate in Hz as a float.

    Raises:
        AudioError: It isn't a number, or it can't be resampled.
    """
    if not is_number(rate):
        raise AudioError(f"{label} has a rate that is not a number of Hz but {type(rate).__name__}.", field="rate")
    if not math.isfinite(rate) or not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise AudioError(
            f"{label} has a rate of {rate:,g} Hz; only {LOWEST_RATE:,} to {HIGHEST_RATE:,} Hz are supported.",
            field="rate",
        )
    return float(rate)


def blocks(array: Samples, rate: float) -> Iterator[Block]:
    """Yield an array of the shape (n,) or (n, channels) in blocks."""
    frames = array.reshape(-1, 1) if array.ndim == 1 else array
    most = max(1, min(int(rate * BLOCK_SECONDS), BLOCK_BYTES // (array.itemsize * frames.shape[1])))
    for start in range(0, len(frames), most):
        yield Block(rate, frames[start : start + most])


def array_of(audio: Any, label: str) -> Samples:
    """Return an array, or a list of numbers, as a numpy array.

    Raises:
        AudioError: Its type or shape isn't valid for samples.
    """
    try:
        array = np.asarray(audio)
    except Exception as failure:
        raise AudioError(
            f"{label} can't be converted to an array: {failure}.", remedy="Pass a NumPy array."
        ) from failure
    if array.dtype.kind not in "iuf":
        raise AudioError(
            f"{label} has the type {array.dtype}, but samples must be real numbers.",
            remedy="Pass floats up to 1.0, or integers that fill their type's range.",
        )
    if array.ndim == 0:
        raise AudioError(f"{label} is a single number.", remedy="Pass an array of samples.")
    if array.ndim > 2 or 0 in array.shape[1:]:
        raise AudioError(f"{label} has the shape {array.shape}, but must be (n,) or (n, channels).")
    if array.ndim == 2:
        rows, columns = array.shape
        if columns > PLAUSIBLE_CHANNELS and columns > rows > 0:
            raise AudioError(
                f"{label} has the shape {array.shape}, which looks like (channels, n) but must be (n, channels).",
                remedy="Pass audio.T.",
            )
        if columns > MOST_CHANNELS:
            raise AudioError(f"{label} has {columns} channels; at most {MOST_CHANNELS} are supported.")
    return array


def array_of_list(values: Sequence[Any], label: str) -> Samples:
    """Return a plain list of numbers as an array of floats or of 16-bit integers.

    Raises:
        AudioError: It contains integers that don't fit 16 bits.
    """
    array = array_of(values, label)
    if array.dtype.kind == "f":
        return array
    limits = np.iinfo(np.int16)
    if array.size and not (limits.min <= array.min() and array.max() <= limits.max):
        raise AudioError(
            f"{label} contains integers that don't fit 16 bits, and a list can't say how many bits they have.",
            remedy="Pass numpy.array(samples, dtype=...) with a type whose range is full scale.",
        )
    return array.astype(np.int16)
