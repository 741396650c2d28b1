"""What a body may hold: 422 with the place of each fault."""

from __future__ import annotations

from typing import Any

import pytest

from liveavatar_nb.simulator.account.history import DESK, SECRET, TALK

ANN = "17c84221-a0d7-5c7a-a308-c13573a16a2e"
ID = "99999999-2222-3333-4444-555555555555"
LITE: dict[str, Any] = {"mode": "LITE", "avatar_id": ANN}
FULL: dict[str, Any] = {"mode": "FULL", "avatar_id": ANN, "avatar_persona": {}}
CONTEXT: dict[str, Any] = {"name": "n", "prompt": "p", "opening_text": None}
SECRET_BODY: dict[str, Any] = {"secret_name": "n", "secret_value": "v", "secret_type": "OPENAI_API_KEY"}
MODEL: dict[str, Any] = {"display_name": "d", "model_name": "m", "secret_id": SECRET}
EMBED: dict[str, Any] = {"avatar_id": ANN, "context_id": DESK}
AGENT: dict[str, Any] = {"secret_id": ID, "agent_id": "a"}


def persona(**fields: Any) -> dict[str, Any]:
    return {**FULL, "avatar_persona": fields}


@pytest.mark.parametrize(
    ("body", "where", "kind"),
    [
        ({}, ["avatar_id"], "missing"),
        ({**LITE, "avatar_id": "Ann"}, ["avatar_id"], "uuid_parsing"),
        ({**LITE, "avatar_id": f"{{{ANN}}}"}, ["avatar_id"], "uuid_parsing"),
        ({**LITE, "avatar_id": None}, ["avatar_id"], "uuid_parsing"),
        ({**LITE, "mode": "HALF"}, ["mode"], "enum"),
        ({**LITE, "mode": None}, ["mode"], "string_type"),
        ({**LITE, "is_sandbox": "yes"}, ["is_sandbox"], "bool_type"),
        ({**LITE, "is_sandbox": 1}, ["is_sandbox"], "bool_type"),
        ({**LITE, "max_session_duration": "60"}, ["max_session_duration"], "int_type"),
        ({**LITE, "max_session_duration": 60.5}, ["max_session_duration"], "int_type"),
        ({**LITE, "max_session_duration": True}, ["max_session_duration"], "int_type"),
        ({**LITE, "video_settings": "high"}, ["video_settings"], "model_attributes_type"),
        ({**LITE, "video_settings": {"quality": "ultra"}}, ["video_settings", "quality"], "enum"),
        ({**LITE, "video_settings": {"encoding": "AV1"}}, ["video_settings", "encoding"], "enum"),
        ({**LITE, "livekit_config": {"livekit_url": "wss://x"}}, ["livekit_config", "livekit_room"], "missing"),
        ({**LITE, "agora_config": {}}, ["agora_config", "agora_app_id"], "missing"),
        (
            {**LITE, "elevenlabs_agent_config": {**AGENT, "dynamic_variables": {"a": []}}},
            ["elevenlabs_agent_config", "dynamic_variables", "a"],
            "string_type",
        ),
        (
            {**LITE, "openai_realtime_config": {"secret_id": ID, "temperature": 0.5}},
            ["openai_realtime_config", "temperature"],
            "number_range",
        ),
        (
            {**LITE, "openai_realtime_config": {"secret_id": ID, "voice": "nobody"}},
            ["openai_realtime_config", "voice"],
            "enum",
        ),
        (
            {**LITE, "gemini_realtime_config": {"secret_id": ID, "temperature": True}},
            ["gemini_realtime_config", "temperature"],
            "float_type",
        ),
        ({"mode": "FULL", "avatar_id": ANN}, ["avatar_persona"], "missing"),
        (persona(voice_id="v"), ["avatar_persona", "voice_id"], "uuid_parsing"),
        (persona(language=None), ["avatar_persona", "language"], "string_type"),
        (
            persona(voice_settings={"provider": "fish", "speed": 2}),
            ["avatar_persona", "voice_settings", "provider"],
            "enum",
        ),
        (persona(stt_config={}), ["avatar_persona", "stt_config", "provider"], "missing"),
        ({**FULL, "interactivity_type": "SHOUT"}, ["interactivity_type"], "enum"),
        ({**FULL, "dynamic_variables": {"a": "x" * 1001}}, ["dynamic_variables", "a"], "string_too_long"),
        ({**FULL, "dynamic_variables": {str(n): "x" for n in range(51)}}, ["dynamic_variables"], "too_long"),
        ({**FULL, "dynamic_variables": []}, ["dynamic_variables"], "dict_type"),
        ({**FULL, "memory": {"prev_session_id": 7}}, ["memory", "prev_session_id"], "uuid_parsing"),
        ([], [], "model_attributes_type"),
    ],
)
def test_a_wrong_token_body(shared: Any, body: Any, where: list[str], kind: str) -> None:
    response = shared.post("/v1/sessions/token", body)
    assert response.status_code == 422
    assert {"loc": ["body", *where], "type": kind} in [
        {"loc": problem["loc"], "type": problem["type"]} for problem in response.json()["detail"]
    ]
    assert all(problem["msg"] for problem in response.json()["detail"])


