"""The command line, as processes of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psutil
import pytest
from websockets.sync.client import connect

from liveavatar_nb import LiveAvatar, __version__
from liveavatar_nb.config import KEY_VARIABLE
from liveavatar_nb.demo import FOLDER, STUDIO, notebooks_folder

ADDRESS_LIMIT = 60  # s until a command has printed its address
END_LIMIT = 40  # s until it has ended after a signal
FAKE_KEY = "canary-" + "k" * 32

Start = Callable[..., "Command"]


class Command:
    """A running `liveavatar-nb`, and what it has printed so far."""

    def __init__(self, *arguments: str, cwd: Path, env: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "liveavatar_nb.cli", *arguments],
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.printed = ""

    def until(self, pattern: str) -> str:
        """Read on until the first group of `pattern` was printed."""
        deadline = time.monotonic() + ADDRESS_LIMIT
        while not (found := re.search(pattern, self.printed)):
            assert self.process.stdout is not None
            line = self.process.stdout.readline()
            assert line, f"it ended: {self.printed}"
            assert time.monotonic() < deadline, self.printed
            self.printed += line
        return found[1]

    def family(self) -> list[psutil.Process]:
        """All that it started, at any depth."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def end(self, number: signal.Signals = signal.SIGINT) -> int:
        """Send a signal, read the rest, wait; returns the exit code."""
        self.process.send_signal(number)
        rest, _ = self.process.communicate(timeout=END_LIMIT)
        self.printed += rest
        return self.process.returncode


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    commands: list[Command] = []

    def begin(*arguments: str, **env: str) -> Command:
        environment = {name: value for name, value in os.environ.items() if name != KEY_VARIABLE}
        commands.append(Command(*arguments, cwd=tmp_path, env=environment | env))
        return commands[-1]

    yield begin
    for command in commands:
        if command.process.poll() is None:
            for process in command.family():
                process.kill()
            command.process.kill()
        command.process.communicate()


def run(*arguments: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != KEY_VARIABLE}
    return subprocess.run(
        [sys.executable, "-P", "-m", "liveavatar_nb.cli", *arguments],
        cwd=cwd,
        env=environment | env,
        capture_output=True,
        text=True,
        timeout=END_LIMIT,
        check=False,
    )


