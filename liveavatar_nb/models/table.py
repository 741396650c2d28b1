"""A list of records as a table of HTML."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from .. import html
from .base import Record

R = TypeVar("R", bound=Record)

Columns = Mapping[str, Callable[[R], Any]]  # of a table: headings, and what stands below them


def table(columns: Columns[R], records: Sequence[R], total: int) -> html.Markup:
    """A list of records under headings of its own, with a column for each field that a newer service added."""
    added = dict.fromkeys(name for one in records for name in one.extra)

    def row(one: R) -> list[Any]:
        extra = dict(one._shown(one.extra))
        return [*(value_of(one) for value_of in columns.values()), *(extra.get(name) for name in added)]

    return html.table([*columns, *added], map(row, records), total)
