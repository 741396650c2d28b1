"""Start, Stop, the clock, the notes: the panel and the studio."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

Open = Callable[..., Any]


@pytest.mark.parametrize(
    ("state", "reason"),
    [("empty", "Pick an avatar first"), ("sandbox_wrong", "The sandbox takes only Wayne")],
)
def test_start_says_why_it_cannot(harness: Open, state: str, reason: str) -> None:
    view = harness("studio", state)
    expect(view.page.locator(".lv-primary")).to_be_disabled()
    expect(view.page.locator(".lv-reason")).to_have_text(reason)


@pytest.mark.parametrize("widget", ["panel", "studio"])
def test_a_double_click_starts_once_and_stops_nothing(harness: Open, widget: str) -> None:
    view = harness(widget)
    view.button("Start Silas").dblclick()
    expect(view.button("Cancel")).to_be_visible()
    commands = [one["command"] for one in view.commands() if one["command"] in ("start", "stop")]
    assert commands == ["start"]
    assert view.commands("start")[0]["args"] == {"avatar_id": view.run("harness.model.get('avatar')")}


@pytest.mark.parametrize("width", [360, 1100])
def test_start_and_stop_never_stand_in_the_same_place(harness: Open, width: int) -> None:
    view = harness("studio", width=width, acts="no")
    start = view.button("Start Silas").bounding_box()
    view.button("Start Silas").click()
    stops = [view.button("Cancel").bounding_box()]
    for state, name in [("connecting", "Cancel"), ("connected", "Stop")]:
        view.run(
            "(state) => import('/fixtures.js').then(({session}) => harness.model.write({status: {...session, state}}))",
            state,
        )
        expect(view.page.locator(".lv-meter" if state == "connected" else ".lv-steps")).to_be_visible()
        stops.append(view.button(name).bounding_box())
    for stop in stops:
        assert stop["x"] >= start["x"] + start["width"] or stop["y"] >= start["y"] + start["height"]


def test_starting_shows_the_steps_and_the_seconds(harness: Open) -> None:
    view = harness("studio", "starting")
    expect(view.page.locator(".lv-pill")).to_have_text(re.compile(r"Starting · \d+\.\d s"))
    expect(view.page.locator(".lv-step-done")).to_have_text(["token", "started, billing"])
    expect(view.page.locator('[aria-current="step"]')).to_have_text("avatar")
    expect(view.page.locator(".lv-foot")).to_contain_text("starting: stopped at once if this fails")
    view.button("Cancel").click()
    expect(view.page.locator(".lv-pill")).to_have_text("Stopping…")
    assert len(view.commands("stop")) == 1


def test_stop_is_sent_once(harness: Open) -> None:
    view = harness("studio", "live", acts="no")
    view.button("Stop").dblclick()
    expect(view.button("Stopping…")).to_be_disabled()
    assert len(view.commands("stop")) == 1


def test_the_clock_counts_on_from_pythons_last_word(harness: Open) -> None:
    view = harness("studio", "live", clock=True)
    view.page.clock.run_for(500)
    expect(view.page.locator(".lv-elapsed")).to_have_text("2:14")
    expect(view.page.locator(".lv-left")).to_have_text("7:46 left · 2.3 credits used")
    view.page.clock.run_for(70_000)
    expect(view.page.locator(".lv-elapsed")).to_have_text("3:24")
    expect(view.page.locator(".lv-foot")).to_contain_text("keep-alive 1 min 22 s ago")
    view.session(elapsed=300, keep_alive_age=1)
    view.page.clock.run_for(1100)
    expect(view.page.locator(".lv-elapsed")).to_have_text("5:01")
    view.page.clock.run_for(600_000)
    expect(view.page.locator(".lv-elapsed")).to_have_text("10:00")
    expect(view.page.locator(".lv-left")).to_contain_text("0:00 left")


def test_the_last_minute_is_a_warning(harness: Open) -> None:
    view = harness("studio", "live", clock=True)
    view.page.clock.run_for(500)
    expect(view.page.get_by_text("It ends by itself")).to_have_count(0)
    view.page.clock.run_for(423_000)
    note = view.page.locator(".lv-note-warning")
    expect(note).to_have_text(
        re.compile(r"It ends by itself in 0:[34]\d\. Its limit is 10 minutes; one click then starts the next\.")
    )
    view.page.clock.run_for(30_000)
    expect(note).to_contain_text(re.compile(r"in 0:[01]\d\."))
    expect(view.page.locator(".lv-left")).to_contain_text(re.compile(r"0:[01]\d left"))
    view.session(state="ended", running=False, confirmed=True, elapsed=600, end_words="its time was up")
    expect(view.page.locator(".lv-note-ok")).to_contain_text("Ended after 10 min 00 s: its time was up.")
    view.button("Start again").click()
    assert [one["args"] for one in view.commands("start")] == [{"avatar_id": view.run("harness.model.get('avatar')")}]


def test_the_end_is_told_in_words(harness: Open) -> None:
    view = harness("studio", "ended")
    expect(view.page.locator(".lv-note-ok")).to_have_text(
        "Ended after 4 min 02 s: you stopped it. 4.1 credits used. Nothing is running, the service confirmed it."
    )
    expect(view.button("Start again")).to_be_enabled()
    expect(view.page.locator(".lv-foot")).to_contain_text("Nothing is running")
    view.page.get_by_title("Ann", exact=True).click()
    expect(view.button("Start Ann")).to_be_visible()


def test_an_end_without_proof_is_no_calm_one(harness: Open) -> None:
    view = harness("studio", "unconfirmed")
    latest = view.run("new Date(harness.model.get('status').cap_at * 1000).toLocaleTimeString('en-GB')")
    note = view.page.locator(".lv-note")
    expect(note).to_have_count(1)
    expect(note).to_contain_text("It may still run, and be billed. The service did not confirm the stop")
    expect(note).to_contain_text(f"its limit ends it at {latest}.")
    expect(view.page.locator(".lv-pill")).to_have_text("Not confirmed")
    expect(view.page.locator(".lv-foot")).to_contain_text("Not confirmed yet")
    view.button("Stop again").click()
    assert len(view.commands("stop")) == 1
    view.write(problem=None)
    view.session(state="ended", confirmed=True, end_words="stopped, which the service confirmed late")
    expect(note).to_have_text(
        "Ended after 4 min 02 s: stopped, which the service confirmed late. 4.1 credits used. "
        "Nothing is running, the service confirmed it."
    )
    expect(view.button("Start again")).to_be_enabled()


def test_keep_alives_that_do_not_arrive_are_a_flag_and_a_note_until_one_does(harness: Open) -> None:
    view = harness("panel", "degraded", clock=True)
    expect(view.page.locator(".lv-pill")).to_have_text(["Live", "Degraded"])
    view.page.clock.run_for(10_000)
    expect(view.page.locator(".lv-note")).to_contain_text(re.compile(r"5 minutes after the last one: in 1:3\d\."))
    view.session(degraded=False, keep_alive_age=1)
    expect(view.page.locator(".lv-pill")).to_have_text(["Live"])
    expect(view.page.locator(".lv-note")).to_have_count(0)


def test_a_session_that_no_page_shows_is_told_to_be_stopped(harness: Open) -> None:
    view = harness("panel", "unwatched", clock=True)
    view.page.clock.run_for(4000)
    expect(view.page.locator(".lv-note")).to_contain_text(
        re.compile(r"No page has shown it for a while: stopped in (20|1\d) s\.")
    )
    view.session(unwatched_left=None)
    expect(view.page.locator(".lv-note")).to_have_count(0)


def test_what_a_dead_kernel_left_is_told_and_stopped_by_one_click(harness: Open) -> None:
    view = harness("panel", "orphan")
    expect(view.page.locator(".lv-note")).to_contain_text("1 session runs that a dead kernel left. It is billed")
    expect(view.page.locator(".lv-foot")).to_contain_text("Nothing of this kernel is running")
    view.button("Stop it").click()
    expect(view.button("Stopping…")).to_be_disabled()
    assert len(view.commands("stop_orphans")) == 1
    view.write(orphans=[])
    expect(view.page.locator(".lv-note")).to_have_count(0)


def test_what_another_client_of_the_process_started_is_told_and_stopped_by_one_click(harness: Open) -> None:
    view = harness("panel", "elsewhere")
    expect(view.page.locator(".lv-note")).to_contain_text(
        "1 session of this program is billed that this page did not start. "
        "Silas. No page shows it: stopped in 28 s. Running for 2 min 30 s."
    )
    expect(view.page.locator(".lv-foot")).to_contain_text("Nothing that this page started is running")
    view.button("Stop it").click()
    expect(view.button("Stopping…")).to_be_disabled()
    assert len(view.commands("stop_elsewhere")) == 1
    view.write(elsewhere=[])
    expect(view.page.locator(".lv-note")).to_have_count(0)


def test_what_other_pages_show_is_not_offered_to_be_stopped(harness: Open) -> None:
    view = harness("panel", "visitors")
    expect(view.page.locator(".lv-note")).to_contain_text("2 sessions of this program are billed")
    expect(view.page.locator(".lv-note")).to_contain_text("No page shows 1 of them.")
    other = view.run("harness.model.get('elsewhere')")[1]
    view.write(elsewhere=[other])
    expect(view.page.locator(".lv-note")).to_contain_text("Silas. Another page shows it.")
    expect(view.button("Stop it")).to_have_count(0)


@pytest.mark.parametrize(
    ("hearing", "words"),
    [
        (
            "held_up",
            "While a cell runs, a closed page isn't noticed until the cell ends, or the session does after 10 minutes.",
        ),
        (
            "unknown",
            "Closing the page doesn't stop the session here: press Stop, or it ends after 10 minutes.",
        ),
        ("prompt", ""),
    ],
)
def test_before_a_start_it_is_said_where_a_closed_page_is_not_noticed_at_once(
    harness: Open, hearing: str, words: str
) -> None:
    view = harness("panel", "elsewhere")
    view.write(hearing=hearing)
    if words:
        expect(view.page.locator(".lv-closing")).to_contain_text(words)
        view.write(settings={**view.run("harness.model.get('settings')"), "is_sandbox": True})
    expect(view.page.locator(".lv-closing")).to_have_count(0)


def test_a_tab_keeps_its_name_where_its_page_is_reloaded(harness: Open) -> None:
    view = harness("panel", "pick")
    (before,) = view.sent("ready")
    with view.page.expect_console_message(lambda line: line.text == "harness ready"):
        view.page.reload()
    (after,) = view.sent("ready")
    assert before["tab"] == after["tab"] != ""
    assert before["page"] != after["page"]


def test_too_many_sessions_offers_to_stop_what_is_left_over_once(harness: Open) -> None:
    view = harness("panel", "concurrency")
    expect(view.page.locator(".lv-note")).to_have_count(1)
    view.button("Stop what is left over").click()
    assert len(view.commands("stop_orphans")) == 1


def test_a_session_of_another_avatar_can_be_started_again_as_well(harness: Open) -> None:
    view = harness("studio", "abandoned")
    expect(view.page.locator(".lv-note-ok")).to_contain_text("no page showed it for 60 s")
    view.page.get_by_title("Ann", exact=True).click()
    silas = view.run("harness.model.get('status').avatar_id")
    view.button("Start Silas again").click()
    assert [one["args"] for one in view.commands("start")] == [{"avatar_id": silas}]


BEATS = "harness.python.commands.filter((one) => one.command === 'beat')"


def test_a_page_says_every_ten_seconds_that_it_shows_a_running_session(harness: Open) -> None:
    view = harness("studio", "live", views="2", clock=True)
    view.page.clock.run_for(100)
    assert len(view.run(BEATS)) == 1
    view.page.clock.run_for(30_000)
    assert len(view.run(BEATS)) == 4
    assert {one["way"] for one in view.commands("beat")} == {"control"}
    view.run("harness.views.forEach((one) => one.remove())")
    view.page.clock.run_for(30_000)
    view.session(elapsed=144)
    view.page.clock.run_for(100)
    assert len(view.run(BEATS)) == 4, "a model without a view shows nothing, and would say so by the ordinary way"


def test_a_word_of_python_makes_it_say_so_where_its_own_timers_are_slowed(harness: Open) -> None:
    view = harness("panel", "live", clock=True)
    view.run("globalThis.setInterval = () => 0")
    view.run("harness.views[0].remove()")
    view.run("harness.show()")
    view.page.clock.run_for(100)
    before = len(view.run(BEATS))
    view.page.clock.run_for(9500)
    view.session(elapsed=144)
    view.session(elapsed=145)
    view.page.clock.run_for(100)
    assert len(view.run(BEATS)) == before + 1


def test_it_says_so_from_the_start_on_and_no_longer_than_it_runs(harness: Open) -> None:
    view = harness("panel", "live", clock=True)
    view.session(state="ended", running=False)
    view.page.clock.run_for(30_000)
    before = len(view.run(BEATS))
    view.session(state="starting", running=True, beat_every=None)
    view.page.clock.run_for(30_000)
    assert len(view.run(BEATS)) == before, "one that needs nobody"
    view.session(beat_every=10)
    view.page.clock.run_for(100)
    assert len(view.run(BEATS)) == before + 1


@pytest.mark.parametrize("options", [{"host": "plain"}, {"comms": "no"}])
def test_without_a_control_channel_a_page_says_so_by_its_widget(harness: Open, options: dict[str, str]) -> None:
    view = harness("panel", "live", clock=True, **options)
    view.page.clock.run_for(30_000)
    assert len(view.run(BEATS)) == 4
    assert {one["way"] for one in view.commands("beat")} == {"ordinary"}


@pytest.mark.parametrize("host", ["lab", "plain"])
def test_beside_a_busy_kernel_a_page_says_so_now_and_then_and_at_once_when_heard(harness: Open, host: str) -> None:
    view = harness("panel", "live", clock=True, host=host, comms="no", python="busy")
    if host == "lab":
        view.run("harness.kernel.setStatus('busy')")
    view.page.clock.run_for(180_000)
    waiting = view.run("harness.python.queue.filter((one) => one.command === 'beat').length")
    assert 8 <= waiting <= 10
    view.run("harness.python.release(); harness.python.mode = 'alive'")
    view.page.clock.run_for(21_000)
    assert len(view.run(BEATS)) >= waiting + 1
    expect(view.page.locator(".lv-pill")).to_have_text("Live")


def test_a_deaf_control_channel_has_the_page_say_so_by_its_widget(harness: Open) -> None:
    view = harness("panel", "live", clock=True, python="deaf")
    view.page.clock.run_for(5000)
    assert [one["way"] for one in view.commands("beat")] == ["control", "ordinary"]


def test_a_problem_has_its_remedy_an_action_and_goes(harness: Open) -> None:
    view = harness("studio", "no_credits")
    expect(view.page.get_by_role("alert")).to_contain_text("Not enough credits.")
    view.button("Use the sandbox").click()
    assert [one["args"] for one in view.commands("configure")] == [{"is_sandbox": True}]
    view.button("Dismiss").click()
    expect(view.page.get_by_role("alert")).to_have_count(0)
    assert len(view.commands("dismiss")) == 1


def test_a_start_that_python_refuses_gives_start_back(harness: Open) -> None:
    view = harness("studio", acts="no")
    view.button("Start Silas").click()
    expect(view.button("Starting…")).to_be_disabled()
    view.write(problem={"kind": "x", "title": "No.", "detail": "", "remedy": "", "severity": "error", "action": None})
    expect(view.button("Start Silas")).to_be_enabled()


def test_settings_are_sent_as_they_change(harness: Open) -> None:
    view = harness("studio")
    view.page.get_by_role("tab", name="Settings").click()
    view.page.get_by_label("Video quality").select_option("Very high")
    view.page.get_by_label("Video encoding").select_option("VP8")
    minutes = view.page.get_by_label("Minutes at most")
    minutes.fill("3")
    # what Python says meanwhile draws the form anew, and leaves alone what is typed
    view.write(credits="99.5")
    expect(view.page.locator(".lv-credits")).to_have_text("99.5 credits")
    minutes.press("Tab")
    expect(view.page.get_by_text("1 credit a minute, 3 minutes at most")).to_be_visible()
    minutes.fill("0")
    minutes.press("Tab")
    expect(minutes).to_have_value("3")
    assert [one["args"] for one in view.commands("configure")] == [
        {"video_quality": "very_high"},
        {"video_encoding": "VP8"},
        {"max_minutes": 3},
    ]


def test_copy_as_code_works_without_a_secure_context(harness: Open) -> None:
    view = harness("studio")
    assert view.run("isSecureContext") is False
    view.button("Copy as code").click()
    expect(view.button("Copied")).to_be_visible()
    search = view.page.get_by_placeholder("Search 12 avatars")
    search.press("Control+v")
    assert search.input_value().startswith("from liveavatar_nb import LiveAvatar")


def test_code_that_cannot_be_copied_is_shown(harness: Open) -> None:
    view = harness("studio")
    view.run("document.execCommand = () => false")
    view.button("Copy as code").click()
    expect(view.page.get_by_label("Code to copy by hand")).to_contain_text("la = LiveAvatar.demo()")


def test_the_code_of_what_was_picked_can_be_shown(harness: Open) -> None:
    view = harness("studio")
    view.button("Show code").click()
    expect(view.page.get_by_label("Code", exact=True)).to_contain_text('with la.start("Silas", max_minutes=10)')
    view.write(code="la.start('Ann')")
    expect(view.page.get_by_label("Code", exact=True)).to_have_text("la.start('Ann')")
    view.button("Hide code").click()
    expect(view.page.get_by_label("Code", exact=True)).to_have_count(0)


def test_the_stage_keeps_the_avatar_that_is_live(harness: Open) -> None:
    view = harness("studio", "live")
    view.page.get_by_role("tab", name="Avatar").click()
    view.page.get_by_title("Ann", exact=True).click()
    expect(view.picked).to_have_attribute("title", "Ann")
    expect(view.page.locator(".lv-caption")).to_have_text("Silas")


def test_a_screen_reader_hears_states_and_no_ticking(harness: Open) -> None:
    view = harness("studio", "starting")
    live = view.page.locator(".lv-sr[aria-live]")
    expect(live).to_have_text("Starting Silas, 2 steps done")
    view.session(state="connected")
    expect(live).to_have_text("Silas is live")


def test_the_real_service_is_named_and_credits_may_be_unknown(harness: Open) -> None:
    view = harness("studio", "real")
    expect(view.page.locator(".lv-service")).to_have_text("api.liveavatar.com")
    view.write(credits=None, credits_problem="The service did not say.")
    expect(view.page.get_by_text("Credits unknown")).to_have_attribute("title", "The service did not say.")
