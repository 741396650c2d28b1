"""A session from its token to its place in the history, and what the ledger says meanwhile."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

import pytest


def test_a_session_is_created_started_and_stopped(caller: Any) -> None:
    made = caller.token(max_session_duration=120)
    assert caller.entry(made["session_id"]).started_at is None
    assert not caller.simulator.billed()

    before = time.time()
    response = caller.start(made["session_token"])
    assert response.status_code == 201
    data = response.json()["data"]
    assert response.json()["code"] == 1000
    assert data["session_id"] == made["session_id"]
    assert data["max_session_duration"] == 120
    assert data["ws_url"].startswith("ws://127.0.0.1:")
    assert data["livekit_url"].endswith(f"/_simulator/room/{made['session_id']}")
    assert data["livekit_client_token"]
    assert [entry.session_id for entry in caller.simulator.billed()] == [made["session_id"]]

    caller.simulator.advance(30)
    assert caller.stop(made["session_id"]).status_code == 200
    entry = caller.entry(made["session_id"])
    assert (entry.seconds, entry.credits, entry.end_reason) == (30, Decimal("0.5"), "UNKNOWN")
    assert (entry.starts, entry.stops) == (1, 1)
    assert entry.started_at is not None
    assert entry.ended_at == entry.started_at + 30
    assert entry.start_received_at is not None
    assert entry.stop_received_at is not None
    assert before <= entry.start_received_at <= entry.stop_received_at <= time.time()
    assert not caller.simulator.billed()


def test_a_token_starts_once(caller: Any) -> None:
    session = caller.started()
    again = caller.start(session.token)
    assert again.status_code == 400
    assert again.json()["data"] is None
    assert caller.entry(session.id).starts == 2
    assert len(caller.simulator.billed()) == 1


def test_stop_takes_the_bearer_token_and_a_reason(caller: Any) -> None:
    session = caller.started()
    response = caller.bare("POST", "/v1/sessions/stop", headers=session.bearer, json={"reason": "USER_CLOSED"})
    assert response.status_code == 200
    assert caller.entry(session.id).end_reason == "USER_CLOSED"


def test_stop_twice_changes_nothing(caller: Any) -> None:
    session = caller.started()
    caller.simulator.advance(6)
    caller.stop(session.id)
    caller.simulator.advance(6)
    assert caller.stop(session.id).status_code == 200
    assert caller.bare("POST", "/v1/sessions/stop", headers=session.bearer).status_code == 200
    entry = caller.entry(session.id)
    assert (entry.seconds, entry.stops) == (6, 3)


def test_stop_of_an_unknown_session(caller: Any) -> None:
    assert caller.stop("11111111-2222-3333-4444-555555555555").status_code == 404
    assert caller.post("/v1/sessions/stop", {}).status_code == 400


def test_stop_before_the_start_kills_the_token(caller: Any) -> None:
    made = caller.token()
    assert caller.stop(made["session_id"]).status_code == 200
    assert caller.start(made["session_token"]).status_code == 400
    entry = caller.entry(made["session_id"])
    assert entry.started_at is None
    assert entry.credits == 0


def test_a_token_stops_no_other_session(caller: Any) -> None:
    one, other = caller.started(), caller.started()
    response = caller.bare("POST", "/v1/sessions/stop", headers=one.bearer, json={"session_id": other.id})
    assert response.status_code == 403
    assert len(caller.simulator.billed()) == 2


def test_the_lists_tell_active_from_historic(caller: Any) -> None:
    ended, running, created = caller.started(), caller.started(), caller.token()
    caller.simulator.advance(90)
    caller.stop(ended.id)

    (active,) = caller.get("/v1/sessions", type="active")["results"]
    (historic,) = caller.get("/v1/sessions", type="historic")["results"]
    assert active["id"] == running.id
    assert (active["duration"], active["credits_consumed"], active["mode"]) == (90, 1.5, "LITE")
    assert "end_reason" not in active
    assert historic["id"] == ended.id
    assert historic["end_reason"] == "UNKNOWN"
    assert historic["end_at"] > historic["created_at"]
    assert caller.get(f"/v1/sessions/{running.id}")["id"] == running.id
    assert caller.get(f"/v1/sessions/{created['session_id']}")["duration"] == 0
    assert caller.http.get("/v1/sessions/nobody").status_code == 404


def test_the_list_filters_and_turns_pages(calling: Any) -> None:
    caller = calling(concurrency=10)
    ann = caller.avatar("Ann")
    sessions = [caller.started() for _ in range(4)] + [caller.started(avatar_id=ann)]
    page = caller.get("/v1/sessions", type="active", page=2, page_size=2)
    assert page["count"] == 5
    assert [one["id"] for one in page["results"]] == [sessions[2].id, sessions[1].id]  # newest first
    assert caller.http.get(page["next"]).json()["data"]["results"][0]["id"] == sessions[0].id
    assert caller.http.get(page["previous"]).json()["data"]["results"][0]["id"] == sessions[4].id
    assert caller.get("/v1/sessions", type="active", page=9)["results"] == []
    (anns,) = caller.get("/v1/sessions", type="active", avatar_id=ann)["results"]
    assert anns["id"] == sessions[4].id
    assert caller.get("/v1/sessions", type="active", embed_id="e")["count"] == 0


def test_full_has_no_socket(caller: Any) -> None:
    context = caller.context()
    session = caller.started(mode="FULL", avatar_persona={"context_id": context})
    assert session.answer["ws_url"] is None
    assert caller.entry(session.id).mode == "FULL"
    assert caller.get("/v1/sessions", type="active", context_id=context)["count"] == 1
    assert caller.simulator.warnings() == []


def test_an_agent_of_elevenlabs_has_no_socket(caller: Any) -> None:
    agent = {"secret_id": caller.secret("ELEVENLABS_API_KEY"), "agent_id": "a"}
    assert caller.started(elevenlabs_agent_config=agent).answer["ws_url"] is None


def test_a_room_of_your_own_still_has_a_socket(caller: Any) -> None:
    room = {"livekit_url": "wss://example.org", "livekit_room": "room", "livekit_client_token": "secret-canary"}
    assert caller.started(livekit_config=room).ws_url
    assert "secret-canary" not in str(caller.simulator.requests())


@pytest.mark.parametrize(
    ("body", "warning"),
    [
        ({"mode": "CUSTOM"}, "CUSTOM"),
        ({"video_quality": "high"}, "video_quality"),
        ({"is_sandbx": True}, "is_sandbx"),
        ({"mode": "FULL", "avatar_persona": {}}, "context_id"),
    ],
)
def test_what_is_borne_is_noted(caller: Any, body: dict[str, Any], warning: str) -> None:
    caller.started(**body)
    (noted,) = caller.simulator.warnings()
    assert warning in noted


def test_an_image_avatar_without_a_voice_is_noted(caller: Any) -> None:
    caller.token(
        mode="FULL",
        avatar_id=caller.avatar("Noor (from a photo)"),
        avatar_persona={"context_id": caller.context()},
    )
    (noted,) = caller.simulator.warnings()
    assert "voice_id" in noted


def test_only_active_avatars_that_exist(caller: Any) -> None:
    def status(avatar_id: str) -> int:
        return int(caller.post("/v1/sessions/token", {"mode": "LITE", "avatar_id": avatar_id}).status_code)

    assert status(caller.avatar("Thaddeus")) == 400
    assert status(caller.avatar("Jonas")) == 400
    assert status("11111111-2222-3333-4444-555555555555") == 404
    assert status(caller.avatar("Silas").upper()) == 200


def test_the_plugins_start_carries_its_session_id(caller: Any) -> None:
    made = caller.token()
    bearer = {"Authorization": f"Bearer {made['session_token']}"}
    other = {"session_id": "11111111-2222-3333-4444-555555555555"}
    assert caller.bare("POST", "/v1/sessions/start", headers=bearer, json=other).status_code == 400
    right = {"session_id": made["session_id"]}
    assert caller.bare("POST", "/v1/sessions/start", headers=bearer, json=right).status_code == 201


def test_every_answer_has_an_id_of_its_own(caller: Any) -> None:
    ids = [caller.http.get(path).headers["X-Request-Id"] for path in ("/healthz", "/healthz", "/nowhere")]
    assert len(set(ids)) == 3


def test_what_is_not_there_answers_in_the_envelope(caller: Any) -> None:
    missing = caller.http.get("/v1/nowhere")
    assert (missing.status_code, missing.json()["data"], missing.json()["code"]) == (404, None, 4004)
    wrong = caller.http.put("/v1/sessions")
    assert (wrong.status_code, set(wrong.headers["Allow"].split(", "))) == (405, {"GET", "HEAD"})
    assert wrong.json()["code"] == 4005
