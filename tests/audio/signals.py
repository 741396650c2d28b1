"""Sounds that tests make, files of them, and what is to come out of them."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable
from fractions import Fraction

import av
import numpy as np
import soxr
from numpy.typing import NDArray

SAMPLE_RATE = 24_000  # Hz, of what comes out
RATES = [8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 88_200, 96_000]

PICTURES = 10  # a second, of a video

Signal = NDArray[np.float64]


def sine(hertz: float, rate: int, seconds: float = 2.0, level: float = 0.5) -> Signal:
    """A tone, mono, +-1.0."""
    tone: Signal = level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)
    return tone


def sweep(rate: int, seconds: float = 4.0, level: float = 0.5, low: float = 50.0, high: float | None = None) -> Signal:
    """A tone that rises by the same number of octaves each second, up to half the rate unless told otherwise."""
    moments = np.arange(round(seconds * rate)) / rate
    octaves = np.log((high or 0.499 * rate) / low)
    turns = low * seconds / octaves * (np.exp(octaves * moments / seconds) - 1)
    faded: Signal = level * np.sin(2 * np.pi * turns) * _fade(len(moments), rate)
    return faded


def speech(rate: int, seconds: float = 4.0, level: float = 0.7) -> Signal:
    """What has speech's shape: pulses of a falling voice through formants, hisses between, pauses; always the same."""
    noise = np.random.default_rng(7)
    count = round(seconds * rate)
    vowels = [(730, 1090, 2440), (270, 2290, 3010), (300, 870, 2240), (530, 1840, 2480)]  # Hz: a, i, u, e
    sound = np.zeros(count)
    syllable = round(0.22 * rate)
    for number, start in enumerate(range(0, count, syllable)):
        part = slice(start, min(start + syllable, count))
        size = part.stop - part.start
        if number % 6 == 5:
            continue
        if number % 3 == 2:
            voice = _resonance(noise.standard_normal(size), 4500, 1800, rate) * 0.15
        else:
            pitch = 140 - 40 * np.arange(size) / syllable
            phase = np.cumsum(pitch / rate)
            voice = np.diff(np.floor(phase), prepend=0.0) + 0.002 * noise.standard_normal(size)
            for formant in vowels[number % len(vowels)]:
                voice = _resonance(voice, formant, 90, rate)
        peak = np.max(np.abs(voice))
        sound[part] = voice / peak * np.hanning(size) * (0.4 + 0.6 * noise.random())
    loud: Signal = level * sound / np.max(np.abs(sound))
    return loud


def _resonance(sound: Signal, hertz: float, width: float, rate: int) -> Signal:
    """Makes what is near `hertz` louder, as a mouth does; in the spectrum, with room for the echo to fade."""
    hertz = min(hertz, 0.45 * rate)
    size = 2 * len(sound)
    turn = np.exp(2j * np.pi * np.arange(size // 2 + 1) / size)
    radius = np.exp(-np.pi * width / rate)
    pole = radius * np.exp(2j * np.pi * hertz / rate)
    response = (1 - radius) / ((1 - pole / turn) * (1 - pole.conjugate() / turn))
    shaped: Signal = np.fft.irfft(np.fft.rfft(sound, size) * response, size)[: len(sound)]
    return shaped


def _fade(count: int, rate: int) -> Signal:
    ramp = np.minimum(1.0, np.arange(count) / (0.02 * rate))
    both: Signal = ramp * ramp[::-1]
    return both


def stereo(left: Signal, right: Signal | None = None) -> Signal:
    """Two channels, (n, 2); with one of them given, a softer right one."""
    return np.stack([left, left * 0.5 if right is None else right], axis=1)


def pcm16(signal: Signal) -> NDArray[np.int16]:
    """Rounded to 16 bit."""
    return np.clip(np.rint(signal * 32768), -32768, 32767).astype("<i2")


def wav(data: bytes, rate: int, channels: int = 1, bits: int = 16, tag: int = 1, **parts: bytes) -> bytes:
    """A WAV file of raw samples.

    Args:
        data: the samples as they lie in the file.
        rate: Hz.
        channels: of one frame.
        bits: of a sample.
        tag: the format's number.
        parts: `before` and `after`, whole chunks around the sound.
    """
    frame = channels * bits // 8
    form = struct.pack("<HHIIHH", tag, channels, rate, rate * frame, frame, bits)
    body = chunk(b"fmt ", form) + parts.get("before", b"") + chunk(b"data", data) + parts.get("after", b"")
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WAVE" + body


def chunk(name: bytes, body: bytes) -> bytes:
    """One chunk of a RIFF file, padded as it is to be."""
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def encoded(
    signal: Signal,
    rate: int,
    container: str,
    codec: str | None,
    *,
    picture: bool = False,
    options: dict[str, str] | None = None,
) -> bytes:
    """A file by PyAV.

    Args:
        signal: (n,) or (n, channels).
        rate: Hz.
        container: FFmpeg's name of the format.
        codec: and of the encoder; None for a video without sound.
        picture: whether it is a video, with a picture that stands still.
        options: of the container.
    """
    file = io.BytesIO()
    frames = signal.reshape(len(signal), -1).astype(np.float32)
    layout = "mono" if frames.shape[1] == 1 else "stereo"
    with av.open(file, "w", format=container, options=options or {}) as output:
        sound = None if codec is None else output.add_stream(codec, rate=rate, layout=layout)
        video = output.add_stream("mpeg4", rate=PICTURES) if picture else None
        if video is not None:
            assert isinstance(video, av.VideoStream)
            video.width = video.height = 64
            video.pix_fmt = "yuv420p"
            for number in range(int(PICTURES * len(frames) / rate)):
                image = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 128, np.uint8), format="rgb24")
                image.pts, image.time_base = number, Fraction(1, PICTURES)
                output.mux(video.encode(image))
            output.mux(video.encode(None))
        if sound is not None:
            assert isinstance(sound, av.AudioStream)
            sound.codec_context.bit_rate = 192_000
            whole = av.AudioFrame.from_ndarray(np.ascontiguousarray(frames.T), format="fltp", layout=layout)
            whole.sample_rate, whole.pts, whole.time_base = rate, 0, Fraction(1, rate)
            size = sound.codec_context.frame_size or 4096
            cutter = av.AudioResampler(sound.codec_context.format, layout, rate, frame_size=size)
            for source in (whole, None):
                for frame in cutter.resample(source):
                    output.mux(sound.encode(frame))
            output.mux(sound.encode(None))
    return file.getvalue()


