"""This process in a real LiveKit room: it sees the avatar, carries packets, holds on, and fights with nobody."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import traceback
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from liveavatar_nb import AsyncLiveAvatar, NewContext, Simulator, config
from liveavatar_nb.config import Masked
from liveavatar_nb.errors import RoomNotHeld
from liveavatar_nb.protocol import full
from liveavatar_nb.protocol.events import Event
from liveavatar_nb.rooms import livekit_participant
from liveavatar_nb.rooms.connection import AVATAR_GONE, RECONNECTING, HolderLost, RoomConnection
from liveavatar_nb.rooms.livekit_participant import LiveKitParticipant
from liveavatar_nb.simulator import LiveKit
from liveavatar_nb.wirelog.log import Wire

from ..crowd import Crowd, crowd  # noqa: F401 (the fixture)
from ..livekit import LiveKitServer, livekit_server  # noqa: F401 (the fixture)
from ..waiting import until, wait_for

BACK_LIMIT = 60.0  # s that LiveKit's library takes at most to get a room back
SESSION = "the-session"


class Room:
    """A session's way into a room of its own, and what came there."""

    def __init__(self, server: LiveKitServer, identity: str = "client") -> None:
        self.name = str(uuid.uuid4())
        self.server = server
        self.events: list[Event] = []
        self.words: list[str | None] = []
        self.token = server.token(identity, self.name)
        self.connection = RoomConnection(
            server.url,
            Masked(self.token),
            SESSION,
            Wire(),
            receive=self.events.append,
            on_change=self._change,
            opener=LiveKitParticipant.join,
        )

    def _change(self) -> None:
        if self.words[-1:] != [self.connection.words]:
            self.words.append(self.connection.words)

    def tell(self, text: str) -> full.Command:
        return full.speak_text(text, "id", SESSION)

    def of(self, identity: str) -> str:
        """A token for somebody else."""
        return self.server.token(identity, self.name)


@asynccontextmanager
async def entered(server: LiveKitServer) -> AsyncIterator[Room]:
    """Being done with it, everybody has left."""
    room = Room(server)
    try:
        yield room
    finally:
        await room.connection.close()


@asynccontextmanager
async def another(server: LiveKitServer) -> AsyncIterator[LiveKitServer]:
    """A server that ends with its test, and with it what the library keeps open to it."""
    other = LiveKitServer(server.executable)
    try:
        yield other
    finally:
        other.close()


def said(kind: str) -> str:
    return json.dumps({"event_type": kind, "event_id": str(uuid.uuid4())})


def rooms_threads() -> list[str]:
    """Those on which rooms live."""
    return [thread.name for thread in threading.enumerate() if thread.name == "liveavatar_nb room"]


async def test_it_sees_the_avatar_and_carries_packets(livekit_server: LiveKitServer, crowd: Crowd) -> None:  # noqa: F811
    async with entered(livekit_server) as room:
        waiting = asyncio.create_task(room.connection.wait_for_avatar())
        await until(lambda: room.connection.holder)
        with crowd.join(livekit_server.url, room.of("somebody")) as somebody:
            somebody.show()
            with crowd.join(livekit_server.url, room.of("heygen")) as avatar:
                await asyncio.sleep(0.5)
                assert not waiting.done()
                avatar.show()
                await asyncio.wait_for(waiting, 10)
                await room.connection.send(room.tell("Grüezi"))
                await until(lambda: avatar.heard)
                assert json.loads(avatar.heard[0])["text"] == "Grüezi"
                avatar.send(said("avatar.speak_started"), full.RESPONSE)
                avatar.send(said("avatar.speak_ended"), "chat")
                avatar.send("rubbish", full.RESPONSE)
                avatar.send(said("avatar.speak_ended"), full.RESPONSE)
                await until(lambda: len(room.events) == 2)
                assert [event.type for event in room.events] == ["avatar.speak_started", "avatar.speak_ended"]
            await until(lambda: not room.connection.has_avatar)


async def test_an_avatar_that_is_there_first_is_seen(livekit_server: LiveKitServer, crowd: Crowd) -> None:  # noqa: F811
    async with entered(livekit_server) as room:
        with crowd.join(livekit_server.url, room.of("heygen")) as avatar:
            avatar.show()
            await room.connection.wait_for_avatar()
            assert avatar.is_in


