"""What a page of a real JupyterLab downloads for its widgets: the front end once, however many there are."""

from __future__ import annotations

import json
from collections.abc import Callable

from playwright.sync_api import Page, WebSocket, expect

from liveavatar_nb.widgets.front_end import CODE, STYLE

from .conftest import Notebook

Make = Callable[..., Notebook]

KINDS = (
    "AvatarPicker",
    "SessionPanel",
    "Talk",
    "WireLog",
    "Studio",
    "LiveView",
    "LiveView",
    "LiveView",
    "Talk",
    "WireLog",
)
SHOW = "\n".join(["from liveavatar_nb import *", *(f"display({kind}(la))" for kind in KINDS)])
# as JSON has their middles
MARKS = [json.dumps(text[len(text) // 2 :][:200])[1:-1] for text in (CODE, STYLE)]


class Downloads:
    """Counts how often a page receives the front end.

    Args:
        page: which.
    """

    def __init__(self, page: Page) -> None:
        self.counts = [0] * len(MARKS)
        page.on("websocket", self._listen)

    def _listen(self, socket: WebSocket) -> None:
        socket.on("framereceived", self._count)

    def _count(self, frame: str | bytes) -> None:
        text = frame if isinstance(frame, str) else frame.decode("utf-8", "replace")
        self.counts = [count + text.count(mark) for count, mark in zip(self.counts, MARKS, strict=True)]


def test_ten_widgets_a_reload_and_a_restarted_kernel(notebook: Make, connect: str) -> None:
    """The script and the style sheet come once for a page and kernel."""
    opened = notebook([connect, SHOW])
    page = opened.page
    downloads = Downloads(page)
    # the kernel's connection is there already
    opened.open()
    opened.run(0)
    opened.run(1)
    expect(page.locator(".lv")).to_have_count(len(KINDS))
    assert downloads.counts == [1, 1]
    opened.save()
    opened.open()
    expect(page.locator(".lv")).to_have_count(len(KINDS))
    assert downloads.counts == [2, 2], "the new page downloads it for itself"
    opened.kernel("restart")
    opened.wait_until_idle()
    opened.run(0)
    opened.run(1)
    expect(page.get_by_text("Not started").first).to_be_visible()
    assert downloads.counts == [3, 3], "the new kernel sends its own"
    assert page.evaluate("globalThis[Symbol.for('liveavatar_nb')].frontEnds.size") == 1, "which is the same"
