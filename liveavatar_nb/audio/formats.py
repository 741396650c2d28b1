"""Recognises file types by their first bytes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from .limits import SNIFF_BYTES

SHOWN_BYTES: Final = 14  # number of bytes, from the beginning of an unknown file, to show in an error
LONG_SIGNATURE: Final = 5  # minimum length, in bytes, of a signature that raw samples are unlikely to match by chance


@dataclass(frozen=True)
class FileFormat:
    """A file type.

    Args:
        words: The type's name, with an article.
        ffmpeg_name: FFmpeg's name for the type; None if such files contain no audio.
        remedy: What to do about a file that contains no audio.
    """

    words: str
    ffmpeg_name: str | None = None
    remedy: str = ""


WAV: Final = FileFormat("a WAV file", "wav")
MP3: Final = FileFormat("an MP3 file", "mp3")
AAC: Final = FileFormat("an AAC stream", "aac")
MP4: Final = FileFormat("an MP4 file (m4a, mp4, mov)", "mp4")

_SOUNDS: Final = (
    (rb"(?:RIFF|RF64|BW64)....WAVE", WAV),
    (rb"RIFX....WAVE", FileFormat("a big-endian WAV file", "wav")),
    (rb"ID3", MP3),
    (rb"OggS\x00", FileFormat("an Ogg file", "ogg")),
    (rb"fLaC", FileFormat("a FLAC file", "flac")),
    (rb"....(?:ftyp|moov|mdat|wide)", MP4),
    (rb"\x1a\x45\xdf\xa3", FileFormat("a WebM or Matroska file", "matroska")),
    (rb"FORM....AIF[FC]", FileFormat("an AIFF file", "aiff")),
    (rb"\.snd", FileFormat("an AU file", "au")),
    (rb"caff", FileFormat("a CAF file", "caf")),
    (rb"RIFF....AVI ", FileFormat("an AVI video", "avi")),
    (rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11", FileFormat("a Windows Media file", "asf")),
    (rb"#!AMR", FileFormat("an AMR file", "amr")),
)
FROM_A_SERVICE: Final = "If it came from a service, it may be an error message: read it."

_OTHERS: Final = (
    (rb"\s*(?i:<!DOCTYPE html|<html)", FileFormat("a web page", remedy="Check what the URL returns.")),
    (
        rb"\s*[{\[]\s*[\"{]",
        FileFormat("JSON", remedy=FROM_A_SERVICE),
    ),
    (rb"\s*<\?xml", FileFormat("XML", remedy=FROM_A_SERVICE)),
    (rb"version https://git-lfs", FileFormat("a Git LFS pointer", remedy="Fetch the file itself with `git lfs pull`.")),
    (rb"#EXTM3U", FileFormat("a playlist", remedy="Pass the files that the playlist lists.")),
    (
        rb"\x93NUMPY",
        FileFormat("a saved NumPy array", remedy="Pass the result of numpy.load(...) and the sample rate."),
    ),
    (rb"MThd", FileFormat("a MIDI file, which contains notes but no audio")),
    (rb"%PDF-", FileFormat("a PDF")),
    (rb"\x89PNG\r\n\x1a\n|\xff\xd8\xff", FileFormat("a picture")),
    (rb"PK\x03\x04|\x1f\x8b\x08", FileFormat("an archive", remedy="Unpack it first.")),
)
_FORMATS: Final = [(re.compile(pattern, re.DOTALL), file_format) for pattern, file_format in _SOUNDS + _OTHERS]
# matches the beginning of a new file within a stream; an Ogg page matches only if it is flagged as a first page
_START: Final = re.compile(
    rb"(?:RIFF|RF64|BW64)....WAVE|ID3|OggS\x00[\x02\x03\x06\x07]|fLaC|....ftyp",
    re.DOTALL,
)


def format_of(head: bytes, *, may_be_raw: bool) -> FileFormat | None:
    """Return the type that a file's first bytes indicate, or None if they aren't recognised.

    Args:
        head: The file's first 32 bytes, or fewer if the file is shorter.
        may_be_raw: Whether the file may consist of raw samples, in which case short signatures are ignored.
    """
    for pattern, file_format in _FORMATS:
        found = pattern.match(head)
        if found and not (may_be_raw and file_format.ffmpeg_name is None and found.end() < LONG_SIGNATURE):
            return file_format
    return None if may_be_raw else _frame_format(head)


def begins_file(item: bytes) -> bool:
    """Return whether some bytes from a stream are the beginning of a new file."""
    return _START.match(item[:SNIFF_BYTES]) is not None


def begins_with(head: bytes) -> str:
    """Return a file's first bytes as text, for use in an error message."""
    head = head[:SHOWN_BYTES]
    text = head.decode("ascii", "replace")
    return repr(text) if text.isprintable() and "\ufffd" not in text else f"the bytes {head.hex(' ')}"


def _frame_format(head: bytes) -> FileFormat | None:
    """Return MP3 or AAC if a file without a header begins with an MPEG audio frame, otherwise None."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    if layer == 0:
        return AAC if head[1] & 0xF6 == 0xF0 and head[2] >> 2 & 0xF < 13 else None
    usable = version != 1 and head[2] >> 4 not in (0, 15) and head[2] >> 2 & 3 != 3
    return MP3 if usable else None
