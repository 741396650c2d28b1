"""LiveKit's own plugin for LiveAvatar, unchanged, on the simulator."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("livekit.plugins.liveavatar")

from livekit import rtc
from livekit.agents import Agent, AgentSession, room_io, utils
from livekit.plugins.liveavatar import AvatarSession
from livekit.plugins.liveavatar.api import LiveAvatarAPI

from liveavatar_nb.simulator import LiveKit

from ..livekit import LiveKitServer, livekit_server

__all__ = ["livekit_server"]

RATE = 24_000
LIMIT = 10.0  # s until something must have come true


@pytest.fixture
async def api(caller: Any) -> AsyncIterator[Any]:
    async with aiohttp.ClientSession() as session:
        yield LiveAvatarAPI(caller.simulator.api_key, api_url=f"{caller.simulator.url}/v1/sessions", session=session)


class Room(rtc.Room):
    """LiveKit's room with a name, which it has else only when connected."""

    @property
    def name(self) -> str:
        return "the-room"


@pytest.mark.parametrize("extra", [{}, {"is_sandbox": True, "video_quality": "very_high"}])
async def test_it_creates_starts_and_stops(api: Any, caller: Any, extra: dict[str, Any]) -> None:
    name = "Wayne" if extra else "Silas"
    created = await api.create_streaming_session(
        livekit_url="wss://example.org",
        livekit_token="token-of-the-room",
        room=Room(),
        avatar_id=caller.avatar(name),
        **extra,
    )
    session_id, token = created["data"]["session_id"], created["data"]["session_token"]
    started = await api.start_streaming_session(session_id, token)
    assert started["data"]["ws_url"].startswith("ws://127.0.0.1:")
    (billed,) = caller.simulator.billed()
    assert (billed.session_id, billed.is_sandbox, billed.mode) == (session_id, bool(extra), "LITE")
    stopped = await api.stop_streaming_session(session_id, token)
    assert stopped["code"] == 1000
    assert caller.entry(session_id).end_reason == "USER_DISCONNECTED"
    request = next(one for one in caller.simulator.requests() if one["path"] == "/v1/sessions/token")
    assert request["body"]["livekit_config"]["livekit_room"] == "the-room"
    assert [("video_quality" in warning) for warning in caller.simulator.warnings()] == [True] * bool(extra)


def sweep(seconds: float) -> npt.NDArray[np.int16]:
    """A sound in which no two moments are alike."""
    time = np.arange(round(seconds * RATE)) / RATE
    return np.round(12_000 * np.sin(2 * np.pi * (200 + 300 * time) * time)).astype(np.int16)


async def frames(sound: npt.NDArray[np.int16]) -> AsyncIterator[rtc.AudioFrame]:
    for begin in range(0, len(sound), RATE // 50):
        piece = sound[begin : begin + RATE // 50]
        yield rtc.AudioFrame(piece.tobytes(), RATE, 1, len(piece))


async def until(is_true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT
    while not await asyncio.to_thread(is_true):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def first_frame(room: rtc.Room) -> rtc.VideoFrame:
    """What is seen of whoever shows a picture and lets a voice be heard in the room."""
    while True:
        for participant in room.remote_participants.values():
            tracks = {one.kind: one.track for one in participant.track_publications.values() if one.track is not None}
            if tracks.keys() == {rtc.TrackKind.KIND_VIDEO, rtc.TrackKind.KIND_AUDIO}:
                stream = rtc.VideoStream(tracks[rtc.TrackKind.KIND_VIDEO])
                try:
                    return (await anext(stream)).frame
                finally:
                    await stream.aclose()
        await asyncio.sleep(0.02)


async def test_its_session_speaks_is_interrupted_and_stops(calling: Any, livekit_server: LiveKitServer) -> None:
    livekit = LiveKit(livekit_server.url, livekit_server.key, livekit_server.secret)
    caller = calling(speed=1, livekit=livekit)
    simulator = caller.simulator
    said, interrupted = sweep(1.3), sweep(20)
    async with utils.http_context.open(), livekit_server.visit("the-room", "agent") as room:
        agent: AgentSession[None] = AgentSession()
        avatar = AvatarSession(
            avatar_id=caller.avatar("Silas"), api_url=f"{simulator.url}/v1/sessions", api_key=simulator.api_key
        )
        await avatar.start(
            agent,
            room,
            livekit_url=livekit_server.url,
            livekit_api_key=livekit_server.key,
            livekit_api_secret=livekit_server.secret,
        )
        frame = await asyncio.wait_for(first_frame(room), LIMIT)
        assert (frame.width, frame.height) == (1280, 720)
        # the avatar is who speaks in the room
        options = room_io.RoomOptions(audio_output=False)
        await agent.start(Agent(instructions="Say what you are told to."), room=room, room_options=options)
        speech = agent.say("The first.", audio=frames(said), allow_interruptions=True)
        await asyncio.wait_for(speech.wait_for_playout(), LIMIT)
        assert not speech.interrupted
        (first,) = simulator.heard()
        assert np.array_equal(np.frombuffer(first.pcm, "<i2"), said)
        assert first.state == "said"
        assert [frame.type for frame in simulator.frames() if "speak" in frame.type][-1] == "agent.speak_end"

        speech = agent.say("The second.", audio=frames(interrupted))
        await until(lambda: agent.agent_state == "speaking")
        await asyncio.wait_for(agent.interrupt(), LIMIT)
        await until(lambda: simulator.heard()[1].state == "interrupted")
        assert speech.interrupted
        second = np.frombuffer(simulator.heard()[1].pcm, "<i2")
        assert np.array_equal(second, interrupted[: len(second)])

        await agent.aclose()
        await avatar.aclose()
        await until(lambda: not simulator.billed())
    assert simulator.ledger()[0].end_reason == "USER_DISCONNECTED"
    assert simulator.refusals() == []
    assert set(simulator.warnings()) == {"frames of one utterance carry different event ids"}
