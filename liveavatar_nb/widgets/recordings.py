"""Pictures and recordings of what a page shows, within limits."""

from __future__ import annotations

import contextlib
import io
import logging
import mimetypes
import threading
import time
from pathlib import Path
from typing import IO, Any, Final

from ..errors import ConfigurationError, InvalidArgument, ViewError
from .parts import Assembly, decoded

logger = logging.getLogger("liveavatar_nb.widgets")

PART_BYTES: Final = 192 * 1024  # maximum bytes of picture or recording data per message (256 kB as base64)
PICTURE_LIMIT: Final = 48 * 1024 * 1024  # maximum size of a picture, in bytes
PICTURES_AT_ONCE: Final = 4  # maximum number of incomplete pictures, from all pages; the oldest are dropped first
LONGEST_SIDE: Final = 8192  # maximum width and height of a picture, in pixels
PNG: Final = b"\x89PNG\r\n\x1a\n"

RECORDING_SECONDS: Final = 60.0  # default maximum length of a recording started from Python, in seconds
RECORDING_MEGABYTES: Final = 200.0
CLICKED_SECONDS: Final = 600.0  # maximum length of a recording started by a click on the page, in seconds
CLICKED_MEGABYTES: Final = 200.0
LONGEST_RECORDING: Final = 4 * 3600.0  # seconds
LARGEST_RECORDING: Final = 4000.0  # MB
MEGABYTE: Final = 2**20
SLACK: Final = 5.0  # seconds after the time limit during which a page may still send what it has recorded
NAMES_TRIED: Final = 1000

# the bytes that identify a recording's format, and their offset, by file extension
KINDS: Final = {".webm": (b"\x1a\x45\xdf\xa3", 0), ".mp4": (b"ftyp", 4)}


class ArrivingPictures:
    """Receives pictures that pages send in several parts, one after another."""

    def __init__(self) -> None:
        self._arriving = Assembly(PART_BYTES, PICTURE_LIMIT)

    def receive(self, page: str, request: str, part: int, parts: int, data: str) -> bytes | None:
        """Receive a part of a picture.

        Args:
            page: The id of the page that sends the picture.
            request: An id that all parts of the picture share.
            part: The part's number, starting at 0; parts arrive in order.
            parts: The number of parts.
            data: The part's content, in base64.

        Returns:
            The bytes of the PNG file after the last part; None after the earlier parts.

        Raises:
            InvalidArgument: The picture is too large, is not a picture, or is incomplete.
        """
        key = page, request
        try:
            return self._append(key, part, parts, decoded(data, PART_BYTES))
        except InvalidArgument:
            self._arriving.discard(key)
            raise

    def _append(self, key: tuple[str, str], part: int, parts: int, content: bytes) -> bytes | None:
        if not self._arriving.fits(parts):
            raise InvalidArgument(f"The picture is larger than {PICTURE_LIMIT // MEGABYTE} MB.")
        if part == 0:
            if not content.startswith(PNG):
                raise InvalidArgument("The page sent something that is not a picture.")
            self._arriving.begin(key, parts)
            self._arriving.discard_oldest(PICTURES_AT_ONCE)
        try:
            return self._arriving.add(key, part, parts, content)
        except InvalidArgument:
            raise InvalidArgument("The picture is incomplete.", remedy="Take it again.") from None


def opened(content: bytes) -> Any:
    """Return a picture as a PIL image, transparent where the background was removed.

    Raises:
        ConfigurationError: Pillow is not installed.
        InvalidArgument: Pillow cannot read the picture.
    """
    image = image_module()
    try:
        picture = image.open(io.BytesIO(content), formats=["PNG"])
        if max(picture.size) > LONGEST_SIDE:
            raise InvalidArgument(f"The picture is too large: {picture.width} x {picture.height} pixels.")
        picture.load()
    except (OSError, SyntaxError, ValueError, image.DecompressionBombError, image.DecompressionBombWarning) as failure:
        if isinstance(failure, InvalidArgument):
            raise
        raise InvalidArgument("The page sent a picture that cannot be read.") from None
    return picture


def image_module() -> Any:
    """Return the module `PIL.Image`.

    Raises:
        ConfigurationError: Pillow is not installed.
    """
    try:
        from PIL import Image  # noqa: PLC0415 (an extra, imported when first used)
    except ImportError:
        raise ConfigurationError(
            "A snapshot needs Pillow, which is not installed.", remedy='pip install "liveavatar-nb[media]"'
        ) from None
    return Image


def limits(seconds: Any, megabytes: Any) -> tuple[float, int]:
    """Return a recording's limits in seconds and bytes.

    Raises:
        InvalidArgument: A limit is not a number in the accepted range.
    """
    for name, given, most in (("seconds", seconds, LONGEST_RECORDING), ("megabytes", megabytes, LARGEST_RECORDING)):
        if isinstance(given, bool) or not isinstance(given, int | float) or not 0 < given <= most:
            raise InvalidArgument(f"{name} must be above 0 and at most {most:g}, not {given!r}.", field=name)
    return float(seconds), round(megabytes * MEGABYTE)


