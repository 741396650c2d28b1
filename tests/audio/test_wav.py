"""WAV as it is found: every width, odd chunks, headers written before the end was known, files cut off."""

from __future__ import annotations

import contextlib
import io
import struct
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liveavatar_nb.audio import SAMPLE_RATE, open_sound
from liveavatar_nb.errors import AudioError

from . import signals
from .signals import chunk, pcm16, samples, wav

TONE = signals.sine(440, SAMPLE_RATE, 0.5)
RAW = pcm16(TONE).tobytes()
EXACT = pcm16(TONE) / 32768


class Pipe(io.RawIOBase):
    """What cannot go back, and gives a little at a time."""

    def __init__(self, data: bytes, at_once: int = 700) -> None:
        self._data = memoryview(data)
        self._at_once = at_once

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        count = min(size, self._at_once)
        piece, self._data = bytes(self._data[:count]), self._data[count:]
        return piece


def encode(signal: signals.Signal, bits: int, tag: int) -> bytes:
    """Samples as they lie in a file."""
    if tag == 3:
        return signal.astype(f"<f{bits // 8}").tobytes()
    if bits == 8:
        return (np.rint(signal * 128) + 128).astype("u1").tobytes()
    whole = np.rint(signal * 2.0 ** (bits - 1)).astype("<i4")
    return whole.tobytes() if bits == 32 else whole.view("u1").reshape(-1, 4)[:, : bits // 8].tobytes()


@pytest.mark.parametrize("channels", [1, 2, 3, 6])
@pytest.mark.parametrize(("bits", "tag"), [(8, 1), (16, 1), (24, 1), (32, 1), (32, 3), (64, 3)])
@pytest.mark.parametrize("is_extensible", [False, True], ids=["plain", "extensible"])
def test_every_width_and_number_of_channels(bits: int, tag: int, channels: int, is_extensible: bool) -> None:
    each = np.stack([TONE * (channel + 1) / channels for channel in range(channels)], axis=1)
    data = encode(each.reshape(-1), bits, tag)
    file = extensible(data, channels, bits, tag) if is_extensible else wav(data, SAMPLE_RATE, channels, bits, tag)
    sound = open_sound(file)
    assert sound.seconds == 0.5
    got = samples(sound.pcm())
    assert len(got) == len(TONE)
    assert np.abs(got - each.mean(axis=1)).max() <= (1 / 256 if bits == 8 else 1 / 32768)
    assert sound.notes == []


def extensible(data: bytes, channels: int, bits: int, tag: int) -> bytes:
    frame = channels * bits // 8
    guid = struct.pack("<H", tag) + bytes.fromhex("000000001000800000aa00389b71")
    form = (
        struct.pack("<HHIIHHHHI", 0xFFFE, channels, SAMPLE_RATE, SAMPLE_RATE * frame, frame, bits, 22, bits, 0) + guid
    )
    body = chunk(b"fmt ", form) + chunk(b"data", data)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WAVE" + body


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_files_of_the_standard_library(width: int, tmp_path: Path) -> None:
    path = tmp_path / "own.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(width)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(encode(TONE, 8 * width, 1))
    sound = open_sound(path)
    assert (sound.name, sound.seconds) == ("own.wav", 0.5)
    assert np.abs(samples(sound.pcm()) - TONE).max() <= 1 / 128


def test_other_chunks_before_and_after_are_no_sound() -> None:
    odd = chunk(b"LIST", b"INFOISFT\x03\0\0\0abc") + chunk(b"junk", bytes(1001))
    file = wav(RAW, SAMPLE_RATE, before=odd, after=chunk(b"LIST", b"INFO" + b"\x7f" * 5001) + b"garbage")
    for given_as in (file, io.BytesIO(file), Pipe(file), cut(file, 333)):
        assert np.array_equal(samples(open_sound(given_as).pcm()), EXACT)


def test_sound_of_an_odd_number_of_bytes_is_padded() -> None:
    file = wav(encode(TONE[:1001], 8, 1), SAMPLE_RATE, bits=8, after=chunk(b"LIST", b"x" * 90))
    assert len(samples(open_sound(cut(file, 100)).pcm())) == 1001


def cut(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFFFC0])
@pytest.mark.parametrize("riff", [0, 36, 0xFFFFFFFF])
def test_a_header_that_was_written_before_the_end_was_known(size: int, riff: int) -> None:
    file = wav(RAW, SAMPLE_RATE)
    file = file[:4] + struct.pack("<I", riff) + file[8:40] + struct.pack("<I", size) + file[44:]
    for given_as, seconds in ((file, 0.5), (io.BytesIO(file), 0.5), (Pipe(file), None), (cut(file, 333), None)):
        sound = open_sound(given_as)
        assert sound.seconds == seconds
        assert np.array_equal(samples(sound.pcm()), EXACT)
        assert sound.notes == []


