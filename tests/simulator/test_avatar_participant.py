"""The avatar in rooms of a real LiveKit server: seen, heard, hushed, gone."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from livekit.api import AccessToken, ListRoomsRequest, LiveKitAPI, VideoGrants
from websockets.asyncio.client import ClientConnection, connect

from liveavatar_nb.simulator import LiveKit
from liveavatar_nb.simulator.media.tokens import claims

from ..livekit import LiveKitServer, livekit_server
from .conftest import Caller, Started
from .viewer import Seen, Viewer, watching

__all__ = ["livekit_server"]

RATE = 24_000
LIMIT = 40.0  # s until something must have come true
PIECE = RATE // 20  # samples of a sound that are looked for
ALIKE = 0.95  # correlation from which a piece is found
SOUNDS_A_SECOND = 100  # of those that a viewer counts
FEW = 5  # pictures, of 22 or so for each part of a sound
MOVED = 6.0  # mean difference of two pictures' brightness, of 255, from which they are not the same
OWN = "my own room"


def sweep(seconds: float) -> npt.NDArray[np.int16]:
    """A sound in which no two moments are alike."""
    moments = np.arange(round(seconds * RATE)) / RATE
    return np.round(9_000 * np.sin(2 * np.pi * (200 + 300 * moments) * moments)).astype(np.int16)


def speaking(server: LiveKitServer, calling: Any, **options: Any) -> Caller:
    made: Caller = calling(**{"speed": 1, "livekit": LiveKit(server.url, server.key, server.secret), **options})
    return made


@asynccontextmanager
async def socket(session: Started) -> AsyncIterator[ClientConnection]:
    """The session's WebSocket, connected."""
    async with connect(session.ws_url, proxy=None) as opened:
        await until(opened, "session.state_updated", state="connected")
        yield opened


async def until(opened: ClientConnection, kind: str, **told: Any) -> dict[str, Any]:
    async with asyncio.timeout(LIMIT):
        while True:
            event: dict[str, Any] = json.loads(await opened.recv())
            if event["type"] == kind and told.items() <= event.items():
                return event


async def say(opened: ClientConnection, sound: npt.NDArray[np.int16]) -> None:
    for begin in range(0, len(sound), RATE):
        audio = base64.b64encode(sound[begin : begin + RATE].tobytes()).decode()
        await opened.send(json.dumps({"type": "agent.speak", "event_id": "e", "audio": audio}))
    await opened.send(json.dumps({"type": "agent.speak_end", "event_id": "e"}))


async def rooms(server: LiveKitServer) -> set[str]:
    async with LiveKitAPI(server.url, server.key, server.secret) as api:
        return {room.name for room in (await api.room.list_rooms(ListRoomsRequest())).rooms}


async def gone(server: LiveKitServer, room: str) -> None:
    deadline = time.monotonic() + LIMIT
    while room in await rooms(server):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


