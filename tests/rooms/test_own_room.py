"""Your own LiveKit room, on a real LiveKit server with real clients in it."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import jwt
import pytest
from livekit.api import CreateRoomRequest, DeleteRoomRequest, ListRoomsRequest, LiveKitAPI

from liveavatar_nb import AsyncLiveAvatar, AsyncRoom, LiveAvatar, LiveAvatarException, Masked, Room, Simulator, config
from liveavatar_nb.errors import (
    APIConnectionError,
    APIStatusError,
    ClientClosed,
    ConfigurationError,
    InvalidArgument,
    LiveAvatarWarning,
    NotFoundError,
    StartOutcomeUnknown,
)
from liveavatar_nb.html import words
from liveavatar_nb.rooms import own_room
from liveavatar_nb.rooms.participants import Participant, RoomChange, participant
from liveavatar_nb.simulator import LiveKit
from liveavatar_nb.wirelog.har import har

from ..crowd import Crowd, crowd
from ..livekit import LiveKitServer, livekit_server
from ..waiting import until

__all__ = ["crowd", "livekit_server"]

JOINS = {"roomJoin": True}
ACTS = {"canPublish": True, "canSubscribe": True, "canPublishData": True}
WATCHES = {"canPublish": False, "canSubscribe": True, "canPublishData": False}


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is there is asked more often than a user needs it."""
    monkeypatch.setattr(config, "ROOM_LOOK", 0.05)


def own(server: LiveKitServer, face: Callable[..., Any] = AsyncRoom, **options: Any) -> Any:
    return face(server.url, server.key, server.secret, **options)


@asynccontextmanager
async def service(server: LiveKitServer) -> AsyncIterator[Any]:
    async with LiveKitAPI(server.url, server.key, server.secret) as api:
        yield api.room


async def known(server: LiveKitServer, name: str) -> Any:
    """The server's own word on a room; None where there is none of that name."""
    async with service(server) as rooms:
        told = await rooms.list_rooms(ListRoomsRequest(names=[name]))
    return next(iter(told.rooms), None)


async def admission(server: LiveKitServer, token: str) -> int:
    """The status by which the server says whether a token opens a room now."""
    address = f"http{server.url.removeprefix('ws')}/rtc/validate"
    async with aiohttp.ClientSession() as session, session.get(address, params={"access_token": token}) as answer:
        return answer.status


def claims(token: str | Masked, server: LiveKitServer) -> dict[str, Any]:
    text = token.reveal() if isinstance(token, Masked) else token
    found: dict[str, Any] = jwt.decode(text, server.secret, algorithms=["HS256"])
    return found


# The room


async def test_avatar_and_two_guests_in_one_room_which_is_gone_afterwards(
    livekit_server: LiveKitServer, crowd: Crowd
) -> None:
    async with own(livekit_server) as room:
        assert await known(livekit_server, room.name)
        assert await room.participants() == []
        avatar = crowd.join(room.url, room.avatar_token().reveal())
        avatar.show()
        first, second = (crowd.join(room.url, room.guest_token(identity)) for identity in (None, "Ann"))
        await until(lambda: first.sees == second.sees == [["avatar", "video"]])
        there = await room.participants()
        assert (there[0].identity, there[0].role) == ("avatar", "avatar")
        assert {one.role for one in there[1:]} == {"guest"}
        assert {one.state for one in there} == {"active"}
        (camera,) = there[0].tracks
        assert (camera.kind, camera.source, camera.name, camera.width) == ("video", "camera", "face", 64)
        assert [one.tracks for one in there[1:]] == [[], []]
    await until(lambda: not (avatar.is_in or first.is_in or second.is_in))
    assert await known(livekit_server, room.name) is None


async def test_a_room_goes_away_by_itself_and_takes_so_many(livekit_server: LiveKitServer, crowd: Crowd) -> None:
    async with own(livekit_server, empty_timeout=90.4, max_participants=1) as room:
        made = await known(livekit_server, room.name)
        assert (made.empty_timeout, made.departure_timeout, made.max_participants) == (90, 90, 1)
        with crowd.join(room.url, room.guest_token()), pytest.raises(ConnectionError):
            crowd.join(room.url, room.guest_token())


