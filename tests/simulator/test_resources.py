"""What is made can be listed, looked up, changed and taken back; what is not there is a 404, what is not mine a 403."""

from __future__ import annotations

import base64
import io
import wave
from array import array
from typing import Any

import pytest

from ..photos import PHOTO, photo

NOWHERE = "99999999-2222-3333-4444-555555555555"
CONTEXT = {
    "name": "Guide",
    "prompt": "Greet ${visitor}.",
    "opening_text": "Hello ${visitor}, ${friend} and {{you}}!",
}


def ids(caller: Any, path: str, **query: Any) -> list[str]:
    data = caller.get(path, **query)
    return [one["id"] for one in (data if isinstance(data, list) else data["results"])]


def gone(caller: Any, path: str) -> bool:
    return bool(caller.http.get(path).status_code == 404 and caller.http.delete(path).status_code == 404)


def test_a_context_from_its_making_to_its_end(caller: Any) -> None:
    made = caller.post("/v1/contexts", {**CONTEXT, "links": [{"url": "https://example.org", "faq": None}]}).json()[
        "data"
    ]
    path = f"/v1/contexts/{made['id']}"
    assert made["required_dynamic_variables"] == ["visitor", "friend"]
    (link,) = made["links"]
    assert (link["url"], link["faq"], len(link["id"])) == ("https://example.org", None, 36)
    assert caller.get(path) == made
    (item,) = caller.get("/v1/contexts")["results"]
    assert item == {name: made[name] for name in ("id", "name", "created_at", "updated_at")}

    caller.simulator.advance(5)
    changed = caller.http.patch(path, json={"name": "Desk", "prompt": "p", "opening_text": None}).json()["data"]
    assert (changed["name"], changed["opening_text"], changed["required_dynamic_variables"]) == ("Desk", None, [])
    assert changed["links"] == made["links"]
    assert changed["created_at"] == made["created_at"] < changed["updated_at"]
    assert caller.get(path.upper().replace("/V1/CONTEXTS", "/v1/contexts")) == changed

    second = caller.context()
    assert ids(caller, "/v1/contexts") == [second, made["id"]]  # newest first
    assert caller.http.delete(path).status_code == 200
    assert gone(caller, path)
    assert ids(caller, "/v1/contexts") == [second]


def test_a_link_keeps_the_id_that_it_is_given(caller: Any) -> None:
    made = caller.post("/v1/contexts", {**CONTEXT, "links": [{"url": "u", "faq": "f", "id": NOWHERE}]}).json()["data"]
    assert made["links"] == [{"url": "u", "faq": "f", "id": NOWHERE}]


def test_a_full_session_needs_the_contexts_variables(caller: Any) -> None:
    context = caller.context(prompt=CONTEXT["prompt"], opening_text=CONTEXT["opening_text"])
    body = {"mode": "FULL", "avatar_id": caller.avatar("Silas"), "avatar_persona": {"context_id": context}}
    refused = caller.post("/v1/sessions/token", {**body, "dynamic_variables": {"visitor": "Alex"}})
    assert refused.status_code == 422
    (problem,) = refused.json()["detail"]
    assert problem["loc"] == ["body", "dynamic_variables", "friend"]
    assert "friend" in problem["msg"]
    session = caller.started(**{**body, "dynamic_variables": {"visitor": "Alex", "friend": "Kim"}})
    told = caller.get(f"/v1/sessions/{session.id}/transcript")
    assert [line["transcript"] for line in told["transcript_data"]] == ["Hello Alex, Kim and {{you}}!"]