def test_rf64() -> None:
    form = struct.pack("<HHIIHH", 1, 1, SAMPLE_RATE, 2 * SAMPLE_RATE, 2, 16)
    after = chunk(b"LIST", b"x" * 999)
    sizes = struct.pack("<QQQI", 72 + len(RAW) + len(after), len(RAW), len(TONE), 0)
    file = b"RF64" + b"\xff" * 4 + b"WAVE" + chunk(b"ds64", sizes) + chunk(b"fmt ", form)
    file += b"data" + b"\xff" * 4 + RAW + after
    for given_as in (file, Pipe(file), cut(file, 333)):
        assert np.array_equal(samples(open_sound(given_as).pcm()), EXACT)
    assert open_sound(file).seconds == 0.5


@pytest.mark.parametrize("keep", [-1, -777, -len(RAW) // 2])
def test_a_file_that_ends_early_is_played_as_far_as_it_goes(keep: int) -> None:
    file = wav(RAW, SAMPLE_RATE)[:keep]
    count = (len(file) - 44) // 2
    for given_as in (file, Pipe(file)):
        sound = open_sound(given_as)
        assert np.array_equal(samples(sound.pcm()), EXACT[:count])
        assert len(sound.notes) == 1
        assert f"ends early: {-keep / 2 / SAMPLE_RATE:.2f} s" in sound.notes[0]
    assert open_sound(file).seconds == pytest.approx(count / SAMPLE_RATE)


def test_a_stream_whose_header_counts_its_first_part_only() -> None:
    first = wav(RAW[:5000], SAMPLE_RATE)
    got = samples(open_sound(iter([first, RAW[5000:9001], RAW[9001:]])).pcm())
    assert np.array_equal(got, EXACT)


def test_samples_of_fewer_bits_than_their_bytes_hold() -> None:
    form = struct.pack("<HHIIHH", 1, 1, SAMPLE_RATE, 4 * SAMPLE_RATE, 4, 24)
    body = chunk(b"fmt ", form) + chunk(b"data", encode(TONE, 32, 1))
    got = samples(open_sound(b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WAVE" + body).pcm())
    assert np.abs(got - TONE).max() <= 1 / 32768


@pytest.mark.parametrize("codec", ["pcm_alaw", "pcm_mulaw", "adpcm_ms", "adpcm_ima_wav"])
def test_coded_wav_goes_to_the_decoder(codec: str) -> None:
    file = signals.encoded(signals.sine(440, 8_000), 8_000, "wav", codec)
    for given_as in (file, Pipe(file), cut(file, 777)):
        got = samples(open_sound(given_as).pcm())
        assert signals.amplitude(got, 440) == pytest.approx(0.5, rel=0.02)


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (wav(RAW, 10), "rate of 10 Hz; only 1,000 to 768,000 Hz"),
        (wav(RAW, SAMPLE_RATE, channels=0), "0 channels"),
        (wav(RAW, SAMPLE_RATE, bits=40), "40-bit PCM samples and 5 bytes per frame. Only 8-, 16-, 24- or 32-bit PCM"),
        (wav(RAW, SAMPLE_RATE, bits=16, tag=3), "16-bit float"),
        (wav(b"", SAMPLE_RATE), "contains no samples"),
        (wav(b"", SAMPLE_RATE, after=chunk(b"LIST", b"x" * 99)), "contains no samples"),
        (wav(RAW, SAMPLE_RATE)[:16], "ends before its sound begins"),
        (wav(RAW, SAMPLE_RATE)[:30], "header ends early"),
        (wav(RAW, SAMPLE_RATE)[:12] + chunk(b"data", RAW), "before its format"),
        (wav(RAW, SAMPLE_RATE)[:12] + chunk(b"fmt ", b"\1\0"), "header ends early"),
        (wav(RAW, SAMPLE_RATE)[:12] + b"LIST" + b"\xff\xff\xff\x7f" + RAW, "without sound in its first 16 MiB"),
    ],
)
def test_what_cannot_be_used_is_named(file: bytes, words: str) -> None:
    with pytest.raises(AudioError, match=words):
        open_sound(file)


@settings(max_examples=300, deadline=None)
@given(start=st.sampled_from([b"", wav(RAW, SAMPLE_RATE)[:44], wav(RAW, 8_000, 2, 24)[:60]]), data=st.data())
def test_no_bytes_raise_anything_else(start: bytes, data: st.DataObject) -> None:
    file = bytearray(start + data.draw(st.binary(max_size=200)))
    for at, value in data.draw(st.lists(st.tuples(st.integers(0, 63), st.integers(0, 255)), max_size=4)):
        if at < len(file):
            file[at] = value
    for given_as in (bytes(file), Pipe(bytes(file), 7), cut(bytes(file), 13)):
        with contextlib.suppress(AudioError):
            assert all(0 < len(piece) <= 48_000 for piece in open_sound(given_as).pcm())
