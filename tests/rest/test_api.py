"""`LiveAvatarAPI`: what goes over the wire, and the LiveKit plugin's class beside it."""

from __future__ import annotations

import copy
import inspect
import json
import pickle
from types import SimpleNamespace
from typing import Any

import anyio
import httpx
import pytest
from livekit.plugins.liveavatar.api import LiveAvatarAPI as PluginAPI

from liveavatar_nb import APIConnectOptions, LiveAvatarAPI, LiveAvatarException, Simulator
from liveavatar_nb.config import Masked, find_base
from liveavatar_nb.errors import (
    APIConnectionError,
    APIResponseError,
    APIStatusError,
    AuthenticationError,
    ConfigurationError,
    NotFoundError,
    SchemaError,
    StartOutcomeUnknown,
    ValidationError,
)
from liveavatar_nb.protection.blocking_stop import BlockingStopper
from liveavatar_nb.rest.envelope import envelope

STREAMING = ["create_streaming_session", "start_streaming_session", "stop_streaming_session"]
ROOM = SimpleNamespace(name="a room")


@pytest.fixture
def silas(simulator: Simulator) -> str:
    answer = httpx.get(f"{simulator.url}/v1/avatars/public").json()
    return str(next(avatar["id"] for avatar in answer["data"]["results"] if avatar["name"] == "Silas"))


@pytest.fixture
async def api(simulator: Simulator) -> Any:
    async with LiveAvatarAPI(simulator.api_key, api_url=f"{simulator.url}/v1/sessions") as api:
        yield api


@pytest.mark.parametrize("name", STREAMING)
def test_the_streaming_methods_are_called_as_the_plugins(name: str) -> None:
    def shape(owner: type) -> list[tuple[str, Any, Any]]:
        parameters = inspect.signature(getattr(owner, name)).parameters.values()
        return [(parameter.name, parameter.kind, parameter.default) for parameter in parameters]

    assert shape(LiveAvatarAPI) == shape(PluginAPI)


def test_it_is_made_as_the_plugins() -> None:
    ours, theirs = (list(inspect.signature(owner.__init__).parameters) for owner in (LiveAvatarAPI, PluginAPI))
    assert ours == [*theirs, "proxy", "verify"]


async def test_the_streaming_methods_give_envelopes(api: LiveAvatarAPI, simulator: Simulator, silas: str) -> None:
    made = await api.create_streaming_session(
        livekit_url="wss://example.org", livekit_token="t", room=ROOM, avatar_id=silas, video_quality="low"
    )
    assert made["code"] == 1000
    assert set(made) >= {"code", "data", "message"}
    session_id, token = made["data"]["session_id"], made["data"]["session_token"]
    started = await api.start_streaming_session(session_id, token)
    assert started["data"]["session_id"] == session_id
    assert [entry.session_id for entry in simulator.billed()] == [session_id]
    stopped = await api.stop_streaming_session(session_id, token)
    assert stopped["code"] == 1000
    assert not simulator.billed()
    sent = next(request for request in simulator.requests() if request["path"] == "/v1/sessions/token")
    assert sent["body"]["mode"] == "LITE"
    assert sent["body"]["video_settings"] == {"quality": "low"}
    assert sent["body"]["livekit_config"]["livekit_room"] == "a room"


