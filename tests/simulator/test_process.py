"""The child process: it ends with its owner however that ends, and keeps secrets out of sight."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any, Self

import httpx
import psutil
import pytest

import liveavatar_nb.simulator
from liveavatar_nb.simulator import Simulator, SimulatorError

PACKAGE = Path(liveavatar_nb.simulator.__file__).parents[1]
GONE_LIMIT = 3.0  # seconds in which a child must have ended
START_LIMIT = 2.0  # seconds; 0.16 on an idle machine
OWNER = """
    import atexit, os, signal, sys, time
    sys.path.insert(0, {root!r})
    def at_end():
        pass
    atexit.register(lambda: at_end())  # before all that the package may register, so it runs after that
    from liveavatar_nb.simulator import Simulator
    simulator = Simulator()
    print(simulator.pid, simulator.url, flush=True)
"""


class Owner:
    """A process of its own that holds a simulator and then does what the test says."""

    def __init__(self, script: str, *flags: str) -> None:
        source = textwrap.dedent(OWNER.format(root=str(PACKAGE.parent))) + textwrap.dedent(script)
        self.process = subprocess.Popen(
            [sys.executable, *flags, "-c", source],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        pid, self.url = self.process.stdout.readline().split()
        self.simulator = psutil.Process(int(pid))

    def line(self) -> str:
        assert self.process.stdout is not None
        line: str = self.process.stdout.readline()
        return line.strip()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.output, self.errors = self.process.communicate()


def gone(process: psutil.Process, limit: float = GONE_LIMIT) -> bool:
    """Whether it has ended; an orphan's zombie waits for whoever adopted it, which is none of our business."""
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        try:
            if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.01)
    return False


def health(url: str) -> int:
    return httpx.get(f"{url}/healthz", trust_env=False, verify=False).status_code


def test_it_is_there_at_once_and_gone_at_once() -> None:
    began = time.monotonic()
    simulator = Simulator()
    assert time.monotonic() - began < START_LIMIT
    child = psutil.Process(simulator.pid)
    assert health(simulator.url) == 200
    simulator.close()
    assert not child.is_running(), "a zombie is left"
    simulator.close()
    with pytest.raises(httpx.ConnectError):
        health(simulator.url)
    with pytest.raises(SimulatorError, match="closed"):
        simulator.ledger()


def test_a_dropped_handle_ends_it() -> None:
    simulator = Simulator()
    child = psutil.Process(simulator.pid)
    del simulator
    gc.collect()
    assert not child.is_running()


def test_an_error_in_the_block_ends_it() -> None:
    simulator = Simulator()
    child = psutil.Process(simulator.pid)
    with pytest.raises(ZeroDivisionError), simulator:
        _ = 1 / 0
    assert not child.is_running()


def test_a_killed_child_is_told_and_reaped() -> None:
    with Simulator() as simulator:
        os.kill(simulator.pid, signal.SIGKILL)
        assert gone(psutil.Process(simulator.pid))
        with pytest.raises(SimulatorError, match="exited with code -9"):
            simulator.ledger()


def test_a_child_that_hangs_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("liveavatar_nb.simulator.process.CLOSE_LIMIT", 0.2)
    simulator = Simulator()
    child = psutil.Process(simulator.pid)
    child.suspend()
    simulator.close()
    assert not child.is_running()


def test_a_port_in_use_is_told_in_a_line() -> None:
    with Simulator() as simulator:
        port = int(simulator.url.rpartition(":")[2])
        with pytest.raises(SimulatorError, match=f"127.0.0.1:{port}: Address already in use") as failed:
            Simulator(port=port)
    assert "Traceback" not in str(failed.value)


def test_a_port_can_be_chosen_again_at_once() -> None:
    with Simulator() as first:
        url = first.url
        httpx.get(f"{url}/healthz", trust_env=False, verify=False, headers={"Connection": "close"})
    with Simulator(port=int(url.rpartition(":")[2])) as second:
        assert second.url == url


@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_it_ends_when_its_owner_is_killed(kill: signal.Signals) -> None:
    with Owner("time.sleep(60)") as owner:
        assert health(owner.url) == 200
        owner.process.send_signal(kill)
        assert gone(owner.simulator, 1.0)


def test_it_outlives_the_owners_atexit_and_no_longer() -> None:
    script = """
        def at_end():
            print("at exit", simulator.ledger(), flush=True)
    """
    with Owner(script, "-X", "dev") as owner:  # which shows every warning
        assert owner.line() == "at exit []"
        assert gone(owner.simulator, 1.0)
        owner.process.wait(GONE_LIMIT)
    assert owner.process.returncode == 0
    assert owner.errors == ""


def test_an_interrupt_of_the_owners_group_leaves_it_alone() -> None:
    script = """
        # not print: the signal can come while "waiting" is still being printed
        signal.signal(signal.SIGINT, lambda *_: os.write(1, b"interrupted\\n"))
        print("waiting", flush=True)
        while True:
            time.sleep(60)
    """
    with Owner(script) as owner:
        assert owner.line() == "waiting"
        os.killpg(owner.process.pid, signal.SIGINT)
        assert owner.line() == "interrupted"
        assert health(owner.url) == 200
        assert os.getpgid(owner.simulator.pid) != os.getpgid(owner.process.pid)
    assert gone(owner.simulator)


in_proc = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="looks into /proc, which only Linux has")

