"""Operations on the account's voice agents."""

from __future__ import annotations

from typing import Final

from .calls import Answer, Call, Function


def agents(call: Call) -> Answer:
    """List the voice agents, without their configurations."""
    call.require_key()
    return 200, [agent.to_json() for agent in call.service.voice_agents]


def get(call: Call) -> Answer:
    """Return one voice agent with its configuration."""
    call.require_key()
    agent = call.service.voice_agents.find(call.path_parameter("agent_id"))
    return 200, {**agent.to_json(), "agent_configuration": agent.configuration}


FUNCTIONS: Final[dict[str, Function]] = {
    "get_v1_voice_agents": agents,
    "get_v1_voice_agents_agent_id": get,
}
