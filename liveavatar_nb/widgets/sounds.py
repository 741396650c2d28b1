"""`Sounds`: what `Talk` has on offer: sounds that were given, that lie in the notebook's folder, or were dropped."""

from __future__ import annotations

import base64
import binascii
import contextlib
import importlib.util
import io
import math
import os
import struct
import threading
import time
import uuid
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from ..audio import SAMPLE_RATE, open_sound
from ..audio.kinds import kind_of
from ..errors import AudioError, InvalidArgument, LiveAvatarException

FOLDER_LIMIT: Final = 50  # sounds of the notebook's folder on offer, the newest
PART_BYTES: Final = 384 * 1024  # of a dropped sound that come in one message
DROPPED_LIMIT: Final = 50 * 1024 * 1024  # bytes of one dropped sound
ALL_DROPPED_LIMIT: Final = 200 * 1024 * 1024  # bytes of all of them
UPLOAD_PATIENCE: Final = 60.0  # s without a part after which an upload is given up
LONGEST_NAME: Final = 120  # characters of a sound's name
TONE_SECONDS: Final = 2.0
TONE_PITCHES: Final = (440.0, 660.0)  # Hz
TONE_FADE: Final = 0.05  # s
TONE_LEVEL: Final = 0.25  # of full scale

ENDINGS: Final = (".wav",)
CODED_ENDINGS: Final = (".mp3", ".ogg", ".flac", ".m4a")  # of which PyAV makes samples

Origin = Literal["given", "dropped", "folder", "tone"]


@dataclass(frozen=True, eq=False)
class Offer:
    """One sound on offer.

    Attributes:
        id: its own, for as long as it is on offer.
        name: what it is called.
        origin: `given`, `dropped`, `folder` or `tone`.
        audio: what `play` takes.
        rate: samples a second, where `audio` is raw.
        seconds: its length, where it is known.
        size: bytes of memory that it takes.
    """

    id: str
    name: str
    origin: Origin
    audio: Any
    rate: int | None = None
    seconds: float | None = None
    size: int = 0


@dataclass
class _Upload:
    parts: int
    came: list[bytes] = field(default_factory=list)
    at: float = field(default_factory=time.monotonic)

    @property
    def size(self) -> int:
        return sum(map(len, self.came))


