"""From the click on Start to the first video frame in the cell, against a bare page of livekit-client.

The peer, and what it leaves out, is told in `bare.py`. In a round each starts two sessions, the first of its page
and the second, where all that is loaded once is there; the rounds begin with one and the other in turn. Both clocks
begin at the click's own time stamp. The peer's stops as its first frame is presented; the studio's later, when the
page has drawn the frame in sight.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page

from liveavatar_nb import Simulator

from ..browser.conftest import Notebook
from ..browser.test_studio import STUDIO, button, expect_state
from .bare import LIBRARY, Service, served
from .packages import package_file
from .page import CALM, Place, place
from .table import Row, show

ROUNDS = 6
FRAME_LIMIT = 60_000.0  # ms from a click to the first frame
AIM = 1.2  # of the bare page
OURS = "the studio in JupyterLab"
BARE = "a bare page"
SESSIONS = ("the first session of the page", "the second session of the page")
# The page's own marks: what it says to the kernel, what it hears, and what the browser presents.
CLOCK = r"""
(() => {
  const now = () => performance.timeOrigin + performance.now();
  const LONGEST = 16384; // bytes of a message that are looked at
  const SIGNS = {
    asked: [["out", /"command":\s*"start"/]],
    started: [["in", /"state":\s*"connecting"/]],
    connected: [["in", /"state":\s*"connected"/]],
    join: [["out", /"command":\s*"join"/]],
    answer: [["in", /"type":\s*"room"/]],
    library: [["in", /"type":\s*"library"/]],
    joined: [["out", /"command":\s*"room"[^]*"state":\s*"joined"/]],
    track: [["out", /"command":\s*"room"[^]*"state":\s*"joined"[^]*"avatar":\s*true/]],
  };
  const mark = (name, at = now()) => {
    if (globalThis.marks) globalThis.marks[name] ??= at;
  };
  const look = (way, data) => {
    if (!globalThis.marks) return;
    const text = typeof data === "string" ? data.slice(0, LONGEST)
      : new TextDecoder().decode(data instanceof ArrayBuffer ? data.slice(0, LONGEST) : data.buffer.slice(0, LONGEST));
    for (const [name, signs] of Object.entries(SIGNS)) {
      if (signs.some(([heard, sign]) => heard === way && sign.test(text))) mark(name);
    }
  };
  const Plain = globalThis.WebSocket;
  globalThis.WebSocket = class extends Plain {
    constructor(address, protocols) {
      super(address, protocols);
      this.isKernel = String(address).includes("/api/kernels/");
      if (this.isKernel) this.addEventListener("message", ({ data }) => look("in", data));
      else if (String(address).includes("access_token")) mark("room");
    }
    send(data) {
      if (this.isKernel) look("out", data);
      super.send(data);
    }
  };
  document.addEventListener("click", (event) => {
    if (!/^Start/.test(event.target.closest("button")?.textContent.trim() ?? "")) return;
    globalThis.marks = { click: performance.timeOrigin + event.timeStamp };
  }, { capture: true });
  const request = HTMLVideoElement.prototype.requestVideoFrameCallback;
  HTMLVideoElement.prototype.requestVideoFrameCallback = function (callback) {
    return request.call(this, (...told) => {
      mark("presented");
      callback(...told);
      const wait = () => {
        if (this.isConnected && getComputedStyle(this).opacity === "1") mark("frame");
        else requestAnimationFrame(wait);
      };
      requestAnimationFrame(wait);
    });
  };
})();
"""
STEPS = {
    "asked": "the page sends Start",
    "called": "the start call arrives at the service",
    "started": "it is answered, the page knows",
    "library": "media.js is there",
    "connected": "the service says `connected`, the page knows",
    "join": "the page asks for the room",
    "answer": "the room's address and token are there",
    "room": "the room's WebSocket is opened",
    "joined": "the page is in the room",
    "track": "the avatar's video is there",
    "presented": "its first frame is presented",
    "frame": "in sight",
}

Marks = dict[str, float]


def report() -> bool:
    """Print the tables; says whether the aim was met."""
    package_file(LIBRARY)  # to say at once that it is missing
    with place() as there, there.simulator() as simulator:
        cells = studio_cells(simulator)
        _studio(there, simulator, cells)  # the simulator's first session, the lab's first notebook
        service = Service(simulator, simulator.ledger()[-1].avatar_id)
        try:
            with served(service) as address:
                contenders: dict[str, Callable[[], list[Marks]]] = {
                    BARE: lambda: _bare(there, simulator, address, service),
                    OURS: lambda: _studio(there, simulator, cells),
                }
                rounds: dict[str, list[list[Marks]]] = {name: [] for name in contenders}
                for number in range(ROUNDS):
                    for name in sorted(contenders, reverse=bool(number % 2)):
                        rounds[name].append(contenders[name]())
        finally:
            service.close()
        assert not simulator.billed()
    met = [_told(rounds, number) for number in range(len(SESSIONS))]
    return all(met)


def studio_cells(simulator: Simulator) -> list[str]:
    """The cells that make a client, and show its studio."""
    connect = f"from liveavatar_nb import LiveAvatar\nla = LiveAvatar({simulator.api_key!r}, api_url={simulator.url!r})"
    return [connect, STUDIO]


def start_studio(opened: Notebook) -> None:
    """Runs both cells, and waits until Start can be clicked and nothing else goes on."""
    for index in range(2):
        opened.run(index)
    opened.page.locator("button:enabled", has_text="Start").first.wait_for()
    opened.wait_until_idle()
    time.sleep(CALM)


def _studio(there: Place, simulator: Simulator, cells: list[str]) -> list[Marks]:
    found = []
    with there.notebook(cells, CLOCK) as opened:
        start_studio(opened)
        for _ in SESSIONS:
            button(opened.page, "Start")
            found.append(_marks(opened.page, simulator))
            expect_state(opened.page, "Live")
            button(opened.page, "Stop")
            expect_state(opened.page, "Ended")
            time.sleep(CALM)
    return found


def _bare(there: Place, simulator: Simulator, address: str, service: Service) -> list[Marks]:
    found = []
    with there.page() as page:
        page.goto(address)
        time.sleep(CALM)
        for _ in SESSIONS:
            button(page, "Start")
            found.append(_marks(page, simulator))
            page.evaluate("leave()")
            service.stop()
            time.sleep(CALM)
    return found


def _marks(page: Page, simulator: Simulator) -> Marks:
    """What came when, in seconds since the click."""
    page.wait_for_function("globalThis.marks?.frame", timeout=FRAME_LIMIT)
    told: dict[str, float] = page.evaluate("marks")
    called = simulator.ledger()[-1].start_received_at
    assert called is not None
    told["called"] = called * 1000
    return {name: (at - told["click"]) / 1000 for name, at in told.items() if name != "click"}


def _told(rounds: dict[str, list[list[Marks]]], number: int) -> bool:
    """The table of the pages' first, or second, sessions."""
    taken = {name: [one[number] for one in found] for name, found in rounds.items()}
    rows = [Row(name, [one["frame"] for one in marks], AIM if name == OURS else None) for name, marks in taken.items()]
    title = f"Click to first frame, {SESSIONS[number]} ({ROUNDS} rounds in turn)"
    met = show(title, rows, reference=BARE, unit="ms", per_second=1e3)
    print(f"\n{'  median of each step, in ms since the click':52}{'studio':>8}{'bare':>8}")
    for step, words in STEPS.items():
        cells = [_median(taken[name], step) for name in (OURS, BARE)]
        print(f"  {words:50}" + "".join(f"{cell:>8}" for cell in cells))
    return met


def _median(marks: list[Marks], step: str) -> str:
    known: list[Any] = [one[step] for one in marks if step in one]
    return f"{statistics.median(known) * 1e3:.0f}" if known else ""
