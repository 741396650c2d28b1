"""`api.avatars`: the account's own avatars and the public ones."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import Sequence
from types import NoneType
from urllib.parse import urlsplit

from msgspec import UNSET, UnsetType

from ...config import DRESS_LIMIT, is_loopback
from ...errors import LiveAvatarException
from ...models.avatars import Avatar
from ...models.requests import PageNumber, PageSize
from ..operation import Resource, listing, operation


class Avatars(Resource):
    """`/v1/avatars`: the account's own avatars and the public ones."""

    @listing("GET /v1/avatars")
    def list(self, *, page: PageNumber = 1, page_size: PageSize = 20) -> type[Avatar]:
        """List the account's own avatars (`GET /v1/avatars`).

        Args:
            page: The first page to fetch, from 1.
            page_size: The number of items per page, 1 to 100.
        """
        return Avatar

    @listing("GET /v1/avatars/public", signed=False)
    def public(self, *, page: PageNumber = 1, page_size: PageSize = 20) -> type[Avatar]:
        """List the public avatars (`GET /v1/avatars/public`).

        Args:
            page: The first page to fetch, from 1.
            page_size: The number of items per page, 1 to 100.
        """
        return Avatar

    @operation("GET /v1/avatars/{avatar_id}")
    def get(self, avatar_id: str) -> type[Avatar]:
        """Return an avatar (`GET /v1/avatars/{avatar_id}`)."""
        return Avatar

    @operation("PATCH /v1/avatars/{avatar_id}")
    def update(
        self,
        avatar_id: str,
        *,
        name: str | UnsetType | None = UNSET,
        default_voice_id: str | UnsetType | None = UNSET,
    ) -> type[Avatar]:
        """Update one of the account's avatars (`PATCH /v1/avatars/{avatar_id}`); omitted fields don't change.

        Args:
            avatar_id: The avatar's id.
            name: The new name.
            default_voice_id: The id of the voice to use if a session doesn't set one.
        """
        return Avatar

    @operation("DELETE /v1/avatars/{avatar_id}")
    def delete(self, avatar_id: str) -> type[None]:
        """Permanently delete one of the account's avatars (`DELETE /v1/avatars/{avatar_id}`)."""
        return NoneType

    async def _dress(self, avatars: Sequence[Avatar]) -> None:
        """Fetch the pictures that only this machine can reach, because the page may be open on another machine."""

        async def fetch(avatar: Avatar, address: str) -> None:
            with contextlib.suppress(LiveAvatarException):
                kind, picture = await self._transport.fetch(address)
                if kind.startswith("image/"):
                    avatar.__dict__["_fetched"] = f"data:{kind};base64,{base64.b64encode(picture).decode()}"

        near = [avatar for avatar in avatars if avatar.preview_url and _is_local(avatar.preview_url)]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRESS_LIMIT):
                await asyncio.gather(*(fetch(avatar, avatar.preview_url or "") for avatar in near))


def _is_local(address: str) -> bool:
    try:
        return is_loopback(urlsplit(address).hostname)
    except ValueError:
        return False
