"""Account resources: credits, languages, secrets, language models, memories, embeddings."""

from __future__ import annotations

from types import NoneType
from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from ...models.account import (
    Credits,
    Embed,
    Language,
    LlmConfig,
    LlmConfigListItem,
    Memory,
    MemoryDetail,
    MemoryListItem,
    Secret,
    SecretListItem,
)
from ...models.requests import Id, Name255, Orientation, PageNumber, PageSize, SecretText, SecretType
from ..operation import Resource, listing, operation


class AccountCredits(Resource):
    """`/v1/users/credits`: the account's remaining credits."""

    @operation("GET /v1/users/credits")
    def get(self) -> type[Credits]:
        """Return the credits left on the account (`GET /v1/users/credits`)."""
        return Credits


class Languages(Resource):
    """`/v1/languages`: the languages that avatars speak."""

    @listing("GET /v1/languages", signed=False)
    def list(self) -> type[Language]:
        """List the languages that avatars speak (`GET /v1/languages`)."""
        return Language


class Embeddings(Resource):
    """`/v2/embeddings`: avatars to embed in web pages."""

    @operation("POST /v2/embeddings")
    def create(
        self,
        *,
        avatar_id: Id,
        context_id: Id,
        voice_id: Id | None = None,
        type: Literal["DEFAULT", "WIDGET"] = "DEFAULT",  # noqa: A002 (the contract's name)
        max_session_duration: Annotated[int, Meta(gt=0)] | None = None,
        default_language: Annotated[str, Meta(max_length=5)] | None = None,
        is_sandbox: bool = False,
        orientation: Orientation = "horizontal",
    ) -> type[Embed]:
        """Create an avatar to embed in a web page (`POST /v2/embeddings`).

        Args:
            avatar_id: The avatar's id.
            context_id: The id of the context that describes what the avatar knows.
            voice_id: The voice's id. Defaults to the avatar's own voice.
            type: `DEFAULT` or `WIDGET`.
            max_session_duration: The maximum length of a conversation, in seconds.
            default_language: A language code of at most 5 characters, e.g. `en`.
            is_sandbox: Whether to use the sandbox, which is free but limited to one minute and the sandbox avatar.
            orientation: `horizontal` or `vertical`.
        """
        return Embed


class Secrets(Resource):
    """`/v1/secrets`: API keys for other services. Their values can be written but never read."""

    @listing("GET /v1/secrets")
    def list(self) -> type[SecretListItem]:
        """List the account's secrets, without their values (`GET /v1/secrets`)."""
        return SecretListItem

    @operation("POST /v1/secrets")
    def create(self, *, secret_name: Name255, secret_value: SecretText, secret_type: SecretType) -> type[Secret]:
        """Store a secret (`POST /v1/secrets`).

        Args:
            secret_name: The secret's name, 1 to 255 characters.
            secret_value: The secret itself, preferably as `Masked(...)` so that no cell shows it.
            secret_type: `OPENAI_API_KEY`, `ELEVENLABS_API_KEY`, `GEMINI_API_KEY`, `CARTESIA_API_KEY`, or `LLM_API_KEY`
                for any other language model.
        """
        return Secret

    @operation("DELETE /v1/secrets/{secret_id}")
    def delete(self, secret_id: str) -> type[None]:
        """Delete a secret (`DELETE /v1/secrets/{secret_id}`)."""
        return NoneType


class LlmConfigurations(Resource):
    """`/v1/llm-configurations`: your own language models."""

    @listing("GET /v1/llm-configurations")
    def list(self) -> type[LlmConfigListItem]:
        """List the account's language models (`GET /v1/llm-configurations`)."""
        return LlmConfigListItem

    @operation("GET /v1/llm-configurations/{config_id}")
    def get(self, config_id: str) -> type[LlmConfig]:
        """Return a language model (`GET /v1/llm-configurations/{config_id}`)."""
        return LlmConfig

    @operation("POST /v1/llm-configurations")
    def create(
        self,
        *,
        display_name: Name255,
        model_name: Name255,
        secret_id: Annotated[str, Meta(min_length=1, max_length=36)],
        base_url: str | None = None,
    ) -> type[LlmConfig]:
        """Add a language model (`POST /v1/llm-configurations`).

        Args:
            display_name: The name to show, 1 to 255 characters.
            model_name: The provider's name for the model, 1 to 255 characters.
            secret_id: The id of the provider's key, from `secrets.create`.
            base_url: The URL of an OpenAI-compatible API.
        """
        return LlmConfig

    @operation("PATCH /v1/llm-configurations/{config_id}")
    def update(
        self,
        config_id: str,
        *,
        base_url: str | UnsetType | None = UNSET,
        display_name: str | UnsetType | None = UNSET,
        model_name: str | UnsetType | None = UNSET,
        secret_id: str | UnsetType | None = UNSET,
    ) -> type[LlmConfig]:
        """Update a language model (`PATCH /v1/llm-configurations/{config_id}`); omitted fields don't change.

        Args:
            config_id: The language model's id.
            base_url, display_name, model_name, secret_id: As for `create`.
        """
        return LlmConfig

    @operation("DELETE /v1/llm-configurations/{config_id}")
    def delete(self, config_id: str) -> type[None]:
        """Delete a language model (`DELETE /v1/llm-configurations/{config_id}`)."""
        return NoneType


class Memories(Resource):
    """`/v1/memory`: what the service remembers from conversations."""

    @listing("GET /v1/memory")
    def list(
        self,
        *,
        type: Literal["session"] | None = None,  # noqa: A002 (the contract's name)
        page: PageNumber = 1,
        page_size: PageSize = 20,
    ) -> type[MemoryListItem]:
        """List the account's memories (`GET /v1/memory`).

        Args:
            type: Return only memories of this type; the contract only defines `session`.
            page: The first page to fetch, from 1.
            page_size: The number of items per page, 1 to 100.
        """
        return MemoryListItem

    @operation("GET /v1/memory/{memory_id}")
    def get(self, memory_id: str) -> type[MemoryDetail]:
        """Return a memory with its episodes (`GET /v1/memory/{memory_id}`)."""
        return MemoryDetail

    @operation("POST /v1/memory")
    def create(self, *, session_id: Id, memory_type: Literal["session"] = "session") -> type[Memory]:
        """Create a memory from a session (`POST /v1/memory`).

        Args:
            session_id: The session's id.
            memory_type: The memory's type; the contract only defines `session`.
        """
        return Memory

    @operation("DELETE /v1/memory/{memory_id}")
    def delete(self, memory_id: str) -> type[None]:
        """Delete a memory (`DELETE /v1/memory/{memory_id}`)."""
        return NoneType
