"""The service cannot be reached as a client is closed: what is still billed, and until when, is said once."""

from __future__ import annotations

import asyncio
import gc
import logging
import re
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from liveavatar_nb import AsyncLiveAvatar, LiveAvatar, Simulator, config
from liveavatar_nb.errors import StopNotConfirmed

from ..waiting import wait_for
from .canary import KEY

SAID = r"session {} \(.*?\)\. It is billed until it stops, at the latest when it reaches its cap, at {}\."

Outage = Callable[[Simulator], tuple[list[str], str]]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stop gives up soon, and is retried soon."""
    monkeypatch.setattr(config, "STOP_LIMIT", 0.5)
    monkeypatch.setattr(config, "INSIST_INTERVAL", 0.2)


def cut(simulator: Simulator) -> None:
    """Drop every call, until `simulator.faults.clear()`."""
    simulator.faults.add("any", "drop_before", times=None)


def says(text: str, ids: list[str]) -> list[str]:
    """Return the ids of the sessions that a text says are billed, and until when, in order."""
    moment = r"\d\d:\d\d:\d\d"
    return [found for found in ids for _ in re.findall(SAID.format(found, moment), text)]


def close(simulator: Simulator) -> tuple[list[str], str]:
    la = LiveAvatar(KEY, api_url=simulator.url)
    ids = [str(la.start("Silas").id), str(la.start("Rika", concurrent=True).id)]
    cut(simulator)
    with pytest.raises(StopNotConfirmed) as caught:
        la.close()
    simulator.faults.clear()
    la.close()
    return ids, str(caught.value)


def leave_both(simulator: Simulator) -> tuple[list[str], str]:
    la = LiveAvatar(KEY, api_url=simulator.url)
    with pytest.raises(StopNotConfirmed) as caught, la, la.start("Silas") as s:
        cut(simulator)
    assert caught.value.__suppress_context__
    simulator.faults.clear()
    la.close()
    return [str(s.id)], str(caught.value)


def aclose(simulator: Simulator) -> tuple[list[str], str]:
    async def main() -> tuple[list[str], str]:
        la = AsyncLiveAvatar(KEY, api_url=simulator.url)
        ids = [str((await la.start("Silas")).id), str((await la.start("Rika", concurrent=True)).id)]
        cut(simulator)
        with pytest.raises(StopNotConfirmed) as caught:
            await la.aclose()
        simulator.faults.clear()
        await la.aclose()
        return ids, str(caught.value)

    return asyncio.run(main())


def aleave_both(simulator: Simulator) -> tuple[list[str], str]:
    async def main() -> tuple[list[str], str]:
        la = AsyncLiveAvatar(KEY, api_url=simulator.url)
        with pytest.raises(StopNotConfirmed) as caught:
            async with la, await la.start("Silas") as s:
                cut(simulator)
        assert caught.value.__suppress_context__
        simulator.faults.clear()
        await la.aclose()
        return [str(s.id)], str(caught.value)

    return asyncio.run(main())


def drop(simulator: Simulator) -> tuple[list[str], str]:
    la = LiveAvatar(KEY, api_url=simulator.url)
    session_id = str(la.start("Silas").id)
    cut(simulator)
    before = time.monotonic()
    del la
    gc.collect()
    time.sleep(max(0.0, 3 - (time.monotonic() - before)))
    simulator.faults.clear()
    return [session_id], ""


@pytest.mark.parametrize("outage", [close, leave_both, aclose, aleave_both, drop], ids=lambda outage: outage.__name__)
def test_what_is_billed_is_said_once_and_without_a_traceback(
    simulator: Simulator, caplog: pytest.LogCaptureFixture, outage: Outage
) -> None:
    """row 52: by the error or, where nobody gets one, by the log."""
    ids, told = outage(simulator)
    logged = [record for record in caplog.records if record.levelno >= logging.WARNING]
    text = "\n".join([told, *(record.getMessage() for record in logged)])
    assert sorted(says(text, ids)) == sorted(ids)
    assert not [record.getMessage() for record in logged if record.exc_info]
    wait_for(lambda: not simulator.billed())


EXIT = """
import sys
from liveavatar_nb import LiveAvatar
la = LiveAvatar({key!r}, api_url={url!r})
print(la.start("Silas").id, flush=True)
sys.stdin.readline()
try:
    {leave}
except Exception as failure:
    print(failure, flush=True)
"""


@pytest.mark.parametrize("leave", ["pass", "la.close()"])
def test_at_exit_too(simulator: Simulator, leave: str) -> None:
    """row 52: a failed close is not told again, and the guard stops the session when it can."""
    program = EXIT.format(key=KEY, url=simulator.url, leave=leave)
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=-1, stdout=-1, stderr=subprocess.STDOUT, text=True
    ) as running:
        assert running.stdout is not None
        session_id = running.stdout.readline().strip()
        cut(simulator)
        told, _ = running.communicate("\n")
    assert len(re.findall(rf"session {session_id} .*billed until.*its cap, at \d\d:\d\d:\d\d", told)) == 1, told
    assert "Traceback" not in told
    assert simulator.billed()
    simulator.faults.clear()
    wait_for(lambda: not simulator.billed())
