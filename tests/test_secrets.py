"""The API key, session tokens and socket addresses are shown nowhere: not in words, logs, frames or reprs."""

from __future__ import annotations

import io
import json
import logging
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console
from rich.traceback import Traceback

from liveavatar_nb import AsyncLiveAvatar, LiveAvatar, LiveAvatarAPI, Simulator
from liveavatar_nb.errors import ConfigurationError, LiveAvatarException
from liveavatar_nb.models import SessionToken, StartedSession

CANARY = "canary-5f1c"


def shown(failure: BaseException) -> str:
    """All that a traceback with local variables can show."""
    out = io.StringIO()
    # the test's own frame, which is the outermost, knows the canary of course
    ours = failure.__traceback__.tb_next if failure.__traceback__ else None
    Console(file=out, width=400).print(Traceback.from_exception(type(failure), failure, ours, show_locals=True))
    values = [value for frame, _ in traceback.walk_tb(ours) for value in frame.f_locals.values()]
    return "\n".join([str(failure), repr(failure), out.getvalue(), *map(safely, values)])


def safely(value: Any) -> str:
    try:
        return repr(value)
    except Exception as failure:  # noqa: BLE001 (an object that is half made)
        return repr(failure)


@pytest.mark.parametrize("key", [f"{CANARY}\x00", f"{CANARY} {CANARY}", f"{CANARY}é", f"{CANARY}\n{CANARY}"])
def test_a_key_that_no_header_can_hold_is_refused_unseen(key: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        LiveAvatar(key)
    assert CANARY not in shown(caught.value)


def test_a_key_from_a_file_loses_its_line_end(simulator: Simulator) -> None:
    with LiveAvatar(f"{simulator.api_key}\n", api_url=simulator.url) as la:
        assert la.credits() == 100


@pytest.mark.parametrize("face", [LiveAvatar, AsyncLiveAvatar, LiveAvatarAPI])
@pytest.mark.parametrize("wrong", [{"api_url": "nowhere"}, {"http_client": 3}, {"session": 3}, {"max_minutes": 0}])
def test_a_client_that_cannot_be_made_shows_no_key(face: Callable[..., Any], wrong: dict[str, Any]) -> None:
    with pytest.raises((LiveAvatarException, TypeError)) as caught:
        face(CANARY, **wrong)
    if isinstance(caught.value, LiveAvatarException):
        assert CANARY not in shown(caught.value)


STARTED = {"session_id": 3, "livekit_url": None, "livekit_client_token": CANARY, "ws_url": f"ws://{CANARY}"}
TOKEN = {"session_id": None, "session_token": CANARY}
ANSWERS = {
    "of the wrong type": {"code": 1000, "data": STARTED},
    "token of the wrong type": {"code": 1000, "data": TOKEN},
    "with another code": {"code": 4000, "data": {"session_token": CANARY, "ws_url": CANARY}, "message": "no"},
    "without data": {"session_token": CANARY},
}


@pytest.mark.parametrize("operation", ["token", "start"])
@pytest.mark.parametrize("answer", ANSWERS)
async def test_an_answer_that_cannot_be_used_is_not_shown(
    simulator: Simulator, caplog: pytest.LogCaptureFixture, operation: str, answer: str
) -> None:
    caplog.set_level(logging.DEBUG)
    async with AsyncLiveAvatar(simulator.api_key, api_url=simulator.url) as client:
        simulator.faults.add(operation, "garbage", body=json.dumps(ANSWERS[answer]))
        with pytest.raises(LiveAvatarException) as caught:
            await client.start("Silas")
    told = shown(caught.value) + caplog.text
    assert CANARY not in told
    assert simulator.api_key not in told


async def test_tokens_that_are_given_are_not_shown(simulator: Simulator) -> None:
    class Room:
        name = "a room"

    async with LiveAvatarAPI(simulator.api_key, api_url=simulator.url) as api:
        with pytest.raises(LiveAvatarException) as created:
            await api.create_streaming_session(
                livekit_url="wss://x.org", livekit_token=CANARY, room=Room(), avatar_id="none"
            )
        with pytest.raises(LiveAvatarException) as started:
            await api.start_streaming_session("id", CANARY)
        with pytest.raises(LiveAvatarException) as stopped:
            await api.stop_streaming_session("id", CANARY)
    for caught in (created, started, stopped):
        assert CANARY not in shown(caught.value)


def test_records_with_tokens_show_none() -> None:
    records = [
        SessionToken(session_id="id", session_token=CANARY),
        StartedSession(session_id="id", livekit_url=None, livekit_client_token=CANARY, ws_url=CANARY),
    ]
    out = io.StringIO()
    Console(file=out).print(records)
    assert "id" in out.getvalue()
    assert CANARY not in out.getvalue() + repr(records)