@pytest.mark.parametrize(
    ("field", "body"),
    [
        ("avatar_id", {"avatar_id": NOWHERE}),
        ("avatar_persona.context_id", {"avatar_persona": {"context_id": NOWHERE}}),
        ("avatar_persona.voice_id", {"avatar_persona": {"voice_id": NOWHERE}}),
        ("llm_configuration_id", {"avatar_persona": {}, "llm_configuration_id": NOWHERE}),
        ("memory.prev_session_id", {"avatar_persona": {}, "memory": {"prev_session_id": NOWHERE}}),
        ("memory.session_memory_id", {"avatar_persona": {}, "memory": {"session_memory_id": NOWHERE}}),
        ("elevenlabs_agent_config.secret_id", {"elevenlabs_agent_config": {"secret_id": NOWHERE, "agent_id": "a"}}),
        ("openai_realtime_config.secret_id", {"openai_realtime_config": {"secret_id": NOWHERE}}),
        ("gemini_realtime_config.secret_id", {"gemini_realtime_config": {"secret_id": NOWHERE}}),
    ],
)
def test_a_token_names_what_it_does_not_find(shared: Any, field: str, body: dict[str, Any]) -> None:
    mode = "FULL" if "avatar_persona" in body else "LITE"
    response = shared.post("/v1/sessions/token", {"mode": mode, "avatar_id": shared.avatar("Silas"), **body})
    assert response.status_code == 404
    assert field in response.json()["message"]
    assert NOWHERE in response.json()["message"]


def test_the_public_voices(shared: Any) -> None:
    voices = shared.get("/v1/voices", page_size=100)["results"]
    assert len(voices) >= 12
    assert {voice["gender"] for voice in voices} == {"female", "male"}
    assert len({voice["language"] for voice in voices}) >= 6
    assert all(voice["tags"] and voice["description"] for voice in voices)
    assert shared.get("/v1/voices", voice_type="public", page_size=100)["results"] == voices
    assert shared.get("/v1/voices", voice_type="private")["results"] == []
    assert shared.get(f"/v1/voices/{voices[0]['id']}") == voices[0]
    path = f"/v1/voices/{voices[0]['id']}"
    assert shared.http.patch(path, json={"name": "x"}).status_code == 403
    assert shared.http.delete(path).status_code == 403


def test_every_voice_can_be_heard(shared: Any) -> None:
    heard = set()
    for voice in ids(shared, "/v1/voices"):
        audio = shared.get(f"/v1/voices/{voice}/preview")["audio_base64"]
        assert audio == shared.get(f"/v1/voices/{voice}/preview")["audio_base64"]
        data = base64.b64decode(audio, validate=True)
        assert len(data) < 60_000
        with wave.open(io.BytesIO(data)) as sound:
            assert (sound.getframerate(), sound.getnchannels(), sound.getsampwidth()) == (24_000, 1, 2)
            assert 0.8 <= sound.getnframes() / 24_000 <= 1.2
            samples = array("h", sound.readframes(sound.getnframes()))
        assert 3_000 < max(samples) < 30_000, "neither silent nor clipped"
        assert abs(samples[0]) < 100, "no click at the start"
        assert abs(samples[-1]) < 100, "nor at the end"
        heard.add(data)
    assert len(heard) == len(ids(shared, "/v1/voices"))


def test_a_voice_that_is_bound(caller: Any) -> None:
    lost = caller.post("/v1/voices/third_party", {"provider_voice_id": "v", "secret_id": NOWHERE})
    assert (lost.status_code, "secret_id" in lost.json()["message"]) == (404, True)
    secret = caller.secret("ELEVENLABS_API_KEY")
    mine = caller.made("/v1/voices/third_party", {"provider_voice_id": "v1", "secret_id": secret, "name": "Narrator"})
    path = f"/v1/voices/{mine}"
    assert caller.get(path)["name"] == "Narrator"
    assert ids(caller, "/v1/voices", voice_type="private") == [mine]
    assert ids(caller, "/v1/voices", page_size=100)[0] == mine
    assert caller.get(f"{path}/preview")["audio_base64"]
    assert caller.http.patch(path, json={"name": "Reader"}).json()["data"]["name"] == "Reader"
    assert caller.get(path)["name"] == "Reader"
    assert caller.http.delete(path).json()["data"] is None
    assert gone(caller, path)
    assert caller.http.get(f"{path}/preview").status_code == 404
    unnamed = caller.made("/v1/voices/third_party", {"provider_voice_id": "v2", "secret_id": secret})
    assert caller.get(f"/v1/voices/{unnamed}")["name"] == "v2"


def test_an_avatars_voice_is_one_of_the_voices(shared: Any) -> None:
    voices = {voice["id"]: voice["name"] for voice in shared.get("/v1/voices", page_size=100)["results"]}
    avatars = shared.get("/v1/avatars/public", page_size=100)["results"] + shared.get("/v1/avatars")["results"]
    for avatar in avatars:
        if avatar["default_voice"] is None:
            assert avatar["type"] == "IMAGE"
        else:
            assert voices[avatar["default_voice"]["id"]] == avatar["default_voice"]["name"]


