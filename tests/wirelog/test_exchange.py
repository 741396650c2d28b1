"""A request that was made, as curl and as Python: both do the same again, and neither shows a secret."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from liveavatar_nb import LiveAvatar, Masked, Simulator
from liveavatar_nb.errors import LiveAvatarException
from liveavatar_nb.wirelog.exchange import Exchange
from liveavatar_nb.wirelog.har import har

from ..photos import PHOTO

PROMPT = 'It\'s "quoted", $HOME, `ls`, \\n, 100 %, \u00fcn\u00ef, \U0001f642\nsecond line @@NAME@@'
CANARY = "canary-5f1c"


def last(la: LiveAvatar) -> Exchange:
    assert la.api.last is not None
    return la.api.last


def again(
    la: LiveAvatar, simulator: Simulator, kind: str, folder: Path | None = None, **variables: str
) -> dict[str, object]:
    """Does the last request again, in a process of its own; what was answered."""
    text = last(la).curl() if kind == "curl" else last(la).python()
    if kind == "curl" and shutil.which("curl") is None:
        pytest.skip("there is no curl")
    command = ["sh", "-c", f"{text} --silent"] if kind == "curl" else [sys.executable, "-c", text]
    environment = {**os.environ, "LIVEAVATAR_API_KEY": simulator.api_key, "NO_PROXY": "127.0.0.1", **variables}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False, cwd=folder)
    assert done.returncode == 0, done.stderr
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


@pytest.mark.parametrize("kind", ["curl", "python"])
def test_a_request_can_be_made_again_elsewhere(la: LiveAvatar, simulator: Simulator, kind: str) -> None:
    made = la.api.contexts.create(name="Guide", prompt=PROMPT, opening_text=None)
    answer = again(la, simulator, kind)
    assert answer["code"] == 1000
    copy = la.api.contexts.get(answer["data"]["id"])  # type: ignore[index]
    assert (copy.name, copy.prompt, copy.opening_text) == (made.name, made.prompt, None)
    found = la.api.voices.list(voice_type="public", page_size=3).page(2)
    answer = again(la, simulator, kind)
    assert [voice["id"] for voice in answer["data"]["results"]] == [voice.id for voice in found]  # type: ignore[index]


@pytest.mark.parametrize("kind", ["curl", "python"])
def test_a_secret_of_the_body_is_a_variable(la: LiveAvatar, simulator: Simulator, kind: str) -> None:
    la.api.secrets.create(secret_name="it's mine", secret_value=Masked(CANARY), secret_type="GEMINI_API_KEY")
    shown = last(la).curl() + last(la).python() + repr(last(la)) + repr(vars(last(la)))
    assert CANARY not in shown
    assert simulator.api_key not in shown
    again(la, simulator, kind, SECRET_VALUE="another secret")
    assert [one.secret_name for one in la.api.secrets.list()].count("it's mine") == 2


@pytest.mark.parametrize("kind", ["curl", "python"])
def test_a_sessions_own_token_is_a_variable(la: LiveAvatar, simulator: Simulator, kind: str) -> None:
    token = la.api.sessions.create_token(avatar_id=la.avatars()["Silas"].id)
    la.api.sessions.start(token.session_id, token.session_token)
    la.api.sessions.keep_alive(session_token=token.session_token)
    assert token.session_token not in last(la).curl() + last(la).python()
    assert again(la, simulator, kind, SESSION_TOKEN=token.session_token)["code"] == 1000
    la.api.sessions.stop(token.session_id)


def test_it_tells_how_the_request_went(la: LiveAvatar, simulator: Simulator) -> None:
    assert la.api.last is None
    la.credits()
    assert last(la).status == 200
    assert last(la).request_id
    assert 0 < (last(la).seconds or 0) < 10
    assert "GET" in repr(last(la))
    simulator.faults.add("credits", "drop_before", times=None)
    with pytest.raises(LiveAvatarException):
        la.credits()
    assert last(la).status is None
    assert "no answer" in repr(last(la))
    assert "got no response" in (last(la).error or "")


def test_it_has_the_answer_without_its_secrets(la: LiveAvatar, simulator: Simulator) -> None:
    token = la.api.sessions.create_token(avatar_id=la.avatars()["Silas"].id)
    answer = last(la).answer
    assert answer["data"] == {"session_id": token.session_id, "session_token": "<masked>"}
    assert token.session_token not in repr(vars(last(la)))
    assert last(la).session_id == token.session_id
    started = la.api.sessions.start(token.session_id, token.session_token)
    assert last(la).answer["data"]["ws_url"] == "<masked>"
    assert str(started.ws_url) not in repr(vars(last(la)))
    la.api.sessions.stop(token.session_id)
    with pytest.raises(LiveAvatarException):
        la.api.voices.get(token.session_id)
    assert last(la).status == 404
    assert last(la).answer["message"]
    assert last(la).answer["message"] in (last(la).error or "")
    simulator.faults.add("credits", "garbage", body="no JSON")
    with pytest.raises(LiveAvatarException):
        la.credits()
    assert last(la).answer is None


def test_what_a_422_echoes_of_a_secret_is_left_out(la: LiveAvatar, simulator: Simulator) -> None:
    echo = {"detail": [{"loc": ["body", "secret_value"], "msg": f"not {CANARY}", "type": "x", "input": CANARY[:6]}]}
    simulator.faults.add("post_v1_secrets", "status", status=422, body=json.dumps(echo))
    with pytest.raises(LiveAvatarException):
        la.api.secrets.create(secret_name="mine", secret_value=CANARY, secret_type="GEMINI_API_KEY")
    kept = {"loc": ["body", "secret_value"], "msg": "not <masked>", "type": "x"}
    assert last(la).answer == {"detail": [kept]}


@pytest.mark.parametrize("kind", ["curl", "python"])
def test_an_upload_can_be_made_again_elsewhere(la: LiveAvatar, simulator: Simulator, kind: str, tmp_path: Path) -> None:
    made = la.api.avatars.create_from_image(PHOTO, resolution="1080")
    (tmp_path / "image.png").write_bytes(PHOTO)
    answer = again(la, simulator, kind, folder=tmp_path)
    copy = la.api.avatars.get(answer["data"]["id"])  # type: ignore[index]
    assert copy.id != made.id
    assert (copy.type, copy.is_1080p) == ("IMAGE", True)


def test_an_upload_is_told_by_its_size_and_none_of_its_bytes_are_kept(la: LiveAvatar) -> None:
    large = PHOTO + CANARY.encode() * 100_000
    la.api.avatars.create_from_image(large)
    sent = last(la)
    assert sent.payload["sent"] == {"file": f"<image/png, {len(large):,} bytes>", "resolution": "720"}
    assert len(large) < sent.sent_size < len(large) + 1000
    assert sent.kept_size < 2000
    (entry,) = har([sent])["log"]["entries"]
    assert entry["request"]["bodySize"] == sent.sent_size
    assert entry["request"]["postData"] == {
        "mimeType": "multipart/form-data",
        "params": [{"name": name, "value": value} for name, value in sent.payload["sent"].items()],
    }
    assert CANARY not in f"{sent.to_dict()}{sent.curl()}{sent.python()}{entry}{vars(sent)}"
