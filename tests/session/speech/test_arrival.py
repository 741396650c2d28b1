"""What arrives at the service is the input: the sound that the simulator heard against a reference resampling."""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soxr

from liveavatar_nb import AsyncLiveAvatar, AsyncSession, Simulator, config

from ...audio import signals
from ...audio.signals import RATES, SAMPLE_RATE, Signal, pcm16, samples

ROUNDING = -95.0  # dB of full scale: what is left of 16 bit's own, -101
LEVEL = 0.01  # dB
SPURIOUS = -90.0  # dB of full scale
SECONDS = 4.0


def recording(rate: int) -> Signal:
    """People who talk in a room: a recording that LiveKit's agents bring along, at a rate of one's choice."""
    home = importlib.util.find_spec("livekit.agents")
    assert home is not None
    assert home.origin is not None
    path = Path(home.origin).parent / "resources" / "crowded-room.ogg"
    parts: list[Any] = []
    with av.open(str(path)) as file:
        for frame in file.decode(audio=0):
            parts.append(frame.to_ndarray())
            if sum(part.shape[1] for part in parts) > SECONDS * frame.sample_rate:
                break
        own = frame.sample_rate
    mono: Signal = np.concatenate(parts, axis=1).mean(axis=0).astype(np.float64)[: round(SECONDS * own)]
    resampled: Signal = mono if own == rate else soxr.resample(mono, own, rate, "VHQ")
    loud: Signal = resampled / np.max(np.abs(resampled)) * 0.8
    return loud


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(speed=50, connect_delay=0, history=False, rate_limit=None, idle_limit=100_000) as running:
        yield running
        assert not running.refusals()
        assert not running.billed()


@pytest.fixture
async def session(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[AsyncSession]:
    # what arrives is the matter here, and not when
    monkeypatch.setattr(config, "SPEECH_LEAD", 3600.0)
    async with AsyncLiveAvatar(simulator.api_key, api_url=simulator.url, max_minutes=20) as client:
        client.is_simulated = True
        async with await client.start("Silas") as session:
            yield session


async def arrived(session: AsyncSession, simulator: Simulator, signal: Signal, rate: int) -> Signal:
    """What the simulator heard of a WAV file of 16 bit that was played to its end."""
    channels = 1 if signal.ndim == 1 else signal.shape[1]
    utterance = await session.play(signals.wav(pcm16(signal).tobytes(), rate, channels))
    assert (str(utterance.state), utterance.notes) == ("ended", ())
    heard = simulator.heard()[-1]
    assert (heard.event_id, heard.dropped) == (utterance.id, 0)
    return samples([heard.pcm])


@pytest.mark.parametrize("is_stereo", [False, True], ids=["mono", "stereo"])
@pytest.mark.parametrize("rate", RATES)
async def test_what_arrives_is_the_input(
    session: AsyncSession, simulator: Simulator, rate: int, is_stereo: bool
) -> None:
    """Level, length, delay and spectrum of sines; sweeps, what has the shape of speech, and a recording of people."""
    hertz = 997.0
    tone = signals.sine(hertz, rate)
    got = await arrived(session, simulator, signals.stereo(tone) if is_stereo else tone, rate)
    assert abs(len(got) - len(tone) * SAMPLE_RATE / rate) <= 1
    assert abs(signals.decibels(signals.amplitude(got, hertz) / (0.375 if is_stereo else 0.5))) < LEVEL
    assert abs(signals.delay(got, hertz)) < 0.01
    assert signals.loudest(got, beside=hertz) < SPURIOUS
    if rate > SAMPLE_RATE:
        too_high = signals.sine(0.4 * rate if rate > 32_000 else 13_000, rate, level=0.9)
        assert signals.loudest(await arrived(session, simulator, too_high, rate)) < SPURIOUS
    makes: tuple[Callable[[int], Signal], ...] = (signals.sweep, signals.speech, recording)
    for make in makes:
        signal = make(rate)
        if is_stereo:
            signal = signals.stereo(signal, np.roll(signal, rate // 10) * 0.8)
        wanted = signals.reference(pcm16(signal) / 32768, rate)
        got = await arrived(session, simulator, signal, rate)
        assert signals.difference(np.zeros(1), wanted) > -40, "there is something to compare"
        assert abs(len(got) - len(signal) * SAMPLE_RATE / rate) <= 1
        # near half the rate sound is faded out, by each quality in its own way
        assert signals.difference(got, wanted, below=0.9 * min(rate, SAMPLE_RATE) / 2) < ROUNDING, make.__name__
