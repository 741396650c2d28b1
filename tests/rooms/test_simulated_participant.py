"""The simulator's room: opened with the token, packets and sound, and who opens it second has it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from liveavatar_nb import AsyncLiveAvatar, LiveAvatar, Simulator, config
from liveavatar_nb.bridge.loop import bridge
from liveavatar_nb.config import Masked
from liveavatar_nb.errors import RoomNotHeld
from liveavatar_nb.protocol import full
from liveavatar_nb.protocol.events import Event
from liveavatar_nb.protocol.websocket import FRAMES_IN_A_TURN
from liveavatar_nb.rooms.connection import HolderLost, RoomConnection
from liveavatar_nb.rooms.simulated_participant import SimulatedParticipant
from liveavatar_nb.wirelog.log import Wire

from ..waiting import until, wait_for

TOKEN = "the-token"
JOINED = json.dumps({"topic": "line", "payload": {"state": "joined"}})


class SimulatedRoom:
    """A server of a simulated room that sends what it is told to."""

    def __init__(self, first: list[str | bytes]) -> None:
        self.first = first
        self.heard: list[Any] = []
        self.tokens: list[str | None] = []
        self.open: list[ServerConnection] = []
        self.losses: list[str | None] = []

    async def serve(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        self.tokens.append(socket.request.headers.get("Authorization"))
        self.open.append(socket)
        for frame in self.first:
            await socket.send(frame)
        async for frame in socket:
            self.heard.append(json.loads(frame))


@asynccontextmanager
async def simulated_room(*first: str | bytes) -> AsyncIterator[tuple[SimulatedRoom, RoomConnection, list[Event]]]:
    """A server, and a session's way to it."""
    events: list[Event] = []
    told = SimulatedRoom(list(first))
    async with serve(told.serve, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        url = f"ws://127.0.0.1:{port}/_simulator/room/the-session"
        room = RoomConnection(
            url,
            Masked(TOKEN),
            "the-session",
            Wire(),
            receive=events.append,
            on_change=lambda: None,
            on_loss=lambda: told.losses.append(room.words),
            opener=SimulatedParticipant.join,
        )
        yield told, room, events
        await room.close()


async def test_packets_go_both_ways_and_sound_comes() -> None:
    said = json.dumps({"topic": full.RESPONSE, "payload": {"event_type": "avatar.speak_started"}})
    async with simulated_room(JOINED, said, b"\1\0\2\0", "rubbish", "[]", "{}") as (told, room, events):
        sound: list[bytes] = []
        room.on_sound(sound.append)
        await room.wait_for_avatar()
        await room.send(full.speak_text("Grüezi", "id", "the-session"))
        await until(lambda: told.heard)
        assert told.heard == [
            {
                "topic": "agent-control",
                "payload": {
                    "event_type": "avatar.speak_text", "event_id": "id", "session_id": "the-session", "text": "Grüezi"
                },
            }
        ]  # fmt: skip
        assert told.tokens == [f"Bearer {TOKEN}"]
        assert events == [Event("avatar.speak_started")]
        assert sound == [b"\1\0\2\0"]
        assert (room.kind, room.holder is not None and room.holder.kind) == ("drawn", "process")


async def test_a_burst_of_packets_lets_others_have_their_turn() -> None:
    said = json.dumps({"topic": full.RESPONSE, "payload": {"event_type": "avatar.speak_started"}})
    async with simulated_room(JOINED, *[said] * 3000) as (_, room, events):
        joining = asyncio.create_task(room.reach())
        longest = 0
        while len(events) < 3000:
            before = len(events)
            await asyncio.sleep(0)
            longest = max(longest, len(events) - before)
        await joining
        assert longest <= FRAMES_IN_A_TURN


async def test_a_line_that_is_cut_carries_nothing_and_is_a_loss() -> None:
    async with simulated_room(JOINED) as (told, room, _):
        holder = await room.reach()
        await told.open[0].close()
        await until(lambda: told.losses)
        assert (told.losses, room.holder) == (["The connection to the simulated room was lost."], None)
        with pytest.raises(HolderLost):
            await holder.send(b"{}")


async def test_who_says_nothing_is_not_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "ROOM_JOIN_LIMIT", 0.1)
    async with simulated_room() as (told, room, _):
        with pytest.raises(RoomNotHeld, match="cannot be reached \\(no response\\)"):
            await room.reach()
        await until(lambda: told.open[0].close_code is not None)


async def test_one_that_is_cut_short_as_it_joins_leaves_nothing_open(monkeypatch: pytest.MonkeyPatch) -> None:
    async with simulated_room(JOINED) as (told, room, _):
        joining = asyncio.create_task(SimulatedParticipant.join(room))
        # in the step in which it learns that it has joined
        monkeypatch.setattr(room, "see", lambda is_there: joining.cancel())
        with pytest.raises(asyncio.CancelledError):
            await joining
        await until(lambda: told.open[0].close_code is not None)


async def test_nobody_there_is_told_in_words() -> None:
    async with simulated_room(JOINED) as (_, room, _):
        room.url = "ws://127.0.0.1:9/_simulator/room/the-session"
        with pytest.raises(RoomNotHeld, match="cannot be reached"):
            await room.reach()


async def test_a_newer_line_takes_its_place_and_is_not_fought(simulator: Simulator) -> None:
    async with AsyncLiveAvatar(simulator.api_key, api_url=simulator.url) as client, await client.start("Silas") as one:
        assert one.room is not None
        other = RoomConnection(
            one.room.url,
            one.room.token,
            "the-session",
            Wire(),
            receive=lambda event: None,
            on_change=lambda: None,
            opener=SimulatedParticipant.join,
        )
        await one.wait_for_avatar()
        one.room.need()
        await other.reach()
        await until(lambda: one.room is not None and one.room.holder is None)
        assert one.room.words == "Somebody else joined the room with the session's token."
        await asyncio.sleep(0.1)
        assert one.room.holder is None
        assert other.holder is not None
        await one.wait_for_avatar()
        await until(lambda: other.holder is None)
        await other.close()


async def test_a_wrong_token_is_refused(client: AsyncLiveAvatar) -> None:
    async with await client.start("Silas") as session:
        assert session.room is not None
        session.room.token = Masked("wrong")
        with pytest.raises(RoomNotHeld, match="cannot be reached"):
            await session.wait_for_avatar()


def test_what_a_lite_session_says_is_heard_and_hushed(la: LiveAvatar) -> None:
    sound: list[bytes] = []
    with la.start("Silas") as session:
        room = session._inner.room
        assert room is not None
        bridge.loop.call_soon_threadsafe(room.on_sound, sound.append)
        session.wait_for_avatar(timeout=10)
        session.play((b"\1\2" * 24_000), rate=24_000, wait=False)
        wait_for(lambda: any(sound))
        assert all(len(piece) <= 4_800 for piece in sound)
        session.interrupt()
        wait_for(lambda: b"" in sound)


async def test_the_loops_end_closes_it() -> None:
    async with simulated_room(JOINED) as (told, room, _):

        async def join() -> None:
            other = RoomConnection(
                room.url,
                room.token,
                "the-session",
                Wire(),
                receive=lambda event: None,
                on_change=lambda: None,
                opener=SimulatedParticipant.join,
            )
            await other.reach()
            other.need()

        await asyncio.to_thread(asyncio.run, join())
        await until(lambda: told.open[0].close_code is not None)
        assert told.open[0].close_code == 1000
