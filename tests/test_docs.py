"""What README, CONTRIBUTING and ARCHITECTURE show is true: Python runs; commands, links, paths and tests exist."""

from __future__ import annotations

import ast
import asyncio
import inspect
import json
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
from liveavatar_nb.simulator.rest.operations import OPERATIONS

from .test_layers import ROWS

LOAD_LIMIT = 20  # s, for what a studio shows first: avatars and credits

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
SHELL = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)

GUIDES = {
    name: (ROOT / ".github" / name).read_text(encoding="utf-8") for name in ("CONTRIBUTING.md", "ARCHITECTURE.md")
}
# in backticks: what has a folder, or the ending of a file
PATH = re.compile(r"`((?:[\w.-]+/)+[\w.-]*|[\w.-]+\.(?:css|json|md|mjs|py|toml|tsx?))`")
TO_RUN = "\n".join(re.findall(r"```sh\n(.*?)```", GUIDES["CONTRIBUTING.md"], re.DOTALL))


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


def test_it_names_every_command() -> None:
    for name in re.findall(r"^    (\w+)  ", main._parser().format_help(), re.MULTILINE):
        assert f"liveavatar-nb {name}" in README, name


def test_it_says_how_many_operations_there_are() -> None:
    notebook = (ROOT / "notebooks" / "07_account.ipynb").read_text(encoding="utf-8")
    assert f"all {len(OPERATIONS)} operations of the service" in README
    assert f"All {len(OPERATIONS)} operations of the service" in notebook


@pytest.mark.parametrize("guide", GUIDES)
def test_the_guides_name_what_exists(guide: str) -> None:
    named = set(PATH.findall(GUIDES[guide]))
    assert len(named) > 40
    places = ROOT, ROOT / "liveavatar_nb"
    assert [path for path in named if not any((place / path).exists() for place in places)] == []


@pytest.mark.parametrize("guide", GUIDES)
def test_the_guides_links_lead_somewhere(guide: str) -> None:
    for link in re.findall(r"\]\((?!https?:)([^)]+)\)", GUIDES[guide]):
        name, _, anchor = link.partition("#")
        heads = re.findall(r"^#+ (.*)$", (ROOT / ".github" / name).read_text(encoding="utf-8"), re.MULTILINE)
        assert not anchor or anchor in {head.lower().replace(" ", "-") for head in heads}, link


def test_the_tests_to_run_exist() -> None:
    for path, test in re.findall(r"\b(tests/[\w./-]+)(?:::(\w+))?", TO_RUN):
        assert (ROOT / path).exists(), path
        assert not test or f"def {test}(" in (ROOT / path).read_text(encoding="utf-8"), test


def test_the_scripts_of_the_front_end_exist() -> None:
    scripts = json.loads((ROOT / "liveavatar_nb/frontend/package.json").read_text())["scripts"]
    named = re.findall(r"npm run (\w+)", README + GUIDES["CONTRIBUTING.md"])
    assert set(named) >= {"check", "watch"}
    assert set(named) <= scripts.keys()


def test_the_drawing_has_the_rows_of_the_layers() -> None:
    rows = re.findall(r"^ │ (\w+(?: · \w+)*)  ", GUIDES["ARCHITECTURE.md"], re.MULTILINE)
    drawn = [sorted(row.split(" · ")) for row in reversed(rows)]
    assert drawn == [sorted(row) for row in ROWS]
