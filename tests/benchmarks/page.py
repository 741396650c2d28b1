"""Where pages are measured: a real JupyterLab, a real Chromium, a real LiveKit server, and what their processes use."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from playwright.sync_api import Browser, Page, sync_playwright

from liveavatar_nb import Simulator
from liveavatar_nb.simulator import LiveKit

from ..browser.conftest import PAGE_LIMIT, Lab, Notebook
from ..conftest import CHROMIUM_FLAGS
from ..livekit import BUILT, LiveKitServer

SOUND = "--autoplay-policy=no-user-gesture-required"
CALM = 2.0  # s that a page is given after it was opened


@dataclass(frozen=True)
class Place:
    """What is there while pages are measured."""

    browser: Browser
    lab: Lab
    livekit: LiveKitServer

    def simulator(self, **options: Any) -> Simulator:
        """One whose avatars come into rooms of the server."""
        livekit = LiveKit(self.livekit.url, self.livekit.key, self.livekit.secret)
        return Simulator(livekit=livekit, credits=1_000_000, history=False, rate_limit=None, **options)

    @contextmanager
    def page(self, script: str | None = None) -> Iterator[Page]:
        """A page that shares nothing with others; `script` runs in it before anything else."""
        context = self.browser.new_context(viewport={"width": 1280, "height": 1000})
        try:
            if script is not None:
                context.add_init_script(script)
            page = context.new_page()
            page.set_default_timeout(PAGE_LIMIT)
            yield page
        finally:
            context.close()

    @contextmanager
    def notebook(self, cells: list[str], script: str | None = None) -> Iterator[Notebook]:
        """A notebook of these cells in a page of its own, with a fresh kernel."""
        with self.page(script) as page:
            opened = Notebook(self.lab, page, self.lab.write(cells))
            try:
                time.sleep(CALM)
                yield opened
            finally:
                self.lab.end_kernels()

    def processes(self, simulator: Simulator) -> dict[str, list[psutil.Process]]:
        """Who works here, by what it is."""
        own = {one: _command(one) for one in psutil.Process().children(recursive=True)}
        browser = [one for one, command in own.items() if "chromium" in command]
        pages = [one for one in browser if "--type=renderer" in own[one]]
        kernels = [one for one, command in own.items() if "ipykernel_launcher" in command]
        return {
            "page": pages,
            "browser": [one for one in browser if one not in pages],
            "kernel": kernels,
            "jupyterlab": [psutil.Process(self.lab.process.pid)],
            "simulator": [psutil.Process(simulator.pid)],
            "livekit": [psutil.Process(self.livekit._process.pid)],
        }


@contextmanager
def place() -> Iterator[Place]:
    """JupyterLab, Chromium and LiveKit, with a folder and a journal of their own, until the block ends.

    Raises ``FileNotFoundError`` where one of them is not installed.
    """
    chromium, server = _program("chromium"), _program("livekit-server", BUILT)
    with tempfile.TemporaryDirectory() as folder, _state(folder):
        livekit = LiveKitServer(server)
        try:
            lab = Lab(Path(folder))
            try:
                with sync_playwright() as playwright:
                    flags = [*CHROMIUM_FLAGS, SOUND]
                    browser = playwright.chromium.launch(executable_path=chromium, args=flags)
                    try:
                        yield Place(browser, lab, livekit)
                    finally:
                        browser.close()
            finally:
                lab.end_kernels()
                lab.close()
        finally:
            livekit.close()


def use(processes: dict[str, list[psutil.Process]], seconds: float, meanwhile: Callable[[], None]) -> dict[str, float]:
    """Cores that processes use in so many seconds, by what they are; 1 is a core that never rests.

    One that ends meanwhile, as a browser's helpers do, counts for nothing.
    """
    before, began = _times(processes), time.monotonic()
    meanwhile()
    time.sleep(max(0.0, seconds - (time.monotonic() - began)))
    after, passed = _times(processes), time.monotonic() - began
    both = before.keys() & after.keys()
    return {
        name: sum(after[one] - before[one] for one in members if one in both) / passed
        for name, members in processes.items()
    }


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


def _times(processes: dict[str, list[psutil.Process]]) -> dict[psutil.Process, float]:
    told = {}
    for one in itertools.chain(*processes.values()):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = one.cpu_times()
            told[one] = times.user + times.system
    return told


def _program(name: str, *folders: Path) -> str:
    for path in (None, *folders):
        if found := shutil.which(name, path=path):
            return found
    raise FileNotFoundError(f"{name} is not installed")


@contextmanager
def _state(folder: str) -> Iterator[None]:
    """The journal of all that runs meanwhile."""
    before = os.environ.get("XDG_STATE_HOME")
    os.environ["XDG_STATE_HOME"] = str(Path(folder) / ".state")
    try:
        yield
    finally:
        os.environ.pop("XDG_STATE_HOME", None)
        if before is not None:
            os.environ["XDG_STATE_HOME"] = before
