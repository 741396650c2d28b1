"""The loader: a page imports the front end once, never another version's, and says so where it does not come."""

from __future__ import annotations

from playwright.sync_api import expect

from .conftest import Harness, Open

IMPORTED = "globalThis[Symbol.for('liveavatar_nb')].frontEnds.size"
STYLES = "document.head.querySelectorAll('style').length"
# how often a script of that size was made an address of
MADE = """
globalThis.made = [];
const make = URL.createObjectURL;
URL.createObjectURL = (blob) => {
  globalThis.made.push(blob.size);
  return make.call(URL, blob);
};
"""
KINDS = "picker", "panel", "studio", "talk", "view", "wire"
# a front end of another version: it shows its name
OTHER = """
const render = ({ el }) => { el.textContent = `version ${VERSION}`; };
export default { initialize() {}, render };
"""


def other(page: Harness, version: str) -> None:
    """Show a widget that came with a front end of that version."""
    page.run(
        """async ([version, code]) => {
            const texts = { code, style: `/* ${version} */` };
            harness.shelf[version] = { get: (name) => texts[name] };
            await harness.another("studio", "pick", { widget_id: version, _front_end: `IPY_MODEL_${version}` });
        }""",
        [version, OTHER.replace("VERSION", version)],
    )


def take_away(page: Harness) -> None:
    """The page does not have the front end's model."""
    page.run("() => { harness.taken = harness.shelf['front-end']; delete harness.shelf['front-end']; }")


def give_back(page: Harness) -> None:
    page.run("() => { harness.shelf['front-end'] = harness.taken; }")


def test_a_page_imports_the_front_end_once_for_all_widgets(harness: Open) -> None:
    page = harness("studio", script=MADE)
    styles = page.run(STYLES)
    for index, kind in enumerate(KINDS):
        page.run(
            "([kind, id]) => harness.another(kind, 'pick', { widget_id: id })",
            [kind, f"other-{index}"],
        )
    page.run("harness.show()")
    expect(page.page.locator(".lv")).to_have_count(len(KINDS) + 2)
    size = page.run("async () => (await (await fetch('/static/widgets.js')).blob()).size")
    assert page.run("made").count(size) == 1
    assert page.run(IMPORTED) == 1
    assert page.run(STYLES) == styles


def test_a_widget_gets_the_front_end_that_came_with_it(harness: Open) -> None:
    page = harness("studio")
    other(page, "1")
    other(page, "2")
    expect(page.page.get_by_text("version 1", exact=True)).to_be_visible()
    expect(page.page.get_by_text("version 2", exact=True)).to_be_visible()
    expect(page.page.locator(".lv-studio")).to_have_count(1)
    assert page.run(IMPORTED) == 3


def test_a_front_end_that_comes_after_the_widget_is_waited_for(harness: Open) -> None:
    page = harness("studio")
    take_away(page)
    page.run("() => { void harness.another('panel', 'pick'); }")
    page.page.wait_for_timeout(300)
    assert page.run(IMPORTED) == 1
    expect(page.page.locator(".lv-panel")).to_have_count(0)
    give_back(page)
    expect(page.page.locator(".lv-panel")).to_be_visible()


def test_a_front_end_that_does_not_come_is_said_and_asked_for_again(harness: Open) -> None:
    page = harness("studio", clock=True)
    take_away(page)
    page.run("() => { void harness.another('panel', 'pick').then(() => { harness.done = true; }); }")
    page.page.clock.run_for(1_000)
    expect(page.page.get_by_role("alert")).to_have_count(0)
    page.page.clock.run_for(12_000)
    line = page.page.get_by_role("alert")
    expect(line).to_contain_text("LiveAvatar's front end did not load")
    page.button("Try again").click()
    expect(line).to_have_count(0)
    page.page.clock.run_for(12_000)
    expect(line).to_contain_text("run the cell again")
    give_back(page)
    page.button("Try again").click()
    expect(page.page.locator(".lv-panel")).to_be_visible()
    expect(line).to_have_count(0)


def test_a_script_that_cannot_be_imported_is_said_and_leaves_nothing_behind(harness: Open) -> None:
    page = harness("studio")
    styles = page.run(STYLES)
    page.run(
        """() => {
            harness.shelf.broken = { get: () => "this is no script" };
            void harness.another("panel", "pick", { _front_end: "IPY_MODEL_broken" });
        }"""
    )
    expect(page.page.get_by_role("alert")).to_contain_text("Unexpected")
    assert page.run(IMPORTED) == 1
    assert page.run(STYLES) == styles
