"""The gallery: find, pick by mouse and by keys, and the states of its catalogue."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from .test_looks import axe, violations

__all__ = ["axe"]

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


def scroll(view: Any, top: float) -> None:
    view.run("(top) => { document.querySelector('.lv-cards').scrollTop = top }", top)


def test_of_a_thousand_avatars_only_those_in_sight_are_there_and_asked_for(harness: Open) -> None:
    view = harness("picker", "thousand", width=520)
    expect(view.page.get_by_placeholder("Search 1,000 avatars")).to_be_visible()
    expect(view.cards.first).to_have_attribute("aria-setsize", "1000")
    expect(view.page.get_by_title("Zoë 11").locator("img")).to_be_visible()
    assert view.cards.count() < 60
    scroll(view, 1e6)
    expect(view.page.get_by_title("José 994").locator("img")).to_be_visible()
    expect(view.cards.last).to_have_attribute("aria-posinset", "1000")
    expect(view.cards.last).to_be_in_viewport()
    assert view.cards.count() < 60
    asked = [each for one in view.commands("pictures") for each in one["args"]["avatar_ids"]]
    assert len(asked) == len(set(asked)) < 120
    assert max(len(one["args"]["avatar_ids"]) for one in view.commands("pictures")) <= 24


def test_each_card_stands_where_it_would_among_all(harness: Open) -> None:
    view = harness("picker", "thousand", width=520)
    scroll(view, 9000)
    expect(view.cards.last).to_have_attribute("aria-posinset", re.compile(r"^2\d\d$"))
    places = view.run("""
        [...document.querySelectorAll('[role=option]')].map((card) => {
            const {left, top} = card.getBoundingClientRect();
            return [Number(card.ariaPosInSet), Math.round(left), Math.round(top)];
        })
    """)
    assert [place for place, _, _ in places] == sorted({place for place, _, _ in places})
    lefts = sorted({left for _, left, _ in places})
    (pitch,) = {below - above for _, _, above in places[1:] for _, _, below in places[1:] if 0 < below - above < 200}
    columns = len(lefts)
    for place, left, top in places:
        assert left == lefts[(place - 1) % columns]
        assert top - places[0][2] == (place - places[0][0]) // columns * pitch


def test_arrows_and_end_go_to_cards_that_were_not_there(harness: Open) -> None:
    view = harness("picker", "thousand", width=520)
    view.picked.focus()
    focused = view.page.locator(":focus")
    for key, place in [("End", 1000), ("ArrowLeft", 999), ("Home", 1), ("ArrowRight", 2)]:
        view.page.keyboard.press(key)
        expect(focused).to_have_attribute("aria-posinset", str(place))
        expect(focused).to_be_in_viewport(ratio=0.9)
    for _ in range(40):
        view.page.keyboard.press("ArrowDown")
    expect(focused).to_be_in_viewport(ratio=0.9)
    assert int(focused.get_attribute("aria-posinset")) > 100
    assert view.cards.count() < 60


def test_what_has_the_focus_keeps_it_out_of_sight(harness: Open) -> None:
    view = harness("picker", "thousand", width=520)
    view.picked.focus()
    view.page.keyboard.press("ArrowRight")
    focused = view.page.locator(":focus")
    for top, place in [(9000, 256), (0, 1), (1e6, 1000), (0, 1)]:
        scroll(view, top)
        expect(view.page.locator(f'[aria-posinset="{place}"]')).to_be_in_viewport()
        expect(focused).to_have_attribute("aria-posinset", "2")
    scroll(view, 9000)
    expect(view.page.locator('[aria-posinset="256"]')).to_be_in_viewport()
    view.page.keyboard.press("ArrowRight")
    expect(focused).to_have_attribute("aria-posinset", "3")
    expect(focused).to_be_in_viewport(ratio=0.9)


def test_no_rule_of_accessibility_is_broken_far_down(harness: Open, axe: str) -> None:
    view = harness("picker", "thousand", width=520)
    scroll(view, 9000)
    expect(view.page.locator('[aria-posinset="256"]')).to_be_in_viewport()
    assert violations(view, axe) == []


def test_a_search_far_down_shows_what_it_found_and_all_again(harness: Open) -> None:
    view = harness("picker", "thousand", width=520)
    scroll(view, 1e6)
    expect(view.page.locator('[aria-posinset="1000"]')).to_be_in_viewport()
    search = view.page.get_by_placeholder("Search 1,000 avatars")
    search.fill("Ann 5")
    expect(view.page.locator(".lv-count")).to_have_text(re.compile(r"^\d+ of 1,000$"))
    found = int(view.page.locator(".lv-count").inner_text().partition(" ")[0])
    expect(view.cards).to_have_count(found)
    expect(view.cards.first).to_be_in_viewport(ratio=0.9)
    search.press("Escape")
    expect(view.cards.first).to_have_attribute("aria-setsize", "1000")
    expect(view.page.locator('[aria-posinset="12"]')).to_be_visible()


def test_what_is_in_sight_stays_when_the_columns_change(harness: Open) -> None:
    view = harness("picker", "thousand", width=1100)
    scroll(view, 5000)
    sight = """
        (() => {
            const frame = document.querySelector('.lv-cards').getBoundingClientRect();
            const cards = [...document.querySelectorAll('[role=option]')];
            const seen = cards.filter((card) => card.getBoundingClientRect().bottom > frame.top + 8);
            // NaN between two drawings, when none is there
            return Number(seen[0]?.ariaPosInSet);
        })()
    """
    view.page.wait_for_function(f"{sight} > 300")
    before = view.run(sight)
    view.page.set_viewport_size({"width": 420, "height": 760})
    columns = "document.querySelector('.lv-sheet').style.gridTemplateColumns"
    view.page.wait_for_function(f"{columns}.startsWith('repeat(3,')")
    view.page.wait_for_function(f"Math.abs({sight} - {before}) < 12")


def test_a_picked_avatar_far_down_is_in_sight(harness: Open) -> None:
    view = harness("picker", "thousand", width=520)
    view.write(value="a0000000-0000-4000-8000-000000000500")
    expect(view.picked).to_be_in_viewport()
    assert view.run("scrollY") == 0


def test_one_that_was_picked_far_down_is_in_sight_from_the_start(harness: Open) -> None:
    view = harness("picker", "thousand_picked", width=520)
    expect(view.picked).to_have_attribute("aria-posinset", "601")
    expect(view.picked).to_be_in_viewport(ratio=0.9)
    expect(view.picked.locator("img")).to_be_visible()
    asked = {each for one in view.commands("pictures") for each in one["args"]["avatar_ids"]}
    assert "a0000000-0000-4000-8000-000000000001" not in asked
