"""What speech costs on its way to the wire: the first frame, an interruption, many sessions, a busy main thread.

All times are taken where the frames arrive, in the simulator's process on this machine.
"""

from __future__ import annotations

import asyncio
import base64
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import wave
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from websockets.asyncio.client import ClientConnection, connect

from liveavatar_nb import (
    AsyncLiveAvatar,
    AsyncSession,
    AsyncUtterance,
    LiveAvatar,
    LiveAvatarAPI,
    Session,
    Simulator,
    config,
)
from liveavatar_nb.protocol import lite
from liveavatar_nb.wirelog.frame import Frame

RATE = 24_000
FILE_RATE = 48_000  # Hz of the long file, stereo
FILE_MINUTES = 10
ROUNDS = 25
FIRST_AIM = 0.020  # s that a first frame may come later than a bare one
INTERRUPT_AIM = 0.005  # s from the call to the wire
SESSIONS = 100
SPOKEN = 12.0  # s that each of many sessions says
WITHIN = 1.0  # s in which they begin
LATE_AIM = 0.100  # s that a frame may come after it was due
BUSY = 8.0  # s of sound beside a busy main thread
BUSY_ROUNDS = 3
MEMORY_MINUTES = (1, 60)
MEMORY_SPEED = 240.0  # the clocks of the memory's run
MEMORY_AIM = 1.1  # the same, but for the log of the wire, which fills up to its bound


def report() -> bool:
    """Print the figures; says whether the aims were met."""
    with tempfile.TemporaryDirectory() as folder, _protected(folder):
        long = Path(folder) / "long.wav"
        write_file(long, FILE_MINUTES)
        met = [
            asyncio.run(_first_frame(long)),
            asyncio.run(_interrupt()),
            asyncio.run(_many()),
            _busy(),
            _memory(Path(folder)),
        ]
    return all(met)


@contextmanager
def _protected(folder: str) -> Iterator[None]:
    """With a journal of its own."""
    import os  # noqa: PLC0415

    before = os.environ.get("XDG_STATE_HOME")
    os.environ["XDG_STATE_HOME"] = folder
    try:
        yield
    finally:
        os.environ.pop("XDG_STATE_HOME", None)
        if before is not None:
            os.environ["XDG_STATE_HOME"] = before


def write_file(path: Path, minutes: float) -> None:
    """A WAV of noise, 16-bit stereo."""
    second = np.random.default_rng(0).integers(-9_000, 9_000, (FILE_RATE, 2), dtype=np.int16).tobytes()
    with wave.open(str(path), "wb") as file:
        file.setparams((2, 2, FILE_RATE, 0, "NONE", ""))
        for _ in range(round(minutes * 60)):
            file.writeframesraw(second)


def _simulator(**options: Any) -> Simulator:
    return Simulator(connect_delay=0, rate_limit=None, credits=1_000_000, history=False, **options)


def _told(title: str, seconds: list[float], *, aim: float | None = None, judged: float | None = None) -> bool:
    judged = max(seconds) if judged is None else judged
    verdict = (
        "" if aim is None else f"   <= {aim * 1e3:g} ms: {'met' if judged <= aim else 'MISSED'} ({judged * 1e3:.2f})"
    )
    low, _, high = statistics.quantiles(seconds, n=4)
    print(
        f"{title:44}{statistics.median(seconds) * 1e3:10.2f} ms  ±{(high - low) / 2 * 1e3:.2f}"
        f"   longest {max(seconds) * 1e3:.2f}{verdict}"
    )
    return aim is None or judged <= aim


async def _arrival(simulator: Simulator, kind: str, seen: int) -> float:
    """When the first frame of a kind arrived after so many of them."""
    while True:
        frames = await asyncio.to_thread(lambda: [frame for frame in simulator.frames() if frame.type == kind])
        if len(frames) > seen:
            return frames[seen].received_at
        await asyncio.sleep(0.005)


async def _first_frame(path: Path) -> bool:
    """`play` of a long file, to its first frame on the wire, against a frame that is there and only sent."""
    bare_rounds: list[float] = []
    file_rounds: list[float] = []
    frame = lite.speak(bytes(28_800), "bare")
    with _simulator() as simulator:
        async with (
            AsyncLiveAvatar(simulator.api_key, api_url=simulator.url) as client,
            await client.start("Silas") as one,
        ):
            sends: list[tuple[list[float], Callable[[], Awaitable[Any]]]] = [
                (bare_rounds, lambda: one.lifecycle.socket.send(frame)),  # type: ignore[union-attr]
                (file_rounds, lambda: one.play(path, wait=False)),
            ]
            for _ in range(ROUNDS):
                for rounds, send in sends:
                    seen = sum(arrived.type == "agent.speak" for arrived in simulator.frames())
                    began = time.time()
                    await send()
                    rounds.append(await _arrival(simulator, "agent.speak", seen) - began)
                    await one.interrupt()
    print(f"\nA first frame of 0.6 s, from the call until it has arrived ({ROUNDS} interleaved rounds)")
    _told("bare send of a frame that is there", bare_rounds)
    more = statistics.median(b - a for a, b in zip(bare_rounds, file_rounds, strict=True))
    return _told(f"play() of a file of {FILE_MINUTES} min, 48 kHz stereo", file_rounds, aim=FIRST_AIM, judged=more)