class Sounds:
    """What `Talk` has on offer; safe to use from several threads.

    Args:
        given: paths, bytes of files, or pairs of samples and their rate; by name where it is a mapping.

    Raises:
        AudioError: one of them cannot be read.
        InvalidArgument: one can be read only once.
    """

    def __init__(self, given: Iterable[Any] | Mapping[str, Any] = ()) -> None:
        self._lock = threading.Lock()
        self._given = [_given(audio, name) for name, audio in _named(given)]
        self._dropped: dict[str, Offer] = {}
        self._folder: dict[str, Offer] = {}
        self._seen: dict[tuple[str, int, int], Offer] = {}
        self._uploads: dict[str, _Upload] = {}
        self._tone = Offer("tone", "Test tone", "tone", _tone(), SAMPLE_RATE, TONE_SECONDS)

    def __iter__(self) -> Iterator[Offer]:
        with self._lock:
            return iter([*self._given, *self._dropped.values(), *self._folder.values(), self._tone])

    def find(self, sound_id: str) -> Offer:
        """The sound of that id.

        Raises:
            InvalidArgument: there is none.
        """
        for offer in self:
            if offer.id == sound_id:
                return offer
        raise InvalidArgument("That sound is not on offer any more.", remedy="Add it again.")

    def look(self) -> None:
        """Looks at the notebook's folder again."""
        found: dict[str, Offer] = {}
        seen: dict[tuple[str, int, int], Offer] = {}
        given = {offer.audio for offer in self._given if isinstance(offer.audio, Path)}
        for path, facts in _newest():
            if path in given:
                continue
            key = (str(path), facts.st_mtime_ns, facts.st_size)
            offer = self._seen.get(key) or Offer(uuid.uuid4().hex, path.name, "folder", path, None, _length(path))
            seen[key] = offer
            found[offer.id] = offer
        with self._lock:
            self._folder, self._seen = found, seen

    def receive(self, upload: str, name: str, part: int, parts: int, data: str) -> bool:
        """Takes in a part of a dropped sound; whether that was the last that is wanted.

        Args:
            upload: an id that its parts share.
            name: of the file.
            part: which part, from 0 on; one by one.
            parts: how many there are.
            data: the part in base64.

        Raises:
            AudioError: it is no sound, or one that cannot be read here.
            InvalidArgument: it is too large, or did not arrive whole.
        """
        name = name.replace("\\", "/").rpartition("/")[2][:LONGEST_NAME] or "sound"
        try:
            whole = self._take_in(upload, name, part, parts, data)
            if whole is None:
                return False
            offer = Offer(uuid.uuid4().hex, name, "dropped", whole, None, _read_beginning(whole, name), len(whole))
        except LiveAvatarException:
            self.give_up(upload)
            raise
        with self._lock:
            self._uploads.pop(upload, None)
            self._dropped[offer.id] = offer
        return True

    def give_up(self, upload: str) -> None:
        """Forgets what came of an upload."""
        with self._lock:
            self._uploads.pop(upload, None)

    def remove(self, sound_id: str) -> None:
        """Takes a dropped sound from the list."""
        with self._lock:
            self._dropped.pop(sound_id, None)

    def clear(self) -> None:
        """Forgets what was dropped."""
        with self._lock:
            self._dropped.clear()
            self._uploads.clear()

    def _take_in(self, upload: str, name: str, part: int, parts: int, data: str) -> bytes | None:
        """The whole, once all of it is there."""
        if parts > -(-DROPPED_LIMIT // PART_BYTES):
            raise InvalidArgument(
                f"{name} is too large: a dropped sound may have {DROPPED_LIMIT // 2**20} MB.",
                remedy=f"Put it beside the notebook, or play it by its path: s.play({name!r}).",
            )
        try:
            content = base64.b64decode(data, validate=True)
        except binascii.Error:
            content = b""
        if part == 0:
            _refuse_early(content, name)
        now = time.monotonic()
        with self._lock:
            self._uploads = {
                known: one for known, one in self._uploads.items() if now - one.at < UPLOAD_PATIENCE or known == upload
            }
            if part == 0:
                self._uploads[upload] = _Upload(parts)
            under_way = self._uploads.get(upload)
            if under_way is None:
                # it was refused while this part was on its way
                return None
            if not 0 < len(content) <= PART_BYTES or part != len(under_way.came) or parts != under_way.parts:
                raise InvalidArgument(f"{name} did not arrive whole.", remedy="Add it again.")
            kept = sum(offer.size for offer in self._dropped.values())
            kept += sum(one.size for one in self._uploads.values())
            if kept + len(content) > ALL_DROPPED_LIMIT:
                raise InvalidArgument(
                    f"There is no room for {name}: dropped sounds may have {ALL_DROPPED_LIMIT // 2**20} MB in all.",
                    remedy="Remove one from the list, or put it beside the notebook.",
                )
            under_way.came.append(content)
            under_way.at = now
            return b"".join(under_way.came) if len(under_way.came) == parts else None


def endings() -> tuple[str, ...]:
    """Endings of the files that can be read here."""
    return ENDINGS + (CODED_ENDINGS if importlib.util.find_spec("av") is not None else ())


def _named(given: Iterable[Any] | Mapping[str, Any]) -> list[tuple[str | None, Any]]:
    if isinstance(given, str | bytes | os.PathLike):
        raise InvalidArgument("sounds must be a list of sounds.", remedy="sounds=['welcome.wav']", field="sounds")
    if isinstance(given, Mapping):
        return [(str(name), audio) for name, audio in given.items()]
    return [(None, audio) for audio in given]


def _given(audio: Any, name: str | None) -> Offer:
    if isinstance(audio, Iterator | AsyncIterator) or hasattr(audio, "read"):
        raise InvalidArgument(
            f"A sound on offer is played more than once, and a {type(audio).__name__} gives its own only once.",
            remedy="Give a path, the bytes of a file, or (samples, rate).",
            field="sounds",
        )
    if isinstance(audio, str | os.PathLike):
        # wherever the notebook goes from here
        audio = Path(audio).expanduser().absolute() if "://" not in str(audio) else audio
    with contextlib.closing(open_sound(audio)) as sound:
        return Offer(uuid.uuid4().hex, (name or sound.name)[:LONGEST_NAME], "given", audio, None, sound.seconds)


def _newest() -> list[tuple[Path, os.stat_result]]:
    """The newest sound files of the notebook's folder, the newest first; none where that is gone."""
    accepted = endings()
    found: list[tuple[Path, os.stat_result]] = []
    with contextlib.suppress(OSError), os.scandir(Path.cwd()) as entries:
        for entry in entries:
            if not entry.name.lower().endswith(accepted) or entry.name.startswith("."):
                continue
            # it may be gone by now
            with contextlib.suppress(OSError):
                if entry.is_file():
                    found.append((Path(entry.path), entry.stat()))
    return sorted(found, key=lambda one: one[1].st_mtime_ns, reverse=True)[:FOLDER_LIMIT]


def _length(path: Path) -> float | None:
    """Seconds of a file; None where they are not known, or it cannot be read, which playing it tells."""
    try:
        with contextlib.closing(open_sound(path)) as sound:
            return sound.seconds
    except (AudioError, OSError):
        return None


def _refuse_early(head: bytes, name: str) -> None:
    """Refuses by its first part what is no sound, or none that can be read here."""
    kind = kind_of(head, may_be_raw=False)
    if kind is None or kind.format is None or (kind.format != "wav" and endings() == ENDINGS):
        _read_beginning(head, name)


def _read_beginning(content: bytes, name: str) -> float | None:
    """The length of a file that was dropped, where that is known, once its first second could be read."""
    try:
        with contextlib.closing(open_sound(io.BytesIO(content))) as sound:
            next(iter(sound.pcm()), b"")
            return sound.seconds
    except AudioError as failure:
        remedy = failure.remedy if "pip install" in failure.remedy else "Make it a WAV file, or drop another one."
        raise AudioError(f"{name} was not added. {failure.message}", remedy=remedy) from None


def _tone() -> bytes:
    """Two notes, one after the other, as raw samples."""
    note = round(TONE_SECONDS * SAMPLE_RATE) // len(TONE_PITCHES)
    ramp = TONE_FADE * SAMPLE_RATE
    levels = [32767 * TONE_LEVEL * min(1.0, at / ramp, (note - at) / ramp) for at in range(note)]
    samples = [
        round(level * math.sin(2 * math.pi * pitch * at / SAMPLE_RATE))
        for pitch in TONE_PITCHES
        for at, level in enumerate(levels)
    ]
    return struct.pack(f"<{len(samples)}h", *samples)
