"""What it costs to turn a file into what the service takes: against soxr alone, and in memory."""

from __future__ import annotations

import itertools
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
import soxr
from numpy.typing import NDArray

from liveavatar_nb.audio import SAMPLE_RATE, open_sound
from liveavatar_nb.audio.resample import QUALITY

from .table import Row, show

ROUNDS: Final = 20
MINUTES: Final = 10
RATE: Final = 48_000  # Hz
AIM: Final = 1.3  # of soxr alone
MEMORY_AIM: Final = 1.05  # of a minute's
LONG: Final = 60  # min
PROCESS_LIMIT: Final = 120  # s for one process

SOXR: Final = "soxr alone: ResampleStream, mono float32"
FILE: Final = "a WAV file, 16-bit stereo"
MONO: Final = "a WAV file, 16-bit mono"
ARRAY: Final = "an array, float32 mono"

# reads a file to its end, and tells the most memory that it ever had, in KiB; ru_maxrss would be that of the
# process that started it, where that is more
READ: Final = """
import sys
from pathlib import Path
from liveavatar_nb.audio import open_sound
for piece in open_sound(sys.argv[1]).pcm():
    pass
[line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
print(line.split()[1])
"""


def _noise(minutes: float) -> NDArray[np.int16]:
    """Stereo; a minute of it again and again."""
    minute = np.random.default_rng(1).normal(0, 3_000, (60 * RATE, 2)).astype(np.int16)
    return np.tile(minute, (int(minutes), 1))


def _write(path: Path, samples: NDArray[np.int16], times: int = 1) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(RATE)
        for _ in range(times):
            file.writeframesraw(samples.tobytes())
    return path


def _soxr_alone(mono: NDArray[np.float32]) -> int:
    stream = soxr.ResampleStream(RATE, SAMPLE_RATE, 1, "float32", QUALITY)
    count = sum(len(stream.resample_chunk(mono[at : at + RATE])) for at in range(0, len(mono), RATE))
    return count + len(stream.resample_chunk(mono[:0], last=True))


def _ours(audio: Path | NDArray[np.float32]) -> int:
    rate = None if isinstance(audio, Path) else RATE
    return sum(map(len, open_sound(audio, rate).pcm())) // 2


def measure(folder: Path) -> list[Row]:
    """Time all in interleaved rounds."""
    samples = _noise(MINUTES)
    mono = samples.mean(axis=1, dtype=np.float32)
    scaled = mono / 32768
    stereo_file, mono_file = _write(folder / "stereo.wav", samples), _write(folder / "mono.wav", samples[:, :1])
    del samples
    contenders: dict[str, Callable[[], int]] = {
        SOXR: lambda: _soxr_alone(mono),
        FILE: lambda: _ours(stereo_file),
        MONO: lambda: _ours(mono_file),
        ARRAY: lambda: _ours(scaled),
    }
    for read in contenders.values():
        assert read() == MINUTES * 60 * SAMPLE_RATE
    rounds: dict[str, list[float]] = {name: [] for name in contenders}
    names = list(contenders)
    for number in range(ROUNDS):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            began = time.perf_counter()
            contenders[name]()
            rounds[name].append(time.perf_counter() - began)
    return [Row(name, times, None if name == SOXR else AIM) for name, times in rounds.items()]


def _memory(folder: Path) -> bool:
    """The most memory of a process that reads a minute, and of one that reads an hour."""
    minute = _noise(1)
    print(f"\nPeak memory of a process that reads a sound{'':11}1 min   {LONG} min    ratio   <= {MEMORY_AIM:g}")
    met = True
    for name, suffix in ((FILE, "wav"), ("the same as FLAC", "flac")):
        peaks = []
        for minutes in (1, LONG):
            path = folder / f"{minutes}.{suffix}"
            if suffix == "wav":
                _write(path, minute, minutes)
            else:
                _encode(path, minute, minutes)
            command = [sys.executable, "-c", READ, str(path)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=PROCESS_LIMIT, check=True)
            peaks.append(int(done.stdout) / 1024)
            path.unlink()
        ratio = peaks[1] / peaks[0]
        met = met and ratio <= MEMORY_AIM
        verdict = "met" if ratio <= MEMORY_AIM else "MISSED"
        print(f"{name:44}{peaks[0]:11.1f} {peaks[1]:8.1f} MiB{ratio:5.2f}   {verdict}")
    return met


def _encode(path: Path, minute: NDArray[np.int16], minutes: int) -> None:
    import av  # noqa: PLC0415 (an extra)

    frame_size = 4_096
    with av.open(str(path), "w") as file:
        stream = file.add_stream("flac", rate=RATE, layout="stereo")
        starts = range(0, len(minute) - frame_size + 1, frame_size)
        for _, start in itertools.product(range(minutes), starts):
            part = np.ascontiguousarray(minute[start : start + frame_size]).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(part, format="s16", layout="stereo")
            frame.sample_rate = RATE
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))


def report() -> bool:
    """Print the tables; says whether the aims were met."""
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(Path(folder))
        title = f"{MINUTES} minutes at {RATE:,} Hz to 24 kHz PCM16 ({ROUNDS} interleaved rounds)"
        met = show(title, rows, reference=SOXR, unit="ms", per_second=1e3)
        return _memory(Path(folder)) and met
