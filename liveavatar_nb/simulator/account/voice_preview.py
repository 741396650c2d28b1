"""Voice previews: two soft synthesized notes each, so that no recordings of people are needed."""

from __future__ import annotations

import io
import math
import sys
import wave
from array import array
from functools import lru_cache
from hashlib import sha256
from typing import Final

SAMPLE_RATE: Final = 24_000
NOTE_SECONDS: Final = 0.5
LOUDNESS: Final = 9_000  # amplitude of the fundamental, out of 32,767
ATTACK_SECONDS: Final = 0.02
DECAY: Final = 5.0
LOW_HERTZ: Final = {"male": 131.0, "female": 220.0}
MIDDLE_HERTZ: Final = 175.0
SCALE: Final = (0, 2, 4, 7, 9)  # pentatonic, in semitones: any two of the notes sound good together
OVERTONES: Final = (1.0, 0.45, 0.2, 0.1)
CACHED: Final = 64


@lru_cache(maxsize=CACHED)
def preview(voice_id: str, gender: str) -> bytes:
    """Return a WAV file (24 kHz mono, 16-bit, 1 s, 48 kB); the same voice always gives the same file."""
    digest = sha256(voice_id.encode()).digest()
    low = LOW_HERTZ.get(gender, MIDDLE_HERTZ) * (1 + digest[0] / 255 * 0.2)
    first = digest[1] % len(SCALE)
    second = (first + 1 + digest[2] % (len(SCALE) - 1)) % len(SCALE)
    samples = array("h")
    for step in (first, second):
        samples.extend(_note(low * 2 ** (SCALE[step] / 12)))
    if sys.byteorder == "big":
        samples.byteswap()
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(SAMPLE_RATE)
        sound.writeframes(samples.tobytes())
    return file.getvalue()


def _note(hertz: float) -> array[int]:
    samples = array("h")
    for number in range(round(NOTE_SECONDS * SAMPLE_RATE)):
        moment = number / SAMPLE_RATE
        # fade out to zero to avoid a click
        shape = min(1.0, moment / ATTACK_SECONDS) * math.exp(-DECAY * moment) * (1 - moment / NOTE_SECONDS)
        turn = 2 * math.pi * hertz * moment
        wave_form = sum(weight * math.sin(turn * order) for order, weight in enumerate(OVERTONES, 1))
        samples.append(round(LOUDNESS * shape * wave_form))
    return samples
