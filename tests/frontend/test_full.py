"""The Talk tab of a conversation: Ask and Say, the transcript as it grows, thinking, listening, an interruption."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

Open = Callable[..., Any]

FIELD = "Text to ask or say"
PROBLEM = {
    "kind": "RoomNotHeld",
    "title": "The session's room is not held",
    "detail": "No page shows it.",
    "remedy": "Show it by s.view().",
    "severity": "error",
    "action": None,
}


def log(view: Any) -> Locator:
    found: Locator = view.page.get_by_role("log", name="What was said")
    return found


def long_talk(count: int) -> list[dict[str, Any]]:
    return [
        {"role": ("user", "avatar")[number % 2], "text": f"Line {number} of a long talk.", "partial": False}
        for number in range(count)
    ]


# Ask and Say


def test_ask_and_say_are_two_buttons_and_told_apart(harness: Open) -> None:
    view = harness("studio", "talk_full")
    expect(view.page.get_by_role("tab", name="Talk")).to_have_attribute("aria-selected", "true")
    expect(view.page.get_by_text("Ask: it answers. Say: it speaks your words.")).to_be_visible()
    expect(view.page.get_by_role("list", name="Sounds to play")).to_have_count(0)
    field = view.page.get_by_label(FIELD)
    expect(view.button("Ask")).to_be_disabled()
    expect(view.button("Say")).to_be_disabled()
    field.fill("  What does it cost? ")
    view.button("Ask").click()
    assert [(one["args"], one["way"]) for one in view.sent("ask")] == [({"text": "What does it cost?"}, "control")]
    expect(field).to_have_value("")
    field.fill("Good morning")
    view.button("Say").click()
    assert [one["args"] for one in view.sent("say")] == [{"text": "Good morning"}]


def test_enter_asks_ctrl_enter_says_and_shift_enter_is_a_new_line(harness: Open) -> None:
    view = harness("talk", "talk_full")
    field = view.page.get_by_label(FIELD)
    one_line = field.bounding_box()["height"]
    field.press_sequentially("One")
    field.press("Shift+Enter")
    field.press_sequentially("two")
    expect(field).to_have_value("One\ntwo")
    assert field.bounding_box()["height"] > one_line
    field.press("Enter")
    assert [one["args"] for one in view.sent("ask")] == [{"text": "One\ntwo"}]
    expect(field).to_have_value("")
    assert field.bounding_box()["height"] == one_line
    field.fill("Word for word")
    field.press("Control+Enter")
    assert [one["args"] for one in view.sent("say")] == [{"text": "Word for word"}]
    assert len(view.commands("ask")) == 1


def test_enter_of_an_input_method_sends_nothing(harness: Open) -> None:
    view = harness("talk", "talk_full")
    field = view.page.get_by_label(FIELD)
    field.fill("こん")
    view.run(
        "document.querySelector('textarea').dispatchEvent("
        "new KeyboardEvent('keydown', {key: 'Enter', isComposing: true, bubbles: true, cancelable: true}))"
    )
    expect(field).to_have_value("こん")
    field.press("Enter")
    assert len(view.sent("ask")) == 1


def test_what_a_session_cannot_do_is_not_shown(harness: Open) -> None:
    view = harness("talk", "full_mute")
    expect(view.button("Ask")).to_have_count(0)
    expect(view.button("Listen")).to_have_count(0)
    expect(view.page.get_by_label("Text to say")).to_be_visible()
    expect(view.page.get_by_text("Say: it speaks your words.")).to_have_text("Say: it speaks your words.")
    view.page.get_by_label("Text to say").fill("Good morning")
    view.page.get_by_label("Text to say").press("Enter")
    assert [one["args"] for one in view.sent("say")] == [{"text": "Good morning"}]
    can = view.run("harness.model.get('status').can")
    view.session(can={**can, "interrupt": False, "say": False})
    expect(view.button("Interrupt")).to_have_count(0)
    expect(view.page.get_by_label("Text to say")).to_have_count(0)


def test_before_a_conversation_a_text_can_be_written_and_waits(harness: Open) -> None:
    view = harness("studio", "persona")
    view.page.get_by_role("tab", name="Talk").click()
    expect(view.page.get_by_text("Once a session is live, you talk with the avatar here.")).to_be_visible()
    field = view.page.get_by_label(FIELD)
    field.fill("Hello")
    field.press("Enter")
    expect(field).to_have_value("Hello")
    view.run("import('/fixtures.js').then(({traits}) => harness.model.write({status: traits('talk_full').status}))")
    expect(view.button("Ask")).to_be_enabled()
    assert view.commands("ask") == []


def test_a_draft_survives_its_view_and_its_tab(harness: Open) -> None:
    view = harness("studio", "talk_full")
    view.page.get_by_label(FIELD).fill("Half a sent")
    view.page.get_by_role("tab", name="Wire").click()
    view.page.get_by_role("tab", name="Talk").click()
    expect(view.page.get_by_label(FIELD)).to_have_value("Half a sent")
    view.run("harness.views[0].remove()")
    view.run("harness.show()")
    expect(view.page.get_by_label(FIELD)).to_have_value("Half a sent")


@pytest.mark.parametrize("button", ["Ask", "Say"])
def test_a_text_that_could_not_be_sent_comes_back(harness: Open, button: str) -> None:
    view = harness("talk", "talk_full", acts="no")
    field = view.page.get_by_label(FIELD)
    field.fill("What does it cost?")
    view.button(button).click()
    expect(field).to_have_value("")
    view.sent(button.lower())
    view.write(talk_problem=PROBLEM)
    expect(field).to_have_value("What does it cost?")
    expect(view.page.get_by_role("alert")).to_contain_text("The session's room is not held")
    view.write(talk_problem=None)
    view.write(talk_problem={**PROBLEM, "title": "Something else"})
    expect(view.page.get_by_role("alert")).to_contain_text("Something else")
    expect(field).to_have_value("What does it cost?")


def test_a_text_comes_back_before_what_was_typed_since(harness: Open) -> None:
    view = harness("talk", "talk_full", acts="no")
    field = view.page.get_by_label(FIELD)
    field.fill("First")
    view.button("Ask").click()
    view.sent("ask")
    field.fill("Second")
    view.write(talk_problem=PROBLEM)
    expect(field).to_have_value("First\nSecond")


def test_a_text_comes_back_from_a_kernel_that_died(harness: Open) -> None:
    view = harness("talk", "talk_full", python="silent")
    field = view.page.get_by_label(FIELD)
    field.fill("What does it cost?")
    view.button("Ask").click()
    expect(field).to_have_value("")
    view.run("harness.kernel.setStatus('restarting')")
    expect(field).to_have_value("What does it cost?")


def test_a_problem_that_comes_after_the_text_was_taken_brings_nothing_back(harness: Open) -> None:
    view = harness("talk", "talk_full")
    field = view.page.get_by_label(FIELD)
    field.fill("What does it cost?")
    field.press("Enter")
    expect(log(view)).to_contain_text("What does it cost?")
    view.write(talk_problem=PROBLEM)
    expect(view.page.get_by_role("alert")).to_be_visible()
    expect(field).to_have_value("")


# the transcript


def test_both_sides_have_their_bubbles_and_names_for_a_screen_reader(harness: Open) -> None:
    view = harness("talk", "talk_full")
    expect(log(view).locator("p")).to_have_text(
        [
            "You: What can you show me in two minutes?",
            "Silas: A live tour. I speak, you interrupt me whenever you like.",
            "You: Start with pricing.",
            "Silas: A conversation costs two credits a minute, so ten minutes are twenty.",
        ]
    )
    lefts = view.run("Array.from(document.querySelectorAll('.lv-bubble'), (one) => one.getBoundingClientRect().left)")
    assert lefts[0] > lefts[1] < lefts[2]


def test_a_partial_line_grows_in_its_place(harness: Open) -> None:
    view = harness("talk", "full_talking")
    lines = view.run("harness.model.get('transcript')")
    view.run("globalThis.bubble = document.querySelector('.lv-bubble-partial')")
    expect(log(view).locator("[aria-busy]")).to_have_count(1)
    longer = {**lines[-1], "text": lines[-1]["text"] + " And more of it."}
    view.write(transcript=[*lines[:-1], longer])
    expect(log(view).locator("[aria-busy]")).to_contain_text("And more of it.")
    assert view.run("globalThis.bubble === document.querySelector('.lv-bubble-partial')") is True
    view.write(transcript=[*lines[:-1], {**longer, "partial": False}])
    expect(log(view).locator("[aria-busy]")).to_have_count(0)
    assert view.run("globalThis.bubble === document.querySelector('.lv-bubble:last-child')") is True


SCROLL = "document.querySelector('.lv-bubbles').scrollTop"
LEFT = """
    (({scrollHeight, scrollTop, clientHeight}) => scrollHeight - scrollTop - clientHeight)(
        document.querySelector('.lv-bubbles')
    )
