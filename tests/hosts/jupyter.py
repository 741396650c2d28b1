"""Hosts on Jupyter's server: JupyterLab, the classic notebook, and Voilà."""

from __future__ import annotations

import asyncio
import secrets
import uuid
from pathlib import Path

import nbformat
from playwright.async_api import Page

from .host import PAGE_LIMIT, Host, Running
from .server import Server, free_port

NAME = "notebook.ipynb"
REDRAW = 2.0  # s that the classic notebook may take to draw its outputs anew


def write(folder: Path, cells: list[str]) -> None:
    """Write a notebook of these cells."""
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell) for cell in cells],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )
    nbformat.write(notebook, folder / NAME)


class _Notebook(Host):
    """An editor of notebooks: its cells are run one by one.

    Args:
        name: what the tests call it.
        environment: where it is installed.
    """

    module: str
    page: str  # the notebook's, under the server's address
    is_idle: str  # JavaScript: whether its kernel is there and does nothing
    run_cell: str  # JavaScript: runs the cell of that index

    def settings(self, folder: Path) -> dict[str, object]:
        """What it is told beside what every such server is told."""
        return {}

    def serve(self, folder: Path, cells: list[str]) -> Running:
        write(folder, cells)
        port, token = free_port(), secrets.token_hex(16)
        settings = {
            "ServerApp.ip": "127.0.0.1",
            "ServerApp.port": port,
            "ServerApp.port_retries": 0,
            "ServerApp.open_browser": False,
            "ServerApp.allow_root": True,
            "LanguageServerManager.autodetect": False,  # it would start basedpyright, which is there for the gate
            "IdentityProvider.token": token,
            **self.settings(folder),
        }
        command = [self.python, "-m", self.module, *(f"--{name}={value}" for name, value in settings.items())]
        url = f"http://127.0.0.1:{port}"
        server = Server(command, folder, self.variables(folder), f"{url}/api?token={token}")
        return Running(self, server, f"{url}/{self.page}token={token}")

    async def open(self, page: Page, url: str) -> None:
        await page.goto(url.replace("WORKSPACE", uuid.uuid4().hex))
        await page.wait_for_function(self.is_idle, timeout=PAGE_LIMIT)

    async def run(self, page: Page, index: int) -> None:
        await page.evaluate(self.run_cell, index)


class Lab(_Notebook):
    """JupyterLab."""

    module = "jupyterlab"
    # a workspace of its own, so that no old tab comes back
    page = f"lab/workspaces/WORKSPACE/tree/{NAME}?reset&"
    is_idle = "() => window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
    run_cell = """index => {
        const panel = window.jupyterapp.shell.currentWidget;
        panel.content.activeCellIndex = index;
        panel.content.deselectAll();
        void window.jupyterapp.commands.execute('notebook:run-cell');
    }"""

    def settings(self, folder: Path) -> dict[str, object]:
        return {
            "LabApp.expose_app_in_browser": True,
            "LabApp.news_url": None,
            "LabApp.check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
            "LabApp.workspaces_dir": folder / ".workspaces",
            "LabApp.user_settings_dir": folder / ".settings",
        }


class Classic(_Notebook):
    """The classic notebook, as nbclassic keeps it."""

    module = "nbclassic"
    page = f"notebooks/{NAME}?"
    is_idle = """() => {
        const notebook = window.Jupyter?.notebook;
        return notebook?.kernel?.is_connected() && !notebook.kernel_busy && notebook.kernel.widget_manager;
    }"""
    run_cell = "index => window.Jupyter.notebook.execute_cells([index])"

    def settings(self, folder: Path) -> dict[str, object]:
        return {"NotebookApp.open_browser": False}

    async def open(self, page: Page, url: str) -> None:
        # as a page comes it asks for the widgets that are there, and then draws all outputs anew: a widget that was
        # shown before vanishes
        asked = asyncio.Event()

        def hear(frame: str | bytes) -> None:
            if any(name in str(frame) for name in ("comm_info_reply", "update_states")):
                asked.set()

        page.on("websocket", lambda opened: opened.on("framereceived", hear))
        await super().open(page, url)
        async with asyncio.timeout(PAGE_LIMIT / 1000):
            await asked.wait()
        await asyncio.sleep(REDRAW)


class Voila(Host):
    """Voilà: a notebook as an app. All cells run as the page comes: the later ones put a button there instead."""

    def serve(self, folder: Path, cells: list[str]) -> Running:
        write(folder, [cells[0], *(_button(index, cell) for index, cell in enumerate(cells) if index)])
        port = free_port()
        command = [self.python, "-m", "voila", NAME, "--no-browser", f"--port={port}", "--Voila.ip=127.0.0.1"]
        url = f"http://127.0.0.1:{port}/"
        return Running(self, Server(command, folder, self.variables(folder), f"{url}voila/static/x"), url)

    async def open(self, page: Page, url: str) -> None:
        await page.goto(url, timeout=PAGE_LIMIT)

    async def run(self, page: Page, index: int) -> None:
        if index:
            await page.get_by_role("button", name=_label(index)).click()


def _label(index: int) -> str:
    return f"run cell {index}"


def _button(index: int, cell: str) -> str:
    return (
        "import ipywidgets\n"
        f"button = ipywidgets.Button(description={_label(index)!r})\n"
        f"button.on_click(lambda _button: exec({cell!r}, globals()))\n"
        "button"
    )
