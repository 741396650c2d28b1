"""Who started what runs, and the stop of what dead kernels left behind."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from liveavatar_nb import AsyncLiveAvatar, LiveAvatar, Simulator, config
from liveavatar_nb.config import KEY_VARIABLE, Masked
from liveavatar_nb.errors import ConcurrencyLimitError, StopNotConfirmed
from liveavatar_nb.models.base import Records
from liveavatar_nb.protection.journal import Journal, journal
from liveavatar_nb.protection.orphans import WORDS, Whose

END_LIMIT = 20.0  # s
AVATAR = config.SANDBOX_AVATAR


@pytest.fixture(autouse=True)
def an_empty_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No other test's records."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return journal.folder


@pytest.fixture
def others() -> Iterator[list[Journal]]:
    """The journals of other kernels, which live until the test's end."""
    made: list[Journal] = []
    yield made
    for one in made:
        die(one)


def die(kernel: Journal) -> None:
    """What the system does for a process that dies: its lock is let go, and its files stay."""
    if kernel._held is not None:
        kernel._held.release()
    kernel._forget()


async def begin(client: AsyncLiveAvatar) -> str:
    """A session that no journal knows."""
    token = await client.api.sessions.create_token(avatar_id=AVATAR, mode="LITE", is_sandbox=True)
    await client.api.sessions.start(token.session_id, token.session_token)
    return token.session_id


async def begin_as(
    kernel: Journal, client: AsyncLiveAvatar, *, base_url: str = "", key: Masked | None = None, **changed: Any
) -> str:
    """A session of another kernel, whose record may say something else."""
    session_id = await begin(client)
    kernel.add(session_id, base_url or client.base_url, key or client.api.transport.key, 600.0)
    kernel.started(session_id, 600.0)
    if changed:
        path = journal.folder / f"{session_id}.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changed))
    return session_id


async def leave(client: AsyncLiveAvatar, **changed: Any) -> str:
    """A session whose kernel is dead."""
    dead = Journal(journal.folder)
    session_id = await begin_as(dead, client, **changed)
    die(dead)
    return session_id


async def whose(client: AsyncLiveAvatar) -> dict[str, Whose | None]:
    return {one.id: one.whose for one in await client.sessions()}


def billed(simulator: Simulator) -> set[str]:
    return {entry.session_id for entry in simulator.billed()}


def records() -> set[str]:
    return {path.stem for path in journal.folder.glob("*.json")}


@pytest.fixture
def roomy() -> Iterator[Simulator]:
    """A simulator on which many may run at once."""
    with Simulator(concurrency=9, credits=1000) as running:
        yield running
        left = running.billed()
    assert not left, f"left billed: {left}"


@pytest.fixture
async def client(roomy: Simulator) -> AsyncIterator[AsyncLiveAvatar]:
    async with AsyncLiveAvatar(roomy.api_key, api_url=roomy.url) as made:
        yield made


async def test_whose_what_runs_is(client: AsyncLiveAvatar, roomy: Simulator, others: list[Journal]) -> None:
    mine = await client.start("Silas")
    others.append(Journal(journal.folder))
    expected: dict[str | None, Whose] = {
        mine.id: "this kernel",
        await begin_as(others[0], client): "another kernel",
        await begin_as(others[0], client, host="elsewhere"): "another machine",
        await leave(client, boot="an earlier one"): "another machine",
        await leave(client): "orphan",
        await begin(client): "stranger",
        await leave(client, base_url="http://127.0.0.1:9"): "stranger",
        await leave(client, key=Masked("of another account")): "stranger",
    }
    assert await whose(client) == expected
    for one in await client.sessions():
        assert (one.pid is None) == (one.whose == "stranger")
        assert (one.cap_at is None) == (one.whose == "stranger")
        assert f", {one.whose}, " in repr(one)
        assert one.whose is not None
        assert WORDS[one.whose] in str((await client.sessions())._repr_html_())

    # only what is dead for certain, ours, and of this service
    before = records()
    (orphan,) = await client.orphans()
    assert expected[orphan.id] == "orphan"
    assert [one.id for one in await client.stop_orphans()] == [orphan.id]
    assert billed(roomy) == set(expected) - {orphan.id}
    assert records() == before - {orphan.id}
    assert await client.stop_orphans() == []

    # and all of them only where that is asked for
    assert {one.id for one in await client.stop_all()} == set(expected) - {orphan.id}
    assert not billed(roomy)
    assert mine.stop_is_confirmed
    ended = await client.sessions(active=False)
    assert {one.whose for one in ended} == {None}
    assert "SessionRecord" in repr(ended[0])


