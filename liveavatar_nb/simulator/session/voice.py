"""The avatar's voice: espeak-ng if it is installed, otherwise babble of about the same length."""

from __future__ import annotations

import asyncio
import io
import math
import re
import shutil
import wave
from collections import OrderedDict
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from ..account.languages import LANGUAGES
from .speech import SAMPLE_BYTES, SAMPLE_RATE

if TYPE_CHECKING:
    import numpy as np

    Samples = np.ndarray[Any, np.dtype[np.float64]]

CHARACTERS_A_SECOND: Final = 14.0
SYNTHESIS_LIMIT: Final = 20.0  # maximum seconds to synthesize a text; the longest that fits in a packet takes about 2 s
MOST_KEPT: Final = 4 * 1024 * 1024  # bytes of audio

# languages whose voice has a different name in espeak-ng
ESPEAK_NAMES: Final = {"zh": "cmn", "no": "nb", "en": "en-us", "fr": "fr-fr"}
ESPEAK_VARIANTS: Final = {"female": "+f3", "male": "+m3"}
FALL_BACK: Final = "en"

# parameters of the babble's sound
PITCHES: Final = {"female": 205.0, "male": 118.0}  # hertz
MIDDLE_PITCH: Final = 160.0  # hertz
SYLLABLE: Final = re.compile(r"[^\W\d_]{1,3}|\d", re.UNICODE)
PAUSES: Final = {",": 0.15, ";": 0.2, ":": 0.2, ".": 0.35, "!": 0.35, "?": 0.35}  # seconds
LOUDNESS: Final = 6_000.0  # peak amplitude of a syllable, out of 32,767
OVERTONES: Final = 12
FORMANTS: Final = ((700.0, 1200.0), (400.0, 2000.0), (500.0, 900.0), (320.0, 2300.0), (350.0, 800.0))  # hertz
FORMANT_WIDTH: Final = 220.0  # hertz


class Voice:
    """A voice that caches the audio of recent texts.

    Args:
        language: A code such as ``de``; an unknown language is spoken as English.
        gender: ``female``, ``male`` or anything else.
    """

    def __init__(self, language: str, gender: str) -> None:
        code = language.lower().partition("-")[0]
        self._language = code if code in LANGUAGES else FALL_BACK
        self._gender = gender

    async def speak(self, text: str) -> bytes:
        """Synthesize a text without blocking the event loop; return non-empty mono PCM16 at 24 kHz."""
        key = (self._language, self._gender, text)
        if (cached := _kept.get(key)) is not None:
            return cached
        sound = await self._words(text)
        if sound is None:
            sound = await asyncio.to_thread(babble, text, self._gender)
        _kept.put(key, sound)
        return sound

    async def _words(self, text: str) -> bytes | None:
        """Return the audio from espeak-ng; None if espeak-ng is not installed, fails or hangs."""
        if (program := shutil.which("espeak-ng")) is None:
            return None
        name = ESPEAK_NAMES.get(self._language, self._language) + ESPEAK_VARIANTS.get(self._gender, "")
        try:
            process = await asyncio.create_subprocess_exec(
                program,
                *("-v", name, "-b", "1", "--stdin", "--stdout"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
            )
        except OSError:
            return None
        try:
            async with asyncio.timeout(SYNTHESIS_LIMIT):
                file, _ = await process.communicate(text.encode("utf-8", "replace"))
        except TimeoutError:
            return None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return await asyncio.to_thread(_resample, file)


def seconds_of(text: str) -> float:
    """Estimate how many seconds it takes to speak the given text."""
    return max(1, len(text)) / CHARACTERS_A_SECOND


def babble(text: str, gender: str) -> bytes:
    """Return meaningless syllables: a tone for every three letters, and rests at punctuation.

    The same text and gender always give the same audio.
    """
    import numpy as np  # noqa: PLC0415 (not needed until something is said)

    size = round(seconds_of(text) * SAMPLE_RATE)
    sound = np.zeros(size)
    parts = _parts(text)
    total = sum(length for length, _ in parts)
    pitch = PITCHES.get(gender, MIDDLE_PITCH)
    begin = 0.0
    for number, (length, syllable) in enumerate(parts):
        end = begin + length / total * size
        if syllable:
            seed = sha256(f"{number}{syllable}".encode()).digest()
            first, last = round(begin), round(end)
            sound[first:last] = _syllable(last - first, pitch * (0.9 + seed[0] / 255 * 0.25), seed[1])
        begin = end
    return sound.astype("<i2").tobytes()


def _parts(text: str) -> list[tuple[float, str]]:
    """Return the text's syllables and rests, each as (seconds at normal pace, syllable or ``""``)."""
    parts: list[tuple[float, str]] = []
    for word in text.split():
        syllables = SYLLABLE.findall(word.lower())
        parts += [((len(syllable) + 0.5) / CHARACTERS_A_SECOND, syllable) for syllable in syllables]
        parts.append((PAUSES.get(word[-1], 0.5 / CHARACTERS_A_SECOND), ""))
    # text without letters still makes a sound
    return parts if any(syllable for _, syllable in parts) else [(1.0, "m"), (0.1, "")]


def _syllable(size: int, pitch: float, kind: int) -> Samples:
    """Return a sung vowel that swells and fades."""
    import numpy as np  # noqa: PLC0415

    moments = np.arange(size) / SAMPLE_RATE
    falling = pitch * (1 - 0.08 * moments / max(moments[-1:].sum(), 1e-9))
    phase = 2 * math.pi * np.cumsum(falling) / SAMPLE_RATE
    wave_form = np.zeros(size)
    for order in range(1, OVERTONES + 1):
        hertz = pitch * order
        gain = sum(math.exp(-(((hertz - place) / FORMANT_WIDTH) ** 2)) for place in FORMANTS[kind % len(FORMANTS)])
        wave_form += (gain + 0.3 / order) * np.sin(order * phase)
    wave_form *= np.sin(math.pi * (np.arange(size) + 0.5) / max(size, 1)) ** 0.6
    peak = float(np.max(np.abs(wave_form), initial=1e-9))
    scaled: Samples = wave_form * (LOUDNESS / peak)
    return scaled


def _resample(file: bytes) -> bytes | None:
    """Return the audio in espeak-ng's WAV file, resampled to 24 kHz; None if the file has no audio."""
    import numpy as np  # noqa: PLC0415
    import soxr  # noqa: PLC0415

    try:
        with wave.open(io.BytesIO(file)) as sound:
            rate, frames = sound.getframerate(), sound.readframes(len(file) // SAMPLE_BYTES)
    except (wave.Error, EOFError):
        return None
    samples = np.frombuffer(frames[: len(frames) // SAMPLE_BYTES * SAMPLE_BYTES], "<i2")
    pcm: bytes = soxr.resample(samples, rate, SAMPLE_RATE).astype("<i2").tobytes()
    return pcm or None


class _Kept:
    """A cache of the most recently used audio, bounded by size."""

    def __init__(self) -> None:
        self._sounds: OrderedDict[tuple[str, str, str], bytes] = OrderedDict()
        self._size = 0

    def get(self, key: tuple[str, str, str]) -> bytes | None:
        sound = self._sounds.get(key)
        if sound is not None:
            self._sounds.move_to_end(key)
        return sound

    def put(self, key: tuple[str, str, str], sound: bytes) -> None:
        self._size += len(sound) - len(self._sounds.pop(key, b""))
        self._sounds[key] = sound
        while self._size > MOST_KEPT and self._sounds:
            self._size -= len(self._sounds.popitem(last=False)[1])


_kept: Final = _Kept()
