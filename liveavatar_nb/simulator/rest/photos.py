"""The service's rules for the photo of an avatar; deliberately not shared with the client."""

from __future__ import annotations

import struct
from typing import Final

SHORTEST_SIDE: Final = 1080  # pixels
PNG: Final = b"\x89PNG\r\n\x1a\n"
JPEG: Final = b"\xff\xd8"
NO_SIZE: Final = (0xC4, 0xC8, 0xCC)  # the markers among SOF0 to SOF15 that don't begin a frame


def breaches(photo: bytes) -> list[str]:
    """Return the rules that a photo breaks; whether it shows one person is not checked."""
    try:
        width, height = _size(photo)
    except (struct.error, IndexError, ValueError):
        return ["The file must be a JPEG or PNG image"]
    found = []
    if 0 in (width, height) or (width * 9 != height * 16 and width * 16 != height * 9):
        found.append(f"The image must be exactly 16:9 or 9:16, not {width}x{height}")
    if min(width, height) < SHORTEST_SIDE:
        found.append(f"The image's short side must be at least {SHORTEST_SIDE} pixels, not {min(width, height)}")
    return found


def _size(photo: bytes) -> tuple[int, int]:
    if photo.startswith(PNG):
        width, height = struct.unpack_from(">II", photo, 16)
        return width, height
    if not photo.startswith(JPEG):
        raise ValueError("unknown format")
    at = len(JPEG)
    while photo[at] == 0xFF:
        marker = photo[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in NO_SIZE:
            height, width = struct.unpack_from(">HH", photo, at + 5)
            return width, height
        at += 1 if marker == 0xFF else 2 + struct.unpack_from(">H", photo, at + 2)[0]
    raise ValueError("no frame")
