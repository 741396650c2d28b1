"""Who may call what."""

from __future__ import annotations

from typing import Any

import pytest

BY_KEY = [
    ("POST", "/v1/sessions/token"),
    ("GET", "/v1/sessions?type=active"),
    ("GET", "/v1/sessions/nobody"),
    ("GET", "/v1/avatars"),
    ("GET", "/v1/avatars/nobody"),
    ("GET", "/v1/users/credits"),
]


@pytest.mark.parametrize(
    ("method", "path"),
    [*BY_KEY, ("POST", "/v1/sessions/start"), ("POST", "/v1/sessions/stop"), ("POST", "/v1/sessions/keep-alive")],
)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-API-KEY": "wrong"},
        {"X-API-KEY": ""},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Bearer"},
        {"X-API-KEY": b"\xc3\xa9"},
    ],
)
def test_a_wrong_credential_is_401(shared: Any, method: str, path: str, headers: dict[str, Any]) -> None:
    response = shared.bare(method, path, headers=headers)
    assert response.status_code == 401
    assert response.json()["data"] is None


def test_a_session_token_is_no_key_and_the_key_no_token(shared: Any) -> None:
    session = shared.started()
    for method, path in BY_KEY:
        assert shared.bare(method, path, headers=session.bearer).status_code == 401
    key = shared.simulator.api_key
    assert shared.bare("POST", "/v1/sessions/start", headers={"Authorization": f"Bearer {key}"}).status_code == 401
    assert shared.bare("POST", "/v1/sessions/start", headers={"X-API-KEY": key}).status_code == 401
    shared.stop(session.id)


def test_the_gallery_needs_no_key(shared: Any) -> None:
    public = shared.bare("GET", "/v1/avatars/public?page_size=100").json()["data"]
    assert public["count"] >= 12
    assert shared.bare("GET", "/healthz").status_code == 200


def test_the_scheme_is_read_without_case(shared: Any) -> None:
    token = shared.token()["session_token"]
    assert shared.bare("POST", "/v1/sessions/start", headers={"Authorization": f"bearer {token}"}).status_code == 201


def test_keys_and_tokens_are_long_and_random(shared: Any, calling: Any) -> None:
    assert len(shared.simulator.api_key) >= 43  # 256 bits in base64
    assert shared.simulator.api_key != calling().simulator.api_key
    tokens = {shared.token()["session_token"] for _ in range(5)}
    assert len(tokens) == 5
    assert all(len(token) >= 43 for token in tokens)


@pytest.mark.parametrize(
    "command", ["ledger", "requests", "warnings", "advance", "speed", "faults/add", "faults/list", "faults/clear"]
)
def test_the_owners_questions_need_the_owners_token(shared: Any, command: str) -> None:
    for headers in (
        {},
        {"X-API-KEY": shared.simulator.api_key},
        {"Authorization": f"Bearer {shared.simulator.api_key}"},
    ):
        assert shared.bare("POST", f"/_simulator/{command}", headers=headers).status_code == 401
