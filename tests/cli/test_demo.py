"""The demo, with JupyterLab and kernels; three of them from start to end, and each test looks at one side of one."""

from __future__ import annotations

import json
import signal
import socket
import stat
import subprocess
import sys
import urllib.request
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psutil
import pytest
from websockets.sync.client import connect

from liveavatar_nb.cli.demo import FOLDER, STUDIO, notebooks_folder
from liveavatar_nb.config import KEY_VARIABLE

from ..waiting import wait_for
from .command import ADDRESS_LIMIT, FAKE_KEY, Command, run

pytestmark = pytest.mark.timeout(300)  # a whole demo runs within its first test


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


def code_of(notebook: Path) -> str:
    """The source of all code cells of a notebook."""
    cells = json.loads(notebook.read_text())["cells"]
    return "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")


@contextmanager
def demo(
    folder: Path, *arguments: str, env: dict[str, str], under: Sequence[str] = ()
) -> Iterator[tuple[Command, Lab]]:
    """A demo that runs; it is killed if it does not end in the block."""
    command = Command("demo", *arguments, cwd=folder, under=under, **env)
    try:
        yield command, Lab(command.until(r"(http://127\.0\.0\.1:\S+)"))
    finally:
        command.kill()


@dataclass
class Seen:
    """What came of a demo that has ended."""

    token: str
    names: set[str]  # of the folder that JupyterLab shows
    commands: list[str] = field(default_factory=list)  # the command lines of all that it started
    environments: list[dict[str, str]] = field(default_factory=list)
    exit_code: int | None = None
    outlived: list[psutil.Process] = field(default_factory=list)  # processes that it started and that still run

    def end(self, command: Command, number: signal.Signals) -> None:
        family = command.family()
        self.commands = [" ".join(process.cmdline()) for process in family]
        self.environments = [process.environ() for process in family]
        self.exit_code = command.end(number)
        self.outlived = [process for process in family if process.is_running()]


# On the simulator, looked at and left


@dataclass
class Visit(Seen):
    """A demo in a browser, ended by Ctrl-C, in which nobody worked."""

    left: list[str] = field(default_factory=list)  # in the folder where the command was run
    browser: str = ""  # what the browser was called with
    page: str = ""  # the page that it was to open
    page_mode: int = 0
    page_is_left: bool = True
    base: str = ""


STUBBORN = """
import threading, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
threading.Thread(target=time.sleep, args=(600,)).start()
"""


@pytest.fixture(scope="module")
def visit(tmp_path_factory: pytest.TempPathFactory) -> Visit:
    folder, tools = tmp_path_factory.mktemp("visit"), tmp_path_factory.mktemp("tools")
    called, browser = tools / "called", tools / "browser"
    browser.write_text(f'#!/bin/sh\necho "$@" > "{called}.new"; mv "{called}.new" "{called}"\n')
    browser.chmod(0o755)
    with demo(folder, env={KEY_VARIABLE: FAKE_KEY, "BROWSER": f"{browser} %s"}) as (command, lab):
        seen = Visit(lab.token, {entry["name"] for entry in lab.call("/api/contents/")["content"]}, base=lab.base)
        wait_for(called.exists, 10)
        seen.browser = called.read_text()
        page = Path(urlsplit(seen.browser.strip()).path)
        seen.page, seen.page_mode = page.read_text(), stat.S_IMODE(page.stat().st_mode)
        lab.execute("from liveavatar_nb import LiveAvatar; la = LiveAvatar.demo(); s = la.start('Silas')")
        lab.execute(STUBBORN)
        notebook = folder / FOLDER / STUDIO
        content = json.loads(notebook.read_text())
        content["cells"][1]["outputs"] = [{"name": "stdout", "output_type": "stream", "text": ["hello"]}]
        notebook.write_text(json.dumps(content))
        seen.end(command, signal.SIGINT)
        seen.page_is_left = page.exists()
    seen.left = [path.name for path in folder.iterdir()]
    return seen


def test_it_shows_the_notebooks(visit: Visit) -> None:
    assert STUDIO in visit.names


