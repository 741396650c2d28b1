"""The gallery: find, pick by mouse and by keys, and the states of its catalogue."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

Open = Callable[..., Any]
SILAS = "a0000000-0000-4000-8000-000000000000"
ANN = "a0000000-0000-4000-8000-000000000001"
WAYNE = "dd73ea75-1218-4ef3-92ce-606d5f7fbc0a"


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("si", ["Silas"]),
        ("  ANN", ["Ann", "Marianne Oberholzer-Whitfield"]),
        ("jose", ["José"]),
        ("zoë", ["Zoë"]),
        ("dd73ea75", ["Wayne"]),
    ],
)
def test_search_finds_part_of_a_name_or_an_id(harness: Open, typed: str, found: list[str]) -> None:
    view = harness("picker")
    view.page.get_by_placeholder("Search 12 avatars").fill(typed)
    expect(view.cards).to_have_count(len(found))
    assert [card.get_attribute("title").partition(":")[0] for card in view.cards.all()] == found
    expect(view.page.locator(".lv-count")).to_have_text(f"{len(found)} of 12")


def test_search_without_a_match_says_so_and_leads_back(harness: Open) -> None:
    view = harness("picker")
    view.page.get_by_placeholder("Search 12 avatars").fill("nobody")
    expect(view.page.get_by_text("No avatar here is called “nobody”.")).to_be_visible()
    view.button("Show all 12").click()
    expect(view.cards).to_have_count(12)


def test_escape_clears_the_search(harness: Open) -> None:
    view = harness("picker")
    search = view.page.get_by_placeholder("Search 12 avatars")
    search.fill("si")
    search.press("Escape")
    expect(view.cards).to_have_count(12)


def test_mine_and_public_part_the_list(harness: Open) -> None:
    view = harness("picker")
    view.page.get_by_label("Mine").check()
    expect(view.cards).to_have_count(3)
    view.page.get_by_label("Public").check()
    expect(view.cards).to_have_count(9)


def test_a_click_picks_once_and_shows_at_once(harness: Open) -> None:
    view = harness("picker", python="silent")
    view.page.get_by_title("Ann", exact=True).click()
    expect(view.picked).to_have_attribute("data-avatar", ANN)
    assert [one["args"] for one in view.commands("pick", "control")] == [{"avatar_id": ANN}]


def test_python_has_the_last_word_on_what_is_picked(harness: Open) -> None:
    view = harness("picker")
    view.page.get_by_title("Ann", exact=True).click()
    expect(view.picked).to_have_attribute("data-avatar", ANN)
    # the click shows at once, Python's answer to it comes later
    view.page.wait_for_function("(id) => harness.model.get('value') === id", arg=ANN)
    view.write(value=SILAS)
    expect(view.picked).to_have_attribute("data-avatar", SILAS)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Thaddeus", "training"),
        ("José", "failed: the footage was too short"),
        ("Old campaign", "expired"),
    ],
)
def test_what_cannot_be_picked_says_why(harness: Open, name: str, words: str) -> None:
    view = harness("picker")
    card = view.page.get_by_title(f"{name}: {words}")
    expect(card).to_have_attribute("aria-disabled", "true")
    card.click(force=True)
    expect(view.picked).to_have_attribute("data-avatar", SILAS)
    assert view.commands("pick") == []


def test_arrows_move_and_enter_picks(harness: Open) -> None:
    view = harness("picker", width=380)
    view.picked.focus()
    focused = view.page.locator(":focus")
    keys = view.page.keyboard
    for key, name in [
        ("ArrowRight", "Ann"),
        ("ArrowDown", "Dexter"),
        ("ArrowLeft", "Wayne"),
        ("ArrowUp", "Silas"),
        ("ArrowUp", "Silas"),
        ("End", "Old campaign: expired"),
        ("Enter", "Old campaign: expired"),
        ("Home", "Silas"),
        ("ArrowRight", "Ann"),
    ]:
        keys.press(key)
        expect(focused).to_have_attribute("title", name)
    assert view.commands("pick") == []
    keys.press("Enter")
    expect(view.picked).to_have_attribute("data-avatar", ANN)
    keys.press("ArrowRight")
    keys.press("Space")
    expect(view.picked).to_have_attribute("title", "June")
    assert len(view.commands("pick")) == 2


def test_the_list_is_one_stop_of_tab(harness: Open) -> None:
    view = harness("picker")
    assert view.run("document.querySelectorAll('[role=option][tabindex=\"0\"]').length") == 1


def test_sandbox_shows_and_picks_its_one_avatar(harness: Open) -> None:
    view = harness("picker")
    view.page.get_by_label("Sandbox").check()
    expect(view.cards).to_have_count(1)
    expect(view.picked).to_have_attribute("data-avatar", WAYNE)
    view.page.get_by_label("Sandbox").uncheck()
    expect(view.cards).to_have_count(12)


def test_sandbox_in_the_studio_is_the_setting(harness: Open) -> None:
    view = harness("studio")
    view.page.get_by_label("Sandbox").check()
    expect(view.button("Start Wayne")).to_be_enabled()
    assert [one["args"] for one in view.commands("configure")] == [{"is_sandbox": True}]
    expect(view.page.get_by_text("free, one minute")).to_be_visible()


def test_loading_shows_placeholders(harness: Open) -> None:
    view = harness("picker", "loading")
    expect(view.page.get_by_label("Loading avatars")).to_be_visible()
    expect(view.cards).to_have_count(0)


def test_a_failed_catalogue_offers_reload(harness: Open) -> None:
    view = harness("picker", "failed_catalogue")
    expect(view.page.get_by_role("alert")).to_contain_text("The service cannot be reached.")
    view.button("Reload").click()
    assert len(view.commands("reload")) == 1


def test_an_empty_catalogue_says_so(harness: Open) -> None:
    view = harness("picker", "none")
    expect(view.page.get_by_text("There are no avatars to show.")).to_be_visible()


def test_pictures_come_as_blobs_and_are_confirmed(harness: Open) -> None:
    view = harness("picker")
    pictures = view.page.locator(".lv-card img")
    expect(pictures).to_have_count(11)
    assert all(one.get_attribute("src").startswith("blob:") for one in pictures.all())
    expect(view.page.get_by_title("Marianne Oberholzer-Whitfield").locator(".lv-initials")).to_have_text("MO")
    asked = [each for one in view.commands("pictures") for each in one["args"]["avatar_ids"]]
    assert len(asked) == len(set(asked)) == 11
    view.page.wait_for_function("harness.python.commands.some((one) => one.command === 'received')")
    received = [each for one in view.commands("received") for each in one["args"]["avatar_ids"]]
    assert set(received) == set(asked)


def test_an_unasked_repeated_picture_is_confirmed_and_kept(harness: Open) -> None:
    view = harness("picker")
    picture = view.page.get_by_title("Ann", exact=True).locator("img")
    expect(picture).to_be_visible()
    before = picture.get_attribute("src")
    count = len(view.commands("received"))
    view.run("(id) => harness.python.sendPicture(id)", ANN)
    view.page.wait_for_function(
        "(count) => harness.python.commands.filter((one) => one.command === 'received').length > count", arg=count
    )
    assert picture.get_attribute("src") == before


def test_what_is_no_picture_is_not_shown(harness: Open) -> None:
    view = harness("picker", python="silent")
    view.run(
        "(id) => harness.python.tell({type: 'picture', avatar_id: id, media_type: 'text/html'},"
        " [new DataView(new ArrayBuffer(8))])",
        ANN,
    )
    expect(view.page.get_by_title("Ann", exact=True).locator(".lv-initials")).to_have_text("A")


def test_addresses_other_than_http_are_not_loaded(harness: Open) -> None:
    view = harness("picker", python="silent")
    view.run(
        "harness.model.write({avatars: harness.model.get('avatars').map("
        "(one) => ({...one, picture: {url: 'javascript:alert(1)'}}))})"
    )
    expect(view.page.locator(".lv-initials")).to_have_count(12)
    expect(view.page.locator(".lv-card img")).to_have_count(0)


def test_a_thousand_avatars_ask_only_for_what_is_in_sight(harness: Open) -> None:
    view = harness("picker", "thousand", width=520)
    expect(view.cards).to_have_count(1000)
    expect(view.page.get_by_placeholder("Search 1,000 avatars")).to_be_visible()
    view.page.wait_for_function("document.querySelectorAll('.lv-card img').length > 8")
    first = {each for one in view.commands("pictures") for each in one["args"]["avatar_ids"]}
    assert len(first) < 60
    view.run("document.querySelector('.lv-cards').scrollTop = 1e6")
    expect(view.page.get_by_title("José 994").locator("img")).to_be_visible()
    asked = [each for one in view.commands("pictures") for each in one["args"]["avatar_ids"]]
    assert len(asked) == len(set(asked)) < 120
    assert max(len(one["args"]["avatar_ids"]) for one in view.commands("pictures")) <= 24


def test_a_picked_avatar_far_down_is_in_sight(harness: Open) -> None:
    view = harness("picker", "thousand", width=520)
    view.write(value="a0000000-0000-4000-8000-000000000500")
    expect(view.picked).to_be_in_viewport()
    assert view.run("scrollY") == 0