async def test_a_room_that_was_there_stays_as_it_is(livekit_server: LiveKitServer) -> None:
    name = "theirs"
    async with service(livekit_server) as rooms:
        before = await rooms.create_room(CreateRoomRequest(name=name, empty_timeout=77, max_participants=7))
    async with own(livekit_server, name=name, max_participants=2) as room:
        assert room.name == name
    after = await known(livekit_server, name)
    assert (after.sid, after.empty_timeout, after.max_participants) == (before.sid, 77, 7)


@pytest.mark.parametrize("given", [None, "a name"])
async def test_a_room_of_the_same_name_that_others_made_later_is_theirs(
    livekit_server: LiveKitServer, given: str | None
) -> None:
    async with own(livekit_server, name=given) as room, service(livekit_server) as rooms:
        await rooms.delete_room(DeleteRoomRequest(room=room.name))
        await rooms.create_room(CreateRoomRequest(name=room.name))
    # nobody else can know a name that was drawn by lot
    assert (await known(livekit_server, room.name) is None) is (given is None)


async def test_a_room_that_went_away_is_made_again(livekit_server: LiveKitServer) -> None:
    async with own(livekit_server, name="comes back") as room, service(livekit_server) as rooms:
        await room.open()
        first = await known(livekit_server, room.name)
        await rooms.delete_room(DeleteRoomRequest(room=room.name))
        await room.open()
        second = await known(livekit_server, room.name)
        assert first.sid != second.sid
    assert await known(livekit_server, room.name) is None


@pytest.mark.parametrize("name", ["a/b?c=d#e%20", "Größe 漢字 🎈 «ñ»", '"); drop', "x" * config.ROOM_NAME_LIMIT])
async def test_names_may_be_odd(livekit_server: LiveKitServer, crowd: Crowd, name: str) -> None:
    async with own(livekit_server, name=name) as room:
        guest = crowd.join(room.url, room.guest_token(name))
        assert guest.room == name
        assert (await room.wait_for_participant(name)).identity == name
        await room.remove(name)
    assert await known(livekit_server, name) is None


@pytest.mark.parametrize("name", ["", "  ", "two\nlines", "x" * (config.ROOM_NAME_LIMIT + 1), 3])
def test_names_that_no_room_can_have_are_refused(livekit_server: LiveKitServer, name: Any) -> None:
    with pytest.raises(InvalidArgument, match="1 to 256 characters") as caught:
        own(livekit_server, name=name)
    assert caught.value.field == "name"
    with pytest.raises(InvalidArgument):
        own(livekit_server).guest_token(name)


@pytest.mark.parametrize(
    "wrong", [{"empty_timeout": 0}, {"empty_timeout": "5"}, {"max_participants": -1}, {"max_participants": True}]
)
def test_numbers_that_no_room_can_have_are_refused(livekit_server: LiveKitServer, wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument) as caught:
        own(livekit_server, **wrong)
    assert caught.value.field == next(iter(wrong))


async def test_a_closed_room_is_closed(livekit_server: LiveKitServer) -> None:
    room = own(livekit_server)
    await room.open()
    await room.aclose()
    await room.aclose()
    assert room.is_closed
    assert "closed" in repr(room)
    for use in (room.open, room.participants, lambda: room.remove("Ann"), room.wait_for_participant):
        with pytest.raises(ClientClosed, match=room.name):
            await use()
    for mint in (room.avatar_token, room.guest_token, room.guest_link, room.viewer):
        with pytest.raises(ClientClosed):
            mint()
    assert [change async for change in room.watch()] == []


async def test_a_room_that_cannot_be_removed_is_warned_of(livekit_server: LiveKitServer) -> None:
    server = LiveKitServer(livekit_server.executable)
    try:
        room = own(server)
        await room.open()
    finally:
        server.close()
    with pytest.warns(LiveAvatarWarning, match=r"was not removed\. .* cannot be reached.*will remove the room"):
        await room.aclose()


