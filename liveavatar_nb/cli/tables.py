"""Plain text for a terminal: tables that fit its width, and text from outside made harmless."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from decimal import ROUND_FLOOR, Decimal
from typing import TYPE_CHECKING, Final

from ..html import clock

if TYPE_CHECKING:
    from ..models.avatars import Avatar
    from ..models.sessions import SessionRecord
    from ..protection.orphans import OwnedSession

WHOSE: Final = {"orphan": "left over", "another machine": "elsewhere", "stranger": "stranger"}
STOP_ORPHANS: Final = "liveavatar-nb sessions --orphans --stop"
STOP_HOW: Final = 'To stop one: LiveAvatar().api.sessions.stop("its id").'
CENT: Final = Decimal("0.01")
GAP: Final = "  "
ELLIPSIS: Final = "…"
UNSAFE: Final = ("Cc", "Cf", "Cs", "Zl", "Zp")  # categories of Unicode that move the cursor, hide, or turn the text
LINE_BREAKS: Final = re.compile(r"[\t\n\v\f\r\x85\u2028\u2029]+")


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        title: its head.
        least: cells of a terminal that it may be cut down to; None never cuts it.
        is_optional: where the width is too small even so, it is left out, the last such column first.
        is_number: aligned to the right.
    """

    title: str
    least: int | None = None
    is_optional: bool = False
    is_number: bool = False


AVATARS: Final = (
    Column("NAME", least=20),
    Column("WHOSE", is_optional=True),
    Column("STATUS"),
    Column("ID"),
    Column("TYPE", is_optional=True),
    Column("VOICE", least=8, is_optional=True),
)
LIFE: Final = (
    Column("MODE", is_optional=True),
    Column("LENGTH", is_number=True),
    Column("CREDITS", is_number=True),
)
ACTIVE: Final = (
    Column("STARTED", is_optional=True),
    *LIFE,
    Column("ID"),
    Column("WHOSE", least=11),
    Column("SOURCE", is_optional=True),
)
ENDED: Final = (
    Column("STARTED"),
    *LIFE,
    Column("ENDED", least=10),
    Column("ID", is_optional=True),
    Column("SOURCE", is_optional=True),
)


def avatars(found: Sequence[tuple[Avatar, str]], width: int | None = None) -> str:
    """Avatars as a table.

    Args:
        found: each with whose it is, `mine` or `public`.
        width: as for `table`.
    """

    def row(one: Avatar, whose: str) -> tuple[str, ...]:
        status = "expired" if one.is_expired else one.status
        return one.name, whose, status, one.id, one.type, one.default_voice.name if one.default_voice else "-"

    return table(AVATARS, [row(one, whose) for one, whose in found], width)


def running(records: Sequence[OwnedSession], width: int | None = None) -> str:
    """Sessions that run as a table: the time of their start, their length in minutes and seconds, whose they are.

    Args:
        records: the sessions.
        width: as for `table`.
    """
    return table(ACTIVE, [(*_life(one, "%H:%M:%S"), one.id, _whose(one), one.source) for one in records], width)


def ended(records: Sequence[SessionRecord], width: int | None = None) -> str:
    """Sessions that ended as a table: their start in local time, their length, the reason of their end.

    Args:
        records: the sessions.
        width: as for `table`.
    """
    rows = [(*_life(one, "%Y-%m-%d %H:%M"), one.end_words or "-", one.id, one.source) for one in records]
    return table(ENDED, rows, width)


def _life(one: SessionRecord, form: str) -> tuple[str, ...]:
    created = one.created_at if one.created_at.tzinfo else one.created_at.replace(tzinfo=UTC)
    price = "free" if one.is_sandbox else f"{one.credits_consumed:.2f}"
    return f"{created.astimezone():{form}}", one.mode, clock(one.duration), price


def _whose(one: OwnedSession) -> str:
    if one.whose in ("this kernel", "another kernel"):
        return f"kernel {one.pid}" if one.pid else "a kernel"
    return WHOSE.get(one.whose or "", "-")


def credits_text(left: Decimal) -> str:
    """Credits to two places, never more than there are."""
    return f"{left.quantize(CENT, ROUND_FLOOR):f}".removesuffix(".00")


def table(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int | None = None) -> str:
    """A table as lines of text, heads first.

    Args:
        columns: what stands in each row, in this order.
        rows: the texts; control characters in them are shown as `?`.
        width: cells of the terminal; None cuts nothing and leaves nothing out.

    Returns:
        The lines; where columns were left out a last line names them.
    """
    texts = [
        [column.title for column in columns],
        *[[plain(LINE_BREAKS.sub(" ", text)) for text in row] for row in rows],
    ]
    widths = [max(cells(row[index]) for row in texts) for index in range(len(columns))]
    kept = list(range(len(columns))) if width is None else _fit(columns, widths, width)
    lines = []
    for row in texts:
        shown = [_padded(row[index], widths[index], right=columns[index].is_number) for index in kept]
        lines.append(GAP.join(shown).rstrip())
    if left_out := [column.title for index, column in enumerate(columns) if index not in kept]:
        *first, last = left_out
        told = f"{', '.join(first)} and {last}" if first else last
        lines.append(f"(For want of width without {told}; --json has everything.)")
    return "\n".join(lines)


def cells(text: str) -> int:
    """How many cells of a terminal a text takes: wide signs take two, combining ones none."""
    return sum(map(_cells_of, text))


def cut(text: str, width: int) -> str:
    """The text, cut with an ellipsis where it takes more than `width` cells."""
    if cells(text) <= width:
        return text
    room, kept = width - 1, ""
    for sign in text:
        room -= _cells_of(sign)
        if room < 0:
            break
        kept += sign
    return kept + ELLIPSIS


def plain(text: str) -> str:
    """The text without what would steer a terminal: each control character but the line's end becomes `?`."""
    return "".join("?" if unicodedata.category(sign) in UNSAFE and sign != "\n" else sign for sign in text)


def _fit(columns: Sequence[Column], widths: list[int], width: int) -> list[int]:
    """Makes `widths` fit: leaves out what has no room, then cuts the widest. Returns the columns that stay."""
    kept = list(range(len(columns)))

    def excess(of: Sequence[int]) -> int:
        return sum(of[index] for index in kept) + len(GAP) * (len(kept) - 1) - width

    least = [min(full, column.least or full) for full, column in zip(widths, columns, strict=True)]
    while excess(least) > 0 and (optional := [index for index in kept if columns[index].is_optional]):
        kept.remove(optional[-1])
    while excess(widths) > 0 and (spare := [index for index in kept if widths[index] > least[index]]):
        widths[max(spare, key=widths.__getitem__)] -= 1
    return kept


def _padded(text: str, width: int, *, right: bool) -> str:
    text = cut(text, width)
    space = " " * (width - cells(text))
    return space + text if right else text + space


def _cells_of(sign: str) -> int:
    if unicodedata.category(sign) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(sign) in "WF" else 1
