"""How records look in a notebook: small pieces of HTML, each made of escaped text.

Styles stand in the elements, and colours come from the host, so that what is seen holds in a light and a dark
theme, and in a notebook that is opened elsewhere.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final
from urllib.parse import urlsplit

LINE: Final = "1px solid var(--jp-border-color2, rgba(128, 128, 128, 0.35))"
SOFT: Final = "color: var(--jp-ui-font-color2, inherit); opacity: 0.85"
SHADE: Final = "rgba(128, 128, 128, 0.15)"
CELL: Final = f"text-align: left; vertical-align: top; padding: 4px 12px 4px 0; border-bottom: {LINE}"
NUMBER: Final = CELL.replace("left", "right") + "; font-variant-numeric: tabular-nums"
ABSENT: Final = "\N{EN DASH}"
LONGEST_TEXT: Final = 300  # characters of one cell
MOST_ROWS: Final = 100


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def cell(value: Any) -> Markup:
    """One value, escaped; an absent one is a dash."""
    if isinstance(value, Markup):
        return value
    if value is None or value == "":
        return Markup(f'<span style="{SOFT}">{ABSENT}</span>')
    if isinstance(value, bool):
        return Markup("yes" if value else "no")
    if isinstance(value, datetime):
        return Markup(moment(value))
    if isinstance(value, Decimal | float):
        return Markup(f"{value:,.2f}".rstrip("0").rstrip("."))
    if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
        return text(", ".join(value)) if value else cell(None)
    return text(str(value))


def text(words: str) -> Markup:
    """Escaped text, cut where it is very long."""
    shown = words if len(words) <= LONGEST_TEXT else f"{words[:LONGEST_TEXT]}…"
    return Markup(f'<span style="white-space: pre-line; overflow-wrap: anywhere">{html.escape(shown)}</span>')


def moment(when: datetime) -> str:
    """A moment to the minute, in UTC where its zone is known."""
    if when.tzinfo is None:
        return f"{when:%Y-%m-%d %H:%M}"
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def clock(seconds: float) -> str:
    """A duration as `m:ss` or `h:mm:ss`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def table(headings: Sequence[str], rows: Iterable[Sequence[Any]], total: int) -> Markup:
    """Rows under headings; of very many the first.

    Args:
        headings: one for each column.
        rows: the values.
        total: how many there are in all, told where not all are shown.
    """
    shown = [row for row, _ in zip(rows, range(MOST_ROWS), strict=False)]
    if not shown:
        return note("Nothing here.")
    numeric = [all(isinstance(row[i], int | float | Decimal) for row in shown) for i in range(len(headings))]
    styles = [NUMBER if is_number else CELL for is_number in numeric]
    head = "".join(
        f'<th style="{style}; {SOFT}; font-weight: 600">{html.escape(name)}</th>'
        for style, name in zip(styles, headings, strict=True)
    )
    body = "".join(
        "<tr>" + "".join(f'<td style="{s}">{cell(v)}</td>' for s, v in zip(styles, row, strict=True)) + "</tr>"
        for row in shown
    )
    return Markup(
        f'<table style="border-collapse: collapse; margin: 4px 0"><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table>{more(total - len(shown))}"
    )


def card(title: str, pairs: Iterable[tuple[str, Any]], aside: str = "") -> Markup:
    """One thing with its properties, and what stands beside them, as a picture."""
    rows = "".join(
        f'<tr><td style="{CELL}; {SOFT}; white-space: nowrap">{html.escape(name)}</td>'
        f'<td style="{CELL}">{cell(value)}</td></tr>'
        for name, value in pairs
    )
    body = f'<table style="border-collapse: collapse; margin: 4px 0">{rows}</table>' if rows else ""
    beside = f"<div>{aside}</div>" if aside else ""
    return Markup(
        '<div style="display: flex; flex-wrap: wrap; gap: 16px; align-items: flex-start">'
        f'{beside}<div><div style="font-weight: 600">{html.escape(title)}</div>{body}</div></div>'
    )


def gallery(tiles: Iterable[tuple[str, str, str]], total: int) -> Markup:
    """Pictures with a name and a word below each.

    Args:
        tiles: picture, name and a word of each; of very many the first are shown.
        total: how many there are in all.
    """
    shown = [tile for tile, _ in zip(tiles, range(MOST_ROWS), strict=False)]
    if not shown:
        return note("Nothing here.")
    made = "".join(
        f'<figure style="margin: 0; width: 112px">{picture(address, name, 112)}'
        f'<figcaption style="font-size: 12px; line-height: 1.35; padding-top: 4px; overflow-wrap: anywhere">'
        f'{html.escape(name)}<br><span style="{SOFT}">{html.escape(word)}</span></figcaption></figure>'
        for address, name, word in shown
    )
    return Markup(
        f'<div style="display: flex; flex-wrap: wrap; gap: 12px; padding: 4px 0">{made}</div>{more(total - len(shown))}'
    )


def picture(address: str | None, name: str, size: int) -> Markup:
    """A square picture; a place without one keeps its shape.

    Args:
        address: http, https, or an image as a data URL; anything else is not shown.
        name: what it shows.
        size: width and height in pixels.
    """
    frame = f"width: {size}px; height: {size}px; border-radius: 6px; object-fit: cover; background: {SHADE}"
    if address is None or not is_picture(address):
        return Markup(f'<div style="{frame}"></div>')
    return Markup(
        f'<img src="{html.escape(address)}" alt="{html.escape(name)}" width="{size}" height="{size}" '
        f'loading="lazy" referrerpolicy="no-referrer" style="{frame}; margin: 0">'
    )


def is_picture(address: str) -> bool:
    """Whether an address may stand in a page as a picture's."""
    try:
        scheme = urlsplit(address).scheme
    except ValueError:
        return False
    return scheme in ("http", "https") or address.startswith("data:image/")


def player(media_type: str, base64: str, name: str = "") -> Markup:
    """A player for a short sound, which is in the page itself."""
    return Markup(
        f'<audio controls preload="none" aria-label="{html.escape(name)}" style="height: 32px; max-width: 260px" '
        f'src="data:{html.escape(media_type)};base64,{html.escape(base64)}"></audio>'
    )


def figure(number: str, words: str) -> Markup:
    """One number, large, and what it is."""
    return Markup(
        f'<div><span style="font-size: 28px; font-weight: 600; font-variant-numeric: tabular-nums">'
        f'{html.escape(number)}</span> <span style="{SOFT}">{html.escape(words)}</span></div>'
    )


def note(words: str) -> Markup:
    """A line of small print."""
    return Markup(f'<div style="{SOFT}; padding: 4px 0">{html.escape(words)}</div>')


def more(count: int) -> str:
    """That there are more than are shown."""
    return note(f"and {count:,} more") if count > 0 else ""
