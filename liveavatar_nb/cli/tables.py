"""Plain text for a terminal: tables that fit the terminal's width, and safe output of untrusted text."""

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
STOP_HOW: Final = 'To stop one, run LiveAvatar().api.sessions.stop("its id").'
CENT: Final = Decimal("0.01")
GAP: Final = "  "
ELLIPSIS: Final = "…"
# the Unicode categories of characters that can move the cursor, or hide or reverse text
UNSAFE: Final = ("Cc", "Cf", "Cs", "Zl", "Zp")
LINE_BREAKS: Final = re.compile(r"[\t\n\v\f\r\x85\u2028\u2029]+")


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        title: The column's heading.
        least: The smallest width, in terminal cells, to which the column may be cut; None if the column is never cut.
        is_optional: Whether the column may be left out if the table is too wide; the rightmost is left out first.
        is_number: Whether to right-align the column.
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
    """Format avatars as a table.

    Args:
        found: The avatars, each with its scope: `mine` or `public`.
        width: The same as for `table`.
    """

    def row(avatar: Avatar, scope: str) -> tuple[str, ...]:
        status = "expired" if avatar.is_expired else avatar.status
        voice = avatar.default_voice.name if avatar.default_voice else "-"
        return avatar.name, scope, status, avatar.id, avatar.type, voice

    return table(AVATARS, [row(avatar, scope) for avatar, scope in found], width)


def running(records: Sequence[OwnedSession], width: int | None = None) -> str:
    """Format running sessions as a table of their start times, durations, costs and owners.

    Args:
        records: The sessions.
        width: The same as for `table`.
    """
    rows = [(*_life(record, "%H:%M:%S"), record.id, _whose(record), record.source) for record in records]
    return table(ACTIVE, rows, width)


def ended(records: Sequence[SessionRecord], width: int | None = None) -> str:
    """Format ended sessions as a table of their local start times, durations, costs and end reasons.

    Args:
        records: The sessions.
        width: The same as for `table`.
    """
    rows = [(*_life(record, "%Y-%m-%d %H:%M"), record.end_words or "-", record.id, record.source) for record in records]
    return table(ENDED, rows, width)


def _life(record: SessionRecord, form: str) -> tuple[str, ...]:
    created = record.created_at if record.created_at.tzinfo else record.created_at.replace(tzinfo=UTC)
    price = "free" if record.is_sandbox else f"{record.credits_consumed:.2f}"
    return f"{created.astimezone():{form}}", record.mode, clock(record.duration), price


def _whose(session: OwnedSession) -> str:
    if session.whose in ("this kernel", "another kernel"):
        return f"kernel {session.pid}" if session.pid else "a kernel"
    return WHOSE.get(session.whose or "", "-")


def credits_text(left: Decimal) -> str:
    """Format credits with two decimals, rounded down."""
    return f"{left.quantize(CENT, ROUND_FLOOR):f}".removesuffix(".00")


def table(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int | None = None) -> str:
    """Format a table as lines of text, headings first.

    Args:
        columns: The columns, in order.
        rows: The cells of each row as text; control characters become `?`.
        width: The terminal's width in cells; None means that nothing is cut or left out.

    Returns:
        The lines. If columns were left out, the last line names these columns.
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
        names = f"{', '.join(first)} and {last}" if first else last
        lines.append(f"(Too narrow for {names}; --json shows everything.)")
    return "\n".join(lines)


def cells(text: str) -> int:
    """Return how many terminal cells the text takes up; wide characters take two, combining marks none."""
    return sum(map(_cells_of, text))


def cut(text: str, width: int) -> str:
    """Shorten text that takes up more than `width` cells, so that it ends with an ellipsis."""
    if cells(text) <= width:
        return text
    room, kept = width - 1, ""
    for character in text:
        room -= _cells_of(character)
        if room < 0:
            break
        kept += character
    return kept + ELLIPSIS


def plain(text: str) -> str:
    """Make text safe for a terminal: every control character except the line feed becomes `?`."""
    return "".join("?" if unicodedata.category(char) in UNSAFE and char != "\n" else char for char in text)


def _fit(columns: Sequence[Column], widths: list[int], width: int) -> list[int]:
    """Make the table fit: first leave out optional columns, then narrow the widest; return the columns to show."""
    kept = list(range(len(columns)))

    def excess(sizes: Sequence[int]) -> int:
        return sum(sizes[index] for index in kept) + len(GAP) * (len(kept) - 1) - width

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


def _cells_of(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
