"""Renders records in a notebook as small pieces of HTML built from escaped text.

Styles are inline, and colours come from the application that shows the notebook, so that the output looks right in
light and dark themes, and in a notebook that is opened in another application.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final
from urllib.parse import urlsplit

LINE: Final = "1px solid var(--jp-border-color2, rgba(128, 128, 128, 0.35))"
SOFT: Final = "color: var(--jp-ui-font-color2, var(--vscode-descriptionForeground, inherit))"
SHADE: Final = "rgba(128, 128, 128, 0.15)"
# inline styles override the notebook application's own table styles (right-aligned, striped, equal columns)
TABLE: Final = "border-collapse: collapse; table-layout: auto; width: auto; margin: 4px 0; line-height: 1.45"
ROW: Final = '<tr style="background: none">'
CELL: Final = f"text-align: left; vertical-align: baseline; padding: 4px 16px 4px 0; border: 0; border-bottom: {LINE}"
NUMBER: Final = CELL.replace("left", "right", 1) + "; font-variant-numeric: tabular-nums"
SCROLLER: Final = "overflow-x: auto; max-width: 100%"
ABSENT: Final = "\N{EN DASH}"
LONGEST_LINE: Final = 36  # maximum characters in text that stays on one line (the length of an id)
LONGEST_TEXT: Final = 300  # maximum characters in a table cell or a title
LONGEST_PROPERTY: Final = 20_000  # maximum characters in a property shown on a card; long properties scroll
LONGEST_NAME: Final = 80  # maximum characters in a name shown below a picture
MOST_ROWS: Final = 100


class Markup(str):
    """Text that is already HTML."""

    __slots__ = ()


class Amount(str):
    """A number that is already formatted, e.g. `1:05`; right-aligned in its column."""

    __slots__ = ()


def cell(value: Any, *, is_property: bool = False) -> Markup:
    """Return a value as escaped HTML; a missing value becomes a dash.

    Args:
        value: A value of any type.
        is_property: Whether the value is shown in a card, where it may be long and wraps on a narrow page.
    """
    if isinstance(value, Markup):
        return value
    if value is None or value in ("", [], {}):
        return Markup(f'<span style="{SOFT}">{ABSENT}</span>')
    return text(words(value), is_property=is_property)


def words(value: Any) -> str:
    """Return a value as plain text."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return moment(value)
    if isinstance(value, Decimal | float):
        return f"{value:,}"
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    if isinstance(value, list | tuple):
        return ", ".join(words(item) for item in value)
    return str(value)


def text(content: str, *, is_property: bool = False) -> Markup:
    """Return text as escaped HTML: short text stays on one line, long text wraps, and very long text is cut."""
    if len(content) <= LONGEST_LINE and "\n" not in content:
        wrapping = "overflow-wrap: anywhere" if is_property else "white-space: nowrap"
        return Markup(f'<span dir="auto" style="{wrapping}">{_escaped(content)}</span>')
    longest = LONGEST_PROPERTY if is_property else LONGEST_TEXT
    scrolling = "; max-height: 15em; overflow-y: auto" if is_property and len(content) > LONGEST_TEXT else ""
    return Markup(
        f'<div dir="auto" style="white-space: pre-wrap; overflow-wrap: anywhere; min-width: 14em; max-width: 48em'
        f'{scrolling}">{_escaped(cut(content, longest))}</div>'
    )


def _escaped(content: str) -> str:
    import html  # noqa: PLC0415 (its table of entities is slow to import, and only needed to show something)

    return html.escape(content)


def cut(content: str, longest: int) -> str:
    """Cut text to `longest` characters, and add an ellipsis if anything was cut."""
    return content if len(content) <= longest else f"{content[:longest].rstrip()}…"


def label(name: str) -> str:
    """Return a field's name in words: `is_sandbox` becomes "sandbox", `created_at` becomes "created"."""
    return name.replace("_", " ").removeprefix("is ").removesuffix(" at").strip() or name


def moment(when: datetime) -> str:
    """Format a date and time to the minute, in UTC if its time zone is known."""
    try:
        return f"{when.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if when.tzinfo else f"{when:%Y-%m-%d %H:%M}"
    except OverflowError:
        return when.isoformat()  # the date is too close to the first or last one that Python supports


