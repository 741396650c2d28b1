"""LiveKit's own plugin for LiveAvatar, unchanged, on the simulator."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

pytest.importorskip("livekit.plugins.liveavatar")

from livekit import rtc
from livekit.plugins.liveavatar.api import LiveAvatarAPI


@pytest.fixture
async def api(caller: Any) -> AsyncIterator[Any]:
    async with aiohttp.ClientSession() as session:
        yield LiveAvatarAPI(caller.simulator.api_key, api_url=f"{caller.simulator.url}/v1/sessions", session=session)


class Room(rtc.Room):
    """LiveKit's room with a name, which it has else only when connected."""

    @property
    def name(self) -> str:
        return "the-room"


@pytest.mark.parametrize("extra", [{}, {"is_sandbox": True, "video_quality": "very_high"}])
async def test_it_creates_starts_and_stops(api: Any, caller: Any, extra: dict[str, Any]) -> None:
    name = "Wayne" if extra else "Silas"
    created = await api.create_streaming_session(
        livekit_url="wss://example.org",
        livekit_token="token-of-the-room",
        room=Room(),
        avatar_id=caller.avatar(name),
        **extra,
    )
    session_id, token = created["data"]["session_id"], created["data"]["session_token"]
    started = await api.start_streaming_session(session_id, token)
    assert started["data"]["ws_url"].startswith("ws://127.0.0.1:")
    (billed,) = caller.simulator.billed()
    assert (billed.session_id, billed.is_sandbox, billed.mode) == (session_id, bool(extra), "LITE")
    stopped = await api.stop_streaming_session(session_id, token)
    assert stopped["code"] == 1000
    assert caller.entry(session_id).end_reason == "USER_DISCONNECTED"
    request = next(one for one in caller.simulator.requests() if one["path"] == "/v1/sessions/token")
    assert request["body"]["livekit_config"]["livekit_room"] == "the-room"
    assert [("video_quality" in warning) for warning in caller.simulator.warnings()] == [True] * bool(extra)
