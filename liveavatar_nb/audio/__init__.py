"""Anything audible as the service takes it: 24 kHz mono PCM16, piece by piece.

Importing it is cheap: numpy, soxr and PyAV come with the first sound that is opened.
"""

from .limits import SAMPLE_BYTES, SAMPLE_RATE
from .sound import Sound, open_sound

__all__ = ["SAMPLE_BYTES", "SAMPLE_RATE", "Sound", "open_sound"]
