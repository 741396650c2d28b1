"""Records of voice agents: stored personas that lead a conversation."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from .. import html
from .base import Record


class VoiceAgentListItem(Record):
    """A voice agent, as it appears in a list (schema `VoiceAgentListItem`)."""

    _columns: ClassVar = ("name", "agent_type", "updated_at", "id")

    id: str
    agent_type: str
    name: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None


class VoiceAgent(Record):
    """A voice agent with its configuration (schema `VoiceAgent`).

    `agent_type` is `liveavatar_agent`, `elevenlabs_agent` or `cartesia_agent`. `agent_configuration` holds the voice,
    context and language of a `liveavatar_agent`, and whatever the provider needs for the other types.
    """

    id: str
    agent_type: str
    agent_configuration: dict[str, Any]
    name: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None

    def _repr_html_(self) -> str:
        shown = dict(self._shown(self.keys()))
        configuration = shown.pop("agent_configuration")
        return html.card(shown.pop("name") or self.id, [*shown.items(), *configuration.items()])