async def test_a_close_that_is_interrupted_can_be_done_again(livekit_server: LiveKitServer) -> None:
    room = own(livekit_server)
    await room.open()
    closing = asyncio.create_task(room.aclose())
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert await known(livekit_server, room.name)
    await room.aclose()
    assert await known(livekit_server, room.name) is None


# Tokens


async def test_each_token_carries_exactly_what_it_is_for(livekit_server: LiveKitServer) -> None:
    room = own(livekit_server, name="the room")
    tokens = {
        "avatar": (room.avatar_token(minutes=5), ACTS, 5),
        "other": (room.avatar_token("other"), ACTS, 60),
        "Ann": (room.guest_token("Ann", 0.5), WATCHES, 0.5),
    }
    for identity, (token, grants, minutes) in tokens.items():
        found = claims(token, livekit_server)
        assert found["video"] == {**JOINS, **grants, "room": "the room"}
        assert (found["sub"], found["iss"]) == (identity, livekit_server.key)
        assert found.keys() == {"video", "sub", "iss", "nbf", "exp"}
        assert abs(found["exp"] - time.time() - minutes * 60) < 30
    for mint in (room.viewer, room.guest_token):
        first, second = claims(mint(), livekit_server), claims(mint(), livekit_server)
        assert first["video"] == second["video"] == {**JOINS, **WATCHES, "room": "the room"}
        assert first["sub"] != second["sub"]


@pytest.mark.parametrize("minutes", [0, -1, float("nan"), "60", True, config.MINUTES_OF_A_DAY + 1])
def test_a_token_opens_for_a_time(livekit_server: LiveKitServer, minutes: Any) -> None:
    with pytest.raises(InvalidArgument, match="minutes must be a number of minutes above 0 and at most 1440"):
        own(livekit_server).guest_token(minutes=minutes)


async def test_a_guest_cannot_publish(livekit_server: LiveKitServer, crowd: Crowd) -> None:
    async with own(livekit_server) as room:
        with (
            crowd.join(room.url, room.avatar_token().reveal()) as avatar,
            crowd.join(room.url, room.avatar_token("other").reveal()) as other,
            crowd.join(room.url, room.guest_token("Ann")) as guest,
        ):
            assert guest.speak()  # the server gives no answer, and after 10 s the client gives up
            guest.send("of the guest")
            other.send("of the other")
            await until(lambda: avatar.heard and guest.heard)
            assert avatar.heard == guest.heard == ["of the other"]
            assert [one.tracks for one in await room.participants()] == [[], [], []]
            assert other.speak() == ""


async def test_a_token_that_has_expired_opens_nothing(livekit_server: LiveKitServer) -> None:
    async with own(livekit_server) as room:
        late = room._server.token(room.name, "late", -5, own_room.SEES)
        assert await admission(livekit_server, room.guest_token()) == 200
        assert await admission(livekit_server, late.reveal()) == 401


async def test_nobody_takes_the_avatars_place(livekit_server: LiveKitServer) -> None:
    room = own(livekit_server)
    room.avatar_token("Silas")
    for identity in ("avatar", "Silas"):
        with pytest.raises(InvalidArgument, match="would displace the avatar"):
            room.guest_token(identity)
    assert claims(room.guest_token("silas"), livekit_server)["sub"] == "silas"


async def test_a_link_opens_meet_in_the_room(livekit_server: LiveKitServer, crowd: Crowd) -> None:
    async with own(livekit_server, name="a/b & c") as room:
        link = urlsplit(room.guest_link("Ann", minutes=5))
        assert (link.scheme, link.netloc, link.path) == ("https", "meet.livekit.io", "/custom")
        asked = parse_qs(link.query, strict_parsing=True)
        assert asked["liveKitUrl"] == [livekit_server.url]
        with crowd.join(asked["liveKitUrl"][0], asked["token"][0]) as guest:
            assert guest.room == "a/b & c"


