"""Responses whose bodies are cut off, wrong, huge or endless."""

from __future__ import annotations

import asyncio
import gzip
import json
import resource
import time
import tracemalloc
import zlib
from typing import Any

import pytest

from liveavatar_nb import LiveAvatarAPI, Simulator, config
from liveavatar_nb.errors import (
    APIConnectionError,
    APIResponseError,
    APIStatusError,
    APITimeoutError,
    SchemaError,
)

from .canary import CANARY
from .conftest import answer, client, envelope


def get(api: LiveAvatarAPI) -> Any:
    return api.credits.get()


def post(api: LiveAvatarAPI) -> Any:
    return api.contexts.create(name="Guide", prompt="You guide.", opening_text=None)


def told(data: Any, code: Any = 1000) -> str:
    return json.dumps({"code": code, "data": data, "message": None})


@pytest.mark.parametrize(("row", "kind"), [(18, "truncated"), (24, "reset")])
async def test_an_answer_that_breaks_off(
    api: LiveAvatarAPI, simulator: Simulator, arrived: Any, refused: Any, *, row: int, kind: str
) -> None:
    """row 18, row 24: a GET goes again; a POST was applied, and is not sent twice."""
    simulator.faults.add("credits", kind, times=2)
    assert (await get(api)).credits_left == 100
    assert len(arrived()) == 3
    simulator.faults.add("contexts", kind)
    error = await refused(post(api), APIConnectionError)
    assert error.sent
    assert arrived().count("POST /v1/contexts") == 1
    assert sum(one.name == "Guide" for one in await api.contexts.list()) == 1


@pytest.mark.parametrize(("row", "kind"), [(18, "truncated"), (24, "reset")])
async def test_answers_that_always_break_off(
    api: LiveAvatarAPI, simulator: Simulator, arrived: Any, refused: Any, *, row: int, kind: str
) -> None:
    """row 18, row 24: three attempts, then a connection error."""
    simulator.faults.add("credits", kind, times=None)
    error = await refused(get(api), APIConnectionError)
    assert len(arrived()) == 3
    assert "got no response" in error.message
    assert "try again" in error.remedy


@pytest.mark.parametrize("body", ['{"code": 1000, "da', "", "null", "[]", "7", '"text"', "<html>", "\x00", "[" * 9999])
async def test_an_answer_that_is_no_envelope(
    api: LiveAvatarAPI, simulator: Simulator, arrived: Any, refused: Any, body: str
) -> None:
    """row 18: complete, and no envelope: an error at once, since the call was applied."""
    simulator.faults.add("credits", "garbage", body=body)
    error = await refused(get(api), APIResponseError)
    assert len(arrived()) == 1
    assert "without an envelope" in error.message
    assert "older than the service" in error.remedy


@pytest.mark.parametrize("code", [0, 4000, 4001, 5000, -1])
async def test_a_success_whose_code_is_none(
    api: LiveAvatarAPI, simulator: Simulator, arrived: Any, refused: Any, code: Any
) -> None:
    """row 19: the service said no, with the status of a yes."""
    body = {"code": code, "data": {"session_token": CANARY}, "message": "Out of order"}
    simulator.faults.add("credits", "garbage", body=json.dumps(body))
    error = await refused(get(api), APIStatusError)
    assert len(arrived()) == 1
    assert error.status_code == 200
    assert error.code == code
    assert error.request_id
    assert "Out of order" in error.message
    assert error.body["data"] == {"session_token": "<masked>"}


@pytest.mark.parametrize("code", [1000.5, "1000", None, True, [1000], {}])
async def test_a_success_without_a_code(
    api: LiveAvatarAPI, simulator: Simulator, arrived: Any, refused: Any, code: Any
) -> None:
    """row 19: a code that is none makes no envelope."""
    simulator.faults.add("credits", "garbage", body=told({"session_token": CANARY}, code))
    error = await refused(get(api), APIResponseError)
    assert len(arrived()) == 1
    assert "without an envelope" in error.message


