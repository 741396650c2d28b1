"""The commands but for the demo, as processes of their own."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from liveavatar_nb import LiveAvatar, Simulator, __version__, config
from liveavatar_nb.cli.demo import FOLDER
from liveavatar_nb.cli.main import _options, _parser
from liveavatar_nb.config import KEY_VARIABLE, Masked
from liveavatar_nb.protection.journal import Journal, journal

from ..waiting import wait_for
from .command import ADDRESS_LIMIT, END_LIMIT, FAKE_KEY, Command, run

COMMANDS = re.findall(r"^    (\w+)  ", _parser().format_help(), re.MULTILINE)

Start = Callable[..., Command]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    commands: list[Command] = []

    def begin(*arguments: str, under: Sequence[str] = (), **env: str) -> Command:
        commands.append(Command(*arguments, cwd=tmp_path, under=under, **env))
        return commands[-1]

    yield begin
    for command in commands:
        command.kill()


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
