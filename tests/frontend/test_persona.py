"""The settings of a conversation: a context to pick, edit or make, its variables, a voice to hear, a language."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

Open = Callable[..., Any]

SALES = "c0000000-0000-4000-8000-000000000001"
ONBOARDING = "c0000000-0000-4000-8000-000000000002"


def settings(harness: Open, state: str, **options: str) -> Any:
    view = harness("studio", state, **options)
    view.page.get_by_role("tab", name="Settings").click()
    return view


def configured(view: Any, count: int = 1) -> list[dict[str, Any]]:
    return [one["args"] for one in view.sent("configure", count)]


def test_what_it_does_is_chosen_with_its_price(harness: Open) -> None:
    view = settings(harness, "pick")
    expect(view.page.get_by_role("radio", name="Your own audio")).to_be_checked()
    expect(view.page.get_by_text("the avatar speaks it (LITE). 1 credit a minute.")).to_be_visible()
    expect(view.page.get_by_label("Context", exact=True)).to_have_count(0)
    assert view.commands("persona") == []
    view.page.get_by_role("radio", name="Conversation").check()
    assert configured(view) == [{"mode": "FULL"}]
    expect(view.page.get_by_text("speaks by itself (FULL). 2 credits a minute.")).to_be_visible()
    expect(view.page.get_by_label("Context", exact=True)).to_be_visible()
    assert len(view.sent("persona")) == 1


def test_contexts_and_voices_are_asked_for_once_and_again_where_that_failed(harness: Open) -> None:
    view = settings(harness, "persona_failed")
    expect(view.page.get_by_role("alert")).to_contain_text("Contexts and voices could not be read.")
    assert view.commands("persona") == []
    view.button("Reload").click()
    expect(view.page.get_by_label("Context", exact=True)).to_be_visible()
    view.page.get_by_role("tab", name="Avatar").click()
    view.page.get_by_role("tab", name="Settings").click()
    expect(view.page.get_by_label("Context", exact=True)).to_be_visible()
    assert len(view.commands("persona")) == 1


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("persona_unpicked", "A conversation needs a context"),
        ("persona_variables", "${company} has no value"),
        ("persona_image", "An image avatar needs a voice"),
    ],
)
def test_what_blocks_the_start_is_said_and_one_click_from_its_place(harness: Open, state: str, reason: str) -> None:
    view = harness("studio", state)
    expect(view.page.locator(".lv-primary").first).to_be_disabled()
    view.button(reason).click()
    expect(view.page.get_by_role("tab", name="Settings")).to_be_focused()
    expect(view.page.get_by_label("Context", exact=True)).to_be_visible()


def test_the_panel_opens_its_settings_for_what_blocks_the_start(harness: Open) -> None:
    view = harness("panel", "persona_unpicked")
    expect(view.page.get_by_label("Context", exact=True)).to_have_count(0)
    view.button("A conversation needs a context").click()
    view.page.get_by_label("Context", exact=True).select_option("Sales guide")
    assert [one["args"] for one in view.sent("pick_context")] == [{"context_id": SALES}]
    expect(view.button("Start Silas")).to_be_enabled()


def test_a_conversation_that_lacks_nothing_starts(harness: Open) -> None:
    view = harness("studio", "persona")
    expect(view.page.get_by_text("conversation (FULL), 2 credits a minute, 10 minutes at most")).to_be_visible()
    view.button("Start Silas").click()
    assert len(view.sent("start")) == 1


# the context


def test_a_context_is_picked_and_its_prompt_read(harness: Open) -> None:
    view = settings(harness, "persona_unpicked")
    expect(view.button("Edit the prompt")).to_be_disabled()
    view.page.get_by_label("Context", exact=True).select_option("Sales guide")
    assert [one["args"] for one in view.sent("pick_context")] == [{"context_id": SALES}]
    view.button("Edit the prompt").click()
    expect(view.page.get_by_label("Prompt", exact=True)).to_have_value(
        "You are a friendly guide who shows what a talking avatar can do.\nAnswer in two sentences at most."
    )
    expect(view.page.get_by_label("Opening words")).to_have_value("Hello! What would you like to see?")
    expect(view.button("Save")).to_have_count(0)
    view.button("Edit the prompt").click()
    expect(view.page.get_by_label("Prompt", exact=True)).to_have_count(0)


def test_an_edited_prompt_is_saved_by_a_click_and_no_earlier(harness: Open) -> None:
    view = settings(harness, "persona")
    view.button("Edit the prompt").click()
    view.page.get_by_label("Prompt", exact=True).fill("Be brief.")
    expect(view.page.get_by_text("Not saved yet", exact=True)).to_be_visible()
    expect(view.page.get_by_text("Its edited prompt is not saved yet.")).to_be_visible()
    assert view.commands("update_context") == []
    view.button("Save").click()
    assert [one["args"] for one in view.sent("update_context")] == [
        {"context_id": SALES, "prompt": "Be brief.", "opening_text": "Hello! What would you like to see?"}
    ]
    expect(view.button("Save")).to_have_count(0)
    expect(view.page.get_by_text("Its edited prompt is not saved yet.")).to_have_count(0)
    expect(view.page.get_by_label("Prompt", exact=True)).to_have_value("Be brief.")


def test_edits_are_not_lost_by_another_tab_another_context_or_another_view(harness: Open) -> None:
    view = settings(harness, "persona")
    view.button("Edit the prompt").click()
    view.page.get_by_label("Prompt", exact=True).fill("Be brief.")
    view.page.get_by_role("tab", name="Avatar").click()
    view.page.get_by_role("tab", name="Settings").click()
    expect(view.page.get_by_label("Prompt", exact=True)).to_have_value("Be brief.")
    context = view.page.get_by_label("Context", exact=True)
    context.select_option("Onboarding of a customer")
    expect(view.page.get_by_label("${customer}")).to_be_visible()
    expect(view.page.get_by_label("Prompt", exact=True)).to_have_count(0)
    view.run("harness.views[0].remove()")
    view.run("harness.show()")
    view.page.get_by_role("tab", name="Settings").click()
    context.select_option("Sales guide")
    expect(view.page.get_by_label("Prompt", exact=True)).to_have_value("Be brief.")
    view.button("Discard").click()
    expect(view.page.get_by_label("Prompt", exact=True)).to_have_count(0)
    view.button("Edit the prompt").click()
    expect(view.page.get_by_label("Prompt", exact=True)).to_have_value(re.compile("You are a friendly guide"))


def test_a_save_that_python_refuses_keeps_what_was_typed(harness: Open) -> None:
    view = settings(harness, "persona", acts="no")
    view.button("Edit the prompt").click()
    view.page.get_by_label("Prompt", exact=True).fill("Be brief.")
    view.button("Save").click()
    expect(view.button("Saving…")).to_be_disabled()
    view.write(problem={"kind": "x", "title": "No.", "detail": "", "remedy": "", "severity": "error", "action": None})
    expect(view.button("Save")).to_be_enabled()
    expect(view.page.get_by_label("Prompt", exact=True)).to_have_value("Be brief.")


def test_a_context_is_made_for_the_next_session(harness: Open) -> None:
    view = settings(harness, "persona_none")
    view.button("New context").click()
    expect(view.page.get_by_text("It needs a name.")).to_be_visible()
    view.page.get_by_label("Name").fill("Guide")
    expect(view.page.get_by_text("It needs a prompt.")).to_be_visible()
    expect(view.button("Use it")).to_be_disabled()
    view.page.get_by_label("Prompt", exact=True).fill("Be brief.")
    view.page.get_by_label("Opening words").fill("Hello!")
    view.page.get_by_role("tab", name="Wire").click()
    view.page.get_by_role("tab", name="Settings").click()
    view.button("Use it").click()
    assert [one["args"] for one in view.sent("new_context")] == [
        {"name": "Guide", "prompt": "Be brief.", "opening_text": "Hello!"}
    ]
    expect(view.page.get_by_label("Name")).to_have_count(0)
    expect(view.page.get_by_label("Context", exact=True).locator("option:checked")).to_have_text(
        "Guide (new, for the next session)"
    )
    expect(view.button("Start Silas")).to_be_enabled()


def test_variables_are_fields_and_go_to_python_together(harness: Open) -> None:
    view = settings(harness, "persona_variables")
    company = view.page.get_by_label("${company}")
    expect(company).to_have_attribute("aria-invalid", "true")
    expect(view.page.get_by_label("${customer}")).to_have_value("Ada")
    company.press_sequentially("Acme")
    company.press("Tab")
    assert configured(view)[-1] == {"dynamic_variables": {"customer": "Ada", "company": "Acme"}}
    expect(company).not_to_have_attribute("aria-invalid", "true")
    expect(view.button("Start Silas")).to_be_enabled()


def test_a_variable_is_sent_before_the_click_on_start_that_follows(harness: Open) -> None:
    view = settings(harness, "persona_variables", acts="no")
    company = view.page.get_by_label("${company}")
    company.fill("A")
    expect(view.button("Start Silas")).to_be_enabled()
    company.fill("Acme")
    view.button("Start Silas").click()
    view.sent("start")
    order = [one["command"] for one in view.commands() if one["command"] in ("configure", "start")]
    assert order[-1] == "start"
    assert configured(view)[-1] == {"dynamic_variables": {"customer": "Ada", "company": "Acme"}}


# the voice


def test_a_variable_in_its_old_form_is_told_with_the_new_one(harness: Open) -> None:
    view = settings(harness, "persona")
    caution = view.page.get_by_text("LiveAvatar does not fill in {{visitor}}. Write ${visitor}.")
    view.button("Edit the prompt").click()
    expect(caution).to_have_count(0)
    view.page.get_by_label("Opening words").fill("Hello {{visitor}}!")
    expect(caution).to_be_visible()
    view.page.get_by_label("Opening words").fill("Hello ${visitor}!")
    expect(caution).to_have_count(0)
    view.page.get_by_label("Opening words").fill("Hello {{visitor}}!")
    view.button("Save").click()
    view.button("Edit the prompt").click()
    expect(view.page.get_by_label("Opening words")).to_have_count(0)
    expect(caution).to_be_visible()


def test_a_voice_is_found_by_language_and_name_and_picked(harness: Open) -> None:
    view = settings(harness, "persona")
    view.button("Change").click()
    voices = view.page.get_by_role("list", name="Voices").get_by_role("listitem")
    expect(voices).to_have_count(61)
    expect(view.page.get_by_text("60 of 130 are shown: search to find the others.")).to_be_visible()
    view.page.get_by_label("Language of the voices").select_option("German")
    expect(view.page.get_by_text("33 voices", exact=True)).to_be_visible()
    view.page.get_by_label("Search 130 voices").fill("bjorn")
    expect(voices).to_have_count(12)
    view.page.get_by_role("radio", name="Björn German, male", exact=True).check()
    assert configured(view) == [{"voice_id": "v0000000-0000-4000-8000-000000000001"}]
    view.button("Done").click()
    expect(view.page.get_by_text("Björn, German, male")).to_be_visible()
    expect(voices).to_have_count(0)


def test_an_image_avatar_has_no_voice_of_its_own_to_pick(harness: Open) -> None:
    view = settings(harness, "persona_image")
    expect(view.page.get_by_text("An image avatar has none of its own: pick one")).to_be_visible()
    view.button("Change").click()
    expect(view.page.get_by_role("radio", name="The avatar's own")).to_have_count(0)
    view.page.get_by_role("radio", name="Clara English, female", exact=True).check()
    expect(view.button("Start Silas")).to_be_enabled()


def test_a_voice_is_heard_one_at_a_time_and_stopped(harness: Open) -> None:
    view = settings(harness, "persona")
    view.run(
        "globalThis.playing = new Set();"
        "const play = Audio.prototype.play, pause = Audio.prototype.pause;"
        "Audio.prototype.play = function () { playing.add(this); return play.call(this); };"
        "Audio.prototype.pause = function () { playing.delete(this); return pause.call(this); }; 0"
    )
    view.button("Change").click()
    view.button("Hear Clara").click()
    expect(view.button("Stop Clara")).to_be_visible()
    view.page.wait_for_function("playing.size === 1")
    view.button("Hear Björn").click()
    expect(view.button("Hear Clara")).to_be_visible()
    expect(view.button("Stop Björn")).to_be_visible()
    view.page.wait_for_function("playing.size === 1")
    view.button("Stop Björn").click()
    expect(view.button("Hear Björn")).to_be_visible()
    assert view.run("playing.size") == 0
    assert [one["args"]["voice_id"][-1] for one in view.commands("voice")] == ["0", "1"]


def test_a_preview_ends_by_itself_and_with_its_tab(harness: Open) -> None:
    view = settings(harness, "persona")
    view.button("Change").click()
    view.button("Hear Clara").click()
    expect(view.button("Stop Clara")).to_be_visible()
    expect(view.button("Hear Clara")).to_be_visible()
    view.run(
        "globalThis.stopped = 0; const pause = Audio.prototype.pause;"
        "Audio.prototype.pause = function () { stopped += 1; return pause.call(this); }; 0"
    )
    view.button("Hear Clara").click()
    expect(view.button("Stop Clara")).to_be_visible()
    view.page.get_by_role("tab", name="Avatar").click()
    view.page.wait_for_function("stopped === 1")


def test_a_voice_that_cannot_be_heard_says_why(harness: Open) -> None:
    view = settings(harness, "persona", python="silent")
    view.button("Change").click()
    view.button("Hear Clara").click()
    voice = view.sent("voice")[0]["args"]["voice_id"]
    problem = {"kind": "x", "title": "No preview", "detail": "This voice has none.", "remedy": "", "severity": "error"}
    view.run(
        "([voice_id, problem]) => harness.python.tell({type: 'voice', voice_id, media_type: '', problem})",
        [voice, problem],
    )
    expect(view.page.get_by_text("That voice cannot be heard here. This voice has none.")).to_be_visible()
    expect(view.button("Hear Clara")).to_be_enabled()


# the rest


def test_language_and_turns_are_sent_as_they_change(harness: Open) -> None:
    view = settings(harness, "persona")
    view.page.get_by_label("Language", exact=True).select_option("German")
    view.page.get_by_role("radio", name="Push to talk").check()
    expect(view.page.get_by_text("It hears you only while you hold the button.")).to_be_visible()
    assert configured(view, 2) == [{"language": "de"}, {"interactivity_type": "PUSH_TO_TALK"}]


def test_without_a_kernel_nothing_can_be_changed(harness: Open) -> None:
    view = settings(harness, "persona")
    view.run("harness.kernel.setStatus('restarting')")
    expect(view.page.get_by_label("Context", exact=True)).to_be_disabled()
    expect(view.page.get_by_role("radio", name="Conversation")).to_be_disabled()
    expect(view.page.get_by_label("Language", exact=True)).to_be_disabled()