def test_a_link_that_meet_cannot_follow_is_warned_of() -> None:
    with pytest.warns(LiveAvatarWarning, match="unencrypted"):
        room = AsyncRoom("ws://example.org", "key", "s" * 40)
    with pytest.warns(LiveAvatarWarning, match=r"Meet page uses https, .* not to ws://example\.org"):
        room.guest_link()


async def test_tokens_are_shown_only_where_they_are_asked_for(livekit_server: LiveKitServer, crowd: Crowd) -> None:
    async with own(livekit_server) as room:
        tokens = [room.avatar_token(), room.viewer()]
        guest = room.guest_token("Ann")
        with crowd.join(room.url, guest):
            there = await room.participants()
            told = "".join([repr(room), *map(repr, tokens), repr(there), there._repr_html_() or "", str(vars(room))])
    hidden = [livekit_server.secret, guest, *(token.reveal() for token in tokens)]
    assert not any(secret in told for secret in hidden)


@pytest.mark.parametrize("wrong", [{"url": "none"}, {"name": ""}, {"max_participants": -1}])
def test_a_room_that_was_refused_has_a_repr(wrong: dict[str, Any]) -> None:
    told = {"url": "wss://room.example.org", "api_key": "key", "api_secret": "hidden"} | wrong
    with pytest.raises((ConfigurationError, InvalidArgument)) as refused:
        AsyncRoom(**told)
    shown = "".join(traceback.TracebackException.from_exception(refused.value, capture_locals=True).format())
    assert "self = <AsyncRoom, refused>" in shown


def test_no_local_variable_of_a_traceback_is_a_secret() -> None:
    with pytest.raises(InvalidArgument) as caught:
        AsyncRoom("ws://127.0.0.1:1", "canary" * 6, "canary" * 6, name="")
    frames = [frame for frame, _ in traceback.walk_tb(caught.tb)]
    told = [repr(value) for frame in frames for name, value in frame.f_locals.items() if name != "self"]
    assert len(frames) > 3
    assert "canarycanary" not in "".join(told)


# Who is there


async def test_who_comes_and_goes_is_told_in_order(livekit_server: LiveKitServer, crowd: Crowd) -> None:
    async with own(livekit_server) as room:
        with crowd.join(room.url, room.guest_token("Ann")):
            changes = room.watch()
            assert repr(await anext(changes)) == "<RoomChange 'Ann' joined>"
            with crowd.join(room.url, room.guest_token("Ben")):
                assert repr(await anext(changes)) == "<RoomChange 'Ben' joined>"
            change = await anext(changes)
            assert (change.what, change.participant.identity, change.participant.role) == ("left", "Ben", "guest")
            assert change.seen_at >= change.participant.joined_at
        await room.aclose()
        with pytest.raises(StopAsyncIteration):
            await anext(changes)


async def test_somebody_who_comes_back_at_once_was_away(livekit_server: LiveKitServer, crowd: Crowd) -> None:
    async with own(livekit_server) as room:
        with crowd.join(room.url, room.guest_token("Ann")):
            changes = room.watch()
            await anext(changes)
        with crowd.join(room.url, room.guest_token("Ann")):
            assert [(await anext(changes)).what, (await anext(changes)).what] == ["left", "joined"]


async def test_a_watch_ends_in_time(livekit_server: LiveKitServer) -> None:
    async with own(livekit_server) as room:
        assert [change async for change in room.watch(timeout=0.2)] == []
        with pytest.raises(InvalidArgument, match="timeout must be a number of seconds above 0, not 0"):
            room.watch(timeout=0)


async def test_somebody_is_waited_for(livekit_server: LiveKitServer, crowd: Crowd) -> None:
    async with own(livekit_server) as room:
        waiting = asyncio.create_task(room.wait_for_participant("Ben"))
        with crowd.join(room.url, room.guest_token("Ann")):
            with pytest.raises(TimeoutError, match=r"'avatar' did not join within 0\.3 s\. In the room: Ann\."):
                await room.wait_for_participant(timeout=0.3)
            assert not waiting.done()
            with crowd.join(room.url, room.guest_token("Ben")):
                assert (await waiting).identity == "Ben"