def test_an_avatar_of_mine_changes(caller: Any) -> None:
    path = f"/v1/avatars/{caller.avatar('Noor (from a photo)')}"
    before, voice = caller.get(path), caller.get("/v1/voices")["results"][0]
    changed = caller.http.patch(path, json={"name": "Noor", "default_voice_id": voice["id"]}).json()["data"]
    assert changed["default_voice"] == {"id": voice["id"], "name": voice["name"]}
    assert changed["updated_at"] > before["updated_at"]
    assert caller.get(path) == changed
    assert changed in caller.get("/v1/avatars")["results"]
    assert caller.http.patch(path, json={"name": None}).json()["data"]["name"] == "Noor"
    lost = caller.http.patch(path, json={"default_voice_id": NOWHERE})
    assert (lost.status_code, "default_voice_id" in lost.json()["message"]) == (404, True)
    # now it has a voice, and FULL needs none
    caller.token(mode="FULL", avatar_id=changed["id"], avatar_persona={"context_id": caller.context()})
    assert caller.simulator.warnings() == []


def test_a_public_avatar_does_not(shared: Any) -> None:
    path = f"/v1/avatars/{shared.avatar('Ann')}"
    assert shared.http.patch(path, json={"name": "Bea"}).status_code == 403
    assert shared.http.delete(path).status_code == 403
    assert shared.get(path)["name"] == "Ann"


def test_a_deleted_avatar_ends_its_sessions(caller: Any) -> None:
    avatar = caller.avatar("Elena")
    running, other = caller.started(avatar_id=avatar), caller.started()
    created = caller.token(avatar_id=avatar)
    caller.simulator.advance(30)
    assert caller.http.delete(f"/v1/avatars/{avatar}").status_code == 200
    entry = caller.entry(running.id)
    assert (entry.end_reason, entry.seconds) == ("AVATAR_DELETED", 30)
    assert [one.session_id for one in caller.simulator.billed()] == [other.id]
    assert caller.start(created["session_token"]).status_code == 400
    assert gone(caller, f"/v1/avatars/{avatar}")
    assert avatar not in ids(caller, "/v1/avatars")
    assert caller.post("/v1/sessions/token", {"avatar_id": avatar}).status_code == 404


def test_languages_are_for_everybody(shared: Any) -> None:
    languages = shared.bare("GET", "/v1/languages").json()["data"]
    assert {"language": "German", "code": "de"} in languages
    assert len({language["code"] for language in languages}) == len(languages) > 10


def test_an_embed(caller: Any) -> None:
    body = {"avatar_id": caller.avatar("Ann"), "context_id": caller.context()}
    made = caller.post("/v2/embeddings", {**body, "orientation": "vertical"}).json()["data"]
    assert made["orientation"] == "vertical"
    assert made["embed_id"] in made["url"]
    assert made["url"] in made["script"]
    for name in ("avatar_id", "context_id", "voice_id"):
        lost = caller.post("/v2/embeddings", {**body, name: NOWHERE})
        assert (lost.status_code, name in lost.json()["message"]) == (404, True)


def test_a_secrets_value_is_never_told(caller: Any) -> None:
    secret = caller.secret()
    listed = caller.get("/v1/secrets")
    assert [(one["id"], one["secret_name"], one["secret_type"]) for one in listed] == [
        (secret, "Mine", "OPENAI_API_KEY")
    ]
    everything = f"{listed} {caller.simulator.requests()} {caller.simulator.warnings()}"
    assert "secret-canary" not in everything
    assert caller.http.delete(f"/v1/secrets/{secret}").json()["data"] is None
    assert caller.http.delete(f"/v1/secrets/{secret}").status_code == 404
    assert caller.get("/v1/secrets") == []