@pytest.mark.parametrize(
    ("data", "path"),
    [
        ({}, "credits_left"),
        (None, "object"),
        ([], "object"),
        ({"credits_left": None}, "credits_left"),
        ({"credits_left": {}}, "credits_left"),
        ({"credits_left": "a lot"}, "credits_left"),
        ({"credits_left": True}, "credits_left"),
    ],
)
async def test_an_answer_of_another_form(
    api: LiveAvatarAPI, simulator: Simulator, arrived: Any, refused: Any, *, data: Any, path: str
) -> None:
    """row 20: a schema error at once, which names the field."""
    simulator.faults.add("credits", "garbage", body=told(data))
    error = await refused(get(api), SchemaError)
    assert len(arrived()) == 1
    assert path in error.message
    assert "GET /v1/users/credits" in error.message
    assert "older than the service" in error.remedy


@pytest.mark.parametrize(
    ("data", "path"),
    [
        ({"count": 1, "results": [{"id": 7}]}, "$.results[0]"),
        ({"count": 1, "results": None}, "$.results"),
        ({"count": 1}, "$.results"),
        ({"count": None, "results": []}, "$.count"),
        ({"results": []}, "$.count"),
        ([], "$"),
        (None, "$"),
    ],
)
async def test_a_list_of_another_form(
    api: LiveAvatarAPI, simulator: Simulator, refused: Any, data: Any, path: str
) -> None:
    """row 20: a list names its item."""
    simulator.faults.add("contexts", "garbage", body=told(data))
    error = await refused(api.contexts.list().all(), SchemaError)
    assert path in error.message


async def test_a_token_of_another_form_starts_nothing(
    api: LiveAvatarAPI, simulator: Simulator, arrived: Any, refused: Any, silas: str
) -> None:
    """row 20: the token that came with it is not shown."""
    simulator.faults.add("token", "garbage", body=told({"session_id": None, "session_token": CANARY}))
    error = await refused(api.sessions.create_token(avatar_id=silas), SchemaError)
    assert "session_id" in error.message
    assert not simulator.billed()
    assert "POST /v1/sessions/start" not in arrived()


MEGABYTE = 1024 * 1024