async def test_who_is_still_joining_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "ROOM_LOOK", 0.01)
    ann: dict[str, Any] = {"sid": "PA_1", "identity": "Ann", "name": "", "role": None, "kind": "standard", "tracks": []}
    states = iter(("joining", "joined", "active"))

    async def participants() -> list[Participant]:
        return [Participant(**ann, state=next(states), joined_at=datetime.now(UTC))]

    room = AsyncRoom("ws://127.0.0.1:1", "key", "s" * 40)
    monkeypatch.setattr(room, "participants", participants)
    assert (await room.wait_for_participant("Ann")).state == "active"


async def test_a_wait_ends_with_what_is_amiss(livekit_server: LiveKitServer) -> None:
    room = AsyncRoom(livekit_server.url, livekit_server.key, "s" * 40)
    with pytest.raises(LiveAvatarException, match="did not accept"):
        await room.wait_for_participant()


async def test_somebody_is_put_out(livekit_server: LiveKitServer, crowd: Crowd) -> None:
    async with own(livekit_server) as room:
        guest = crowd.join(room.url, room.guest_token("Ann"))
        await room.wait_for_participant("Ann")
        await room.remove("Ann")
        await until(lambda: not guest.is_in)
        with pytest.raises(NotFoundError, match="could not remove 'Ann'") as caught:
            await room.remove("Ann")
        assert "participants()" in caught.value.remedy


async def test_what_the_server_refuses_is_said_in_its_words(
    livekit_server: LiveKitServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "ROOM_NAME_LIMIT", 1000)
    with pytest.raises(APIStatusError, match=r"could not create the room .*max length 256"):
        await own(livekit_server, name="x" * 300).open()


def test_what_a_newer_server_says_is_kept() -> None:
    from livekit.protocol.models import ParticipantInfo, TrackInfo  # noqa: PLC0415 (nothing else here makes them)

    track = TrackInfo(sid="t", type=9, source=1, width=640, height=360, muted=True)  # type: ignore[arg-type]
    info = ParticipantInfo(sid="p", identity="Ann", kind=99, joined_at=1_700_000_000, tracks=[track])  # type: ignore[arg-type]
    one = participant(info, None)
    assert (one.kind, one.state, one.joined_at.year) == ("99", "joining", 2023)
    assert words(one.tracks) == "9 640x360, muted"
    assert repr(one) == "<Participant 'Ann'>"


# The sync face


def test_without_await_it_is_the_same(livekit_server: LiveKitServer) -> None:
    with own(livekit_server, Room) as room:
        assert repr(room) == f"<Room {room.name!r} on {livekit_server.url}>"
        assert asyncio.run(known(livekit_server, room.name))
        assert room.participants() == []
        assert isinstance(room.avatar_token(), Masked)
        with pytest.raises(TimeoutError, match="nobody"):
            room.wait_for_participant("Ann", timeout=0.1)
        with pytest.raises(NotFoundError):
            room.remove("Ann")
    assert room.is_closed
    assert asyncio.run(known(livekit_server, room.name)) is None


def test_without_await_a_watch_goes_on_while_the_room_is_used(livekit_server: LiveKitServer, crowd: Crowd) -> None:
    """Each call may begin and end the managed loop, for nothing else needs it here."""
    told = []
    with own(livekit_server, Room) as room, crowd.join(room.url, room.guest_token("Ann")) as guest:
        for change in room.watch(timeout=20):
            told.append((change.what, [one.identity for one in room.participants()]))
            if change.what == "joined":
                guest.leave()
            else:
                break
    assert told == [("joined", ["Ann"]), ("left", [])]


