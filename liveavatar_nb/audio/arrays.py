"""Splits arrays, and anything that NumPy can convert to an array, into blocks of samples."""

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
    """A block of samples, limited in size.

    Args:
        rate: The sample rate in Hz.
        samples: An array of real numbers, of any type, with the shape (n, channels).
    """

    rate: float
    samples: Samples


def is_number(value: object) -> bool:
    """Return whether a value is a real number."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def check_rate(rate: Any, label: str) -> float:
    """Check a sample rate in Hz, and return it as a float.

    Raises:
        AudioError: The rate isn't a number, or is outside the supported range.
    """
    if not is_number(rate):
        raise AudioError(
            f"{label} has a rate of type {type(rate).__name__}; the rate must be a number in Hz.", field="rate"
        )
    if not math.isfinite(rate) or not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise AudioError(
            f"{label} has a rate of {rate:,g} Hz; only {LOWEST_RATE:,} to {HIGHEST_RATE:,} Hz are supported.",
            field="rate",
        )
    return float(rate)


def blocks(array: Samples, rate: float) -> Iterator[Block]:
    """Yield the blocks of an array of shape (n,) or (n, channels)."""
    frames = array.reshape(-1, 1) if array.ndim == 1 else array
    most = max(1, min(int(rate * BLOCK_SECONDS), BLOCK_BYTES // (array.itemsize * frames.shape[1])))
    for start in range(0, len(frames), most):
        yield Block(rate, frames[start : start + most])


def array_of(audio: Any, label: str) -> Samples:
    """Convert an array or a list of numbers to a NumPy array.

    Raises:
        AudioError: The type or shape isn't valid for samples.
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
            remedy="Pass floats from -1.0 to 1.0, or integers that use the full range of their type.",
        )
    if array.ndim == 0:
        raise AudioError(f"{label} is a single number.", remedy="Pass an array of samples.")
    if array.ndim > 2 or 0 in array.shape[1:]:
        raise AudioError(f"{label} has the shape {array.shape}; only (n,) and (n, channels) are supported.")
    if array.ndim == 2:
        rows, columns = array.shape
        if columns > PLAUSIBLE_CHANNELS and columns > rows > 0:
            raise AudioError(
                f"{label} has the shape {array.shape}, which looks like (channels, n) instead of (n, channels).",
                remedy="Pass audio.T.",
            )
        if columns > MOST_CHANNELS:
            raise AudioError(f"{label} has {columns} channels; at most {MOST_CHANNELS} are supported.")
    return array


def array_of_list(values: Sequence[Any], label: str) -> Samples:
    """Convert a list of numbers to an array of floats or of 16-bit integers.

    Raises:
        AudioError: The list contains integers that don't fit into 16 bits.
    """
    array = array_of(values, label)
    if array.dtype.kind == "f":
        return array
    limits = np.iinfo(np.int16)
    if array.size and not (limits.min <= array.min() and array.max() <= limits.max):
        raise AudioError(
            f"{label} contains integers that don't fit into 16 bits, and a list doesn't say how wide its samples are.",
            remedy="Pass numpy.array(samples, dtype=...) with the integer type that the samples use.",
        )
    return array.astype(np.int16)