def test_a_language_model_from_its_making_to_its_end(caller: Any) -> None:
    body = {"display_name": "Mine", "model_name": "m", "base_url": "https://example.org/v1"}
    lost = caller.post("/v1/llm-configurations", {**body, "secret_id": NOWHERE})
    assert (lost.status_code, "secret_id" in lost.json()["message"]) == (404, True)
    made = caller.made("/v1/llm-configurations", {**body, "secret_id": caller.secret()})
    path = f"/v1/llm-configurations/{made}"
    other = caller.secret()
    changed = caller.http.patch(path, json={"model_name": "n", "secret_id": other, "display_name": None}).json()["data"]
    assert (changed["model_name"], changed["secret_id"], changed["display_name"]) == ("n", other, "Mine")
    assert changed["base_url"] == body["base_url"]
    assert caller.http.patch(path, json={"base_url": None}).json()["data"]["base_url"] is None
    assert caller.http.patch(path, json={"secret_id": NOWHERE}).status_code == 404
    assert caller.get("/v1/llm-configurations") == [
        {"id": made, "display_name": "Mine", "model_name": "n", "secret_id": other}
    ]
    assert caller.http.delete(path).json()["data"] is None
    assert gone(caller, path)


def test_a_memory_of_a_session_that_ended(caller: Any) -> None:
    session = caller.started(mode="FULL", avatar_persona={"context_id": caller.context(opening_text="Hello!")})
    body = {"memory_type": "session", "session_id": session.id}
    assert caller.post("/v1/memory", body).status_code == 400
    caller.stop(session.id)
    made = caller.post("/v1/memory", body).json()["data"]
    path = f"/v1/memory/{made['id']}"
    assert ids(caller, "/v1/memory", type="session") == [made["id"]]
    assert caller.get(path)["id"] == made["id"]
    lost = caller.post("/v1/memory", {**body, "session_id": NOWHERE})
    assert (lost.status_code, "session_id" in lost.json()["message"]) == (404, True)
    done = caller.http.delete(path)
    assert (done.status_code, done.content, done.headers.get("content-length")) == (204, b"", None)
    assert gone(caller, path)


def test_a_transcript_by_its_span(furnished: Any) -> None:
    found = furnished.get("/v1/sessions", type="historic")["results"]
    talk = next(one["id"] for one in found if one["mode"] == "FULL")
    path = f"/v1/sessions/{talk}/transcript"
    whole = furnished.get(path)
    assert (whole["session_active"], whole["next_timestamp"]) == (False, None)
    times = [line["absolute_timestamp"] for line in whole["transcript_data"]]
    assert times == sorted(times)
    assert furnished.get(path, start_timestamp=times[2])["transcript_data"] == whole["transcript_data"][2:]
    assert furnished.get(path, end_timestamp=times[2])["transcript_data"] == whole["transcript_data"][:3]
    span = furnished.get(path, start_timestamp=times[1], end_timestamp=times[1])["transcript_data"]
    assert span == whole["transcript_data"][1:2]
    assert furnished.http.get(path, params={"start_timestamp": "now"}).status_code == 422


def test_the_transcript_of_a_running_session_goes_on(caller: Any) -> None:
    session = caller.started(mode="FULL", avatar_persona={"context_id": caller.context(opening_text="Hello!")})
    path = f"/v1/sessions/{session.id}/transcript"
    told = caller.get(path)
    (line,) = told["transcript_data"]
    assert (line["role"], line["relative_timestamp"]) == ("avatar", 0)
    assert told["session_active"] is True
    assert caller.get(path, start_timestamp=told["next_timestamp"])["transcript_data"] == []


def test_events_are_deleted_of_what_ended(caller: Any) -> None:
    session = caller.started(mode="FULL", avatar_persona={"context_id": caller.context(opening_text="Hello!")})
    path = f"/v1/sessions/{session.id}"
    assert caller.http.delete(f"{path}/events").status_code == 400
    caller.stop(session.id)
    assert len(caller.get(f"{path}/transcript")["transcript_data"]) == 1
    assert caller.http.delete(f"{path}/events").status_code == 200
    assert caller.get(f"{path}/transcript")["transcript_data"] == []
    assert caller.http.delete(f"/v1/sessions/{NOWHERE}/events").status_code == 404


def upload(caller: Any, data: bytes = PHOTO, **fields: str) -> Any:
    return caller.http.post("/v1-alpha/avatars/image", files={"file": ("me.png", data, "image/png")}, data=fields)