def test_records_are_tables(livekit_server: LiveKitServer, crowd: Crowd) -> None:
    with own(livekit_server, Room) as room:
        with crowd.join(room.url, room.guest_token("<Ann>")):
            there = room.participants()
            change = next(room.watch())
        assert isinstance(there[0], Participant)
        assert isinstance(change, RoomChange)
        shown = there._repr_html_() or ""
        assert "&lt;Ann&gt;" in shown
        assert "<Ann>" not in shown
        assert there.to_pandas()["role"].tolist() == ["guest"]


# Sessions in it


@pytest.fixture
def stage(livekit_server: LiveKitServer) -> Iterator[Simulator]:
    """A simulator whose avatars join rooms."""
    server = LiveKit(livekit_server.url, livekit_server.key, livekit_server.secret)
    with Simulator(livekit=server) as running:
        yield running
        assert not running.billed()


@pytest.fixture
async def ours(stage: Simulator) -> AsyncIterator[AsyncLiveAvatar]:
    async with AsyncLiveAvatar(stage.api_key, api_url=stage.url) as client:
        yield client


async def test_an_avatar_plays_in_your_room_for_all_who_are_there(
    livekit_server: LiveKitServer, crowd: Crowd, stage: Simulator, ours: AsyncLiveAvatar
) -> None:
    async with own(livekit_server) as room:
        guests = [crowd.join(room.url, room.guest_token(identity)) for identity in ("Ann", "Ben")]
        session = await ours.start("Silas", room=room)
        both = [["avatar", "audio"], ["avatar", "video"]]
        await until(lambda: all(sorted(guest.sees) == both for guest in guests))
        avatar = await room.wait_for_participant()
        assert (avatar.role, sorted(track.kind for track in avatar.tracks)) == ("avatar", ["audio", "video"])
        assert [(who.id, who.is_live) for who in room.tenants] == [(session.id, True)]
        assert (session.options.room, session.options.avatar_identity) == (room, "avatar")
        asked = next(one for one in stage.requests() if one["path"] == "/v1/sessions/token")["body"]["livekit_config"]
        assert (asked["livekit_url"], asked["livekit_room"]) == (room.url, room.name)
        await session.stop()
        assert room.tenants == []
        await until(lambda: all(guest.sees == [] for guest in guests))
        assert {one.identity for one in await room.participants()} == {"Ann", "Ben"}
    assert await known(livekit_server, room.name) is None
    assert stage.warnings() == []


async def test_each_page_gets_a_token_of_its_own(livekit_server: LiveKitServer, ours: AsyncLiveAvatar) -> None:
    async with own(livekit_server) as room, await ours.start("Silas", room=room) as session:
        line = session.room
        assert line is not None
        assert (line.url, line.kind, line.is_own, line.avatar_identity) == (room.url, "livekit", True, "avatar")
        tokens = [claims(line.viewer(), livekit_server) for _ in range(2)]
        assert [token["video"] for token in tokens] == 2 * [{**JOINS, **WATCHES, "room": room.name}]
        assert len({token["sub"] for token in tokens}) == 2
        hidden = [line.token.reveal(), livekit_server.secret]
        told = "".join(map(repr, [session, session.options, line, har(ours.wire)]))
        assert not any(secret in told for secret in hidden)


async def test_a_second_avatar_has_an_identity_of_its_own(livekit_server: LiveKitServer, ours: AsyncLiveAvatar) -> None:
    async with own(livekit_server) as room:
        first, second = await asyncio.gather(
            ours.start("Silas", room=room), ours.start("June", room=room, concurrent=True)
        )
        assert {one.options.avatar_identity for one in (first, second)} == {"avatar", "avatar-2"}
        for one in (first, second):
            await room.wait_for_participant(one.options.avatar_identity)
        # one whose session was stopped gives its place to the next
        third = await ours.start("Wayne", room=room, replace=True)
        assert third.options.avatar_identity == "avatar"
        await third.stop()


async def test_an_avatar_of_somebody_else_keeps_its_identity(
    livekit_server: LiveKitServer, crowd: Crowd, ours: AsyncLiveAvatar
) -> None:
    async with own(livekit_server) as room:
        with crowd.join(room.url, room.avatar_token().reveal()):
            async with await ours.start("Silas", room=room) as session:
                assert session.options.avatar_identity == "avatar-2"