def test_ctrl_c_ends_everything_even_a_kernel_that_is_busy(visit: Visit) -> None:
    assert any("simulator" in command for command in visit.commands), "the kernel's simulator should run"
    assert visit.exit_code == 0
    assert visit.outlived == []


def test_outputs_alone_are_no_work(visit: Visit) -> None:
    assert visit.left == []


def test_on_the_simulator_it_has_no_key(visit: Visit) -> None:
    assert not any(FAKE_KEY in environment.values() for environment in visit.environments)


def test_nobody_else_sees_the_token(visit: Visit) -> None:
    assert not any(visit.token in command for command in visit.commands)
    assert visit.token not in visit.browser


def test_the_browser_gets_the_token_by_a_private_file(visit: Visit) -> None:
    assert visit.page_mode == 0o600
    assert f"{visit.base}/lab/workspaces/" in visit.page
    assert visit.token in visit.page
    assert not visit.page_is_left


# On the service, under nohup, worked in


@dataclass
class Work(Seen):
    """A live demo under nohup, in which somebody worked, and the one after it."""

    printed: str = ""
    kernel: str = ""  # what a cell printed about its key
    live: dict[str, str] = field(default_factory=dict)  # the code of each copy
    kept: str = ""  # the code of the copy that somebody worked in
    folder: Path = Path()
    again: str = ""  # the code of the next demo's copy
    left: list[str] = field(default_factory=list)


def edit(notebook: Path) -> None:
    notebook.write_text(notebook.read_text().replace("studio = la.studio()", "mine = la.studio()"))


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Work:
    folder = tmp_path_factory.mktemp("work")
    copies = folder / FOLDER
    with demo(folder, "--live", "--no-browser", under=["nohup"], env={KEY_VARIABLE: FAKE_KEY}) as (command, lab):
        seen = Work(lab.token, set(), folder=copies)
        command.process.send_signal(signal.SIGHUP)
        seen.kernel = lab.execute(f"import os; print(os.environ['{KEY_VARIABLE}'] == '{FAKE_KEY}')").strip()
        seen.live = {path.name: code_of(path) for path in copies.glob("*.ipynb")}
        edit(copies / STUDIO)
        seen.end(command, signal.SIGTERM)
        seen.printed, seen.kept = command.printed, code_of(copies / STUDIO)
    with demo(folder, "--no-browser", env={}) as (command, _):
        seen.again = code_of(folder / f"{FOLDER}-2" / STUDIO)
        command.end()
    seen.left = [path.name for path in folder.iterdir()]
    return seen


def test_under_nohup_it_outlives_its_terminal_and_ends_on_sigterm(work: Work) -> None:
    assert work.kernel, "a kernel takes longer to start than a demo to end"
    assert work.exit_code == 0
    assert work.outlived == []


def test_live_uses_the_key_and_says_that_it_bills(work: Work) -> None:
    assert work.kernel == "True"
    assert "billed" in work.printed
    assert FAKE_KEY not in work.printed
    assert set(work.live) == {path.name for path in notebooks_folder().glob("*.ipynb")}
    for name, code in work.live.items():
        assert "LiveAvatar(" in code
        assert "demo(" not in code
        assert "LiveAvatar.demo(" in (notebooks_folder() / name).read_text()


def test_work_in_the_copy_is_kept(work: Work) -> None:
    assert f"Your work is in {work.folder}" in work.printed
    assert "mine = la.studio()" in work.kept
    assert "mine = la.studio()" not in work.again
    assert work.left == [FOLDER]


# Without JupyterLab


def test_live_without_a_key_starts_nothing(tmp_path: Path) -> None:
    done = run("demo", "--live", "--no-browser", cwd=tmp_path)
    assert done.returncode == 1
    assert KEY_VARIABLE in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_without_jupyterlab_it_names_what_to_install(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['jupyterlab'] = None\n"
        "from liveavatar_nb.cli.main import main; sys.exit(main(['demo']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert 'pip install "liveavatar_nb[demo]"' in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_taken_port_is_told_with_the_log(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("demo", "--no-browser", "--port", str(port), cwd=tmp_path)
    assert done.returncode == 1
    assert "JupyterLab exited with code" in done.stderr
    assert str(port) in done.stderr
    assert list(tmp_path.iterdir()) == []