@pytest.mark.parametrize(
    "body",
    [
        LITE,
        {"avatar_id": ANN},
        {**LITE, "is_sandbox": False, "video_settings": None, "max_session_duration": None, "livekit_config": None},
        {**LITE, "max_session_duration": 60.0},
        {**LITE, "video_settings": {}},
        {**LITE, "avatar_persona": "which LITE does not know"},
        {
            **LITE,
            "elevenlabs_agent_config": {
                "secret_id": SECRET,
                "agent_id": "a",
                "dynamic_variables": {"a": 1, "b": 1.5, "c": True, "d": "x"},
            },
        },
        {**LITE, "openai_realtime_config": {"secret_id": SECRET, "voice": "cedar", "temperature": 0.6}},
        {"avatar_id": ANN, "avatar_persona": {}},
        persona(voice_settings={"provider": "fish", "speed": 0.8, "model": "s2"}),
        persona(voice_settings={"speed": 1.2, "stability": 0, "model": "eleven_flash_v2_5"}),
        persona(voice_id=None, context_id=DESK, stt_config={"provider": "gladia"}, language="de"),
        {**FULL, "dynamic_variables": {"a": "x" * 1000}, "memory": {"prev_session_id": TALK}},
    ],
)
def test_a_right_token_body(furnished: Any, body: Any) -> None:
    assert furnished.post("/v1/sessions/token", body).status_code == 200


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b'{"avatar_id": NaN}', b"[" * 50_000, b"null", b'"\\ud800"'])
def test_no_json(shared: Any, content: bytes) -> None:
    response = shared.http.post("/v1/sessions/token", content=content)
    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == ["body"]


def test_a_lone_surrogate_breaks_nothing(shared: Any) -> None:
    body = b'{"avatar_id": "' + ANN.encode() + b'", "\\ud800": "\\udfff"}'
    assert shared.http.post("/v1/sessions/token", content=body).status_code == 200
    assert shared.simulator.requests()[-1]["status"] == 200


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("stop", {"session_id": "x"}),
        ("stop", {"reason": "BORED"}),
        ("stop", []),
        ("keep-alive", {"session_id": 1}),
        ("keep-alive", "x"),
    ],
)
def test_a_wrong_stop_or_keep_alive(shared: Any, path: str, body: Any) -> None:
    assert shared.post(f"/v1/sessions/{path}", body).status_code == 422


