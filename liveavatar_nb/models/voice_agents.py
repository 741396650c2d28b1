"""Records of voice agents: stored personas that lead a conversation."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, Final

from .. import html
from .base import Record

ELSEWHERE: Final = ("elevenlabs_agent", "cartesia_agent")  # the types of agents that another provider runs


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

    @property
    def is_elsewhere(self) -> bool:
        """Whether another provider runs the agent, which makes a session LITE even though the agent answers."""
        return self.agent_type in ELSEWHERE

    def _repr_html_(self) -> str:
        shown = dict(self._shown(self.keys()))
        configuration = shown.pop("agent_configuration")
        return html.card(shown.pop("name") or self.id, [*shown.items(), *configuration.items()])