def memory() -> int:
    """Return the peak memory of this process, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@pytest.mark.parametrize("kind", ["huge", "gzip_bomb"])
@pytest.mark.parametrize("call", [get, post])
async def test_a_body_without_end(
    api: LiveAvatarAPI, simulator: Simulator, arrived: Any, refused: Any, *, kind: str, call: Any
) -> None:
    """row 21: given up at the cap, at once, and no more than that is held."""
    simulator.faults.add("any", kind, megabytes=200)
    before = memory()
    tracemalloc.start()
    began = time.monotonic()
    error = await refused(call(api), APIResponseError)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert time.monotonic() - began < 5
    assert peak < 10 * config.BODY_LIMIT
    assert memory() - before < 60 * MEGABYTE
    assert len(arrived()) == 1
    assert "larger than 2048 KiB" in error.message


async def test_a_refusal_without_end(raw: Any, refused: Any, lent: Any) -> None:
    """row 21: an answer that says no is read no further either."""
    packed = gzip.compress(b" " * (50 * MEGABYTE))
    bomb = answer("500 Internal Server Error", packed, "Content-Encoding: gzip")
    async with raw(bomb, bomb, bomb) as server, client(server.url, lent=lent) as api:
        error = await refused(get(api), APIResponseError)
    assert "larger" in error.message
    assert len(server.requests) == 1


@pytest.mark.parametrize("size", [config.BODY_LIMIT - 100, config.BODY_LIMIT])
async def test_a_large_body_is_read(raw: Any, size: int, lent: Any) -> None:
    """row 21: up to the cap, to the byte."""
    body = b'{"code": 1000, "data": {"credits_left": "7"}}'
    for packed in (answer("200 OK", body.rjust(size)), gzipped(body.rjust(size))):
        async with raw(packed) as server, client(server.url, lent=lent) as api:
            assert (await get(api)).credits_left == 7


def gzipped(body: bytes) -> bytes:
    return answer("200 OK", gzip.compress(body), "Content-Encoding: gzip")


async def test_a_body_one_byte_too_large(raw: Any, refused: Any, lent: Any) -> None:
    """row 21: not a byte more."""
    body = b"{}".rjust(config.BODY_LIMIT + 1)
    for packed in (answer("200 OK", body), gzipped(body)):
        async with raw(packed) as server, client(server.url, lent=lent) as api:
            await refused(get(api), APIResponseError)


async def test_a_huge_body_with_a_secret_at_its_head(raw: Any, refused: Any, lent: Any) -> None:
    """row 21: what was read until then is shown nowhere."""
    body = told({"session_id": 3, "session_token": CANARY, "pad": "x" * config.BODY_LIMIT}).encode()
    for packed in (answer("200 OK", body), gzipped(body)):
        async with raw(packed) as server, client(server.url, lent=lent) as api:
            await refused(get(api), APIResponseError)


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "x" * 5000])
async def test_a_packing_that_was_not_asked_for(raw: Any, refused: Any, encoding: str, lent: Any) -> None:
    """row 21: named, not guessed at."""
    packed = answer("200 OK", b"{}", f"Content-Encoding: {encoding}")
    async with raw(packed) as server, client(server.url, lent=lent) as api:
        error = await refused(get(api), APIResponseError)
    assert "encoded as" in error.message
    assert len(error.message) < 200


@pytest.mark.parametrize(
    "body", [b"not packed", gzip.compress(b"x" * 999, mtime=0)[:20] + b"\xff" * 30, zlib.compress(b"{}")]
)
async def test_a_body_that_cannot_be_unpacked(raw: Any, refused: Any, body: bytes, lent: Any) -> None:
    """row 21: an answer came, and it cannot be used: not "no answer"."""
    packed = answer("200 OK", body, "Content-Encoding: gzip")
    async with raw(packed) as server, client(server.url, lent=lent) as api:
        error = await refused(get(api), APIResponseError)
    assert "decompressed" in error.message
    assert len(server.requests) == 1


async def test_a_slow_drip(simulator: Simulator, arrived: Any, refused: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """row 22: a byte now and then passes every read time-out, and not the total limit."""
    monkeypatch.setattr(config, "TOTAL_TIMEOUT", 0.7)
    monkeypatch.setattr(config, "READ_TIMEOUT", 0.3)
    simulator.faults.add("credits", "drip", seconds=0.1)
    began = time.monotonic()
    async with LiveAvatarAPI(simulator.api_key, api_url=simulator.url) as api:
        error = await refused(get(api), APITimeoutError)
    assert 0.7 <= time.monotonic() - began < 1.5
    assert len(arrived()) == 1
    assert "0.7 s" in error.message
    assert error.sent


async def test_a_slow_drip_against_the_callers_limit(
    simulator: Simulator, arrived: Any, refused: Any, lent: Any
) -> None:
    """row 22: the limit of one attempt ends each; a GET goes again, a change does not."""
    simulator.faults.add("any", "drip", seconds=0.1, times=None)
    async with client(simulator.url, timeout=0.3, lent=lent) as api:
        error = await refused(get(api), APITimeoutError)
        assert len(arrived()) == 3
        assert "0.3 s" in error.message
        error = await refused(post(api), APITimeoutError)
        assert error.sent
    assert arrived().count("POST /v1/contexts") == 1


async def test_silence_in_the_body(raw: Any, refused: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """row 22: the read time-out ends an answer that stops in its middle."""
    monkeypatch.setattr(config, "READ_TIMEOUT", 0.2)
    half = envelope()[:-5]
    async with raw(*[half] * 3) as server, LiveAvatarAPI(CANARY, api_url=server.url) as api:
        began = time.monotonic()
        error = await refused(get(api), APITimeoutError)
    assert time.monotonic() - began < 4
    assert len(server.requests) == 3
    assert "ReadTimeout" in error.message


async def test_a_cancelled_call_ends_at_once(api: LiveAvatarAPI, simulator: Simulator) -> None:
    """row 22: whoever does not want to wait any longer need not."""
    simulator.faults.add("credits", "drip", seconds=0.1)
    call = asyncio.ensure_future(get(api))
    await asyncio.sleep(0.2)
    began = time.monotonic()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert time.monotonic() - began < 0.2
    assert (await get(api)).credits_left == 100