async def _interrupt() -> bool:
    """`interrupt` while a sound is being sent, to the wire, against a bare command."""
    bare_rounds, rounds = [], []
    with _simulator() as simulator:
        async with (
            AsyncLiveAvatar(simulator.api_key, api_url=simulator.url) as client,
            await client.start("Silas") as one,
        ):
            for count in range(ROUNDS):
                began = time.time()
                await one.start_listening()
                bare_rounds.append(await _arrival(simulator, "agent.start_listening", count) - began)
                sound = await one.play(np.zeros(RATE * 600, np.int16), rate=RATE, wait=False)
                while sound.state != "talking":  # noqa: ASYNC110 (no event: nothing is to be in the way of the frames)
                    await asyncio.sleep(0.01)
                began = time.time()
                await one.interrupt()
                rounds.append(await _arrival(simulator, "agent.interrupt", count) - began)
    print(f"\nA command, from the call until it has arrived ({ROUNDS} interleaved rounds)")
    _told("start_listening() in silence", bare_rounds)
    return _told("interrupt() while a sound is sent", rounds, aim=INTERRUPT_AIM)


def lateness(frames: list[tuple[float, float]], began: float) -> list[float]:
    """How long after it was due each frame came.

    Args:
        frames: when each came, in seconds since the epoch, and its seconds of sound.
        began: when the first was sent.
    """
    late, handed_in = [], 0.0
    for moment, seconds in frames:
        late.append(moment - began - max(0.0, handed_in - config.SPEECH_LEAD))
        handed_in += seconds
    return late


def _sent(session: AsyncSession | Session) -> list[float]:
    """When each frame of sound was sent."""
    frames = [entry for entry in session.wire if isinstance(entry, Frame)]
    return [frame.at for frame in frames if frame.type == "agent.speak"]


def _arrived(simulator: Simulator) -> dict[str, list[tuple[float, float]]]:
    found: dict[str, list[tuple[float, float]]] = {}
    for frame in simulator.frames():
        if frame.type == "agent.speak":
            found.setdefault(frame.session_id, []).append((frame.received_at, frame.seconds))
    return found


async def _many() -> bool:
    """Many sessions that talk at once in one process."""
    sound = np.random.default_rng(0).integers(-9_000, 9_000, round(SPOKEN * FILE_RATE), dtype=np.int16)
    with _simulator(concurrency=SESSIONS) as simulator:
        async with AsyncLiveAvatar(simulator.api_key, api_url=simulator.url) as client:
            client.is_simulated = True  # it is about speech: no guard, no journal
            gate = asyncio.Semaphore(10)

            async def start() -> AsyncSession:
                async with gate:
                    return await client.start("Silas", concurrent=True)

            sessions = await asyncio.gather(*(start() for _ in range(SESSIONS)))
            before, began = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()

            async def speak(number: int, one: AsyncSession) -> AsyncUtterance:
                await asyncio.sleep(number / SESSIONS * WITHIN)
                return await one.play(sound, rate=FILE_RATE, timeout=60)

            utterances = await asyncio.gather(*(speak(number, one) for number, one in enumerate(sessions)))
            after, passed = resource.getrusage(resource.RUSAGE_SELF), time.monotonic() - began
            assert {one.state for one in utterances} == {"ended"}
            arrived = _arrived(simulator)
            sent = {one.id: _sent(one) for one in sessions}
    late_sent, late_arrived = [], []
    for session_id, moments in sent.items():
        assert session_id is not None
        frames = arrived[session_id]
        late_arrived += lateness(frames, moments[0])
        late_sent += lateness([(at, seconds) for at, (_, seconds) in zip(moments, frames, strict=True)], moments[0])
    used = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / passed
    print(f"\n{SESSIONS} sessions that talk at once in one process, {SPOKEN:g} s each of 48 kHz: {used:.2f} cores used")
    _told("a frame that arrives after it was due", late_arrived)
    return _told("a frame that is sent after it was due", late_sent, aim=LATE_AIM)


