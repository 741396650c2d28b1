"""The Talk tab: sounds to play and drop, text to say, an interruption that shows at once, and what is heard of it."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

Open = Callable[..., Any]

MEGABYTE = 2**20
PART = 384 * 1024


def tab(page: Page) -> str:
    return page.locator('[role="tab"][aria-selected="true"]').inner_text()


def sounds(page: Page) -> list[str]:
    return page.get_by_role("list", name="Sounds to play").get_by_role("listitem").all_inner_texts()


def drop(view: Any, *files: tuple[str, int]) -> None:
    """Drops files of a name and a size, as a person does."""
    view.run(
        """(files) => {
            const data = new DataTransfer();
            for (const [name, size] of files) data.items.add(new File([new Uint8Array(size).fill(7)], name));
            const options = {dataTransfer: data, bubbles: true, cancelable: true};
            const list = document.querySelector(".lv-sounds");
            globalThis.taken = !list.dispatchEvent(new DragEvent("dragover", options));
            list.dispatchEvent(new DragEvent("drop", options));
        }""",
        list(files),
    )


# the tabs


def test_the_talk_tab_comes_with_a_live_session_and_goes_with_it(harness: Open) -> None:
    view = harness("studio", "starting")
    assert tab(view.page) == "Avatar"
    view.session(state="connected", agent_state="idle")
    expect(view.page.get_by_role("tab", name="Talk")).to_have_attribute("aria-selected", "true")
    view.session(state="ended", running=False, confirmed=True, agent_state=None)
    expect(view.page.get_by_role("tab", name="Avatar")).to_have_attribute("aria-selected", "true")


def test_a_tab_that_was_chosen_since_the_start_stays(harness: Open) -> None:
    view = harness("studio", "starting")
    view.page.get_by_role("tab", name="Settings").click()
    view.session(state="connected", agent_state="idle")
    expect(view.page.locator(".lv-pill")).to_have_text("Live · idle")
    assert tab(view.page) == "Settings"
    view.session(state="ended", running=False, confirmed=True, agent_state=None)
    expect(view.page.locator(".lv-pill")).to_have_text("Ended")
    assert tab(view.page) == "Settings"
    # the next session is another matter
    view.session(state="starting", running=True, confirmed=False)
    expect(view.page.locator(".lv-pill")).to_contain_text("Starting")
    assert tab(view.page) == "Settings"
    view.session(state="connected", agent_state="idle")
    expect(view.page.get_by_role("tab", name="Talk")).to_have_attribute("aria-selected", "true")


def test_before_a_session_it_says_what_will_be_here_and_nothing_can_be_played(harness: Open) -> None:
    view = harness("studio", "pick")
    view.page.get_by_role("tab", name="Talk").click()
    expect(view.page.get_by_text("Once a session is live, the avatar says what you play here.")).to_be_visible()
    expect(view.button("Play welcome.wav")).to_be_disabled()
    expect(view.button("Add a file")).to_be_enabled()
    expect(view.button("Interrupt")).to_have_count(0)


# what is said


def test_play_is_sent_at_once_and_its_progress_counts_on_by_itself(harness: Open) -> None:
    view = harness("studio", "talk_idle", clock=True)
    view.page.clock.run_for(100)
    view.button("Play welcome.wav").click()
    view.page.clock.run_for(100)
    assert [(one["args"], one["way"]) for one in view.commands("play")] == [({"sound": "s-1"}, "control")]
    expect(view.page.locator(".lv-pill")).to_have_text("Live · talking")
    expect(view.page.locator(".lv-progress")).to_have_text("0:00 of 0:14")
    view.page.clock.run_for(7000)
    expect(view.page.locator(".lv-progress")).to_have_text("0:07 of 0:14")
    width = view.run("document.querySelector('.lv-sound-now .lv-sound-track i').style.width")
    assert 45 < float(width.removesuffix("%")) < 55
    view.page.clock.run_for(20_000)
    expect(view.page.locator(".lv-progress")).to_have_text("0:14 of 0:14")


def test_what_waits_is_named_and_marked(harness: Open) -> None:
    view = harness("studio", "talk_queue")
    waiting = view.page.get_by_role("list", name="Waiting").get_by_role("listitem")
    expect(waiting).to_have_text(
        ["pricing.mp30:41", "“A live tour. I speak, you interrupt me whenever you like.”0:04", "and 2 more"]
    )
    assert "waits 3 times" in sounds(view.page)[2]
    expect(view.page.locator(".lv-talk > [role=status]")).to_have_text("Saying welcome.wav, 4 sounds after it")


def test_a_stream_has_no_length_and_none_is_shown(harness: Open) -> None:
    view = harness("talk", "talk_stream")
    expect(view.page.locator(".lv-progress")).to_have_text("1:01")
    expect(view.page.locator(".lv-what-said .lv-track")).to_have_count(0)


@pytest.mark.parametrize("widget", ["studio", "panel", "talk"])
def test_an_interruption_shows_at_once_although_python_is_silent(harness: Open, widget: str) -> None:
    view = harness(widget, "talk_caption", acts="no")
    view.page.get_by_role("button", name="Interrupt").first.click()
    assert view.sent("interrupt")[0]["way"] == "control"
    if widget != "talk":
        expect(view.page.locator(".lv-pill")).to_have_text("Live · idle")
    if widget == "studio":
        expect(view.page.locator(".lv-said")).to_have_count(0)
    if widget != "panel":
        expect(view.page.locator(".lv-what-said")).to_contain_text("was interrupted")


def test_an_interruption_that_waits_for_a_cell_claims_nothing(harness: Open) -> None:
    view = harness("studio", "talk_caption", host="plain", python="busy")
    interrupt = view.page.locator(".lv-bar").get_by_role("button", name="Interrupt")
    interrupt.click()
    expect(view.page.locator(".lv-bar").get_by_role("button", name="Waiting…")).to_be_visible()
    expect(view.page.get_by_text("Waiting for the running cell")).to_be_visible()
    expect(view.page.locator(".lv-pill")).to_have_text("Live · talking")
    expect(view.page.locator(".lv-said")).to_be_visible()
    view.run("harness.python.release()")
    expect(view.page.locator(".lv-pill")).to_have_text("Live · idle")


def test_what_is_played_after_an_interruption_is_said(harness: Open) -> None:
    view = harness("studio", "talk_playing")
    view.page.locator(".lv-talk").get_by_role("button", name="Interrupt").click()
    expect(view.page.locator(".lv-what-said")).to_have_text("welcome.wav was interrupted")
    view.button("Play goodbye.wav").click()
    expect(view.page.locator(".lv-what-said")).to_contain_text("goodbye.wav 0:0")
    expect(view.page.locator(".lv-pill")).to_have_text("Live · talking")


def test_the_words_that_are_said_are_on_the_stage(harness: Open) -> None:
    view = harness("studio", "talk_caption")
    expect(view.page.locator(".lv-said")).to_have_text("A live tour. I speak, you interrupt me whenever you like.")
    expect(view.page.locator(".lv-caption")).to_have_count(0)
    view.session(caption=None, agent_state="idle")
    expect(view.page.locator(".lv-said")).to_have_count(0)
    expect(view.page.locator(".lv-caption")).to_have_text("Silas")


def test_the_transcript_follows_its_end(harness: Open) -> None:
    view = harness("studio", "talk_caption")
    log = view.page.get_by_role("log")
    expect(log.locator("p")).to_have_count(3)
    lines = [{"role": "avatar", "text": f"Line {number} of a long transcript."} for number in range(60)]
    view.write(transcript=lines)
    expect(log.locator("p").last).to_be_in_viewport()
    assert view.run("document.querySelector('.lv-bubbles').scrollTop") > 0


def test_text_is_said_with_enter_and_the_field_is_empty_then(harness: Open) -> None:
    view = harness("studio", "talk_listening")
    field = view.page.get_by_label("Text to say")
    expect(view.button("Say")).to_be_disabled()
    field.fill("  Good morning ")
    field.press("Enter")
    assert [one["args"] for one in view.sent("say")] == [{"text": "Good morning"}]
    expect(field).to_have_value("")
    expect(view.page.locator(".lv-what-said")).to_contain_text("“Good morning”")


def test_a_draft_survives_another_tab(harness: Open) -> None:
    view = harness("studio", "talk_listening")
    view.page.get_by_label("Text to say").fill("Half a sent")
    view.page.get_by_role("tab", name="Wire").click()
    view.page.get_by_role("tab", name="Talk").click()
    expect(view.page.get_by_label("Text to say")).to_have_value("Half a sent")


def test_without_a_voice_the_field_says_what_it_takes(harness: Open) -> None:
    view = harness("studio", "talk_idle")
    expect(view.page.get_by_label("Text to say")).to_be_disabled()
    expect(
        view.page.get_by_text("To say text in this mode give a voice of your own: LiveAvatar(tts=…)")
    ).to_be_visible()


def test_the_listening_pose_is_a_switch(harness: Open) -> None:
    view = harness("studio", "talk_idle")
    pose = view.button("Listening pose")
    expect(pose).to_have_attribute("aria-pressed", "false")
    pose.click()
    expect(pose).to_have_attribute("aria-pressed", "true")
    expect(view.page.locator(".lv-pill")).to_have_text("Live · listening")
    pose.click()
    expect(pose).to_have_attribute("aria-pressed", "false")
    assert [one["command"] for one in view.commands() if "listen" in one["command"]] == ["listen", "stop_listening"]


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("talk_failed", "welcome.wav was not said to its end. The session's WebSocket was lost"),
        ("talk_noted", "welcome.wav: 0.02 s of it was louder than full scale"),
        ("talk_unreadable", "That sound cannot be read. notes.wav cannot be read."),
    ],
)
def test_what_went_wrong_is_a_note_that_can_be_dismissed(harness: Open, state: str, words: str) -> None:
    view = harness("studio", state)
    note = view.page.locator(".lv-talk .lv-note")
    expect(note).to_contain_text(words)
    note.get_by_role("button", name="Dismiss").click()
    expect(note).to_have_count(0)


def test_all_of_it_is_reached_by_the_keyboard(harness: Open) -> None:
    view = harness("studio", "talk_queue")
    view.page.get_by_role("tab", name="Talk").focus()
    reached = []
    for _ in range(14):
        view.page.keyboard.press("Tab")
        reached.append(
            view.run("document.activeElement.getAttribute('aria-label') ?? document.activeElement.innerText.trim()")
        )
    assert reached[:3] == ["Listening pose", "Interrupt", "Add a file"]
    for name in ("Play welcome.wav", "Play pricing.mp3", "Remove a very long name of a recording, take 12 (final).wav"):
        assert name in reached
    view.page.get_by_role("button", name="Play goodbye.wav").focus()
    view.page.keyboard.press("Enter")
    assert [one["args"] for one in view.sent("play")] == [{"sound": "s-3"}]


# files


def test_the_folder_is_looked_at_each_time_the_tab_opens(harness: Open) -> None:
    view = harness("studio", "talk_idle")
    assert len(view.sent("sounds")) == 1
    view.page.get_by_role("tab", name="Avatar").click()
    view.page.get_by_role("tab", name="Talk").click()
    assert len(view.sent("sounds", 2)) == 2


def test_a_file_goes_in_parts_each_after_the_one_before(harness: Open) -> None:
    view = harness("studio", "talk_idle")
    content = bytes(range(256)) * 4096
    view.page.locator("input[type=file]").set_input_files(
        {"name": "hello.wav", "mimeType": "audio/wav", "buffer": content}
    )
    expect(view.button("Play hello.wav")).to_be_visible()
    sent = [one["args"] for one in view.commands("add_sound")]
    assert [(one["part"], one["parts"], one["name"]) for one in sent] == [(part, 3, "hello.wav") for part in range(3)]
    assert b"".join(base64.b64decode(one["data"]) for one in sent) == content
    expect(view.page.get_by_role("progressbar")).to_have_count(0)


def test_a_dropped_file_shows_how_far_it_is_and_can_be_cancelled(harness: Open) -> None:
    view = harness("studio", "talk_idle", host="plain", python="busy")
    drop(view, ("board.wav", 3 * MEGABYTE), ("second.wav", 1000))
    assert view.run("globalThis.taken") is True
    bar = view.page.get_by_role("progressbar", name="Adding board.wav")
    expect(bar).to_have_attribute("aria-valuenow", "0")
    view.page.wait_for_function("harness.python.queue.some((one) => one.command === 'add_sound')")
    view.run("harness.python.release()")
    expect(bar).to_have_attribute("aria-valuenow", "13")
    view.button("Cancel board.wav").click()
    expect(bar).to_have_count(0)
    expect(view.page.get_by_role("progressbar", name="Adding second.wav")).to_be_visible()
    view.run("harness.python.mode = 'alive'; harness.python.release()")
    expect(view.button("Play second.wav")).to_be_visible()
    assert len(view.sent("cancel_upload")) == 1
    assert {one["args"]["name"] for one in view.commands("add_sound") if one["args"]["part"] > 1} == set()


def test_a_file_that_is_too_large_is_refused_before_a_byte_is_sent(harness: Open) -> None:
    view = harness("studio", "talk_idle")
    drop(view, ("film.wav", 51 * MEGABYTE), ("empty.wav", 0), ("good.wav", 1000))
    expect(view.button("Play good.wav")).to_be_visible()
    expect(view.page.locator(".lv-talk .lv-note")).to_have_count(1)
    assert {one["args"]["name"] for one in view.commands("add_sound")} == {"good.wav"}
    drop(view, ("film.wav", 51 * MEGABYTE))
    note = view.page.locator(".lv-talk .lv-note")
    expect(note).to_contain_text("film.wav was not added. It is 51 MB; a file dropped here can be at most 50 MB.")
    expect(note).to_contain_text("Put it next to the notebook")
    note.get_by_role("button", name="Dismiss").click()
    expect(note).to_have_count(0)


def test_python_ends_an_upload_that_it_refuses(harness: Open) -> None:
    view = harness("studio", "talk_idle", host="plain", python="busy")
    drop(view, ("slides.pdf", 3 * MEGABYTE))
    view.page.wait_for_function("harness.python.queue.some((one) => one.command === 'add_sound')")
    view.run(
        "((sent) => harness.python.tell({type: 'upload', upload: sent.args.upload}))"
        "(harness.python.queue.find((one) => one.command === 'add_sound'))"
    )
    expect(view.page.get_by_role("progressbar")).to_have_count(0)
    view.run("harness.python.mode = 'alive'; harness.python.release()")
    view.page.wait_for_timeout(200)
    assert [one["args"]["part"] for one in view.commands("add_sound")] == [0]


def test_an_upload_ends_with_its_kernel_and_with_its_widget(harness: Open) -> None:
    view = harness("studio", "talk_idle", python="deaf", comms="no")
    view.run("harness.python.mode = 'busy'")
    drop(view, ("board.wav", 3 * MEGABYTE))
    expect(view.page.get_by_role("progressbar")).to_be_visible()
    view.run("harness.kernel.setStatus('restarting')")
    view.page.get_by_role("tab", name="Talk").click()
    expect(view.page.get_by_role("progressbar")).to_have_count(0)
    expect(view.page.get_by_text("board.wav was not added. The kernel did not take it in.")).to_be_visible()
    expect(view.button("Add a file")).to_be_disabled()

    view = harness("studio", "talk_idle", host="plain", python="busy")
    drop(view, ("board.wav", 3 * MEGABYTE))
    view.page.wait_for_function("harness.python.queue.some((one) => one.command === 'add_sound')")
    view.run("harness.made.life.abort(); harness.python.mode = 'alive'; harness.python.release()")
    view.page.wait_for_timeout(200)
    assert [one["args"]["part"] for one in view.commands("add_sound")] == [0]


def test_a_dropped_sound_can_be_taken_from_the_list_and_no_other(harness: Open) -> None:
    view = harness("talk", "talk_queue")
    remove = view.page.get_by_role("button", name="Remove")
    expect(remove).to_have_count(1)
    remove.click()
    expect(remove).to_have_count(0)
    assert [one["args"] for one in view.sent("remove_sound")] == [{"sound": "s-4"}]
