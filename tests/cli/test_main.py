"""The command line, as processes of its own."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import termios
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psutil
import pytest
from websockets.sync.client import connect

from liveavatar_nb import LiveAvatar, Simulator, __version__, config
from liveavatar_nb.cli.demo import FOLDER, STUDIO, notebooks_folder
from liveavatar_nb.cli.main import _options, _parser
from liveavatar_nb.config import KEY_VARIABLE, Masked
from liveavatar_nb.protection.journal import Journal, journal

from ..waiting import wait_for

ADDRESS_LIMIT = 60  # s until a command has printed its address
END_LIMIT = 40  # s until it has ended after a signal
FAKE_KEY = "canary-" + "k" * 32

COMMANDS = re.findall(r"^    (\w+)  ", _parser().format_help(), re.MULTILINE)

Start = Callable[..., "Command"]


class Command:
    """A running `liveavatar-nb`, and what it has printed so far."""

    def __init__(self, *arguments: str, cwd: Path, env: dict[str, str], under: Sequence[str] = ()) -> None:
        self.process = subprocess.Popen(
            [*under, sys.executable, "-P", "-m", "liveavatar_nb.cli", *arguments],
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

    def begin(*arguments: str, under: Sequence[str] = (), **env: str) -> Command:
        environment = {name: value for name, value in os.environ.items() if name != KEY_VARIABLE}
        commands.append(Command(*arguments, cwd=tmp_path, env=environment | env, under=under))
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
    for word in (FOLDER, "--live", "billed", "--no-browser", "--port", "Ctrl-C"):
        assert word in told


def test_help_imports_no_server_and_no_widget() -> None:
    code = (
        "import sys; from liveavatar_nb.cli import main\n"
        "try: main.main(['--help'])\nexcept SystemExit: pass\n"
        "heavy = {'httpx', 'starlette', 'uvicorn', 'ipywidgets', 'jupyterlab', 'psutil'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL, timeout=60)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "required: COMMAND"),
        (["demo", "--port", "70000"], "is not a port"),
        (["demo", "--port", "-1"], "is not a port"),
        (["simulator", "--speed", "0"], "is not a number above 0"),
        (["simulator", "--speed", "nan"], "is not a number above 0"),
        (["simulator", "--credits", "-1"], "is not a number of credits"),
        (["simulator", "--credits", "many"], "is not a number of credits"),
        (["avatar"], "choose from"),
        (["avatars", "Silas"], "avatars: error: unknown arguments: Silas"),
        (["avatars", "--scope", "his"], "invalid choice"),
        (["avatars", "--api-url", "127.0.0.1:80"], "is not a valid URL"),
        (["avatars", "--api-url", ""], "is not a valid URL"),
        (["avatars", "--api-url", "http://h:99999"], "is not a valid URL"),
        (["sessions", "--limit", "0"], "is not a number of sessions"),
        (["sessions", "--active", "--ended"], "not allowed with"),
        (["sessions", "--orphans", "--ended"], "not allowed with"),
        (["sessions", "--stop"], "--stop needs --orphans"),
        (["sessions", "--stop", "--ended"], "--stop needs --orphans"),
        (["doctor", "--demo", "--api-url", "http://127.0.0.1:9"], "not allowed with"),
    ],
)
def test_a_wrong_call_is_refused_in_words(arguments: list[str], told: str, tmp_path: Path) -> None:
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert told in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["--api-key", FAKE_KEY, "avatars"],
        ["avatars", f"--api-key={FAKE_KEY}"],
        ["credits", "--key", FAKE_KEY],
        ["doctor", "--api-url", f"https://user:{FAKE_KEY}@h"],
    ],
)
def test_a_secret_among_the_arguments_is_refused_unseen(arguments: list[str], tmp_path: Path) -> None:
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert "others can see" in done.stderr
    assert FAKE_KEY not in done.stdout + done.stderr


def test_all_commands_on_one_screen(tmp_path: Path) -> None:
    told = run("--help", cwd=tmp_path, COLUMNS="80").stdout
    assert len(told.splitlines()) <= 24
    assert max(map(len, told.splitlines())) <= 88
    assert {"demo", "simulator"} <= set(COMMANDS)
    for name in COMMANDS:
        # each on a line of its own, with what it does
        assert re.search(rf"^ +{name} +\w", told, re.MULTILINE), name


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_each_has_an_example_that_parses(name: str, tmp_path: Path) -> None:
    told = run(name, "--help", cwd=tmp_path).stdout
    lines = [line.split("   ")[0].split() for line in told.partition("example:")[2].strip().splitlines()]
    for line in (words for words in (" ".join(one).split() for one in lines) if words):
        assert _options(line[1:]).run.__name__.startswith(f"_{name}")


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


def test_a_demo_under_nohup_outlives_its_terminal(start: Start) -> None:
    command = start("demo", "--no-browser", under=["nohup"])
    lab = open_lab(command)
    command.process.send_signal(signal.SIGHUP)
    lab.execute("print('a kernel takes longer to start than a demo to end')")
    assert command.end(signal.SIGTERM) == 0


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
    assert f"Your work is in {folder}" in command.printed
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
        assert "LiveAvatar(" in code
        assert "demo(" not in code
        assert "LiveAvatar.demo(" in (notebooks_folder() / path.name).read_text()
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
    assert "JupyterLab exited with code" in done.stderr
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


# What an account has


def ask(simulator: Simulator, *arguments: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """The command with the simulator's key and address."""
    key = {KEY_VARIABLE: simulator.api_key}
    return run(*arguments, "--api-url", simulator.url, cwd=cwd, **(key | env))


