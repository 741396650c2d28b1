"""A list of the service's, which comes in pages and is read as far as it is looked at."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from .errors import InvalidArgument

T = TypeVar("T")


@dataclass(frozen=True)
class Page(Generic[T]):
    """One page: its items, how many there are on all pages, and whether another follows."""

    items: list[T]
    count: int
    has_next: bool


class Listing(Generic[T]):
    """A list of the service's.

    `async for` goes over all pages, `await` gives all items as a list, `await listing.page(n)` one page's.

    Args:
        sources: one function for each list of the service's, from a page's number (from 1) to the page;
            their items follow one another.
        keep: which items to keep; all when not given.
    """

    def __init__(self, *sources: Callable[[int], Awaitable[Page[T]]], keep: Callable[[T], bool] | None = None) -> None:
        self._sources = sources
        self._keep = keep or (lambda item: True)

    @classmethod
    def chain(cls, *listings: Listing[T], keep: Callable[[T], bool] | None = None) -> Listing[T]:
        """The items of several listings, one after the other."""
        return cls(*(source for listing in listings for source in listing._sources), keep=keep)

    async def __aiter__(self) -> AsyncIterator[T]:
        for source in self._sources:
            number = 1
            while True:
                page = await source(number)
                for item in page.items:
                    if self._keep(item):
                        yield item
                if not (page.has_next and page.items):
                    break
                number += 1

    def __await__(self) -> Generator[Any, None, list[T]]:
        return self.all().__await__()

    async def all(self) -> list[T]:
        """All items, as `await` gives them."""
        return [item async for item in self]

    async def page(self, number: int = 1) -> list[T]:
        """The items of one page of the service's list (of each, where there are several).

        Args:
            number: from 1.
        """
        if number < 1:
            raise InvalidArgument(f"page must be 1 or more, not {number}.")
        return [item for source in self._sources for item in (await source(number)).items if self._keep(item)]

    def __repr__(self) -> str:
        return "<Listing: `await` it for all items, or go over it with `async for`>"
