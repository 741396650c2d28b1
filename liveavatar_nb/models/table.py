"""Renders a list of records as an HTML table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from .. import html
from .base import Record

R = TypeVar("R", bound=Record)

Columns = Mapping[str, Callable[[R], Any]]  # maps each heading to a function that returns the value for a record


def table(columns: Columns[R], records: Sequence[R], total: int) -> html.Markup:
    """Return records as a table with the given columns, plus a column for each field in `extra`."""
    added = dict.fromkeys(name for record in records for name in record.extra)

    def row(record: R) -> list[Any]:
        extra = dict(record._shown(record.extra))
        return [*(value_of(record) for value_of in columns.values()), *(extra.get(name) for name in added)]

    return html.table([*columns, *added], map(row, records), total)
