"""What the README shows is true: its Python runs, its commands and links exist."""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
import shlex
import time
import tomllib
from pathlib import Path

import pytest

from liveavatar_nb import AsyncLiveAvatar, LiveAvatar, Simulator, Studio
from liveavatar_nb.bridge.loop import bridge
from liveavatar_nb.cli import main
from liveavatar_nb.config import KEY_VARIABLE

LOAD_LIMIT = 20  # s, for what a studio shows first: avatars and credits

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
SHELL = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)


def run(block: str) -> dict[str, object]:
    """Run a block as a notebook's cell is run, `await` at its top level included; returns its names."""
    names: dict[str, object] = {}
    code = compile(block, "README.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    waiting = eval(code, names)
    if inspect.iscoroutine(waiting):
        asyncio.run(waiting)
    return names


def test_there_are_examples_of_both_faces() -> None:
    assert len(PYTHON) == 7
    assert any("await" in block for block in PYTHON)


@pytest.mark.parametrize("block", PYTHON, ids=range(1, len(PYTHON) + 1))
def test_python_runs(block: str, simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, simulator.api_key)
    for face in (LiveAvatar, AsyncLiveAvatar):
        defaults = inspect.unwrap(face.__init__).__kwdefaults__
        assert defaults is not None
        monkeypatch.setitem(defaults, "api_url", simulator.url)
    names = run(block)
    if isinstance(studio := names.get("studio"), Studio):
        deadline = time.monotonic() + LOAD_LIMIT
        while studio.catalogue["state"] == "loading" or studio.credits is None:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert studio.catalogue["state"] == "ready"
        studio.close()
    if isinstance(la := names.get("la"), LiveAvatar):
        la.close()
    bridge.close()
    assert all(entry.ended_at for entry in simulator.ledger())


def test_the_block_with_a_key_reaches_the_service(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves that the test above judges the service it means."""
    block = next(block for block in PYTHON if "LiveAvatar() as la, la.start" in block)
    test_python_runs(block, simulator, monkeypatch)
    assert [entry.starts for entry in simulator.ledger()] == [1]


def test_the_two_commands_are_there_and_name_what_exists() -> None:
    assert 'pip install ".[demo]" && liveavatar-nb demo\n' in SHELL
    assert 'pip install ".[test]" && pytest\n' in SHELL
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {"demo", "test"} <= project["optional-dependencies"].keys()
    assert project["scripts"] == {"liveavatar-nb": "liveavatar_nb.cli.main:main"}


@pytest.mark.parametrize("option", ["--live", "--no-browser", "--port"])
def test_the_options_it_names_are_options(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert option in README
    with pytest.raises(SystemExit):
        main.main(["demo", "--help"])
    assert option in capsys.readouterr().out


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\((?!https?:)([^)#]+)\)", README))))
def test_links_lead_somewhere(link: str) -> None:
    assert (ROOT / link).is_file()


COMMANDS = [line for block in SHELL for line in block.splitlines() if line.startswith("liveavatar-nb ")]


@pytest.mark.parametrize("line", COMMANDS)
def test_its_commands_run(
    line: str, simulator: Simulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, simulator.api_key)
    arguments = shlex.split(line, comments=True)[1:]
    assert main.main([*arguments, "--api-url", simulator.url]) == 0
    assert capsys.readouterr().out


def test_there_are_commands() -> None:
    assert len(COMMANDS) == 5
