"""Refused stops while other sessions end: a session that slips between two pages of the list isn't taken as over."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from liveavatar_nb import AsyncLiveAvatar, Masked, Simulator
from liveavatar_nb.errors import LiveAvatarException
from liveavatar_nb.protection.blocking_stop import BlockingStopper
from liveavatar_nb.protection.orphans import all_running
from liveavatar_nb.protection.stops import is_over

from . import paging
from .canary import KEY
from .conftest import RawServer, answer, client, envelope

OURS = "10000000-0000-4000-8000-000000000000"
OTHERS = [f"20000000-0000-4000-8000-{number:012}" for number in range(3)]
Raw = Callable[..., AbstractAsyncContextManager[RawServer]]

REFUSED = answer("404 Not Found", b'{"code": 4004, "data": null, "message": "There is no such session"}')


def record(session_id: str = OURS, **more: Any) -> dict[str, Any]:
    return {
        "id": session_id,
        "created_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-01-01T00:00:00Z",
        "duration": 0,
        "source": "API",
        "mode": "LITE",
        "is_sandbox": False,
        "credits_consumed": 0.0,
        **more,
    }


def page(*ids: str, more: bool = False) -> bytes:
    """Return a response with one page of the list of active sessions."""
    told = {"count": 9, "next": "there" if more else None, "previous": None, "results": [record(one) for one in ids]}
    return envelope(json.dumps(told))


ENDED = envelope(json.dumps(record(end_at="2026-01-01T00:01:00Z", end_reason="USER_CLOSED")))
RUNS = envelope(json.dumps(record(duration=7)))
NEW = envelope(json.dumps(record()))  # it is unknown whether this one was started

FOUND = {
    "its record says that it ended": ([ENDED], True),
    "its record says that it runs": ([RUNS], False),
    "no record, and the list shows it": ([REFUSED, page(OURS)], False),
    "no record, and the list does not change": ([REFUSED, page(*OTHERS), page(*OTHERS)], True),
    "never started, and the list does not change": ([NEW, page(), page()], True),
    # the first of the other sessions ended between the two pages
    "it slipped between two pages": (
        [REFUSED, page(*OTHERS[:2], more=True), page(OTHERS[2]), page(OTHERS[1], OURS)],
        False,
    ),
    # another session started before the second page, and one ended before the third
    "it slipped, and another one came twice": (
        [REFUSED, *[page(OTHERS[0], more=True), page(OTHERS[0])] * 2, page(OTHERS[0], OURS)],
        False,
    ),
    "the list changes with each look": ([REFUSED, *(page(*OTHERS[: number % 3]) for number in range(5))], None),
    "the list cannot be read": ([REFUSED, envelope('{"results": [3]}')], None),
    "there is no list": ([REFUSED, REFUSED], None),
    "the record is none": ([envelope("[]")], None),
}


@pytest.mark.parametrize("case", FOUND)
async def test_absence_counts_by_the_record_or_by_a_list_that_did_not_change(raw: Raw, case: str) -> None:
    """row 10, row 55: by both clients, the one of the loop and the one without."""
    script, expected = FOUND[case]
    async with raw(*script) as server, client(server.url, max_retry=1) as api:
        if expected is None:
            with pytest.raises(LiveAvatarException):
                await is_over(api, OURS)
        else:
            assert await is_over(api, OURS) is expected
        assert len(server.requests) == len(script)
    async with raw(REFUSED, *script) as server:
        with BlockingStopper(10.0) as stopper:
            is_stopped = await asyncio.to_thread(stopper.stop_for_certain, server.url, Masked(KEY), OURS)
        assert is_stopped is bool(expected)
        assert len(server.requests) == len(script) + 1


async def test_all_that_runs_is_read_until_nothing_new_comes(raw: Raw, monkeypatch: pytest.MonkeyPatch) -> None:
    """row 55: what `stop_all` stops."""
    monkeypatch.setattr("liveavatar_nb.protection.orphans.PAGE_SIZE_LIMIT", 1)
    whole = [page(OTHERS[1], more=True), page(OURS, more=True), page(OTHERS[2])]
    async with raw(page(*OTHERS[:2], more=True), page(OTHERS[2]), *whole, *whole) as server, client(server.url) as api:
        assert {one.id for one in await all_running(api)} == {OURS, *OTHERS}
        assert not server.script


async def test_an_orphan_that_slips_keeps_its_record(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """row 55: it is found by its own record, although the list does not show it."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    async with AsyncLiveAvatar(KEY, api_url=simulator.url) as lab:
        avatar = next(one.id for one in await lab.api.avatars.public() if one.name == "Silas")
        left = await paging.begin(lab, avatar, 600)
        paging.leave([left], lab)
        simulator.advance(5)
        nobody = '{"code": 1000, "data": {"count": 0, "next": null, "results": []}, "message": null}'
        simulator.faults.add("get_v1_sessions", "garbage", body=nobody)
        assert [one.id for one in await lab.orphans()] == [left]
        simulator.faults.add("get_v1_sessions", "garbage", body=nobody)
        assert [one.id for one in await lab.stop_orphans()] == [left]
    assert not simulator.billed()


@pytest.mark.parametrize("way", paging.WAYS)
async def test_none_is_confirmed_and_billed(way: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """row 55: some sessions of one account, half of whose stops are refused; with 200 of them by hand."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    outcome = await paging.run(way, paging.WAYS[way], 24)
    assert outcome.confirmed, "nothing was stopped"
    assert len(outcome.confirmed) < len(outcome.ids), "nothing was refused"
    assert not outcome.lost
    assert not outcome.unwritten
