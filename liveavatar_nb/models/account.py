"""Account records: credits, secrets, memories, language models and more."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import ClassVar, Final

from .. import html
from ..config import CREDITS_PER_MINUTE
from .base import Record

LARGEST_EXPONENT: Final = 30  # base-10 exponent of the largest plausible number of credits


class Language(Record):
    """A language that avatars speak (schema `Language`)."""

    language: str
    code: str


class Credits(Record):
    """The credits left on the account (schema `Credits`)."""

    credits_left: Decimal

    def __post_init__(self) -> None:
        left = self.credits_left
        if not left.is_finite() or left.adjusted() > LARGEST_EXPONENT:
            raise ValueError("`credits_left` is not a valid number of credits")

    def __repr__(self) -> str:
        return f"<Credits {self.credits_left} left>"

    def _repr_html_(self) -> str:
        minutes = {mode: int(float(self.credits_left) / price) for mode, price in CREDITS_PER_MINUTE.items()}
        spans = [f"{time:,} min of {mode}" for mode, time in sorted(minutes.items(), reverse=True)]
        summary = f"Enough for {', or '.join(spans)}." if max(minutes.values()) > 0 else "Less than a minute is left."
        number = html.figure(f"{self.credits_left:,f}", "credits left")
        return number + html.note(summary) + html.properties(self._shown(self.extra))


class Embed(Record):
    """An avatar to embed in a web page (schema `Embed`; `POST /v2/embeddings`)."""

    embed_id: str
    url: str
    script: str | None = None
    orientation: str = "horizontal"


class Secret(Record):
    """A secret stored by the service under a name (schema `Secret`); its value is never returned."""

    id: str
    secret_name: str


class SecretListItem(Record):
    """A secret, as it appears in a list (schema `SecretListItem`)."""

    _columns: ClassVar = ("secret_name", "secret_type", "created_at", "id")

    id: str
    secret_name: str
    secret_type: str
    created_at: datetime | None = None


class LlmConfigListItem(Record):
    """Your own language model, as it appears in a list (schema `LlmConfigListItem`)."""

    _columns: ClassVar = ("display_name", "model_name", "secret_id", "id")

    id: str
    display_name: str
    model_name: str
    secret_id: str


class LlmConfig(Record):
    """Your own language model (schema `LlmConfig`)."""

    id: str
    base_url: str | None
    display_name: str
    model_name: str
    secret_id: str
    created_at: datetime
    updated_at: datetime

    def _repr_html_(self) -> str:
        shown = dict(self._shown(self.keys()))
        return html.card(shown.pop("display_name"), shown.items())


class Memory(Record):
    """What the service remembers from a session (schema `Memory`)."""

    id: str
    memory_type: str
    memory_content: str | None
    created_at: datetime


class MemoryListItem(Record):
    """A memory, as it appears in a list (schema `MemoryListItem`)."""

    _columns: ClassVar = ("memory_content_preview", "memory_type", "updated_at", "id")

    id: str
    memory_type: str
    memory_content_preview: str | None
    created_at: datetime
    updated_at: datetime


class MemoryEpisode(Record):
    """The part of a memory that comes from one session (schema `MemoryEpisode`)."""

    session_id: str
    sequence_num: int
    summary: str
    created_at: datetime


class MemoryDetail(Record):
    """A memory with its episodes (schema `MemoryDetail`)."""

    id: str
    memory_type: str
    memory_content: str | None
    session_episodes: list[MemoryEpisode]
    created_at: datetime
    updated_at: datetime

    def _repr_html_(self) -> str:
        episodes = "\n".join(f"{episode.sequence_num}. {episode.summary}" for episode in self.session_episodes)
        shown = {**dict(self._shown(self.keys())), "session_episodes": episodes or None}
        return html.card("Memory", shown.items())
