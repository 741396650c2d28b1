"""What a page of JupyterLab receives over its kernel's WebSocket for a notebook of ten views, and as it is reloaded."""

from __future__ import annotations

from dataclasses import dataclass

from playwright.sync_api import Page, WebSocket, expect

from liveavatar_nb import Simulator

from ..browser.conftest import PAGE_LIMIT, Notebook
from .page import Place, place

KINDS = "Studio", "AvatarPicker", "SessionPanel", "Talk", "WireLog", *["LiveView"] * 5
CONNECT = "from liveavatar_nb import *\nla = LiveAvatar({key!r}, api_url={url!r})"
SETTLE = 2000  # ms without a look, in which pictures and the part that joins rooms come
MOST = 300.0  # kB of models that ten views and their page may take; 200 of it are the front end


@dataclass
class Received:
    """What has come, in bytes: everything, and the states of models, which hold the scripts and the style sheets."""

    everything: int = 0
    models: int = 0

    def listen(self, page: Page) -> None:
        """Count what a page receives from now on."""
        page.on("websocket", self._listen)

    def _listen(self, socket: WebSocket) -> None:
        socket.on("framereceived", self._count)

    def _count(self, frame: str | bytes) -> None:
        content = frame.encode() if isinstance(frame, str) else frame
        self.everything += len(content)
        if b'"comm_open"' in content or b'"update_states"' in content:
            self.models += len(content)


def report() -> bool:
    """Print the table; say whether the models of ten views stay under the aim."""
    with place() as there, there.simulator() as simulator:
        rows = _measure(there, simulator)
    print(f"\n{'Received by a page, in kB (1,000 bytes)':44}{'models':>10}{'all':>10}")
    for name, received in rows:
        print(f"{name:44}{received.models / 1000:10.1f}{received.everything / 1000:10.1f}")
    ten = rows[len(KINDS) - 1][1].models / 1000
    print(f"models of ten views: {ten:.1f} kB   <= {MOST:g}: {'met' if ten <= MOST else 'MISSED'}")
    return ten <= MOST


def _measure(there: Place, simulator: Simulator) -> list[tuple[str, Received]]:
    """What has come after each view, and what comes as the page is reloaded."""
    rows: list[tuple[str, Received]] = []
    received = Received()
    with there.page() as page:
        received.listen(page)
        cells = [CONNECT.format(key=simulator.api_key, url=simulator.url), *(f"{kind}(la)" for kind in KINDS)]
        opened = Notebook(there.lab, page, there.lab.write(cells))
        opened.run(0)
        for index, kind in enumerate(KINDS):
            opened.run(1 + index)
            _settle(page, 1 + index)
            rows.append((f"{1 + index} of them, after {kind}", Received(received.everything, received.models)))
        opened.save()
        page.wait_for_timeout(SETTLE)
        before = Received(received.everything, received.models)
        opened.open()
        _settle(page, len(KINDS))
        again = Received(received.everything - before.everything, received.models - before.models)
        rows.append(("all of them, as the page is reloaded", again))
        there.lab.end_kernels()
    return rows


def _settle(page: Page, count: int) -> None:
    expect(page.locator(".lv")).to_have_count(count, timeout=PAGE_LIMIT)
    page.wait_for_timeout(SETTLE)
