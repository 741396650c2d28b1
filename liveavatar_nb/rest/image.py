"""`Image`: a picture to upload, read from wherever the caller has it and checked against the service's rules."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol

from msgspec import Struct

from ..config import SHORTEST_IMAGE_SIDE
from ..errors import InvalidArgument

PNG_START: Final = b"\x89PNG\r\n\x1a\n"
JPEG_START: Final = b"\xff\xd8\xff"
# the JPEG markers that begin a frame, which states the picture's size: SOF0 to SOF15 without DHT, JPG and DAC
JPEG_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
JPEG_LONE_MARKERS: Final = frozenset({0x01, *range(0xD0, 0xD9)})  # markers without a length
PNG_MODES: Final = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")  # Pillow's modes that PNG can store
RATIO: Final = (16, 9)


class SavableImage(Protocol):
    """A picture that can be saved and converted, such as Pillow's `Image`."""

    @property
    def mode(self) -> str: ...
    def save(self, fp: Any, format: str | None = None) -> None: ...  # noqa: A002 (Pillow's name)
    def convert(self, mode: str | None = None) -> Any: ...


ImageSource = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO | SavableImage


class Image(Struct, frozen=True):
    """A picture to upload.

    Attributes:
        data: The file's bytes.
        media_type: `image/jpeg` or `image/png`.
    """

    data: bytes
    media_type: str

    @property
    def file_name(self) -> str:
        """The name to send, which never reveals the name of the file on disk."""
        return f"image.{self.media_type.removeprefix('image/')}"

    def __repr__(self) -> str:
        return f"<Image {self.media_type}, {len(self.data):,} bytes>"


def read_image(source: ImageSource) -> Image:
    """Read a picture and check the rules that don't need a look at what it shows.

    Args:
        source: A file's path, its bytes, an open binary file, or a Pillow image, which is sent as PNG.

    Raises:
        InvalidArgument: The file can't be read, isn't JPEG or PNG, isn't exactly 16:9 or 9:16, or is too small.
    """
    data = _bytes_of(source)
    width, height = _size_of(data)
    long, short = max(width, height), min(width, height)
    if short == 0 or long * RATIO[1] != short * RATIO[0]:
        scale = min(long // RATIO[0], short // RATIO[1])
        best = [side * scale for side in (RATIO if width >= height else reversed(RATIO))]
        raise _refusal(
            f"The image is {width} x {height} pixels; it must be exactly 16:9 or 9:16.",
            f"Crop it, e.g. to {best[0]} x {best[1]}."
            if min(best) >= SHORTEST_IMAGE_SIDE
            else f"Use an image of at least {_smallest(width, height)} pixels.",
        )
    if short < SHORTEST_IMAGE_SIDE:
        raise _refusal(
            f"The image is {width} x {height} pixels; its short side must be at least {SHORTEST_IMAGE_SIDE} pixels.",
            f"Use an image of at least {_smallest(width, height)} pixels.",
        )
    return Image(data, "image/png" if data.startswith(PNG_START) else "image/jpeg")


def _smallest(width: int, height: int) -> str:
    sides = SHORTEST_IMAGE_SIDE * RATIO[0] // RATIO[1], SHORTEST_IMAGE_SIDE
    return "{} x {}".format(*(sides if width >= height else reversed(sides)))


def _bytes_of(source: Any) -> bytes:
    if isinstance(source, str | os.PathLike):
        try:
            return Path(source).expanduser().read_bytes()
        except (OSError, ValueError, RuntimeError) as failure:
            reason = getattr(failure, "strerror", None) or failure
        raise _refusal(f"{os.fspath(source)!r} can't be read: {reason}.", "Check the path.")
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source)
    if hasattr(source, "save") and hasattr(source, "convert"):
        return _encode(source)
    if hasattr(source, "read"):
        read = source.read()
        if isinstance(read, bytes):
            return read
        raise _refusal("The file is open as text.", 'Open it with mode "rb".')
    raise _refusal(
        f"file must be a path, bytes, an open file or a Pillow image, not {type(source).__name__}.",
        'Pass e.g. "portrait.jpg".',
    )


def _encode(picture: SavableImage) -> bytes:
    buffer = io.BytesIO()
    (picture if picture.mode in PNG_MODES else picture.convert("RGB")).save(buffer, format="PNG")
    return buffer.getvalue()


def _size_of(data: bytes) -> tuple[int, int]:
    """Return a picture's width and height in pixels."""
    size = None
    if data.startswith(PNG_START) and data[12:16] == b"IHDR" and len(data) >= 24:
        size = int.from_bytes(data[16:20]), int.from_bytes(data[20:24])
    elif data.startswith(JPEG_START):
        size = _jpeg_size(data)
    if size is None:
        raise _refusal("The file is not a JPEG or PNG image.", "Convert it to JPEG or PNG.")
    return size


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # markers may be padded
            at += 1
        elif marker in JPEG_LONE_MARKERS:
            at += 2
        elif marker in JPEG_FRAMES:
            return int.from_bytes(data[at + 7 : at + 9]), int.from_bytes(data[at + 5 : at + 7])
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4])
    return None


def _refusal(message: str, remedy: str) -> InvalidArgument:
    return InvalidArgument(message, remedy=remedy, field="file")