def clock(seconds: float) -> Amount:
    """Format a duration as `m:ss` or `h:mm:ss`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return Amount(f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}")


def amount(number: float | Decimal) -> Amount:
    """Format a number of credits to two decimals; tiny amounts become "<0.01" rather than zero."""
    return Amount("<0.01" if 0 < number < Decimal("0.005") else f"{number:,.2f}")


def table(headings: Sequence[str], rows: Iterable[Sequence[Any]], total: int) -> Markup:
    """Return a table with a row of headings; only the first `MOST_ROWS` rows are shown.

    Args:
        headings: The column headings.
        rows: The values of each row.
        total: The total number of rows, mentioned if not all of them are shown.
    """
    shown = [row for row, _ in zip(rows, range(MOST_ROWS), strict=False)]
    if not shown:
        return note("Nothing here.")
    styles = [NUMBER if all(is_number(row[i]) for row in shown) else CELL for i in range(len(headings))]
    head = "".join(
        f'<th scope="col" style="{style}; {SOFT}; font-weight: 600; white-space: nowrap">'
        f"{_escaped(cut(label(name), LONGEST_NAME))}</th>"
        for style, name in zip(styles, headings, strict=True)
    )
    body = "".join(
        ROW + "".join(f'<td style="{s}">{cell(v)}</td>' for s, v in zip(styles, row, strict=True)) + "</tr>"
        for row in shown
    )
    return Markup(
        f'<div style="{SCROLLER}"><table style="{TABLE}"><thead style="border: 0">{ROW}{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>{more(total - len(shown))}"
    )


def is_number(value: Any) -> bool:
    """Return whether a value is right-aligned in its column."""
    return isinstance(value, int | float | Decimal | Amount) and not isinstance(value, bool)


def properties(pairs: Iterable[tuple[str, Any]]) -> Markup:
    """Return names and values as a two-column table."""
    rows = "".join(
        f'{ROW}<th scope="row" style="{CELL}; {SOFT}; font-weight: 400">'
        f"{_escaped(cut(label(name), LONGEST_NAME))}</th>"
        f'<td style="{CELL}">{cell(value, is_property=True)}</td></tr>'
        for name, value in pairs
    )
    return Markup(f'<div style="{SCROLLER}"><table style="{TABLE}">{rows}</table></div>' if rows else "")


def card(title: str, pairs: Iterable[tuple[str, Any]], aside: str = "") -> Markup:
    """Return a card for one record: a title, a table of properties and, optionally, markup beside them.

    Args:
        title: The card's title.
        pairs: Names and values.
        aside: Markup to show beside the title and the properties, e.g. a picture.
    """
    beside = f"<div>{aside}</div>" if aside else ""
    return Markup(
        '<div style="display: flex; flex-wrap: wrap; gap: 16px; align-items: flex-start">'
        f'{beside}<div style="min-width: 0; max-width: 100%">'
        f'<div dir="auto" style="font-weight: 600; text-align: left; overflow-wrap: anywhere">'
        f"{_escaped(cut(title, LONGEST_TEXT)) or ABSENT}</div>{properties(pairs)}</div></div>"
    )


def gallery(tiles: Iterable[tuple[str, str, str]], total: int) -> Markup:
    """Return pictures with a name and a short caption below each.

    Args:
        tiles: The picture, name and caption of each tile; only the first `MOST_ROWS` are shown.
        total: The total number of tiles.
    """
    shown = [tile for tile, _ in zip(tiles, range(MOST_ROWS), strict=False)]
    if not shown:
        return note("Nothing here.")
    figures = "".join(
        f'<figure style="margin: 0; width: 112px">{picture(address, name, 112)}'
        f'<figcaption style="font-size: 12px; line-height: 1.35; padding-top: 4px; overflow-wrap: anywhere">'
        f'<div dir="auto" style="text-align: left">{_escaped(cut(name, LONGEST_NAME)) or ABSENT}</div>'
        f'<div style="{SOFT}">{_escaped(cut(word, LONGEST_NAME))}</div></figcaption></figure>'
        for address, name, word in shown
    )
    return Markup(
        f'<div style="display: flex; flex-wrap: wrap; gap: 12px; padding: 4px 0">{figures}</div>'
        f"{more(total - len(shown))}"
    )


def picture(address: str | None, name: str, size: int) -> Markup:
    """Return a square picture, or a square with the name's first letter if there is no picture.

    Args:
        address: An http, https or image data URL; for any other value, the letter is shown instead.
        name: What the picture shows.
        size: Width and height in pixels.
    """
    frame = f"width: {size}px; height: {size}px; border-radius: 6px; object-fit: cover; background: {SHADE}"
    if address is None or not is_picture(address):
        letter = _escaped(name.strip()[:1].upper())
        return Markup(
            f'<div aria-hidden="true" style="{frame}; {SOFT}; display: flex; align-items: center; '
            f'justify-content: center; font-size: {size // 3}px">{letter}</div>'
        )
    return Markup(
        f'<img src="{_escaped(address)}" alt="{_escaped(name)}" width="{size}" height="{size}" '
        f'loading="lazy" referrerpolicy="no-referrer" style="{frame}; margin: 0">'
    )


def is_picture(address: str) -> bool:
    """Return whether a URL is safe to use as a picture's source."""
    try:
        scheme = urlsplit(address).scheme
    except ValueError:
        return False
    return scheme in ("http", "https") or address.startswith("data:image/")


def player(media_type: str, base64: str, name: str = "") -> Markup:
    """Return an audio player with a short sound embedded in it."""
    return Markup(
        f'<audio controls preload="metadata" aria-label="{_escaped(name)}" '
        f'style="height: 32px; width: 240px; vertical-align: middle" '
        f'src="data:{_escaped(media_type)};base64,{_escaped(base64)}"></audio>'
    )


def figure(number: str, caption: str) -> Markup:
    """Return a number in large type, with a caption."""
    return Markup(
        f'<div style="overflow-wrap: anywhere"><span style="font-size: 28px; line-height: 1.3; font-weight: 600; '
        f'font-variant-numeric: tabular-nums">{_escaped(number)}</span> '
        f'<span style="{SOFT}">{_escaped(caption)}</span></div>'
    )


def note(content: str) -> Markup:
    """Return a line of small print."""
    return Markup(f'<div style="{SOFT}; padding: 4px 0">{_escaped(content)}</div>')


def more(count: int) -> str:
    """Return the note "and `count` more", or nothing if `count` is 0."""
    return note(f"and {count:,} more") if count > 0 else ""