FORK = """
    import contextlib
    def pipes():
        found = set()
        for fd in os.listdir("/proc/self/fd"):
            with contextlib.suppress(OSError):
                found.add(os.readlink("/proc/self/fd/" + fd))
        return found
    pipe = os.readlink(f"/proc/{simulator.pid}/fd/0")
    assert pipe in pipes()
    if os.fork() == 0:
        print(pipe in pipes(), flush=True)
        simulator.close()
        try:
            simulator.ledger()
        except Exception as error:
            print(type(error).__name__, flush=True)
        del simulator
        time.sleep(30)
        os._exit(0)
    time.sleep(30)
"""


@in_proc
def test_a_fork_holds_no_pipe_and_its_handle_does_nothing() -> None:
    with Owner(FORK) as owner:
        assert owner.line() == "False"
        (fork,) = (child for child in psutil.Process(owner.process.pid).children() if child != owner.simulator)
        assert owner.line() == "SimulatorError"
        assert health(owner.url) == 200
        owner.process.kill()
        assert gone(owner.simulator, 1.0)
        fork.kill()


@in_proc
def test_it_ends_though_a_stranger_holds_its_pipe() -> None:
    script = """
        import subprocess
        pipe = os.readlink(f"/proc/{simulator.pid}/fd/0")
        links = {fd: "/proc/self/fd/" + fd for fd in os.listdir("/proc/self/fd")}
        (fd,) = [int(fd) for fd, link in links.items() if os.path.islink(link) and os.readlink(link) == pipe]
        holder = subprocess.Popen(["sleep", "30"], pass_fds=[fd])
        print(holder.pid, flush=True)
        time.sleep(30)
    """
    with Owner(script) as owner:
        holder = psutil.Process(int(owner.line()))
        owner.process.kill()
        assert gone(owner.simulator)
        assert holder.is_running()
        holder.kill()


def test_no_secret_in_argv_environment_or_words(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in ("LIVEAVATAR_API_KEY", "OPENAI_API_KEY", "LIVEKIT_API_SECRET", "GITHUB_TOKEN"):
        monkeypatch.setenv(name, "canary-of-the-environment")
    with Simulator(api_key="canary-of-the-key") as simulator:
        child = psutil.Process(simulator.pid)
        seen = [
            *child.cmdline(),
            *child.environ().values(),
            *child.environ(),
            repr(simulator),
            repr(simulator.faults),
        ]
        httpx.get(
            f"{simulator.url}/v1/users/credits",
            headers={"X-API-KEY": "canary-of-the-key"},
            trust_env=False,
            verify=False,
        )
        seen.append(str(simulator.requests()))
    seen.append("".join(capfd.readouterr()))
    told = "\n".join(seen)
    assert "canary" not in told
    assert "PATH" in told


@pytest.mark.parametrize("key", ["", "two words", "new\nline", "é", "x" * 513, 5])
def test_an_impossible_key_is_refused_without_being_shown(key: Any) -> None:
    with pytest.raises((ValueError, TypeError), match="api_key") as refused:
        Simulator(api_key=key)
    assert not key or str(key) not in str(refused.value).replace("512", "")


def test_a_handle_cannot_be_copied() -> None:
    import copy  # noqa: PLC0415
    import pickle  # noqa: PLC0415

    with Simulator() as simulator:
        for how in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match="belongs to its process"):
                how(simulator)


def test_a_notebooks_folder_shadows_no_module(tmp_path: Path) -> None:
    for name in ("asyncio", "starlette", "uvicorn", "h11", "logging", "secrets2"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the notebook folder was imported')")
    source = textwrap.dedent(f"""
        import sys
        sys.path = [entry for entry in sys.path if entry] + [{str(PACKAGE.parent)!r}]
        from liveavatar_nb.simulator import Simulator
        sys.path.insert(0, "")
        sys.path.insert(0, {str(tmp_path)!r})
        with Simulator() as simulator:
            print(simulator.ledger())
    """)
    done = subprocess.run([sys.executable, "-c", source], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")


def test_the_child_is_of_the_same_copy_as_its_owner(tmp_path: Path) -> None:
    shutil.copytree(
        PACKAGE, tmp_path / "liveavatar_nb", ignore=shutil.ignore_patterns("node_modules", "frontend", "static")
    )
    endpoint = tmp_path / "liveavatar_nb" / "simulator" / "rest" / "endpoint.py"
    endpoint.write_text(endpoint.read_text().replace("SUCCESS: Final = 1000", "SUCCESS: Final = 123"))
    source = textwrap.dedent("""
        import json, urllib.request
        from liveavatar_nb.simulator import Simulator
        with Simulator() as simulator:
            with urllib.request.urlopen(simulator.url + "/v1/avatars/public") as response:
                print(json.load(response)["code"])
    """)
    # the folder is on the path as that of a notebook is: by being where Python was started
    done = subprocess.run(
        [sys.executable, "-c", source],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "NO_PROXY": "*"},
    )
    assert (done.stdout, done.stderr) == ("123\n", "")


def test_the_owners_side_imports_no_web_framework() -> None:
    source = (
        "import sys, liveavatar_nb.simulator; print([m for m in sys.modules if m.partition('.')[0] in "
        "('starlette', 'uvicorn', 'websockets', 'httpx', 'anyio', 'msgspec', 'asyncio', 'http')])"
    )
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_started_by_hand_it_says_how(tmp_path: Path) -> None:
    import pty  # noqa: PLC0415

    near, far = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "liveavatar_nb.simulator"], stdin=far, capture_output=True, text=True, check=False
    )
    os.close(near)
    os.close(far)
    assert done.returncode == 1
    assert "liveavatar-nb simulator" in done.stderr
