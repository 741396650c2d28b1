"""Converts any kind of audio, piece by piece, to the format the service accepts: 24 kHz mono PCM16.

Importing this package is cheap: NumPy, soxr and PyAV are imported only when the first sound is opened.
"""

from .limits import SAMPLE_BYTES, SAMPLE_RATE
from .sound import Sound, open_sound

__all__ = ["SAMPLE_BYTES", "SAMPLE_RATE", "Sound", "open_sound"]
