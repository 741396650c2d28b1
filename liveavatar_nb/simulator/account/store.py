"""Resources that the account can create and delete, stored by id."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, Generic, Protocol, TypeVar

from .ledger import Refused

SHOWN_ID: Final = 64


class _HasId(Protocol):
    @property
    def id(self) -> str: ...


Resource = TypeVar("Resource", bound=_HasId)


class Store(Generic[Resource]):
    """The resources of one kind; iterating yields the newest first, as in the service's lists.

    Args:
        noun: The word for one such resource, used in 404 messages.
        public: Resources of the service's own, which are found by their ids, but neither listed nor changed.
    """

    def __init__(self, noun: str, public: Iterable[Resource] = ()) -> None:
        self._noun = noun
        self._public = {resource.id: resource for resource in public}
        self._resources: dict[str, Resource] = {}

    def __iter__(self) -> Iterator[Resource]:
        return iter(list(reversed(self._resources.values())))

    def get(self, resource_id: str | None) -> Resource | None:
        """Return the resource with this id, ignoring case, or None."""
        key = (resource_id or "").lower()
        return self._resources.get(key) or self._public.get(key)

    def find(self, resource_id: str, *, field: str | None = None) -> Resource:
        """Return the resource with this id.

        Args:
            resource_id: The id, in upper or lower case.
            field: The body field that contained the id, to be named in the error message.

        Raises:
            Refused: There is no such resource (404).
        """
        resource = self.get(resource_id)
        if resource is None:
            subject = f"{field}: there" if field else "There"
            raise Refused(404, f"{subject} is no {self._noun} {resource_id[:SHOWN_ID]}")
        return resource

    def find_own(self, resource_id: str) -> Resource:
        """Return the resource with this id if the account may change it.

        Raises:
            Refused: There is no such resource (404), or it is the service's own (403).
        """
        resource = self.find(resource_id)
        if resource.id in self._public:
            raise Refused(403, f"This {self._noun} is public: only your own can be changed or deleted")
        return resource

    def keep(self, resource: Resource) -> Resource:
        """Add the resource, or replace the one with the same id; return it."""
        self._resources[resource.id] = resource
        return resource

    def delete(self, resource_id: str) -> None:
        """Delete the resource with this id.

        Raises:
            Refused: There is no such resource (404), or it is the service's own (403).
        """
        del self._resources[self.find_own(resource_id).id]
