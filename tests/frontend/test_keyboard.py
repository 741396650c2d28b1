"""The whole path by keyboard alone: pick an avatar, set up a conversation, start, talk, interrupt, stop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from playwright.sync_api import expect

Open = Callable[..., Any]

MOST_STOPS = 60  # of Tab, in one round of the page

FOCUSED = """
(() => {
    const {activeElement: at} = document;
    if (at === document.body) return "";
    const label = at.labels?.[0]?.innerText.trim().split("\\n")[0];
    return at.getAttribute("aria-label") ?? label ?? at.innerText.trim();
})()
"""


def reach(view: Any, name: str, key: str = "Tab") -> None:
    """Goes on by Tab until what has that name has the focus, and sees that the focus is visible there."""
    passed = []
    for _ in range(MOST_STOPS):
        view.page.keyboard.press(key)
        label = view.run(FOCUSED)
        passed.append(label)
        if label == name:
            ring = view.run(
                "(({outlineStyle, outlineWidth}) => [outlineStyle, outlineWidth])"
                "(getComputedStyle(document.activeElement.matches('.lv-choice input')"
                " ? document.activeElement.nextElementSibling : document.activeElement))"
            )
            assert ring[0] != "none", f"no focus is seen on {name}"
            return
    raise AssertionError(f"no way to {name} among {passed}")


def press(view: Any, *keys: str) -> None:
    for key in keys:
        view.page.keyboard.press(key)


def test_pick_set_up_start_talk_interrupt_and_stop(harness: Open) -> None:
    view = harness("studio", "pick")
    view.run("document.querySelector('main').tabIndex = -1; document.querySelector('main').focus()")

    # another avatar
    reach(view, "Silas")
    press(view, "ArrowRight", "Enter")
    assert [one["args"] for one in view.sent("pick")] == [{"avatar_id": view.run("harness.model.get('avatars')[1].id")}]

    # a conversation with a context that has variables
    reach(view, "Avatar", "Shift+Tab")
    press(view, "ArrowRight", "ArrowRight")
    expect(view.page.get_by_role("tab", name="Settings")).to_have_attribute("aria-selected", "true")
    reach(view, "Your own audio")
    press(view, "ArrowLeft")
    assert [one["args"] for one in view.sent("configure")] == [{"mode": "FULL"}]
    expect(view.page.get_by_label("Context", exact=True)).to_be_visible()
    reach(view, "Context")
    press(view, "O")
    assert len(view.sent("pick_context")) == 1
    expect(view.page.get_by_label("${customer}")).to_be_visible()
    reach(view, "Edit the prompt")
    reach(view, "${customer}")
    view.page.keyboard.type("Ada")
    reach(view, "${company}")
    view.page.keyboard.type("Acme")
    reach(view, "Change")
    press(view, "Enter")
    reach(view, "Search 130 voices")
    view.page.keyboard.type("bjorn")
    reach(view, "The avatar's own")
    press(view, "ArrowDown")
    assert view.sent("configure", 4)[-1]["args"] == {"voice_id": "v0000000-0000-4000-8000-000000000001"}
    reach(view, "Hear Björn")
    press(view, "Enter")
    assert len(view.sent("voice")) == 1

    # start
    reach(view, "Start Ann", "Shift+Tab")
    press(view, "Enter")
    assert len(view.sent("start")) == 1
    expect(view.button("Cancel")).to_be_visible()
    view.run(
        "import('/fixtures.js').then(({traits}) => harness.model.write({status: traits('full_silent').status}))",
    )

    # talk
    expect(view.page.get_by_role("tab", name="Talk")).to_have_attribute("aria-selected", "true")
    reach(view, "Text to ask or say")
    view.page.keyboard.type("What does it cost?")
    press(view, "Enter")
    assert [one["args"] for one in view.sent("ask")] == [{"text": "What does it cost?"}]
    expect(view.page.get_by_role("log")).to_contain_text("What does it cost?")
    reach(view, "What was said", "Shift+Tab")

    # interrupt, stop
    reach(view, "Interrupt", "Shift+Tab")
    press(view, "Enter")
    assert len(view.sent("interrupt")) == 1
    reach(view, "Stop", "Shift+Tab")
    press(view, "Enter")
    assert len(view.sent("stop")) == 1
    expect(view.page.locator(".lv-pill")).to_have_text("Stopping…")


def test_the_focus_is_not_lost_as_a_session_comes_and_goes(harness: Open) -> None:
    view = harness("studio", "talk_full")
    field = view.page.get_by_label("Text to ask or say")
    field.focus()
    view.page.keyboard.type("Half a sent")
    view.session(agent_state="talking", elapsed=150)
    view.write(transcript=[{"role": "avatar", "text": "A new line.", "partial": True}])
    expect(view.page.get_by_role("log")).to_contain_text("A new line.")
    expect(field).to_be_focused()
    expect(field).to_have_value("Half a sent")


def test_the_reason_that_blocks_the_start_is_reached_and_leads_on(harness: Open) -> None:
    view = harness("studio", "persona_unpicked")
    view.run("document.querySelector('main').tabIndex = -1; document.querySelector('main').focus()")
    reach(view, "A conversation needs a context")
    press(view, "Enter")
    expect(view.page.get_by_role("tab", name="Settings")).to_be_focused()
