"""Pages that go away while a session runs, and JupyterLab's own buttons: what is left of it, by the ledger."""

from __future__ import annotations

import contextlib
import re
import shutil
import signal
import time
from collections.abc import Callable, Iterator

import psutil
import pytest
from playwright.sync_api import Browser, Page, expect

from liveavatar_nb import Simulator

from ..conftest import CHROMIUM_FLAGS
from .conftest import PAGE_LIMIT, Notebook

Make = Callable[..., Notebook]

UNWATCHED = 4.0  # s without a page; short enough to wait for
GUARD_LIMIT = 5.0  # s from a button to the ledger's end; measured: under 2.5
SHORT = "from liveavatar_nb import config\nconfig.SHORTEST_UNWATCHED, config.PULSE = 1.0, 0.5"
START = f"s = la.start('Silas', unwatched={UNWATCHED})"
STUDIO = "studio = la.studio()\nstudio"
BUSY = "import time\nfor _ in range(600): time.sleep(0.1)"
# what the rule makes of the session: seconds that are left of its patience
PATIENCE = "print(la.session._inner._audience.left)"


def wait_for(condition: Callable[[], object], limit: float = 20.0) -> None:
    deadline = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.05)


def expect_state(page: Page, words: str) -> None:
    expect(page.locator(".lv-pill").first).to_contain_text(words, timeout=20_000)


def button(page: Page, name: str) -> None:
    page.get_by_role("button", name=re.compile(f"^{name}")).first.click()


def seconds_to_the_end(simulator: Simulator, began: float, limit: float = 30.0) -> float:
    """From a moment of this machine's clock to the stop's arrival at the service."""
    wait_for(lambda: not simulator.billed(), limit)
    received = simulator.ledger()[-1].stop_received_at
    assert received is not None
    return received - began


@pytest.fixture
def another_chromium(chromium: Browser) -> Iterator[tuple[Browser, psutil.Process]]:
    """A second browser, to be killed, and its process."""
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    browser = chromium.browser_type.launch(executable_path=shutil.which("chromium"), args=CHROMIUM_FLAGS)
    made = [process for process in psutil.Process().children(recursive=True) if process.pid not in before]
    (process,) = [one for one in made if "--type=" not in " ".join(one.cmdline()) and "chromium" in one.exe()]
    yield browser, process
    browser.close()


@contextlib.contextmanager
def asleep() -> Iterator[None]:
    """Every page stands still, as on a machine whose lid is closed."""
    pages = [one for one in psutil.Process().children(recursive=True) if "--type=renderer" in " ".join(one.cmdline())]
    assert pages
    for one in pages:
        one.suspend()
    try:
        yield
    finally:
        for one in pages:
            one.resume()


def test_a_session_lives_as_long_as_a_page_shows_it(
    notebook: Make, connect: str, simulator: Simulator, another_chromium: tuple[Browser, psutil.Process]
) -> None:
    opened = notebook([f"{connect}\n{SHORT}\n{STUDIO}", PATIENCE, START, BUSY])
    page = opened.page
    opened.run(0)
    button(page, "Start")
    expect_state(page, "Live")
    opened.run(1)
    assert float(opened.output(1)) > 45, "started from the page, it is under the rule"

    opened.save()
    opened.open()
    expect_state(page, "Live")
    opened.run(1)
    assert float(opened.output(1)) > 45, "the page that was reloaded beats on"
    assert len(simulator.billed()) == 1
    button(page, "Stop")
    expect_state(page, "Ended")

    opened.run(2)
    opened.run(3, wait=False)
    time.sleep(1.25 * UNWATCHED)
    assert opened.is_running(3)
    assert simulator.billed(), "a page beats while a cell computes"
    opened.kernel("interrupt")
    with asleep():
        print(f"page asleep: stopped after {seconds_to_the_end(simulator, time.time()):.1f} s of {UNWATCHED:g}")
    expect(page.locator(".lv-note-ok")).to_contain_text("no page showed it for 4 s")

    opened.run(2)
    expect_state(page, "Live")
    opened.save()
    page.close()
    print(f"tab closed: stopped after {seconds_to_the_end(simulator, time.time()):.1f} s of {UNWATCHED:g}")

    browser, process = another_chromium
    page = browser.new_page()
    page.set_default_timeout(PAGE_LIMIT)
    opened = Notebook(opened.lab, page, opened.name)
    opened.run(2)
    expect_state(page, "Live")
    process.send_signal(signal.SIGKILL)
    print(f"browser killed: stopped after {seconds_to_the_end(simulator, time.time()):.1f} s of {UNWATCHED:g}")


def tool(page: Page, name: str) -> None:
    """A button of the notebook's toolbar."""
    page.locator(f".jp-NotebookPanel-toolbar [data-jp-item-name='{name}'] jp-button").click()


def click_restart(page: Page) -> float:
    """Restarts the kernel as a person does; when its question was answered."""
    tool(page, "restart")
    sure = page.locator(".jp-Dialog button.jp-mod-accept, .jp-Dialog jp-button.jp-mod-accept")
    expect(sure).to_be_visible()
    clicked = time.time()
    sure.click()
    return clicked


def click_shut_down(page: Page) -> float:
    page.get_by_role("menuitem", name="Kernel", exact=True).click()
    item = page.get_by_role("menuitem", name="Shut Down Kernel", exact=True)
    expect(item).to_be_visible()
    clicked = time.time()
    item.click()
    return clicked


def test_jupyterlabs_restart_and_shut_down_stop_a_session_and_interrupt_does_not(
    notebook: Make, connect: str, simulator: Simulator
) -> None:
    opened = notebook([f"{connect}\ns = la.start('Silas')", BUSY, "print(s.state)"])
    page = opened.page
    opened.run(0)
    tool(page, "interrupt")
    opened.run(2)
    assert opened.output(2).strip() == "connected"
    opened.run(1, wait=False)
    wait_for(lambda: opened.is_running(1))
    tool(page, "interrupt")
    wait_for(lambda: not opened.is_running(1))
    opened.run(2)
    assert opened.output(2).strip() == "connected"
    assert len(simulator.billed()) == 1

    taken: dict[str, float] = {}
    for kernel in ("idle", "busy"):
        if kernel == "busy":
            opened.run(0)
            opened.run(1, wait=False)
            wait_for(lambda: opened.is_running(1))
        taken[f"Restart, {kernel}"] = seconds_to_the_end(simulator, click_restart(page))
        opened.wait_until_idle()
    opened.run(0)
    opened.run(1, wait=False)
    wait_for(lambda: opened.is_running(1))
    taken["Shut Down, busy"] = seconds_to_the_end(simulator, click_shut_down(page))
    print("from click to ledger, in s:", {name: round(seconds, 2) for name, seconds in taken.items()})
    assert max(taken.values()) < GUARD_LIMIT
