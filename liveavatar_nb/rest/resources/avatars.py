"""`api.avatars`: the account's own avatars and the public ones."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import logging
from collections.abc import Callable, Sequence
from types import NoneType
from urllib.parse import urlsplit

from msgspec import UNSET, UnsetType

from ... import config
from ...config import AVATAR_READY_LIMIT, DRESS_LIMIT, is_loopback
from ...errors import AvatarNotReady, LiveAvatarException
from ...models.avatars import Avatar
from ...models.requests import ImageResolution, PageNumber, PageSize
from ..operation import ImageFile, Resource, listing, operation

logger = logging.getLogger("liveavatar_nb.avatars")


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

    @operation("POST /v1-alpha/avatars/image")
    def create_from_image(self, file: ImageFile, *, resolution: ImageResolution = "720") -> type[Avatar]:
        """Create an avatar from a photo (`POST /v1-alpha/avatars/image`); the service may still change this operation.

        The new avatar's status is `INIT`; `wait_until_active` waits until it can be used. It has no voice of its own.

        Args:
            file: A JPEG or PNG of one person, exactly 16:9 or 9:16, with a short side of at least 1,080 pixels: its
                path, its bytes, an open binary file, or a Pillow image (sent as PNG).
            resolution: The height of the avatar's video, `720` or `1080`; the latter needs one of the higher plans.

        Raises:
            InvalidArgument: The file can't be read or breaks one of these rules; nothing was sent.
            APIStatusError: The service refused the image; the message says why.
        """
        return Avatar

    async def wait_until_active(
        self,
        avatar: str | Avatar,
        *,
        limit: float = AVATAR_READY_LIMIT,
        on_progress: Callable[[Avatar], object] | None = None,
    ) -> Avatar:
        """Wait until a new avatar is `ACTIVE`, and return it (`GET /v1/avatars/{avatar_id}`, every 5 s).

        Args:
            avatar: The avatar's id, or its record.
            limit: The maximum number of seconds to wait.
            on_progress: Called with the avatar's record each time its status has changed, e.g. `print`.

        Raises:
            AvatarNotReady: The service couldn't make the avatar, or the limit has passed.
        """
        avatar_id = avatar.id if isinstance(avatar, Avatar) else avatar
        status = None
        deadline = asyncio.get_running_loop().time() + limit
        while True:
            found = await self.get(avatar_id)
            if found.status != status:
                status = found.status
                logger.info("avatar %s is %s", found.id, status)
                if on_progress is not None:
                    on_progress(found)
            if status == "ACTIVE":
                return found
            if status == "FAILED":
                reason = found.error_message or "the service gives no reason."
                raise AvatarNotReady(
                    f"Avatar {found.name} could not be made: {reason}", avatar_id=found.id, remedy="Use another image."
                )
            if asyncio.get_running_loop().time() + config.AVATAR_LOOK > deadline:
                raise AvatarNotReady(f"Avatar {found.name} is still {status} after {limit:g} s.", avatar_id=found.id)
            await asyncio.sleep(config.AVATAR_LOOK)

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