@pytest.mark.parametrize("given", [None, ""])
def test_the_key_falls_back_on_the_environment(given: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEAVATAR_API_KEY", "from-the-environment")
    assert LiveAvatarAPI(given).transport.key.reveal() == "from-the-environment"
    monkeypatch.setenv("LIVEAVATAR_API_KEY", "")
    with pytest.raises(ConfigurationError, match="demo"):
        LiveAvatarAPI(given)


@pytest.mark.parametrize(
    "url", ["https://api.example.org", "https://api.example.org/v1", "https://api.example.org/v1/sessions/"]
)
def test_the_base_is_the_url_without_its_path(url: str) -> None:
    assert find_base(url) == "https://api.example.org"


@pytest.mark.parametrize(
    "url", ["api.example.org", "ftp://api.example.org", "https://", "https://[::1", "http://x/?k=1"]
)
def test_an_address_that_is_none_is_refused_at_once(url: str) -> None:
    with pytest.raises(ConfigurationError, match="api_url"):
        LiveAvatarAPI("key", api_url=url)


def test_a_secret_shows_itself_to_nobody() -> None:
    secret = Masked("hidden", "from a test")
    shown = f"{secret} {secret!r} {secret!s:>30} {[secret]} {vars(LiveAvatarAPI('hidden').transport)}"
    assert "hidden" not in shown
    assert "hidden" not in repr(LiveAvatarAPI("hidden"))
    for leak in (pickle.dumps, copy.copy, copy.deepcopy, json.dumps):
        with pytest.raises(TypeError):
            leak(secret)


async def test_a_client_that_is_handed_in_stays_open(library: Any, simulator: Simulator) -> None:
    async with library.AsyncClient() as lent:
        api = LiveAvatarAPI(simulator.api_key, api_url=simulator.url, session=lent)
        assert (await api.credits.get()).credits_left > 0
        await api.aclose()
        assert not lent.is_closed


async def test_a_client_of_our_own_is_closed(api: LiveAvatarAPI) -> None:
    await api.credits.get()
    ((own,),) = (clients.values() for clients in api.transport._own.values())
    await api.aclose()
    assert own.is_closed
    with pytest.raises(LiveAvatarException, match="closed"):
        await api.credits.get()


@pytest.mark.parametrize("code", [1000, 100, 200])
@pytest.mark.parametrize("status", [200, 201])
def test_any_2xx_with_a_code_of_success_is_one(status: int, code: int) -> None:
    body = json.dumps({"code": code, "data": 1, "message": None}).encode()
    assert envelope(status, {}, body, "a call")["data"] == 1


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, b'{"code": 4000, "data": null, "message": "no"}', APIStatusError),
        (200, b"<html>", APIResponseError),
        (200, b'{"code": 1000', APIResponseError),
        (200, b"[]", APIResponseError),
        (302, b"", APIResponseError),
        (401, b'{"code": 401, "data": null, "message": "no"}', AuthenticationError),
        (404, b"", NotFoundError),
        (502, b"<html>bad gateway</html>", APIStatusError),
    ],
)
def test_anything_else_is_an_error_that_does_not_echo_the_page(status: int, body: bytes, kind: type[Exception]) -> None:
    with pytest.raises(kind) as caught:
        envelope(status, {}, body, "a call")
    assert "html" not in str(caught.value)
    assert isinstance(caught.value, LiveAvatarException)


def test_an_empty_204_is_success() -> None:
    assert envelope(204, {}, b"", "a call")["data"] is None


async def test_a_wrong_field_is_named(api: LiveAvatarAPI) -> None:
    with pytest.raises(ValidationError) as caught:
        await api.sessions.stop("no uuid")
    assert any("session_id" in field for field in caught.value.fields)


async def test_a_wrong_key_says_where_it_came_from(simulator: Simulator) -> None:
    async with LiveAvatarAPI("canary", api_url=simulator.url) as api:
        with pytest.raises(AuthenticationError) as caught:
            await api.credits.get()
    assert caught.value.status_code == 401
    assert "from the argument api_key" in str(caught.value)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("kind", ["status", "drop_before", "drop_after"])
async def test_a_get_is_tried_again(api: LiveAvatarAPI, simulator: Simulator, kind: str) -> None:
    simulator.faults.add("credits", kind, times=2)
    assert (await api.credits.get()).credits_left > 0


async def test_attempts_and_their_limit_can_be_given(simulator: Simulator) -> None:
    options = APIConnectOptions(max_retry=1, retry_interval=0.01, timeout=0.2)
    async with LiveAvatarAPI(simulator.api_key, api_url=simulator.url, conn_options=options) as api:
        simulator.faults.add("credits", "status", status=500)
        with pytest.raises(APIStatusError):
            await api.credits.get()
        simulator.faults.add("credits", "delay", seconds=1)
        with pytest.raises(APIConnectionError):
            await api.credits.get()


