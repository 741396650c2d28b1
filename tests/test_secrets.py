"""The API key, session tokens and socket addresses are shown nowhere: not in words, logs, frames or reprs."""

from __future__ import annotations

import asyncio
import inspect
import io
import json
import logging
import signal
import threading
import types
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from rich.console import Console

from liveavatar_nb import AsyncLiveAvatar, LiveAvatar, LiveAvatarAPI, Simulator
from liveavatar_nb.errors import AvatarNeverCame, ConfigurationError, InvalidArgument, LiveAvatarException
from liveavatar_nb.masking import SECRET_NAME
from liveavatar_nb.models.base import Records, decode
from liveavatar_nb.models.sessions import SessionToken, StartedSession
from liveavatar_nb.rest.operation import Operation, Resource
from liveavatar_nb.rest.retry import Policy
from liveavatar_nb.simulator.rest import operations as contract
from liveavatar_nb.wirelog.har import har

from .faults.canary import CANARY, KEY, safely, shown
from .photos import PHOTO
from .waiting import until, wait_for


@pytest.mark.parametrize("key", [f"{CANARY}\x00", f"{CANARY} {CANARY}", f"{CANARY}é", f"{CANARY}\n{CANARY}"])
def test_a_key_that_no_header_can_hold_is_refused_unseen(key: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        LiveAvatar(key)
    assert CANARY not in shown(caught.value)


def test_a_key_from_a_file_loses_its_line_end(simulator: Simulator) -> None:
    with LiveAvatar(f"{simulator.api_key}\n", api_url=simulator.url) as la:
        assert la.credits() == 100


@pytest.mark.parametrize("face", [LiveAvatar, AsyncLiveAvatar, LiveAvatarAPI])
@pytest.mark.parametrize("wrong", [{"api_url": "nowhere"}, {"http_client": 3}, {"session": 3}, {"max_minutes": 0}])
def test_a_client_that_cannot_be_made_shows_no_key(face: Callable[..., Any], wrong: dict[str, Any]) -> None:
    with pytest.raises((LiveAvatarException, TypeError)) as caught:
        face(CANARY, **wrong)
    if isinstance(caught.value, LiveAvatarException):
        assert CANARY not in shown(caught.value)


@pytest.mark.parametrize("face", [LiveAvatar, AsyncLiveAvatar, LiveAvatarAPI])
@pytest.mark.parametrize("proxy", [f"ftp://me:{CANARY}@host:1", f"http://me:{CANARY}@host:99999"])
def test_a_proxy_that_cannot_be_used_shows_no_password(face: Callable[..., Any], proxy: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        face("key", proxy=proxy)
    assert CANARY not in shown(caught.value)


# neither fits a header, and the second is no text that can be sent
ODD, HALF = f"{CANARY} é", f"{CANARY}\ud83d"


@pytest.mark.parametrize(
    "call",
    [
        lambda api: api.start_streaming_session("id", ODD),
        lambda api: api.stop_streaming_session("id", ODD),
        lambda api: api.sessions.start(session_id=ID, session_token=ODD),
        lambda api: api.secrets.create(secret_name="a", secret_value=HALF, secret_type="OPENAI_API_KEY"),
        lambda api: api.create_streaming_session(
            livekit_url="wss://x.org", livekit_token=HALF, room=types.SimpleNamespace(name="a room"), avatar_id=ID
        ),
    ],
)
async def test_a_secret_that_cannot_be_sent_is_refused_unseen(call: Callable[[LiveAvatarAPI], Any]) -> None:
    api = LiveAvatarAPI(KEY)
    with pytest.raises(InvalidArgument) as caught:
        await call(api)
    assert CANARY not in shown(caught.value)


STARTED = {"session_id": 3, "livekit_url": None, "livekit_client_token": CANARY, "ws_url": f"ws://{CANARY}"}
TOKEN = {"session_id": None, "session_token": CANARY}
ANSWERS = {
    "of the wrong type": {"code": 1000, "data": STARTED},
    "token of the wrong type": {"code": 1000, "data": TOKEN},
    "with another code": {"code": 4000, "data": {"session_token": CANARY, "ws_url": CANARY}, "message": "no"},
    "without data": {"session_token": CANARY},
}


@pytest.mark.parametrize("operation", ["token", "start"])
@pytest.mark.parametrize("answer", ANSWERS)
async def test_an_answer_that_cannot_be_used_is_not_shown(
    simulator: Simulator, caplog: pytest.LogCaptureFixture, operation: str, answer: str
) -> None:
    caplog.set_level(logging.DEBUG)
    async with AsyncLiveAvatar(simulator.api_key, api_url=simulator.url) as client:
        simulator.faults.add(operation, "garbage", body=json.dumps(ANSWERS[answer]))
        with pytest.raises(LiveAvatarException) as caught:
            await client.start("Silas")
    told = shown(caught.value) + caplog.text
    assert CANARY not in told
    assert simulator.api_key not in told


async def test_tokens_that_are_given_are_not_shown(simulator: Simulator) -> None:
    class Room:
        name = "a room"

    async with LiveAvatarAPI(simulator.api_key, api_url=simulator.url) as api:
        with pytest.raises(LiveAvatarException) as created:
            await api.create_streaming_session(
                livekit_url="wss://x.org", livekit_token=CANARY, room=Room(), avatar_id="none"
            )
        with pytest.raises(LiveAvatarException) as started:
            await api.start_streaming_session("id", CANARY)
        with pytest.raises(LiveAvatarException) as stopped:
            await api.stop_streaming_session("id", CANARY)
    for caught in (created, started, stopped):
        assert CANARY not in shown(caught.value)


def test_records_with_tokens_show_none() -> None:
    records = [
        SessionToken(session_id="id", session_token=CANARY),
        StartedSession(session_id="id", livekit_url=None, livekit_client_token=CANARY, ws_url=CANARY),
    ]
    out = io.StringIO()
    Console(file=out).print(records)
    assert "id" in out.getvalue()
    assert CANARY not in out.getvalue() + repr(records)


# every operation, every fault, both faces

ID = "00000000-0000-4000-8000-000000000000"
SESSION_TOKEN = f"{CANARY}-token"
# with signs that JSON and Python write in other ways
SECRET = f'{CANARY}-"sécret"/\\n-{CANARY}'
LIVEKIT = f"{CANARY}-livekit"
ROOM = {"livekit_url": "wss://example.org", "livekit_room": "r", "livekit_client_token": LIVEKIT}
VALUES: dict[str, Any] = {
    "session_token": SESSION_TOKEN,
    "secret_value": SECRET,
    "livekit_config": ROOM,
    "secret_type": "OPENAI_API_KEY",
    "opening_text": None,
    "file": PHOTO,
    **dict.fromkeys(("name", "prompt", "secret_name", "display_name", "model_name", "provider_voice_id"), "text"),
    **dict.fromkeys(
        ("session_id", "avatar_id", "context_id", "voice_id", "secret_id", "config_id", "memory_id", "agent_id"), ID
    ),
}
WITH_SECRETS = ("session_token", "secret_value", "livekit_config")
LOGGERS = (
    "",
    "httpx",
    "httpcore",
    "websockets",
    "websockets.client",
    "asyncio",
    "liveavatar_nb",
    "liveavatar_nb.socket",
)


def operations() -> dict[str, Operation]:
    """The declared operations, as `resource.method`."""
    api = LiveAvatarAPI("key")
    return {
        f"{name}.{attribute}": method.operation
        for name, resource in vars(api).items()
        if isinstance(resource, Resource)
        for attribute, method in inspect.getmembers(resource, callable)
        if hasattr(method, "operation")
    }


OPERATIONS = operations()


def arguments(made: Operation) -> dict[str, Any]:
    """What it needs, and all secrets that it takes."""
    parameters = list(made.signature.parameters.values())[1:]
    return {one.name: VALUES[one.name] for one in parameters if one.default is one.empty or one.name in WITH_SECRETS}


def sent_secrets(given: dict[str, Any]) -> list[str]:
    return [KEY, *(LIVEKIT if name == "livekit_config" else given[name] for name in WITH_SECRETS if name in given)]


def faults(echo: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each kind of fault, the answers with the secrets of the call in them."""
    told = f"What is this: {' and '.join(echo)}?"
    failure = {"code": 4000, "data": {"api_key": KEY, "livekit_token": [LIVEKIT]}, "message": told}
    detail = [
        {"loc": ["body", one], "msg": told, "type": "x", "input": {"secret_value": one}, "ctx": {"e": one}}
        for one in echo
    ]
    for status in (400, 401, 404, 429):
        yield "status", {"status": status, "body": json.dumps(failure), "content_type": "application/json"}
    yield "status", {"status": 422, "body": json.dumps({"detail": detail}), "content_type": "application/json"}
    yield "status", {"status": 400, "body": json.dumps(failure, ensure_ascii=False).replace("/", "\\/")}
    yield "status", {"status": 502, "body": f"<html>{told}</html>"}
    yield "garbage", {"body": json.dumps(failure)}
    yield "garbage", {"body": told}
    yield from of_another_form(told)
    for kind in ("truncated", "reset", "drop_before", "drop_after"):
        yield kind, {}


def of_another_form(told: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Answers whose status and code are right, and whose data is not."""
    data = {
        "session_id": 3,
        "session_token": SESSION_TOKEN,
        "ws_url": f"ws://{CANARY}",
        "results": [{"id": 3, "x": KEY}],
    }
    for answered in (data, [data], told):
        yield "garbage", {"body": json.dumps({"code": 1000, "data": answered})}


@pytest.fixture(scope="module")
def service() -> Iterator[Simulator]:
    """A simulator for all of these calls, whose key is a canary."""
    with Simulator(api_key=KEY, rate_limit=None) as running:
        yield running
        assert not running.billed()


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """All loggers on DEBUG; what they said until the end holds no secret."""
    for name in LOGGERS:
        caplog.set_level(logging.DEBUG, logger=name)
    yield caplog
    assert CANARY not in caplog.text
    assert not [record for record in caplog.records if CANARY in repr(record.args)]


def seen(*things: Any) -> str:
    """All that these show of themselves: by repr, in rich and in a notebook."""
    out = io.StringIO()
    Console(file=out, width=400).print(*things)
    html = [thing._repr_html_() for thing in things if hasattr(thing, "_repr_html_")]
    return "\n".join([*map(safely, things), out.getvalue(), *map(str, html)])


def of_last(api: Any) -> str:
    last = api.last
    return "" if last is None else seen(last, vars(last), last.curl(), last.python())


def of_wire(api: Any) -> str:
    """All that the log of the wire shows and holds."""
    wire = getattr(api, "_inner", api).transport.wire
    held = [safely(vars(entry)) for entry in wire]
    return "\n".join([seen(wire, wire.to_dict(), wire.rows()), json.dumps(har(wire)), *held])


def test_every_operation_is_called_with_every_secret_that_it_takes() -> None:
    """A token of Agora's is masked by the same rule as LiveKit's, and both at once are refused."""
    assert {made.id for made in OPERATIONS.values()} == {one.id for one in contract.OPERATIONS}
    told = {name for made in OPERATIONS.values() for name in made.kinds if SECRET_NAME.search(name)}
    assert told <= {*WITH_SECRETS}


@pytest.mark.parametrize("name", OPERATIONS)
async def test_no_fault_shows_a_secret(service: Simulator, log: pytest.LogCaptureFixture, name: str) -> None:
    resource, method = name.split(".")
    async with LiveAvatarAPI(KEY, api_url=service.url) as api:
        api.transport._policy = Policy(attempts=1, base=0.0)
        given = arguments(OPERATIONS[name])
        call = getattr(getattr(api, resource), method)
        for kind, parameters in faults(sent_secrets(given)):
            service.faults.add(OPERATIONS[name].id, kind, **parameters)
            try:
                told = seen(await call(**given))
            except LiveAvatarException as failure:
                told = shown(failure)
            assert service.faults.list() == []
            assert CANARY not in told, (kind, parameters)
            assert CANARY not in of_last(api)
        assert CANARY not in seen(api, vars(api), api.transport, vars(api.transport), getattr(api, resource))
        assert CANARY not in of_wire(api)


@pytest.mark.parametrize("name", OPERATIONS)
def test_no_fault_shows_a_secret_without_await(service: Simulator, log: pytest.LogCaptureFixture, name: str) -> None:
    resource, method = name.split(".")
    with LiveAvatar(KEY, api_url=service.url) as la:
        la.api._inner.transport._policy = Policy(attempts=1, base=0.0)
        given = arguments(OPERATIONS[name])
        call = getattr(getattr(la.api, resource), method)
        for kind, parameters in faults(sent_secrets(given)):
            service.faults.add(OPERATIONS[name].id, kind, **parameters)
            try:
                result = call(**given)
                told = seen(result.all() if hasattr(result, "all") else result)
            except LiveAvatarException as failure:
                told = shown(failure)
            assert service.faults.list() == []
            assert CANARY not in told, (kind, parameters)
            assert CANARY not in of_last(la.api)
        assert CANARY not in seen(la, vars(la), la.api, vars(la.api), getattr(la.api, resource)) + of_wire(la.api)


@pytest.mark.parametrize("name", OPERATIONS)
async def test_a_call_under_way_shows_no_secret(service: Simulator, log: pytest.LogCaptureFixture, name: str) -> None:
    resource, method = name.split(".")
    service.faults.add(OPERATIONS[name].id, "delay", seconds=2)
    async with LiveAvatarAPI(KEY, api_url=service.url) as api:
        given = arguments(OPERATIONS[name])
        task = asyncio.ensure_future(getattr(getattr(api, resource), method)(**given))
        await until(lambda: not service.faults.list())
        assert not task.done(), "the call is under way"
        out = io.StringIO()
        task.print_stack(file=out)
        assert CANARY not in repr(task) + repr(asyncio.all_tasks()) + out.getvalue() + of_last(api)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as cancelled:
            await task
        assert CANARY not in shown(cancelled.value)


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_interrupt_shows_no_secret(service: Simulator, log: pytest.LogCaptureFixture, name: str) -> None:
    resource, method = name.split(".")

    def interrupt() -> None:
        wait_for(lambda: not service.faults.list())
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    with LiveAvatar(KEY, api_url=service.url) as la:
        given = arguments(OPERATIONS[name])
        call = getattr(getattr(la.api, resource), method)
        service.faults.add(OPERATIONS[name].id, "delay", seconds=2)
        thread = threading.Thread(target=interrupt)
        thread.start()
        with pytest.raises(KeyboardInterrupt) as interrupted:
            call(**given).all()
        thread.join()
        assert CANARY not in shown(interrupted.value) + of_last(la.api)


async def test_a_session_shows_no_secret(service: Simulator, log: pytest.LogCaptureFixture) -> None:
    """A real one, with its WebSocket."""
    async with AsyncLiveAvatar(KEY, api_url=service.url) as client:
        session = await client.start("Silas")
        billing = session.lifecycle.billing
        assert billing is not None
        hidden = [billing.token.reveal()]
        insides = vars(session), vars(session.lifecycle), vars(billing)
        told = seen(client, vars(client), session, *insides, client.api) + of_last(client.api)
        told += repr(asyncio.all_tasks())
        service.faults.add("socket", "close", code=1011)
        await asyncio.sleep(0.3)
        await session.stop()
        told += seen(session, vars(session), vars(session.lifecycle)) + of_last(client.api) + of_wire(client.api)
    assert len(hidden) == 1
    for secret in (KEY, *hidden, "?token="):
        assert secret not in told + log.text


async def test_a_start_that_fails_after_its_answer_shows_no_secret(
    service: Simulator, log: pytest.LogCaptureFixture
) -> None:
    """The frames have the service's records, which mask themselves."""
    service.faults.add("socket", "refuse", status=403, times=None)
    async with AsyncLiveAvatar(KEY, api_url=service.url) as client:
        with pytest.raises(AvatarNeverCame) as caught:
            await client.start("Silas")
        service.faults.clear()
        assert client.session is not None
        billing = client.session.lifecycle.billing
        assert billing is not None
        told = shown(caught.value)
        assert "StartedSession" in told
        for secret in (KEY, billing.token.reveal(), "?token="):
            assert secret not in told + log.text


def test_what_is_given_for_another_form_is_not_shown() -> None:
    """Refused before anything is sent."""
    api = LiveAvatarAPI(KEY)
    wrong: list[dict[str, Any]] = [
        {"livekit_config": [ROOM]},
        {"livekit_config": {**ROOM, "livekit_url": 3}},
        {"livekit_config": {"livekit_token": LIVEKIT}},
        {"livekit_config": {**ROOM, "livekit_client_token": [LIVEKIT]}},
        {"mode": "FULL", "livekit_config": ROOM},
        {"livekit_config": ROOM, "avatar": ID},
    ]
    for given in wrong:
        refusal = api.sessions.create_token(**{"avatar_id": ID, **given})
        with pytest.raises(LiveAvatarException) as caught:
            refusal.send(None)
        assert CANARY not in shown(caught.value)


def test_what_a_newer_service_sends_is_masked_by_its_names() -> None:
    sent = {
        "session_id": "id",
        "session_token": CANARY,
        "room": {"livekit_token": CANARY, "more": [{"ws_url": CANARY}]},
    }
    record = decode(SessionToken, {**sent, "agent_token": CANARY, "old_tokens": {"access_token": CANARY}}, "a call")
    assert record["room"]["livekit_token"] == CANARY, "the user's own data stays as it is"
    assert CANARY not in seen(record, Records([record]))