@pytest.mark.parametrize(
    ("call", "body", "where", "kind"),
    [
        ("POST /v1/contexts", {"name": "n", "prompt": "p"}, ["opening_text"], "missing"),
        ("POST /v1/contexts", {**CONTEXT, "name": None}, ["name"], "string_type"),
        ("POST /v1/contexts", {**CONTEXT, "links": {}}, ["links"], "list_type"),
        ("POST /v1/contexts", {**CONTEXT, "links": [{"url": "u"}]}, ["links", 0, "faq"], "missing"),
        (f"PATCH /v1/contexts/{DESK}", {"name": "n", "opening_text": None}, ["prompt"], "missing"),
        (f"PATCH /v1/avatars/{ANN}", {"name": 1}, ["name"], "string_type"),
        (f"PATCH /v1/voices/{ID}", {"name": ""}, ["name"], "string_too_short"),
        (f"PATCH /v1/voices/{ID}", {"name": "x" * 65}, ["name"], "string_too_long"),
        ("POST /v1/voices/third_party", {"secret_id": ID}, ["provider_voice_id"], "missing"),
        ("POST /v1/secrets", {**SECRET_BODY, "secret_value": ""}, ["secret_value"], "string_too_short"),
        ("POST /v1/secrets", {**SECRET_BODY, "secret_type": "KEY"}, ["secret_type"], "enum"),
        ("POST /v1/secrets", {**SECRET_BODY, "secret_name": "x" * 256}, ["secret_name"], "string_too_long"),
        ("POST /v1/llm-configurations", {**MODEL, "secret_id": "x" * 37}, ["secret_id"], "string_too_long"),
        ("POST /v1/llm-configurations", {**MODEL, "model_name": ""}, ["model_name"], "string_too_short"),
        ("POST /v1/memory", {"memory_type": "user", "session_id": ID}, ["memory_type"], "enum"),
        ("POST /v1/memory", {"memory_type": "session", "session_id": "x"}, ["session_id"], "uuid_parsing"),
        ("POST /v2/embeddings", {**EMBED, "type": "POPUP"}, ["type"], "enum"),
        ("POST /v2/embeddings", {**EMBED, "max_session_duration": 0}, ["max_session_duration"], "greater_than"),
        ("POST /v2/embeddings", {**EMBED, "default_language": "german"}, ["default_language"], "string_too_long"),
    ],
)
def test_a_wrong_body_of_a_resource(furnished: Any, call: str, body: Any, where: list[Any], kind: str) -> None:
    response = furnished.http.request(*call.split(), json=body)
    assert response.status_code == 422
    (problem,) = response.json()["detail"]
    assert (problem["loc"], problem["type"]) == (["body", *where], kind)
    assert problem["msg"]


@pytest.mark.parametrize(
    "path",
    [
        "/v1/voices?voice_type=mine",
        "/v1/voices?page=0",
        "/v1/memory?type=user",
        "/v1/contexts?page_size=101",
        f"/v1/sessions/{TALK}/transcript?start_timestamp=1.5",
        f"/v1/sessions/{TALK}/transcript?end_timestamp=",
    ],
)
def test_a_wrong_query_of_a_resource(furnished: Any, path: str) -> None:
    response = furnished.http.get(path)
    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == ["query", path.partition("?")[2].partition("=")[0]]


@pytest.mark.parametrize(
    "query",
    [
        "",
        "type=all",
        "type=",
        "type=active&page=0",
        "type=active&page=x",
        "type=active&page_size=0",
        "type=active&page_size=101",
        "type=active&page=-1",
    ],
)
def test_a_wrong_query(shared: Any, query: str) -> None:
    response = shared.http.get(f"/v1/sessions?{query}")
    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"][0] == "query"


def test_a_page_far_behind_the_end_is_empty(shared: Any) -> None:
    assert shared.get("/v1/avatars/public", page=10**60)["results"] == []


def test_two_faults_are_both_told(shared: Any) -> None:
    detail = shared.post("/v1/sessions/token", {**LITE, "avatar_id": 1, "is_sandbox": 1}).json()["detail"]
    assert [problem["loc"][-1] for problem in detail] == ["avatar_id", "is_sandbox"]
