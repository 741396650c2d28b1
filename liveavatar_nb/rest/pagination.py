"""A list of the service's, which comes in pages and is read as far as it is looked at."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from ..errors import InvalidArgument, SchemaError
from ..models.base import NAMES, Records
from ..validation import nearest

T = TypeVar("T")

Source = Callable[[int], Awaitable["Page[T]"]]
Dress = Callable[[Sequence[T]], Awaitable[None]]

FEW: Final = 5  # names that an error lists


@dataclass(frozen=True)
class Page(Generic[T]):
    """One page: its items, how many there are on all pages, and whether another follows."""

    items: Records[T]
    count: int
    has_next: bool


class Cursor(Generic[T]):
    """A place in a listing; `turn` goes to the next page.

    Args:
        sources: from a page's number to the page, one for each list.
        keep: which items to keep.
        first: the number of the page to begin with.
    """

    def __init__(self, sources: Sequence[Source[T]], keep: Callable[[T], bool] | None, first: int) -> None:
        self._sources = sources
        self._keep = keep
        self._first = self._number = first
        self._at = 0
        self._before: Records[T] | None = None
        self._beginnings: dict[int, Page[T]] = {}

    @property
    def is_at_end(self) -> bool:
        """Whether no page follows."""
        return self._at >= len(self._sources)

    @property
    def is_between_lists(self) -> bool:
        """Whether the next page is the first of its list."""
        return self._before is None

    async def turn(self) -> Records[T]:
        """The items of the next page, none where there is no other.

        Raises:
            SchemaError: the service sent the same page twice.
        """
        if self.is_at_end:
            return Records()
        page = await (self._beginning(self._at) if self.is_between_lists else self._sources[self._at](self._number))
        if page.items and page.items == self._before:
            raise SchemaError(f"The list cannot be read: page {self._number} is the same as the one before it.")
        self._before, self._number = page.items, self._number + 1
        if not (page.has_next and page.items):
            self._before, self._number, self._at = None, self._first, self._at + 1
        return page.items if self._keep is None else Records(item for item in page.items if self._keep(item))

    async def count(self) -> int | None:
        """How many items there are by the service's own count; None where only reading all of them tells."""
        if self._keep is not None or self._first != 1:
            return None
        return sum([(await self._beginning(at)).count for at in range(len(self._sources))])

    async def _beginning(self, at: int) -> Page[T]:
        """The first page of a list, which is read once."""
        if at not in self._beginnings:
            self._beginnings[at] = await self._sources[at](self._first)
        return self._beginnings[at]


class Listing(Generic[T]):
    """A list of the service's.

    `async for` goes over all pages and reads each when it is reached, `await` gives all items, and
    `await listing.page(n)` those of one page; both are lists with `to_pandas()` that show themselves as a table.

    Args:
        sources: one function for each list of the service's, from a page's number (from 1) to the page;
            their items follow one another.
        keep: which items to keep; all when not given.
        first: the page to begin with.
        dress: fetches what items need to show themselves, as pictures.
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
        """The items of several listings, one after the other."""
        return cls(
            *(source for listing in listings for source in listing._sources), keep=keep, dress=listings[0]._dress
        )

    def map(self, change: Callable[[Sequence[T]], Awaitable[list[T]]]) -> Listing[T]:
        """The same list, with the items of each page as `change` gives them."""

        def changed(source: Source[T]) -> Source[T]:
            async def turn(number: int) -> Page[T]:
                page = await source(number)
                return Page(Records(await change(page.items)), page.count, page.has_next)

            return turn

        return Listing(*map(changed, self._sources), keep=self._keep, first=self._first, dress=self._dress)

    def cursor(self) -> Cursor[T]:
        """A place before the first page."""
        return Cursor(self._sources, self._keep, self._first)

    async def __aiter__(self) -> AsyncIterator[T]:
        cursor = self.cursor()
        while not cursor.is_at_end:
            for item in await cursor.turn():
                yield item

    def __await__(self) -> Generator[Any, None, Records[T]]:
        return self.all().__await__()

    async def all(self) -> Records[T]:
        """All items, as `await` gives them."""
        return Records([item async for item in self])

    async def page(self, number: int = 1) -> Records[T]:
        """The items of one page of the service's list (of each, where there are several).

        Args:
            number: from 1.
        """
        if type(number) is not int or number < 1:
            raise InvalidArgument(f"page must be 1 or more, not {number!r}.", field="page")
        pages = [await source(number) for source in self._sources]
        return Records(item for page in pages for item in page.items if self._keep is None or self._keep(item))

    async def count(self) -> int:
        """How many items there are, by the service's own count; where a filter is set, by reading all."""
        counted = await self.cursor().count()
        return len(await self.all()) if counted is None else counted

    async def dress(self, items: Sequence[T]) -> None:
        """Fetches what these items need to show themselves."""
        if self._dress is not None:
            await self._dress(items)

    def __repr__(self) -> str:
        return "<Listing: `await` it for all items, or go over it with `async for`>"


def pick(sought: str, items: Sequence[T], what: str, *, field: str | None = None) -> T:
    """The item of that id or name: by its id, its exact name, or its name in any case, whatever comes first.

    Args:
        sought: id or name.
        items: where to look.
        what: what the items are, in the plural, for the error.
        field: the argument that was looked up.

    Raises:
        InvalidArgument: there is none, or several have the name.
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
                f"{len(found)} {what} are named {sought!r}: {', '.join(map(str, found))}.",
                remedy="Give one of these ids.",
                field=field,
            )
        if found:
            return next(iter(found.values()))
    names = list(map(name_of, items))
    near = nearest(sought, names, cutoff=0.5) or next(
        (name for name in names if folded and folded in name.casefold()), None
    )
    told = f"Did you mean {near!r}?" if near else f"Look through the {what} for the name."
    if not near and 0 < len(names) <= FEW:
        told = f"There are: {', '.join(map(repr, names))}."
    raise InvalidArgument(f"There is no {sought!r} among the {len(items)} {what}.", remedy=told, field=field)


def name_of(item: object) -> str:
    """What a record is called, "" where it has no name."""
    return next((str(getattr(item, name)) for name in NAMES if hasattr(item, name)), "")
