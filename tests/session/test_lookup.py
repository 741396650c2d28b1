"""What a start names is found, or made for the session and deleted with it, whatever becomes of the session."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from liveavatar_nb import AsyncLiveAvatar, LiveAvatar, NewContext, Simulator
from liveavatar_nb.errors import APIStatusError, InvalidArgument, LiveAvatarException, SessionEnded
from liveavatar_nb.session.lookup import Languages, MadeContext, NamedInputs, Preparation
from liveavatar_nb.session.options import SessionOptions

from ..waiting import until

NEW = NewContext("Just made", "You are a guide for ${visitor}.", opening_text="Hello, ${visitor}!")
VISITOR = {"visitor": "Ada"}


async def names(client: AsyncLiveAvatar) -> list[str]:
    return [one.name for one in await client.api.contexts.list()]


async def gone(client: AsyncLiveAvatar) -> None:
    """Returns once it is deleted."""
    async with asyncio.timeout(10):
        while NEW.name in await names(client):  # noqa: ASYNC110 (the service tells nobody)
            await asyncio.sleep(0.05)


class Room:
    """A room of one's own that tells who is let in."""

    def __init__(self, told: list[str]) -> None:
        self.told = told

    async def admit(self) -> str:
        self.told.append("room")
        return "avatar"


def token_bodies(simulator: Simulator) -> list[dict[str, Any]]:
    return [one["body"] for one in simulator.requests() if one["path"] == "/v1/sessions/token"]


def asked(simulator: Simulator, method: str) -> list[int | None]:
    """How the requests about contexts went so far; None of one that is under way."""
    told = simulator.requests()
    return [one["status"] for one in told if one["method"] == method and one["path"].startswith("/v1/contexts")]


async def test_a_new_context_lives_as_long_as_its_session(
    client: AsyncLiveAvatar, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "liveavatar_nb"):
        session = await client.start("Silas", context=NEW, dynamic_variables=VISITOR)
        made = next(one for one in await client.api.contexts.list() if one.name == NEW.name)
        assert session.options.context_id == made.id
        assert session.options.has_opening
        detail = await client.api.contexts.get(made.id)
        assert (detail.prompt, detail.opening_text) == (NEW.prompt, NEW.opening_text)
        await session.stop()
        await session.stop()
    assert NEW.name not in await names(client)
    # httpx, whose level is whatever a test or a library before this one left it at, names the contexts' URLs
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("liveavatar_nb")]
    told = [message for message in ours if "context" in message]
    assert told == [
        "context 'Just made' was created for the session, and will be deleted with it",
        "context 'Just made' was deleted with its session",
    ]


async def test_where_there_is_no_opening_none_is_waited_for(client: AsyncLiveAvatar) -> None:
    async with await client.start("Silas", context=NewContext("Silent", "You are a guide.")) as session:
        assert not session.options.has_opening


@pytest.mark.parametrize(
    ("operation", "fault"),
    [
        ("token", {"kind": "status", "status": 402}),
        ("start", {"kind": "status", "status": 403}),
        ("start", {"kind": "drop_after"}),
    ],
)
async def test_it_is_deleted_where_the_start_fails(
    client: AsyncLiveAvatar, simulator: Simulator, operation: str, fault: dict[str, Any]
) -> None:
    kind = fault.pop("kind")
    simulator.faults.add(operation, kind, **fault)
    with pytest.raises(LiveAvatarException):
        await client.start("Silas", context=NEW, dynamic_variables=VISITOR)
    fault["kind"] = kind
    assert NEW.name not in await names(client)


async def test_it_is_deleted_where_a_value_is_missing(client: AsyncLiveAvatar) -> None:
    with pytest.raises(InvalidArgument, match="needs values for visitor"):
        await client.start("Silas", context=NEW)
    assert NEW.name not in await names(client)
    assert client.session is None


async def test_it_is_deleted_where_the_start_is_cancelled(client: AsyncLiveAvatar, simulator: Simulator) -> None:
    for operation in ("post_v1_contexts", "token", "start"):
        simulator.faults.add(operation, "delay", seconds=0.4)
        start = asyncio.create_task(client.start("Silas", context=NEW, dynamic_variables=VISITOR))
        await asyncio.sleep(0.25)
        start.cancel()
        with pytest.raises(asyncio.CancelledError):
            await start
        await client.stop_sessions()
        await gone(client)


async def test_it_is_deleted_where_the_service_ends_the_session(client: AsyncLiveAvatar) -> None:
    session = await client.start("Silas", context=NEW, dynamic_variables=VISITOR)
    await session.wait_for_avatar()
    await client.api.sessions.stop(session.id, reason="AGENT_HANG_UP")
    await session.wait_until_ended()
    await gone(client)


async def test_it_is_deleted_before_its_client_is_closed(client: AsyncLiveAvatar, simulator: Simulator) -> None:
    async with AsyncLiveAvatar(simulator.api_key, api_url=simulator.url) as ours:
        session = await ours.start("Silas", context=NEW, dynamic_variables=VISITOR)
        await session.wait_for_avatar()
        simulator.faults.add("delete_v1_contexts_context_id", "delay", seconds=0.2)
        await client.api.sessions.stop(session.id or "", reason="AGENT_HANG_UP")
        await session.wait_until_ended()
    assert NEW.name not in await names(client)


