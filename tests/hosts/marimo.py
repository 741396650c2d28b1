"""marimo: a notebook as an editor, and as an app."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Literal

from playwright.async_api import Page

from .environment import Environment
from .host import PAGE_LIMIT, Host, Running, studio
from .server import Server, free_port

NAME = "notebook.py"


class Marimo(Host):
    """marimo. Its cells run as the page comes: the later ones wait for a button.

    Args:
        name: what the tests call it.
        environment: where it is installed.
        verb: `edit` or `run`.
    """

    def __init__(self, name: str, environment: Environment, verb: Literal["edit", "run"]) -> None:
        super().__init__(name, environment)
        self._verb = verb

    def serve(self, folder: Path, cells: list[str]) -> Running:
        written = [cells[0], "import marimo as mo"]
        for index, cell in enumerate(cells[1:], start=1):
            written.append(f"button_{index} = mo.ui.run_button(label={_label(index)!r})\nbutton_{index}")
            written.append(f"if button_{index}.value:\n{textwrap.indent(cell, '    ')}")
        (folder / NAME).write_text(
            "import marimo\n\napp = marimo.App()\n"
            + "".join(f"\n@app.cell\ndef _():\n{textwrap.indent(cell, '    ')}\n    return\n" for cell in written)
        )
        port = free_port()
        url = f"http://127.0.0.1:{port}/"
        command = [self.python, "-m", "marimo", self._verb, NAME, "--headless", "--no-token"]
        command += ["--host=127.0.0.1", f"--port={port}"]
        return Running(self, Server(command, folder, self.variables(folder), f"{url}health"), url)

    async def open(self, page: Page, url: str) -> None:
        await page.goto(url, timeout=PAGE_LIMIT)

    async def run(self, page: Page, index: int) -> None:
        if index == 0:
            if self._verb == "edit":
                await self._run_all(page)
            return
        await page.get_by_role("button", name=_label(index)).click()

    async def _run_all(self, page: Page) -> None:
        """Run the cells that have not run, the buttons' own among them; in a page that came back, none."""
        # yellow once the page is connected, if there are any
        run = page.locator("[data-testid=chrome-controls-bottom-right] [data-testid=run-button].yellow")
        await run.or_(studio(page)).first.wait_for(timeout=PAGE_LIMIT)
        if await run.is_visible():
            await run.click()


def _label(index: int) -> str:
    return f"run cell {index}"
