"""`Assembly`: puts together the files that pages send in several parts, within limits."""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Hashable
from dataclasses import dataclass, field

from ..errors import InvalidArgument


@dataclass
class _Arriving:
    parts: int
    received: list[bytes] = field(default_factory=list)
    updated_at: float = field(default_factory=time.monotonic)


class Assembly:
    """Files of which not all parts have arrived; each file's parts arrive in order.

    Args:
        part_limit: The maximum size of a part, in bytes.
        file_limit: The maximum size of a file, in bytes.
    """

    def __init__(self, part_limit: int, file_limit: int) -> None:
        self._most_parts = -(-file_limit // part_limit)
        self._arriving: dict[Hashable, _Arriving] = {}

    def __contains__(self, key: Hashable) -> bool:
        return key in self._arriving

    @property
    def size(self) -> int:
        """The memory that the parts use, in bytes."""
        return sum(len(part) for file in self._arriving.values() for part in file.received)

    def fits(self, parts: int) -> bool:
        """Return whether a file of so many parts is small enough."""
        return parts <= self._most_parts

    def begin(self, key: Hashable, parts: int) -> None:
        """Expect a file's parts, and discard whatever has arrived of it before."""
        self._arriving.pop(key, None)
        self._arriving[key] = _Arriving(parts)

    def add(self, key: Hashable, part: int, parts: int, content: bytes) -> bytes | None:
        """Add a part to its file; return the whole file after the last part, otherwise None.

        Raises:
            InvalidArgument: This is not the next part of the file.
        """
        file = self._arriving.get(key)
        if file is None or part != len(file.received) or parts != file.parts or not content:
            raise InvalidArgument("The page sent a part that is not the next one.")
        file.received.append(content)
        file.updated_at = time.monotonic()
        if len(file.received) < parts:
            return None
        del self._arriving[key]
        return b"".join(file.received)

    def discard(self, key: Hashable) -> None:
        """Discard what has arrived of a file."""
        self._arriving.pop(key, None)

    def discard_idle(self, seconds: float, *, but: Hashable) -> None:
        """Discard the files of which no part has arrived for so many seconds, except for one."""
        now = time.monotonic()
        self._arriving = {
            key: file for key, file in self._arriving.items() if now - file.updated_at < seconds or key == but
        }

    def discard_oldest(self, kept: int) -> None:
        """Discard all files but the newest few."""
        while len(self._arriving) > kept:
            del self._arriving[next(iter(self._arriving))]

    def clear(self) -> None:
        """Discard all files."""
        self._arriving.clear()


def decoded(data: str, limit: int) -> bytes:
    """Decode a part from base64.

    Raises:
        InvalidArgument: The part is not base64, or has more than `limit` bytes.
    """
    try:
        content = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidArgument("The page sent a part that is not base64.") from None
    if len(content) > limit:
        raise InvalidArgument(f"The page sent a part larger than {limit} bytes.")
    return content