async def test_it_is_deleted_where_a_failing_start_is_cancelled(client: AsyncLiveAvatar, simulator: Simulator) -> None:
    simulator.faults.add("token", "status", status=402)
    # its first deletion is refused, and waits to be tried again
    simulator.faults.add("delete_v1_contexts_context_id", "status", status=429, headers={"Retry-After": "1"})
    start = asyncio.create_task(client.start("Silas", context=NEW, dynamic_variables=VISITOR))
    await until(lambda: asked(simulator, "DELETE") == [429])
    start.cancel()
    with pytest.raises(asyncio.CancelledError):
        await start
    await client.stop_sessions()
    await gone(client)


async def test_it_is_deleted_where_the_client_is_closed_while_it_is_made(
    client: AsyncLiveAvatar, simulator: Simulator
) -> None:
    simulator.faults.add("post_v1_contexts", "delay", seconds=0.4)
    async with AsyncLiveAvatar(simulator.api_key, api_url=simulator.url) as ours:
        start = asyncio.create_task(ours.start("Silas", context=NEW, dynamic_variables=VISITOR))
        await until(lambda: asked(simulator, "POST"))
    with pytest.raises(SessionEnded, match="before it started"):
        await start
    assert NEW.name not in await names(client)


async def test_one_whose_deletion_is_cut_short_is_told(
    client: AsyncLiveAvatar, simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    made = await MadeContext.make(client.api, NEW)
    simulator.faults.add("delete_v1_contexts_context_id", "delay", seconds=0.5)
    deletion = asyncio.create_task(made.delete())
    await until(lambda: asked(simulator, "DELETE"))
    deletion.cancel()
    with pytest.raises(asyncio.CancelledError):
        await deletion
    assert [message for message in caplog.messages if "is still on the account" in message] == [made.left_words]
    await gone(client)


async def test_one_that_cannot_be_deleted_is_told_and_no_error(
    client: AsyncLiveAvatar, simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    session = await client.start("Silas", context=NEW, dynamic_variables=VISITOR)
    simulator.faults.add("contexts", "status", status=500, times=None)
    await session.stop()
    assert session.stop_is_confirmed
    (told,) = [message for message in caplog.messages if "could not be deleted" in message]
    assert f'api.contexts.delete("{session.options.context_id}")' in told
    simulator.faults.clear()
    await client.api.contexts.delete(session.options.context_id or "")


async def test_one_whose_loop_ended_is_told(client: AsyncLiveAvatar, caplog: pytest.LogCaptureFixture) -> None:
    made = await MadeContext.make(client.api, NEW)
    made.give_up()
    made.give_up()
    await made.delete()
    assert [message for message in caplog.messages if "is still on the account" in message] == [made.left_words]
    await client.api.contexts.delete(made.detail.id)


@pytest.mark.parametrize("is_cancelled", [False, True])
async def test_a_start_that_is_cancelled_ends_nothing_and_comes_into_no_room(
    client: AsyncLiveAvatar, is_cancelled: bool
) -> None:
    told: list[str] = []

    async def make_way() -> None:
        told.append("way")

    room: Any = Room(told)
    preparation = Preparation(client.api, Languages(client.api), SessionOptions(), room)
    preparation.is_cancelled = is_cancelled
    looking = preparation.look_up(NamedInputs("Silas"), client.avatars(), make_way)
    if is_cancelled:
        with pytest.raises(SessionEnded, match="before it started"):
            await looking
    else:
        assert (await looking).options.room is room
    assert told == ([] if is_cancelled else ["way", "room"])


async def test_one_that_the_service_refuses_starts_nothing(client: AsyncLiveAvatar, simulator: Simulator) -> None:
    simulator.faults.add("post_v1_contexts", "status", status=422, times=None)
    with pytest.raises(APIStatusError):
        await client.start("Silas", context=NEW, dynamic_variables=VISITOR)
    assert client.session is None
    assert not token_bodies(simulator)


# voices


def test_a_voice_is_found_by_id_name_or_record(la: LiveAvatar, simulator: Simulator) -> None:
    voice = la.api.voices.list()[0]
    context = la.api.contexts.create(name="Guide", prompt="You guide.", opening_text=None)
    for given in (voice.id, voice.name, voice.name.upper(), voice):
        with la.start("Silas", context=context.id, voice_id=given) as session:
            assert session.options.voice_id == voice.id
    assert {body["avatar_persona"]["voice_id"] for body in token_bodies(simulator)} == {voice.id}


@pytest.mark.parametrize(
    ("voice", "told"),
    [
        ("Nobodys voice", "There is no 'Nobodys voice' among the"),
        ("", "not ''"),
        (3, "a name, an id or a record, not int"),
    ],
)
def test_a_voice_that_is_none_is_refused(la: LiveAvatar, simulator: Simulator, voice: Any, told: str) -> None:
    context = la.api.contexts.create(name="Guide", prompt="You guide.", opening_text=None)
    with pytest.raises(InvalidArgument, match=told) as caught:
        la.start("Silas", context=context.id, voice_id=voice)
    assert caught.value.field == "voice_id"
    assert not token_bodies(simulator)
