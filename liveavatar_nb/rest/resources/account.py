"""The account's other things: credits, languages, secrets, language models, memory, embeddings."""

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
    """`/v1/users/credits`."""

    @operation("GET /v1/users/credits")
    def get(self) -> type[Credits]:
        """What is left on the account (`GET /v1/users/credits`)."""
        return Credits


class Languages(Resource):
    """`/v1/languages`."""

    @listing("GET /v1/languages", signed=False)
    def list(self) -> type[Language]:
        """The languages that avatars speak (`GET /v1/languages`)."""
        return Language


class Embeddings(Resource):
    """`/v2/embeddings`."""

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
        """Makes an avatar for a web page (`POST /v2/embeddings`).

        Args:
            avatar_id: which avatar.
            context_id: what it knows.
            voice_id: its voice; its own where not given.
            type: `DEFAULT` or `WIDGET`.
            max_session_duration: seconds of one conversation at most.
            default_language: a code of at most 5 characters, as in `en`.
            is_sandbox: free, one minute, and only the sandbox avatar.
            orientation: `horizontal` or `vertical`.
        """
        return Embed


class Secrets(Resource):
    """`/v1/secrets`: keys of other services, kept by this one; a value goes in and never comes out."""

    @listing("GET /v1/secrets")
    def list(self) -> type[SecretListItem]:
        """The account's secrets, without their values (`GET /v1/secrets`)."""
        return SecretListItem

    @operation("POST /v1/secrets")
    def create(self, *, secret_name: Name255, secret_value: SecretText, secret_type: SecretType) -> type[Secret]:
        """Gives the service a secret to keep (`POST /v1/secrets`).

        Args:
            secret_name: what it is called, 1 to 255 characters.
            secret_value: the secret, best as `Masked(...)`, so that no cell shows it.
            secret_type: `OPENAI_API_KEY`, `ELEVENLABS_API_KEY` or `GEMINI_API_KEY`.
        """
        return Secret

    @operation("DELETE /v1/secrets/{secret_id}")
    def delete(self, secret_id: str) -> type[None]:
        """Deletes a secret (`DELETE /v1/secrets/{secret_id}`)."""
        return NoneType


class LlmConfigurations(Resource):
    """`/v1/llm-configurations`: language models of your own."""

    @listing("GET /v1/llm-configurations")
    def list(self) -> type[LlmConfigListItem]:
        """The account's language models (`GET /v1/llm-configurations`)."""
        return LlmConfigListItem

    @operation("GET /v1/llm-configurations/{config_id}")
    def get(self, config_id: str) -> type[LlmConfig]:
        """One language model (`GET /v1/llm-configurations/{config_id}`)."""
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
        """Makes a language model known (`POST /v1/llm-configurations`).

        Args:
            display_name: what it is called here, 1 to 255 characters.
            model_name: what its provider calls it, 1 to 255 characters.
            secret_id: the provider's key, kept by `secrets.create`.
            base_url: the address of an API that speaks as OpenAI's does.
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
        """Changes a language model (`PATCH /v1/llm-configurations/{config_id}`); what is not given stays.

        Args:
            config_id: which.
            base_url, display_name, model_name, secret_id: as for `create`.
        """
        return LlmConfig

    @operation("DELETE /v1/llm-configurations/{config_id}")
    def delete(self, config_id: str) -> type[None]:
        """Deletes a language model (`DELETE /v1/llm-configurations/{config_id}`)."""
        return NoneType


class Memories(Resource):
    """`/v1/memory`: what is remembered of conversations."""

    @listing("GET /v1/memory")
    def list(
        self,
        *,
        type: Literal["session"] | None = None,  # noqa: A002 (the contract's name)
        page: PageNumber = 1,
        page_size: PageSize = 20,
    ) -> type[MemoryListItem]:
        """The account's memories (`GET /v1/memory`).

        Args:
            type: only those of a kind; the contract knows `session`.
            page: the page to begin with, from 1.
            page_size: items of a page, 1 to 100.
        """
        return MemoryListItem

    @operation("GET /v1/memory/{memory_id}")
    def get(self, memory_id: str) -> type[MemoryDetail]:
        """One memory with its episodes (`GET /v1/memory/{memory_id}`)."""
        return MemoryDetail

    @operation("POST /v1/memory")
    def create(self, *, session_id: Id, memory_type: Literal["session"] = "session") -> type[Memory]:
        """Remembers a session (`POST /v1/memory`).

        Args:
            session_id: which.
            memory_type: the contract knows `session`.
        """
        return Memory

    @operation("DELETE /v1/memory/{memory_id}")
    def delete(self, memory_id: str) -> type[None]:
        """Forgets a memory (`DELETE /v1/memory/{memory_id}`)."""
        return NoneType
