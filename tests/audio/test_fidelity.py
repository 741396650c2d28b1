"""What comes out is the input: level, length, delay, spectrum, at every rate."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liveavatar_nb.audio import open_sound

from . import signals
from .signals import RATES, SAMPLE_RATE, Signal, pcm16, samples

LEVEL = 0.01  # dB
SPURIOUS = -90.0  # dB of full scale
ROUNDING = -95.0  # dB of full scale: what is left of 16 bit's own, -101


def played(signal: Signal, rate: int) -> Signal:
    """What comes out of a WAV file of 16 bit."""
    channels = 1 if signal.ndim == 1 else signal.shape[1]
    sound = open_sound(signals.wav(pcm16(signal).tobytes(), rate, channels))
    try:
        return samples(sound.pcm())
    finally:
        assert not sound.notes
        sound.close()


def expected_length(count: int, rate: int) -> float:
    return count * SAMPLE_RATE / rate


@pytest.mark.parametrize("is_stereo", [False, True], ids=["mono", "stereo"])
@pytest.mark.parametrize("rate", RATES)
def test_sines_keep_their_level_and_their_place(rate: int, is_stereo: bool) -> None:
    for hertz in (100.0, 997.0, 0.85 * min(rate, SAMPLE_RATE) / 2):
        tone = signals.sine(hertz, rate)
        got = played(signals.stereo(tone) if is_stereo else tone, rate)
        wanted = 0.375 if is_stereo else 0.5
        assert abs(len(got) - expected_length(len(tone), rate)) <= 1
        assert abs(signals.decibels(signals.amplitude(got, hertz) / wanted)) < LEVEL, hertz
        assert abs(signals.delay(got, hertz)) < 0.01, hertz
        assert signals.loudest(got, beside=hertz) < SPURIOUS, hertz


@pytest.mark.parametrize("rate", [rate for rate in RATES if rate > SAMPLE_RATE])
def test_what_24_khz_cannot_hold_vanishes(rate: int) -> None:
    for hertz in np.linspace(12_200, 0.49 * rate, 8):
        got = played(signals.sine(float(hertz), rate, level=0.9), rate)
        assert signals.loudest(got) < SPURIOUS, hertz


@pytest.mark.parametrize("rate", [rate for rate in RATES if rate < SAMPLE_RATE])
def test_no_image_is_heard_above_what_was_there(rate: int) -> None:
    got = played(signals.sine(0.3 * rate, rate, level=0.9), rate)
    hertz, lines = signals.spectrum(got)
    assert signals.decibels(lines[hertz > rate / 2].max()) < SPURIOUS


@pytest.mark.parametrize("is_stereo", [False, True], ids=["mono", "stereo"])
@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("make", [signals.sweep, signals.speech])
def test_sweeps_and_speech_are_those_of_a_reference(make: Callable[[int], Signal], rate: int, is_stereo: bool) -> None:
    signal = make(rate)
    if is_stereo:
        signal = signals.stereo(signal, np.roll(signal, rate // 10) * 0.8)
    wanted = signals.reference(pcm16(signal) / 32768, rate)
    got = played(signal, rate)
    assert signals.difference(np.zeros(1), wanted) > -40, "there is something to compare"
    assert abs(len(got) - expected_length(len(signal), rate)) <= 1
    assert abs(len(got) - len(wanted)) <= 1
    # near half the rate sound is faded out, by each quality in its own way
    assert signals.difference(got, wanted, below=0.9 * min(rate, SAMPLE_RATE) / 2) < ROUNDING
    assert signals.difference(got, signals.reference(pcm16(signal) / 32768, rate, "HQ")) < ROUNDING


def test_16_bit_mono_at_24_khz_passes_bit_for_bit() -> None:
    every_value = np.arange(-32768, 32768, dtype="<i2").tobytes()
    file = signals.wav(every_value, SAMPLE_RATE)
    assert b"".join(open_sound(file).pcm()) == every_value
    assert b"".join(open_sound(every_value, rate=SAMPLE_RATE).pcm()) == every_value


@pytest.mark.parametrize("rate", [1_000, 7_999, 12_345, 23_999, 24_001, 192_000, 768_000])
@pytest.mark.parametrize("count", [1, 2, 47, 999, 50_001])
def test_odd_rates_and_lengths(rate: int, count: int) -> None:
    got = samples(open_sound(np.full(count, 0.25), rate=rate).pcm())
    assert abs(len(got) - expected_length(count, rate)) <= 1


@settings(max_examples=60, deadline=None)
@given(
    data=st.binary(min_size=64, max_size=8_000),
    cuts=st.lists(st.integers(0, 8_000), max_size=12),
    rate=st.sampled_from([1_000, 16_000, 24_000, 44_100, 48_000]),
)
def test_it_does_not_matter_how_raw_samples_are_cut(data: bytes, cuts: list[int], rate: int) -> None:
    data = b"\x00\x01" + data  # of no known kind
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    parts = [data[start:end] for start, end in pairwise(edges)]
    whole = b"".join(open_sound(data, rate).pcm())
    assert b"".join(open_sound(iter(parts), rate).pcm()) == whole


@settings(max_examples=40, deadline=None)
@given(
    cuts=st.lists(st.integers(0, 30_000), max_size=8),
    rate=st.sampled_from([8_000, 24_000, 44_100, 96_000]),
    channels=st.integers(1, 3),
    kind=st.sampled_from(["f4", "f8", "i2", "i4", "u1"]),
)
def test_it_does_not_matter_how_arrays_are_cut(cuts: list[int], rate: int, channels: int, kind: str) -> None:
    noise = np.random.default_rng(channels).uniform(-0.8, 0.8, (30_000, channels))
    array = noise.astype(kind) if kind[0] == "f" else ((noise + (kind[0] == "u")) * 127).astype(kind)
    edges = [0, *sorted(cuts), len(array)]
    parts = [array[start:end] for start, end in pairwise(edges)]
    whole = b"".join(open_sound(array, rate).pcm())
    assert b"".join(open_sound(iter(parts), rate).pcm()) == whole


def test_a_change_of_rate_joins_what_each_would_be() -> None:
    parts = [(signals.sine(440, rate, 0.5), rate) for rate in (16_000, 48_000, 24_000, 16_000)]
    alone = [samples(open_sound(part).pcm()) for part in parts]
    assert np.array_equal(samples(open_sound(iter(parts)).pcm()), np.concatenate(alone))


class TestWhatIsAmiss:
    def test_what_is_too_loud_is_clipped_and_said(self) -> None:
        tone = signals.sine(1000, SAMPLE_RATE, 3.0)
        tone[30_000:30_480] = 1.5
        tone[40_000:40_240] = -2.0
        sound = open_sound(tone, rate=SAMPLE_RATE)
        got = samples(sound.pcm())
        assert got[30_100] == 32767 / 32768
        assert got[40_100] == -1.0
        assert np.array_equal(got[:30_000], pcm16(tone[:30_000]) / 32768)
        assert sound.notes == ["0.03 s of it was louder than full scale and was clipped, first at 1.2 s."]

    def test_full_scale_itself_is_not_too_loud(self) -> None:
        sound = open_sound(signals.sine(1000, SAMPLE_RATE, level=1.0), rate=SAMPLE_RATE)
        assert samples(sound.pcm()).max() == 32767 / 32768
        assert sound.notes == []

    def test_no_number_is_silence_and_said(self) -> None:
        tone = signals.sine(1000, 48_000).astype(np.float32)
        tone[24_000:28_800] = np.nan
        sound = open_sound(tone, rate=48_000)
        got = samples(sound.pcm())
        assert np.abs(got[12_300:14_100]).max() < 1e-3
        assert sound.notes == ["0.10 s of it was NaN and became silence, first at 0.5 s."]

    def test_no_number_in_one_channel_leaves_the_other(self) -> None:
        both = signals.stereo(np.full(24_000, np.nan), np.full(24_000, 0.5))
        sound = open_sound(both, rate=SAMPLE_RATE)
        assert np.all(samples(sound.pcm()) == 0.25)
        assert len(sound.notes) == 1

    @pytest.mark.parametrize("kind", ["f2", "f4", "f8"])
    def test_the_infinite_and_the_huge_are_clipped(self, kind: str) -> None:
        values = np.zeros(2_400, kind)
        values[600], values[1_200], values[1_800] = np.inf, -np.inf, np.finfo(kind).max
        sound = open_sound(values, rate=SAMPLE_RATE)
        got = samples(sound.pcm())
        assert (got[600], got[1_200], got[1_800], got[601]) == (32767 / 32768, -1.0, 32767 / 32768, 0.0)
        assert [note.partition(" it was ")[2].split(",")[0] for note in sound.notes] == [
            "infinite and was clipped",
            "louder than full scale and was clipped",
        ]

    def test_the_huge_does_not_spoil_what_is_far_from_it(self) -> None:
        values = signals.sine(1000, 48_000)
        values[48_000] = 1e300
        got = samples(open_sound(values, rate=48_000).pcm())
        assert signals.amplitude(got[:20_000], 1000) == pytest.approx(0.5, rel=1e-3)

    def test_notes_grow_while_it_is_read(self) -> None:
        sound = open_sound(iter([np.full(24_000, 1.5)] * 3), rate=SAMPLE_RATE)
        lengths = [sound.notes[0].split()[0] for _ in sound.pcm()]
        assert lengths == ["1.00", "2.00", "3.00"]
        assert len(sound.notes) == 1
