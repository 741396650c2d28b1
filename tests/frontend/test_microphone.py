"""The microphone of a conversation: opened by a click, muted, held, chosen, given back; and where there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from ..conftest import another
from .conftest import harnesses
from .test_tools import fidget

Open = Callable[..., Any]

OFF = "Turn on the microphone"
MUTED = "Unmute the microphone"
ON = "Mute the microphone"
HOLD = "Hold to talk"


@pytest.fixture(scope="module")
def mic_chromium(chromium: Browser) -> Iterator[Browser]:
    """One with a fake microphone, which beeps, and which each page must be allowed to use."""
    yield from another(chromium, "--use-fake-device-for-media-stream")


@pytest.fixture
def live(mic_chromium: Browser) -> Iterator[Open]:
    """Opens the view of a conversation in the fake room, on a page that may have the microphone."""
    with harnesses(mic_chromium) as opened:

        def open_live(state: str = "view_full", *, allowed: bool = True, secure: bool = True, **options: Any) -> Any:
            view = opened("view", state, media="fake", secure=secure, **options)
            if allowed:
                view.page.context.grant_permissions(["microphone"])
            if options.get("clock"):
                view.page.clock.resume()
            fidget(view)
            return view

        yield open_live


def track(view: Any) -> dict[str, Any] | None:
    """What the room has of the microphone."""
    found: dict[str, Any] | None = view.run(
        "fakeRoom.microphone && {enabled: fakeRoom.microphone.enabled, state: fakeRoom.microphone.readyState,"
        " label: fakeRoom.microphone.label, settings: fakeRoom.microphone.getSettings()}"
    )
    return found


def held(view: Any) -> list[bool]:
    return [one["args"]["on"] for one in view.commands("push_to_talk")]


def is_enabled(view: Any, enabled: bool) -> None:
    view.page.wait_for_function("(enabled) => fakeRoom.microphone?.enabled === enabled", arg=enabled)


# on and muted


def test_it_is_asked_for_by_a_click_alone_and_heard_in_the_room(live: Open) -> None:
    view = live(
        script="globalThis.asked = 0; const ask = navigator.mediaDevices.getUserMedia.bind("
        "navigator.mediaDevices); navigator.mediaDevices.getUserMedia = (wish) => { asked += 1;"
        " globalThis.wish = wish; return ask(wish); };"
    )
    view.page.wait_for_timeout(200)
    assert view.run("asked") == 0
    view.button(OFF).click()
    expect(view.button(ON)).to_be_visible()
    found = track(view)
    assert found is not None
    assert (found["enabled"], found["state"]) == (True, "live")
    assert view.run("wish.audio.echoCancellation") is True
    assert view.run("asked") == 1
    # that it is on is seen when the controls are put away, too
    expect(view.page.get_by_role("img", name="Your microphone is on")).to_be_visible()
    assert view.commands("push_to_talk") == []


def test_mute_is_at_once_and_keeps_the_track(live: Open) -> None:
    view = live()
    view.button(OFF).click()
    view.button(ON).click()
    expect(view.button(MUTED)).to_be_visible()
    found = track(view)
    assert found is not None
    assert (found["enabled"], found["state"]) == (False, "live")
    view.button(MUTED).click()
    expect(view.button(ON)).to_be_visible()
    is_enabled(view, True)
    assert view.run("fakeRoom.published.length") == 1


def test_the_level_moves_with_what_it_hears(live: Open) -> None:
    view = live()
    view.button(OFF).click()
    level = "Number(document.querySelector('.lv-level i').style.getPropertyValue('--level'))"
    # the fake device beeps once a second
    view.page.wait_for_function(f"document.querySelector('.lv-level i') && {level} > 0.3")
    view.page.wait_for_function(f"{level} < 0.1")
    view.page.wait_for_function(f"{level} > 0.3")
    view.button(ON).click()
    view.page.wait_for_function(f"{level} === 0")


def test_one_that_stays_muted_is_given_back(live: Open) -> None:
    view = live(clock=True)
    view.button(OFF).click()
    view.button(ON).click()
    expect(view.button(MUTED)).to_be_visible()
    view.run("globalThis.first = fakeRoom.microphone")
    view.page.clock.fast_forward(61_000)
    expect(view.button(OFF)).to_be_visible()
    assert view.run("first.readyState") == "ended"
    assert track(view) is None
    view.button(OFF).click()
    expect(view.button(ON)).to_be_visible()
    is_enabled(view, True)


@pytest.mark.parametrize(
    "ending",
    [
        "harness.views[0].remove()",
        "harness.kernel.dispose()",
        "fakeRoom.end('left')",
        "fakeRoom.end('replaced')",
        "harness.model.write({status: {...harness.model.get('status'), state: 'ended', running: false}})",
    ],
)
def test_it_is_given_back_at_the_end(live: Open, ending: str) -> None:
    view = live()
    view.button(OFF).click()
    expect(view.button(ON)).to_be_visible()
    view.run("globalThis.first = fakeRoom.microphone")
    view.run(ending)
    view.page.wait_for_function("first.readyState === 'ended'")


def test_a_room_that_is_joined_anew_hears_it_again(live: Open) -> None:
    view = live()
    view.button(OFF).click()
    expect(view.button(ON)).to_be_visible()
    view.run("fakeRoom.state = 'reconnecting'; fakeRoom.changed()")
    expect(view.button(ON)).to_be_visible()
    view.run("fakeRoom.state = 'joined'; fakeRoom.changed()")
    expect(view.button(ON)).to_be_visible()
    is_enabled(view, True)


# which one


def test_a_device_can_be_chosen_and_turned_off(live: Open) -> None:
    view = live()
    view.button(OFF).click()
    expect(view.button(ON)).to_be_visible()
    view.button("Microphones").click()
    menu = view.page.get_by_role("dialog", name="Microphones")
    names = menu.get_by_role("radio")
    expect(names.nth(1)).to_be_visible()
    assert names.count() >= 2
    other = menu.get_by_role("radio", checked=False).last
    name = other.evaluate("(one) => one.parentElement.textContent")
    other.click()
    view.page.wait_for_function("(name) => fakeRoom.microphone?.label === name", arg=name)
    is_enabled(view, True)
    expect(menu.get_by_role("radio", name=name)).to_be_checked()
    menu.get_by_role("button", name="Turn it off").click()
    expect(view.button(OFF)).to_be_visible()
    expect(menu).to_be_hidden()
    assert track(view) is None


def test_a_microphone_that_is_pulled_out_is_told(live: Open) -> None:
    view = live()
    view.button(OFF).click()
    expect(view.button(ON)).to_be_visible()
    view.run("fakeRoom.microphone.dispatchEvent(new Event('ended'))")
    expect(view.button(OFF)).to_be_visible()
    expect(view.page.get_by_role("alert")).to_contain_text("The microphone was taken away.")
    view.button("Dismiss").click()
    expect(view.page.get_by_role("alert")).to_have_count(0)


# held


def test_it_is_heard_while_the_button_is_held(live: Open) -> None:
    view = live("view_hold")
    box = view.button(HOLD).bounding_box()
    view.page.mouse.move(box["x"] + 5, box["y"] + 5)
    view.page.mouse.down()
    view.sent("push_to_talk")
    is_enabled(view, True)
    # let go beside the button
    view.page.mouse.move(10, 300)
    view.page.mouse.up()
    view.sent("push_to_talk", 2)
    is_enabled(view, False)
    assert held(view) == [True, False]


def test_it_is_heard_while_the_space_bar_is_held(live: Open) -> None:
    view = live("view_hold")
    for place in (view.button(HOLD), view.page.locator(".lv-stage")):
        before = len(held(view))
        place.focus()
        view.page.keyboard.down(" ")
        view.page.keyboard.down(" ")  # it repeats
        view.sent("push_to_talk", before + 1)
        is_enabled(view, True)
        view.page.keyboard.up(" ")
        view.sent("push_to_talk", before + 2)
        is_enabled(view, False)
    assert held(view) == [True, False, True, False]


def test_enter_begins_a_turn_and_ends_it(live: Open) -> None:
    view = live("view_hold")
    view.button(HOLD).focus()
    view.page.keyboard.press("Enter")
    view.sent("push_to_talk")
    is_enabled(view, True)
    expect(view.button(HOLD)).to_have_attribute("aria-pressed", "true")
    view.page.keyboard.press("Enter")
    view.sent("push_to_talk", 2)
    is_enabled(view, False)
    assert held(view) == [True, False]


def test_a_key_that_nobody_sees_let_go_does_not_stay_down(live: Open) -> None:
    view = live("view_hold")
    view.button(HOLD).focus()
    view.page.keyboard.down(" ")
    view.sent("push_to_talk")
    view.button("Captions").focus()
    view.sent("push_to_talk", 2)
    view.page.keyboard.up(" ")
    view.button(HOLD).focus()
    view.page.keyboard.down(" ")
    view.sent("push_to_talk", 3)
    view.run("window.dispatchEvent(new Event('blur'))")
    view.sent("push_to_talk", 4)
    is_enabled(view, False)
    assert held(view) == [True, False, True, False]


def test_let_go_before_it_was_allowed_it_is_never_heard(live: Open) -> None:
    slow = (
        "const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);"
        "navigator.mediaDevices.getUserMedia = async (wish) => { await new Promise((go) => (globalThis.allow = go));"
        " return ask(wish); };"
    )
    view = live("view_hold", script=slow)
    view.button(HOLD).focus()
    view.page.keyboard.down(" ")
    view.page.wait_for_function("typeof globalThis.allow === 'function'")
    view.page.keyboard.up(" ")
    view.run("allow()")
    view.page.wait_for_function("fakeRoom.microphone !== null")
    is_enabled(view, False)
    assert held(view) == []


def test_a_view_that_goes_lets_go(live: Open) -> None:
    view = live("view_hold")
    view.button(HOLD).focus()
    view.page.keyboard.down(" ")
    view.sent("push_to_talk")
    view.run("harness.views[0].remove()")
    view.sent("push_to_talk", 2)
    assert held(view) == [True, False]


# none


def test_a_page_that_is_not_allowed_says_so_and_offers_text(live: Open) -> None:
    view = live(allowed=False)
    view.button(OFF).click()
    alert = view.page.get_by_role("alert")
    expect(alert).to_contain_text("The browser was not allowed to use the microphone.")
    expect(alert).to_contain_text("Type what you want to say, or allow it beside the address of this page")
    expect(view.button(OFF)).to_be_visible()
    # allowed meanwhile
    view.page.context.grant_permissions(["microphone"])
    view.button(OFF).click()
    expect(view.button(ON)).to_be_visible()
    expect(alert).to_have_count(0)


def test_a_page_by_plain_http_says_that_there_is_none(live: Open) -> None:
    view = live(secure=False, allowed=False)
    view.button(OFF).click()
    expect(view.page.get_by_role("alert")).to_contain_text(
        "A browser gives no microphone to a page that came by plain http."
    )
    assert track(view) is None


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("NotFoundError", "There is no microphone."),
        ("NotReadableError", "The microphone cannot be opened."),
        ("InvalidStateError", "The microphone does not work."),
    ],
)
def test_what_the_browser_says_is_told_in_words(live: Open, name: str, words: str) -> None:
    script = f"navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', '{name}'))"
    view = live(script=script)
    view.button(OFF).click()
    expect(view.page.get_by_role("alert")).to_contain_text(words)
    expect(view.page.get_by_role("alert")).to_contain_text("Type what you want to say, or")
    expect(view.button(OFF)).to_be_enabled()


def test_a_frame_without_the_permission_is_told_apart(live: Open) -> None:
    view = live(allowed=False)
    view.run("document.body.append(Object.assign(document.createElement('iframe'), {src: location, width: 600}))")
    frame = view.page.frame_locator("iframe")
    frame.locator(".lv-stage").hover()
    frame.get_by_role("button", name=OFF).click()
    expect(frame.get_by_role("alert")).to_contain_text("The microphone is not allowed in this frame of the page.")


def test_a_session_that_hears_none_shows_none(live: Open) -> None:
    view = live("view_livekit")
    expect(view.button("Take a snapshot")).to_be_visible()
    expect(view.button(OFF)).to_have_count(0)
    expect(view.button(HOLD)).to_have_count(0)


def test_in_the_studio_it_is_in_talk_too_and_a_problem_is_told_where_it_was_asked_for(mic_chromium: Browser) -> None:
    with harnesses(mic_chromium) as opened:
        view = opened("studio", "view_full", media="fake", secure=True)
        talk = view.page.locator(".lv-talk")
        talk.get_by_role("button", name=OFF).click()
        expect(talk.get_by_text("The browser was not allowed to use the microphone.")).to_be_visible()
        expect(view.page.get_by_text("The browser was not allowed to use the microphone.")).to_have_count(1)
        view.page.context.grant_permissions(["microphone"])
        talk.get_by_role("button", name=OFF).click()
        # one microphone, shown in both places
        expect(view.button(ON)).to_have_count(2)
        assert view.run("fakeRoom.published.length") == 1
