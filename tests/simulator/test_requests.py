"""What arrived, without its secrets."""

from __future__ import annotations

from typing import Any


def test_every_request_is_told(caller: Any) -> None:
    session = caller.started(
        livekit_config={"livekit_url": "wss://x", "livekit_room": "r", "livekit_client_token": "canary"}
    )
    caller.bare("POST", "/v1/sessions/stop", headers=session.bearer, json={"reason": "USER_CLOSED"})
    caller.http.get("/v1/sessions?type=active&page=2")
    caller.http.get("/nowhere", headers={"Host": "evil.example"})
    token, start, stop, listed, forged = caller.simulator.requests()[-5:]
    assert (token["method"], token["path"], token["auth"], token["status"]) == (
        "POST",
        "/v1/sessions/token",
        "key",
        200,
    )
    assert token["body"]["livekit_config"] == {
        "livekit_url": "wss://x",
        "livekit_room": "r",
        "livekit_client_token": "***",
    }
    assert (start["auth"], start["body"], start["status"]) == ("bearer", None, 201)
    assert (stop["auth"], stop["body"]) == ("bearer", {"reason": "USER_CLOSED"})
    assert listed["query"] == {"type": "active", "page": "2"}
    assert forged["status"] == 403
    everything = str(caller.simulator.requests())
    for secret in ("canary", session.token, caller.simulator.api_key, session.ws_url.partition("token=")[2]):
        assert secret not in everything


def test_the_owners_own_questions_are_not(caller: Any) -> None:
    caller.simulator.ledger()
    caller.simulator.advance(1)
    assert caller.simulator.requests() == []
