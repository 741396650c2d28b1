"""The avatar's face as video frames, which are painted once and then chosen to suit the audio and random blinks."""

from __future__ import annotations

import functools
import io
import math
import random
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from ..drawing.looks import Look
from ..drawing.pictures import EYES_PART, HEIGHT, MOUTH_PART, MOUTHS, WIDTH, Part, draw

if TYPE_CHECKING:
    from livekit.rtc import VideoFrame
    from PIL.Image import Image

SIZES: Final = {"very_high": (1920, 1080), "high": (1280, 720), "medium": (854, 480), "low": (640, 360)}
STRIP: Final = 24  # how many of the drawing's 720 rows to paint at a time, which holds the GIL for 10 to 20 ms
OPENINGS: Final = (-45.0, -34.0, -26.0, -19.0)  # dBFS thresholds; at each one, the mouth opens one step wider
KEPT_FACES: Final = 2
ExpressionKey = tuple[int, bool]  # how far the mouth is open, and whether the eyes are closed
BLINK: Final = 0.12  # seconds
BETWEEN_BLINKS: Final = (2.5, 6.0)  # seconds


@functools.lru_cache(KEPT_FACES)
def paint(look: Look, quality: str) -> dict[ExpressionKey, VideoFrame]:
    """Return a face's video frames, keyed by expression; painting takes about half a second."""
    from livekit.rtc import VideoBufferType, VideoFrame  # noqa: PLC0415 (in the extra `media`, imported on first use)

    size = SIZES[quality]
    return {
        key: VideoFrame(*size, VideoBufferType.RGBA, picture.tobytes()).convert(VideoBufferType.I420)
        for key, picture in pictures(look, quality)
    }


def pictures(look: Look, quality: str) -> Iterator[tuple[ExpressionKey, Image]]:
    """Yield every expression of a face, each with its picture.

    The whole face is painted once, and each moving part once for each of its shapes.
    """
    size = SIZES[quality]
    zoom = max(1.0, size[1] / HEIGHT)
    rest = _paint_at_rest(look, zoom)
    closed = _render(draw(look, "", eyes_closed=True, part=EYES_PART), zoom)
    for mouth in range(MOUTHS):
        picture = rest.copy()
        if mouth:
            picture.paste(_render(draw(look, "", mouth=mouth, part=MOUTH_PART), zoom), _position(MOUTH_PART, zoom))
        for eyes_closed in (False, True):
            if eyes_closed:
                picture.paste(closed, _position(EYES_PART, zoom))
            yield (mouth, eyes_closed), picture.resize(size)


def opening(pcm: bytes) -> int:
    """Return how far the mouth opens for a piece of audio, from 0 to `MOUTHS` - 1."""
    import numpy as np  # noqa: PLC0415 (as above)

    samples = np.frombuffer(pcm, "<i2").astype(np.float32)
    if not samples.size or not (power := float(np.mean(samples * samples))):
        return 0
    decibels = 10 * math.log10(power / 32768**2)
    return sum(decibels >= threshold for threshold in OPENINGS)


class Expression:
    """The face's expression at each moment: the mouth follows the audio, and the eyes blink at random.

    Args:
        seed: A seed that makes the blinking reproducible.
    """

    def __init__(self, seed: str) -> None:
        self._rng = random.Random(seed)  # noqa: S311 (a face, not a secret)
        self._upcoming: deque[tuple[float, int]] = deque()
        self._mouth = 0
        self._blinks_at: float | None = None

    def speak(self, pcm: bytes, heard_at: float, silent_at: float) -> None:
        """Add a piece of audio that will be heard from `heard_at` to `silent_at`, in seconds."""
        while self._upcoming and self._upcoming[-1][0] >= heard_at:
            self._upcoming.pop()  # drop the silence that would have followed the previous piece
        self._upcoming += [(heard_at, opening(pcm)), (silent_at, 0)]

    def hush(self) -> None:
        """Close the mouth and discard the upcoming audio."""
        self._upcoming.clear()
        self._mouth = 0

    def at(self, now: float) -> ExpressionKey:
        """Return the expression at time `now`, which must not be earlier than in the previous call."""
        while self._upcoming and self._upcoming[0][0] <= now:
            self._mouth = self._upcoming.popleft()[1]
        if self._blinks_at is None or now > self._blinks_at + BLINK:
            self._blinks_at = now + self._rng.uniform(*BETWEEN_BLINKS)
        return self._mouth, now >= self._blinks_at


def _paint_at_rest(look: Look, zoom: float) -> Image:
    from PIL import Image  # noqa: PLC0415 (as above)

    picture = Image.new("RGBA", (round(WIDTH * zoom), round(HEIGHT * zoom)))
    for top in range(0, HEIGHT, STRIP):
        part = (0, top, WIDTH, STRIP)
        picture.paste(_render(draw(look, "", mouth=0, part=part), zoom), _position(part, zoom))
    return picture


def _render(svg: str, zoom: float) -> Image:
    import resvg_py  # noqa: PLC0415 (as above)
    from PIL import Image  # noqa: PLC0415 (as above)

    png = resvg_py.svg_to_bytes(svg_string=svg, zoom=zoom, skip_system_fonts=True)
    return Image.open(io.BytesIO(png)).convert("RGBA")


def _position(part: Part, zoom: float) -> tuple[int, int]:
    return round(part[0] * zoom), round(part[1] * zoom)
