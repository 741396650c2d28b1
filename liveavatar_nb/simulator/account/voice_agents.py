"""The account's voice agents, which are the same in every simulator, because no call creates one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

from .belongings import PUBLIC_CONTEXT
from .identity import CREATED_AT, identifier
from .voices import public_voice

AgentType = Literal["liveavatar_agent", "elevenlabs_agent", "cartesia_agent"]


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceAgent:
    """A stored persona that leads a conversation."""

    id: str
    name: str
    type: AgentType
    configuration: dict[str, Any]

    @property
    def is_elsewhere(self) -> bool:
        """Whether another provider runs the agent."""
        return self.type != "liveavatar_agent"

    def to_json(self) -> dict[str, Any]:
        """Return the agent as the API lists it, without its configuration."""
        return {
            "id": self.id,
            "name": self.name,
            "agent_type": self.type,
            "created_at": CREATED_AT,
            "updated_at": CREATED_AT,
        }


def _agent(name: str, agent_type: AgentType, **configuration: Any) -> VoiceAgent:
    return VoiceAgent(id=identifier(f"voice agent: {name}"), name=name, type=agent_type, configuration=configuration)


VOICE_AGENTS: Final = (
    _agent(
        "Assistant",
        "liveavatar_agent",
        voice_id=public_voice("Clara").id,
        context_id=PUBLIC_CONTEXT.id,
        language="en",
        voice_settings=None,
        stt_config=None,
        llm_settings=None,
    ),
    _agent(
        "Assistant (ElevenLabs)",
        "elevenlabs_agent",
        secret_id=identifier("voice agent: key of ElevenLabs"),
        agent_id="agent_assistant",
    ),
    _agent(
        "Assistant (Cartesia)",
        "cartesia_agent",
        secret_id=identifier("voice agent: key of Cartesia"),
        agent_id="agent_assistant",
    ),
)
