"""The studio in a real JupyterLab, in a real Chromium: what is clicked takes effect, and what is shown is true."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import nbformat
from playwright.sync_api import Page, expect

import liveavatar_nb
from liveavatar_nb import Simulator

from ..waiting import wait_for
from .conftest import Notebook

Make = Callable[..., Notebook]

EFFECT_LIMIT = 1.0  # s from a click to the ledger
STUDIO = "studio = la.studio()\nstudio"


def expect_state(page: Page, words: str) -> None:
    expect(page.locator(".lv-pill").first).to_contain_text(words, timeout=15_000)


def button(page: Page, name: str) -> None:
    page.get_by_role("button", name=re.compile(f"^{name}")).first.click()


def now_clicked(page: Page, name: str) -> float:
    """Clicks, and says when the page had the click, by this machine's clock."""
    found = page.get_by_role("button", name=re.compile(f"^{name}")).first
    expect(found).to_be_enabled(timeout=15_000)
    found.evaluate(
        "element => element.addEventListener('click', () => window.clickedAt = Date.now(), {capture: true, once: true})"
    )
    found.click()
    clicked: float = page.evaluate("() => window.clickedAt")
    return clicked / 1000


def studio_notebook() -> list[str]:
    """The cells of the notebook that ships."""
    shipped = Path(liveavatar_nb.__file__).parent / "notebooks"
    folder = shipped if shipped.exists() else Path(__file__).parents[2] / "notebooks"
    notebook = nbformat.read(folder / "02_studio_demo.ipynb", as_version=4)
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def test_the_shipped_notebook_finds_starts_and_stops_an_avatar(notebook: Make) -> None:
    cells = studio_notebook()
    opened = notebook([*cells, "print(len(la.simulator.billed()), [e.stops for e in la.simulator.ledger()])"])
    page = opened.page
    for index in range(len(cells)):
        opened.run(index)
    expect(page.locator(".lv-studio")).to_be_visible()
    expect_state(page, "Not started")
    page.get_by_role("searchbox").fill("mari")
    page.get_by_role("option", name=re.compile("Marianne")).click()
    button(page, "Start Marianne")
    expect_state(page, "Live")
    shown = page.locator(".lv-studio").get_by_text(re.compile(r"credits$")).first
    before, elapsed = shown.inner_text(), page.locator(".lv-elapsed").inner_text()
    expect(page.locator(".lv-elapsed")).not_to_have_text(elapsed, timeout=5_000)
    expect(shown).not_to_have_text(before, timeout=15_000)
    button(page, "Stop")
    expect_state(page, "Ended")
    expect(page.get_by_text("the service confirmed it")).to_be_visible()
    opened.run(len(cells))
    assert opened.output(len(cells)).split() == ["0", "[1]"]


def test_start_and_stop_take_effect_at_once_while_a_cell_sleeps(
    notebook: Make, connect: str, simulator: Simulator
) -> None:
    opened = notebook([f"{connect}\n{STUDIO}", "import time\ntime.sleep(20)"])
    page = opened.page
    opened.run(0)
    expect(page.locator(".lv-studio")).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("^Start"))).to_be_enabled()
    opened.run(1, wait=False)
    time.sleep(1)
    started = now_clicked(page, "Start")
    expect_state(page, "Live")
    stopped = now_clicked(page, "Stop")
    expect_state(page, "Ended")
    assert opened.is_running(1)
    (entry,) = simulator.ledger()
    assert entry.start_received_at is not None
    assert entry.stop_received_at is not None
    delays = entry.start_received_at - started, entry.stop_received_at - stopped
    print("click to ledger, in s: start {:.3f}, stop {:.3f}".format(*delays))
    assert max(delays) < EFFECT_LIMIT
    assert not simulator.billed()


# the studio as in hosts that give a page no kernel: its model's widget manager has none
ELSEWHERE = """
import re
from liveavatar_nb import Studio
from liveavatar_nb.widgets.front_end import LOADER

class Elsewhere(Studio):
    _esm = re.sub(r"export\\s*\\{\\s*(\\S+) as default\\s*\\};?", r'''
    const hide = model => new Proxy(model, {get: (target, name) => {
        if (name === "widget_manager") return {get_model: id => target.widget_manager.get_model(id)};
        return typeof target[name] === "function" ? target[name].bind(target) : target[name];
    }});
    const without = f => given => f({...given, model: hide(given.model)});
    export default {initialize: without(\\1.initialize), render: without(\\1.render)};
''', LOADER)

assert "without" in Elsewhere._esm
studio = Elsewhere(la)
studio
"""


