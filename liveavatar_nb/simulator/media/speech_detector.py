"""Speech detection in microphone audio: by loudness, tolerating pauses between words."""

from __future__ import annotations

import math
from typing import Final

SAMPLE_RATE: Final = 16_000
PIECE_MS: Final = 20
LOUD: Final = -40.0  # dBFS
BEGINS_AFTER: Final = 0.06  # seconds that audio must be loud before it is treated as speech, so that clicks are ignored
ENDS_AFTER: Final = 0.6  # seconds that audio must be quiet before speech is treated as over, so that pauses are ignored


class SpeechDetector:
    """A detector for the start and end of speech in audio that arrives piece by piece.

    Attributes:
        is_speaking: Whether somebody is speaking.
    """

    def __init__(self) -> None:
        self.is_speaking = False
        self._contrary = 0.0  # seconds for which the audio has contradicted `is_speaking`

    def hear(self, pcm: bytes, seconds: float) -> bool | None:
        """Add a piece of mono PCM16; return True if speech starts with it, False if speech ends with it, else None."""
        if (_decibels(pcm) >= LOUD) == self.is_speaking:
            self._contrary = 0.0
            return None
        self._contrary += seconds
        if self._contrary < (ENDS_AFTER if self.is_speaking else BEGINS_AFTER):
            return None
        return self._toggle()

    def end(self) -> bool | None:
        """Handle the loss of the microphone; return False if it ends speech, else None."""
        return self._toggle() if self.is_speaking else None

    def _toggle(self) -> bool:
        self.is_speaking, self._contrary = not self.is_speaking, 0.0
        return self.is_speaking


def _decibels(pcm: bytes) -> float:
    import numpy as np  # noqa: PLC0415 (in the extra `media`, imported on first use)

    samples = np.frombuffer(pcm, "<i2").astype(np.float32)
    power = float(np.mean(samples * samples)) if samples.size else 0.0
    return 10 * math.log10(power / 32768**2) if power else -math.inf
