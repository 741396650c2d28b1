"""`LiveView` in a real JupyterLab, Chromium and LiveKit room: seen, photographed, recorded, taken over."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from ..livekit import LiveKitServer, livekit_server, simulator
from .conftest import Notebook

__all__ = ["livekit_server", "simulator"]

Make = Callable[..., Notebook]

START = "s = la.start('Silas', video_quality='low')\ns"
# one cell: it shows the view, and waits for what its page makes of it
TAKE = """view = s.view()
picture = view.snapshot(timeout=60)
print(picture.size, len(set(picture.convert('L').tobytes())) > 20)"""
RECORD = """view.record(seconds=60, timeout=60)
s.play((b'\\x00\\x20\\x00\\xe0' * 24000, 24000), progress=False)
print(view.stop_recording(timeout=60))"""
SEEN = "() => [...document.querySelectorAll('.lv-view video')].some(one => one.videoWidth > 0 && one.currentTime > 0)"


@pytest.fixture(scope="module")
def chromium(livekit_server: LiveKitServer, chromium: Browser) -> Browser:
    """The server comes first: it cannot start beside Playwright's loop."""
    return chromium


def stop(page: Page) -> None:
    page.locator(".lv-view").first.get_by_role("button", name=re.compile("^Stop")).click()
    expect(page.locator(".lv-pill").first).to_contain_text("Ended", timeout=15_000)


def test_a_session_shows_itself_and_pictures_come_to_a_cell_that_runs(notebook: Make, connect: str) -> None:
    opened = notebook([connect, START, TAKE, RECORD])
    page = opened.page
    opened.run(0)
    opened.run(1)
    page.wait_for_function(SEEN)
    opened.run(2)
    assert opened.output(2).strip().endswith("(640, 360) True")
    assert page.locator(".lv-view").count() == 2, "the view is the cell's last line nowhere, and shown once"
    opened.run(3)
    path = Path(opened.output(3).strip().splitlines()[-1])
    assert path.parent == opened.lab.folder
    check_recording(path)
    opened.save()
    stop(page)
    saved = (opened.lab.folder / opened.name).read_text()
    for secret in ("eyJ", "ws://"):
        assert secret not in saved
    storage = page.evaluate("() => JSON.stringify([{...localStorage}, {...sessionStorage}])")
    assert "eyJ" not in json.dumps(storage)


def check_recording(path: Path) -> None:
    av = pytest.importorskip("av")
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
    assert len(frames) > 3, "how many there are depends on how busy the machine is"
    assert any((frames[0] != frame).any() for frame in frames[1:])
    with av.open(str(path)) as container:
        loudest = max(abs(frame.to_ndarray()).max() for frame in container.decode(audio=0))
    assert loudest > 0.05


def test_a_second_window_takes_over(notebook: Make, connect: str) -> None:
    opened = notebook([connect, START, "print(s.is_live)"])
    page = opened.page
    opened.run(0)
    opened.run(1)
    page.wait_for_function(SEEN)
    opened.save()
    other = page.context.new_page()
    Notebook(opened.lab, other, opened.name)
    expect(other.get_by_text("It is shown in another window.").first).to_be_visible()
    other.get_by_role("button", name="Watch here").first.click()
    other.wait_for_function(SEEN)
    expect(page.get_by_role("button", name="Watch here").first).to_be_visible()
    stop(other)
    expect(page.locator(".lv-pill").first).to_contain_text("Ended", timeout=15_000)