def differences(pictures: npt.NDArray[np.uint8], like: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """How far each picture is from one, in mean brightness."""
    return np.asarray(np.abs(pictures.astype(float) - like).mean(axis=(1, 2)))


def changes(pictures: npt.NDArray[np.uint8], likes: list[npt.NDArray[np.uint8]]) -> list[int]:
    """Which of `likes` the pictures are nearest to, one after the other, said once for those in a row."""
    nearest = np.argmin([differences(pictures, like) for like in likes], axis=0)
    rows = [(int(which), len(list(row))) for which, row in itertools.groupby(nearest)]
    # a busy machine stutters: of a few pictures in a row nothing is said
    lasting = [which for which, length in rows if length >= FEW]
    return [which for which, _ in itertools.groupby(lasting)]


def whereabouts(heard: npt.NDArray[np.int16], sent: npt.NDArray[np.int16]) -> list[int]:
    """Where pieces of a sound are in another, in samples, for those that are: nearly all, if it was heard well."""
    found: list[int] = []
    if len(heard) < PIECE:
        return found
    for begin in range(0, len(sent) - PIECE, PIECE):
        piece = sent[begin : begin + PIECE].astype(float)
        length = 1 << (len(heard) + PIECE).bit_length()
        spectrum = np.fft.rfft(heard.astype(float), length) * np.conj(np.fft.rfft(piece, length))
        matches = np.fft.irfft(spectrum, length)[: len(heard) - PIECE + 1]
        energy = np.concatenate([[0], np.cumsum(heard.astype(float) ** 2)])
        energies = np.maximum(energy[PIECE:] - energy[:-PIECE], np.sum(piece**2) / 4)
        alike = matches / np.sqrt(energies * np.sum(piece**2))
        if alike.max() > ALIKE:
            found.append(int(alike.argmax()))
    return found


async def hears(viewer: Viewer, sound: npt.NDArray[np.int16]) -> tuple[Seen, list[int]]:
    """What the viewer has, once it heard nearly all of a sound; and where in it that was."""
    deadline = time.monotonic() + LIMIT
    pieces = len(range(0, len(sound) - PIECE, PIECE))
    while True:
        seen = await viewer.report()
        found = whereabouts(seen.sound, sound)
        # a busy machine stutters, and the library fills the gaps with what it makes up
        if len(found) > 0.7 * pieces:
            return seen, found
        assert time.monotonic() < deadline, f"of {pieces} pieces of the sound, {len(found)} were heard"
        await asyncio.sleep(0.3)


@pytest.mark.parametrize(("quality", "size"), [("high", (1280, 720)), ("low", (640, 360))])
async def test_it_is_seen_and_heard(
    livekit_server: LiveKitServer, calling: Any, tmp_path: Path, quality: str, size: tuple[int, int]
) -> None:
    caller = speaking(livekit_server, calling)
    session = caller.started(video_settings={"quality": quality, "encoding": "VP8" if quality == "low" else "H264"})
    answer = session.answer
    assert answer["livekit_url"] == livekit_server.url
    first, second = sweep(0.9), sweep(1.8)[round(0.9 * RATE) :]
    sound = np.concatenate([first, np.zeros(round(0.9 * RATE), np.int16), second])
    async with watching(answer["livekit_url"], answer["livekit_client_token"], tmp_path) as viewer:
        await viewer.until("frame")
        await asyncio.sleep(2.0)  # the first pictures are rough ones
        idle = (await viewer.report()).mouths[-10:]
        async with socket(session) as opened:
            await say(opened, sound)
            await until(opened, "agent.speak_ended")
            await hears(viewer, first)
            await hears(viewer, second)
            await asyncio.sleep(1.0)  # the picture may come later than the sound
        seen = await viewer.report()
    assert seen.size == size
    wide = seen.mouths[np.argmax(differences(seen.mouths, idle[0]))]
    assert differences(idle, idle[0]).max() < MOVED / 2
    assert differences(seen.mouths, idle[0]).max() > MOVED
    # 0 is at rest, 1 is open: as often as there was sound
    assert changes(seen.mouths, [idle[0], wide]) == [0, 1, 0, 1, 0]
    places = whereabouts(seen.sound, np.concatenate([first, second]))
    assert places == sorted(places)
    level = np.median(np.abs(seen.sound[places[1] : places[1] + RATE // 4].astype(float)))
    assert 0.7 < level / np.median(np.abs(first.astype(float))) < 1.4
    assert caller.simulator.warnings() == []


async def test_an_interrupt_silences_it(livekit_server: LiveKitServer, calling: Any, tmp_path: Path) -> None:
    caller = speaking(livekit_server, calling)
    session = caller.started()
    answer = session.answer
    first, second = sweep(0.9), sweep(1.8)[round(0.9 * RATE) :]
    async with (
        watching(answer["livekit_url"], answer["livekit_client_token"], tmp_path) as viewer,
        socket(session) as opened,
    ):
        await viewer.until("frame")
        await say(opened, np.tile(first, 70))
        await viewer.until("sound")
        await opened.send(json.dumps({"type": "agent.interrupt"}))
        await until(opened, "agent.speak_interrupted")
        await say(opened, np.concatenate([np.zeros(RATE, np.int16), second]))
        seen, places = await hears(viewer, second)
    # of the minute that was dropped nothing comes with what is said next, and not much came before
    assert not whereabouts(seen.sound[min(places) :], first)
    assert len(seen.loud_at) < 20 * SOUNDS_A_SECOND


async def test_the_token_of_the_start_call(livekit_server: LiveKitServer, calling: Any) -> None:
    session = speaking(livekit_server, calling).started(max_session_duration=120)
    told = claims(session.answer["livekit_client_token"])
    assert told is not None
    assert told["video"] == {
        "roomJoin": True,
        "room": session.id,
        "canPublish": True,
        "canSubscribe": True,
        "canPublishData": True,
    }
    assert told["exp"] - told["nbf"] == 120
    assert session.id in await rooms(livekit_server)


@pytest.mark.parametrize("ending", ["stop", "cap", "close"])
async def test_the_room_ends_with_the_session(
    livekit_server: LiveKitServer, calling: Any, tmp_path: Path, ending: str
) -> None:
    caller = speaking(livekit_server, calling)
    session = caller.started()
    answer = session.answer
    async with watching(answer["livekit_url"], answer["livekit_client_token"], tmp_path) as viewer:
        await viewer.until("frame")
        if ending == "stop":
            caller.stop(session.id)
        elif ending == "cap":
            caller.simulator.advance(10_000)
        else:
            caller.simulator.close()
        await viewer.until("out", reason="ROOM_DELETED")
        await gone(livekit_server, session.id)


async def test_it_comes_back_when_the_server_does(livekit_server: LiveKitServer, calling: Any, tmp_path: Path) -> None:
    server = LiveKitServer(livekit_server.executable)
    try:
        answer = speaking(server, calling).started().answer
        async with watching(answer["livekit_url"], answer["livekit_client_token"], tmp_path) as viewer:
            await viewer.until("frame")
            server.close()
            await viewer.until("went", identity="heygen")
            server.start()
            await viewer.until("came", identity="heygen")
            await viewer.until("frame")
    finally:
        server.close()


async def test_at_other_speeds_there_is_no_sound(livekit_server: LiveKitServer, calling: Any, tmp_path: Path) -> None:
    caller = speaking(livekit_server, calling, speed=0)
    session = caller.started()
    answer = session.answer
    async with (
        watching(answer["livekit_url"], answer["livekit_client_token"], tmp_path) as viewer,
        socket(session) as opened,
    ):
        await viewer.until("audio")
        await say(opened, sweep(2.5))
        await until(opened, "agent.audio_buffer_committed")
        caller.simulator.advance(5)
        await until(opened, "agent.speak_ended")
        seen = await viewer.report()
    assert not len(seen.loud_at)
    assert [warning for warning in caller.simulator.warnings() if "sound" in warning] == [
        "the avatar cannot be heard: sound needs a simulator at speed 1"
    ]


def own_room(server: LiveKitServer, **changed: Any) -> dict[str, str]:
    """The room's part of a token call, its token with other grants."""
    grants = {"room_join": True, "room": OWN, "can_publish": True, "can_subscribe": True, "can_publish_data": True}
    made = (
        AccessToken(server.key, server.secret).with_identity("star").with_grants(VideoGrants(**{**grants, **changed}))
    )
    return {"livekit_url": server.url, "livekit_room": OWN, "livekit_client_token": made.to_jwt()}


async def test_it_joins_a_room_of_ones_own(livekit_server: LiveKitServer, calling: Any, tmp_path: Path) -> None:
    caller = speaking(livekit_server, calling)
    async with watching(livekit_server.url, livekit_server.token("me", OWN), tmp_path) as viewer:
        session = caller.started(livekit_config=own_room(livekit_server))
        assert (session.answer["livekit_url"], session.answer["livekit_client_token"]) == (None, None)
        await viewer.until("video", identity="star")
        await viewer.until("frame")
        async with socket(session) as opened:
            await say(opened, sweep(0.5))
            await viewer.until("sound")
        caller.stop(session.id)
        await viewer.until("went", identity="star")
        assert OWN in await rooms(livekit_server), "it is not the service's to remove"


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"room_join": False}, "lacks room_join"),
        ({"can_publish": False}, "lacks can_publish"),
        ({"can_subscribe": False}, "lacks can_subscribe"),
        ({"can_publish_data": False}, "lacks can_publish_data"),
        ({"can_publish": False, "can_publish_data": None}, "lacks can_publish and can_publish_data"),
        ({"room": "another"}, "is for the room 'another', not for 'my own room'"),
    ],
)
@pytest.mark.parametrize("with_livekit", [True, False])
def test_a_token_that_is_not_enough(
    livekit_server: LiveKitServer, calling: Any, changed: dict[str, Any], why: str, with_livekit: bool
) -> None:
    caller = speaking(livekit_server, calling) if with_livekit else calling()
    room = own_room(livekit_server, **changed)
    made = caller.token(livekit_config=room)
    response = caller.start(made["session_token"])
    assert response.status_code == 500
    assert why not in response.text
    assert caller.simulator.warnings() == [f"the start call returned 500: livekit_client_token {why}"]
    assert not caller.simulator.billed()
    assert caller.entry(made["session_id"]).starts == 1


