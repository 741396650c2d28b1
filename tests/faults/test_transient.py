"""Temporary failures (rate limits, 5xx, outages): how often and for how long a call is retried."""

from __future__ import annotations

import itertools
import time
from email.utils import formatdate
from typing import Any

import pytest

from liveavatar_nb import LiveAvatarAPI, Simulator, config
from liveavatar_nb.errors import APIStatusError, APITimeoutError, RateLimitError

from .canary import KEY
from .conftest import answer, client, envelope


def get(api: LiveAvatarAPI) -> Any:
    return api.credits.get()


def post(api: LiveAvatarAPI) -> Any:
    return api.contexts.create(name="Guide", prompt="You guide.", opening_text=None)


def tick(api: LiveAvatarAPI) -> Any:
    return api.sessions.keep_alive("id")


@pytest.mark.parametrize("call", [get, post])
@pytest.mark.parametrize("seconds", ["1", "0.6"])
async def test_a_rate_limit(api: LiveAvatarAPI, simulator: Simulator, arrived: Any, call: Any, seconds: str) -> None:
    """row 13: waits as long as it is asked to, then succeeds, also where nothing may be applied twice."""
    simulator.faults.add("any", "status", status=429, headers={"Retry-After": seconds})
    await call(api)
    times = [request["received_at"] for request in simulator.requests()]
    assert len(times) == 2
    assert float(seconds) <= times[1] - times[0] < float(seconds) + 0.5


async def test_a_rate_limit_until_a_date(raw: Any) -> None:
    """row 13: a date, which counts from the answer's own date."""
    hour_ago = time.time() - 3600  # one of the two machines' clocks is an hour off
    headers = [f"Retry-After: {formatdate(hour_ago + 1, usegmt=True)}", f"Date: {formatdate(hour_ago, usegmt=True)}"]
    async with raw(answer("429 Too Many Requests", b"", *headers), envelope()) as server, client(server.url) as api:
        began = time.monotonic()
        await get(api)
    assert 1 <= time.monotonic() - began < 1.5
    assert len(server.requests) == 2


async def test_the_simulators_own_rate_limit() -> None:
    """row 13: without any fault switched on: more calls than it takes, one after the other, all succeed."""
    with Simulator(api_key=KEY, rate_limit=2) as strict:
        async with client(strict.url, timeout=10) as api:
            for _ in range(4):
                await get(api)
        told = [request["status"] for request in strict.requests()]
    assert told.count(200) == 4
    assert 429 in told


@pytest.mark.parametrize("headers", [{}, {"Retry-After": "soon"}, {"Retry-After": "-5"}, {"Retry-After": "1e9"}])
async def test_a_rate_limit_that_says_nothing_of_use(
    simulator: Simulator, arrived: Any, refused: Any, headers: dict[str, str]
) -> None:
    """row 14: none, and nonsense: the usual delays."""
    simulator.faults.add("credits", "status", status=429, headers=headers, times=None)
    began = time.monotonic()
    async with client(simulator.url) as api:
        error = await refused(get(api), RateLimitError)
    assert time.monotonic() - began < 2
    assert len(arrived()) == 3
    assert (error.status_code, error.retry_after) == (429, None)
    assert "Wait" in error.remedy


async def test_the_delays_vary(simulator: Simulator) -> None:
    """row 14: with jitter, so that clients do not come back together."""
    simulator.faults.add("credits", "status", status=429, times=7)
    async with client(simulator.url, max_retry=8, retry_interval=0.05) as api:
        await get(api)
    times = [request["received_at"] for request in simulator.requests()]
    waits = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert len(waits) == 7
    assert len({round(wait, 3) for wait in waits}) > 2


@pytest.mark.parametrize("asked", ["31", "86400", formatdate(4e9, usegmt=True)])
@pytest.mark.parametrize("status", [429, 503])
async def test_a_huge_retry_after(
    api: LiveAvatarAPI, simulator: Simulator, arrived: Any, refused: Any, *, asked: str, status: int
) -> None:
    """row 14: raised at once, and the error says for how long."""
    simulator.faults.add("credits", "status", status=status, code=4999, headers={"Retry-After": asked})
    error = await refused(get(api), RateLimitError if status == 429 else APIStatusError)
    assert len(arrived()) == 1
    assert error.retry_after >= 31
    if status == 429:
        assert f"{error.retry_after:g} s" in error.remedy


