"""Refusals by the service: each raises its own error immediately, with a remedy."""

from __future__ import annotations

import json
from typing import Any

import pytest

from liveavatar_nb import AsyncLiveAvatar, LiveAvatarAPI, Masked, Simulator
from liveavatar_nb.errors import (
    APIStatusError,
    AuthenticationError,
    ConcurrencyLimitError,
    CreditsError,
    NotFoundError,
    ValidationError,
)

from .canary import CANARY, KEY

WRONG = f"{CANARY}-wrong"
SOME_ID = "00000000-0000-4000-8000-000000000000"


async def test_a_wrong_key(simulator: Simulator, arrived: Any, refused: Any) -> None:
    """row 7: at once, and says where the key came from."""
    async with LiveAvatarAPI(WRONG, api_url=simulator.url) as api:
        error = await refused(api.credits.get(), AuthenticationError)
    assert arrived() == ["GET /v1/users/credits"]
    assert (error.status_code, error.code, error.retry_after) == (401, 4001, None)
    assert len(error.request_id) == 36
    assert error.body["message"]
    assert "argument api_key" in error.remedy


async def test_a_wrong_key_from_the_environment(
    simulator: Simulator, refused: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """row 7: the environment's variable is named."""
    monkeypatch.setenv("LIVEAVATAR_API_KEY", WRONG)
    async with LiveAvatarAPI(api_url=simulator.url) as api:
        error = await refused(api.contexts.list().all(), AuthenticationError)
    assert "environment's LIVEAVATAR_API_KEY" in error.remedy


async def test_a_wrong_token(api: LiveAvatarAPI, arrived: Any, refused: Any) -> None:
    """row 7: a session's token is told apart from the key."""
    error = await refused(api.sessions.start("id", Masked(WRONG)), AuthenticationError)
    assert arrived() == ["POST /v1/sessions/start"]
    assert error.status_code == 401
    assert "token" in error.remedy
    assert "key" not in error.remedy


@pytest.mark.parametrize(
    ("status", "message"),
    [(402, "Payment required"), (403, "Not enough credits left"), (403, "Insufficient CREDITS.")],
)
async def test_no_credits(
    api: LiveAvatarAPI, simulator: Simulator, arrived: Any, refused: Any, *, status: int, message: str
) -> None:
    """row 8: by the status, or by what the service says."""
    simulator.faults.add("token", "status", status=status, message=message, code=4002)
    error = await refused(api.sessions.create_token(avatar_id=SOME_ID), CreditsError)
    assert arrived() == ["POST /v1/sessions/token"]
    assert (error.status_code, error.code, error.retry_after) == (status, 4002, None)
    assert message.rstrip(".") in error.message
    assert "sandbox" in error.remedy
    assert error.request_id


async def test_an_account_without_credits(refused: Any) -> None:
    """row 8: as the simulator refuses a start for want of credits; nothing is billed."""
    with Simulator(api_key=KEY, credits=0) as poor:
        async with AsyncLiveAvatar(KEY, api_url=poor.url) as client:
            error = await refused(client.start("Silas"), CreditsError)
        assert not poor.billed()
    assert "credits" in error.message.lower()


async def test_too_many_sessions_at_once(simulator: Simulator, arrived: Any, refused: Any) -> None:
    """row 9: the concurrency limit is an error of its own, which says what runs and how to stop it."""
    async with AsyncLiveAvatar(KEY, api_url=simulator.url) as client:
        for _ in range(3):
            await client.start("Silas", concurrent=True)
        error = await refused(client.start("Silas", concurrent=True), ConcurrencyLimitError)
        assert len(simulator.billed()) == 3
    assert (error.status_code, error.code) == (403, 4003)
    assert "3 (this kernel)" in error.remedy
    assert error.request_id
    assert arrived().count("POST /v1/sessions/start") == 4


async def test_a_403_that_is_neither(api: LiveAvatarAPI, simulator: Simulator, arrived: Any, refused: Any) -> None:
    """row 9: another 403 is just refused."""
    simulator.faults.add("credits", "status", status=403, code=4999, message="Not yours")
    error = await refused(api.credits.get(), APIStatusError)
    assert (error.status_code, error.code, len(arrived())) == (403, 4999, 1)


async def test_a_wrong_field(api: LiveAvatarAPI, simulator: Simulator, arrived: Any, refused: Any) -> None:
    """row 12: the error names the field, and shows nothing of what was sent."""
    secret = f"{CANARY}-secret"
    detail = [
        {"loc": ["body", "secret_value"], "msg": f"Value error, {secret}", "type": "x", "input": secret, "ctx": secret},
        {"loc": ["body", "links", 0, "url"], "msg": "Field required", "type": "missing", "input": {"x": KEY}},
    ]
    simulator.faults.add("secrets", "status", status=422, body=json.dumps({"detail": detail}))
    call = api.secrets.create(secret_name="a", secret_value=Masked(secret), secret_type="OPENAI_API_KEY")
    error = await refused(call, ValidationError)
    assert arrived() == ["POST /v1/secrets"]
    assert error.fields == ("body.secret_value", "body.links.0.url")
    assert "body.links.0.url: Field required" in error.message
    assert (error.status_code, error.code, error.retry_after) == (422, None, None)
    assert error.request_id
    assert [sorted(one) for one in error.body["detail"]] == [["loc", "msg", "type"]] * 2


async def test_a_wrong_field_that_the_simulator_finds(api: LiveAvatarAPI, arrived: Any, refused: Any) -> None:
    """row 12: without any fault switched on."""
    ended = await api.sessions.list(type="historic").page(1)
    error = await refused(api.sessions.transcript(ended[0].id, start_timestamp=10**200), ValidationError)
    assert error.fields == ("query.start_timestamp",)
    assert len(arrived()) == 2


@pytest.mark.parametrize(
    "body",
    [
        '{"detail": "no"}', '{"detail": null}', '{"detail": [1, null, {}]}', '{"detail": [{"loc": 3, "msg": null}]}',
        "[]", "null", "<p>", '{"message": "no"}',
    ],
)  # fmt: skip
async def test_a_422_in_no_known_form(api: LiveAvatarAPI, simulator: Simulator, refused: Any, body: str) -> None:
    """row 12: it is a validation error all the same."""
    simulator.faults.add("credits", "status", status=422, body=body)
    error = await refused(api.credits.get(), ValidationError)
    assert error.status_code == 422
    assert "rejected a field" in error.message


@pytest.mark.parametrize("call", ["get", "update", "delete"])
async def test_what_is_not_there(api: LiveAvatarAPI, arrived: Any, refused: Any, call: str) -> None:
    """row 12: a 404 is not found, at once."""
    fields = {"name": "a", "prompt": "b", "opening_text": None} if call == "update" else {}
    error = await refused(getattr(api.contexts, call)(SOME_ID, **fields), NotFoundError)
    assert len(arrived()) == 1
    assert (error.status_code, error.remedy) == (404, "Check the id.")
