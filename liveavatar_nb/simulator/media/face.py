"""The avatar's face as video frames: painted once, then only picked, by how loud it speaks and whether it blinks."""

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
STRIP: Final = 24  # of the drawing's 720 rows painted at once: 10 to 20 ms in which no other thread can compute
OPENINGS: Final = (-45.0, -34.0, -26.0, -19.0)  # decibels of full scale from which the mouth opens wider
KEPT_FACES: Final = 2
Expressed = tuple[int, bool]  # how far the mouth is open, and whether the eyes are closed
BLINK: Final = 0.12  # seconds
BETWEEN_BLINKS: Final = (2.5, 6.0)  # seconds


@functools.lru_cache(KEPT_FACES)
def paint(look: Look, quality: str) -> dict[Expressed, VideoFrame]:
    """The frames of a face by what it expresses; takes about half a second."""
    from livekit.rtc import VideoBufferType, VideoFrame  # noqa: PLC0415 (the media's, imported when first used)

    size = SIZES[quality]
    return {
        expressed: VideoFrame(*size, VideoBufferType.RGBA, picture.tobytes()).convert(VideoBufferType.I420)
        for expressed, picture in pictures(look, quality)
    }


def pictures(look: Look, quality: str) -> Iterator[tuple[Expressed, Image]]:
    """All that a face can express, one after the other: the whole is painted once, and then what moves."""
    size = SIZES[quality]
    zoom = max(1.0, size[1] / HEIGHT)
    rest = _rest(look, zoom)
    closed = _painted(draw(look, "", eyes_closed=True, part=EYES_PART), zoom)
    for mouth in range(MOUTHS):
        picture = rest.copy()
        if mouth:
            picture.paste(_painted(draw(look, "", mouth=mouth, part=MOUTH_PART), zoom), _place(MOUTH_PART, zoom))
        for eyes_closed in (False, True):
            if eyes_closed:
                picture.paste(closed, _place(EYES_PART, zoom))
            yield (mouth, eyes_closed), picture.resize(size)


def opening(pcm: bytes) -> int:
    """How far the mouth opens for a piece of sound, 0 to `MOUTHS` - 1."""
    import numpy as np  # noqa: PLC0415 (as above)

    samples = np.frombuffer(pcm, "<i2").astype(np.float32)
    if not samples.size or not (power := float(np.mean(samples * samples))):
        return 0
    decibels = 10 * math.log10(power / 32768**2)
    return sum(decibels >= least for least in OPENINGS)


class Expression:
    """Which frame is due at a moment: the mouth follows what is heard then, and the eyes blink by themselves."""

    def __init__(self, seed: str) -> None:
        self._chance = random.Random(seed)  # noqa: S311 (a face, no secret)
        self._coming: deque[tuple[float, int]] = deque()
        self._mouth = 0
        self._blinks_at: float | None = None

    def speak(self, pcm: bytes, heard_at: float, silent_at: float) -> None:
        """A piece of sound that will be heard from one moment to another, in seconds."""
        while self._coming and self._coming[-1][0] >= heard_at:
            self._coming.pop()  # the silence that would have followed the piece before
        self._coming += [(heard_at, opening(pcm)), (silent_at, 0)]

    def hush(self) -> None:
        self._coming.clear()
        self._mouth = 0

    def at(self, now: float) -> Expressed:
        while self._coming and self._coming[0][0] <= now:
            self._mouth = self._coming.popleft()[1]
        if self._blinks_at is None or now > self._blinks_at + BLINK:
            self._blinks_at = now + self._chance.uniform(*BETWEEN_BLINKS)
        return self._mouth, now >= self._blinks_at


def _rest(look: Look, zoom: float) -> Image:
    from PIL import Image  # noqa: PLC0415 (as above)

    picture = Image.new("RGBA", (round(WIDTH * zoom), round(HEIGHT * zoom)))
    for top in range(0, HEIGHT, STRIP):
        part = (0, top, WIDTH, STRIP)
        picture.paste(_painted(draw(look, "", mouth=0, part=part), zoom), _place(part, zoom))
    return picture


def _painted(svg: str, zoom: float) -> Image:
    import resvg_py  # noqa: PLC0415 (as above)
    from PIL import Image  # noqa: PLC0415 (as above)

    png = resvg_py.svg_to_bytes(svg_string=svg, zoom=zoom, skip_system_fonts=True)
    return Image.open(io.BytesIO(png)).convert("RGBA")


def _place(part: Part, zoom: float) -> tuple[int, int]:
    return round(part[0] * zoom), round(part[1] * zoom)
