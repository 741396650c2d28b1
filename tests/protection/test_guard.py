"""The guard by itself: how it comes up, what it is told, when it acts, and when it leaves."""

from __future__ import annotations

import gc
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from liveavatar_nb import LiveAvatar, Simulator
from liveavatar_nb.config import Masked
from liveavatar_nb.errors import ProtectionError
from liveavatar_nb.protection.guard import handle
from liveavatar_nb.protection.guard.handle import Guard, GuardedSession, GuardError, Service
from liveavatar_nb.rest.network import Network

from ..deaths.owners import PATIENCE, guards, kill_guards, settles


class Bare:
    """A guard's process, told line by line."""

    def __init__(self, simulator: Simulator, program: Sequence[str] = ("-m", "liveavatar_nb.protection.guard")) -> None:
        self._simulator = simulator
        self._mark = f"{os.getpid()}-{time.monotonic_ns()}"
        self._process = subprocess.Popen(
            [sys.executable, "-P", *program, self._mark],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        assert json.loads(self._process.stdout.readline())["ready"] in self._pids()
        self._process.wait(PATIENCE)

    def guarding(self, session_id: str, **other: Any) -> bytes:
        """The line that has it guard a session."""
        told = {
            "do": "guard",
            "id": session_id,
            **Service(self._simulator.url, Network()).to_json(),
            "key": self._simulator.api_key,
            "left": 600.0,
            "journal": None,
        }
        return json.dumps({**told, **other}).encode() + b"\n"

    def write(self, line: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line)
        self._process.stdin.flush()

    def tell(self, do: str, session_id: str, **other: Any) -> None:
        self.write(json.dumps({"do": do, "id": session_id, **other}).encode() + b"\n")

    def end(self) -> None:
        """The kernel's end."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    @property
    def is_there(self) -> bool:
        return bool(self._pids())

    def _pids(self) -> list[int]:
        return guards(self._mark)

    def close(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with suppress(OSError):
                pipe.close()
        kill_guards(self._mark)


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator(connect_delay=0, concurrency=10) as running:
        yield running
        assert not running.billed()


@pytest.fixture
def bare(simulator: Simulator) -> Iterator[Bare]:
    guard = Bare(simulator)
    yield guard
    guard.close()


@pytest.fixture
def unguarded(simulator: Simulator) -> Iterator[Callable[[], str]]:
    """Starts sessions that nothing else guards."""
    with LiveAvatar(simulator.api_key, api_url=simulator.url) as la:
        la._inner.is_simulated = True

        def start() -> str:
            session_id = la.start("Silas", concurrent=True).id
            assert session_id is not None
            return session_id

        yield start
        simulator.faults.clear()


def billed(simulator: Simulator) -> list[str]:
    return [entry.session_id for entry in simulator.billed()]


def test_it_stops_at_the_pipes_end_what_is_still_open(
    bare: Bare, unguarded: Callable[[], str], simulator: Simulator
) -> None:
    first, second, done = (unguarded() for _ in range(3))
    line = bare.guarding(second)
    bare.write(bare.guarding(first) + line[:20])
    time.sleep(0.05)
    bare.write(line[20:] + bare.guarding(done))
    for session_id in (first, second, done):
        bare.tell("started", session_id, left=600.0)
    bare.tell("done", done)
    # the kernel died in the middle of a line
    bare.write(bare.guarding(done)[:-10])
    assert billed(simulator) == [first, second, done]
    bare.end()
    assert settles(lambda: billed(simulator) == [done])
    assert settles(lambda: not bare.is_there)


def test_it_ends_with_its_kernel_where_it_has_nothing_to_guard(bare: Bare) -> None:
    bare.end()
    assert settles(lambda: not bare.is_there)


def test_it_stops_at_once_what_the_kernel_asks_it_to(
    bare: Bare, unguarded: Callable[[], str], simulator: Simulator
) -> None:
    first, second = unguarded(), unguarded()
    for session_id in (first, second):
        bare.write(bare.guarding(session_id))
        bare.tell("started", session_id, left=600.0)
    bare.tell("stop", first)
    bare.tell("stop", "unknown")
    assert settles(lambda: billed(simulator) == [second])
    assert bare.is_there


def test_it_gives_up_once_the_cap_has_passed(bare: Bare, unguarded: Callable[[], str], simulator: Simulator) -> None:
    session_id = unguarded()
    simulator.faults.add("stop", "status", status=401, times=None)
    bare.write(bare.guarding(session_id))
    bare.tell("started", session_id, left=3.0)
    bare.end()
    assert settles(lambda: stops(simulator, session_id) > 1)
    assert settles(lambda: not bare.is_there)
    assert billed(simulator) == [session_id]


def test_a_stop_that_answers_404_proves_nothing(bare: Bare, unguarded: Callable[[], str], simulator: Simulator) -> None:
    """row 10"""
    session_id = unguarded()
    simulator.faults.add("stop", "status", status=404)
    bare.write(bare.guarding(session_id))
    bare.tell("started", session_id, left=600.0)
    bare.end()
    assert settles(lambda: not billed(simulator))
    assert stops(simulator, session_id) == 2
    assert settles(lambda: not bare.is_there)


def test_one_that_is_over_by_itself_is_let_be(bare: Bare, unguarded: Callable[[], str], simulator: Simulator) -> None:
    session_id = unguarded()
    bare.write(bare.guarding(session_id))
    bare.tell("started", session_id, left=600.0)
    simulator.advance(601)
    bare.end()
    assert settles(lambda: not bare.is_there)
    assert [entry.end_reason for entry in simulator.ledger() if entry.session_id == session_id] == ["IDLE_TIMEOUT"]


def stops(simulator: Simulator, session_id: str) -> int:
    """How many stops of it arrived, also such as failed."""
    return sum(
        request["path"] == "/v1/sessions/stop" and (request["body"] or {}).get("session_id") == session_id
        for request in simulator.requests()
    )


# the kernel's side of it


@pytest.fixture
def guard() -> Iterator[Guard]:
    """One of this process's own, with nothing to guard yet."""
    made = Guard()
    yield made
    made._sessions.clear()
    made.leave_if_unused()
    assert settles(lambda: not guards(os.getpid()))


def guarded(session_id: str = "some") -> GuardedSession:
    """Of a session that does not run, at a place where nobody answers."""
    return GuardedSession(session_id, Service("http://127.0.0.1:9", Network()), Masked("key"), 0.1, None)


def test_it_comes_up_once_and_goes_with_the_last_session(guard: Guard) -> None:
    assert not guard.is_there
    threads = [threading.Thread(target=guard.prepare) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    [pid] = guards(os.getpid())
    guard.add(guarded("one"))
    guard.add(guarded("two"))
    guard.done("one")
    guard.done("unknown")
    assert guards(os.getpid()) == [pid]
    guard.done("two")
    assert not guard.is_there
    assert settles(lambda: not guards(os.getpid()))


class Client:
    """Who may start a session."""


def test_it_stays_while_a_session_is_expected(guard: Guard) -> None:
    one, other = Client(), Client()
    guard.expect(one)
    guard.expect(other)
    guard.prepare()
    guard.add(guarded("one"))
    [pid] = guards(os.getpid())
    guard.done("one")
    guard.unexpect(one)
    assert guard.is_there
    assert guards(os.getpid()) == [pid]
    guard.unexpect(other)
    assert not guard.is_there


def test_it_goes_where_what_it_came_up_for_was_given_up(guard: Guard, monkeypatch: pytest.MonkeyPatch) -> None:
    """A start that is cancelled may have asked for it on a thread of its own, which is late."""
    monkeypatch.setattr(handle, "PULSE", 0.05)
    monkeypatch.setattr(handle, "UNUSED_LIMIT", 0.2)
    guard.leave_if_unused()
    guard.prepare()
    assert settles(lambda: not guard.is_there)
    client = Client()
    guard.expect(client)
    guard.prepare()
    time.sleep(0.4)
    assert guard.is_there
    del client
    gc.collect()
    assert settles(lambda: not guard.is_there)


def test_it_is_seen_to_be_gone_and_comes_up_again(guard: Guard) -> None:
    guard.add(guarded("one"))
    [first] = guards(os.getpid())
    kill_guards(os.getpid())
    assert not guard.is_there
    guard.stop("one")
    guard.prepare()
    [second] = guards(os.getpid())
    assert first != second


def test_its_descendants_are_none_of_this_process(guard: Guard) -> None:
    """What ends a kernel ends its children, and its process group."""
    import psutil  # noqa: PLC0415

    guard.prepare()
    [pid] = guards(os.getpid())
    assert pid not in [child.pid for child in psutil.Process().children(recursive=True)]
    assert os.getpgid(pid) != os.getpgid(0)
    assert os.getsid(pid) != os.getsid(0)


def test_no_module_of_the_notebooks_folder_is_imported(
    guard: Guard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("json", "select", "httpx", "liveavatar_nb"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(1)")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    guard.prepare()
    assert guard.is_there
    [pid] = guards(os.getpid())
    assert Path(f"/proc/{pid}/cwd").resolve() == Path("/")


def test_it_comes_up_where_the_working_directory_is_gone(
    guard: Guard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    guard.prepare()
    assert guard.is_there


BROKEN = {
    "none there": "",
    "ends at once": "#!/bin/sh\nexit 1\n",
    "says nothing": "#!/bin/sh\nexec sleep 600\n",
}


@pytest.fixture(params=BROKEN)
def broken(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Python in whose place there is something else."""
    script = tmp_path / "python"
    if content := BROKEN[request.param]:
        script.write_text(content)
        script.chmod(0o755)
    monkeypatch.setattr(handle, "sys", SimpleNamespace(executable=str(script), path=sys.path))
    monkeypatch.setattr(handle, "READY_LIMIT", 0.5)


@pytest.mark.usefixtures("broken")
def test_one_that_does_not_come_up_is_an_error_and_leaves_nothing(guard: Guard) -> None:
    with pytest.raises(GuardError):
        guard.add(guarded())
    assert not guard.is_there
    assert not guard._sessions


@pytest.mark.usefixtures("broken")
def test_no_session_starts_without_it(la: LiveAvatar, simulator: Simulator) -> None:
    with pytest.raises(ProtectionError, match="allow_unjournaled"):
        la.start("Silas")
    assert [entry.starts for entry in simulator.ledger()][-1:] == [0]
    assert not la.live_sessions


@pytest.mark.usefixtures("broken")
def test_one_starts_without_it_where_that_is_allowed(simulator: Simulator, caplog: pytest.LogCaptureFixture) -> None:
    with (
        LiveAvatar(simulator.api_key, api_url=simulator.url, allow_unjournaled=True) as la,
        caplog.at_level(logging.WARNING),
    ):
        la.start("Silas")
        assert "The session starts anyway" in caplog.text
        assert simulator.billed()
    assert not simulator.billed()


# a guard that tells once it has imported all that a stop needs
PRELOADS = """
from pathlib import Path
from liveavatar_nb.protection.guard import __main__ as guard

preloads = guard.KernelWatch._preload

def preload(self):
    preloads(self)
    Path({preloaded!r}).touch()

guard.PRELOAD_AFTER = 0.1
guard.KernelWatch._preload = preload
guard.main()
"""

# a guard that, once it has imported all that a stop needs, finds no module any more
UNINSTALLED = """
import sys
from pathlib import Path
from liveavatar_nb.protection.guard import __main__ as guard

preloads = guard.KernelWatch._preload

def preload(self):
    preloads(self)
    is_gone.append(True)
    Path({preloaded!r}).touch()

def hook(name, args):
    if is_gone and name == "open" and str(args[0]).endswith((".py", ".pyc", ".so")):
        raise FileNotFoundError(args[0])

is_gone = []
guard.PRELOAD_AFTER = 0.1
guard.KernelWatch._preload = preload
sys.addaudithook(hook)
guard.main()
"""


@pytest.mark.parametrize("proxy", ["foo://nobody", "socks5://127.0.0.1:9"])
def test_what_goes_wrong_as_it_preloads_does_not_end_it(
    unguarded: Callable[[], str], simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    """row 56: the way to one service is none, and another service's session is stopped all the same."""
    session_id = unguarded()
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    monkeypatch.setenv("SSL_CERT_FILE", "relative.pem")
    hopeless = Service("https://service.invalid", Network.of())
    preloaded = tmp_path / "preloaded"
    bare = Bare(simulator, ["-c", PRELOADS.format(preloaded=str(preloaded)), "liveavatar_nb.protection.guard"])
    try:
        bare.write(bare.guarding("hopeless", **hopeless.to_json()))
        bare.write(bare.guarding(session_id))
        assert settles(preloaded.exists)
        assert bare.is_there
        bare.end()
        assert settles(lambda: not billed(simulator))
    finally:
        bare.close()


def test_it_reads_the_certificates_that_are_named_from_here(
    guard: Guard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """row 56: its own working directory is another one"""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", "authority.pem")
    guard.prepare()
    [pid] = guards(os.getpid())
    assert f"SSL_CERT_FILE={tmp_path / 'authority.pem'}" in Path(f"/proc/{pid}/environ").read_text().split("\0")


def test_one_that_is_stopped_holds_nobody_up(guard: Guard, caplog: pytest.LogCaptureFixture) -> None:
    """row 56: its pipe is full, and another one takes its place"""
    guard.add(guarded("one"))
    [stopped] = guards(os.getpid())
    os.kill(stopped, signal.SIGSTOP)
    began = time.monotonic()
    for _ in range(5000):
        guard.started("one", 1.0)
    assert time.monotonic() - began < handle.HEAR_LIMIT
    guard.add(guarded("two"))
    assert time.monotonic() - began < 2 * handle.HEAR_LIMIT + handle.READY_LIMIT
    assert guard.is_there
    assert settles(lambda: stopped not in guards(os.getpid()))
    assert len(guards(os.getpid())) == 1
    assert not caplog.records or "another one" in caplog.text


def test_a_stop_needs_nothing_of_the_disk_once_it_has_run_for_a_while(
    unguarded: Callable[[], str], simulator: Simulator, tmp_path: Path
) -> None:
    """The environment may be deleted, or its packages be replaced, while a session runs."""
    session_id = unguarded()
    preloaded = tmp_path / "preloaded"
    bare = Bare(simulator, ["-c", UNINSTALLED.format(preloaded=str(preloaded)), "liveavatar_nb.protection.guard"])
    try:
        bare.write(bare.guarding(session_id))
        bare.tell("started", session_id, left=600.0)
        assert settles(preloaded.exists)
        bare.end()
        assert settles(lambda: not billed(simulator))
        assert settles(lambda: not bare.is_there)
    finally:
        bare.close()
