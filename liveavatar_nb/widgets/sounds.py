"""`Sounds`: the sounds that `Talk` offers, whether from the caller, the notebook's folder or the page."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import math
import os
import struct
import threading
import uuid
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from ..audio import SAMPLE_RATE, open_sound
from ..audio.formats import format_of
from ..errors import AudioError, InvalidArgument, LiveAvatarException
from .parts import Assembly, decoded

FOLDER_LIMIT: Final = 50  # maximum number of sounds to offer from the notebook's folder, newest first
PART_BYTES: Final = 384 * 1024  # maximum size of one part of a dropped sound, in bytes
DROPPED_LIMIT: Final = 50 * 1024 * 1024  # maximum size of a dropped sound, in bytes
ALL_DROPPED_LIMIT: Final = 200 * 1024 * 1024  # maximum total size, in bytes, of the sounds dropped onto the widget
UPLOAD_PATIENCE: Final = 60.0  # seconds without a new part after which an upload is abandoned
LONGEST_NAME: Final = 120  # maximum characters in the name shown for a sound
TONE_SECONDS: Final = 2.0
TONE_PITCHES: Final = (440.0, 660.0)  # Hz
TONE_FADE: Final = 0.05  # seconds
TONE_LEVEL: Final = 0.25  # amplitude, as a fraction of full scale

ENDINGS: Final = (".wav",)
CODED_ENDINGS: Final = (".mp3", ".ogg", ".flac", ".m4a")  # decoded by PyAV

Origin = Literal["given", "dropped", "folder", "tone"]


@dataclass(frozen=True, eq=False)
class OfferedSound:
    """A sound that a page offers to play.

    Attributes:
        id: An id that no other sound on offer has.
        name: The name shown on the page.
        origin: `given`, `dropped`, `folder` or `tone`.
        audio: The audio, as passed to `play`.
        rate: Samples per second if `audio` is raw; otherwise None.
        seconds: The sound's length in seconds; None if unknown.
        size: The memory that a dropped sound uses, in bytes; 0 for other sounds.
    """

    id: str
    name: str
    origin: Origin
    audio: Any
    rate: int | None = None
    seconds: float | None = None
    size: int = 0


class Sounds:
    """The sounds that `Talk` offers; safe to use from several threads.

    Args:
        given: Paths, file contents as bytes, or (samples, rate) pairs; pass a mapping to name the sounds.

    Raises:
        AudioError: One of the sounds cannot be read.
        InvalidArgument: One of the sounds can be read only once.
    """

    def __init__(self, given: Iterable[Any] | Mapping[str, Any] = ()) -> None:
        self._lock = threading.Lock()
        self._given = [_offer(audio, name) for name, audio in _with_names(given)]
        self._dropped: dict[str, OfferedSound] = {}
        self._folder: dict[str, OfferedSound] = {}
        self._seen: dict[tuple[str, int, int], OfferedSound] = {}
        self._uploads = Assembly(PART_BYTES, DROPPED_LIMIT)
        self._tone = OfferedSound("tone", "Test tone", "tone", _tone(), SAMPLE_RATE, TONE_SECONDS)

    def __iter__(self) -> Iterator[OfferedSound]:
        with self._lock:
            return iter([*self._given, *self._dropped.values(), *self._folder.values(), self._tone])

    def find(self, sound_id: str) -> OfferedSound:
        """Return the sound with this id.

        Raises:
            InvalidArgument: There is no such sound.
        """
        for offer in self:
            if offer.id == sound_id:
                return offer
        raise InvalidArgument("That sound is no longer available.", remedy="Add it again.")

    def look(self) -> None:
        """Read the notebook's folder again."""
        found: dict[str, OfferedSound] = {}
        seen: dict[tuple[str, int, int], OfferedSound] = {}
        given = {offer.audio for offer in self._given if isinstance(offer.audio, Path)}
        for path, facts in _newest():
            if path in given:
                continue
            key = (str(path), facts.st_mtime_ns, facts.st_size)
            offer = self._seen.get(key) or OfferedSound(
                uuid.uuid4().hex, path.name, "folder", path, None, _length(path)
            )
            seen[key] = offer
            found[offer.id] = offer
        with self._lock:
            self._folder, self._seen = found, seen

    def receive(self, upload: str, name: str, part: int, parts: int, data: str) -> bool:
        """Receive part of a dropped sound.

        Args:
            upload: An id that all parts of the sound share.
            name: The file's name.
            part: The part's number, starting at 0; parts arrive in order.
            parts: The number of parts.
            data: The part's content, in base64.

        Returns:
            Whether the sound is complete.

        Raises:
            AudioError: The file is not a sound, or is in a format that this environment cannot read.
            InvalidArgument: The file is too large or incomplete.
        """
        name = name.replace("\\", "/").rpartition("/")[2][:LONGEST_NAME] or "sound"
        try:
            whole = self._append(upload, name, part, parts, data)
            if whole is None:
                return False
            offer = OfferedSound(
                uuid.uuid4().hex, name, "dropped", whole, None, _read_beginning(whole, name), len(whole)
            )
        except LiveAvatarException:
            self.cancel_upload(upload)
            raise
        with self._lock:
            self._dropped[offer.id] = offer
        return True

    def cancel_upload(self, upload: str) -> None:
        """Discard the parts of an upload that have arrived."""
        with self._lock:
            self._uploads.discard(upload)

    def remove(self, sound_id: str) -> None:
        """Remove a dropped sound from the list."""
        with self._lock:
            self._dropped.pop(sound_id, None)

    def clear(self) -> None:
        """Discard all dropped sounds and uploads."""
        with self._lock:
            self._dropped.clear()
            self._uploads.clear()

    def _append(self, upload: str, name: str, part: int, parts: int, data: str) -> bytes | None:
        """Add a part to its upload; return the whole file after the last part, otherwise None."""
        if not self._uploads.fits(parts):
            raise InvalidArgument(
                f"{name} is too large: a file dropped on the page can be at most {DROPPED_LIMIT // 2**20} MB.",
                remedy=f"Put the file next to the notebook, or play it by its path: s.play({name!r}).",
            )
        incomplete = InvalidArgument(f"{name} is incomplete.", remedy="Add it again.")
        try:
            content = decoded(data, PART_BYTES)
        except InvalidArgument:
            raise incomplete from None
        if part == 0:
            _refuse_early(content, name)
        with self._lock:
            self._uploads.discard_idle(UPLOAD_PATIENCE, but=upload)
            if part == 0:
                self._uploads.begin(upload, parts)
            elif upload not in self._uploads:
                # the upload was refused while this part was on its way
                return None
            kept = self._uploads.size + sum(offer.size for offer in self._dropped.values())
            if kept + len(content) > ALL_DROPPED_LIMIT:
                raise InvalidArgument(
                    f"There is no room for {name}: dropped sounds may use {ALL_DROPPED_LIMIT // 2**20} MB in total.",
                    remedy="Remove one of the other sounds, or put this file next to the notebook.",
                )
            try:
                return self._uploads.add(upload, part, parts, content)
            except InvalidArgument:
                raise incomplete from None