def test_avatars_as_a_table(simulator: Simulator, la: LiveAvatar, tmp_path: Path) -> None:
    done = ask(simulator, "avatars", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["NAME", "WHOSE", "STATUS", "ID", "TYPE", "VOICE"]
    everything = list(la.avatars())
    assert len(lines) == 1 + len(everything)
    for line, one in zip(lines[1:], everything, strict=True):
        assert line.startswith(one.name)
        assert one.id in line
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize("width", [80, 120])
def test_tables_fit_the_terminal(width: int, simulator: Simulator, tmp_path: Path) -> None:
    for arguments in (["avatars"], ["sessions", "--ended"]):
        done = ask(simulator, *arguments, cwd=tmp_path, COLUMNS=str(width))
        assert done.returncode == 0
        assert max(map(len, done.stdout.splitlines())) <= width


def test_avatars_that_are_looked_for(simulator: Simulator, la: LiveAvatar, tmp_path: Path) -> None:
    done = ask(simulator, "avatars", "--scope", "public", "--search", "SILAS", cwd=tmp_path)
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["NAME", "Silas"]
    none = ask(simulator, "avatars", "--search", "nobody", cwd=tmp_path)
    assert none.returncode == 0
    assert "No avatar has 'nobody' in its name." in none.stdout
    mine = json.loads(ask(simulator, "avatars", "--scope", "mine", "--json", cwd=tmp_path).stdout)
    assert [one["id"] for one in mine] == [one.id for one in la.avatars("mine")]


def test_sessions_that_run_and_that_ended(simulator: Simulator, la: LiveAvatar, tmp_path: Path) -> None:
    none = ask(simulator, "sessions", cwd=tmp_path)
    assert "No session is running" in none.stdout
    assert "sessions --ended" in none.stdout
    assert json.loads(ask(simulator, "sessions", "--json", cwd=tmp_path).stdout) == []

    session = la.start("Silas")
    simulator.advance(67)
    running = ask(simulator, "sessions", "--active", cwd=tmp_path).stdout
    assert str(session.id) in running
    assert re.search(r" LITE +1:\d\d +1\.\d\d ", running)
    assert "api.sessions.stop" in running

    session.stop()
    ended = ask(simulator, "sessions", "--ended", "--limit", "1", cwd=tmp_path).stdout
    assert str(session.id) in ended.splitlines()[1]
    assert "you stopped it" in ended
    (one,) = json.loads(ask(simulator, "sessions", "--ended", "--limit", "1", "--json", cwd=tmp_path).stdout)
    assert one["id"] == session.id
    assert one["end_reason"] == "USER_CLOSED"


def test_a_limit_says_that_there_are_more(simulator: Simulator, la: LiveAvatar, tmp_path: Path) -> None:
    for _ in range(2):
        la.start(is_sandbox=True).stop()
    done = ask(simulator, "sessions", "--ended", "--limit", "1", cwd=tmp_path)
    assert "There are more: try --limit" in done.stdout
    assert len(done.stdout.splitlines()) == 3


def leave(simulator: Simulator, la: LiveAvatar) -> str:
    """A session whose kernel is dead."""
    token = la.api.sessions.create_token(avatar_id=config.SANDBOX_AVATAR, mode="LITE")
    la.api.sessions.start(token.session_id, token.session_token)
    dead = Journal(journal.folder)
    dead.add(token.session_id, simulator.url, Masked(simulator.api_key), 600.0)
    dead.started(token.session_id, 600.0)
    assert dead._held is not None
    dead._held.release()
    dead._forget()
    return token.session_id


def test_whose_the_sessions_are_that_run(simulator: Simulator, la: LiveAvatar, tmp_path: Path) -> None:
    mine, left = la.start("Silas"), leave(simulator, la)
    done = ask(simulator, "sessions", cwd=tmp_path, COLUMNS="80")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert "WHOSE" in lines[0]
    assert any(f"{mine.id}  kernel {os.getpid()}" in line for line in lines)
    assert any(f"{left}  left over" in line for line in lines)
    assert "liveavatar-nb sessions --orphans --stop" in done.stdout
    told = {one["id"]: one for one in json.loads(ask(simulator, "sessions", "--json", cwd=tmp_path).stdout)}
    assert told[left]["whose"] == "orphan"
    assert (told[mine.id]["whose"], told[mine.id]["pid"]) == ("another kernel", os.getpid())

    left_over = ask(simulator, "sessions", "--orphans", cwd=tmp_path, COLUMNS="80").stdout
    assert left in left_over
    assert str(mine.id) not in left_over
    (one,) = json.loads(ask(simulator, "sessions", "--orphans", "--json", cwd=tmp_path).stdout)
    assert one["id"] == left

    stopped = ask(simulator, "sessions", "--orphans", "--stop", cwd=tmp_path, COLUMNS="80")
    assert (stopped.returncode, stopped.stderr) == (0, "")
    assert stopped.stdout.startswith(f"Stopped {left}")
    assert [entry.session_id for entry in simulator.billed()] == [mine.id]
    for arguments in ([], ["--stop"]):
        none = ask(simulator, "sessions", "--orphans", *arguments, cwd=tmp_path)
        assert (none.returncode, none.stdout) == (0, "No dead kernel on this machine has left a session running.\n")
    mine.stop()


def test_a_stop_that_is_not_confirmed_says_what_ends_the_session(
    simulator: Simulator, la: LiveAvatar, tmp_path: Path
) -> None:
    left = [leave(simulator, la), leave(simulator, la)]
    simulator.faults.add("stop", "status", times=1, status=400, message="no")
    done = ask(simulator, "sessions", "--orphans", "--stop", cwd=tmp_path)
    assert done.returncode == 1
    (still,) = (entry.session_id for entry in simulator.billed())
    assert f"Stopped {next(one for one in left if one != still)}" in done.stdout
    assert f"The service did not confirm the stop of {still}" in done.stderr
    assert re.search(r"The session reaches its cap at \d\d:\d\d:\d\d at the latest\.", done.stderr)
    assert "Traceback" not in done.stderr

    simulator.faults.add("stop", "status", times=1, status=400, message="no")
    form = ["sessions", "--orphans", "--stop", "--json"]
    failed = ask(simulator, *form, cwd=tmp_path)
    assert failed.returncode == 1
    assert [(one["id"], one["is_stopped"]) for one in json.loads(failed.stdout)] == [(still, False)]
    again = ask(simulator, *form, cwd=tmp_path)
    assert again.returncode == 0
    assert [(one["id"], one["is_stopped"]) for one in json.loads(again.stdout)] == [(still, True)]


def test_credits_in_words_and_as_json(tmp_path: Path) -> None:
    with Simulator(credits="7.555") as simulator:
        told = ask(simulator, "credits", cwd=tmp_path).stdout
        assert told == "7.55 credits left: 3 min of FULL or 7 min of LITE\n"
        assert json.loads(ask(simulator, "credits", "--json", cwd=tmp_path).stdout) == {"credits_left": "7.555"}


@pytest.mark.parametrize("arguments", [["avatars"], ["sessions"], ["credits"]], ids=str)
@pytest.mark.parametrize("form", [[], ["--json"]], ids=["table", "json"])
def test_errors_are_words_on_stderr(
    arguments: list[str], form: list[str], simulator: Simulator, tmp_path: Path
) -> None:
    cases = [
        ask(simulator, *arguments, *form, cwd=tmp_path, **{KEY_VARIABLE: FAKE_KEY}),
        ask(simulator, *arguments, *form, cwd=tmp_path, **{KEY_VARIABLE: ""}),
    ]
    for done in cases:
        assert (done.returncode, done.stdout) == (1, "")
        assert KEY_VARIABLE in done.stderr
        assert FAKE_KEY not in done.stderr
        assert "Traceback" not in done.stderr


def test_a_service_that_is_not_there_is_told_with_the_doctor(tmp_path: Path) -> None:
    done = run("credits", "--api-url", "http://127.0.0.1:9", cwd=tmp_path, **{KEY_VARIABLE: FAKE_KEY})
    assert done.returncode == 1
    assert "liveavatar-nb doctor" in done.stderr


def test_a_proxy_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    done = run("credits", cwd=tmp_path, **{KEY_VARIABLE: FAKE_KEY, "HTTPS_PROXY": "nonsense://x"})
    assert done.returncode == 1
    assert "HTTPS_PROXY" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_answer_cannot_steer_the_terminal(simulator: Simulator, tmp_path: Path) -> None:
    simulator.faults.add("credits", "status", times=None, status=400, message="\x1b]0;title\x07 no")
    done = ask(simulator, "credits", cwd=tmp_path)
    assert done.returncode == 1
    assert "]0;title? no" in done.stderr
    assert "\x1b" not in done.stderr


def test_a_name_that_the_terminal_lacks_signs_for(simulator: Simulator, tmp_path: Path) -> None:
    wide = ask(simulator, "avatars", "--search", "Noo", cwd=tmp_path, COLUMNS="80", PYTHONIOENCODING="ascii")
    assert (wide.returncode, wide.stderr) == (0, "")
    done = ask(simulator, "avatars", "--search", "\u96ea", cwd=tmp_path, PYTHONIOENCODING="ascii")
    assert done.stdout == "No avatar has '?' in its name.\n"


def test_ctrl_c_while_it_waits(simulator: Simulator, start: Start) -> None:
    simulator.faults.add("credits", "delay", times=None, seconds=30)
    command = start("credits", "--api-url", simulator.url, **{KEY_VARIABLE: simulator.api_key})
    deadline = time.monotonic() + ADDRESS_LIMIT
    while not any(request["path"] == "/v1/users/credits" for request in simulator.requests()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    began = time.monotonic()
    assert command.end() == 130
    assert time.monotonic() - began < 3
    assert command.printed == ""


@pytest.mark.parametrize("arguments", [["avatars"], ["avatars", "--json"], ["doctor", "--json"], ["doctor"]], ids=str)
def test_a_closed_pipe_ends_it_silently(arguments: list[str], simulator: Simulator, tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "liveavatar_nb.cli", *arguments, "--api-url", simulator.url],
            cwd=tmp_path,
            env=os.environ | {KEY_VARIABLE: simulator.api_key},
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            timeout=END_LIMIT,
            check=False,
        )
    finally:
        os.close(writer)
    assert done.stderr == ""
    assert done.returncode == 141


def test_a_closed_stdout_is_no_failure(simulator: Simulator, tmp_path: Path) -> None:
    command = [sys.executable, "-P", "-m", "liveavatar_nb.cli", "avatars", "--api-url", simulator.url]
    done = subprocess.run(
        ["sh", "-c", '"$@" >&-', "sh", *command],
        cwd=tmp_path,
        env=os.environ | {KEY_VARIABLE: simulator.api_key},
        stderr=subprocess.PIPE,
        text=True,
        timeout=END_LIMIT,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


# The doctor


def test_the_doctor_on_a_demo(tmp_path: Path) -> None:
    done = run("doctor", "--demo", "--start", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert done.stderr == ""
    states = [line.split()[0] for line in done.stdout.splitlines() if line and not line.startswith(" ")]
    assert set(states[:-1]) <= {"ok", "warning"}
    assert "connected in" in done.stdout
    assert "\x1b" not in done.stdout


def test_the_doctor_without_a_key_says_how_to_give_one(simulator: Simulator, tmp_path: Path) -> None:
    done = run("doctor", "--json", "--api-url", simulator.url, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == ""
    findings = {one["name"]: one for one in json.loads(done.stdout)}
    assert findings["key"]["state"] == "problem"
    assert KEY_VARIABLE in findings["key"]["remedy"]
    assert findings["sandbox"]["state"] == "skipped"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_what_the_doctor_started_is_stopped_on_ctrl_c(
    simulator: Simulator, start: Start, number: signal.Signals
) -> None:
    simulator.faults.add("socket", "never_connected", times=None)
    command = start("doctor", "--start", "--api-url", simulator.url, **{KEY_VARIABLE: simulator.api_key})
    wait_for(simulator.billed, ADDRESS_LIMIT)
    assert command.end(number) == 130
    assert "Traceback" not in command.printed
    assert not simulator.billed()
    assert simulator.ledger()[-1].end_reason == "USER_CLOSED"


def test_the_doctor_under_nohup_outlives_its_terminal(start: Start) -> None:
    with Simulator(connect_delay=2) as simulator:
        key = {KEY_VARIABLE: simulator.api_key}
        command = start("doctor", "--start", "--api-url", simulator.url, under=["nohup"], **key)
        wait_for(simulator.billed, ADDRESS_LIMIT)
        assert command.end(signal.SIGHUP) == 0
        assert "connected in" in command.printed
        assert not simulator.billed()


def test_the_doctor_has_colours_on_a_terminal_only(simulator: Simulator, tmp_path: Path) -> None:
    key = {KEY_VARIABLE: simulator.api_key}
    assert "\x1b[32mok\x1b[0m       python" in on_a_terminal("doctor", "--api-url", simulator.url, cwd=tmp_path, **key)
    assert "\x1b" not in on_a_terminal("doctor", "--api-url", simulator.url, cwd=tmp_path, **key, NO_COLOR="1")


def test_on_a_terminal_a_long_wait_is_told(simulator: Simulator, tmp_path: Path) -> None:
    simulator.faults.add("credits", "delay", seconds=3)
    told = on_a_terminal("credits", "--api-url", simulator.url, cwd=tmp_path, **{KEY_VARIABLE: simulator.api_key})
    assert f"waiting for {simulator.url}" in told
    assert "100 credits left" in told


def on_a_terminal(*arguments: str, cwd: Path, **env: str) -> str:
    """What the command shows on a terminal of 100 columns."""
    ours, its = os.openpty()
    termios.tcsetwinsize(its, (50, 100))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR")}
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "liveavatar_nb.cli", *arguments],
        cwd=cwd,
        env=environment | {"TERM": "xterm"} | env,
        stdin=its,
        stdout=its,
        stderr=its,
    ):
        os.close(its)
        shown = b""
        # a terminal whose last program ended gives an error, not an end
        with contextlib.suppress(OSError):
            while piece := os.read(ours, 4096):
                shown += piece
    os.close(ours)
    return shown.decode()
