"""What an account owns beside avatars, voices and sessions: contexts, secrets, language models, memories."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

VARIABLE: Final = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a FULL avatar knows and how it begins; moments are simulated microseconds, here and below."""

    id: str
    name: str
    prompt: str
    opening_text: str | None
    links: tuple[dict[str, Any], ...] | None = None
    created_at: int
    updated_at: int

    @property
    def variables(self) -> list[str]:
        """The ``{{name}}`` of its texts, in their order."""
        return list(dict.fromkeys(VARIABLE.findall(f"{self.prompt}\n{self.opening_text or ''}")))

    def opening(self, values: dict[str, str]) -> str | None:
        """What the avatar says first, with its variables filled in."""
        return _filled(self.opening_text, values) if self.opening_text else None

    def instruction(self, values: dict[str, str]) -> str:
        """The prompt, with its variables filled in."""
        return _filled(self.prompt, values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """A key for another service, without the key: that is never kept."""

    id: str
    name: str
    type: str
    created_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmConfiguration:
    """A language model of the account's own."""

    id: str
    display_name: str
    model_name: str
    secret_id: str
    base_url: str | None = None
    created_at: int
    updated_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What is remembered of one session."""

    id: str
    session_id: str
    content: str | None
    created_at: int


def _filled(text: str, values: dict[str, str]) -> str:
    return VARIABLE.sub(lambda found: values.get(found[1], found[0]), text)