def test_an_avatar_from_a_photo_is_active_after_a_while(caller: Any) -> None:
    made = upload(caller, resolution="1080").json()["data"]
    assert (made["type"], made["status"], made["default_voice"], made["is_1080p"]) == ("IMAGE", "INIT", None, True)
    assert made["id"] in ids(caller, "/v1/avatars")
    token = {"avatar_id": made["id"], "mode": "LITE"}
    assert caller.post("/v1/sessions/token", token).status_code == 400
    caller.simulator.advance(29)
    assert caller.get(f"/v1/avatars/{made['id']}") == made
    caller.simulator.advance(1)
    ready = caller.get(f"/v1/avatars/{made['id']}")
    assert (ready["status"], ready["created_at"]) == ("ACTIVE", made["created_at"])
    assert ready["updated_at"] > made["updated_at"]
    assert caller.post("/v1/sessions/token", token).status_code == 200
    assert upload(caller).json()["data"]["is_1080p"] is False


def test_the_bytes_of_a_photo_arrive_as_they_are(caller: Any) -> None:
    # what a parser of lines would stumble over, before the size and after it
    comment = bytes(range(256)) * 4 + b"\r\n--\r\n\r\n\n\r"
    jpeg = b"\xff\xd8\xff\xfe" + (len(comment) + 2).to_bytes(2) + comment
    jpeg += b"\xff\xc0\0\x11\x08" + (1080).to_bytes(2) + (1920).to_bytes(2) + comment
    assert upload(caller, jpeg).status_code == 200


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (photo(1920, 1081), "16:9 or 9:16, not 1920x1081"),
        (photo(1280, 720), "short side must be at least 1080 pixels, not 720"),
        (photo(0, 0), "16:9 or 9:16"),
        (b"GIF89a", "JPEG or PNG"),
        (b"\xff\xd8\xff", "JPEG or PNG"),
        (b"", "JPEG or PNG"),
    ],
)
def test_a_photo_that_breaks_a_rule_is_a_400_with_the_reason(caller: Any, data: bytes, told: str) -> None:
    response = upload(caller, data)
    assert response.status_code == 400
    assert told in response.json()["message"]


@pytest.mark.parametrize(
    ("request_body", "field"),
    [
        ({"json": {"file": "x"}}, "file"),
        ({"data": {"resolution": "720"}}, "file"),
        ({"files": {"resolution": (None, "720")}}, "file"),
        ({"files": {"file": (None, "text")}}, "file"),
        ({"files": {"file": PHOTO, "resolution": (None, "4k")}}, "resolution"),
        ({"content": b"--x\r\n", "headers": {"Content-Type": "multipart/form-data"}}, "file"),
    ],
)
def test_a_form_that_is_none_is_a_422(caller: Any, request_body: dict[str, Any], field: str) -> None:
    response = caller.http.post("/v1-alpha/avatars/image", **request_body)
    assert response.status_code == 422
    assert [one["loc"] for one in response.json()["detail"]] == [["body", field]]


def test_voice_agents_of_each_type_are_there(caller: Any) -> None:
    listed = caller.get("/v1/voice_agents")
    assert [one["agent_type"] for one in listed] == ["liveavatar_agent", "elevenlabs_agent", "cartesia_agent"]
    for one in listed:
        found = caller.get(f"/v1/voice_agents/{one['id']}")
        assert found.pop("agent_configuration")
        assert found == one
    assert caller.http.get(f"/v1/voice_agents/{NOWHERE}").status_code == 404


def agent_of(caller: Any, kind: str) -> dict[str, Any]:
    return {"id": next(one["id"] for one in caller.get("/v1/voice_agents") if one["agent_type"] == kind)}


def test_a_voice_agent_leads_a_full_session(caller: Any) -> None:
    started = caller.started(mode="FULL", voice_agent=agent_of(caller, "liveavatar_agent"))
    session = caller.get(f"/v1/sessions/{started.id}")
    assert (session["mode"], started.answer["ws_url"]) == ("FULL", None)
    (said,) = caller.get(f"/v1/sessions/{started.id}/transcript")["transcript_data"]
    assert said["transcript"] == "Hello! What would you like to talk about?"