async def test_row_36_somebody_else_with_its_token_is_explained_and_not_fought(
    livekit_server: LiveKitServer,  # noqa: F811
    crowd: Crowd,  # noqa: F811
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with entered(livekit_server) as room:
        await room.connection.reach()
        room.connection.need()
        with crowd.join(livekit_server.url, room.token) as other:
            await until(lambda: room.connection.words)
            assert "Somebody else joined the room with the session's token." in room.words
            with pytest.raises(RoomNotHeld, match=r"Somebody else joined.*join in its place"):
                await room.connection.send(room.tell("Hello"))
            await asyncio.sleep(1)
            assert other.is_in
            assert not room.connection.can_send
            room.connection.join_again()
            await until(lambda: room.connection.holder)
            await until(lambda: not other.is_in)
            assert room.words[-1] is None
    assert room.token not in caplog.text


async def test_a_page_takes_over_without_throwing_anybody_out(
    livekit_server: LiveKitServer,  # noqa: F811
    crowd: Crowd,  # noqa: F811
) -> None:
    async with entered(livekit_server) as room:
        room.connection.need()
        await until(lambda: room.connection.holder)
        await room.connection.expect()
        with crowd.join(livekit_server.url, room.token) as page:
            await asyncio.sleep(0.5)
            assert page.is_in
            assert room.connection.words is None
        assert "Somebody else" not in str(room.words)


async def test_row_35_a_server_that_was_gone_is_got_back(
    livekit_server: LiveKitServer,  # noqa: F811
    crowd: Crowd,  # noqa: F811
) -> None:
    async with another(livekit_server) as server, entered(server) as room:
        with crowd.join(server.url, room.of("heygen")) as avatar:
            avatar.show()
            await room.connection.wait_for_avatar()
            first, backs = room.connection.holder, []
            room.connection.on_back = lambda: backs.append(room.connection.words)
            server.close()
            try:
                await until(lambda: room.connection.words)
                assert room.connection.words == RECONNECTING
                with pytest.raises(RoomNotHeld, match=r"connection to the room was lost\. Reconnecting"):
                    await room.connection.send(room.tell("Lost"))
            finally:
                server.start()
            await until(lambda: room.connection.words is None, BACK_LIMIT)
            assert room.connection.holder is first
            assert backs == [None]
            await until(lambda: room.connection.has_avatar, BACK_LIMIT)
            await room.connection.send(room.tell("Back"))
            await until(lambda: avatar.heard)
            assert [json.loads(packet)["text"] for packet in avatar.heard] == ["Back"]


def outside() -> LiveKitParticipant:
    """This process, in no room so far."""
    url = "ws://127.0.0.1:1"
    return LiveKitParticipant(
        RoomConnection(url, Masked("t"), "s", Wire(), receive=lambda event: None, on_change=lambda: None)
    )


async def test_what_is_sent_waits_while_the_connection_is_got_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "HOLDER_LIMIT", 0.05)
    holder = outside()
    holder._on_reconnecting()
    with pytest.raises(RoomNotHeld, match=r"connection to the room was lost\. Reconnecting"):
        await holder.send(b"{}")
    assert holder._connection.words == RECONNECTING


async def test_what_waits_for_a_connection_that_is_lost_for_good_is_not_sent() -> None:
    holder = outside()
    holder._on_reconnecting()
    sending = asyncio.create_task(holder.send(b"{}"))
    await asyncio.sleep(0)
    holder._left.set()
    holder._on_lost("It is gone.", False)
    with pytest.raises(HolderLost):
        await sending


async def test_once_nobody_wants_the_room_its_news_is_not_heard() -> None:
    holder, heard = outside(), list[str]()
    holder._report(heard.append, "before")
    await until(lambda: heard)
    holder._report(heard.append, "too late")
    holder._give_up()
    holder._call(heard.append, "the end")
    await until(lambda: len(heard) > 1)
    assert heard == ["before", "the end"]


