"""`api.avatars`: the account's own, and those that all may use."""

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
    """`/v1/avatars`: the account's own, and those that all may use."""

    @listing("GET /v1/avatars")
    def list(self, *, page: PageNumber = 1, page_size: PageSize = 20) -> type[Avatar]:
        """The account's own avatars (`GET /v1/avatars`).

        Args:
            page: the page to begin with, from 1.
            page_size: items of a page, 1 to 100.
        """
        return Avatar

    @listing("GET /v1/avatars/public", signed=False)
    def public(self, *, page: PageNumber = 1, page_size: PageSize = 20) -> type[Avatar]:
        """Avatars that all may use (`GET /v1/avatars/public`).

        Args:
            page: the page to begin with, from 1.
            page_size: items of a page, 1 to 100.
        """
        return Avatar

    @operation("GET /v1/avatars/{avatar_id}")
    def get(self, avatar_id: str) -> type[Avatar]:
        """One avatar (`GET /v1/avatars/{avatar_id}`)."""
        return Avatar

    @operation("PATCH /v1/avatars/{avatar_id}")
    def update(
        self,
        avatar_id: str,
        *,
        name: str | UnsetType | None = UNSET,
        default_voice_id: str | UnsetType | None = UNSET,
    ) -> type[Avatar]:
        """Changes an avatar of the account's (`PATCH /v1/avatars/{avatar_id}`); what is not given stays.

        Args:
            avatar_id: which.
            name: its new name.
            default_voice_id: the voice that it speaks with where a session names none.
        """
        return Avatar

    @operation("DELETE /v1/avatars/{avatar_id}")
    def delete(self, avatar_id: str) -> type[None]:
        """Deletes an avatar of the account's for good (`DELETE /v1/avatars/{avatar_id}`)."""
        return NoneType

    async def _dress(self, avatars: Sequence[Avatar]) -> None:
        """Fetches the pictures that only this machine can reach: the page may be on another one."""

        async def fetch(avatar: Avatar, address: str) -> None:
            with contextlib.suppress(LiveAvatarException):
                kind, picture = await self._transport.fetch(address)
                if kind.startswith("image/"):
                    avatar.__dict__["_fetched"] = f"data:{kind};base64,{base64.b64encode(picture).decode()}"

        near = [one for one in avatars if one.preview_url and _is_near(one.preview_url)]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRESS_LIMIT):
                await asyncio.gather(*(fetch(avatar, avatar.preview_url or "") for avatar in near))


def _is_near(address: str) -> bool:
    try:
        return is_loopback(urlsplit(address).hostname)
    except ValueError:
        return False