async def test_the_sync_face_has_the_same(client: AsyncLiveAvatar, roomy: Simulator) -> None:
    first, second, stranger = await leave(client), await leave(client), await begin(client)

    def look() -> None:
        with LiveAvatar(roomy.api_key, api_url=roomy.url) as la:
            assert {one.id: one.whose for one in la.sessions()} == {
                first: "orphan",
                second: "orphan",
                stranger: "stranger",
            }
            found = la.orphans()
            assert isinstance(found, Records)
            assert {one.id for one in found} == {first, second}
            assert {one.id for one in la.stop_orphans()} == {first, second}
            assert billed(roomy) == {stranger}
            assert [one.id for one in la.stop_all()] == [stranger]

    await asyncio.to_thread(look)
    assert not billed(roomy)
    assert not records()


async def test_a_journal_without_orphans_asks_the_service_nothing(client: AsyncLiveAvatar, roomy: Simulator) -> None:
    await leave(client, base_url="http://127.0.0.1:9")
    before = len(roomy.requests())
    assert await client.orphans() == []
    assert len(roomy.requests()) == before
    await client.stop_all()


async def test_records_of_what_is_over_are_buried(client: AsyncLiveAvatar, monkeypatch: pytest.MonkeyPatch) -> None:
    over = await leave(client)
    await client.api.sessions.stop(over)
    starting = await leave(client, state="starting")
    await client.api.sessions.stop(starting)
    assert await client.orphans() == []
    # a start whose outcome nobody learnt may still be applied
    assert records() == {starting}
    monkeypatch.setattr(config, "UNKNOWN_LOOKS", (0.0,))
    assert await client.orphans() == []
    assert not list(journal.folder.iterdir())


async def test_a_start_stops_first_what_was_left(caplog: pytest.LogCaptureFixture) -> None:
    with Simulator(concurrency=1) as simulator:
        async with AsyncLiveAvatar(simulator.api_key, api_url=simulator.url) as client:
            left = await leave(client)
            async with await client.start("Silas") as session:
                assert billed(simulator) == {session.id}
                assert records() == {session.id}
        assert f"stopped {left}, left over from a dead kernel" in caplog.text
        assert not billed(simulator)