class Lab:
    """The demo's JupyterLab, by its own REST API and a kernel's WebSocket."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self.base = f"{parts.scheme}://{parts.netloc}"
        self.token = parse_qs(parts.query)["token"][0]

    def call(self, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data=data, headers={"Authorization": f"token {self.token}"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def execute(self, code: str) -> str:
        """Run `code` on a new kernel; what it printed."""
        kernel = self.call("/api/kernels", {"name": "python3"})["id"]
        channels = f"{self.base.replace('http', 'ws', 1)}/api/kernels/{kernel}/channels?token={self.token}"
        header = {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "username": "", "session": "s"}
        request = {
            "header": header | {"version": "5.3", "date": ""},
            "parent_header": {},
            "metadata": {},
            "channel": "shell",
            "content": {"code": code, "silent": False, "allow_stdin": False},
        }
        printed = ""
        with connect(channels) as channel:
            channel.send(json.dumps(request))
            while True:
                message = json.loads(channel.recv(timeout=ADDRESS_LIMIT))
                if message["parent_header"].get("msg_id") != header["msg_id"]:
                    continue
                assert message["msg_type"] != "error", message["content"]
                if message["msg_type"] == "stream":
                    printed += message["content"]["text"]
                # the reply comes by another channel, and can overtake what was printed
                if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                    return printed


def open_lab(command: Command) -> Lab:
    return Lab(command.until(r"(http://127\.0\.0\.1:\S+)"))


def cells(notebook: Path) -> str:
    return "\n".join("".join(cell["source"]) for cell in json.loads(notebook.read_text())["cells"])


# Without a server


def test_version(tmp_path: Path) -> None:
    assert run("--version", cwd=tmp_path).stdout.strip() == f"liveavatar-nb {__version__}"


def test_help_says_where_the_copies_are_and_what_bills(tmp_path: Path) -> None:
    told = run("demo", "--help", cwd=tmp_path).stdout
    for word in (FOLDER, "--live", "bills", "--no-browser", "--port", "Ctrl-C"):
        assert word in told


def test_help_imports_no_server_and_no_widget() -> None:
    code = (
        "import sys; from liveavatar_nb import cli\n"
        "try: cli.main(['--help'])\nexcept SystemExit: pass\n"
        "heavy = {'httpx', 'starlette', 'uvicorn', 'ipywidgets', 'jupyterlab', 'psutil'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL, timeout=60)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "required: command"),
        (["demo", "--port", "70000"], "no port"),
        (["demo", "--port", "-1"], "no port"),
        (["simulator", "--speed", "0"], "no number above 0"),
        (["simulator", "--speed", "nan"], "no number above 0"),
        (["simulator", "--credits", "-1"], "no number of credits"),
        (["simulator", "--credits", "many"], "no number of credits"),
    ],
)
def test_a_wrong_call_is_refused_in_words(arguments: list[str], told: str, tmp_path: Path) -> None:
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert told in done.stderr


def test_live_without_a_key_starts_nothing(tmp_path: Path) -> None:
    done = run("demo", "--live", "--no-browser", cwd=tmp_path)
    assert done.returncode == 1
    assert KEY_VARIABLE in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_without_jupyterlab_it_names_what_to_install(tmp_path: Path) -> None:
    code = "import sys; sys.modules['jupyterlab'] = None\nfrom liveavatar_nb.cli import main; sys.exit(main(['demo']))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert 'pip install "liveavatar_nb[demo]"' in done.stderr
    assert list(tmp_path.iterdir()) == []


# The demo


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_the_demo_ends_everything_it_started(start: Start, tmp_path: Path, number: signal.Signals) -> None:
    command = start("demo", "--no-browser", **{KEY_VARIABLE: FAKE_KEY})
    lab = open_lab(command)
    assert STUDIO in {entry["name"] for entry in lab.call("/api/contents/")["content"]}

    lab.execute("from liveavatar_nb import LiveAvatar; la = LiveAvatar.demo(); s = la.start('Silas')")
    family = command.family()
    simulators = [process for process in family if "simulator" in " ".join(process.cmdline())]
    assert simulators, "the kernel's simulator should run"
    for process in family:
        assert FAKE_KEY not in process.environ().values(), "a demo on the simulator has no key"
        assert lab.token not in " ".join(process.cmdline())

    assert command.end(number) == 0
    assert [process for process in family if process.is_running()] == []
    assert list(tmp_path.iterdir()) == [], "a copy that nobody worked in goes"


def test_a_busy_kernel_does_not_outlive_the_demo(start: Start) -> None:
    command = start("demo", "--no-browser")
    lab = open_lab(command)
    lab.execute(
        "import threading, signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "threading.Thread(target=time.sleep, args=(600,)).start()"
    )
    family = command.family()
    assert command.end() == 0
    assert [process for process in family if process.is_running()] == []


def test_work_in_the_copy_is_kept(start: Start, tmp_path: Path) -> None:
    command = start("demo", "--no-browser")
    open_lab(command)
    folder = tmp_path / FOLDER
    notebook = folder / STUDIO
    notebook.write_text(notebook.read_text().replace("studio = la.studio()", "mine = la.studio()"))
    assert command.end() == 0
    assert f"Your work is kept in {folder}" in command.printed
    assert "mine = la.studio()" in cells(notebook)

    again = start("demo", "--no-browser")
    open_lab(again)
    assert "mine = la.studio()" not in cells(tmp_path / f"{FOLDER}-2" / STUDIO)
    assert again.end() == 0
    assert [path.name for path in tmp_path.iterdir()] == [FOLDER]


def test_outputs_alone_are_no_work(start: Start, tmp_path: Path) -> None:
    command = start("demo", "--no-browser")
    open_lab(command)
    notebook = tmp_path / FOLDER / STUDIO
    content = json.loads(notebook.read_text())
    content["cells"][1]["outputs"] = [{"name": "stdout", "output_type": "stream", "text": ["hello"]}]
    notebook.write_text(json.dumps(content))
    assert command.end() == 0
    assert list(tmp_path.iterdir()) == []


def test_live_uses_the_key_and_says_that_it_bills(start: Start, tmp_path: Path) -> None:
    command = start("demo", "--live", "--no-browser", **{KEY_VARIABLE: FAKE_KEY})
    lab = open_lab(command)
    assert "billed" in command.printed
    assert FAKE_KEY not in command.printed
    for path in (tmp_path / FOLDER).glob("*.ipynb"):
        content = json.loads(path.read_text())
        code = "".join("".join(cell["source"]) for cell in content["cells"] if cell["cell_type"] == "code")
        assert "la = LiveAvatar()" in code
        assert "demo()" not in code
        assert "demo()" in (notebooks_folder() / path.name).read_text()
    assert lab.execute(f"import os; print(os.environ['{KEY_VARIABLE}'] == '{FAKE_KEY}')").strip() == "True"
    assert command.end() == 0


def test_the_browser_gets_the_token_by_a_private_file(start: Start, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$@" > "{seen}.new"; mv "{seen}.new" "{seen}"\n')
    browser.chmod(0o755)
    command = start("demo", BROWSER=f"{browser} %s")
    lab = open_lab(command)
    deadline = time.monotonic() + 10
    while not seen.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert lab.token not in seen.read_text()
    page = Path(urlsplit(seen.read_text().strip()).path)
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    assert f"{lab.base}/lab/workspaces/" in page.read_text()
    assert lab.token in page.read_text()
    assert command.end() == 0
    assert not page.exists()


def test_a_taken_port_is_told_with_the_log(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("demo", "--no-browser", "--port", str(port), cwd=tmp_path)
    assert done.returncode == 1
    assert "JupyterLab ended with code" in done.stderr
    assert str(port) in done.stderr
    assert list(tmp_path.iterdir()) == []


# The simulator


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_the_simulator_says_how_to_use_it_and_ends(start: Start, number: signal.Signals) -> None:
    command = start("simulator", "--credits", "7", "--speed", "2")
    key = command.until(rf"export {KEY_VARIABLE}=(\S+)")
    url = command.until(r'api_url="(\S+)"')
    with LiveAvatar(key, api_url=url) as la:
        assert la.credits() == 7
    assert command.end(number) == 0
    assert "Traceback" not in command.printed


def test_the_simulator_refuses_what_is_no_origin(tmp_path: Path) -> None:
    done = run("simulator", "--allow-origin", "*", cwd=tmp_path)
    assert done.returncode == 1
    assert "allow_origins" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_taken_port_ends_the_simulator_in_words(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = run("simulator", "--port", str(taken.getsockname()[1]), cwd=tmp_path)
    assert done.returncode == 1
    assert "in use" in done.stderr
    assert "Traceback" not in done.stderr
