"""Context records: what an avatar knows, how it behaves and what it says first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from .. import html
from ..validation import check, strict
from .base import Record


class Context(Record):
    """A context, as it appears in a list (schema `Context`): what an avatar knows and how it behaves."""

    _columns: ClassVar = ("name", "updated_at", "id")

    id: str
    name: str
    created_at: datetime
    updated_at: datetime


class ContextLink(Record):
    """A web page that a context uses (schema `ContextLink`)."""

    url: str
    faq: str | None
    id: str


class ContextDetail(Record):
    """A context with its prompt (schema `ContextDetail`).

    `required_dynamic_variables` lists the names that a session must provide values for.
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
    """A context that `start` creates for one session (`POST /v1/contexts`) and deletes afterwards.

    Attributes:
        name: The context's name.
        prompt: What the avatar knows and how it behaves; `dynamic_variables` supplies the values for its `{{names}}`.
        opening_text: What the avatar says first; None if it says nothing.
        links: Web pages to use, e.g. `[{"url": "https://example.org", "faq": None}]`.

    Raises:
        InvalidArgument: An argument is missing or has the wrong type.
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


# @dataclass generates `__init__` after the class body, so it can't be wrapped inside the body
NewContext.__init__ = strict(NewContext.__init__)  # type: ignore[method-assign]