def endings() -> tuple[str, ...]:
    """Return the extensions of the sound files that this environment can read."""
    return ENDINGS + (CODED_ENDINGS if importlib.util.find_spec("av") is not None else ())


def _with_names(given: Iterable[Any] | Mapping[str, Any]) -> list[tuple[str | None, Any]]:
    if isinstance(given, str | bytes | os.PathLike):
        raise InvalidArgument(
            f"sounds must be a list of sounds, not {type(given).__name__}.",
            remedy="sounds=['welcome.wav']",
            field="sounds",
        )
    if isinstance(given, Mapping):
        return [(str(name), audio) for name, audio in given.items()]
    return [(None, audio) for audio in given]


def _offer(audio: Any, name: str | None) -> OfferedSound:
    if isinstance(audio, Iterator | AsyncIterator) or hasattr(audio, "read"):
        raise InvalidArgument(
            f"A sound must be readable more than once, but a {type(audio).__name__} can be read only once.",
            remedy="Pass a path, the contents of a file as bytes, or (samples, rate).",
            field="sounds",
        )
    if isinstance(audio, str | os.PathLike):
        # make the path absolute, because the notebook may change its working directory
        audio = Path(audio).expanduser().absolute() if "://" not in str(audio) else audio
    with contextlib.closing(open_sound(audio)) as sound:
        return OfferedSound(uuid.uuid4().hex, (name or sound.name)[:LONGEST_NAME], "given", audio, None, sound.seconds)


def _newest() -> list[tuple[Path, os.stat_result]]:
    """Return the newest sound files in the notebook's folder, newest first; an empty list if the folder is gone."""
    accepted = endings()
    found: list[tuple[Path, os.stat_result]] = []
    with contextlib.suppress(OSError), os.scandir(Path.cwd()) as entries:
        for entry in entries:
            if not entry.name.lower().endswith(accepted) or entry.name.startswith("."):
                continue
            # the file may be gone by now
            with contextlib.suppress(OSError):
                if entry.is_file():
                    found.append((Path(entry.path), entry.stat()))
    return sorted(found, key=lambda entry: entry[1].st_mtime_ns, reverse=True)[:FOLDER_LIMIT]


def _length(path: Path) -> float | None:
    """Return a file's length in seconds; None if the length is unknown or the file cannot be read."""
    try:
        with contextlib.closing(open_sound(path)) as sound:
            return sound.seconds
    except (AudioError, OSError):
        return None


def _refuse_early(head: bytes, name: str) -> None:
    """Raise an error if the first part of a file shows that the file cannot be read as a sound."""
    file_format = format_of(head, may_be_raw=False)
    if (
        file_format is None
        or file_format.ffmpeg_name is None
        or (file_format.ffmpeg_name != "wav" and endings() == ENDINGS)
    ):
        _read_beginning(head, name)


def _read_beginning(content: bytes, name: str) -> float | None:
    """Read the first second of a dropped file; return the file's full length in seconds, or None if unknown."""
    try:
        with contextlib.closing(open_sound(io.BytesIO(content))) as sound:
            next(iter(sound.pcm()), b"")
            return sound.seconds
    except AudioError as failure:
        remedy = failure.remedy if "pip install" in failure.remedy else "Convert it to a WAV file, or drop another one."
        raise AudioError(f"{name} was not added. {failure.message}", remedy=remedy) from None


def _tone() -> bytes:
    """Return two notes, one after the other, as raw samples."""
    note = round(TONE_SECONDS * SAMPLE_RATE) // len(TONE_PITCHES)
    ramp = TONE_FADE * SAMPLE_RATE
    levels = [32767 * TONE_LEVEL * min(1.0, at / ramp, (note - at) / ramp) for at in range(note)]
    samples = [
        round(level * math.sin(2 * math.pi * pitch * at / SAMPLE_RATE))
        for pitch in TONE_PITCHES
        for at, level in enumerate(levels)
    ]
    return struct.pack(f"<{len(samples)}h", *samples)
