"""The simulator's own LiveKit server: found, started when it is needed, ended with the simulator whatever happens."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from liveavatar_nb.simulator import LiveKit, Simulator
from liveavatar_nb.simulator.media import keeper

from ..livekit import LiveKitServer, livekit_server
from .conftest import Caller
from .test_process import Owner, gone
from .viewer import watching

__all__ = ["livekit_server"]

LIMIT = 20.0  # s until something must have come true
NAMES = ("LIVEKIT_URL", "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET")


@pytest.fixture(autouse=True)
def no_server_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def on_the_path(monkeypatch: pytest.MonkeyPatch, livekit_server: LiveKitServer) -> None:
    folder = str(Path(livekit_server.executable).parent)
    monkeypatch.setenv("PATH", os.pathsep.join([folder, os.environ["PATH"]]))


@pytest.fixture
def not_on_the_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


def servers(simulator: Simulator) -> list[psutil.Process]:
    children = psutil.Process(simulator.pid).children(recursive=True)
    return [child for child in children if "livekit" in child.name()]


def until(is_true: Callable[[], object]) -> None:
    deadline = time.monotonic() + LIMIT
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.usefixtures("on_the_path")
def test_it_starts_with_the_first_session(calling: Any) -> None:
    caller: Caller = calling(speed=1, livekit="auto")
    assert "which the first session starts" in caller.simulator.media
    caller.token()
    assert not servers(caller.simulator)
    urls = {caller.started().answer["livekit_url"] for _ in range(2)}
    (server,) = servers(caller.simulator)
    assert urls == {caller.simulator.media.removeprefix("LiveKit on ")}
    addresses = {one.laddr.ip for one in server.net_connections()}
    assert addresses <= {"127.0.0.1", "::ffff:127.0.0.1"}
    secret = next(told for told in server.environ().items() if told[0] == "LIVEKIT_CONFIG")[1]
    assert not any(part in str(server.cmdline()) for part in ("keys", secret))
    caller.simulator.close()
    assert gone(server)


@pytest.mark.usefixtures("on_the_path")
@pytest.mark.parametrize("victim", ["simulator", "keeper", "owner"])
def test_it_ends_whoever_is_killed(livekit_server: LiveKitServer, victim: str) -> None:
    script = """
    import httpx
    from liveavatar_nb.simulator import Simulator
    simulator.close()
    simulator = Simulator(livekit="auto", history=False)
    call = httpx.Client(base_url=simulator.url, headers={"X-API-KEY": simulator.api_key}, timeout=30)
    avatar = call.get("/v1/avatars/public").json()["data"]["results"][0]["id"]
    token = call.post("/v1/sessions/token", json={"mode": "LITE", "avatar_id": avatar}).json()["data"]["session_token"]
    call.post("/v1/sessions/start", headers={"Authorization": "Bearer " + token}).raise_for_status()
    print(simulator.pid, flush=True)
    time.sleep(60)
    """
    with Owner(script) as owner:
        simulator = psutil.Process(int(owner.line()))
        held = next(child for child in simulator.children())
        (server,) = held.children()
        assert "livekit-server" in server.name()
        {"simulator": simulator, "keeper": held, "owner": psutil.Process(owner.process.pid)}[victim].kill()
        assert gone(server)


@pytest.mark.usefixtures("on_the_path")
async def test_one_that_died_is_started_again(calling: Any, tmp_path: Path) -> None:
    caller: Caller = calling(speed=1, livekit="auto")
    answer = caller.started().answer
    async with watching(answer["livekit_url"], answer["livekit_client_token"], tmp_path) as viewer:
        await viewer.until("frame")
        (server,) = servers(caller.simulator)
        server.kill()
        await viewer.until("came", identity="heygen")
        await viewer.until("frame")
        assert servers(caller.simulator) != [server]
    assert caller.simulator.warnings() == []


def test_without_one_it_says_so_and_goes_on(calling: Any, not_on_the_path: None) -> None:
    caller: Caller = calling(speed=1, livekit="auto")
    words = "drawn in the page: no livekit-server on the PATH"
    assert caller.simulator.media == words
    assert caller.simulator.warnings() == []
    for session in (caller.started(), caller.started()):
        assert "/_simulator/room/" in session.answer["livekit_url"]
    assert caller.simulator.warnings() == [words]


def test_one_that_does_not_start(calling: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "livekit-server"
    program.write_text("#!/bin/sh\necho no such port >&2\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", os.pathsep.join([str(tmp_path), os.environ["PATH"]]))
    caller: Caller = calling(speed=1, livekit="auto")
    assert "/_simulator/room/" in caller.started().answer["livekit_url"]
    assert caller.simulator.warnings() == ["drawn in the page: livekit-server did not start: no such port"]


def test_it_was_not_asked_for(caller: Any) -> None:
    assert caller.simulator.media == "drawn in the page: the option livekit is not set"
    caller.started()
    assert caller.simulator.warnings() == []


def test_one_that_the_environment_names(
    calling: Any, monkeypatch: pytest.MonkeyPatch, livekit_server: LiveKitServer
) -> None:
    for name, told in zip(NAMES, (livekit_server.url, livekit_server.key, livekit_server.secret), strict=True):
        monkeypatch.setenv(name, told)
    caller: Caller = calling(speed=1, livekit="auto")
    assert caller.simulator.media == f"LiveKit on {livekit_server.url}"
    assert caller.started().answer["livekit_url"] == livekit_server.url
    assert livekit_server.secret not in repr(caller.simulator)
    assert f"livekit=LiveKit(url={livekit_server.url!r})" in repr(caller.simulator)
    assert livekit_server.secret not in str(psutil.Process(caller.simulator.pid).environ())


@pytest.mark.usefixtures("not_on_the_path")
@pytest.mark.parametrize("named", [{"LIVEKIT_URL": "ws://127.0.0.1:9"}, dict.fromkeys(NAMES, "canary")])
def test_an_environment_that_names_none(calling: Any, monkeypatch: pytest.MonkeyPatch, named: dict[str, str]) -> None:
    for name, told in named.items():
        monkeypatch.setenv(name, told)
    simulator = calling(speed=1, livekit="auto").simulator
    assert "LIVEKIT_API_KEY" in simulator.media
    assert "canary" not in simulator.media


@pytest.mark.parametrize(
    ("told", "why"),
    [
        (("example.org", "k", "s"), "url"),
        (("wss://user:canary@example.org", "k", "s"), "url"),
        (("wss://example.org?token=canary", "k", "s"), "url"),
        (("wss://example.org", "", "s"), "api_key"),
        (("wss://example.org", "k", "canary with spaces"), "api_secret"),
        (("wss://example.org", "k", None), "api_secret"),
    ],
)
def test_a_server_that_cannot_be_one(told: tuple[Any, ...], why: str) -> None:
    with pytest.raises((ValueError, TypeError), match=why) as caught:
        LiveKit(*told)
    assert "canary" not in str(caught.value)


def test_key_and_secret_show_nowhere() -> None:
    server = LiveKit("wss://example.org", "key-canary", "secret-canary")
    with Simulator(livekit=server) as simulator:
        shown = f"{server!r} {simulator!r} {simulator.media} {psutil.Process(simulator.pid).cmdline()}"
    assert "canary" not in shown
    assert "wss://example.org" in shown


@pytest.mark.parametrize(
    ("script", "code"),
    [("raise SystemExit(7)", 7), ("import os; os.kill(os.getpid(), 15)", 128 + signal.SIGTERM)],
)
def test_the_keeper_answers_as_its_program_does(script: str, code: int) -> None:
    command = [sys.executable, "-I", keeper.__file__, sys.executable, "-c", script]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as kept:
        assert kept.wait() == code


def test_the_keeper_ends_its_program_with_its_pipe() -> None:
    script = "import time; print('there', flush=True); time.sleep(60)"
    command = [sys.executable, "-I", keeper.__file__, sys.executable, "-c", script]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as kept:
        assert kept.stdout is not None
        assert kept.stdin is not None
        assert kept.stdout.readline() == b"there\n"
        kept.stdin.close()
        assert kept.wait() == 128 + signal.SIGKILL