def _busy() -> bool:
    """One session beside a main thread that computes, against a bare sender in the same place."""
    bare: list[float] = []
    ours: list[float] = []
    sound = np.random.default_rng(0).integers(-9_000, 9_000, round(BUSY * RATE), dtype=np.int16)
    for _ in range(BUSY_ROUNDS):
        with _simulator() as simulator:
            api, began = LiveAvatarAPI(simulator.api_key, api_url=simulator.url), list[float]()
            _beside_a_busy_thread(lambda api=api, began=began: began.append(asyncio.run(_bare_sender(api))))
            ((_, frames),) = _arrived(simulator).items()
            bare += lateness(frames, began[0])
        with (
            _simulator() as simulator,
            LiveAvatar(simulator.api_key, api_url=simulator.url) as la,
            la.start("Silas") as one,
        ):
            _beside_a_busy_thread(lambda one=one: one.play(sound, rate=RATE))
            ((_, frames),) = _arrived(simulator).items()
            ours += lateness(frames, _sent(one)[0])
    print(f"\nOne session while the main thread is in a busy Python loop ({BUSY_ROUNDS} x {BUSY:g} s of sound)")
    _told("a frame that arrives after it was due: bare", bare)
    _told("a frame that arrives after it was due: play", ours)
    print(f"{'ratio of the medians':44}{statistics.median(ours) / statistics.median(bare):10.2f}")
    return True


def _beside_a_busy_thread(work: Callable[..., Any]) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    count = 0
    while thread.is_alive():
        for _ in range(100_000):
            count += 1


async def _bare_sender(api: LiveAvatarAPI) -> float:
    """The least that sends a sound in time: frames that are encoded beforehand, and a clock; when it began."""
    async with api:
        avatar = next(one.id for one in await api.avatars.public() if one.name == "Silas")
        token = await api.sessions.create_token(mode="LITE", avatar_id=avatar)
        started = await api.sessions.start(token.session_id, token.session_token)
        assert started.ws_url is not None
        sizes = [0.6, *[1.0] * int(BUSY - 0.6)]
        frames = [
            json.dumps(
                {
                    "type": "agent.speak",
                    "event_id": "bare",
                    "audio": base64.b64encode(bytes(round(s * 48_000))).decode(),
                }
            )
            for s in sizes
        ]
        async with connect(started.ws_url, compression=None, proxy=None) as socket:
            await _until_connected(socket)
            began, first_sent_at, handed_in = time.monotonic(), time.time(), 0.0
            for size, frame in zip(sizes, frames, strict=True):
                due = began + max(0.0, handed_in - config.SPEECH_LEAD)
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                await socket.send(frame)
                handed_in += size
            await socket.send('{"type": "agent.speak_end", "event_id": "bare"}')
        await api.sessions.stop(token.session_id, reason="USER_CLOSED")
    return first_sent_at


async def _until_connected(socket: ClientConnection) -> None:
    async for frame in socket:
        if json.loads(frame).get("state") == "connected":
            return


MEMORY = f"""
import asyncio, sys, time
from liveavatar_nb import AsyncLiveAvatar, Simulator
from liveavatar_nb.concurrency.clock import Clock

class Fast(Clock):
    def monotonic(self): return time.monotonic() * {MEMORY_SPEED}
    async def sleep(self, seconds): await asyncio.sleep(seconds / {MEMORY_SPEED})

async def main():
    with Simulator(speed={MEMORY_SPEED}, connect_delay=0, idle_limit=86400, max_session_seconds=86400) as simulator:
        async with AsyncLiveAvatar(simulator.api_key, api_url=simulator.url, clock=Fast(), max_minutes=600) as client:
            client.is_simulated = True
            async with await client.start("Silas") as session:
                utterance = await session.play(sys.argv[1], timeout=86400)
                assert utterance.state == "ended", utterance
    # ru_maxrss would begin with the peak of the process that started this one
    peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
    print(int(peak.split()[1]) / 1024)

asyncio.run(main())
"""


def _memory(folder: Path) -> bool:
    """Peak memory of a process that plays a file through, on a clock that runs fast."""
    peaks = []
    print(f"\nPeak memory of a process that plays a WAV of 48 kHz stereo to its end ({MEMORY_SPEED:g} times as fast)")
    for minutes in MEMORY_MINUTES:
        path = folder / f"{minutes}.wav"
        write_file(path, minutes)
        done = subprocess.run([sys.executable, "-c", MEMORY, str(path)], capture_output=True, text=True, check=True)
        path.unlink()
        peaks.append(float(done.stdout))
        print(f"{f'{minutes} min':44}{peaks[-1]:10.1f} MiB")
    ratio = peaks[1] / peaks[0]
    print(f"{'ratio':44}{ratio:10.2f}   <= {MEMORY_AIM:g}: {'met' if ratio <= MEMORY_AIM else 'MISSED'}")
    return ratio <= MEMORY_AIM
