"""What everybody can see and use: contrast, names, widths, keys; a picture of each state for those who look."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from .conftest import HEIGHT
from .test_contrast import SIGHTS

Open = Callable[..., Any]

STATES = [
    "empty",
    "pick",
    "loading",
    "failed_catalogue",
    "none",
    "starting",
    "live",
    "real",
    "last_minute",
    "sandbox",
    "sandbox_wrong",
    "sandbox_live",
    "stopping",
    "ended",
    "unconfirmed",
    "warnings",
    "failed",
    "no_credits",
    "credits_unknown",
    "talk_idle",
    "talk_queue",
    "talk_caption",
    "talk_listening",
    "talk_stream",
    "talk_noted",
    "talk_interrupted",
    "talk_failed",
    "talk_unreadable",
    "no_key",
    "talk_full",
    "full_silent",
    "full_waiting",
    "full_thinking",
    "full_user",
    "full_talking",
    "full_push",
    "full_mute",
    "full_problem",
    "full_over",
    "persona_unpicked",
    "persona_variables",
    "persona_image",
]
PERSONAS = [
    "persona",
    "persona_loading",
    "persona_failed",
    "persona_none",
    "persona_unpicked",
    "persona_variables",
    "persona_image",
]


def themed(states: list[str], tab: str = "") -> list[tuple[str, str]]:
    """Each state in the light theme, and in the dark one too unless test_contrast.py looks at its colours there.

    Only contrast depends on the theme; the rest of what axe-core checks is the same in both.
    """
    dark = [state for state in states if (state, tab) not in SIGHTS]
    return [*((state, "light") for state in states), *((state, "dark") for state in dark)]


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core, as the package axe-playwright-python ships it."""
    found = importlib.util.find_spec("axe_playwright_python")
    assert found is not None
    assert found.origin is not None
    return (Path(found.origin).parent / "axe.min.js").read_text(encoding="utf-8")


def violations(view: Any, axe: str) -> list[str]:
    view.page.evaluate(axe)
    # The harness is a bare page: landmarks and a heading are the notebook's.
    found = view.run(
        "axe.run('.view', {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],"
        " rules: {region: {enabled: false}}}).then(({violations}) => violations)"
    )
    return [
        f"{one['impact']} {one['id']}: {node['html']} {node['any'][0]['message'] if node['any'] else ''}"
        for one in found
        for node in one["nodes"]
    ]


@pytest.mark.parametrize(("state", "theme"), themed(STATES))
def test_no_rule_of_accessibility_is_broken(harness: Open, axe: str, tmp_path: Path, state: str, theme: str) -> None:
    view = harness("studio", state, theme=theme, width=360)
    for width in (360, 1100):
        view.page.set_viewport_size({"width": width, "height": HEIGHT})
        view.page.wait_for_timeout(150)
        (tmp_path / f"{state}-{theme}-{width}.png").write_bytes(view.page.screenshot(full_page=True))
        assert view.run("document.documentElement.scrollWidth <= innerWidth"), f"wider than the page at {width}"
    assert violations(view, axe) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_settings_panel_and_picker_are_accessible(harness: Open, axe: str, tmp_path: Path, theme: str) -> None:
    view = harness("studio", theme=theme)
    view.page.get_by_role("tab", name="Settings").click()
    assert violations(view, axe) == []
    for widget in ("panel", "picker"):
        view = harness(widget, theme=theme, width=520)
        view.page.wait_for_timeout(150)
        (tmp_path / f"{widget}-{theme}.png").write_bytes(view.page.screenshot())
        assert violations(view, axe) == []


@pytest.mark.parametrize(("state", "theme"), themed(PERSONAS, "Settings"))
def test_the_settings_of_a_conversation_are_accessible(
    harness: Open, axe: str, tmp_path: Path, state: str, theme: str
) -> None:
    for width in (360, 1100):
        view = harness("studio", state, theme=theme, width=width)
        view.page.get_by_role("tab", name="Settings").click()
        for name in ("Change", "Edit the prompt"):
            if view.button(name).count() and view.button(name).is_enabled():
                view.button(name).click()
        (tmp_path / f"{state}-{theme}-{width}.png").write_bytes(view.page.screenshot(full_page=True))
        assert view.run("document.documentElement.scrollWidth <= innerWidth"), f"wider than the page at {width}"
        assert violations(view, axe) == []
    if state == "persona_none":
        view.button("New context").click()
        assert violations(view, axe) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("state", ["pick", "persona", "talk_over"])
def test_a_talk_tab_without_speech_is_accessible(harness: Open, axe: str, state: str, theme: str) -> None:
    view = harness("studio", state, theme=theme)
    view.page.get_by_role("tab", name="Talk").click()
    assert violations(view, axe) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("wire", ["none", "some", "many"])
