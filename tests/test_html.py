"""What a page shows: escaped text, addresses that may stand in it, numbers and moments as people write them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liveavatar_nb import html

OURS = {"div", "span", "table", "thead", "tbody", "tr", "th", "td", "img", "figure", "figcaption", "audio"}
NASTY = st.sampled_from(["<script>x()</script>", '" onerror="x()', "' x='", "</td><b>", "javascript:x()", "&lt;", "\0"])
TEXTS = st.text() | NASTY | st.builds(str.__add__, NASTY, st.text())
VALUES = st.recursive(
    TEXTS | st.none() | st.booleans() | st.integers() | st.floats() | st.decimals() | st.datetimes(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)


class Page(HTMLParser):
    """The elements, attributes and text of some markup, as a browser reads them."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    def attributes(self, name: str) -> Iterator[str]:
        return (value or "" for _, attributes in self.tags if (value := attributes.get(name)) is not None)


def check(markup: str) -> Page:
    """Only elements of ours, no handler of events, no address but of http, https and data."""
    page = Page(markup)
    assert {tag for tag, _ in page.tags} <= OURS
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert not list(page.attributes("href"))
    for address in page.attributes("src"):
        assert address.lower().startswith(("http://", "https://", "data:image/", "data:audio/"))
    return page


@given(TEXTS, st.lists(st.tuples(TEXTS, VALUES), max_size=3))
def test_a_card_is_escaped(title: str, pairs: list[tuple[str, Any]]) -> None:
    check(html.card(title, pairs, html.picture(title, title, 10)))


@given(st.lists(TEXTS, min_size=1, max_size=3), st.data())
def test_a_table_is_escaped(headings: list[str], data: st.DataObject) -> None:
    row = st.tuples(*[VALUES] * len(headings))
    check(html.table(headings, data.draw(st.lists(row, max_size=3)), 5))


@given(st.lists(st.tuples(TEXTS, TEXTS, TEXTS), max_size=3), TEXTS)
def test_a_gallery_a_player_and_a_figure_are_escaped(tiles: list[tuple[str, str, str]], said: str) -> None:
    check(html.gallery(tiles, 5) + html.player("audio/wav", said, said) + html.figure(said, said) + html.note(said))


@pytest.mark.parametrize(
    ("address", "is_shown"),
    [
        ("https://example.org/a.png", True),
        ("HTTP://127.0.0.1/a.svg", True),
        ("data:image/svg+xml;base64,PHN2Zy8+", True),
        ("data:text/html,<script>", False),
        ("javascript:alert(1)", False),
        ("file:///etc/passwd", False),
        ("//example.org/a.png", False),
        ("http://[broken", False),
        ("", False),
        (None, False),
    ],
)
def test_which_addresses_are_pictures(address: str | None, is_shown: bool) -> None:
    page = check(html.picture(address, "Silas", 10))
    assert ("img" in dict(page.tags)) is is_shown
    assert page.text == ("" if is_shown else "S")


def test_a_picture_is_told_in_words() -> None:
    assert list(Page(html.picture("https://example.org/a.png", 'Ann "A"', 10)).attributes("alt")) == ['Ann "A"']
    assert list(Page(html.player("audio/wav", "AAAA", "Preview of Ann")).attributes("aria-label")) == ["Preview of Ann"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, html.ABSENT),
        ("", html.ABSENT),
        ([], html.ABSENT),
        ({}, html.ABSENT),
        (0, "0"),
        (True, "yes"),
        (False, "no"),
        (42, "42"),
        (1234.5678, "1,234.5678"),
        (Decimal("0.004"), "0.004"),
        (["tea", "<i>"], "tea, <i>"),
        ({"a": [1, "é"]}, '{"a": [1, "é"]}'),
        (datetime(2026, 3, 2, 9, 5, tzinfo=UTC), "2026-03-02 09:05 UTC"),
        (datetime(2026, 3, 2, 9, 5, tzinfo=timezone(timedelta(hours=2))), "2026-03-02 07:05 UTC"),
        (datetime(2026, 3, 2, 9, 5), "2026-03-02 09:05"),  # noqa: DTZ001 (its zone is not known, and not invented)
    ],
)
def test_how_a_value_is_shown(value: Any, shown: str) -> None:
    assert Page(html.cell(value)).text == shown


@pytest.mark.parametrize(("seconds", "shown"), [(0, "0:00"), (65, "1:05"), (599.6, "10:00"), (4000, "1:06:40")])
def test_a_clock(seconds: float, shown: str) -> None:
    assert html.clock(seconds) == shown


@pytest.mark.parametrize(
    ("number", "shown"), [(0, "0.00"), (0.004, "<0.01"), (0.005, "0.01"), (1.58333, "1.58"), (1234.5, "1,234.50")]
)
def test_an_amount(number: float, shown: str) -> None:
    assert html.amount(number) == shown
    assert Page(html.cell(html.amount(number))).text == shown


@pytest.mark.parametrize(
    ("name", "shown"),
    [("is_sandbox", "sandbox"), ("created_at", "created"), ("created at", "created"), ("is_", "is_"), ("_", "_")],
)
def test_a_label(name: str, shown: str) -> None:
    assert html.label(name) == shown


def test_long_text_is_cut_in_a_table_and_whole_in_a_card() -> None:
    said = "word " * 200 + "end"
    assert Page(html.table(["x"], [[said]], 1)).text == "x" + said[: html.LONGEST_TEXT].rstrip() + "…"
    assert Page(html.card("x", [("y", said)])).text == "xy" + said
    assert len(Page(html.card("x", [("y", "a" * 10**6)])).text) < 10**5


def test_numbers_are_aligned_right_and_said_to_be_headings() -> None:
    page = Page(html.table(["name", "took", "is_new"], [["a", html.clock(5), True], ["b", html.clock(9), False]], 2))
    styles = [attributes["style"] or "" for tag, attributes in page.tags if tag == "td"]
    assert ["right" in style for style in styles] == [False, True, False] * 2
    assert list(page.attributes("scope")) == ["col"] * 3
    assert list(Page(html.card("x", [("a", 1), ("b", 2)])).attributes("scope")) == ["row"] * 2


def test_the_hosts_stripes_and_alignment_do_not_hold() -> None:
    page = Page(html.table(["a"], [["b"], ["c"]], 2) + html.card("x", [("a", "b")]))
    rows = [attributes["style"] for tag, attributes in page.tags if tag == "tr"]
    assert rows == ["background: none"] * 4
    cells = [attributes["style"] or "" for tag, attributes in page.tags if tag in ("td", "th")]
    assert all("text-align: left" in style and "padding" in style for style in cells)


@pytest.mark.parametrize("total", [100, 101, 1000])
def test_of_very_many_the_first_are_shown(total: int) -> None:
    told = f"and {total - 100} more" if total > 100 else ""
    page = Page(html.table(["n"], [[i] for i in range(total)], total))
    assert [tag for tag, _ in page.tags].count("td") == 100
    assert page.text.endswith(f"99{told}")
    page = Page(html.gallery([("", f"name {i}", "") for i in range(total)], total))
    assert [tag for tag, _ in page.tags].count("figure") == 100
    assert page.text.endswith(f"name 99{told}")


def test_an_empty_list_says_so() -> None:
    assert Page(html.table(["a"], [], 0)).text == Page(html.gallery([], 0)).text == "Nothing here."
