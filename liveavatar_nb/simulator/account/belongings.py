"""The account's other resources: contexts, secrets, language models and memories."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from .identity import CREATED_MOMENT

VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """A context: what an avatar in a FULL session knows, and how it opens a conversation.

    Times are in simulated microseconds since the epoch, here and in the classes below.
    """

    id: str
    name: str
    prompt: str
    opening_text: str | None
    links: tuple[dict[str, Any], ...] | None = None
    created_at: int
    updated_at: int

    @property
    def variables(self) -> list[str]:
        """The names of the ``${name}`` variables in the prompt and opening text, in order of appearance."""
        return list(dict.fromkeys(VARIABLE.findall(f"{self.prompt}\n{self.opening_text or ''}")))

    def opening(self, values: dict[str, str]) -> str | None:
        """Return the opening text with the variables filled in; None if there is none."""
        return _fill(self.opening_text, values) if self.opening_text else None

    def instruction(self, values: dict[str, str]) -> str:
        """Return the prompt with the variables filled in."""
        return _fill(self.prompt, values)


# the context that the vendor's own examples use
PUBLIC_CONTEXT: Final = Context(
    id="5b9dba8a-aa31-11f0-a6ee-066a7fa2e369",
    name="Sample assistant",
    prompt="You are a friendly assistant who shows what a live avatar can do. Answer in one or two short sentences.",
    opening_text="Hello! What would you like to talk about?",
    created_at=CREATED_MOMENT,
    updated_at=CREATED_MOMENT,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """A record of a key for another service; the key itself is never stored."""

    id: str
    name: str
    type: str
    created_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmConfiguration:
    """A language model that the account has configured."""

    id: str
    display_name: str
    model_name: str
    secret_id: str
    base_url: str | None = None
    created_at: int
    updated_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """A memory: what the service remembers from one session."""

    id: str
    session_id: str
    content: str | None
    created_at: int


def _fill(text: str, values: dict[str, str]) -> str:
    return VARIABLE.sub(lambda match: values.get(match[1], match[0]), text)
