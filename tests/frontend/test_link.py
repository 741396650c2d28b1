"""How commands reach Python, and what a page shows when they do not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

Open = Callable[..., Any]
OPEN_COMMS = "harness.kernel.comms.filter((comm) => comm.opened && !comm.isDisposed).length"


def test_commands_go_over_the_control_channel_and_no_other_way(harness: Open) -> None:
    view = harness("studio")
    view.button("Start Silas").click()
    expect(view.button("Cancel")).to_be_visible()
    view.page.wait_for_timeout(2300)
    assert {one["way"] for one in view.commands()} == {"control"}
    assert {one["widget"] for one in view.commands()} == {"w-1"}
    assert view.run("harness.kernel.comms.map((comm) => comm.target)") == ["liveavatar_nb.control"]


def test_what_a_view_asks_for_as_it_comes_goes_by_the_channel_too(harness: Open) -> None:
    view = harness("view", "view_livekit")
    view.page.wait_for_function("harness.python.commands.some((one) => one.command === 'join')")
    assert {one["way"] for one in view.commands()} == {"control"}


def test_each_view_says_that_it_is_ready(harness: Open) -> None:
    view = harness("studio", views="2")
    view.page.wait_for_function("harness.python.commands.filter((one) => one.command === 'ready').length === 2")


def test_views_and_widgets_share_one_comm_until_the_last_is_gone(harness: Open) -> None:
    view = harness("studio", views="2")
    view.run("harness.another('panel', 'pick')")
    view.page.wait_for_function("harness.python.commands.filter((one) => one.command === 'ready').length === 3")
    assert view.run(OPEN_COMMS) == 1
    view.run("harness.views[0].remove()")
    view.run("harness.views[1].remove()")
    assert view.run(OPEN_COMMS) == 1
    view.run("harness.views[2].remove()")
    view.page.wait_for_function(f"{OPEN_COMMS} === 0")
    assert view.run("harness.kernel.comms[0].closed") is True


def test_a_view_shown_later_opens_the_channel_again_and_has_the_pictures(harness: Open) -> None:
    view = harness("picker")
    expect(view.page.locator(".lv-card img")).to_have_count(11)
    view.run("harness.views[0].remove()")
    view.run("harness.show()")
    expect(view.page.locator(".lv-card img")).to_have_count(11)
    view.page.wait_for_function(f"{OPEN_COMMS} === 1")
    asked = [each for one in view.commands("pictures") for each in one["args"]["avatar_ids"]]
    assert len(asked) == 11


def test_two_views_show_the_same_click(harness: Open) -> None:
    view = harness("studio", views="2", acts="no")
    view.button("Start Silas").first.click()
    expect(view.button("Starting…")).to_have_count(2)


@pytest.mark.parametrize("options", [{"host": "plain"}, {"comms": "no"}])
def test_without_a_control_channel_the_ordinary_way_is_taken(harness: Open, options: dict[str, str]) -> None:
    view = harness("studio", **options)
    view.button("Start Silas").click()
    expect(view.button("Cancel")).to_be_visible()
    assert {one["way"] for one in view.commands()} == {"ordinary"}
    assert len(view.commands("start")) == 1


def test_a_click_that_waits_for_the_cell_says_so_until_it_is_heard(harness: Open) -> None:
    view = harness("studio", "live", host="plain", python="busy")
    view.button("Stop").click()
    note = view.page.get_by_text("Waiting for the running cell:")
    expect(note).to_be_visible()
    expect(view.button("Waiting…")).to_be_disabled()
    view.run("harness.python.release()")
    expect(note).to_have_count(0)
    expect(view.page.locator(".lv-pill")).to_have_text("Stopping…")
    assert len(view.commands("stop")) == 1


def test_no_waiting_note_for_what_nobody_clicked(harness: Open) -> None:
    view = harness("studio", "live", host="plain", python="busy")
    view.page.wait_for_timeout(900)
    expect(view.page.get_by_text("Waiting for the running cell:")).to_have_count(0)


def test_a_deaf_control_channel_falls_back_with_the_same_id(harness: Open) -> None:
    view = harness("studio", python="deaf")
    view.button("Start Silas").click()
    expect(view.button("Cancel")).to_be_visible()
    view.page.wait_for_function("harness.python.commands.filter((one) => one.command === 'start').length === 2")
    first, second = view.commands("start")
    assert (first["way"], second["way"]) == ("control", "ordinary")
    assert first["id"] == second["id"]


def test_a_kernel_that_idles_in_silence_has_forgotten_the_widget(harness: Open) -> None:
    view = harness("studio", "live", python="silent", clock=True)
    view.page.clock.run_for(9000)
    expect(view.page.get_by_text("no longer knows it")).to_have_count(0)
    view.page.clock.run_for(3000)
    expect(view.page.get_by_text("no longer knows it")).to_be_visible()
    expect(view.page.locator(".lv-elapsed")).to_have_text("2:14")
    expect(view.button("Stop")).to_be_disabled()


def test_a_busy_kernel_is_waited_for(harness: Open) -> None:
    view = harness("studio", "live", python="silent", clock=True)
    view.run("harness.kernel.setStatus('busy')")
    view.page.clock.run_for(60_000)
    expect(view.page.get_by_text("no longer knows it")).to_have_count(0)


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ("harness.kernel.setStatus('restarting')", "Ended: the kernel was restarted."),
        ("harness.kernel.setStatus('autorestarting')", "Ended: the kernel was restarted."),
        ("harness.kernel.setStatus('dead')", "Ended: the kernel is gone."),
        ("harness.kernel.setStatus('terminating')", "Ended: the kernel is gone."),
        ("harness.kernel.dispose()", "Ended: the kernel is gone."),
        ("harness.model.trigger('comm:close')", "Ended: the kernel is gone."),
        ("harness.model.trigger('comm_live_update')", "Ended: the kernel is gone."),
    ],
)
@pytest.mark.parametrize("widget", ["panel", "studio"])
def test_a_kernel_that_is_gone_ends_it(harness: Open, widget: str, event: str, words: str) -> None:
    view = harness(widget, "live", clock=True)
    view.page.clock.run_for(1000)
    sent = len(view.commands())
    view.run(event)
    view.page.clock.run_for(200)
    expect(view.page.get_by_text(words)).to_be_visible()
    expect(view.page.locator(".lv-pill")).to_have_text("Ended")
    expect(view.page.locator(".lv-elapsed")).to_have_count(0)
    expect(view.page.locator(".lv-primary")).to_be_disabled()
    if widget == "studio":
        view.page.get_by_title("Ann", exact=True).click(force=True)
    view.page.clock.run_for(30_000)
    assert len(view.commands()) == sent


def test_a_lost_connection_stops_the_clock_and_asks_again(harness: Open) -> None:
    view = harness("studio", "live", clock=True)
    view.page.clock.run_for(1000)
    view.run("harness.kernel.setConnection('connecting')")
    view.page.clock.run_for(60_000)
    expect(view.page.get_by_text("No word from the kernel.")).to_be_visible()
    expect(view.page.locator(".lv-pill")).to_have_text("Not connected")
    expect(view.page.locator(".lv-elapsed")).to_have_text("2:14")
    before = len(view.commands("ready"))
    view.run("harness.kernel.setConnection('connected')")
    view.page.clock.run_for(1100)
    assert len(view.commands("ready")) == before + 1
    assert view.run(OPEN_COMMS) == 1
    expect(view.page.locator(".lv-pill")).to_have_text("Live")
    expect(view.page.locator(".lv-elapsed")).to_have_text("3:16")


def test_a_restarted_kernel_gets_a_new_comm_from_the_next_widget(harness: Open) -> None:
    view = harness("studio")
    view.page.wait_for_function(f"{OPEN_COMMS} === 1")
    view.run("harness.kernel.setStatus('restarting')")
    view.run("harness.kernel.setStatus('idle')")
    view.run("harness.another('panel', 'pick')")
    view.page.wait_for_function(f"{OPEN_COMMS} === 1")
    assert view.run("harness.kernel.comms.length") == 2


def test_a_saved_page_shows_how_it_stood(harness: Open) -> None:
    view = harness("studio", "live", host="plain", python="silent", saved="yes")
    expect(view.page.get_by_text("Not connected.")).to_be_visible()
    expect(view.page.locator(".lv-pill")).to_have_text("Not connected")
    expect(view.button("Stop")).to_be_disabled()
    view.page.wait_for_timeout(1200)
    expect(view.page.locator(".lv-elapsed")).to_have_text("2:14")
    assert view.commands() == []


def test_a_saved_page_of_a_loading_gallery_shows_no_placeholders(harness: Open) -> None:
    view = harness("picker", "loading", host="plain", python="silent", saved="yes")
    expect(view.page.locator(".lv-skeleton")).to_have_count(0)


def test_an_unheard_page_without_a_kernel_says_what_to_do(harness: Open) -> None:
    view = harness("studio", host="plain", python="silent", clock=True)
    view.page.clock.run_for(11_000)
    expect(view.page.get_by_text("Not connected yet.")).to_be_visible()
    expect(view.page.locator(".lv-primary")).to_be_disabled()


def test_where_the_host_hides_its_kernel_silence_stops_the_clock(harness: Open) -> None:
    view = harness("studio", "live", host="plain", clock=True)
    view.page.clock.run_for(1000)
    view.run("harness.python.mode = 'silent'")
    view.page.clock.run_for(60_000)
    expect(view.page.get_by_text("No word from the kernel.")).to_be_visible()
    stopped = view.page.locator(".lv-elapsed").text_content()
    view.page.clock.run_for(60_000)
    expect(view.page.locator(".lv-elapsed")).to_have_text(stopped)
    view.run("harness.python.mode = 'alive'")
    view.session(elapsed=400)
    expect(view.page.locator(".lv-pill")).to_have_text("Live")


def test_the_page_sets_no_trait(harness: Open) -> None:
    # The fake model raises where one is set; conftest fails on any error of the page.
    view = harness("studio")
    view.page.get_by_title("Ann", exact=True).click()
    view.page.get_by_label("Sandbox").check()
    expect(view.picked).to_have_attribute("title", "Wayne")