def test_without_the_control_channel_a_click_takes_effect_after_the_cell_and_the_panel_says_so(
    notebook: Make, connect: str, simulator: Simulator
) -> None:
    opened = notebook([f"{connect}\n{ELSEWHERE}", "import time\ntime.sleep(6)\nprint(time.time())"])
    page = opened.page
    page.evaluate(
        "() => { window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.commsOverSubshells = 'disabled'; }"
    )
    opened.run(0)
    expect(page.get_by_role("button", name=re.compile("^Start"))).to_be_enabled()
    for clicked, state in (("Start", "Live"), ("Stop", "Ended")):
        opened.run(1, wait=False)
        time.sleep(1)
        button(page, clicked)
        expect(page.get_by_text("Waiting for the running cell")).to_be_visible()
        assert opened.is_running(1)
        assert bool(simulator.billed()) == (clicked == "Stop")
        expect_state(page, state)
        expect(page.get_by_text("Waiting for the running cell")).to_have_count(0)
        (entry,) = simulator.ledger()
        received = entry.start_received_at if clicked == "Start" else entry.stop_received_at
        assert received is not None
        assert received >= float(opened.output(1))
    assert not simulator.billed()


def test_two_views_show_the_same_and_share_one_session(notebook: Make, connect: str, simulator: Simulator) -> None:
    opened = notebook([f"{connect}\n{STUDIO}", "studio"])
    page = opened.page
    opened.run(0)
    opened.run(1)
    views = page.locator(".lv-studio")
    expect(views).to_have_count(2)
    views.nth(1).get_by_role("button", name=re.compile("^Start")).click()
    for view in (views.nth(0), views.nth(1)):
        expect(view.locator(".lv-pill").first).to_contain_text("Live", timeout=15_000)
    assert len(simulator.billed()) == 1
    views.nth(0).get_by_role("button", name=re.compile("^Stop")).click()
    for view in (views.nth(0), views.nth(1)):
        expect(view.locator(".lv-pill").first).to_contain_text("Ended", timeout=15_000)
    assert not simulator.billed()


def test_the_start_cell_run_twice_costs_nothing(notebook: Make, connect: str, simulator: Simulator) -> None:
    start = "try:\n    s = la.start('Silas')\nexcept Exception as e:\n    print(e)"
    opened = notebook([f"{connect}\n{STUDIO}", start])
    opened.run(0)
    opened.run(1)
    (first,) = simulator.billed()
    opened.run(1)
    assert first.session_id in opened.output(1)
    assert "replace=True" in opened.output(1)
    assert len(simulator.ledger()) == 1
    expect_state(opened.page, "Live")
    button(opened.page, "Stop")
    wait_for(lambda: not simulator.billed())


def test_a_restarted_kernel_ends_the_session_and_the_page_says_so(
    notebook: Make, connect: str, simulator: Simulator
) -> None:
    opened = notebook([f"{connect}\n{STUDIO}"])
    opened.run(0)
    button(opened.page, "Start")
    expect_state(opened.page, "Live")
    opened.kernel("restart")
    wait_for(lambda: not simulator.billed())
    expect_state(opened.page, "Ended")
    expect(opened.page.get_by_text(re.compile("run the cell again", re.IGNORECASE)).first).to_be_visible()
    expect(opened.page.get_by_role("button", name=re.compile("^(Start|Stop)")).first).to_be_disabled()
    opened.run(0)
    expect_state(opened.page, "Not started")


def test_a_reopened_notebook_shows_what_is_true(notebook: Make, connect: str, simulator: Simulator) -> None:
    opened = notebook([f"{connect}\n{STUDIO}"])
    page = opened.page
    opened.run(0)
    button(page, "Start")
    expect_state(page, "Live")
    opened.save()
    opened.open()
    # the kernel lives on: JupyterLab makes the view anew from what the kernel has
    expect_state(page, "Live")
    button(page, "Stop")
    expect_state(page, "Ended")
    wait_for(lambda: not simulator.billed())
    opened.save()
    opened.lab.end_kernels()
    opened.open()
    expect(page.get_by_text("run this cell again")).to_be_visible()
    expect(page.locator(".lv-studio")).to_have_count(0)


def test_an_error_of_a_click_is_shown_in_words(notebook: Make) -> None:
    with Simulator(credits="0.40") as poor:
        cell = (
            f"from liveavatar_nb import LiveAvatar\nla = LiveAvatar({poor.api_key!r}, api_url={poor.url!r})\n{STUDIO}"
        )
        opened = notebook([cell])
        opened.run(0)
        button(opened.page, "Start")
        expect(opened.page.get_by_text("Not enough credits", exact=True)).to_be_visible()
        button(opened.page, "Use the sandbox")
        button(opened.page, "Start")
        expect_state(opened.page, "Live")
        button(opened.page, "Stop")
        expect_state(opened.page, "Ended")
        assert not poor.billed()


def test_a_question_mark_shows_the_docstring(notebook: Make, connect: str) -> None:
    opened = notebook([connect, "la.start?"])
    opened.run(0)
    opened.run(1)
    expect(opened.page.get_by_text("return it once it is connected")).to_be_visible()
    expect(opened.page.get_by_text("video_quality").first).to_be_visible()
