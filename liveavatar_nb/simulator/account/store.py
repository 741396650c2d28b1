"""What the account has made and can take back, by id."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Generic, Protocol, TypeVar

from .ledger import Refused

SHOWN_ID: Final = 64


class _Thing(Protocol):
    @property
    def id(self) -> str: ...


Thing = TypeVar("Thing", bound=_Thing)


class Store(Generic[Thing]):
    """Things of one kind; its iteration has the newest first, as the service's lists have.

    Parameters
    ----------
    noun: what one of them is called in the message of a 404.
    """

    def __init__(self, noun: str) -> None:
        self._noun = noun
        self._things: dict[str, Thing] = {}

    def __iter__(self) -> Iterator[Thing]:
        return iter(list(reversed(self._things.values())))

    def get(self, thing_id: str | None) -> Thing | None:
        return self._things.get(thing_id.lower()) if thing_id else None

    def find(self, thing_id: str, *, field: str | None = None) -> Thing:
        """The thing, or a 404 that names it, and the body's field where the id came from one."""
        found = self.get(thing_id)
        if found is None:
            place = f"{field}: there" if field else "There"
            raise Refused(404, f"{place} is no {self._noun} {thing_id[:SHOWN_ID]}")
        return found

    def keep(self, thing: Thing) -> Thing:
        """Adds it, or puts it in the place of the one with its id."""
        self._things[thing.id] = thing
        return thing

    def delete(self, thing_id: str) -> None:
        del self._things[self.find(thing_id).id]