def place_of(path: Any) -> Path | None:
    """Return the absolute path for a recording; None if its name is to be generated later.

    Raises:
        InvalidArgument: The file exists, its folder does not exist, or its extension is that of another kind of file.
    """
    if path is None:
        return None
    try:
        place = Path(path).expanduser().absolute()
    except TypeError:
        raise InvalidArgument(f"path must be a str or a Path, not {type(path).__name__}.", field="path") from None
    if not place.name or place.is_dir():
        raise InvalidArgument(
            f"{place} is a folder.", remedy=f"Pass a file in this folder: {str(place / 'hello.webm')!r}.", field="path"
        )
    if not place.parent.is_dir():
        raise InvalidArgument(f"There is no folder {place.parent}.", remedy="Create it first.", field="path")
    ending = place.suffix
    if ending.lower() not in KINDS and (ending[1:].isalpha() or mimetypes.guess_type(place)[0]):
        raise InvalidArgument(
            f"path must end in {' or '.join(KINDS)}, not in {ending!r}.",
            remedy=f"Pass {place.stem + '.webm'!r}; the extension becomes .mp4 if the browser records in that format.",
            field="path",
        )
    for candidate in {place, *(_with_ending(place, ending) for ending in KINDS)}:
        if candidate.exists():
            raise InvalidArgument(
                f"{candidate} already exists and is not overwritten.", remedy="Pass another name.", field="path"
            )
    return place


def _with_ending(place: Path, ending: str) -> Path:
    """Return the path with this extension, replacing only `.webm` or `.mp4`: `demo.v2` keeps its `.v2`."""
    name = place.stem if place.suffix.lower() in KINDS else place.name
    return place.with_name(f"{name}{ending}")


def stamped(ending: str) -> Path:
    """Return a path next to the notebook, named after the current time."""
    return Path.cwd() / f"avatar-{time.strftime('%Y%m%d-%H%M%S')}{ending}"


def write_beside(content: bytes, ending: str) -> Path:
    """Write a new file next to the notebook, named after the current time, and return its path."""
    with _new(stamped(ending)) as file:
        file.write(content)
        return Path(file.name)


def saved_as(kind: str, path: Path | None, seconds: float | None, size: int) -> dict[str, Any]:
    """Return what a page shows about a saved picture or recording."""
    return {"kind": kind, "path": None if path is None else str(path), "seconds": seconds, "bytes": size}


def not_written(failure: OSError) -> ViewError:
    """Return the error for a file that cannot be written."""
    return ViewError(
        f"The file cannot be written: {failure.strerror or failure}.", remedy="Free some space, or use another folder."
    )


def _new(path: Path) -> IO[bytes]:
    """Open a new file with this name, or with a number added if the name is taken."""
    for number in range(1, NAMES_TRIED):
        numbered = path if number == 1 else path.with_stem(f"{path.stem}-{number}")
        with contextlib.suppress(FileExistsError):
            return numbered.open("xb")
    raise FileExistsError(f"There are too many files with names like {path}.")


class Recording:
    """A page's recording: a file to which each part is appended.

    Until the recording ends, the file's name has the additional extension `.part`.

    Args:
        page: The id of the page that is recording; None until its first part arrives.
        request: An id that all parts share.
        place: The path of the file; None for a file next to the notebook, named after the current time.
        seconds: The maximum length in seconds.
        size: The maximum size in bytes.
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
        self._lock = threading.Lock()  # a recording may be ended on one thread while another thread is writing a part
        self._began_at: float | None = None
        self._file: IO[bytes] | None = None
        self._ending = ".webm"

    @property
    def has_begun(self) -> bool:
        """Whether any part of the recording has been written."""
        return self._file is not None

    @property
    def is_over(self) -> bool:
        """Whether the recording accepts no more parts: it has ended, is about to end, or was discarded."""
        return self._is_over

    def cease(self) -> None:
        """Stop accepting parts; unlike `finish` and `discard`, do not wait for a part that is being written."""
        self._is_over = True

    def receive(self, part: int, data: str, seconds: float) -> str | None:
        """Write a part to the file.

        Args:
            part: The part's number, starting at 0; parts arrive in order.
            data: The part's content, in base64.
            seconds: The recording's length so far.

        Returns:
            A message for the user if the recording has reached a limit; otherwise None.

        Raises:
            InvalidArgument: The data is not part of a recording, or is not the next part.
            OSError: The file cannot be written.
        """
        content = decoded(data, PART_BYTES)
        with self._lock:
            return self._write(part, content, seconds)

    def _write(self, part: int, content: bytes, seconds: float) -> str | None:
        if self._is_over or part != self._next:
            raise InvalidArgument("The recording is incomplete.", remedy="Everything that has arrived is saved.")
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
            return f"A recording may be at most {self._seconds_limit:g} s long."
        return None

    def finish(self) -> Path | None:
        """Give the file its final, unique name and return its path; None if nothing was recorded."""
        file = self._end()
        if file is None:
            return None
        file.close()
        part = Path(file.name)
        if not self.size:
            part.unlink(missing_ok=True)
            return None
        # reserve the name with an empty file, which the recording then replaces
        with _new(_with_ending(self._place, self._ending)) as reserved:
            self.path = Path(reserved.name)
        part.replace(self.path)
        return self.path

    def discard(self) -> None:
        """Discard the recording and remove its file."""
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
        return f"A recording can be at most {self._size_limit / MEGABYTE:.3g} MB."

    def _begin(self, content: bytes) -> None:
        endings = [ending for ending, (mark, at) in KINDS.items() if content[at:].startswith(mark)]
        if not endings:
            raise InvalidArgument("The page sent something that is not a recording.")
        self._ending = endings[0]
        if (ending := self._place.suffix.lower()) in KINDS and ending != self._ending:
            logger.info("the browser records %s, so the file gets that extension", self._ending)
        self._file = _new(_with_ending(self._place, f"{self._ending}.part"))
        self._began_at = time.monotonic()
