"""Every notebook runs top to bottom, on a real kernel and the simulator, and is kept without outputs."""

from __future__ import annotations

import ast
import functools
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

from liveavatar_nb.cli.demo import LIVE_CLIENT, SIMULATED_CLIENT, notebooks_folder
from liveavatar_nb.config import KEY_VARIABLE
from liveavatar_nb.rooms.livekit_server import ENVIRONMENT

from .livekit import LiveKitServer, livekit_server

__all__ = ["livekit_server"]

RUN_LIMIT = 100  # s for a notebook
Ran = Callable[[Path], NotebookNode]

SHIPPED = sorted(notebooks_folder().glob("*.ipynb"))

# In a process of its own: a Jupyter client keeps threads and files until its interpreter ends.
EXECUTE = """
import sys, nbclient, nbformat
notebook = nbformat.read(sys.argv[1], as_version=4)
nbclient.NotebookClient(notebook, timeout=60, kernel_name="python3", allow_errors=True).execute()
nbformat.write(notebook, sys.argv[1])
"""


def run(notebook: NotebookNode, folder: Path, environment: dict[str, str] | None = None) -> NotebookNode:
    """Run a notebook in a folder, without a key and without a LiveKit server unless one is in `environment`.

    Returns:
        The notebook with its outputs.
    """
    copy = folder / "notebook.ipynb"
    nbformat.write(notebook, copy)
    without = {KEY_VARIABLE, *(name for name, _ in ENVIRONMENT.values())}
    done = subprocess.run(
        [sys.executable, "-c", EXECUTE, str(copy)],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if name not in without} | (environment or {}),
        capture_output=True,
        text=True,
        timeout=RUN_LIMIT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return nbformat.read(copy, as_version=4)


def code(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def errors(notebook: NotebookNode) -> list[str]:
    return [
        f"{cell.source}\n{output.ename}: {output.evalue}"
        for cell in code(notebook)
        for output in cell.outputs
        if output.output_type == "error"
    ]


def shown(cell: NotebookNode) -> str:
    """What a cell printed or gave as its result, as text."""
    return "".join(output.get("text") or output.get("data", {}).get("text/plain", "") for output in cell.outputs)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_it_is_kept_as_it_should_be(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert notebook.metadata.kernelspec.name == "python3"
    assert [(cell.outputs, cell.execution_count) for cell in code(notebook)] == [([], None)] * len(code(notebook))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_the_demo_can_make_it_live(path: Path) -> None:
    """`liveavatar-nb demo --live` exchanges this one call, so it has to be there, once."""
    sources = "\n".join(cell.source for cell in code(nbformat.read(path, as_version=4)))
    assert sources.count(SIMULATED_CLIENT) == 1
    assert LIVE_CLIENT not in sources


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_what_its_text_shows_is_python(path: Path) -> None:
    for cell in nbformat.read(path, as_version=4).cells:
        for block in re.findall(r"```python\n(.*?)```", cell.source, re.DOTALL):
            ast.parse(block)


LEFT = """
import threading, time
time.sleep(0.5)
print([thread.name for thread in threading.enumerate() if "liveavatar" in thread.name], la.is_closed, folder.name)
"""
# Cells that a notebook gets at its end, for what remains to be seen after it.
APPENDED = {"03_speech_lite.ipynb": LEFT}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """Give each notebook after a run in an empty folder; it runs once for all tests."""

    @functools.cache
    def once(path: Path) -> NotebookNode:
        notebook = nbformat.read(path, as_version=4)
        if path.name in APPENDED:
            notebook.cells.append(nbformat.v4.new_code_cell(APPENDED[path.name]))
        return run(notebook, tmp_path_factory.mktemp(path.stem))

    return once


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_it_runs_top_to_bottom(path: Path, ran: Ran) -> None:
    assert errors(ran(path)) == []


def test_a_failing_cell_is_noticed(tmp_path: Path) -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 / 0")])
    assert "ZeroDivisionError" in errors(run(notebook, tmp_path))[0]


def test_the_quickstart_shows_a_session_that_comes_and_goes(ran: Ran) -> None:
    notebook = ran(notebooks_folder() / "01_quickstart.ipynb")
    active = [shown(cell) for cell in code(notebook) if cell.source == "la.sessions(active=True)"]
    assert "active" in active[0]
    assert active[1] == "[]"
    assert any("SessionRecord" not in shown(cell) and "ended" in shown(cell) for cell in code(notebook))


def test_the_studio_is_shown(ran: Ran) -> None:
    notebook = ran(notebooks_folder() / "02_studio_demo.ipynb")
    views = [
        output.data["application/vnd.jupyter.widget-view+json"]
        for cell in code(notebook)
        for output in cell.outputs
        if "application/vnd.jupyter.widget-view+json" in output.get("data", {})
    ]
    assert len(views) == 1


def test_speech_is_said_and_interrupted_and_nothing_is_left(ran: Ran) -> None:
    told = [shown(cell) for cell in code(ran(notebooks_folder() / "03_speech_lite.ipynb"))]
    assert sum(text.count(", said") for text in told) >= 5
    assert not any("failed" in text for text in told)
    assert any("talking" in text and "interrupted" in text for text in told)
    assert any("<SpokenLine avatar: 'I am an avatar'>" in text for text in told)
    left, _, folder = told[-1].strip().rpartition(" ")
    assert left == "[] True"
    assert not Path(folder).exists()


OWN_ROOM = notebooks_folder() / "05_your_own_room.ipynb"


def test_your_own_room_says_what_it_lacks(ran: Ran) -> None:
    told = [text for cell in code(ran(OWN_ROOM)) if (text := shown(cell))]
    assert len(told) == 1
    assert all(name in told[0] for name, _ in ENVIRONMENT.values())


def test_your_own_room_has_the_avatar_and_goes_away(livekit_server: LiveKitServer, tmp_path: Path) -> None:
    values = (livekit_server.url, livekit_server.key, livekit_server.secret)
    environment = {name: value for (name, _), value in zip(ENVIRONMENT.values(), values, strict=True)}
    notebook = run(nbformat.read(OWN_ROOM, as_version=4), tmp_path, environment)
    assert errors(notebook) == []
    told = "\n".join(shown(cell) for cell in code(notebook))
    assert f"on {livekit_server.url}>" in told
    assert "https://meet.livekit.io/custom?liveKitUrl=" in told
    assert "'canPublish': False" in told
    assert "<Participant 'avatar', avatar>" in told
    assert "joined <Participant 'avatar', avatar>" in told
    assert ", said" in told
    assert livekit_server.secret not in nbformat.writes(notebook)