@pytest.mark.parametrize("operation", ["sessions", "stop"])
async def test_a_reconcile_that_fails_keeps_no_start_from_going_on(
    operation: str,
    client: AsyncLiveAvatar,
    roomy: Simulator,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(config, "STOP_LIMIT", 0.3)
    monkeypatch.setattr(config, "RETRY_BASE", 0.01)
    left = await leave(client)
    roomy.faults.add(operation, "status", times=None, status=503)
    session = await client.start("Silas")
    assert billed(roomy) == {left, session.id}
    assert any(record.levelno == logging.WARNING and "dead kernel" in record.message for record in caplog.records)
    roomy.faults.clear()
    await session.stop()
    assert await whose(client) == {left: "orphan"}
    await client.stop_orphans()


async def test_a_stop_that_is_not_confirmed_says_what_ends_it_and_the_others_are_tried(
    client: AsyncLiveAvatar, roomy: Simulator
) -> None:
    left = {await leave(client), await leave(client)}
    roomy.faults.add("stop", "status", times=1, status=400, message="no")
    roomy.faults.add("stop", "delay", times=1, seconds=0.5)
    with pytest.raises(StopNotConfirmed) as failed:
        await client.stop_orphans()
    assert failed.value.session_id in left
    assert billed(roomy) == records() == {failed.value.session_id}
    (one,) = await client.orphans()
    assert one.cap_at is not None
    assert f"{one.cap_at.astimezone():%H:%M:%S} at the latest" in str(failed.value)
    assert 600 <= one.cap_at.timestamp() - time.time() + 60 <= 700
    await client.stop_orphans()
    assert not billed(roomy)


async def test_an_orphan_that_is_over_when_its_stop_arrives_is_stopped(
    client: AsyncLiveAvatar, roomy: Simulator
) -> None:
    """Its guard, or another kernel, was quicker: the service refuses the stop, and its list tells why."""
    left = await leave(client)
    roomy.faults.add("stop", "garbage", times=1, status=404, body="{}")
    assert [one.id for one in await client.stop_orphans()] == [left]
    assert not billed(roomy)
    assert not list(journal.folder.iterdir())


async def test_stop_all_tries_every_one_where_a_stop_is_not_confirmed(
    client: AsyncLiveAvatar, roomy: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "STOP_LIMIT", 0.5)
    session = await client.start("Silas")
    stranger = await begin(client)
    roomy.faults.add("stop", "status", times=1, status=400, message="no")
    with pytest.raises(StopNotConfirmed):
        await client.stop_all()
    tried = [sent["body"]["session_id"] for sent in roomy.requests() if sent["path"] == "/v1/sessions/stop"]
    assert set(tried) == {session.id, stranger}
    await client.stop_all()
    assert not billed(roomy)
    assert session.stop_is_confirmed


async def test_two_that_clear_up_at_once_both_succeed(client: AsyncLiveAvatar, roomy: Simulator) -> None:
    left = {await leave(client) for _ in range(3)}
    async with AsyncLiveAvatar(roomy.api_key, api_url=roomy.url) as second:
        both = await asyncio.gather(client.stop_orphans(), second.stop_orphans())
    assert {one.id for found in both for one in found} == left
    assert not billed(roomy)
    assert not list(journal.folder.iterdir())


async def test_row_9_too_many_sessions_name_whose_they_are_and_what_to_stop(
    others: list[Journal], monkeypatch: pytest.MonkeyPatch
) -> None:
    """row 9: the error lists what runs, and one call makes room."""
    monkeypatch.setattr(config, "STOP_LIMIT", 0.3)
    with Simulator(concurrency=2) as simulator:
        async with AsyncLiveAvatar(simulator.api_key, api_url=simulator.url) as client:
            left, stranger = await leave(client), await begin(client)
            # else the start itself would make room
            simulator.faults.add("stop", "status", times=None, status=400, message="no")
            with pytest.raises(ConcurrencyLimitError) as refused:
                await client.start("Silas")
            simulator.faults.clear()
            assert {one.id: one.whose for one in refused.value.sessions} == {left: "orphan", stranger: "stranger"}
            words = str(refused.value)
            assert "1 (left over: its kernel died)" in words
            assert "1 (someone else, or another program)" in words
            assert "stop_orphans()" in words
            assert "s.stop()" not in words

            await client.stop_orphans()
            async with await client.start("Silas") as session:
                with pytest.raises(ConcurrencyLimitError) as refused:
                    await client.start("Silas", concurrent=True)
                told = {one.id: one.whose for one in refused.value.sessions}
                assert told == {session.id: "this kernel", stranger: "stranger"}
                assert "s.stop()" in str(refused.value)
                assert "stop_orphans()" not in str(refused.value)
            await client.stop_all()
        assert not billed(simulator)


KERNEL = """
import os, sys
from liveavatar_nb import LiveAvatar
session = LiveAvatar(api_url=sys.argv[1]).start("Silas")
print(session.id, flush=True)
sys.stdin.read()
"""


def test_row_41_what_a_kernel_leaves_that_died_with_its_guard(
    simulator: Simulator, la: LiveAvatar, tmp_path: Path
) -> None:
    """row 41: a real one; the next start stops it."""
    kernel = subprocess.Popen(
        [sys.executable, "-c", KERNEL, simulator.url],
        env=os.environ | {KEY_VARIABLE: simulator.api_key},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert kernel.stdout is not None
        session_id = kernel.stdout.readline().strip()
        assert {one.id: (one.whose, one.pid) for one in la.sessions()} == {session_id: ("another kernel", kernel.pid)}
        assert la.stop_orphans() == []
        (guard,) = (
            process
            for process in psutil.process_iter(["cmdline"])
            if (process.info["cmdline"] or [])[-2:] == ["liveavatar_nb.protection.guard", str(kernel.pid)]
        )
        guard.kill()
        guard.wait(END_LIMIT)
    finally:
        kernel.kill()
        kernel.communicate(timeout=END_LIMIT)
    assert billed(simulator) == {session_id}
    assert {one.id: one.whose for one in la.sessions()} == {session_id: "orphan"}
    with la.start("Silas") as session:
        assert billed(simulator) == {session.id}
    assert not list(journal.folder.iterdir())
