"""Wire tab: rows in a window that follow the end, a filter, payloads, copies; Python is asked only when it shows."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

Open = Callable[..., Any]

ROWS = ".lv-wire-row"
NEW = """async (rows) => {
    const {wireRow} = await import('/fixtures.js');
    harness.python.sendWire(rows.map(([seq, changes]) => wireRow(seq, changes)));
}"""


def wire(harness: Open, rows: str = "some", widget: str = "wire", **options: Any) -> Any:
    view = harness(widget, "talk_idle", wire=rows, **options)
    if rows != "none":
        view.page.locator(ROWS).first.wait_for()
    return view


def at_end(view: Any) -> bool:
    found: bool = view.run(
        "(({scrollHeight, scrollTop, clientHeight}) => scrollHeight - scrollTop - clientHeight < 4)"
        "(document.querySelector('.lv-rows'))"
    )
    return found


def test_a_row_tells_time_direction_name_status_and_duration(harness: Open) -> None:
    view = wire(harness)
    expect(view.page.locator(ROWS)).to_have_count(15)
    expect(view.page.locator(ROWS).nth(1)).to_have_text("0:00.400sent POST /v1/sessions/token200122 ms")
    expect(view.page.locator(ROWS).nth(3)).to_have_text("0:01.200received session.state_updatedconnected")
    expect(view.page.locator(".lv-wire-foot")).to_have_text("15 messages")
    bad = view.page.locator(".lv-wire-bad").filter(has_text=re.compile("."))
    expect(bad).to_have_text(["429", "no answer: connection refused", "error"])


def test_python_is_asked_only_while_the_log_shows(harness: Open) -> None:
    view = harness("studio", "talk_idle", clock=True)
    view.page.clock.run_for(20_000)
    assert view.commands("wire") == []
    view.page.get_by_role("tab", name="Wire").click()
    view.page.clock.run_for(200)
    assert [one["args"] for one in view.commands("wire")] == [{"since": 0}]
    view.page.clock.run_for(20_500)
    assert [one["args"] for one in view.commands("wire")] == [{"since": 0}, {"since": 15}, {"since": 15}]
    view.page.get_by_role("tab", name="Talk").click()
    view.page.clock.run_for(30_000)
    assert len(view.commands("wire")) == 3


def test_ten_thousand_rows_are_a_few_in_the_page_and_the_end_is_followed(harness: Open) -> None:
    view = wire(harness, "many")
    expect(view.page.locator(".lv-wire-foot")).to_have_text("10,000 messages2,100 older ones were dropped")
    view.page.wait_for_function("document.querySelector('.lv-rows').scrollTop > 250000")
    assert at_end(view)
    assert view.page.locator(ROWS).count() < 60
    expect(view.page.locator(ROWS).last).to_have_attribute("aria-posinset", "10000")
    view.run(NEW, [[10_001, {"name": "newest"}]])
    expect(view.page.get_by_role("option", name="newest")).to_be_in_viewport()
    # only as many are kept
    expect(view.page.locator(".lv-wire-foot")).to_contain_text("10,000 messages")


def test_who_scrolls_up_is_left_there(harness: Open) -> None:
    view = wire(harness, "many")
    view.page.wait_for_function("document.querySelector('.lv-rows').scrollTop > 250000")
    view.run("document.querySelector('.lv-rows').scrollTop = 130000")
    expect(view.page.get_by_role("option").first).to_have_attribute("aria-posinset", re.compile(r"^49\d\d$"))
    view.run(NEW, [[10_001, {"name": "newest"}]])
    expect(view.page.get_by_role("option", name="newest")).to_have_count(0)
    assert view.run("document.querySelector('.lv-rows').scrollTop") == 130_000
    view.run("document.querySelector('.lv-rows').scrollTop = 1e9")
    expect(view.page.get_by_role("option", name="newest")).to_be_in_viewport()
    view.run(NEW, [[10_002, {"name": "one more"}]])
    expect(view.page.get_by_role("option", name="one more")).to_be_in_viewport()


def test_a_row_that_comes_again_takes_the_place_of_the_first(harness: Open) -> None:
    view = wire(harness)
    pending = {"kind": "rest", "name": "GET /v1/voices", "note": "under way", "change": 16}
    view.run(NEW, [[16, pending]])
    row = view.page.get_by_role("option", name="GET /v1/voices")
    expect(row).to_contain_text("under way")
    expect(row.locator(".lv-wire-bad")).to_have_count(0)
    view.run(NEW, [[16, {**pending, "note": "200", "ms": 31, "change": 17}]])
    expect(row).to_contain_text("20031 ms")
    # an older word that comes late changes nothing
    view.run(NEW, [[16, pending]])
    expect(row).to_contain_text("20031 ms")
    expect(view.page.locator(ROWS)).to_have_count(16)


def test_the_filter_looks_through_names_and_payloads_and_kinds(harness: Open) -> None:
    view = wire(harness)
    field = view.page.get_by_placeholder("Filter names and payloads")
    field.fill("SESSION_TOKEN")
    expect(view.page.locator(ROWS)).to_have_count(1)
    expect(view.page.locator(".lv-wire-foot")).to_have_text("1 of 15")
    field.press("Escape")
    view.page.get_by_role("radio", name="REST").check()
    expect(view.page.locator(ROWS)).to_have_count(5)
    view.page.get_by_role("radio", name="Socket").check()
    expect(view.page.locator(ROWS)).to_have_count(10)
    field.fill("no such thing")
    expect(view.page.get_by_text("Nothing matches the filter.")).to_be_visible()


def test_a_click_opens_the_payload_and_a_second_closes_it(harness: Open) -> None:
    view = wire(harness)
    row = view.page.get_by_role("option", name="POST /v1/sessions/token")
    row.click()
    expect(view.page.get_by_label("Payload", exact=True)).to_contain_text('"session_token": "<masked>"')
    expect(row).to_have_attribute("aria-selected", "true")
    row.click()
    expect(view.page.get_by_label("Payload", exact=True)).to_have_count(0)


def test_it_is_walked_through_by_the_keyboard(harness: Open) -> None:
    view = wire(harness)
    rows = view.page.get_by_role("listbox", name="Messages on the wire")
    rows.focus()
    for key in ("Home", "ArrowDown", "ArrowDown", "Enter"):
        rows.press(key)
    expect(view.page.locator(".lv-payload")).to_have_attribute("aria-label", "Payload of POST /v1/sessions/start")
    rows.press("ArrowUp")
    expect(view.page.locator(".lv-payload")).to_have_attribute("aria-label", "Payload of POST /v1/sessions/token")
    active = rows.get_attribute("aria-activedescendant")
    assert view.run("(id) => document.getElementById(id).innerText", active).count("sessions/token") == 1
    rows.press("End")
    expect(view.page.locator(".lv-payload")).to_have_attribute("aria-label", "Payload of error")
    rows.press("Escape")
    expect(view.page.locator(".lv-payload")).to_have_count(0)


@pytest.mark.parametrize(
    ("label", "begins"), [("Copy as curl", "curl --request POST"), ("Copy as Python", "import httpx")]
)
def test_a_request_is_copied(harness: Open, label: str, begins: str) -> None:
    view = wire(harness)
    view.page.get_by_role("option", name="POST /v1/sessions/token").click()
    view.button(label).click()
    expect(view.button("Copied")).to_be_visible()
    field = view.page.get_by_placeholder("Filter names and payloads")
    field.press("Control+v")
    assert field.input_value().startswith(begins)


def test_what_can_be_copied_is_offered_and_no_more(harness: Open) -> None:
    view = wire(harness)
    view.page.get_by_role("option", name="agent.speak_started").click()
    expect(view.page.get_by_role("button", name="Copy as")).to_have_count(0)
    view.page.get_by_role("option", name="agent.speak_end").click()
    expect(view.page.get_by_role("button", name="Copy as")).to_have_text(["Copy as Python"])
    view.run("document.execCommand = () => false")
    view.button("Copy as Python").click()
    expect(view.page.get_by_label("Code to copy by hand")).to_contain_text("websockets")


def test_save_says_where_it_is(harness: Open) -> None:
    view = wire(harness)
    view.button("JSON lines").click()
    assert [one["args"] for one in view.sent("save_wire")] == [{"form": "jsonl"}]
    note = view.page.get_by_text("/home/me/talks/wire-20261124-180000.jsonl")
    expect(note).to_be_visible()
    view.button("Dismiss").click()
    expect(note).to_have_count(0)


def test_what_could_not_be_saved_says_why(harness: Open) -> None:
    view = wire(harness, acts="no")
    problem = {"title": "No.", "detail": "Read-only.", "remedy": "Change the folder.", "severity": "error"}
    view.run("(problem) => harness.python.tell({type: 'wire_saved', problem})", problem)
    expect(view.page.get_by_role("alert")).to_contain_text("No. Read-only.Change the folder.")


def test_timings_stand_above(harness: Open) -> None:
    view = wire(harness)
    cells = view.page.locator(".lv-timings tr")
    expect(cells).to_have_text(
        [
            "StepCountp50p95",
            "Token3122 ms182 ms",
            "Start31.41 s1.77 s",
            "Connected31.93 s2.41 s",
            "First word8412 ms588 ms",
            "Interrupt to silence261 ms83 ms",
        ]
    )
    view = wire(harness, "none")
    expect(view.page.get_by_text("Nothing went over the wire yet.")).to_be_visible()
    expect(view.page.locator(".lv-timings")).to_have_count(0)


def test_no_row_is_in_a_trait(harness: Open) -> None:
    view = wire(harness, widget="wire")
    assert "sessions/token" not in view.run("JSON.stringify(harness.model.state)")
