"""What the first bytes of a file say."""

from __future__ import annotations

import gzip
import io
import json
import zipfile

import numpy as np
import pytest

from liveavatar_nb.audio import open_sound
from liveavatar_nb.audio.formats import begins_file, format_of
from liveavatar_nb.errors import AudioError

from . import signals


def saved_array() -> bytes:
    file = io.BytesIO()
    np.save(file, np.zeros(9))
    return file.getvalue()


def archive() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        packed.writestr("sound.wav", b"RIFF")
    return file.getvalue()


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (b"<!DOCTYPE html><html lang=en>", "is a web page: it begins with '<!DOCTYPE html'"),
        (b"\n <HTML><head>", "is a web page"),
        (json.dumps({"error": "quota exceeded"}).encode(), "is JSON: it begins with .*an error message"),
        (b'<?xml version="1.0"?><Error>', "is XML"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "Git LFS pointer.*git lfs pull"),
        (b"#EXTM3U\nhttp://127.0.0.1/a.mp3", "is a playlist"),
        (b"MThd\0\0\0\6", "MIDI"),
        (b"%PDF-1.7", "is a PDF"),
        (b"\x89PNG\r\n\x1a\n\0\0", "is a picture"),
        (saved_array(), "a saved NumPy array.*numpy.load"),
        (archive(), "is an archive.*Unpack"),
        (gzip.compress(b"RIFF", mtime=0), "is an archive"),
        (b"Hello, this is text.", r"begins with 'Hello, this is'.*Supported are WAV.*mp3.*rate=24000"),
        (b"\0\1\2\3", "begins with the bytes 00 01 02 03"),
        (b"\xff\xfe<\0h\0t\0m\0l\0", "begins with the bytes ff fe"),
        (b"", "The data is empty"),
    ],
)
def test_what_is_no_sound_is_named_with_what_is_accepted(file: bytes, words: str) -> None:
    with pytest.raises(AudioError, match=words):
        open_sound(file)


@pytest.mark.parametrize("file", [b"<!DOCTYPE html><html>", b"%PDF-1.7", saved_array()])
def test_a_rate_does_not_make_a_web_page_sound(file: bytes) -> None:
    with pytest.raises(AudioError):
        open_sound(file, rate=24_000)


def test_weak_signs_do_not_count_where_it_may_be_raw() -> None:
    for weak in (b"\xff\xfb\x90\x00", b"\x1f\x8b\x08\x00", b'{"', b"\xff\xd8\xff\xe0"):
        data = weak + bytes(100)
        assert format_of(data, may_be_raw=True) is None
        assert b"".join(open_sound(data, rate=24_000).pcm()) == data
    assert format_of(b"\xff\xfb\x90\x00", may_be_raw=False) is not None


def test_frames_of_mpeg_sound_are_told_from_other_bytes() -> None:
    kinds = {0x90: True, 0xF0: False, 0x00: False, 0x9C: False}  # of the byte with bit rate and rate
    for third, is_sound in kinds.items():
        assert (format_of(bytes([0xFF, 0xFB, third, 0]), may_be_raw=False) is not None) == is_sound
    assert format_of(b"\xff\xeb\x90\x00", may_be_raw=False) is None, "a version that there is not"
    aac = format_of(b"\xff\xf1\x50\x80", may_be_raw=False)
    assert aac is not None
    assert aac.words == "an AAC stream"


def test_a_new_file_in_a_stream_is_told_from_the_next_part_of_one() -> None:
    tone = signals.sine(440, 48_000)
    ogg = signals.encoded(tone, 48_000, "ogg", "libopus")
    pages = [at for at in range(len(ogg)) if ogg.startswith(b"OggS", at)]
    assert len(pages) > 3
    assert [begins_file(ogg[at:]) for at in pages] == [True] + [False] * (len(pages) - 1)
    for start in (b"RIFF\0\0\0\0WAVE", b"RF64\0\0\0\0WAVE", b"ID3\4", b"fLaC\0", b"\0\0\0\x20ftypM4A "):
        assert begins_file(start)
        assert not begins_file(b"\0" + start)
    for other in (b"", b"RIFF", b"RIFF\0\0\0\0AVI ", b"\xff\xfb\x90\x00", b"OggS\0\0"):
        assert not begins_file(other)