async def test_connected_waits_for_the_avatar(livekit_server: LiveKitServer, calling: Any) -> None:
    caller = speaking(livekit_server, calling)
    # nobody answers there
    session = caller.started(livekit_config={**own_room(livekit_server), "livekit_url": "ws://127.0.0.1:9"})
    async with connect(session.ws_url, proxy=None) as opened:
        assert json.loads(await opened.recv())["state"] == "connecting"
        deadline = time.monotonic() + LIMIT
        while not await asyncio.to_thread(caller.simulator.warnings):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(opened.recv(), 0.2)
    assert "cannot join ws://127.0.0.1:9" in caller.simulator.warnings()[0]
    assert "eyJ" not in str(caller.simulator.warnings()), "a token is among the warnings"


@pytest.mark.parametrize(
    ("changed", "why"),
    [({"url": "ws://127.0.0.1:9"}, "does not respond"), ({"api_secret": "secret-canary" * 4}, "refused")],
)
def test_where_the_server_is_no_help_the_line_is(
    livekit_server: LiveKitServer, calling: Any, changed: dict[str, str], why: str
) -> None:
    told = {"url": livekit_server.url, "api_key": livekit_server.key, "api_secret": livekit_server.secret, **changed}
    caller = speaking(livekit_server, calling, livekit=LiveKit(**told))
    for session in (caller.started(), caller.started()):
        assert session.answer["livekit_url"].endswith(f"/_simulator/room/{session.id}")
    (warning,) = caller.simulator.warnings()
    assert warning.startswith("drawn in the page: LiveKit on ws://")
    assert why in warning
    assert "canary" not in warning
