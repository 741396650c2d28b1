"""Lists from the service, which come in pages; each page is fetched only when iteration reaches it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Sequence
from typing import Any, Final, Generic, TypeVar

from msgspec import Struct

from ..errors import InvalidArgument, SchemaError
from ..models.base import NAMES, Records
from ..validation import nearest

T = TypeVar("T")

Source = Callable[[int], Awaitable["Page[T]"]]
Dress = Callable[[Sequence[T]], Awaitable[None]]

FEW: Final = 5  # maximum number of names to list in an error


class Page(Struct, Generic[T], frozen=True):
    """One page: its items, the number of items on all pages, and whether another page follows."""

    items: Records[T]
    count: int
    has_next: bool


class Cursor(Generic[T]):
    """A position in a listing; `turn` moves past the next page and returns its items.

    Args:
        sources: For each list, a function that fetches a page by its number.
        keep: A function that returns whether to keep an item; None keeps all items.
        first: The number of the first page to fetch.
    """

    def __init__(self, sources: Sequence[Source[T]], keep: Callable[[T], bool] | None, first: int) -> None:
        self._sources = sources
        self._keep = keep
        self._first = self._number = first
        self._at = 0
        self._previous: Records[T] | None = None
        self._first_pages: dict[int, Page[T]] = {}

    @property
    def is_at_end(self) -> bool:
        """Whether there are no more pages."""
        return self._at >= len(self._sources)

    @property
    def is_between_lists(self) -> bool:
        """Whether the next page is the first of its list."""
        return self._previous is None

    async def turn(self) -> Records[T]:
        """Return the items of the next page; the list is empty if there is no next page.

        Raises:
            SchemaError: The service sent the same page twice.
        """
        if self.is_at_end:
            return Records()
        page = await (self._first_page(self._at) if self.is_between_lists else self._sources[self._at](self._number))
        if page.items and page.items == self._previous:
            raise SchemaError(f"The list can't be read: page {self._number} is the same as the one before it.")
        self._previous, self._number = page.items, self._number + 1
        if not (page.has_next and page.items):
            self._previous, self._number, self._at = None, self._first, self._at + 1
        return page.items if self._keep is None else Records(item for item in page.items if self._keep(item))

    async def count(self) -> int | None:
        """Return the number of items reported by the service, or None if counting requires reading all items."""
        if self._keep is not None or self._first != 1:
            return None
        return sum([(await self._first_page(at)).count for at in range(len(self._sources))])

    async def _first_page(self, at: int) -> Page[T]:
        """Return the first page of a list, fetching it only once."""
        if at not in self._first_pages:
            self._first_pages[at] = await self._sources[at](self._first)
        return self._first_pages[at]


class Listing(Generic[T]):
    """One of the service's lists.

    `async for` iterates over all pages and fetches each when it is reached. `await` returns all items, and
    `await listing.page(n)` those of one page. Both results are lists with `to_pandas()`, shown as tables in a notebook.

    Args:
        sources: For each of the service's lists, a function that fetches a page by its number (from 1). The lists are
            read one after the other.
        keep: A function that returns whether to keep an item. Defaults to keeping all items.
        first: The number of the first page to fetch.
        dress: A function that fetches whatever else is needed to display the items, e.g. pictures.
    """

    def __init__(
        self,
        *sources: Source[T],
        keep: Callable[[T], bool] | None = None,
        first: int = 1,
        dress: Dress[T] | None = None,
    ) -> None:
        self._sources = sources
        self._keep = keep
        self._first = first
        self._dress = dress

    @classmethod
    def chain(cls, *listings: Listing[T], keep: Callable[[T], bool] | None = None) -> Listing[T]:
        """Join several listings into one, which reads them one after the other."""
        return cls(
            *(source for listing in listings for source in listing._sources), keep=keep, dress=listings[0]._dress
        )

    def map(self, change: Callable[[Sequence[T]], Awaitable[list[T]]]) -> Listing[T]:
        """Return the same listing with each page's items replaced by the result of `change`."""

        def changed(source: Source[T]) -> Source[T]:
            async def turn(number: int) -> Page[T]:
                page = await source(number)
                return Page(Records(await change(page.items)), page.count, page.has_next)

            return turn

        return Listing(*map(changed, self._sources), keep=self._keep, first=self._first, dress=self._dress)

    def cursor(self) -> Cursor[T]:
        """Return a cursor that starts before the first page."""
        return Cursor(self._sources, self._keep, self._first)

    async def __aiter__(self) -> AsyncIterator[T]:
        cursor = self.cursor()
        while not cursor.is_at_end:
            for item in await cursor.turn():
                yield item

    def __await__(self) -> Generator[Any, None, Records[T]]:
        return self.all().__await__()

    async def all(self) -> Records[T]:
        """Return all items, as `await` does."""
        return Records([item async for item in self])

    async def page(self, number: int = 1) -> Records[T]:
        """Return the items of one page; if several lists were joined, return the items of that page from each list.

        Args:
            number: The page's number, from 1.
        """
        if type(number) is not int or number < 1:
            raise InvalidArgument(f"page must be 1 or more, not {number!r}.", field="page")
        pages = [await source(number) for source in self._sources]
        return Records(item for page in pages for item in page.items if self._keep is None or self._keep(item))

    async def count(self) -> int:
        """Return the number of items; if a filter applies, all items are read to count the matching ones."""
        counted = await self.cursor().count()
        return len(await self.all()) if counted is None else counted

    async def dress(self, items: Sequence[T]) -> None:
        """Fetch whatever else is needed to display these items."""
        if self._dress is not None:
            await self._dress(items)

    def __repr__(self) -> str:
        return "<Listing: `await` it for all items, or iterate over it with `async for`>"


def pick(sought: str, items: Sequence[T], kinds: str, *, field: str | None = None) -> T:
    """Find an item by its id, else by its exact name, else by its name ignoring case.

    Args:
        sought: The id or name.
        items: The items to search.
        kinds: A plural noun for the items, e.g. `avatars`, used in the error.
        field: The name of the argument that holds the id or name, used in the error.

    Raises:
        InvalidArgument: No item matches, or several have this name.
    """
    folded = sought.casefold()
    tests: list[Callable[[T], bool]] = [
        lambda item: str(getattr(item, "id", "")) == folded,
        lambda item: name_of(item) == sought,
        lambda item: name_of(item).casefold() == folded,
    ]
    for matches in tests:
        found = {getattr(item, "id", name_of(item)): item for item in items if matches(item)}
        if len(found) > 1:
            raise InvalidArgument(
                f"{len(found)} {kinds} are named {sought!r}: {', '.join(map(str, found))}.",
                remedy="Pass one of these ids.",
                field=field,
            )
        if found:
            return next(iter(found.values()))
    names = list(map(name_of, items))
    near = nearest(sought, names, cutoff=0.5) or next(
        (name for name in names if folded and folded in name.casefold()), None
    )
    remedy = f"Did you mean {near!r}?" if near else f"Look for the name in the list of {kinds}."
    if not near and 0 < len(names) <= FEW:
        remedy = f"Use one of: {', '.join(map(repr, names))}."
    raise InvalidArgument(f"There is no {sought!r} among the {len(items)} {kinds}.", remedy=remedy, field=field)


def name_of(item: object) -> str:
    """Return a record's name, or "" if it has none."""
    return next((str(getattr(item, name)) for name in NAMES if hasattr(item, name)), "")
