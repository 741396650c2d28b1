"""Context records: what an avatar knows, how it behaves and what it says first."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final

from .. import html
from ..errors import warn
from ..validation import check, strict
from .base import Record

VARIABLE: Final = re.compile(r"\$\{(\w+)\}")
OLD_VARIABLE: Final = re.compile(r"\{\{\s*(\w+)\s*\}\}")  # once documented, and still found in older contexts


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
        prompt: What the avatar knows and how it behaves; `dynamic_variables` supplies the values for its `${names}`.
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


def variables_in(*texts: str | None) -> list[str]:
    """Return the names of the `${variables}` in these texts, without duplicates."""
    return list(dict.fromkeys(name for text in texts for name in VARIABLE.findall(text or "")))


def warn_of_old_variables(*texts: str | None) -> None:
    """Warn if any of these texts has a variable in its old form, which the service leaves as it is.

    Args:
        texts: A context's prompt and opening text.
    """
    old = next((match for text in texts if (match := OLD_VARIABLE.search(text or ""))), None)
    if old is not None:
        warn(f"LiveAvatar does not fill in {old[0]}. Write ${{{old[1]}}} in the context's prompt or opening text.")
