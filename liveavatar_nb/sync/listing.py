"""`Rows`: a `Listing` without `await`, which fetches each page only when it is needed."""

from __future__ import annotations

import asyncio
import functools
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from ..bridge.loop import bridge
from ..bridge.wrappers import SyncWrapper, as_sync
from ..errors import LiveAvatarException
from ..models.base import Records, list_html
from ..rest.pagination import Listing, name_of, pick

if TYPE_CHECKING:
    import pandas as pd

SHOWN_AT_LEAST = 20  # minimum number of items to show, if a second list follows the first

P = ParamSpec("P")
R = TypeVar("R")


class Rows(Generic[R]):
    """A list from the service, with iteration, `len` and lookup by index or name.

    Each page is fetched only once. `rows["Silas"]` is the item with that name or id. Notebooks display the first page.

    Args:
        listing: The async list.
        kind: A plural noun for the items, e.g. `avatars`.
        holder: The client, which stays alive as long as this object.
    """

    def __init__(self, listing: Listing[R], kind: str, holder: SyncWrapper | None = None) -> None:
        self._listing = listing
        self._holder = holder
        self._kind = kind
        self._cursor = listing.cursor()
        self._seen: Records[R] = Records()
        self._reading = asyncio.Lock()
        self._shown = 0
        self._has_failed = False
        self._is_dressed = False

    def _turn(self) -> None:
        bridge.call(self._read_on(), closes=True)
        if not self._shown and (not self._cursor.is_between_lists or len(self._seen) >= SHOWN_AT_LEAST):
            self._shown = len(self._seen)

    async def _read_on(self) -> None:
        # pages are stored on the loop, one at a time: an interrupted wait loses no page, and no page is fetched twice
        async with self._reading:
            self._seen += await self._cursor.turn()

    def _look(self) -> Records[R]:
        """Return the items to show: the first page and, if the first list is short, the next list's first page."""
        while not self._shown and not self._cursor.is_at_end:
            self._turn()
        return self._seen[: self._shown or None]

    def all(self) -> Records[R]:
        """Return all items as a list."""
        while not self._cursor.is_at_end:
            self._turn()
        return self._seen[:]

    def page(self, number: int = 1) -> Records[R]:
        """Return the items of one page; the first page is number 1."""
        return bridge.call(self._listing.page(number), closes=True)

    def to_pandas(self) -> pd.DataFrame:
        """Return all items as a DataFrame, with a row per item and a column per field.

        Raises:
            ConfigurationError: pandas is not installed.
        """
        return self.all().to_pandas()

    def to_dict(self) -> list[dict[str, Any]]:
        """Return all items as plain, JSON-serializable data."""
        return self.all().to_dict()

    def __iter__(self) -> Iterator[R]:
        index = 0
        while True:
            while index >= len(self._seen):
                if self._cursor.is_at_end:
                    return
                self._turn()
            yield self._seen[index]
            index += 1

    def __len__(self) -> int:
        counted = None if self._cursor.is_at_end else bridge.call(self._cursor.count(), closes=True)
        return len(self.all()) if counted is None else counted

    def __bool__(self) -> bool:
        while not self._seen and not self._cursor.is_at_end:
            self._turn()
        return bool(self._seen)

    @overload
    def __getitem__(self, index: int | str) -> R: ...
    @overload
    def __getitem__(self, index: slice) -> Records[R]: ...
    def __getitem__(self, index: int | str | slice) -> R | Records[R]:
        if isinstance(index, str):
            return pick(index, self.all(), self._kind)
        if isinstance(index, slice):
            wanted = index.stop if (index.start or 0) >= 0 and (index.stop or -1) >= 0 else sys.maxsize
            while not self._cursor.is_at_end and len(self._seen) < wanted:
                self._turn()
            return self._seen[index]
        while not self._cursor.is_at_end and not 0 <= index < len(self._seen):
            self._turn()
        return self._seen[index]

    def __contains__(self, item: object) -> bool:
        if isinstance(item, str):
            return any(item in (getattr(row, "id", None), name_of(row)) for row in self)
        return any(item == row for row in self)

    def _ipython_key_completions_(self) -> list[str]:
        return [name_of(item) for item in self._seen]

    def __repr__(self) -> str:
        try:
            shown = self._look()
        except LiveAvatarException:
            # a notebook calls `_repr_html_` next, which would show the same error again
            self._has_failed = True
            raise
        hidden = len(self) - len(shown)
        return "[" + ",\n ".join(map(repr, shown)) + (f",\n ... and {hidden:,} more]" if hidden > 0 else "]")

    def _repr_html_(self) -> str | None:
        if self._has_failed:
            self._has_failed = False
            return None
        shown = self._look()
        if not self._is_dressed:
            self._is_dressed = True
            bridge.call(self._listing.dress(shown), closes=True)
        return list_html(shown, len(self))


def blocking_rows(
    method: Callable[Concatenate[Any, P], Listing[R]],
) -> Callable[Concatenate[Any, P], Rows[R]]:
    """Turn a method that returns a `Listing` into one that returns `Rows`."""
    owner = method.__qualname__.split(".")[0].lower()
    kind = owner if method.__name__ in ("list", "public") else method.__name__

    @functools.wraps(method)
    def wrapper(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> Rows[R]:
        return Rows(method(self._inner, *args, **kwargs), kind, self)

    return as_sync(wrapper, method, Rows)
