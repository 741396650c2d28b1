"""One client: which avatar is meant, one session at a time, and a close that leaves nothing behind."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest

from liveavatar_nb import AsyncLiveAvatar, LiveAvatar, SessionState, Simulator, config
from liveavatar_nb.bridge.loop import bridge
from liveavatar_nb.errors import (
    APIConnectionError,
    AvatarNeverCame,
    ClientClosed,
    InvalidArgument,
    SessionAlreadyLive,
    SessionEnded,
    StopNotConfirmed,
)


@pytest.fixture
def short_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "STOP_LIMIT", 0.5)


# which avatar


@pytest.mark.parametrize("named", ["Silas", "silas", " SILAS "])
async def test_a_name_is_enough(client: AsyncLiveAvatar, named: str) -> None:
    async with await client.start(named) as session:
        assert session.avatar.name == "Silas"


async def test_an_id_or_a_record_will_do(client: AsyncLiveAvatar) -> None:
    (silas,) = await client.avatars("public", search="sil")
    for given in (silas, silas.id):
        async with await client.start(given) as session:
            assert session.avatar.id == silas.id


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"avatar": "Sylas"}, "Did you mean 'Silas'"),
        ({"avatar": "zzz"}, "There is no 'zzz' among the 20 avatars"),
        ({"avatar": ""}, "avatar is missing"),
        ({"avatar": 3}, "avatar is missing"),
        ({"avatar": "Thaddeus"}, "not ACTIVE"),
        ({"avatar": "Silas", "is_sandbox": True}, "sandbox only accepts"),
        ({"avatar": "Silas", "video_quality": "best"}, "Did you mean"),
        ({"avatar": "Silas", "video_encoding": "h264"}, "Did you mean 'H264'"),
        ({"avatar": "Silas", "mode": "FULL"}, "needs a context"),
        ({"avatar": "Silas", "mode": "lite"}, "mode must be"),
        ({"avatar": "Silas", "max_minutes": 0}, "max_minutes"),
        ({"avatar": "Silas", "max_minutes": float("nan")}, "max_minutes"),
        ({"avatar": "Silas", "max_minutes": "10"}, "max_minutes"),
        ({"avatar": "Silas", "replace": True, "concurrent": True}, "cannot be combined"),
    ],
)
async def test_what_cannot_be_used_is_refused_before_anything_is_made(
    client: AsyncLiveAvatar, simulator: Simulator, arguments: dict[str, Any], told: str
) -> None:
    with pytest.raises(InvalidArgument, match=told):
        await client.start(**arguments)
    assert not simulator.ledger()


@pytest.mark.parametrize("minutes", [0, -1, float("inf"), True, "ten"])
def test_a_cap_that_is_none_is_refused_at_once(minutes: Any) -> None:
    with pytest.raises(InvalidArgument, match="max_minutes"):
        LiveAvatar("key", max_minutes=minutes)


def test_lists_can_be_searched_counted_and_indexed(la: LiveAvatar) -> None:
    assert [avatar.name for avatar in la.avatars(search="MARI")] == ["Marianne"]
    everything = la.avatars()
    assert len(everything) == len(la.avatars("mine")) + len(la.avatars("public"))
    assert everything[0] == la.avatars("mine")[0]
    assert len(everything[1:3]) == 2
    with pytest.raises(InvalidArgument, match="scope"):
        la.avatars("ours")  # type: ignore[arg-type]


# one session at a time


async def test_a_second_start_is_an_error_that_names_the_first(client: AsyncLiveAvatar, simulator: Simulator) -> None:
    first = await client.start("Silas")
    with pytest.raises(SessionAlreadyLive, match="replace=True") as caught:
        await client.start("Ann")
    assert caught.value.session_id == first.id
    assert len(simulator.ledger()) == 1
    second = await client.start("Ann", replace=True)
    assert first.state is SessionState.ENDED
    third = await client.start("June", concurrent=True)
    assert client.session is third
    assert {entry.session_id for entry in simulator.billed()} == {second.id, third.id}


@pytest.mark.parametrize("replace", [False, True])
async def test_two_starts_at_once_give_one_session(
    client: AsyncLiveAvatar, simulator: Simulator, *, replace: bool
) -> None:
    starts = [client.start("Silas", replace=replace), client.start("Ann", replace=replace)]
    results = await asyncio.gather(*starts, return_exceptions=True)
    assert len(simulator.billed()) == 1
    assert sorted(isinstance(result, SessionAlreadyLive | SessionEnded) for result in results) == [False, True]


async def test_a_stop_reaches_a_start_that_is_still_looking_up_its_avatar(
    client: AsyncLiveAvatar, simulator: Simulator
) -> None:
    simulator.faults.add("avatars", "delay", seconds=0.4, times=None)
    starting = asyncio.create_task(client.start("Silas"))
    await asyncio.sleep(0.1)
    await client.stop_sessions()
    with pytest.raises(SessionEnded):
        await starting
    assert not simulator.ledger()


def test_reading_the_live_sessions_from_another_thread_loses_none(la: LiveAvatar) -> None:
    done = threading.Event()

    def poll() -> None:
        while not done.is_set():
            _ = la.live_sessions

    thread = threading.Thread(target=poll)
    thread.start()
    try:
        for _ in range(6):
            with la.start("Silas"):
                assert len(la.live_sessions) == 1
    finally:
        done.set()
        thread.join()


# close


def test_a_close_that_is_not_confirmed_can_be_repeated(simulator: Simulator, short_stop: None) -> None:
    la = LiveAvatar(simulator.api_key, api_url=simulator.url)
    la.start("Silas")
    simulator.faults.add("stop", "status", status=500, times=None)
    with pytest.raises(StopNotConfirmed):
        la.close()
    assert simulator.billed()
    simulator.faults.clear()
    la.close()
    assert la.is_closed
    assert not simulator.billed()


async def test_no_start_slips_through_a_close(client: AsyncLiveAvatar, simulator: Simulator) -> None:
    await client.start("Silas")
    simulator.faults.add("stop", "delay", seconds=0.4)
    closing = asyncio.create_task(client.aclose())
    await asyncio.sleep(0.1)
    with pytest.raises(ClientClosed):
        await client.start("Ann", concurrent=True)
    await closing
    assert not simulator.billed()


def test_a_stop_works_after_the_client_that_was_handed_in_is_closed(library: Any, simulator: Simulator) -> None:
    async def life() -> None:
        async with library.AsyncClient() as lent:
            client = AsyncLiveAvatar(simulator.api_key, api_url=simulator.url, http_client=lent)
            session = await client.start("Silas")
        await session.stop()
        await client.aclose()

    asyncio.run(life())
    assert not simulator.billed()


async def test_a_hook_that_fails_leaves_nothing_billed(library: Any, simulator: Simulator) -> None:
    async def hook(response: Any) -> None:
        if response.request.url.path.endswith("/start"):
            raise KeyError("of the user's own")

    async with (
        library.AsyncClient(event_hooks={"response": [hook]}) as lent,
        AsyncLiveAvatar(simulator.api_key, api_url=simulator.url, http_client=lent) as client,
    ):
        with pytest.raises(Exception, match="KeyError"):
            await client.start("Silas")
        assert client.session is not None
        assert client.session.state is SessionState.FAILED
    assert not simulator.billed()


def test_a_demo_whose_simulator_died_can_be_closed(short_stop: None) -> None:
    la = LiveAvatar.demo()
    la.start("Silas")
    assert la.simulator is not None
    la.simulator.close()
    la.close()
    assert la.is_closed


def test_calls_after_the_close_start_no_loop_that_stays(la: LiveAvatar) -> None:
    session = la.start("Silas")
    la.close()
    session.stop()
    with pytest.raises(ClientClosed):
        la.credits()
    assert not bridge.is_running


# what can go wrong on the way


async def test_a_single_404_does_not_pass_for_the_end(client: AsyncLiveAvatar, simulator: Simulator) -> None:
    session = await client.start("Silas")
    simulator.faults.add("session", "status", status=404)
    simulator.faults.add("socket", "close", code=1006)
    await asyncio.wait_for(session.wait_until_ended(), 10)
    assert not simulator.billed()
    assert session.stop_is_confirmed


async def test_a_socket_that_cannot_be_opened_is_said_at_once(
    client: AsyncLiveAvatar, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "SOCKET_ATTEMPTS", 2)
    simulator.faults.add("socket", "drop_before", times=None)
    began = time.monotonic()
    with pytest.raises(AvatarNeverCame, match="could not be opened"):
        await client.start("Silas")
    assert time.monotonic() - began < config.CONNECTED_TIMEOUT
    assert not simulator.billed()


async def test_a_failed_start_whose_stop_is_not_confirmed_says_so(
    client: AsyncLiveAvatar, simulator: Simulator, short_stop: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "CONNECTED_TIMEOUT", 0.3)
    simulator.faults.add("socket", "never_connected")
    simulator.faults.add("stop", "status", status=503, times=None)
    with pytest.raises(AvatarNeverCame, match="may still be running"):
        await client.start("Silas")
    with pytest.raises(SessionAlreadyLive, match="not confirmed as stopped"):
        await client.start("Ann")
    simulator.faults.clear()


def test_proxies_of_the_environment_do_not_stand_before_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with LiveAvatar.demo() as la:
        assert la.credits() == 100


async def test_an_unreachable_service_is_an_error_in_words() -> None:
    async with AsyncLiveAvatar("key", api_url="http://127.0.0.1:9") as client:
        with pytest.raises(APIConnectionError, match="Check the network"):
            await client.start("Silas")
        assert client.session is None


async def test_a_demo_has_its_simulator_and_ends_with_it() -> None:
    async with AsyncLiveAvatar.demo(livekit=None, credits=7) as client:
        assert client.is_simulated
        assert await client.credits() == 7
        session = await client.start("Silas")
        simulator = client.simulator
        assert simulator is not None
        assert [entry.session_id for entry in simulator.billed()] == [session.id]
    with pytest.raises(RuntimeError, match="closed"):
        simulator.ledger()
