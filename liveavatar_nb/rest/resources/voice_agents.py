"""`api.voice_agents`: the account's stored voice agents."""

from __future__ import annotations

from ...models.voice_agents import VoiceAgent, VoiceAgentListItem
from ..operation import Resource, listing, operation


class VoiceAgents(Resource):
    """`/v1/voice_agents`: stored personas that lead a conversation. You make them in the service's dashboard."""

    @listing("GET /v1/voice_agents")
    def list(self) -> type[VoiceAgentListItem]:
        """List the account's voice agents, without their configurations (`GET /v1/voice_agents`)."""
        return VoiceAgentListItem

    @operation("GET /v1/voice_agents/{agent_id}")
    def get(self, agent_id: str) -> type[VoiceAgent]:
        """Return a voice agent (`GET /v1/voice_agents/{agent_id}`)."""
        return VoiceAgent
