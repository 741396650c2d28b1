"""What a new account has from before: to be looked at, and booked nowhere."""

from __future__ import annotations

from datetime import datetime
from typing import Any

PRICE = {"FULL": 2, "LITE": 1}


def test_sessions_of_the_last_days(furnished: Any) -> None:
    page = furnished.get("/v1/sessions", type="historic")
    sessions = page["results"]
    assert page["count"] == len(sessions) == 6
    assert {session["mode"] for session in sessions} == {"FULL", "LITE"}
    assert len({session["end_reason"] for session in sessions}) >= 4
    assert [session["is_sandbox"] for session in sessions].count(True) == 1
    created = [session["created_at"] for session in sessions]
    assert created == sorted(created, reverse=True), "newest first"
    for session in sessions:
        price = 0 if session["is_sandbox"] else PRICE[session["mode"]]
        assert session["credits_consumed"] == round(price * session["duration"] / 60, 6)
        took = datetime.fromisoformat(session["end_at"]) - datetime.fromisoformat(session["created_at"])
        assert session["duration"] <= took.total_seconds() <= session["duration"] + 5
        assert furnished.get(f"/v1/sessions/{session['id']}") == session
    assert furnished.get("/v1/sessions", type="active")["count"] == 0


def test_what_was_said(furnished: Any) -> None:
    talks = []
    for session in furnished.get("/v1/sessions", type="historic")["results"]:
        lines = furnished.get(f"/v1/sessions/{session['id']}/transcript")["transcript_data"]
        if lines:
            assert session["mode"] == "FULL"
            assert {line["role"] for line in lines} == {"user", "avatar"}
            assert max(line["relative_timestamp"] for line in lines) < session["duration"]
            talks.append(len(lines))
    assert len(talks) == 2
    assert all(6 <= count <= 10 for count in talks)


def test_what_else_there_is(furnished: Any) -> None:
    contexts = [furnished.get(f"/v1/contexts/{one['id']}") for one in furnished.get("/v1/contexts")["results"]]
    assert sorted(len(context["required_dynamic_variables"]) for context in contexts) == [0, 1]
    (secret,) = furnished.get("/v1/secrets")
    (model,) = furnished.get("/v1/llm-configurations")
    assert model["secret_id"] == secret["id"]
    (memory,) = furnished.get("/v1/memory")["results"]
    detail = furnished.get(f"/v1/memory/{memory['id']}")
    assert detail["memory_content"].startswith(memory["memory_content_preview"])
    (episode,) = detail["session_episodes"]
    assert furnished.get(f"/v1/sessions/{episode['session_id']}")["mode"] == "FULL"


def test_nothing_of_it_is_booked(furnished: Any) -> None:
    assert furnished.simulator.ledger() == []
    assert furnished.simulator.billed() == []
    assert furnished.get("/v1/users/credits") == {"credits_left": "100"}


def test_an_account_without(shared: Any) -> None:
    assert shared.get("/v1/sessions", type="historic")["count"] == 0
    for path in ("/v1/contexts", "/v1/memory"):
        assert shared.get(path)["count"] == 0
    for path in ("/v1/secrets", "/v1/llm-configurations"):
        assert shared.get(path) == []
