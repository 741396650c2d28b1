"""Contexts: what an avatar knows, and how it opens."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from .. import html
from ..validation import check, strict
from .base import Record


class Context(Record):
    """What an avatar knows and how it behaves, in a list (schema `Context`)."""

    _columns: ClassVar = ("name", "updated_at", "id")

    id: str
    name: str
    created_at: datetime
    updated_at: datetime


class ContextLink(Record):
    """A page that a context draws on (schema `ContextLink`)."""

    url: str
    faq: str | None
    id: str


class ContextDetail(Record):
    """A context with its prompt (schema `ContextDetail`).

    `required_dynamic_variables` are the names that a session must give values for.
    """

    id: str
    name: str
    prompt: str
    opening_text: str | None
    created_at: datetime
    updated_at: datetime
    required_dynamic_variables: list[str]
    links: list[ContextLink] | None = None

    def _repr_html_(self) -> str:
        links = "\n".join(link.url for link in self.links or ()) or None
        shown = {**dict(self._shown(self.keys())), "links": links}
        return html.card(shown.pop("name"), shown.items())


@dataclass(frozen=True)
class NewContext:
    """A context that `start` makes for one session (`POST /v1/contexts`), and that is deleted with it.

    Attributes:
        name: what it is called.
        prompt: what the avatar knows and how it behaves; `{{names}}` are filled in by `dynamic_variables`.
        opening_text: what it says first; None for nothing.
        links: pages that it draws on, as in `[{"url": "https://example.org", "faq": None}]`.

    Raises:
        InvalidArgument: one of them is missing, or of another type.
    """

    name: str
    prompt: str
    opening_text: str | None = None
    links: list[Any] | None = None

    def __post_init__(self) -> None:
        check(self.name, str, "name")
        check(self.prompt, str, "prompt")
        check(self.opening_text, str | None, "opening_text")
        check(self.links, list[Any] | None, "links")


# a dataclass writes it by itself
NewContext.__init__ = strict(NewContext.__init__)  # type: ignore[method-assign]