def test_the_wire_tab_is_accessible(harness: Open, axe: str, tmp_path: Path, wire: str, theme: str) -> None:
    view = harness("studio", "talk_idle", theme=theme, wire=wire)
    view.page.get_by_role("tab", name="Wire").click()
    view.page.get_by_text("Nothing went over the wire yet." if wire == "none" else "agent.speak").first.wait_for()
    assert violations(view, axe) == []
    if wire == "some":
        view.page.get_by_role("option", name="POST /v1/sessions/token").click()
        view.page.get_by_role("button", name="HAR").click()
        view.page.get_by_text("Saved:").wait_for()
        (tmp_path / f"wire-{theme}.png").write_bytes(view.page.screenshot())
        assert violations(view, axe) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("widget", ["talk", "wire"])
def test_talk_and_wire_of_their_own_are_accessible(harness: Open, axe: str, widget: str, theme: str) -> None:
    for width in (360, 900):
        view = harness(widget, "talk_queue", theme=theme, width=width)
        view.page.wait_for_timeout(150)
        assert view.run("document.documentElement.scrollWidth <= innerWidth"), f"wider than the page at {width}"
        assert violations(view, axe) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_dead_kernel_is_accessible(harness: Open, axe: str, theme: str) -> None:
    view = harness("studio", "live", theme=theme)
    # a view listens to the kernel from its first command on
    view.page.wait_for_function("harness.python.commands.some(({command}) => command === 'ready')")
    view.run("harness.kernel.setStatus('restarting')")
    view.page.get_by_text("Run the cell again to go on.").wait_for()
    assert violations(view, axe) == []


@pytest.mark.parametrize(("theme", "dark"), [("light", False), ("dark", True)])
def test_the_hosts_theme_is_followed_and_not_the_systems(harness: Open, theme: str, dark: bool) -> None:
    view = harness("studio", theme=theme)
    for system in ("light", "dark"):
        view.page.emulate_media(color_scheme=system)
        assert view.run("getComputedStyle(document.querySelector('.lv')).colorScheme") == theme
    ground = view.run("getComputedStyle(document.querySelector('.lv')).backgroundColor")
    assert ground == ("rgb(33, 33, 33)" if dark else "rgb(255, 255, 255)")


def test_the_hosts_style_of_buttons_does_not_reach_ours(harness: Open) -> None:
    view = harness("studio", "no_credits")
    radii = view.run("Array.from(document.querySelectorAll('.lv-button'), (one) => getComputedStyle(one).borderRadius)")
    assert set(radii) == {"8px"}


def test_without_a_host_the_system_is_followed(harness: Open) -> None:
    view = harness("studio", **{"as": "none"})
    colours = []
    for system in ("light", "dark"):
        view.page.emulate_media(color_scheme=system)
        colours.append(view.run("getComputedStyle(document.querySelector('.lv')).backgroundColor"))
    assert colours == ["rgb(255, 255, 255)", "rgb(23, 27, 32)"]


def test_the_layout_follows_the_container_and_not_the_window(harness: Open) -> None:
    view = harness("studio", width=1100)
    columns = "getComputedStyle(document.querySelector('.lv-grid')).gridTemplateColumns.split(' ').length"
    assert view.run(columns) == 2
    view.run("document.querySelector('main').style.width = '400px'")
    assert view.run(columns) == 1


def test_two_widgets_of_a_page_have_no_name_in_common(harness: Open) -> None:
    view = harness("studio")
    view.run("harness.another('studio', 'pick')")
    expect(view.page.get_by_role("tab", name="Settings")).to_have_count(2)
    for tab in view.page.get_by_role("tab", name="Settings").all():
        tab.click()
    groups = view.run(
        "Array.from(document.querySelectorAll('input[type=radio]'), ({name, checked}) => [name, checked])"
    )
    # radio buttons of one name are one choice, whichever widget they are in
    assert sum(checked for _, checked in groups) == len({name for name, _ in groups}) >= 2
    ids = view.run("Array.from(document.querySelectorAll('[id]'), ({id}) => id)")
    assert len(ids) == len(set(ids))


def test_keys_do_not_reach_the_notebook(harness: Open) -> None:
    view = harness("studio")
    view.run("document.addEventListener('keydown', () => { globalThis.leaked = true })")
    view.page.get_by_placeholder("Search 12 avatars").press("d")
    view.cards.first.press("ArrowRight")
    assert view.run("globalThis.leaked") is None
    assert view.run("document.querySelector('.view').dataset.lmSuppressShortcuts") == "true"


def test_nothing_is_fetched_at_run_time(harness: Open) -> None:
    view = harness("studio", "live")
    view.page.wait_for_timeout(300)
    fetched = view.run("performance.getEntriesByType('resource').map((one) => one.name)")
    assert all(one.startswith(("http://harness.test/", "blob:")) for one in fetched)