async def test_the_rooms_end_is_not_the_sessions(livekit_server: LiveKitServer, ours: AsyncLiveAvatar) -> None:
    async with own(livekit_server) as room:
        session = await ours.start("Silas", room=room)
        with pytest.warns(LiveAvatarWarning, match=f"Session {session.id} is still running, and being billed"):
            await room.aclose()
        assert session.is_live
        await session.stop()


async def test_an_avatar_that_is_put_out_is_not_billed_unseen(
    livekit_server: LiveKitServer, stage: Simulator, ours: AsyncLiveAvatar
) -> None:
    async with own(livekit_server, name="A hall") as room:
        session, other = await asyncio.gather(
            ours.start("Silas", room=room), ours.start("June", room=room, concurrent=True)
        )
        for one in (session, other):
            await room.wait_for_participant(one.options.avatar_identity)
        await room.remove(session.options.avatar_identity)
        assert (session.state, session.end_words) == ("ended", "the avatar was removed from the room 'A hall'")
        assert [entry.session_id for entry in stage.billed()] == [other.id]
        await other.stop()


async def test_a_session_needs_its_room(client: AsyncLiveAvatar, simulator: Simulator, unused_tcp_port: int) -> None:
    room = AsyncRoom(f"ws://127.0.0.1:{unused_tcp_port}", "key", "s" * 40)
    with pytest.raises(APIConnectionError, match=r"LiveKit server .* cannot be reached"):
        await client.start("Silas", room=room)
    await room.aclose()
    with pytest.raises(ClientClosed, match="is closed"):
        await client.start("Silas", room=room)
    assert [one for one in simulator.requests() if one["path"].startswith("/v1/sessions")] == []


async def test_a_room_that_no_avatar_can_join_is_refused(client: AsyncLiveAvatar, simulator: Simulator) -> None:
    room = AsyncRoom("ws://127.0.0.1:7880", "key", "s" * 40)
    with pytest.raises(InvalidArgument, match="room needs a LITE session"):
        await client.start("Silas", context="Guide", room=room)
    with pytest.raises(InvalidArgument, match="room needs a LITE session"):
        await client.start("Silas", voice_agent="Assistant", room=room)
    with pytest.raises(InvalidArgument, match=r"a Room or an AsyncRoom, not str\. Make a room with Room\.from_env"):
        await client.start("Silas", room="the room")  # type: ignore[arg-type]
    async with AsyncLiveAvatar("a-key") as live:
        with pytest.raises(InvalidArgument, match=r"cannot reach ws://127\.0\.0\.1:7880, which only exists"):
            await live.start("Silas", room=room)
    assert simulator.requests() == []


@pytest.mark.parametrize("grant", ["can_publish", "can_subscribe", "can_publish_data"])
async def test_a_token_that_lacks_a_grant_is_refused_by_the_service(
    livekit_server: LiveKitServer,
    client: AsyncLiveAvatar,
    simulator: Simulator,
    monkeypatch: pytest.MonkeyPatch,
    grant: str,
) -> None:
    monkeypatch.setitem(own_room.ACTS, grant, False)
    monkeypatch.setattr(config, "UNKNOWN_LOOKS", (0.01, 0.02, 0.03, 0.04))
    async with own(livekit_server) as room:
        with pytest.raises(StartOutcomeUnknown, match="500") as caught:
            await client.start("Silas", room=room)
        assert caught.value.confirmed_stopped
        assert room.tenants == []
    assert any(grant in warning for warning in simulator.warnings())


def test_without_await_an_avatar_comes_and_goes(livekit_server: LiveKitServer, stage: Simulator) -> None:
    with LiveAvatar(stage.api_key, api_url=stage.url) as la, own(livekit_server, Room) as room:
        with la.start("Silas", room=room):
            assert room.wait_for_participant().role == "avatar"
        assert room.url == livekit_server.url
    assert asyncio.run(known(livekit_server, room.name)) is None
