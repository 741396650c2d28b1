"""`api.contexts`: what an avatar knows and how it behaves in a conversation."""

from __future__ import annotations

import builtins
from types import NoneType

from ...models.contexts import Context, ContextDetail, warn_of_old_variables
from ...models.requests import ContextLinkIn, PageNumber, PageSize
from ..operation import Resource, listing, operation


class Contexts(Resource):
    """`/v1/contexts`: what an avatar knows and how it behaves in a conversation."""

    @listing("GET /v1/contexts")
    def list(self, *, page: PageNumber = 1, page_size: PageSize = 20) -> type[Context]:
        """List the account's contexts, without their prompts (`GET /v1/contexts`).

        Args:
            page: The first page to fetch, from 1.
            page_size: The number of items per page, 1 to 100.
        """
        return Context

    @operation("GET /v1/contexts/{context_id}")
    def get(self, context_id: str) -> type[ContextDetail]:
        """Return a context with its prompt (`GET /v1/contexts/{context_id}`)."""
        return ContextDetail

    @operation("POST /v1/contexts")
    def create(
        self,
        *,
        name: str,
        prompt: str,
        opening_text: str | None,
        links: builtins.list[ContextLinkIn] | None = None,
    ) -> type[ContextDetail]:
        """Create a context (`POST /v1/contexts`).

        Args:
            name: The context's name.
            prompt: What the avatar knows and how it behaves; each session supplies values for the `${names}` in it.
            opening_text: What the avatar says first, or None for nothing.
            links: Web pages to use, e.g. `[{"url": "https://example.org", "faq": None}]`.

        Warns:
            LiveAvatarWarning: A text has a variable in its old form, `{{name}}`, which stays as it is.
        """
        warn_of_old_variables(prompt, opening_text)
        return ContextDetail

    @operation("PATCH /v1/contexts/{context_id}")
    def update(
        self,
        context_id: str,
        *,
        name: str,
        prompt: str,
        opening_text: str | None,
        links: builtins.list[ContextLinkIn] | None = None,
    ) -> type[ContextDetail]:
        """Update a context (`PATCH /v1/contexts/{context_id}`); all of its fields must be passed.

        Args:
            context_id: The context's id.
            name: The context's name.
            prompt: What the avatar knows and how it behaves.
            opening_text: What the avatar says first, or None for nothing.
            links: Web pages to use; include the `id` of each page that the context already has.

        Warns:
            LiveAvatarWarning: A text has a variable in its old form, `{{name}}`, which stays as it is.
        """
        warn_of_old_variables(prompt, opening_text)
        return ContextDetail

    @operation("DELETE /v1/contexts/{context_id}")
    def delete(self, context_id: str) -> type[None]:
        """Delete a context (`DELETE /v1/contexts/{context_id}`)."""
        return NoneType