def samples(pieces: Iterable[bytes]) -> Signal:
    """What came out, +-1.0."""
    return np.frombuffer(b"".join(pieces), "<i2").astype(np.float64) / 32768


def reference(signal: Signal, rate: int, quality: str = "VHQ") -> Signal:
    """What is to come out: the mean over channels, resampled as a whole, at soxr's highest quality or another."""
    mono: Signal = signal.reshape(len(signal), -1).mean(axis=1)
    if rate == SAMPLE_RATE:
        return mono
    resampled: Signal = soxr.resample(mono, rate, SAMPLE_RATE, quality)
    return resampled


def decibels(value: float) -> float:
    """Of full scale."""
    return float(20 * np.log10(max(value, 1e-12)))


def difference(got: Signal, wanted: Signal, *, below: float | None = None) -> float:
    """How far two signals are apart, root mean square, in decibels of full scale; of what is below so many Hz."""
    count = max(len(got), len(wanted))
    lines = np.fft.rfft(got, count) - np.fft.rfft(wanted, count)
    if below is not None:
        lines[np.fft.rfftfreq(count, 1 / SAMPLE_RATE) > below] = 0
    return decibels(float(np.sqrt(np.mean(np.fft.irfft(lines, count) ** 2))))


def spectrum(signal: Signal, rate: int = SAMPLE_RATE) -> tuple[Signal, Signal]:
    """Frequencies in Hz, and what is there in units of a tone's amplitude; without the signal's two ends."""
    inner = signal[len(signal) // 10 : -len(signal) // 10]
    # a window whose side lobes are below -180 dB
    window = np.kaiser(len(inner), 24.0)
    lines: Signal = 2 * np.abs(np.fft.rfft(inner * window)) / window.sum()
    return np.arange(len(lines)) * rate / len(inner), lines


def loudest(signal: Signal, *, beside: float | None = None, width: float = 60.0) -> float:
    """The strongest line of a spectrum in decibels of full scale, leaving out what is near `beside` Hz."""
    hertz, lines = spectrum(signal)
    if beside is not None:
        lines = lines[np.abs(hertz - beside) > width]
    return decibels(float(lines.max()))


def amplitude(signal: Signal, hertz: float) -> float:
    """Of a tone of a known frequency."""
    return abs(_fitted(signal, hertz))


def delay(signal: Signal, hertz: float) -> float:
    """Of a sine whose phase began at zero, in samples at 24 kHz."""
    return float(-np.angle(_fitted(signal, hertz)) / (2 * np.pi * hertz) * SAMPLE_RATE)


def _fitted(signal: Signal, hertz: float) -> complex:
    """Amplitude and phase of a sine in a signal, whose two ends do not count."""
    margin = len(signal) // 10
    turns = 2 * np.pi * hertz * np.arange(margin, len(signal) - margin) / SAMPLE_RATE
    waves = np.stack([np.sin(turns), np.cos(turns)], axis=1)
    in_phase, ahead = np.linalg.lstsq(waves, signal[margin : len(signal) - margin], rcond=None)[0]
    return complex(in_phase, ahead)
