"""Arrays of every real type, shape and order in memory, and what is no sound."""

from __future__ import annotations

import array
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from liveavatar_nb.audio import SAMPLE_RATE, open_sound
from liveavatar_nb.errors import AudioError

from . import signals
from .signals import pcm16, samples

TONE = signals.sine(440, SAMPLE_RATE, 0.25)
PAIR = signals.stereo(TONE, np.roll(TONE, 7))


def played(audio: Any, rate: float | None = SAMPLE_RATE) -> signals.Signal:
    """What comes out, without a warning of numpy's on the way."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return samples(open_sound(audio, rate).pcm())


def typed(signal: signals.Signal, kind: str) -> np.ndarray[Any, Any]:
    """The signal in a type's own scale."""
    dtype = np.dtype(kind)
    if dtype.kind == "f":
        return signal.astype(dtype)
    half = 2.0 ** (8 * dtype.itemsize - 1)
    return np.rint(signal * half + (half if dtype.kind == "u" else 0)).astype(dtype)


@pytest.mark.parametrize("kind", ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "g"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("signal", [TONE, PAIR], ids=["mono", "stereo"])
def test_every_real_type_in_either_byte_order(signal: signals.Signal, kind: str, order: str) -> None:
    step = 1 / 128 if kind in ("i1", "u1") else 1 / 1000 if kind == "f2" else 1 / 32768
    wanted = signal.reshape(len(signal), -1).mean(axis=1)
    assert np.abs(played(typed(signal, order + kind)) - wanted).max() <= step


@pytest.mark.parametrize("kind", ["i2", "u1", "i4"])
def test_integers_use_the_whole_of_16_bit(kind: str) -> None:
    limits = np.iinfo(kind)
    got = played(np.array([limits.min, limits.max], kind))
    assert got[0] == -1.0
    assert got[1] == pytest.approx(1.0, abs=1 / 128)


def test_it_does_not_matter_how_an_array_lies_in_memory(tmp_path: Path) -> None:
    exact = pcm16(PAIR)
    wanted = played(exact)
    np.save(tmp_path / "saved.npy", exact)
    mapped = np.load(tmp_path / "saved.npy", mmap_mode="r")
    spread = np.zeros((2 * len(exact), 4), np.int16)
    spread[::2, 1:3] = exact
    for same in (np.asfortranarray(exact), mapped, spread[::2, 1:3], exact[::-1][::-1], exact.T.copy().T):
        assert np.array_equal(played(same), wanted)
    mapped._mmap.close()


def test_an_array_is_not_changed() -> None:
    for before in (TONE.copy(), pcm16(PAIR), TONE.astype(np.float32) * 3):
        kept = before.copy()
        played(before)
        assert np.array_equal(before, kept)


def test_many_channels_are_averaged() -> None:
    assert np.abs(played(np.stack([TONE, TONE, TONE, -TONE], axis=1)) - TONE / 2).max() <= 1 / 32768


class Tensor:
    """What another library's array looks like from outside."""

    def __init__(self, values: signals.Signal, failure: Exception | None = None) -> None:
        self._values = values
        self._failure = failure

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> signals.Signal:
        if self._failure:
            raise self._failure
        return self._values


def test_what_can_be_seen_as_an_array() -> None:
    exact = pcm16(TONE)
    wanted = exact / 32768
    alike: list[Any] = [
        Tensor(wanted),
        pd.Series(wanted),
        pd.DataFrame({"left": wanted, "right": wanted}),
        array.array("h", exact.tolist()),
        array.array("d", wanted.tolist()),
        exact.data,
        wanted.data,
        wanted.tolist(),
        tuple(wanted.tolist()),
        [[value, value] for value in wanted.tolist()],
        exact.tolist(),
        [np.float64(value) for value in wanted],
    ]
    for one in alike:
        sound = open_sound(one, rate=SAMPLE_RATE)
        assert (sound.name, sound.seconds) == ("array", 0.25)
        assert np.array_equal(samples(sound.pcm()), wanted)


def test_samples_and_their_rate_come_in_either_order() -> None:
    wanted = played(TONE, 16_000)
    for pair in ((TONE, 16_000), (16_000, TONE), [np.int64(16_000), TONE], (TONE, 16_000.0), (Tensor(TONE), 16_000)):
        assert np.array_equal(played(pair, None), wanted)
    assert np.array_equal(played((TONE, 16_000), 16_000), wanted)
    raw = pcm16(TONE).tobytes()
    assert np.array_equal(played((16_000, raw), None), played(raw, 16_000))
    assert np.array_equal(played((iter([raw[:999], raw[999:]]), 16_000), None), played(raw, 16_000))


@pytest.mark.parametrize(
    ("audio", "rate", "words"),
    [
        (TONE, None, "has no rate. Add it, e.g. rate=24000"),
        (TONE[:0], 24_000, "contains no samples"),
        (np.zeros((0, 2)), 24_000, "contains no samples"),
        (np.zeros((5, 0)), 24_000, r"shape \(5, 0\)"),
        (np.zeros((2, 3, 4)), 24_000, r"shape \(2, 3, 4\)"),
        (np.float32(0.5), 24_000, "single number"),
        (PAIR.T, 24_000, r"\(channels, n\).*Pass audio.T"),
        (TONE[None, :], 24_000, "Pass audio.T"),
        (np.zeros((1000, 300)), 24_000, "300 channels"),
        (TONE > 0, 24_000, "type bool"),
        (TONE + 0j, 24_000, "type complex128"),
        (np.array(["a", "b"]), 24_000, "type <U1"),
        (np.array([None, 1]), 24_000, "type object"),
        ([[0.1, 0.2], [0.3]], 24_000, "can't be converted to an array"),
        ([1, 2, 70_000], 24_000, "don't fit into 16 bits"),
        (Tensor(TONE, TypeError("can't convert cuda:0 device type tensor to numpy")), 24_000, "cuda:0"),
        ((TONE, 16_000), 24_000, "The pair contains the rate 16000 Hz, but rate=24000"),
        ((TONE, 0), None, "rate of 0 Hz; only 1,000 to 768,000 Hz"),
        (TONE, 999, "rate of 999 Hz"),
        (TONE, 768_001, "rate of 768,001 Hz"),
        (TONE, float("nan"), "rate of nan Hz"),
        (TONE, float("inf"), "rate of inf Hz"),
        (TONE, True, "has a rate of type bool; the rate must be a number in Hz"),
        (TONE, "24000", "has a rate of type str; the rate must be a number in Hz"),
    ],
)
def test_what_is_no_sound_is_named(audio: Any, rate: Any, words: str) -> None:
    with pytest.raises(AudioError, match=words):
        open_sound(audio, rate)


def test_an_array_is_walked_in_slices() -> None:
    long = np.broadcast_to(np.float32(0.25), (48_000 * 3_600 * 10,))  # ten hours in four bytes
    sound = open_sound(long, rate=48_000)
    pieces = sound.pcm()
    assert 0 < len(next(pieces)) <= 48_000
    assert sound.seconds == 36_000
    sound.close()
    assert list(pieces) == []
