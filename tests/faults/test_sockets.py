"""A session's WebSocket is cut, stalls, or sends nonsense: only the utterance fails, or the session ends."""

from __future__ import annotations

import asyncio
import base64
import logging
import socket
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosedError

from liveavatar_nb import AsyncLiveAvatar, AsyncSession, Simulator, config
from liveavatar_nb.errors import APIConnectionError, AvatarNeverCame, SessionEnded, UtteranceFailed
from liveavatar_nb.protection.running import running_sessions
from liveavatar_nb.protocol import lite, websocket
from liveavatar_nb.rest.retry import HANDSHAKE_STATUSES, RECONNECT_CODES, is_worth_a_handshake, may_reconnect

from ..waiting import until
from .canary import KEY

RATE = 24_000
FOR_GOOD = (1000, 1002, 1003, 1007, 1008, 1009, 4000, 4401, 4999)


def noise(seconds: float, seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(-9_000, 9_000, round(seconds * RATE), dtype=np.int16)


@pytest.fixture
def simulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    """A simulator that speaks five times as fast; clients reconnect almost immediately."""
    monkeypatch.setattr(config, "RETRY_BASE", 0.02)
    monkeypatch.setattr(config, "SOCKET_CLOSE_TIMEOUT", 0.1)
    with Simulator(api_key=KEY, speed=5, connect_delay=0.01, rate_limit=None, idle_limit=5000) as running:
        yield running
        billed = running.billed()
    assert not billed, f"left billed: {billed}"


@pytest.fixture
async def session(
    simulator: Simulator, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[AsyncSession]:
    """A session that sends audio as many seconds ahead as the fixture's parameter says."""
    monkeypatch.setattr(config, "SPEECH_LEAD", getattr(request, "param", config.SPEECH_LEAD))
    async with AsyncLiveAvatar(KEY, api_url=simulator.url) as client, await client.start("Silas") as session:
        yield session


def handshakes(simulator: Simulator) -> int:
    return sum(request["path"].endswith("/socket") for request in simulator.requests())


async def said(session: AsyncSession) -> None:
    assert (await session.play(noise(0.5), rate=RATE)).state == "ended"


@pytest.mark.parametrize("code", sorted(RECONNECT_CODES - {1005}))
async def test_a_socket_that_is_closed_for_now_is_opened_again(
    session: AsyncSession, simulator: Simulator, code: int
) -> None:
    """row 26: the codes of a restart, of trouble, and of a line that was cut."""
    simulator.faults.add("socket", "close", code=code)
    await until(lambda: handshakes(simulator) == 2)
    await said(session)
    assert session.state == "connected"


@pytest.mark.parametrize("code", FOR_GOOD)
async def test_a_socket_that_is_closed_for_good_ends_the_session(
    session: AsyncSession, simulator: Simulator, code: int
) -> None:
    """row 26: the session is asked after, and stopped, for nothing can be said by it any more."""
    simulator.faults.add("socket", "close", code=code)
    await asyncio.wait_for(session.wait_until_ended(), 10)
    assert handshakes(simulator) == 1
    assert f"GET /v1/sessions/{session.id}" in [f"{one['method']} {one['path']}" for one in simulator.requests()]
    assert session.state == "failed"
    assert isinstance(session.error, APIConnectionError)
    assert str(code) in str(session.end_words)
    assert session.stop_is_confirmed


def test_the_policy_is_the_table() -> None:
    """row 26: whatever is in neither list is for good, but for a line that was cut, which has no code."""
    assert {code for code in range(1000, 5000) if may_reconnect(code)} == RECONNECT_CODES == {
        1001, 1005, 1006, 1011, 1012, 1013
    }  # fmt: skip
    assert may_reconnect(None)
    assert {status for status in range(100, 600) if is_worth_a_handshake(status)} == HANDSHAKE_STATUSES


@pytest.mark.parametrize("status", sorted(HANDSHAKE_STATUSES))
async def test_a_handshake_that_is_refused_for_now_is_tried_again(simulator: Simulator, status: int) -> None:
    """row 26: at the start, too."""
    simulator.faults.add("socket", "refuse", status=status, times=2)
    async with AsyncLiveAvatar(KEY, api_url=simulator.url) as client, await client.start("Silas") as session:
        assert handshakes(simulator) == 3
        await said(session)


@pytest.mark.parametrize("status", [401, 403, 404, 501])
async def test_a_handshake_that_is_refused_for_good_is_not(simulator: Simulator, status: int) -> None:
    """row 26: and the session is stopped."""
    simulator.faults.add("socket", "refuse", status=status, times=None)
    async with AsyncLiveAvatar(KEY, api_url=simulator.url) as client:
        with pytest.raises(AvatarNeverCame, match=str(status)):
            await client.start("Silas")
        assert handshakes(simulator) == 1
        assert not simulator.billed()


async def test_it_is_given_up_after_five_further_attempts(session: AsyncSession, simulator: Simulator) -> None:
    """row 26: 5 attempts, and then the session is stopped."""
    simulator.faults.add("socket", "refuse", status=503, times=None)
    simulator.faults.add("socket", "close")
    await asyncio.wait_for(session.wait_until_ended(), 10)
    assert handshakes(simulator) == 1 + config.SOCKET_ATTEMPTS
    assert session.state == "failed"


async def test_a_session_that_is_over_is_not_opened_again(session: AsyncSession, simulator: Simulator) -> None:
    """row 26: only while the session is known to be active."""
    simulator.faults.add("socket", "stall")
    simulator.advance(1300)
    simulator.faults.add("socket", "refuse", times=None)
    assert session.id is not None
    session.lifecycle.socket._open.transport.abort()  # type: ignore[union-attr]
    await asyncio.wait_for(session.wait_until_ended(), 10)
    assert handshakes(simulator) == 1
    assert (session.state, session.end_reason) == ("ended", "MAX_DURATION_REACHED")


async def test_a_drop_in_an_utterance_fails_it_alone(session: AsyncSession, simulator: Simulator) -> None:
    """row 27: it is not said again; what waited behind it, of which nothing was sent, is."""
    first = await session.play(noise(20, 1), rate=RATE, wait=False)
    second = await session.play(noise(1, 2), rate=RATE, wait=False)
    await until(lambda: first.state == "talking")
    sent = first.seconds
    simulator.faults.add("socket", "close")
    with pytest.raises(UtteranceFailed, match="WebSocket was lost"):
        await first.wait()
    await second.wait()
    assert (first.state, second.state, session.state) == ("failed", "ended", "connected")
    assert first.seconds - sent <= 1.0
    dropped, whole = simulator.heard()
    assert dropped.pcm == noise(20, 1).tobytes()[: len(dropped.pcm)]
    assert whole.pcm == noise(1, 2).tobytes()
    assert not simulator.warnings()
    await said(session)


async def test_what_was_hushed_while_the_line_was_cut_is_silenced_when_it_is_back(
    session: AsyncSession, simulator: Simulator
) -> None:
    """row 27: the service may still hold what was sent before."""
    speaking = await session.play(noise(20, 1), rate=RATE, wait=False)
    await until(lambda: speaking.state == "talking")
    simulator.faults.add("socket", "refuse", times=2)
    simulator.faults.add("socket", "close")
    await until(lambda: not session.lifecycle.socket.ready.is_set())  # type: ignore[union-attr]
    await session.interrupt()
    await session.play(noise(0.5, 2), rate=RATE)
    kinds = [frame.type for frame in simulator.frames() if frame.event_id != speaking.id]
    assert kinds == ["agent.interrupt", "agent.speak", "agent.speak_end"]


async def test_a_half_open_socket_is_noticed(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """row 28: by a ping that is not answered; with the limits as they are, within 40 s."""
    assert config.SOCKET_PING_INTERVAL + config.SOCKET_PING_TIMEOUT <= 40
    monkeypatch.setattr(config, "SOCKET_PING_INTERVAL", 0.2)
    monkeypatch.setattr(config, "SOCKET_PING_TIMEOUT", 0.2)
    async with AsyncLiveAvatar(KEY, api_url=simulator.url) as client, await client.start("Silas") as session:
        speaking = await session.play(noise(60), rate=RATE, wait=False)
        await until(lambda: speaking.state == "talking")
        simulator.faults.add("socket", "stall")
        with pytest.raises(UtteranceFailed):
            await asyncio.wait_for(speaking.wait(), 10)
        await until(lambda: handshakes(simulator) == 2)
        await said(session)


async def test_a_half_open_socket_is_noticed_also_where_much_waits_to_be_sent(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """row 28: a ping waits for room, too, so there must be some; and who interrupts does not wait for the line."""
    assert config.SOCKET_SEND_BUFFER > 64_000 * (config.SOCKET_PING_INTERVAL + config.SOCKET_PING_TIMEOUT) * 2
    monkeypatch.setattr(config, "SOCKET_PING_INTERVAL", 0.5)
    monkeypatch.setattr(config, "SOCKET_PING_TIMEOUT", 0.5)
    monkeypatch.setattr(config, "SPEECH_LEAD", 3600.0)
    async with AsyncLiveAvatar(KEY, api_url=simulator.url) as client, await client.start("Silas") as session:
        assert session.lifecycle.socket is not None
        line = session.lifecycle.socket._open
        assert line is not None
        line.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
        simulator.faults.add("socket", "stall")
        # together less than the buffer holds, even if all of it is written before the first ping
        speaking = await session.play(noise(60), rate=RATE, wait=False)
        await until(lambda: line.transport.get_write_buffer_size() > 1_000_000)
        await asyncio.wait_for(session.interrupt(), 1)
        speaking = await session.play(noise(30), rate=RATE, wait=False)
        await until(lambda: speaking.state == "sending")
        with pytest.raises(UtteranceFailed):
            await asyncio.wait_for(speaking.wait(), 10)
        await until(lambda: handshakes(simulator) == 2)
        await said(session)


async def test_a_socket_that_comes_back_without_the_avatar_is_given_up(
    session: AsyncSession, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """row 32: also after the start: `connected` has its time, and then another attempt is made."""
    monkeypatch.setattr(config, "CONNECTED_TIMEOUT", 0.3)
    simulator.faults.add("socket", "never_connected", times=2)
    simulator.faults.add("socket", "close")
    await until(lambda: handshakes(simulator) == 4)
    await said(session)


async def test_the_time_for_connected_is_over_once_the_avatar_is_there(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """row 32: a session lives longer than that."""
    monkeypatch.setattr(config, "CONNECTED_TIMEOUT", 0.4)
    async with AsyncLiveAvatar(KEY, api_url=simulator.url) as client, await client.start("Silas") as session:
        await asyncio.sleep(1)
        assert handshakes(simulator) == 1
        await said(session)


async def test_who_finds_the_line_cut_first_keeps_the_next_from_trying_it(session: AsyncSession) -> None:
    """row 27: what waits is not lost with what was being said."""

    class Cut:
        async def send(self, frame: bytes, *, text: bool) -> None:
            raise ConnectionClosedError(None, None)

    line = session.lifecycle.socket
    assert line is not None
    whole, line._open = line._open, Cut()  # type: ignore[assignment]
    with pytest.raises(websocket.SocketLost):
        await line.send(lite.interrupt("id"))
    assert not line.ready.is_set()
    line._open = whole
    line.ready.set()


async def test_a_socket_that_cannot_even_be_tried_says_why_at_once(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """row 26: as where a proxy needs a package that is not there; no address is in the log."""

    def connect(*_: Any, **options: Any) -> None:
        raise ImportError("python-socks is required")

    monkeypatch.setattr("websockets.asyncio.client.connect", connect)
    async with AsyncLiveAvatar(KEY, api_url=simulator.url) as client:
        with pytest.raises(AvatarNeverCame, match="python-socks is required"):
            await client.start("Silas")
        assert not simulator.billed()
    assert not [record for record in caplog.records if record.exc_info]


def test_a_session_whose_socket_is_lost_as_its_loop_ends_is_stopped_by_the_guard(simulator: Simulator) -> None:
    """row 26: its stop is not answered, and then nobody is left here who tries."""

    async def lose() -> AsyncSession:
        client = AsyncLiveAvatar(KEY, api_url=simulator.url)
        session = await client.start("Silas")
        simulator.faults.add("stop", "drop_before", times=None)
        simulator.faults.add("socket", "close", code=1008)
        await until(lambda: any(request["path"].endswith("/stop") for request in simulator.requests()))
        return session

    session = asyncio.run(lose())
    simulator.faults.clear()
    deadline = time.monotonic() + 20
    while simulator.billed() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not simulator.billed()
    assert session.state == "failed"
    assert session.id is not None
    # this process remembers the session until it exits, since the guard may have been killed
    assert session.id in running_sessions
    running_sessions.discard(session.id)


@pytest.mark.parametrize("kind", ["twice", "swap"])
async def test_events_twice_and_out_of_order_move_nothing_back(
    session: AsyncSession, simulator: Simulator, kind: str
) -> None:
    """row 29: each utterance comes to its end, and each state comes once."""
    seen: dict[str, list[str]] = {}

    def look() -> None:
        for utterance in session.utterances:
            states = seen.setdefault(utterance.id, [])
            if str(utterance.state) not in states[-1:]:
                states.append(str(utterance.state))

    session.on("*", lambda event: look())
    simulator.faults.add("socket", kind, times=None)
    utterances = [await session.play(noise(0.4, seed), rate=RATE, wait=False) for seed in range(5)]
    for utterance in utterances:
        await asyncio.wait_for(utterance.wait(), 10)
    order = ["queued", "sending", "talking", "ended"]
    for states in seen.values():
        assert states == sorted(set(states), key=order.index)
    assert session.state == "connected"
    simulator.faults.clear()


@pytest.mark.parametrize(
    "frame",
    [
        {"text": "not JSON"},
        {"text": '"text"'},
        {"text": '{"type": 7}'},
        {"text": '{"type": "agent.dances", "tempo": [1, {"a": null}]}'},
        {"text": "[" * 50_000},
        {"data": base64.b64encode(bytes(range(256))).decode()},
    ],
)
async def test_a_frame_that_says_nothing_known_is_noted_and_ignored(
    session: AsyncSession, simulator: Simulator, frame: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """row 30: it is on the wire's log, and the session goes on."""
    before = len(session.wire)
    with caplog.at_level(logging.WARNING):
        simulator.faults.add("socket", "send", **frame)
        await until(lambda: len(session.wire) > before)
        await said(session)
    is_event = "dances" in str(frame)
    assert ("ignored a frame that is not an event" in caplog.text) is not is_event
    assert handshakes(simulator) == 1


async def test_a_frame_that_is_too_large_ends_the_session_in_good_order(
    session: AsyncSession, simulator: Simulator
) -> None:
    """row 31: the session is asked after, and stopped."""
    simulator.faults.add("socket", "send", megabytes=3)
    await asyncio.wait_for(session.wait_until_ended(), 10)
    assert "1009" in str(session.end_words)
    assert f"GET /v1/sessions/{session.id}" in [f"{one['method']} {one['path']}" for one in simulator.requests()]
    assert session.stop_is_confirmed


@pytest.mark.parametrize("session", [3600.0], indirect=True)
async def test_a_sound_of_any_length_goes_in_frames_of_less_than_a_megabyte(
    session: AsyncSession, simulator: Simulator
) -> None:
    """row 33: a minute at once is split before it is sent."""
    utterance = await session.play(noise(60), rate=RATE, wait=False)
    await until(lambda: utterance.is_complete)
    await until(lambda: simulator.frames()[-1].type == "agent.speak_end")
    sizes = [frame.size for frame in simulator.frames()]
    assert len(sizes) == 1 + 60 + 1
    assert max(sizes) < 70_000
    assert simulator.heard()[0].pcm == noise(60).tobytes()
    assert not simulator.refusals()


@pytest.mark.parametrize(
    ("seconds", "credits", "reason"),
    [(700, 100, "MAX_DURATION_REACHED"), (590, 3, "NO_CREDITS"), (310, 100, "IDLE_TIMEOUT")],
)
async def test_the_end_at_the_service_is_told_with_its_reason(
    seconds: float,
    credits: int,  # noqa: A002 (the field's name)
    reason: str,
) -> None:
    """row 34: to who waits for an utterance, too."""
    with Simulator(
        api_key=KEY, credits=credits, connect_delay=0.01, idle_limit=300 if "IDLE" in reason else 5000
    ) as simulator:
        async with AsyncLiveAvatar(KEY, api_url=simulator.url) as client, await client.start("Silas") as session:
            speaking = await session.play(noise(60), rate=RATE, wait=False)
            await until(lambda: speaking.state == "talking")
            simulator.advance(seconds)
            await asyncio.wait_for(session.wait_until_ended(), 10)
            assert (session.state, session.end_reason) == ("ended", reason)
            assert session.end_words
            assert session.error is None
            with pytest.raises(SessionEnded) as caught:
                await speaking.wait()
            assert caught.value.end_reason == reason
            assert session.end_words in str(caught.value)
        assert not simulator.billed()
