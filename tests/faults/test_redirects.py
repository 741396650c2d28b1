"""Redirects are not followed, since their target would receive the key."""

from __future__ import annotations

from typing import Any

import pytest

from liveavatar_nb import LiveAvatarAPI, Masked, Simulator
from liveavatar_nb.errors import APIResponseError, NotFoundError, StartOutcomeUnknown

from .canary import CANARY, KEY
from .conftest import answer, client, envelope


@pytest.mark.parametrize("status", ["301 Moved Permanently", "302 Found", "303 See Other", "307 Temporary", "308 Perm"])
async def test_a_redirect(raw: Any, refused: Any, status: str) -> None:
    """row 23: an error at once; the other server gets nothing, not even a connection."""
    async with (
        raw(envelope()) as other,
        raw(answer(status, b"", f"Location: {other.url}/v1/users/credits")) as server,
        client(server.url) as api,
    ):
        error = await refused(api.credits.get(), APIResponseError)
    assert other.connections == 0
    assert len(server.requests) == 1
    assert KEY in server.requests[0]
    assert status[:3] in error.message
    assert "api_url" in error.remedy
    assert other.url not in str(error)


async def test_every_kind_of_call(
    api: LiveAvatarAPI, simulator: Simulator, arrived: Any, raw: Any, refused: Any
) -> None:
    """row 23: a change, a list, a keep-alive and a start."""
    async with raw(envelope(), envelope()) as other:
        simulator.faults.add("any", "redirect", location=f"{other.url}/elsewhere", times=None)
        calls: list[tuple[Any, type[Exception]]] = [
            (api.contexts.create(name="a", prompt="b", opening_text=None), APIResponseError),
            (api.contexts.list().all(), APIResponseError),
            (api.sessions.keep_alive("id"), APIResponseError),
            (api.sessions.start("id", Masked(f"{CANARY}-token")), StartOutcomeUnknown),
        ]
        for call, kind in calls:
            await refused(call, kind)
    assert other.connections == 0
    assert len(arrived()) == 4


async def test_a_stop_is_sent_again_and_arrives(
    api: LiveAvatarAPI, simulator: Simulator, arrived: Any, raw: Any, refused: Any
) -> None:
    """row 23: a stop insists, and does not follow either."""
    async with raw() as other:
        simulator.faults.add("stop", "redirect", location=other.url, times=2)
        await refused(api.sessions.stop("00000000-0000-4000-8000-000000000000"), NotFoundError)
    assert other.connections == 0
    assert len(arrived()) == 3


async def test_a_client_that_follows_redirects(library: Any, raw: Any, refused: Any) -> None:
    """row 23: not even where the user's own client would follow."""
    async with (
        raw(envelope()) as other,
        raw(answer("307 Temporary", b"", f"Location: {other.url}")) as server,
        library.AsyncClient(follow_redirects=True) as lent,
    ):
        api = LiveAvatarAPI(KEY, api_url=server.url, session=lent)
        await refused(api.credits.get(), APIResponseError)
    assert other.connections == 0
    assert KEY in server.requests[0]
