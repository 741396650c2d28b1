"""What a page takes of the avatar: pictures and recordings, put together from their parts, within limits."""

from __future__ import annotations

import base64
import binascii
import contextlib
import io
import logging
import mimetypes
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from ..errors import ConfigurationError, InvalidArgument, ViewError

logger = logging.getLogger("liveavatar_nb.widgets")

PART_BYTES: Final = 192 * 1024  # of a picture or a recording that come in one message: 256 kB as base64
PICTURE_LIMIT: Final = 48 * 1024 * 1024  # bytes of one picture
PICTURES_AT_ONCE: Final = 4  # pictures that arrive at the same time, from several pages
LONGEST_SIDE: Final = 8192  # pixels
PNG: Final = b"\x89PNG\r\n\x1a\n"

RECORDING_SECONDS: Final = 60.0  # of a recording that Python asks for, unless it says otherwise
RECORDING_MEGABYTES: Final = 200.0
CLICKED_SECONDS: Final = 600.0  # of one that a click in the page begins
CLICKED_MEGABYTES: Final = 200.0
LONGEST_RECORDING: Final = 4 * 3600.0  # s
LARGEST_RECORDING: Final = 4000.0  # MB
MEGABYTE: Final = 2**20
SLACK: Final = 5.0  # s over its limit in which a page may still send what it has taken
NAMES_TRIED: Final = 1000

# what a recording begins with, by the ending of its file
KINDS: Final = {".webm": (b"\x1a\x45\xdf\xa3", 0), ".mp4": (b"ftyp", 4)}


@dataclass
class _Arriving:
    parts: int
    came: list[bytes] = field(default_factory=list)

    @property
    def size(self) -> int:
        return sum(map(len, self.came))


