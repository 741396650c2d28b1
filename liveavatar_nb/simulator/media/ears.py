"""Whether somebody speaks into a microphone: by the loudness of it, with some patience between two words."""

from __future__ import annotations

import math
from typing import Final

SAMPLE_RATE: Final = 16_000
PIECE_MS: Final = 20
LOUD: Final = -40.0  # decibels of full scale
BEGINS_AFTER: Final = 0.06  # seconds that must be loud: a click is no speech
ENDS_AFTER: Final = 0.6  # seconds of quiet: a pause between words is no end


class Detector:
    """Told the sound piece by piece, says when speech begins and ends."""

    def __init__(self) -> None:
        self.is_speaking = False
        self._for = 0.0  # seconds that it has been otherwise

    def hear(self, pcm: bytes, seconds: float) -> bool | None:
        """True where speech begins with this piece of mono PCM16, False where it has ended, else None."""
        if (_decibels(pcm) >= LOUD) == self.is_speaking:
            self._for = 0.0
            return None
        self._for += seconds
        if self._for < (ENDS_AFTER if self.is_speaking else BEGINS_AFTER):
            return None
        return self._turn()

    def end(self) -> bool | None:
        """The microphone is gone: False where that ends speech."""
        return self._turn() if self.is_speaking else None

    def _turn(self) -> bool:
        self.is_speaking, self._for = not self.is_speaking, 0.0
        return self.is_speaking


def _decibels(pcm: bytes) -> float:
    import numpy as np  # noqa: PLC0415 (the media's, imported when first used)

    samples = np.frombuffer(pcm, "<i2").astype(np.float32)
    power = float(np.mean(samples * samples)) if samples.size else 0.0
    return 10 * math.log10(power / 32768**2) if power else -math.inf