"""


def test_it_follows_its_end_until_the_reader_scrolls_up(harness: Open) -> None:
    view = harness("studio", "talk_full")
    lines = long_talk(60)
    view.write(transcript=lines)
    expect(log(view).locator("p").last).to_be_in_viewport()
    assert view.run(LEFT) < 2
    expect(view.button("Newest")).to_have_count(0)
    view.run(f"{SCROLL} = 100")
    expect(view.button("Newest")).to_be_visible()
    lines += long_talk(61)[60:]
    view.write(transcript=lines)
    expect(log(view).locator("p")).to_have_count(61)
    assert view.run(SCROLL) == 100
    view.button("Newest").click()
    expect(view.button("Newest")).to_have_count(0)
    assert view.run(LEFT) < 2
    lines = [*lines, {"role": "user", "text": "It follows again.", "partial": True}]
    view.write(transcript=lines)
    expect(log(view).locator("p").last).to_contain_text("It follows again.")
    assert view.run(LEFT) < 2


def test_a_line_keeps_its_bubble_while_older_ones_go(harness: Open) -> None:
    view = harness("studio", "talk_full")
    lines = long_talk(70)
    view.write(transcript=lines[:50])
    view.run("globalThis.bubble = document.querySelectorAll('.lv-bubble')[30]")
    view.write(transcript=lines[20:])
    expect(log(view).locator("p").first).to_contain_text("Line 20 of")
    assert view.run("globalThis.bubble.isConnected && globalThis.bubble.textContent.includes('Line 30 of')") is True


def test_a_long_talk_makes_no_frame_taller(harness: Open) -> None:
    view = harness("studio", "full_silent")
    height = view.page.locator(".lv-studio").bounding_box()["height"]
    expect(view.page.get_by_text("Nothing was said yet.")).to_be_visible()
    view.write(transcript=long_talk(80))
    expect(log(view).locator("p")).to_have_count(80)
    assert view.page.locator(".lv-studio").bounding_box()["height"] == height


def test_text_from_the_service_is_text(harness: Open) -> None:
    view = harness("talk", "talk_full")
    view.write(transcript=[{"role": "avatar", "text": "<img src=x onerror=alert(1)>", "partial": False}])
    expect(log(view)).to_contain_text("<img src=x onerror=alert(1)>")
    assert view.run("document.querySelector('.lv-bubbles img')") is None


# who speaks


def test_asking_shows_that_it_thinks_at_once_although_python_is_silent(harness: Open) -> None:
    view = harness("studio", "talk_full", acts="no")
    view.page.get_by_label(FIELD).fill("Why?")
    view.button("Ask").click()
    expect(view.page.locator(".lv-doing")).to_have_text("Thinking…")
    expect(view.page.locator(".lv-pill")).to_have_text("Live · thinking")
    expect(log(view).locator(".lv-dots")).to_have_count(1)
    view.session(agent_state="talking")
    expect(view.page.locator(".lv-doing")).to_have_text("Talking")
    expect(log(view).locator(".lv-dots")).to_have_count(0)


def test_what_waits_is_named_unless_its_words_are_among_the_bubbles(harness: Open) -> None:
    view = harness("talk", "talk_queue")
    status = view.run("import('/fixtures.js').then(({traits}) => traits('full_talking').status)")
    speech = view.run("harness.model.get('speech')")
    asked, said = ({**speech[2], "id": f"u-{text}", "text": text} for text in ("Why?", "Good morning"))
    lines = [{"role": "user", "text": "Why?", "partial": False}]
    view.write(status=status, speech=[asked, said], transcript=lines)
    expect(view.page.get_by_role("list", name="Waiting").get_by_role("listitem")).to_have_text(["“Good morning”0:04"])


def test_the_user_is_seen_speaking_until_the_words_are_there(harness: Open) -> None:
    view = harness("talk", "talk_full")
    view.session(user_speaking=True)
    expect(view.page.locator(".lv-doing")).to_have_text("You are speaking")
    expect(log(view).locator(".lv-dots")).to_have_count(1)
    lines = view.run("harness.model.get('transcript')")
    view.write(transcript=[*lines, {"role": "user", "text": "And what", "partial": True}])
    expect(log(view).locator(".lv-dots")).to_have_count(0)
    view.session(user_speaking=False)
    expect(view.page.locator(".lv-doing")).to_have_text("Listening")


def test_an_avatar_that_is_not_there_yet_is_waited_for(harness: Open) -> None:
    view = harness("talk", "full_waiting")
    expect(view.page.locator(".lv-doing")).to_have_text("Joining…")
    view.session(agent_state="idle")
    expect(view.page.locator(".lv-doing")).to_have_text("Idle")


def test_listening_is_a_switch(harness: Open) -> None:
    view = harness("talk", "full_silent")
    listen = view.button("Listen")
    expect(listen).to_have_attribute("aria-pressed", "false")
    listen.click()
    expect(listen).to_have_attribute("aria-pressed", "true")
    listen.click()
    expect(listen).to_have_attribute("aria-pressed", "false")
    assert [one["command"] for one in view.commands() if "listen" in one["command"]] == ["listen", "stop_listening"]


@pytest.mark.parametrize("state", ["full_talking", "full_thinking"])
def test_an_interruption_shows_at_once_although_python_is_silent(harness: Open, state: str) -> None:
    view = harness("studio", state, acts="no")
    view.page.locator(".lv-talk").get_by_role("button", name="Interrupt").click()
    assert view.sent("interrupt")[0]["way"] == "control"
    expect(view.page.locator(".lv-doing")).to_have_text("Idle")
    expect(view.page.locator(".lv-pill")).to_have_text("Live · idle")


def test_the_words_stay_when_it_is_over(harness: Open) -> None:
    view = harness("studio", "full_over")
    view.page.get_by_role("tab", name="Talk").click()
    expect(log(view).locator("p")).to_have_count(4)
    expect(view.page.get_by_text("The session is over. In the next one you talk with the avatar here.")).to_be_visible()
    expect(view.button("Interrupt")).to_have_count(0)