def test_what_is_beside_the_id_overrides_the_agents_own(caller: Any) -> None:
    own = caller.context(opening_text="Hello from mine!")
    agent = agent_of(caller, "liveavatar_agent")
    started = caller.started(mode="FULL", voice_agent={**agent, "context_id": own})
    (said,) = caller.get(f"/v1/sessions/{started.id}/transcript")["transcript_data"]
    assert said["transcript"] == "Hello from mine!"
    wrong = {"mode": "FULL", "avatar_id": caller.avatar("Silas"), "voice_agent": {**agent, "language": 3}}
    assert caller.post("/v1/sessions/token", wrong).status_code == 422


@pytest.mark.parametrize("kind", ["elevenlabs_agent", "cartesia_agent"])
def test_an_agent_of_another_provider_makes_it_lite_without_a_socket(caller: Any, kind: str) -> None:
    started = caller.started(mode="FULL", voice_agent=agent_of(caller, kind))
    session = caller.get(f"/v1/sessions/{started.id}")
    assert (session["mode"], started.answer["ws_url"]) == ("LITE", None)


def test_an_agent_of_cartesia_has_no_socket(caller: Any) -> None:
    agent = {"secret_id": caller.secret("CARTESIA_API_KEY"), "agent_id": "a"}
    assert caller.started(cartesia_agent_config=agent).answer["ws_url"] is None
    agent["secret_id"] = NOWHERE
    token = {"mode": "LITE", "avatar_id": caller.avatar("Silas"), "cartesia_agent_config": agent}
    assert caller.post("/v1/sessions/token", token).status_code == 404


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"avatar_persona": {}, "voice_agent": {"id": NOWHERE}}, 422),
        ({"voice_agent": {"id": NOWHERE}}, 404),
        ({"voice_agent": {}}, 422),
        ({"voice_agent": {"id": ""}}, 422),
        ({"voice_agent": NOWHERE}, 422),
    ],
)
def test_a_full_token_has_exactly_one_persona(caller: Any, body: dict[str, Any], status: int) -> None:
    token = {"mode": "FULL", "avatar_id": caller.avatar("Silas"), **body}
    assert caller.post("/v1/sessions/token", token).status_code == status


def test_what_the_vendors_examples_name_is_there(caller: Any) -> None:
    starter, pipecat = "65f9e3c9-d48b-4118-b73a-4ae2e3cbb8f0", "1c690fe7-23e0-49f9-bfba-14344450285b"
    context = "5b9dba8a-aa31-11f0-a6ee-066a7fa2e369"
    voices = "c2527536-6d1f-4412-a643-53a3497dada9", "62bbb4b2-bb26-4727-bc87-cfb2bd4e0cc8"
    assert {starter, pipecat} <= set(ids(caller, "/v1/avatars/public", page_size=100))
    assert set(voices) <= set(ids(caller, "/v1/voices", page_size=100))
    for avatar in (starter, pipecat):
        for voice in voices:
            persona = {"voice_id": voice, "context_id": context}
            assert caller.token(mode="FULL", avatar_id=avatar, avatar_persona=persona)
    # it is the vendor's, not the account's
    assert ids(caller, "/v1/contexts") == []
    path = f"/v1/contexts/{context}"
    assert caller.http.patch(path, json=CONTEXT).status_code == caller.http.delete(path).status_code == 403
    assert caller.get(path)["id"] == context


@pytest.mark.parametrize(
    ("plan", "seconds", "has_1080p"),
    [("free", 120, False), ("starter", 300, False), ("essential", 1200, True), ("business", 3600, True)],
)
def test_a_plan_limits_how_long_and_how_large(calling: Any, plan: str, seconds: int, has_1080p: bool) -> None:
    caller = calling(plan=plan)
    assert caller.started().answer["max_session_duration"] == seconds
    token = {"mode": "LITE", "avatar_id": caller.avatar("Silas")}
    assert caller.post("/v1/sessions/token", {**token, "max_session_duration": seconds + 1}).status_code == 400
    very_high = {**token, "video_settings": {"quality": "very_high"}}
    for response in (caller.post("/v1/sessions/token", very_high), upload(caller, resolution="1080")):
        assert response.status_code == (200 if has_1080p else 403)
        assert has_1080p or plan in response.json()["message"]
    assert upload(caller, resolution="720").status_code == 200


def test_a_length_of_its_own_goes_before_the_plans(calling: Any) -> None:
    assert calling(plan="free", max_session_seconds=10).started().answer["max_session_duration"] == 10
    assert calling().started().answer["max_session_duration"] == 1200
