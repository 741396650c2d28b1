"""`Host`: a notebook host, of one version, with an environment of its own."""

from __future__ import annotations

import os
import sys
import tempfile
from abc import ABC, abstractmethod
from pathlib import Path

from playwright.async_api import Locator, Page

import liveavatar_nb

from .environment import Environment
from .server import Server

PAGE_LIMIT = 120_000.0  # ms for a page to show what it should, beside other hosts that begin


class Host(ABC):
    """A notebook host, as a person uses it: a page of a browser that shows a notebook.

    A notebook is a list of cells, which run when they are told to. In an app, where all of them run as the page
    comes, the first does so, and a button stands for each of the others.

    Args:
        name: what the tests call it.
        environment: where it is installed; None for this process's own.
    """

    def __init__(self, name: str, environment: Environment | None) -> None:
        self.name = name
        self.environment = environment

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"

    @property
    def is_there(self) -> bool:
        """Whether its environment has been made."""
        return self.environment is None or self.environment.is_there

    @property
    def python(self) -> str:
        """The interpreter that it runs by."""
        return sys.executable if self.environment is None else str(self.environment.python)

    @abstractmethod
    def serve(self, folder: Path, cells: list[str]) -> Running:
        """Write a notebook of these cells, and begin to serve it, all within that folder."""

    @abstractmethod
    async def open(self, page: Page, url: str) -> None:
        """Open the notebook in a page."""

    @abstractmethod
    async def run(self, page: Page, index: int) -> None:
        """Begin a cell in an open page."""

    def variables(self, folder: Path) -> dict[str, str]:
        """What a host has in its environment: the package under test, no key, and nothing of the user's own."""
        # by a path with nothing else on it: what is installed beside the package here must not be found there
        way = folder / ".package"
        way.mkdir()
        (way / "liveavatar_nb").symlink_to(Path(liveavatar_nb.__file__).parent)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("LIVEAVATAR_", "PYTEST_"))}
        return {
            **kept,
            "PYTHONPATH": str(way),
            "HOME": str(folder),
            "XDG_STATE_HOME": str(folder / ".state"),
            "XDG_CACHE_HOME": str(folder / ".cache"),
            "XDG_CONFIG_HOME": str(folder / ".config"),
            "IPYTHONDIR": str(folder / ".ipython"),
            "JUPYTER_CONFIG_DIR": str(folder / ".jupyter"),
            "JUPYTER_DATA_DIR": str(folder / ".data"),
            "JUPYTER_RUNTIME_DIR": tempfile.mkdtemp(prefix="runtime", dir=folder),
        }


class Running:
    """A host that serves a notebook.

    Args:
        host: which.
        server: its process.
        url: the notebook's.
    """

    def __init__(self, host: Host, server: Server, url: str) -> None:
        self.host, self.server, self.url = host, server, url

    async def open(self, page: Page) -> None:
        """Show the notebook in a page."""
        await self.host.open(page, self.url)

    async def run(self, page: Page, index: int) -> None:
        """Begin a cell."""
        await self.host.run(page, index)


def studio(page: Page) -> Locator:
    """The widget in a page, in whichever way the host puts it there."""
    return page.locator(".lv-studio").first