class Pictures:
    """Pictures on their way from pages: each in parts, in order."""

    def __init__(self) -> None:
        self._arriving: dict[tuple[str, str], _Arriving] = {}

    def receive(self, page: str, request: str, part: int, parts: int, data: str) -> bytes | None:
        """Takes in a part; the whole picture, a PNG file's bytes, once all of it is there.

        Args:
            page: which page sends it.
            request: what its parts share.
            part: which part, from 0 on, one by one.
            parts: how many there are.
            data: the part in base64.

        Raises:
            InvalidArgument: it is too large, is no picture, or did not arrive whole.
        """
        key = page, request
        try:
            return self._take_in(key, part, parts, decoded(data))
        except InvalidArgument:
            self._arriving.pop(key, None)
            raise

    def _take_in(self, key: tuple[str, str], part: int, parts: int, content: bytes) -> bytes | None:
        if parts > -(-PICTURE_LIMIT // PART_BYTES):
            raise InvalidArgument(f"The picture has more than {PICTURE_LIMIT // MEGABYTE} MB.")
        if part == 0:
            if not content.startswith(PNG):
                raise InvalidArgument("What the page sent is no picture.")
            self._arriving.pop(key, None)
            while len(self._arriving) >= PICTURES_AT_ONCE:
                del self._arriving[next(iter(self._arriving))]
            self._arriving[key] = _Arriving(parts)
        arriving = self._arriving.get(key)
        if arriving is None or part != len(arriving.came) or parts != arriving.parts or not content:
            raise InvalidArgument("The picture did not arrive whole.", remedy="Take it again.")
        arriving.came.append(content)
        if len(arriving.came) < parts:
            return None
        del self._arriving[key]
        return b"".join(arriving.came)


def opened(content: bytes) -> Any:
    """The picture as a PIL image, with what is see-through where the background was removed.

    Raises:
        ConfigurationError: Pillow is not installed.
        InvalidArgument: it is no picture that Pillow can read.
    """
    image = image_module()
    try:
        picture = image.open(io.BytesIO(content), formats=["PNG"])
        if max(picture.size) > LONGEST_SIDE:
            raise InvalidArgument(f"The picture is {picture.width} x {picture.height} pixels large.")
        picture.load()
    except (OSError, SyntaxError, ValueError, image.DecompressionBombError, image.DecompressionBombWarning) as failure:
        if isinstance(failure, InvalidArgument):
            raise
        raise InvalidArgument("What the page sent is no picture that can be read.") from None
    return picture


def image_module() -> Any:
    """`PIL.Image`.

    Raises:
        ConfigurationError: it is not installed.
    """
    try:
        from PIL import Image  # noqa: PLC0415 (an extra, imported when first used)
    except ImportError:
        raise ConfigurationError(
            "A picture in Python needs Pillow, which is not installed.", remedy='pip install "liveavatar-nb[media]"'
        ) from None
    return Image


def decoded(data: str) -> bytes:
    """A part's bytes.

    Raises:
        InvalidArgument: it is no base64, or too large.
    """
    try:
        content = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidArgument("A part of what the page sent is no base64.") from None
    if len(content) > PART_BYTES:
        raise InvalidArgument(f"A part of what the page sent has more than {PART_BYTES} bytes.")
    return content


def limits(seconds: Any, megabytes: Any) -> tuple[float, int]:
    """The limits of a recording in seconds and bytes.

    Raises:
        InvalidArgument: one of them is no such limit.
    """
    for name, given, most in (("seconds", seconds, LONGEST_RECORDING), ("megabytes", megabytes, LARGEST_RECORDING)):
        if isinstance(given, bool) or not isinstance(given, int | float) or not 0 < given <= most:
            raise InvalidArgument(f"{name} must be above 0 and at most {most:g}, not {given!r}.", field=name)
    return float(seconds), round(megabytes * MEGABYTE)


def place_of(path: Any) -> Path | None:
    """Where a recording is to be written; None is beside the notebook, under a name of its own.

    Raises:
        InvalidArgument: there is a file of that name, no such folder, or it ends as no recording does.
    """
    if path is None:
        return None
    try:
        place = Path(path).expanduser().absolute()
    except TypeError:
        raise InvalidArgument(f"path must be a path, not {type(path).__name__}.", field="path") from None
    if not place.name or place.is_dir():
        raise InvalidArgument(
            f"{place} is a folder.", remedy=f"Give a name in it: {str(place / 'hello.webm')!r}.", field="path"
        )
    if not place.parent.is_dir():
        raise InvalidArgument(f"There is no folder {place.parent}.", remedy="Make it first.", field="path")
    ending = place.suffix
    if ending.lower() not in KINDS and (ending[1:].isalpha() or mimetypes.guess_type(place)[0]):
        raise InvalidArgument(
            f"path must end in {' or '.join(KINDS)}, not in {ending!r}.",
            remedy=f"Give {place.stem + '.webm'!r}, which becomes an mp4 where the browser records that.",
            field="path",
        )
    for taken in {place, *(_named(place, ending) for ending in KINDS)}:
        if taken.exists():
            raise InvalidArgument(
                f"There is a file {taken} already, and none is overwritten.", remedy="Give another name.", field="path"
            )
    return place


def _named(place: Path, ending: str) -> Path:
    """The place with this ending, in place of one that a recording may have; `demo.v2` has none, but a name."""
    name = place.stem if place.suffix.lower() in KINDS else place.name
    return place.with_name(f"{name}{ending}")


def stamped(ending: str) -> Path:
    """A path beside the notebook that is named by the time."""
    return Path.cwd() / f"avatar-{time.strftime('%Y%m%d-%H%M%S')}{ending}"


def write_beside(content: bytes, ending: str) -> Path:
    """Writes a file beside the notebook, named by the time; none is overwritten."""
    with _new(stamped(ending)) as file:
        file.write(content)
        return Path(file.name)


def saved_as(kind: str, path: Path | None, seconds: float | None, size: int) -> dict[str, Any]:
    """Return what a page is told of what was saved."""
    return {"kind": kind, "path": None if path is None else str(path), "seconds": seconds, "bytes": size}


def not_written(failure: OSError) -> ViewError:
    """Return the error for a file that cannot be written."""
    return ViewError(f"It cannot be written: {failure.strerror or failure}.", remedy="Make room, or another folder.")


def _new(path: Path) -> IO[bytes]:
    """A new file of that name, or with a number behind it where there is one already."""
    for at in range(1, NAMES_TRIED):
        numbered = path if at == 1 else path.with_stem(f"{path.stem}-{at}")
        with contextlib.suppress(FileExistsError):
            return numbered.open("xb")
    raise FileExistsError(f"There are too many files called like {path}.")


class Recording:
    """A recording that a page makes, as a file that grows by its parts.

    It is written beside its place, with `.part` behind its name, and gets its name at its end.

    Args:
        page: which page makes it; None until its first part tells.
        request: what its parts share.
        place: where it goes; beside the notebook, named by the time, where it is None.
        seconds: how long it may be.
        size: how many bytes it may have.
    """

    def __init__(self, page: str | None, request: str, place: Path | None, seconds: float, size: int) -> None:
        self.page = page
        self.request = request
        self.seconds = 0.0
        self.size = 0
        self.path: Path | None = None
        self._place = place or stamped(".webm")
        self._seconds_limit = seconds
        self._size_limit = size
        self._next = 0
        self._is_over = False
        self._lock = threading.Lock()  # its parts are written on other threads than the one that ends it
        self._began_at: float | None = None
        self._file: IO[bytes] | None = None
        self._ending = ".webm"

    @property
    def has_begun(self) -> bool:
        """Whether something of it is written."""
        return self._file is not None

    @property
    def is_over(self) -> bool:
        """Whether nothing of it is taken in any more: it has its name, or is about to have it, or was given up."""
        return self._is_over

    def cease(self) -> None:
        """Takes nothing in any more; what is being written is not waited for, as `finish` and `discard` do."""
        self._is_over = True

    def take(self, part: int, data: str, seconds: float) -> str | None:
        """Writes a part; which limit it has reached with that, in words.

        Raises:
            InvalidArgument: it is no part of a recording, or not the next one.
            OSError: it cannot be written.
        """
        content = decoded(data)
        with self._lock:
            return self._write(part, content, seconds)

    def _write(self, part: int, content: bytes, seconds: float) -> str | None:
        if self._is_over or part != self._next:
            raise InvalidArgument("The recording did not arrive whole.", remedy="What came of it is kept.")
        if self._size_limit < self.size + len(content):
            return self._reached_size
        if part == 0:
            self._begin(content)
        assert self._file is not None
        self._file.write(content)
        self._next += 1
        self.size += len(content)
        self.seconds = max(self.seconds, min(seconds, self._age))
        if self._age > self._seconds_limit + SLACK:
            return f"A recording may be {self._seconds_limit:g} s long."
        return None

    def finish(self) -> Path | None:
        """Gives it its name, which no other file has; None where nothing came of it."""
        file = self._end()
        if file is None:
            return None
        file.close()
        part = Path(file.name)
        if not self.size:
            part.unlink(missing_ok=True)
            return None
        # the name is taken by a file of ours, which the whole then replaces
        with _new(_named(self._place, self._ending)) as taken:
            self.path = Path(taken.name)
        part.replace(self.path)
        return self.path

    def discard(self) -> None:
        """Removes what came of it."""
        file = self._end()
        if file is not None:
            file.close()
            Path(file.name).unlink(missing_ok=True)

    def _end(self) -> IO[bytes] | None:
        with self._lock:
            file, self._file, self._is_over = self._file, None, True
            return file

    @property
    def _age(self) -> float:
        return 0.0 if self._began_at is None else time.monotonic() - self._began_at

    @property
    def _reached_size(self) -> str:
        return f"A recording may have {self._size_limit / MEGABYTE:.3g} MB."

    def _begin(self, content: bytes) -> None:
        found = [ending for ending, (mark, at) in KINDS.items() if content[at:].startswith(mark)]
        if not found:
            raise InvalidArgument("What the page sent is no recording.")
        self._ending = found[0]
        if (ending := self._place.suffix.lower()) in KINDS and ending != self._ending:
            logger.info("the browser records %s: the file ends so", self._ending)
        self._file = _new(_named(self._place, f"{self._ending}.part"))
        self._began_at = time.monotonic()
