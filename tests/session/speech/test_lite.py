"""Speech over a real socket: what is played arrives, in order and in time, and an interruption is one."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import gc
import json
import logging
import os
import random
import signal
import threading
import time
import traceback
import wave
from collections.abc import AsyncIterator, Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from liveavatar_nb import AsyncLiveAvatar, AsyncSession, LiveAvatar, Simulator, config
from liveavatar_nb.concurrency.threads import on_own_thread
from liveavatar_nb.concurrency.worker import THREAD_NAME
from liveavatar_nb.errors import (
    AudioError,
    ConfigurationError,
    InvalidArgument,
    SessionEnded,
    SessionError,
    UtteranceFailed,
    WrongMode,
)
from liveavatar_nb.protocol.events import Event
from liveavatar_nb.session.speech import lite
from liveavatar_nb.simulator import Heard

from ...waiting import until

RATE = 24_000
INTERRUPTS = int(os.environ.get("LIVEAVATAR_NB_TEST_INTERRUPTS", "1000"))


def noise(seconds: float, seed: int = 0) -> Any:
    """Samples of which no two stretches are alike."""
    return np.random.default_rng(seed).integers(-20_000, 20_000, round(seconds * RATE), dtype=np.int16)


def types(simulator: Simulator) -> list[str]:
    return [frame.type for frame in simulator.frames()]


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """One on which a second of sound takes 0.2 s; what it was sent is right, to the end."""
    with Simulator(speed=5, connect_delay=0.01, history=False, rate_limit=None) as running:
        yield running
        assert not running.refusals()
        assert not running.warnings()
        assert not running.billed()


@pytest.fixture
async def session(
    client: AsyncLiveAvatar, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[AsyncSession]:
    """One whose sound is sent so many seconds ahead as its parameter says."""
    monkeypatch.setattr(config, "SPEECH_LEAD", getattr(request, "param", config.SPEECH_LEAD))
    async with await client.start("Silas") as session:
        yield session


async def heard(simulator: Simulator, count: int = 1) -> list[Heard]:
    found: list[Heard] = []

    def has_all() -> bool:
        found[:] = simulator.heard()
        return len(found) >= count

    await until(has_all)
    return found


# what is said


async def test_what_is_played_arrives_and_is_said(session: AsyncSession, simulator: Simulator) -> None:
    samples = noise(2.9)
    utterance = await session.play(samples, rate=RATE, text="Noise.", name="noise")
    assert (utterance.state, utterance.name, utterance.seconds, utterance.total) == ("ended", "noise", 2.9, 2.9)
    assert utterance.lag is not None
    assert utterance.duration is not None
    (one,) = simulator.heard()
    assert one.pcm == samples.tobytes()
    assert one.frames == (28_800, 48_000, 48_000, 14_400)
    assert (one.event_id, one.state) == (utterance.id, "said")
    assert types(simulator) == ["agent.speak"] * 4 + ["agent.speak_end"]
    assert {frame.event_id for frame in simulator.frames()} == {utterance.id}
    assert session.utterances == (utterance,)
    assert (session.utterance, session.agent_state, session.caption) == (None, "idle", None)


async def test_words_are_captions_while_they_are_said_and_then_the_transcript(session: AsyncSession) -> None:
    captions = []
    session.on("speak_started", lambda event: captions.append(session.caption))
    await session.play(noise(2.0), rate=RATE, text="Hello there.")
    await session.play(noise(0.5), rate=RATE)
    assert [(line.role, line.transcript) for line in session.transcript] == [("avatar", "Hello there.")]
    assert abs(session.transcript[0].absolute_timestamp - time.time()) < 60
    await until(lambda: len(captions) == 2)
    assert captions == ["Hello there.", None]


async def test_what_is_played_meanwhile_waits_for_its_turn(session: AsyncSession, simulator: Simulator) -> None:
    samples = [noise(1.2, seed) for seed in range(3)]
    utterances = [await session.play(sound, rate=RATE, wait=False) for sound in samples]
    for utterance in utterances:
        await utterance.wait()
    assert [one.pcm for one in simulator.heard()] == [sound.tobytes() for sound in samples]
    assert [one.event_id for one in simulator.heard()] == [utterance.id for utterance in utterances]
    assert types(simulator) == ["agent.speak", "agent.speak", "agent.speak_end"] * 3


async def test_what_replaces_silences_what_was_said_and_what_waited(
    session: AsyncSession, simulator: Simulator
) -> None:
    first, second = [await session.play(noise(30, seed), rate=RATE, wait=False) for seed in (1, 2)]
    await until(lambda: first.state == "talking")
    third = await session.play(noise(0.5, 3), rate=RATE, replace=True)
    assert [one.state for one in (first, second, third)] == ["interrupted", "interrupted", "ended"]
    assert [one.state for one in simulator.heard()] == ["interrupted", "said"]


async def test_a_sound_is_sent_in_step_with_what_is_said(session: AsyncSession, simulator: Simulator) -> None:
    utterance = await session.play(noise(20), rate=RATE, wait=False)
    await asyncio.sleep(0.3)
    assert utterance.seconds <= config.SPEECH_LEAD + 1.6
    await session.interrupt()
    assert sum(frame.seconds for frame in simulator.frames()) == pytest.approx(utterance.seconds)


async def test_nothing_is_sent_before_the_avatar_is_there() -> None:
    with Simulator(speed=5, connect_delay=0.5) as simulator:
        async with AsyncLiveAvatar(simulator.api_key, api_url=simulator.url) as client:
            starting = asyncio.create_task(client.start("Silas"))
            await until(lambda: client.session is not None and client.session.state == "connecting")
            assert client.session is not None
            utterance = await client.session.play(noise(0.5), rate=RATE)
            assert utterance.state == "ended"
            await client.session.start_listening()
            await starting
        assert [(frame.type, frame.connected) for frame in simulator.frames()] == [
            ("agent.speak", True),
            ("agent.speak_end", True),
            ("agent.start_listening", True),
        ]
        assert not simulator.warnings()


@pytest.mark.parametrize("spelling", ["both", "speak", "state", "bare_state"])
async def test_every_spelling_of_the_events_is_understood_and_told(spelling: Any) -> None:
    with Simulator(speed=5, connect_delay=0.01, spelling=spelling) as simulator:
        async with (
            AsyncLiveAvatar(simulator.api_key, api_url=simulator.url) as client,
            await client.start("Silas") as session,
        ):
            told: list[str] = []
            session.on("*", lambda event: told.append(event.type))
            first = await session.play(noise(1.5, 1), rate=RATE, wait=False)
            second = await session.play(noise(1.5, 2), rate=RATE)
            assert (first.state, second.state, session.agent_state) == ("ended", "ended", "idle")
            await session.start_listening()
            if spelling != "speak":
                await until(lambda: session.agent_state == "listening")
            await until(lambda: told.count("agent.speak_ended") == 2)
            assert told.count("agent.speak_started") == 2
            third = await session.play(noise(60), rate=RATE, wait=False)
            await until(lambda: third.state == "talking")
            await session.interrupt()
            assert third.state == "interrupted"
            await until(lambda: session.agent_state != "talking")
            assert (await session.play(noise(0.5), rate=RATE)).state == "ended"


# where the sound comes from


def write_wav(path: Path, samples: Any, rate: int = RATE) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes(samples.tobytes())
    return path


async def test_a_file_is_called_by_its_name(session: AsyncSession, simulator: Simulator, tmp_path: Path) -> None:
    path = write_wav(tmp_path / "welcome.wav", noise(1.0))
    utterance = await session.play(path)
    assert (utterance.name, utterance.total) == ("welcome.wav", 1.0)
    assert simulator.heard()[0].pcm == noise(1.0).tobytes()


async def test_an_async_iterator_is_said_as_it_comes(session: AsyncSession, simulator: Simulator) -> None:
    more = asyncio.Event()
    is_closed = False

    async def source() -> AsyncIterator[Any]:
        nonlocal is_closed
        try:
            yield noise(1.0, 1)
            await more.wait()
            yield noise(1.0, 2)
        finally:
            is_closed = True

    utterance = await session.play(source(), rate=RATE, wait=False)
    await until(lambda: bool(simulator.heard()))
    assert simulator.heard()[0].frames == (28_800,)
    more.set()
    await utterance.wait()
    assert is_closed
    assert simulator.heard()[0].pcm == noise(1.0, 1).tobytes() + noise(1.0, 2).tobytes()


async def test_an_interrupted_iterator_is_closed(session: AsyncSession) -> None:
    closed = []

    async def awaited() -> AsyncIterator[Any]:
        try:
            while True:
                yield noise(0.5)
                await asyncio.sleep(0.01)
        finally:
            closed.append("awaited")

    def plain() -> Iterator[Any]:
        try:
            while True:
                yield noise(0.5)
        finally:
            closed.append("plain")

    for source in (awaited(), plain()):
        utterance = await session.play(source, rate=RATE, wait=False)
        await until(lambda: utterance.state == "talking")  # noqa: B023 (it is awaited here)
        await session.interrupt()
    await until(lambda: sorted(closed) == ["awaited", "plain"])


@pytest.mark.parametrize("wait", [True, False])
async def test_what_is_amiss_is_told_once(session: AsyncSession, caplog: pytest.LogCaptureFixture, wait: bool) -> None:
    """To who waits by the utterance or the error, else by the log."""

    def source() -> Iterator[Any]:
        yield noise(1.0)
        raise ZeroDivisionError("mine")

    loud = np.full(RATE, 1.5)
    for audio in (loud, source()):
        with contextlib.suppress(ZeroDivisionError):
            utterance = await session.play(audio, rate=RATE, wait=wait)
            await utterance.wait()
    assert "louder than full scale" in str(session.utterances[0].notes)
    assert ("louder than full scale" in caplog.text) is not wait
    assert ("mine" in caplog.text) is not wait


async def test_what_waited_is_closed_unread(session: AsyncSession) -> None:
    closed = []

    def plain() -> Iterator[Any]:
        try:
            yield noise(0.5)
            yield noise(0.5)
        finally:
            closed.append("plain")

    async def awaited() -> AsyncIterator[Any]:
        try:
            yield noise(0.5)
            yield noise(0.5)
        finally:
            closed.append("awaited")

    sources = [plain(), awaited()]
    for source in (noise(30), *sources):
        await session.play(source, rate=RATE, wait=False)
    await session.interrupt()
    await until(lambda: sorted(closed) == ["awaited", "plain"])
    assert len(sources) == 2, "kept up to here: it is closed, and not only collected"


async def test_no_more_is_read_than_is_soon_due(session: AsyncSession) -> None:
    read = []

    def source() -> Iterator[Any]:
        for number in range(60):
            read.append(number)
            yield noise(1.0)

    utterance = await session.play(source(), rate=RATE, wait=False)
    await until(lambda: utterance.state == "talking")
    await asyncio.sleep(0.2)
    ahead = config.PIECES_AHEAD + 2  # one is held by the thread, one by who sends
    assert len(read) <= utterance.seconds + ahead + 1


async def test_a_source_that_breaks_fails_its_utterance_alone(session: AsyncSession, simulator: Simulator) -> None:
    def source() -> Iterator[Any]:
        yield noise(1.0)
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        await session.play(source(), rate=RATE)
    # the avatar says what it has, and goes back to idle
    assert types(simulator) == ["agent.speak", "agent.speak_end"]
    assert session.utterances[0].state == "failed"
    assert (await session.play(noise(0.5), rate=RATE)).state == "ended"


@pytest.mark.parametrize(
    ("audio", "options", "error"),
    [
        (b"RIFF nothing", {}, AudioError),
        (Path("/nowhere/welcome.wav"), {}, AudioError),
        (3, {}, AudioError),
        (np.zeros(100), {}, AudioError),
        (np.zeros(2400), {"rate": RATE, "text": 3}, InvalidArgument),
        (np.zeros(2400), {"rate": RATE, "timeout": -1}, InvalidArgument),
        (np.zeros(2400), {"rate": RATE, "timeout": "soon"}, InvalidArgument),
    ],
)
async def test_what_cannot_be_played_is_refused_before_anything_is_sent(
    session: AsyncSession, simulator: Simulator, audio: Any, options: dict[str, Any], error: type[Exception]
) -> None:
    speaking = await session.play(noise(30), rate=RATE, wait=False)
    await until(lambda: speaking.state == "talking")
    with pytest.raises(error):
        await session.play(audio, replace=True, **options)
    assert speaking.state == "talking"
    assert "agent.interrupt" not in types(simulator)


async def test_a_conversation_and_a_session_that_is_over_are_refused(client: AsyncLiveAvatar) -> None:
    made = await client.api.contexts.create(name="Guide", prompt="You guide.", opening_text=None)
    async with await client.start("Silas", context=made.id) as full:
        with pytest.raises(WrongMode, match="play"):
            await full.play(noise(0.1), rate=RATE)
        await full.interrupt()
    async with await client.start("Silas") as session:
        pass
    for call in (session.play(noise(0.1), rate=RATE), session.say("Hello"), session.start_listening()):
        with pytest.raises(SessionEnded, match="you stopped it"):
            await call
    await session.interrupt()


# say


async def slow(text: str) -> Any:
    await asyncio.sleep(0)
    return noise(1.0), RATE


async def streamed(text: str) -> AsyncIterator[Any]:
    yield noise(0.4)
    yield noise(0.6)


async def pair(text: str) -> Any:
    return streamed(text), RATE


def blocking(text: str) -> Any:
    assert threading.current_thread() is not threading.main_thread()
    return (noise(1.0), RATE)


def generated(text: str) -> Any:
    return ((noise(0.5, seed) for seed in (1, 2)), RATE)


@pytest.mark.parametrize("tts", [slow, pair, blocking, generated])
async def test_any_callable_gives_a_voice(simulator: Simulator, tts: Any) -> None:
    async with AsyncLiveAvatar(simulator.api_key, api_url=simulator.url, tts=tts) as client:
        assert client.has_tts
        async with await client.start("Silas") as session:
            utterance = await session.say("Good morning.")
            assert (utterance.state, utterance.text, utterance.seconds) == ("ended", "Good morning.", 1.0)
            assert session.transcript[0].transcript == "Good morning."
            with pytest.raises(InvalidArgument, match="words"):
                await session.say("  ")


async def test_a_voice_that_is_none(session: AsyncSession, simulator: Simulator) -> None:
    with pytest.raises(ConfigurationError, match="tts"):
        await session.say("Hello")
    with pytest.raises(InvalidArgument, match="tts"):
        AsyncLiveAvatar(simulator.api_key, api_url=simulator.url, tts="alloy")  # type: ignore[arg-type]
    voice = AsyncLiveAvatar(simulator.api_key, api_url=simulator.url, tts=lambda text: b"\0\0")
    async with voice, await voice.start("Silas", concurrent=True) as other:
        with pytest.raises(AudioError, match="pair"):
            await other.say("Hello")


# interrupting


async def test_an_interruption_is_the_last_that_is_sent(session: AsyncSession, simulator: Simulator) -> None:
    first, second = [await session.play(noise(30, seed), rate=RATE, wait=False) for seed in (1, 2)]
    await until(lambda: first.state == "talking")
    await session.interrupt()
    assert (first.state, second.state) == ("interrupted", "interrupted")
    await first.wait()
    await until(lambda: types(simulator)[-1] == "agent.interrupt")
    await until(lambda: session.agent_state == "idle")
    assert session.timings["interrupt_to_silence"] >= 0
    assert session.timings["first_word"] >= 0


@pytest.mark.parametrize("session", [3.0], indirect=True)
async def test_interrupted_in_random_moments_no_frame_comes_after(session: AsyncSession, simulator: Simulator) -> None:
    chance = random.Random(20261124)

    def source(delays: list[float]) -> Iterator[Any]:
        for delay in delays:
            time.sleep(delay)
            yield noise(chance.choice((0.1, 0.7, 2.0)))

    for _ in range(INTERRUPTS):
        for _ in range(chance.choice((1, 1, 1, 2))):
            delays = [chance.choice((0, 0, 0.001)) for _ in range(6)]
            await session.play(source(delays), rate=RATE, wait=False)
        await asyncio.sleep(chance.choice((0, 0, 0.0005, 0.002, 0.005, 0.01)))
        await session.interrupt()
    await session.play(noise(0.2), rate=RATE)
    over: set[str | None] = set()
    spoken: set[str | None] = set()
    interrupts = 0
    for frame in simulator.frames():
        if frame.type == "agent.interrupt":
            interrupts += 1
            over |= spoken
        else:
            assert frame.event_id not in over, "a frame after the interruption"
            spoken.add(frame.event_id)
    assert interrupts == INTERRUPTS
    assert len(spoken) > INTERRUPTS / 4, "hardly anything was interrupted"
    assert {one.state for one in session.utterances} <= {"interrupted", "ended"}


async def test_an_interruption_by_somebody_else_ends_what_is_sent_and_no_more() -> None:
    with Simulator(speed=5, connect_delay=0.01) as simulator:
        client = AsyncLiveAvatar(simulator.api_key, api_url=simulator.url)
        async with client, await client.start("Silas") as session:
            first = await session.play(noise(30, 1), rate=RATE, wait=False)
            second = await session.play(noise(0.5, 2), rate=RATE, wait=False)
            await until(lambda: first.state == "talking")
            told = {"type": "agent.speak_interrupted", "event_id": first.id}
            simulator.faults.add("socket", "send", text=json.dumps(told))
            await first.wait()
            sent = sum(frame.event_id == first.id for frame in simulator.frames())
            assert first.state == "interrupted"
            await until(lambda: second.is_complete)
            await until(lambda: types(simulator)[-1] == "agent.speak_end")
            assert sum(frame.event_id == first.id for frame in simulator.frames()) == sent
            assert "agent.interrupt" not in types(simulator)


async def test_a_cancelled_wait_hushes_the_avatar(session: AsyncSession, simulator: Simulator) -> None:
    playing = asyncio.create_task(session.play(noise(30), rate=RATE))
    await until(lambda: session.agent_state == "talking")
    playing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await playing
    assert session.utterances[0].state == "interrupted"
    await until(lambda: types(simulator)[-1] == "agent.interrupt")


def test_ctrl_c_hushes_the_avatar_and_leaves_the_session(la: LiveAvatar, simulator: Simulator) -> None:
    with la.start("Silas") as session:
        timer = threading.Timer(0.5, lambda: signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT))
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            session.play(noise(60), rate=RATE)
        timer.join()
        assert session.utterances[0].state == "interrupted"
        assert session.play(noise(0.3), rate=RATE).state == "ended"


async def test_what_is_being_got_ready_is_hushed_too(simulator: Simulator) -> None:
    go_on = threading.Event()

    def tts(text: str) -> Any:
        go_on.wait(10)
        return noise(1.0), RATE

    closed = []

    def stuck() -> Iterator[Any]:
        try:
            go_on.wait(10)
            yield noise(1.0)
        finally:
            closed.append("stuck")

    kept = stuck()

    async def never() -> AsyncIterator[Any]:
        try:
            await asyncio.Event().wait()
            yield noise(1.0)
        finally:
            closed.append("never")

    client = AsyncLiveAvatar(simulator.api_key, api_url=simulator.url, tts=tts)
    async with client, await client.start("Silas") as session:
        works = [
            asyncio.create_task(work)
            for work in (
                session.say("Hello"),
                session.play(kept, rate=RATE, wait=False),
                session.play(never(), rate=RATE),
            )
        ]
        await asyncio.sleep(0.1)
        await session.interrupt()
        utterances = [await asyncio.wait_for(work, 5) for work in works]
        assert {str(utterance.state) for utterance in utterances} == {"interrupted"}
        go_on.set()
        await until(lambda: sorted(closed) == ["never", "stuck"])
        await session.play(noise(0.3), rate=RATE)
        assert types(simulator) == ["agent.interrupt", "agent.speak", "agent.speak_end"]


@pytest.mark.parametrize("how", ["hushed", "cancelled"])
async def test_what_is_hushed_or_cancelled_just_as_it_is_ready_is_not_said(
    session: AsyncSession, simulator: Simulator, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    async def ready(work: Callable[[], None]) -> None:
        await on_own_thread(work)
        if how == "hushed":
            await session.interrupt()
        else:
            playing.cancel()

    with monkeypatch.context() as patch:
        patch.setattr(lite, "on_own_thread", ready)
        playing = asyncio.create_task(session.play(noise(2.0, 1), rate=RATE))
        await asyncio.wait({playing})
    if how == "hushed":
        assert str(playing.result().state) == "interrupted"
    else:
        assert playing.cancelled()
    assert (await session.play(noise(0.3, 2), rate=RATE)).state == "ended"
    assert [one.pcm for one in simulator.heard() if one.state == "said"] == [noise(0.3, 2).tobytes()]
    assert types(simulator)[-3:] == ["agent.interrupt", "agent.speak", "agent.speak_end"]


async def test_what_replaces_and_is_hushed_in_that_moment_is_not_said(
    session: AsyncSession, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = session._speech._send_command

    async def slow(command: Any) -> None:
        monkeypatch.setattr(session._speech, "_send_command", send)
        await send(command)
        await session.interrupt()

    monkeypatch.setattr(session._speech, "_send_command", slow)
    utterance = await session.play(noise(2.0), rate=RATE, replace=True)
    assert utterance.state == "interrupted"
    await session.play(noise(0.3), rate=RATE)
    assert types(simulator) == ["agent.interrupt", "agent.interrupt", "agent.speak", "agent.speak_end"]


@pytest.mark.parametrize("failure", [SystemExit("mine"), StopIteration("mine"), asyncio.CancelledError("mine")])
async def test_whatever_a_source_or_a_voice_raises_ends_nothing_else(
    session: AsyncSession, failure: BaseException
) -> None:
    loop = asyncio.get_running_loop()

    def source() -> Iterator[Any]:
        yield noise(0.7)
        raise failure

    def tts(text: str) -> Any:
        raise failure

    async def awaited(text: str) -> Any:
        raise failure

    async def streamed() -> AsyncIterator[Any]:
        yield noise(0.7)
        raise failure

    calls = [session.play(source(), rate=RATE), session.say("Hello", tts=tts), session.play(streamed(), rate=RATE)]
    if isinstance(failure, SystemExit):
        calls.append(session.say("Hello", tts=awaited))
    for call in calls:
        with pytest.raises((RuntimeError, asyncio.CancelledError, concurrent.futures.CancelledError)):
            await asyncio.wait_for(call, 10)
    assert loop.is_running()
    assert (await session.play(noise(0.3), rate=RATE)).state == "ended"


async def test_a_sound_that_is_over_before_its_first_sample_says_so(
    session: AsyncSession, simulator: Simulator
) -> None:
    with pytest.raises(AudioError, match="contains no audio"):
        await session.play(np.zeros(1), rate=192_000, timeout=None)
    assert types(simulator) == []


async def test_a_forked_child_does_not_speak_over_its_parents_socket(
    session: AsyncSession, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(session.lifecycle, "_pid", os.getpid() + 1)
        for call in (session.play(noise(0.1), rate=RATE), session.interrupt(), session.start_listening()):
            with pytest.raises(SessionError, match="forked"):
                await call
    assert types(simulator) == []


async def test_nothing_is_sent_while_the_session_is_being_stopped(session: AsyncSession, simulator: Simulator) -> None:
    utterance = await session.play(noise(60), rate=RATE, wait=False)
    await until(lambda: utterance.state == "talking")
    simulator.faults.add("stop", "delay", seconds=1.5)
    stopping = asyncio.create_task(session.stop())
    await asyncio.sleep(0.1)
    sent = utterance.seconds
    await stopping
    assert utterance.seconds == sent
    assert utterance.state == "failed"


async def test_who_waits_for_a_failure_again_and_again_makes_it_no_longer(session: AsyncSession) -> None:
    utterance = await session.play(noise(60), rate=RATE, wait=False)
    await session.stop()
    lengths = []
    for _ in range(5):
        with pytest.raises(SessionEnded) as caught:
            await utterance.wait()
        lengths.append(len(traceback.extract_tb(caught.value.__traceback__)))
    assert len(set(lengths)) == 1


@pytest.mark.parametrize("wait", [True, False])
async def test_what_is_being_got_ready_ends_with_the_session(session: AsyncSession, wait: bool) -> None:
    async def never() -> AsyncIterator[Any]:
        await asyncio.Event().wait()
        yield noise(1.0)

    work = asyncio.create_task(session.play(never(), rate=RATE, wait=wait))
    await asyncio.sleep(0.05)
    await session.stop()
    with pytest.raises(SessionEnded):
        await asyncio.wait_for(work, 5)


@pytest.mark.parametrize("is_open", [False, True], ids=["before the socket", "before the avatar"])
async def test_a_pose_is_taken_as_soon_as_the_avatar_is_there(is_open: bool) -> None:
    with Simulator(connect_delay=0.3) as simulator:
        async with AsyncLiveAvatar(simulator.api_key, api_url=simulator.url) as client:
            starting = asyncio.create_task(client.start("Silas"))
            await until(lambda: client.session is not None)
            assert client.session is not None
            if is_open:
                await until(lambda: client.session is not None and "connecting" in str(client.session.wire.to_dict()))
            await client.session.start_listening()
            await starting
            await until(lambda: client.session is not None and client.session.agent_state == "listening")
        assert not simulator.warnings()


# the end of it


async def test_a_service_that_never_says_the_end(session: AsyncSession, simulator: Simulator) -> None:
    for kind in ("agent.speak_ended", "agent.state_updated"):
        simulator.faults.add("socket", "rename", times=None, old=kind, new="agent.drifted")
    with pytest.raises(UtteranceFailed, match="did not confirm"):
        await session.play(noise(0.5), rate=RATE, timeout=0.2)
    simulator.faults.clear()
    assert (await session.play(noise(0.5), rate=RATE)).state == "ended"


async def test_the_end_of_the_session_ends_what_is_said(session: AsyncSession) -> None:
    first, second = [await session.play(noise(30), rate=RATE, wait=False) for _ in range(2)]
    await session.stop()
    for utterance in (first, second):
        assert utterance.state == "failed"
        with pytest.raises(SessionEnded):
            await utterance.wait()


# events


async def test_handlers_are_called_where_they_do_no_harm(
    session: AsyncSession, caplog: pytest.LogCaptureFixture
) -> None:
    seen: dict[str, Any] = {}
    loop = asyncio.get_running_loop()

    @session.on("speak_started")
    def plain(event: Event) -> None:
        seen["plain"] = (threading.current_thread().name, event.event_id)
        raise ZeroDivisionError("of the handler")

    @session.on("agent.speak_ended")
    async def awaited(event: Event) -> None:
        await asyncio.sleep(0)
        seen["awaited"] = (asyncio.get_running_loop() is loop, event.event_id)

    end = session.on("speak_ended", lambda event: seen.update(never=event))
    assert repr(end).endswith("<lambda> on 'speak_ended', call this to remove it>")
    end()
    with caplog.at_level(logging.ERROR):
        utterance = await session.play(noise(0.5), rate=RATE)
        await until(lambda: len(seen) == 2)
    assert seen == {"plain": (THREAD_NAME, utterance.id), "awaited": (True, utterance.id)}
    (told,) = [record for record in caplog.records if record.exc_info]
    assert "plain failed on agent.speak_started" in told.getMessage()
    assert "of the handler" in caplog.text


CELL: ContextVar[str] = ContextVar("CELL", default="of the start")


async def test_a_handler_shows_what_it_shows_where_it_was_given(session: AsyncSession) -> None:
    seen = []

    async def awaited(event: Event) -> None:
        seen.append(CELL.get())

    token = CELL.set("of the handler")
    session.on("speak_started", awaited)
    session.on("speak_started", lambda event: seen.append(CELL.get()))
    CELL.reset(token)
    await session.play(noise(0.3), rate=RATE)
    await until(lambda: len(seen) == 2)
    assert seen == ["of the handler"] * 2


@pytest.mark.parametrize("failure", [SystemExit, asyncio.CancelledError, KeyboardInterrupt])
async def test_whatever_a_handler_raises_the_next_event_finds_it(
    session: AsyncSession, caplog: pytest.LogCaptureFixture, failure: type[BaseException]
) -> None:
    called = {"plain": 0, "awaited": 0, "handed on": 0}

    def plain(event: Event) -> None:
        called["plain"] += 1
        raise failure

    async def awaited(event: Event) -> None:
        called["awaited"] += 1
        raise failure

    async def later() -> None:
        called["handed on"] += 1
        raise failure

    session.on("speak_ended", plain)
    session.on("speak_ended", awaited)
    session.on("speak_ended", lambda event: later())
    for _ in range(2):
        await session.play(noise(0.3), rate=RATE)
    await until(lambda: set(called.values()) == {2})
    assert caplog.text.count("failed on agent.speak_ended") == 6


async def test_events_that_nobody_reads_are_not_kept(session: AsyncSession) -> None:
    for _ in range(100):
        session.events()
    gc.collect()
    assert len(session._events._readers) == 0
    reading = session.events()
    await session.play(noise(0.3), rate=RATE)
    assert (await anext(reading)).type.startswith("agent.")
    await reading.aclose()  # type: ignore[attr-defined]


async def test_a_slow_reader_loses_the_oldest_and_no_others(
    session: AsyncSession, caplog: pytest.LogCaptureFixture
) -> None:
    reading = session.events()
    for number in range(config.EVENT_BUFFER + 5):
        session._events.put(Event("agent.new", {"number": number}))
    await session.stop()
    read = [event.data["number"] async for event in reading if event.type == "agent.new"]
    # the end of the session is told by events, too
    assert read == list(range(config.EVENT_BUFFER + 5))[-len(read) :]
    assert config.EVENT_BUFFER - 10 < len(read) <= config.EVENT_BUFFER
    assert caplog.text.count("too slow") == 1


async def test_a_handler_that_is_ended_hears_no_more(session: AsyncSession) -> None:
    go_on = asyncio.Event()
    heard: list[Event] = []

    async def handle(event: Event) -> None:
        heard.append(event)
        await go_on.wait()

    end = session.on("agent.new", handle)
    for _ in range(3):
        session._events.put(Event("agent.new"))
    await until(lambda: len(heard) == 1)
    end()
    end()
    go_on.set()
    await asyncio.sleep(0.05)
    assert len(heard) == 1


async def test_a_burst_of_events_lets_others_have_their_turn(session: AsyncSession, simulator: Simulator) -> None:
    got = []

    @session.on("agent.new")
    async def handle(event: Event) -> None:
        got.append(event)

    simulator.faults.add("socket", "send", text='{"type": "agent.new"}', times=3000)
    await until(lambda: len(got) == 3000)


async def test_a_slow_handler_holds_up_nobody_and_loses_only_the_oldest(
    session: AsyncSession, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(session._events.worker, "_limit", 3)
    go_on, got = threading.Event(), []

    def handle(event: Event) -> None:
        go_on.wait(10)
        got.append(event.type)

    session.on("*", handle)
    for number in range(10):
        session._events.put(Event(f"agent.{number}"))
    utterance = await session.play(noise(0.3), rate=RATE)
    assert utterance.state == "ended"
    go_on.set()
    await until(lambda: "agent.audio_buffer_committed" in got or len(got) >= 4)
    assert len(got) <= 5
    assert got[0] == "agent.0"
    assert "a handler is too slow" in caplog.text


async def test_an_event_is_waited_for(session: AsyncSession) -> None:
    waiting = asyncio.create_task(session.wait_for("speak_ended", timeout=10))
    await asyncio.sleep(0)
    utterance = await session.play(noise(0.3), rate=RATE)
    assert (await waiting).event_id == utterance.id
    with pytest.raises(TimeoutError, match="speak_ended"):
        await session.wait_for("speak_ended", timeout=0.05)
    with pytest.raises(InvalidArgument, match="speak_ended"):
        await session.wait_for("speak_endet")
    waiting = asyncio.create_task(session.wait_for("*", where=lambda event: event.type == "never"))
    await asyncio.sleep(0)
    await session.stop()
    with pytest.raises(SessionEnded):
        await waiting


def test_on_the_sync_face_an_error_is_its_words_and_no_frames_of_ours(la: LiveAvatar) -> None:
    with la.start("Silas") as session:
        untyped: Any = session
        with pytest.raises(AudioError) as caught:
            session.play("nowhere.wav")
        assert len(traceback.extract_tb(caught.value.__traceback__)) == 2, "the caller's, and one of ours"
        assert caught.value.__cause__ is None
        with pytest.raises(InvalidArgument) as refused:
            session.on("nothing", print)
        assert len(traceback.extract_tb(refused.value.__traceback__)) == 2
        with pytest.raises(InvalidArgument, match="rate=None"):
            untyped.play(noise(0.1), RATE)
        assert session.say("Hello", tts=lambda text: (noise(0.3), RATE)).text == "Hello"


def test_on_the_sync_face_a_handler_may_play(la: LiveAvatar, simulator: Simulator) -> None:
    done = threading.Event()
    with la.start("Silas") as session:

        @session.on("speak_ended")
        async def again(event: Event) -> None:
            if len(session.utterances) == 1:
                session.play(noise(0.3, 2), rate=RATE)
                done.set()

        assert session.play(noise(0.3, 1), rate=RATE).state == "ended"
        assert done.wait(10)
        assert [one.state for one in session.utterances] == ["ended", "ended"]
        assert session.utterance is None
        session.start_listening()
        session.stop_listening()
    assert [one.pcm for one in simulator.heard()] == [noise(0.3, seed).tobytes() for seed in (1, 2)]


# what can be looked at


async def test_the_wire_shows_the_session_and_none_of_its_sound(session: AsyncSession, client: AsyncLiveAvatar) -> None:
    await session.play(noise(0.5), rate=RATE)
    told = [entry.type for entry in session.wire.filter(kind="websocket")]  # type: ignore[union-attr]
    assert told[:3] == ["session.state_updated"] * 2 + ["agent.speak"]
    assert {"agent.speak_end", "agent.speak_started", "agent.speak_ended"} <= set(told)
    rest = [entry.url for entry in session.wire.filter(kind="rest")]  # type: ignore[union-attr]
    assert [url.rpartition("/")[2] for url in rest][:2] == ["token", "start"]
    assert len(session.wire) < len(client.wire)
    shown = str(session.wire.to_dict())
    assert "<0.50 s, 24,000 bytes>" in shown
    assert len(shown) < 20_000


async def test_timings_over_several_sessions(client: AsyncLiveAvatar) -> None:
    for _ in range(2):
        async with await client.start("Silas") as session:
            utterance = await session.play(noise(30), rate=RATE, wait=False)
            await until(lambda: utterance.state == "talking")  # noqa: B023 (it is awaited here)
            await session.interrupt()
            await until(lambda: session.agent_state == "idle")
    found = {timing.step: timing for timing in client.timings}
    assert list(found) == ["token", "start", "connected", "first_word", "interrupt_to_silence"]
    assert all(timing.count == 2 and 0 <= timing.p50 <= timing.p95 <= timing.longest for timing in found.values())


@contextlib.contextmanager
def real_time() -> Iterator[Simulator]:
    with Simulator(connect_delay=0.01) as simulator:
        yield simulator


async def test_in_real_time_it_is_said_without_a_gap() -> None:
    with real_time() as simulator:
        async with (
            AsyncLiveAvatar(simulator.api_key, api_url=simulator.url) as client,
            await client.start("Silas") as session,
        ):
            utterance = await session.play(noise(4.0), rate=RATE)
            assert utterance.state == "ended"
            assert utterance.duration == pytest.approx(4.0, abs=0.5)