def test_a_loop_that_is_closed_wants_no_room() -> None:
    loop = asyncio.new_event_loop()

    async def make() -> LiveKitParticipant:
        return outside()

    holder = loop.run_until_complete(make())
    loop.close()
    holder._call(print)
    assert holder._unwanted.done()


def test_what_the_library_says_of_an_address_with_a_token_is_not_repeated() -> None:
    assert livekit_participant._words(OSError("no way to ws://room/rtc?access_token=abc")) == "OSError"
    assert livekit_participant._words(OSError("no way")) == "no way"


async def test_nobody_there_and_a_wrong_token_are_told_in_words(livekit_server: LiveKitServer) -> None:  # noqa: F811
    async with another(livekit_server) as server, entered(server) as room:
        room.connection.token = Masked("wrong")
        with pytest.raises(RoomNotHeld, match="cannot be reached") as refused:
            await room.connection.reach()
        assert "wrong" not in str(refused.value)
        room.connection.token = Masked(room.token)
        room.connection.url = "ws://127.0.0.1:9"
        with pytest.raises(RoomNotHeld, match="cannot be reached") as failed:
            await room.connection.reach()
        shown = traceback.TracebackException.from_exception(failed.value, capture_locals=True)
        assert room.token not in "".join(shown.format())


async def test_a_server_that_keeps_silent_is_given_up_and_left_once_it_speaks(
    livekit_server: LiveKitServer,  # noqa: F811
    crowd: Crowd,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(config, "ROOM_JOIN_LIMIT", 0.5)
    monkeypatch.setattr(config, "LEAVE_LIMIT", 0.1)
    async with another(livekit_server) as server, entered(server) as room:
        server.stall()
        try:
            with pytest.raises(RoomNotHeld, match=r"no answer within 0\.5 s"):
                await room.connection.reach()
        finally:
            server.go_on()
        await until(lambda: not rooms_threads(), BACK_LIMIT)
        assert not room.connection.has_avatar
        with crowd.join(server.url, room.token) as page:
            await asyncio.sleep(0.5)
            assert page.is_in


async def test_a_joining_that_nobody_wants_any_more_leaves_nobody_behind(
    livekit_server: LiveKitServer,  # noqa: F811
    crowd: Crowd,  # noqa: F811
) -> None:
    async with entered(livekit_server) as room:
        room.connection.need()
        await asyncio.sleep(0.01)
        await room.connection.expect()
        with crowd.join(livekit_server.url, room.of("watcher")) as watcher, crowd.join(livekit_server.url, room.token):
            await asyncio.sleep(0.5)
            assert room.connection.holder is None
            assert watcher.is_in


def test_the_loops_end_leaves_the_room(livekit_server: LiveKitServer, crowd: Crowd) -> None:  # noqa: F811
    async def see() -> None:
        room.connection.need()
        await room.connection.wait_for_avatar()

    room = Room(livekit_server)
    with crowd.join(livekit_server.url, room.of("heygen")) as avatar:
        avatar.show()
        asyncio.run(see())
        assert room.connection.holder is None
        # who joins with the same identity now throws nobody out, and is not thrown out
        with crowd.join(livekit_server.url, room.token) as next_one:
            avatar.send("still here")
            wait_for(lambda: next_one.heard)


def test_a_loop_that_ends_amid_a_joining_leaves_somebody_to_hear_its_answer(livekit_server: LiveKitServer) -> None:  # noqa: F811
    """Else the library ends this process, 10 s later."""

    async def begin() -> None:
        Room(livekit_server).connection.need()
        await until(rooms_threads)

    asyncio.run(begin())  # the library is loaded
    wait_for(lambda: not rooms_threads())
    livekit_server.stall()
    try:
        asyncio.run(begin())
        assert rooms_threads()
    finally:
        livekit_server.go_on()
    wait_for(lambda: not rooms_threads(), BACK_LIMIT)


def test_whether_it_can_join_is_known_without_loading_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    assert livekit_participant.is_installed()

    def missing(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr("importlib.util.find_spec", missing)
    assert not livekit_participant.is_installed()


# with a session


@pytest.fixture
def simulator(livekit_server: LiveKitServer) -> Iterator[Simulator]:  # noqa: F811
    """One whose avatars are in real rooms."""
    room = LiveKit(livekit_server.url, livekit_server.key, livekit_server.secret)
    with Simulator(livekit=room, connect_delay=0.01, history=False) as running:
        yield running
        assert not running.billed()


@pytest.fixture
def no_farewell(monkeypatch: pytest.MonkeyPatch) -> None:
    """The event that says that the session is over goes unheard."""
    monkeypatch.setattr(full, "STOPPED", "unheard")


async def test_a_conversation_without_any_page(
    client: AsyncLiveAvatar, simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    context = NewContext("Guide", "You are a guide. The tower opens at nine.", opening_text="Hello!")
    with caplog.at_level(logging.DEBUG):
        async with await client.start("Silas", context=context) as session:
            assert session.room is not None
            assert (session.room.kind, session.room.holder) == ("livekit", None)
            await session.wait_for_avatar()
            answer = await session.ask("When does the tower open?")
            assert answer.state == "ended"
            assert answer.text
            spoken = await session.say("Goodbye.")
            assert spoken.state == "ended"
            assert [one.transcript for one in session.transcript if one.role == "avatar"] == [
                "Hello!", answer.text, "Goodbye."
            ]  # fmt: skip
            token = session.room.token.reveal()
        assert session.room.holder is None
        assert token not in caplog.text
    assert {frame.kind for frame in session.wire if frame.name.startswith("avatar.")} == {"data"}


async def test_a_question_right_after_the_start_is_answered(client: AsyncLiveAvatar, simulator: Simulator) -> None:
    async with await client.start("Silas", context=NewContext("Guide", "You are a guide.")) as session:
        assert (await session.ask("Is anybody there?", timeout=20)).state == "ended"


async def test_without_the_extra_media_the_error_names_it_and_view(
    client: AsyncLiveAvatar, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("liveavatar_nb.session.opening.is_installed", lambda: False)
    async with await client.start("Silas", context=NewContext("Guide", "You are a guide.")) as session:
        assert not session.can.say
        for call in (session.say("Hello"), session.ask("Why?"), session.wait_for_avatar(), session.start_listening()):
            with pytest.raises(RoomNotHeld, match=r"view\(\).*pip install \"liveavatar-nb\[media\]\""):
                await call
        await session.interrupt()


@pytest.mark.usefixtures("no_farewell")
async def test_a_conversation_whose_room_is_gone_is_asked_for_at_once(
    livekit_server: LiveKitServer,  # noqa: F811
    client: AsyncLiveAvatar,
    simulator: Simulator,
) -> None:
    async with await client.start("Silas", context=NewContext("Guide", "You are a guide.")) as session:
        await session.wait_for_avatar()
        assert session.room is not None
        # the service ends it, and of that only the room's end is noticed
        async with AsyncLiveAvatar(simulator.api_key, api_url=simulator.url) as another_kernel:
            await livekit_server.delete(session.id)
            await another_kernel.api.sessions.stop(session.id, reason="AGENT_HANG_UP")
        async with asyncio.timeout(config.KEEP_ALIVE_INTERVAL / 2):
            await session.wait_until_ended()
        assert (session.state, session.end_words) == ("ended", "the agent hung up")
        looks = [one for one in simulator.requests() if one["path"] == f"/v1/sessions/{session.id}"]
        assert 1 <= len(looks) <= 4, "no storm of questions"


@pytest.mark.usefixtures("no_farewell")
async def test_a_session_that_outlives_its_room_says_that_its_avatar_is_gone(
    livekit_server: LiveKitServer,  # noqa: F811
    client: AsyncLiveAvatar,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(config, "LOOK_PAUSE", 0.1)
    async with await client.start("Silas", context=NewContext("Guide", "You are a guide.")) as session:
        await session.wait_for_avatar()
        await livekit_server.remove(session.id, "heygen")
        await until(lambda: session.room is not None and session.room.words == AVATAR_GONE)
        assert session.is_live


async def test_a_lite_session_sees_its_avatar_too(client: AsyncLiveAvatar, simulator: Simulator) -> None:
    async with await client.start("Silas") as session:
        await session.wait_for_avatar()
        assert session.room is not None
        assert session.room.has_avatar
