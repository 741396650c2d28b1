"""A real JupyterLab, and pages of a real Chromium in it."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from playwright.sync_api import Browser, Locator, Page

from liveavatar_nb import Simulator

READY_LIMIT = 60.0  # s for JupyterLab to answer
PAGE_LIMIT = 60_000.0  # ms for a page to show what it should


class Lab:
    """A JupyterLab server on a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.token = secrets.token_hex(16)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        settings = {
            "ServerApp.ip": "127.0.0.1",
            "ServerApp.port": self.port,
            "ServerApp.port_retries": 0,
            "ServerApp.open_browser": False,
            "ServerApp.allow_root": True,
            "LanguageServerManager.autodetect": False,  # it would start basedpyright, which is there for the gate
            "IdentityProvider.token": self.token,
            "LabApp.expose_app_in_browser": True,
            "LabApp.news_url": None,
            "LabApp.check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
            "LabApp.workspaces_dir": str(folder / ".workspaces"),
            "LabApp.user_settings_dir": str(folder / ".settings"),
        }
        command = [sys.executable, "-m", "jupyterlab", *(f"--{name}={value}" for name, value in settings.items())]
        asks_for_news = folder / ".settings" / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
        asks_for_news.parent.mkdir(parents=True)
        asks_for_news.write_text('{"fetchNews": "false"}')
        environment = {
            **os.environ,
            "JUPYTER_CONFIG_DIR": str(folder / ".config"),
            "JUPYTER_RUNTIME_DIR": str(folder / ".runtime"),
            "IPYTHONDIR": str(folder / ".ipython"),
        }
        environment.pop("LIVEAVATAR_API_KEY", None)
        self.log = (folder / ".log").open("wb")
        self.process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=self.log, stderr=subprocess.STDOUT, start_new_session=True
        )
        self._wait()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _wait(self) -> None:
        deadline = time.monotonic() + READY_LIMIT
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"{self.url}/api?token={self.token}", timeout=5):
                    return
            except (OSError, urllib.error.URLError):
                if self.process.poll() is not None:
                    break
                time.sleep(0.1)
        raise RuntimeError(f"JupyterLab did not start:\n{(self.folder / '.log').read_text()[-2000:]}")

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """An answer of the server's REST API."""
        asked = urllib.request.Request(
            f"{self.url}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"token {self.token}"},
        )
        with urllib.request.urlopen(asked, timeout=30) as answer:
            content = answer.read()
        return json.loads(content) if content else None

    def write(self, cells: list[str]) -> str:
        """A new notebook of these cells; its name."""
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(cell) for cell in cells],
            metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
        )
        name = f"{uuid.uuid4().hex}.ipynb"
        nbformat.write(notebook, self.folder / name)
        return name

    def end_kernels(self) -> None:
        for session in self.request("GET", "/api/sessions"):
            self.request("DELETE", f"/api/sessions/{session['id']}")

    def close(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()


class Notebook:
    """One notebook, open in a page."""

    def __init__(self, lab: Lab, page: Page, name: str) -> None:
        self.lab, self.page, self.name = lab, page, name
        self.open()

    def open(self) -> None:
        """Opens it in a fresh workspace, so that no old tab comes back, and waits for its kernel."""
        page = self.page
        page.goto(f"{self.lab.url}/lab/workspaces/{uuid.uuid4().hex}/tree/{self.name}?reset&token={self.lab.token}")
        self.wait_until_idle()

    def wait_until_idle(self) -> None:
        """Its kernel is there and does nothing."""
        self.page.wait_for_function(
            "() => window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'",
            timeout=PAGE_LIMIT,
        )

    def run(self, index: int, *, wait: bool = True) -> None:
        """Runs one cell."""
        self.page.evaluate(
            """([index]) => {
                const panel = window.jupyterapp.shell.currentWidget;
                panel.content.activeCellIndex = index;
                panel.content.deselectAll();
                void window.jupyterapp.commands.execute('notebook:run-cell');
            }""",
            [index],
        )
        if wait:
            self.page.wait_for_function(
                """([index]) => {
                    const model = window.jupyterapp.shell.currentWidget.content.widgets[index].model;
                    return model.executionCount !== null && model.executionState !== 'running';
                }""",
                arg=[index],
                timeout=PAGE_LIMIT,
            )

    def is_running(self, index: int) -> bool:
        """Whether a cell is running."""
        state = self.page.evaluate(
            "([index]) => window.jupyterapp.shell.currentWidget.content.widgets[index].model.executionState", [index]
        )
        return bool(state == "running")

    def output(self, index: int) -> str:
        """What a cell has printed, or shown as text, or the error it ended with."""
        outputs: Any = self.page.evaluate(
            "([index]) => window.jupyterapp.shell.currentWidget.content.widgets[index].model.outputs.toJSON()", [index]
        )
        texts = [
            output.get("text") or output.get("data", {}).get("text/plain") or "\n".join(output.get("traceback", ()))
            for output in outputs
        ]
        return "".join("".join(text) for text in texts)

    def save(self) -> None:
        self.page.evaluate("() => window.jupyterapp.shell.currentWidget.context.save()")

    def kernel(self, action: str) -> None:
        """`restart`, `interrupt` or `shutdown` of the notebook's kernel."""
        self.page.evaluate(
            "([action]) => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel[action]()", [action]
        )

    def widgets(self) -> Locator:
        return self.page.locator(".lv-root")


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    server = Lab(tmp_path_factory.mktemp("lab"))
    yield server
    server.close()


@pytest.fixture
def notebook(lab: Lab, chromium: Browser) -> Iterator[Callable[[list[str]], Notebook]]:
    """Opens a notebook of the cells given, in a page of its own."""
    contexts = []

    def make(cells: list[str], *, width: int = 1280, dark: bool = False) -> Notebook:
        context = chromium.new_context(viewport={"width": width, "height": 1000})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PAGE_LIMIT)
        opened = Notebook(lab, page, lab.write(cells))
        if dark:
            page.evaluate(
                "() => window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'})"
            )
            page.wait_for_selector("body[data-jp-theme-light='false']", state="attached")
        return opened

    yield make
    for context in contexts:
        context.close()
    lab.end_kernels()


def connection(simulator: Simulator) -> str:
    """The cell that makes `la`."""
    return f"from liveavatar_nb import LiveAvatar\nla = LiveAvatar({simulator.api_key!r}, api_url={simulator.url!r})"


@pytest.fixture
def connect(simulator: Simulator) -> str:
    """The cell that makes `la`, on the test's own simulator."""
    return connection(simulator)