async def test_a_retry_after_past_the_deadline(
    simulator: Simulator, arrived: Any, refused: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """row 14: raised at once where the wait would not fit."""
    monkeypatch.setattr(config, "TOTAL_TIMEOUT", 2.0)
    simulator.faults.add("credits", "status", status=429, headers={"Retry-After": "3"})
    async with client(simulator.url, timeout=0.5) as api:
        error = await refused(get(api), RateLimitError)
    assert len(arrived()) == 1
    assert error.retry_after == 3


@pytest.mark.parametrize("status", [500, 502, 503, 504, 408])
async def test_a_get_goes_again(api: LiveAvatarAPI, simulator: Simulator, arrived: Any, status: int) -> None:
    """row 15: as often as three times."""
    simulator.faults.add("credits", "status", status=status, times=2)
    assert (await get(api)).credits_left == 100
    assert arrived() == ["GET /v1/users/credits"] * 3


@pytest.mark.parametrize("status", [500, 502, 503, 504, 408])
@pytest.mark.parametrize("call", [post, tick])
async def test_a_change_does_not(
    api: LiveAvatarAPI, simulator: Simulator, arrived: Any, refused: Any, *, call: Any, status: int
) -> None:
    """row 15: nor does a keep-alive, whose next tick takes its place."""
    simulator.faults.add("any", "status", status=status, code=4999, message="No luck")
    error = await refused(call(api), APIStatusError)
    assert len(arrived()) == 1
    assert (error.status_code, error.code) == (status, 4999)
    assert error.request_id
    assert "No luck" in error.message
    assert error.body["message"] == "No luck"


async def test_a_token_goes_again_and_a_session_is_billed_once(
    api: LiveAvatarAPI, simulator: Simulator, arrived: Any, silas: str
) -> None:
    """row 15: a token costs nothing, so it may be asked for again."""
    simulator.faults.add("token", "status", status=500, times=2)
    made = await api.sessions.create_token(avatar_id=silas)
    await api.sessions.start(made.session_id, made.session_token)
    simulator.faults.add("stop", "status", status=500, times=5)
    await api.sessions.stop(made.session_id)
    assert arrived().count("POST /v1/sessions/token") == 3
    assert arrived().count("POST /v1/sessions/stop") == 6
    assert [entry.starts for entry in simulator.ledger()] == [1]
    assert not simulator.billed()


PAGE = "<html><body><h1>502 Bad Gateway</h1><p>nginx says hello</p></body></html>"


async def test_a_gateways_page(api: LiveAvatarAPI, simulator: Simulator, arrived: Any, refused: Any) -> None:
    """row 16: a typed error, and the page is not echoed."""
    simulator.faults.add("credits", "status", status=502, body=PAGE, times=None)
    error = await refused(get(api), APIStatusError)
    assert len(arrived()) == 3
    assert (error.status_code, error.code, error.body) == (502, None, None)
    assert error.request_id
    assert "502" in str(error)
    assert "nginx" not in str(error) + repr(error)
    assert "<" not in str(error)


async def test_an_outage(simulator: Simulator, arrived: Any, refused: Any) -> None:
    """row 17: three attempts, then the error."""
    simulator.faults.add("any", "status", status=503, code=4999, message="Down for repair", times=None)
    async with client(simulator.url) as api:
        error = await refused(get(api), APIStatusError)
        assert len(arrived()) == 3
        await refused(post(api), APIStatusError)
    assert len(arrived()) == 4
    assert (error.status_code, error.code) == (503, 4999)
    assert "Down for repair" in error.message


async def test_an_outage_takes_no_longer_than_the_limit(
    simulator: Simulator, refused: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """row 17: all attempts together have the call's limit."""
    monkeypatch.setattr(config, "TOTAL_TIMEOUT", 0.5)
    simulator.faults.add("credits", "delay", seconds=5)
    began = time.monotonic()
    async with LiveAvatarAPI(simulator.api_key, api_url=simulator.url) as api:
        error = await refused(get(api), APITimeoutError)
    assert time.monotonic() - began < 1.5
    assert "0.5 s" in error.message
    assert error.sent


async def test_a_stop_in_an_outage(
    api: LiveAvatarAPI, simulator: Simulator, refused: Any, monkeypatch: pytest.MonkeyPatch, silas: str
) -> None:
    """row 17: a stop goes on until its limit, and the next one succeeds."""
    made = await api.sessions.create_token(avatar_id=silas)
    await api.sessions.start(made.session_id, made.session_token)
    simulator.faults.add("stop", "status", status=503, code=4999, times=None)
    monkeypatch.setattr(config, "STOP_LIMIT", 1.9)
    async with client(simulator.url, timeout=1.0) as impatient:
        # the limit is reached in a pause or, on a busy machine, in the middle of an attempt
        error = await refused(impatient.sessions.stop(made.session_id), APIStatusError, APITimeoutError)
    if isinstance(error, APIStatusError):
        assert error.status_code == 503
    assert sum(request["path"].endswith("/stop") for request in simulator.requests()) > 3
    simulator.faults.clear()
    await api.sessions.stop(made.session_id)
    assert not simulator.billed()
