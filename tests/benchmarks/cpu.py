"""What a studio costs that does nothing, what one costs that shows an avatar, and what a simulated avatar costs.

In percent of one core, by the processes' own CPU time. Beside the studio stand the notebook without it, and the bare
page of `bare.py` with the same picture: 720p, 25 frames a second, a face at rest that blinks. The browser has no
graphics processor here: what one would do is done by its own process.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
from playwright.sync_api import Page
from websockets.sync.client import connect

from liveavatar_nb import Simulator

from ..browser.conftest import Notebook
from ..browser.test_studio import button, expect_state
from .bare import LIBRARY, Service, served
from .live import studio_cells
from .packages import package_file
from .page import CALM, Place, place, use

SECONDS = 20.0  # s of each measurement
SETTLE = 5.0  # s before it
RATE = 24_000  # Hz
MOST_SESSIONS = 3
COLUMNS = ("page", "browser", "kernel", "jupyterlab", "simulator", "livekit")
FRAMES = "document.querySelector('video')?.getVideoPlaybackQuality().totalVideoFrames ?? 0"


def report() -> bool:
    """Print the tables; there is no aim."""
    package_file(LIBRARY)  # to say at once that it is missing
    with place() as there, there.simulator(concurrency=MOST_SESSIONS) as simulator:
        _heading("What a page costs", "frames/s")
        _notebook(there, simulator)
        service = Service(simulator, simulator.ledger()[-1].avatar_id)
        try:
            with served(service) as address:
                _bare(there, simulator, address, service)
                _heading("What the simulator's 720p sessions cost", "frames/s")
                _sessions(there, simulator, address, service)
        finally:
            service.close()
        assert not simulator.billed()
    return True


def _heading(title: str, last: str) -> None:
    print(f"\n{f'{title}, % of a core over {SECONDS:g} s':50}" + "".join(f"{name:>11}" for name in (*COLUMNS, last)))


def _measure(
    there: Place,
    simulator: Simulator,
    name: str,
    page: Page | None = None,
    meanwhile: Callable[[], None] = lambda: None,
) -> None:
    """Prints a row; frames are those that the page's video has had."""
    time.sleep(SETTLE)
    began, before = time.monotonic(), _frames(page)
    used = use(there.processes(simulator), SECONDS, meanwhile)
    rate = (_frames(page) - before) / (time.monotonic() - began)
    cells = [f"{used[column] * 100:11.1f}" for column in COLUMNS]
    print(f"  {name:48}" + "".join(cells) + (f"{rate:11.1f}" if rate else ""))


def _frames(page: Page | None) -> int:
    return 0 if page is None else int(page.evaluate(FRAMES))


def _notebook(there: Place, simulator: Simulator) -> None:
    with there.notebook(studio_cells(simulator)) as opened:
        _measure(there, simulator, "a notebook, nothing run")
        for index in range(2):
            opened.run(index)
        opened.page.locator("button:enabled", has_text="Start").first.wait_for()
        _measure(there, simulator, "the studio, no session")
        with _live(opened):
            _measure(there, simulator, "the studio, live, the avatar at rest", opened.page)
        _measure(there, simulator, "the studio, the session ended")


@contextmanager
def _live(opened: Notebook) -> Iterator[None]:
    page = opened.page
    button(page, "Start")
    page.wait_for_function(f"({FRAMES}) > 0")
    page.mouse.move(0, 0)
    expect_state(page, "Live")
    yield
    button(page, "Stop")
    expect_state(page, "Ended")


def _bare(there: Place, simulator: Simulator, address: str, service: Service) -> None:
    with _watched(there, address, service) as page:
        _measure(there, simulator, "a bare page, live, the avatar at rest", page)


@contextmanager
def _watched(there: Place, address: str, service: Service) -> Iterator[Page]:
    with there.page() as page:
        page.goto(address)
        button(page, "Start")
        page.wait_for_function(f"({FRAMES}) > 0")
        yield page
        page.evaluate("leave()")
        service.stop()


def _sessions(there: Place, simulator: Simulator, address: str, service: Service) -> None:
    _measure(there, simulator, "0")
    with _watched(there, address, service) as page:
        _measure(there, simulator, "1, watched, at rest", page)
        assert service.socket_url is not None
        _measure(there, simulator, "1, watched, talking", page, lambda: talk(service.socket_url, SECONDS))
    time.sleep(CALM)
    for count in (1, MOST_SESSIONS):
        with ExitStack() as stack:
            stack.callback(service.stop)
            for _ in range(count):
                service.start()
            _measure(there, simulator, f"{count} at once, nobody watches, at rest")


def talk(url: str | None, seconds: float) -> None:
    """Has an avatar say noise that swells and fades, in pieces of a second."""
    assert url is not None
    at = np.arange(RATE) / RATE
    loudness = 6_000 * (1 - np.cos(2 * np.pi * 3 * at))
    noise = np.random.default_rng(0).standard_normal(RATE)
    audio = base64.b64encode((loudness * noise).clip(-32_768, 32_767).astype("<i2").tobytes()).decode()
    frame: dict[str, Any] = {"type": "agent.speak", "event_id": "noise", "audio": audio}
    with connect(url, compression=None, proxy=None) as socket:
        while json.loads(socket.recv()).get("state") != "connected":
            pass
        for _ in range(round(seconds)):
            socket.send(json.dumps(frame))
        socket.send(json.dumps({"type": "agent.speak_end", "event_id": "noise"}))
        time.sleep(seconds)