@pytest.mark.parametrize(
    ("kind", "parameters"),
    [
        ("status", {"status": 500}),
        ("status", {"status": 409}),
        ("drop_before", {}),
        ("drop_after", {}),
        ("garbage", {}),
    ],
)
async def test_a_start_of_unknown_outcome_is_never_sent_again(
    api: LiveAvatarAPI, simulator: Simulator, silas: str, kind: str, parameters: dict[str, Any]
) -> None:
    made = await api.create_streaming_session(livekit_url="wss://x.org", livekit_token="t", room=ROOM, avatar_id=silas)
    simulator.faults.add("start", kind, **parameters)
    with pytest.raises(StartOutcomeUnknown) as caught:
        await api.start_streaming_session(**made["data"])
    assert caught.value.session_id == made["data"]["session_id"]
    assert [request["path"] for request in simulator.requests()].count("/v1/sessions/start") == 1
    await api.stop_streaming_session(**made["data"])


async def test_an_answer_in_an_unknown_form_names_the_field(api: LiveAvatarAPI, simulator: Simulator) -> None:
    simulator.faults.add("credits", "garbage", body=json.dumps({"code": 1000, "data": {"credits_left": None}}))
    with pytest.raises(SchemaError, match="credits_left"):
        await api.credits.get()


async def test_a_refused_connection_is_an_error_of_ours_with_nothing_sent() -> None:
    async with LiveAvatarAPI("key", api_url="http://127.0.0.1:9") as api:
        with pytest.raises(APIConnectionError) as caught:
            await api.credits.get()
    assert not caught.value.sent
    assert caught.value.__context__ is None


async def test_a_larger_body_than_the_limit_is_given_up(api: LiveAvatarAPI, simulator: Simulator) -> None:
    simulator.faults.add("credits", "garbage", body=json.dumps({"code": 1000, "data": "x" * 3_000_000}))
    with pytest.raises(APIResponseError, match="larger"):
        await api.credits.get()


async def test_lists_are_read_page_by_page(api: LiveAvatarAPI) -> None:
    everything = await api.avatars.public()
    by_pages = [avatar async for avatar in api.avatars.public(page_size=3)]
    assert len(everything) > 12
    assert [avatar.id for avatar in by_pages] == [avatar.id for avatar in everything]
    assert await api.avatars.public(page_size=3).page(2) == everything[3:6]
    assert (await api.avatars.get(everything[0].id)).name == everything[0].name


async def test_a_cancel_scope_of_anyio_ends_a_call_as_its_own(api: LiveAvatarAPI, simulator: Simulator) -> None:
    simulator.faults.add("credits", "delay", seconds=5, times=None)
    with anyio.move_on_after(0.2) as scope:
        await api.credits.get()
    assert scope.cancelled_caught
    with pytest.raises(TimeoutError):
        with anyio.fail_after(0.2):
            await api.credits.get()


async def test_an_error_that_is_nested_deeply_is_one_of_ours(api: LiveAvatarAPI, simulator: Simulator) -> None:
    deep = '{"code": 5000, "message": "no", "data": ' + "[" * 900 + "]" * 900 + "}"
    simulator.faults.add("credits", "status", status=400, body=deep)
    with pytest.raises(APIStatusError) as caught:
        await api.credits.get()
    assert caught.value.status_code == 400


async def test_errors_can_be_sent_to_another_process(api: LiveAvatarAPI) -> None:
    with pytest.raises(NotFoundError) as caught:
        await api.contexts.get("gone")
    again = pickle.loads(pickle.dumps(caught.value))
    assert type(again) is NotFoundError
    assert (str(again), vars(again)) == (str(caught.value), vars(caught.value))


def test_a_stop_at_exit_that_drips_leaves_time_for_the_next(simulator: Simulator) -> None:
    simulator.faults.add("stop", "drip", seconds=0.5)
    key = Masked(simulator.api_key)
    made = httpx.get(f"{simulator.url}/v1/avatars/public", headers={"X-API-KEY": simulator.api_key}).json()
    body = {"mode": "LITE", "avatar_id": made["data"]["results"][0]["id"]}
    token = httpx.post(f"{simulator.url}/v1/sessions/token", headers={"X-API-KEY": simulator.api_key}, json=body).json()
    with BlockingStopper(limit=3.0) as stopper:
        answers = [stopper.stop(simulator.url, key, token["data"]["session_id"], waiting=waiting) for waiting in (1, 0)]
    assert answers == [False, True]
