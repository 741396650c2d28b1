"""`api.contexts`: what an avatar knows and how it behaves in a conversation."""

from __future__ import annotations

import builtins
from types import NoneType

from ...models.contexts import Context, ContextDetail
from ...models.requests import ContextLinkIn, PageNumber, PageSize
from ..operation import Resource, listing, operation


class Contexts(Resource):
    """`/v1/contexts`: what an avatar knows and how it behaves in a conversation."""

    @listing("GET /v1/contexts")
    def list(self, *, page: PageNumber = 1, page_size: PageSize = 20) -> type[Context]:
        """The account's contexts, without their prompts (`GET /v1/contexts`).

        Args:
            page: the page to begin with, from 1.
            page_size: items of a page, 1 to 100.
        """
        return Context

    @operation("GET /v1/contexts/{context_id}")
    def get(self, context_id: str) -> type[ContextDetail]:
        """One context with its prompt (`GET /v1/contexts/{context_id}`)."""
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
        """Makes a context (`POST /v1/contexts`).

        Args:
            name: what it is called.
            prompt: what the avatar knows and how it behaves; `{{names}}` are filled in by each session.
            opening_text: what it says first; None for nothing.
            links: pages that it draws on, as in `[{"url": "https://example.org", "faq": None}]`.
        """
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
        """Changes a context (`PATCH /v1/contexts/{context_id}`): the service wants all of its fields.

        Args:
            context_id: which.
            name: what it is called.
            prompt: what the avatar knows and how it behaves.
            opening_text: what it says first; None for nothing.
            links: pages that it draws on; those that are there already have an `id`.
        """
        return ContextDetail

    @operation("DELETE /v1/contexts/{context_id}")
    def delete(self, context_id: str) -> type[None]:
        """Deletes a context (`DELETE /v1/contexts/{context_id}`)."""
        return NoneType
