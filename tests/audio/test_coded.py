"""mp3, ogg, flac, m4a and videos: whole, cut up by a service, from where one cannot go back, damaged, undecodable."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liveavatar_nb.audio import open_sound
from liveavatar_nb.errors import AudioError

from . import signals
from .signals import samples
from .test_wav import Pipe

FRAGMENTED = "frag_keyframe+empty_moov+delay_moov"

# container, codec, rate, options; how far apart the sound may be (dB of full scale), how much may follow it (s)
FORMATS = {
    "mp3": ("mp3", "libmp3lame", 44_100, {}, -40, 0.05),
    "mp3 without a header": ("mp3", "libmp3lame", 24_000, {"id3v2_version": "0", "write_xing": "0"}, None, 0.1),
    "ogg opus": ("ogg", "libopus", 48_000, {}, -40, 0.001),
    "flac": ("flac", "flac", 44_100, {}, -85, 0.001),
    "m4a": ("mp4", "aac", 44_100, {"movflags": FRAGMENTED}, -40, 0.05),
    "aac": ("adts", "aac", 44_100, {}, None, 0.1),
    "webm": ("webm", "libopus", 48_000, {}, -40, 0.001),
    "aiff": ("aiff", "pcm_s16be", 44_100, {}, -85, 0.001),
    "caf": ("caf", "pcm_s16be", 44_100, {}, -85, 0.001),
    "au": ("au", "pcm_s16be", 44_100, {}, -85, 0.001),
}


@cache
def file_of(name: str) -> tuple[bytes, signals.Signal]:
    """A file of speech, and what is to come out of it."""
    container, codec, rate, options, _, _ = FORMATS[name]
    speech = signals.stereo(signals.speech(rate, 3.0))
    return signals.encoded(speech, rate, container, codec, options=options), signals.reference(speech, rate)


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_from_everywhere(name: str, tmp_path: Path) -> None:
    file, wanted = file_of(name)
    apart, after = FORMATS[name][4:]
    path = tmp_path / "sound.bin"
    path.write_bytes(file)
    with path.open("rb") as opened:
        for given_as in (path, str(path), file, bytearray(file), opened, Pipe(file), cut(file, 1_000)):
            sound = open_sound(given_as)
            got = samples(sound.pcm())
            assert sound.notes == []
            assert -1 <= len(got) - len(wanted) <= after * 24_000
            if apart is not None:
                assert signals.difference(got[: len(wanted)], wanted) < apart
        assert not opened.closed


@pytest.mark.parametrize("name", FORMATS)
def test_it_does_not_matter_how_a_file_is_cut(name: str) -> None:
    file, _ = file_of(name)
    wanted = b"".join(open_sound(Pipe(file)).pcm())
    for size in (17, 417, 4_096, len(file)):
        assert b"".join(open_sound(cut(file, size)).pcm()) == wanted


def cut(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


@pytest.mark.parametrize("name", ["mp3", "ogg opus", "flac", "m4a", "aac", "webm"])
def test_the_first_piece_comes_before_the_rest_is_read(name: str) -> None:
    file, _ = file_of(name)
    given_out = 0

    def service() -> Iterator[bytes]:
        nonlocal given_out
        for part in cut(file, 500):
            given_out += len(part)
            yield part

    sound = open_sound(service())
    assert next(sound.pcm())
    assert given_out < len(file) / 2
    sound.close()


def test_an_m4a_with_its_index_at_the_end_needs_to_go_back() -> None:
    speech = signals.speech(44_100, 2.0)
    file = signals.encoded(speech, 44_100, "mp4", "aac")
    for given_as in (file, io.BytesIO(file)):
        sound = open_sound(given_as)
        assert sound.seconds == pytest.approx(2.0, abs=0.03)
        assert signals.difference(samples(sound.pcm())[:48_000], signals.reference(speech, 44_100)) < -40
    for stream in (Pipe(file), cut(file, 999)):
        with pytest.raises(AudioError, match=r"index is at the end.*faststart"):
            open_sound(stream)


def test_a_file_object_is_read_from_where_it_stands() -> None:
    file, _ = file_of("flac")
    inside = io.BytesIO(b"\0" * 321 + file)
    inside.seek(321)
    assert b"".join(open_sound(inside).pcm()) == b"".join(open_sound(file).pcm())


@pytest.mark.parametrize(("container", "codec"), [("mp4", "aac"), ("matroska", "libopus"), ("avi", "pcm_s16le")])
def test_the_sound_of_a_video(container: str, codec: str) -> None:
    tone = signals.sine(440, 48_000)
    got = samples(open_sound(signals.encoded(tone, 48_000, container, codec, picture=True)).pcm())
    assert signals.amplitude(got, 440) == pytest.approx(0.5, rel=0.02)


def test_a_video_without_sound_says_so() -> None:
    silent = signals.encoded(signals.sine(440, 48_000), 48_000, "matroska", None, picture=True)
    with pytest.raises(AudioError, match="WebM or Matroska file, but has no audio track"):
        open_sound(silent)


@pytest.mark.parametrize("name", ["mp3", "ogg opus", "flac", "m4a"])
def test_without_the_extra_the_error_says_what_to_install(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    file, _ = file_of(name)
    monkeypatch.setitem(sys.modules, "av", None)
    words = {"mp3": "an MP3 file", "ogg opus": "an Ogg file", "flac": "a FLAC file", "m4a": "an MP4 file"}[name]
    with pytest.raises(AudioError, match=rf'{words}.*pip install "liveavatar-nb\[audio\]"'):
        open_sound(file)


def test_what_is_damaged_is_left_out_and_said() -> None:
    file, wanted = file_of("mp3")
    damaged = bytearray(file)
    for at in range(20_000, 24_000):
        damaged[at] = at * 7 % 256
    sound = open_sound(bytes(damaged))
    got = samples(sound.pcm())
    assert len(got) > 0.8 * len(wanted)
    assert signals.difference(got[:9_000], wanted[:9_000]) < -40
    assert len(sound.notes) == 1
    assert "could not be decoded, the first at" in sound.notes[0]


def test_what_cannot_be_decoded_is_named() -> None:
    for start, words in ((b"fLaC", "a FLAC file"), (b"OggS\0\2", "an Ogg file"), (b"ID3\4\0\0\0\0\0\0", "an MP3 file")):
        with pytest.raises(AudioError, match=f"{words}, but can't be decoded") as caught:
            open_sound(start + bytes(range(256)) * 20)
        assert caught.value.__cause__ is not None


def test_what_was_decoded_before_a_failure_is_played() -> None:
    file, wanted = file_of("mp3")
    failure = OSError("the disk went away")

    class Failing(io.BytesIO):
        def read1(self, size: int | None = -1) -> bytes:
            if self.tell() > len(file) // 2:
                raise failure
            return super().read1(4_096)

    sound = open_sound(Failing(file))
    got = b""
    with pytest.raises(AudioError, match=r"After 1.\d s of sound: The file can't be read: the disk") as caught:  # noqa: PT012
        for piece in sound.pcm():
            got += piece
    assert caught.value.__cause__ is failure
    assert len(got) > len(wanted) * 0.8
    assert signals.difference(samples([got]), wanted[: len(got) // 2]) < -40


def test_whole_files_one_after_the_other() -> None:
    flac, ogg = file_of("flac")[0], file_of("ogg opus")[0]
    alone = [b"".join(open_sound(file).pcm()) for file in (flac, ogg)]
    for together in ([flac, ogg], [*cut(flac, 999), *cut(ogg, 999)]):
        assert b"".join(open_sound(iter(together)).pcm()) == b"".join(alone)


def test_the_rate_of_a_file_counts_and_a_given_one_is_said_to_be_left_out() -> None:
    file, _ = file_of("flac")
    sound = open_sound(file, rate=16_000)
    assert b"".join(sound.pcm()) == b"".join(open_sound(file).pcm())
    assert sound.notes == ["The data has its own rate of 44100 Hz; rate=16000 was ignored."]


@settings(max_examples=200, deadline=None)
@given(
    name=st.sampled_from(sorted(FORMATS)),
    changes=st.lists(st.tuples(st.integers(0, 4_000), st.integers(0, 255)), max_size=12),
    length=st.integers(1, 60_000),
    way=st.sampled_from(["bytes", "file", "pipe", "cut"]),
)
def test_no_damage_raises_anything_else(name: str, changes: list[tuple[int, int]], length: int, way: str) -> None:
    damaged = bytearray(file_of(name)[0][:length])
    for at, value in changes:
        if at < len(damaged):
            damaged[at] = value
    file = bytes(damaged)
    given_as = {"bytes": file, "file": io.BytesIO(file), "pipe": Pipe(file), "cut": cut(file, 999)}[way]
    try:
        count = sum(map(len, open_sound(given_as).pcm()))
    except AudioError:
        return
    assert count % 2 == 0


def test_a_sound_that_is_closed_early_lets_go_of_its_file(tmp_path: Path) -> None:
    path = tmp_path / "sound.flac"
    path.write_bytes(file_of("flac")[0])
    sound = open_sound(path)
    pieces = sound.pcm()
    next(pieces)
    sound.close()
    sound.close()
    assert list(pieces) == []
    assert not [entry for entry in Path("/proc/self/fd").iterdir() if entry.exists() and entry.resolve() == path]
