"""The contract's operations: for each, the method, the path, and a short name for use in faults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation; several operations on the same resource may share a short name."""

    method: str
    path: str
    name: str

    @property
    def id(self) -> str:
        """The operationId in the contract."""
        path = self.path.strip("/").replace("/", "_").replace("-", "_")
        return f"{self.method.lower()}_{path.replace('{', '').replace('}', '')}"


OPERATIONS: Final = tuple(
    Operation(*entry)
    for entry in (
        ("POST", "/v1/sessions/token", "token"),
        ("POST", "/v1/sessions/start", "start"),
        ("POST", "/v1/sessions/stop", "stop"),
        ("POST", "/v1/sessions/keep-alive", "keep_alive"),
        ("GET", "/v1/sessions", "sessions"),
        ("GET", "/v1/sessions/{session_id}", "session"),
        ("GET", "/v1/sessions/{session_id}/transcript", "transcript"),
        ("DELETE", "/v1/sessions/{session_id}/events", "events"),
        ("GET", "/v1/avatars", "avatars"),
        ("GET", "/v1/avatars/public", "avatars"),
        ("POST", "/v1-alpha/avatars/image", "avatars"),
        ("GET", "/v1/avatars/{avatar_id}", "avatars"),
        ("PATCH", "/v1/avatars/{avatar_id}", "avatars"),
        ("DELETE", "/v1/avatars/{avatar_id}", "avatars"),
        ("GET", "/v1/voices", "voices"),
        ("POST", "/v1/voices/third_party", "voices"),
        ("GET", "/v1/voices/{voice_id}", "voices"),
        ("PATCH", "/v1/voices/{voice_id}", "voices"),
        ("DELETE", "/v1/voices/{voice_id}", "voices"),
        ("GET", "/v1/voices/{voice_id}/preview", "voices"),
        ("GET", "/v1/voice_agents", "voice_agents"),
        ("GET", "/v1/voice_agents/{agent_id}", "voice_agents"),
        ("GET", "/v1/contexts", "contexts"),
        ("POST", "/v1/contexts", "contexts"),
        ("GET", "/v1/contexts/{context_id}", "contexts"),
        ("PATCH", "/v1/contexts/{context_id}", "contexts"),
        ("DELETE", "/v1/contexts/{context_id}", "contexts"),
        ("GET", "/v1/languages", "languages"),
        ("GET", "/v1/users/credits", "credits"),
        ("POST", "/v2/embeddings", "embeddings"),
        ("GET", "/v1/secrets", "secrets"),
        ("POST", "/v1/secrets", "secrets"),
        ("DELETE", "/v1/secrets/{secret_id}", "secrets"),
        ("GET", "/v1/llm-configurations", "llm_configurations"),
        ("POST", "/v1/llm-configurations", "llm_configurations"),
        ("GET", "/v1/llm-configurations/{config_id}", "llm_configurations"),
        ("PATCH", "/v1/llm-configurations/{config_id}", "llm_configurations"),
        ("DELETE", "/v1/llm-configurations/{config_id}", "llm_configurations"),
        ("GET", "/v1/memory", "memory"),
        ("POST", "/v1/memory", "memory"),
        ("GET", "/v1/memory/{memory_id}", "memory"),
        ("DELETE", "/v1/memory/{memory_id}", "memory"),
    )
)
