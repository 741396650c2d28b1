"""Avatars' pictures for pages: as an address that a page reaches by itself, or as bytes that it asks for."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from typing import Any
from urllib.parse import urlsplit

from ..errors import LiveAvatarException
from .base import ControlledWidget

logger = logging.getLogger("liveavatar_nb.widgets")

FETCHES_AT_ONCE = 8


class PictureSender(ControlledWidget):
    """A widget whose page shows avatars' pictures.

    Args:
        la: the client, a `LiveAvatar`.
        traits: of ipywidgets' DOM widgets, `layout` for one.
    """

    def __init__(self, la: Any, **traits: Any) -> None:
        self._pictures: dict[str, tuple[str, bytes]] = {}
        self._received: set[str] = set()
        self._fetching = asyncio.Semaphore(FETCHES_AT_ONCE)
        super().__init__(la, **traits)

    async def do_pictures(self, avatar_ids: list[str]) -> None:
        """Sends pictures that only the kernel can reach."""
        await asyncio.gather(*(self._send_picture(avatar_id) for avatar_id in map(str, avatar_ids)))

    async def do_received(self, avatar_ids: list[str]) -> None:
        """The page has these pictures."""
        self._received.update(map(str, avatar_ids))

    def _address_of(self, avatar_id: str) -> str | None:
        """Where the picture of an avatar is, which this widget shows; else None."""
        return None

    async def _send_picture(self, avatar_id: str) -> None:
        picture = self._pictures.get(avatar_id)
        if picture is None:
            url = self._address_of(avatar_id)
            if url is None:
                return
            async with self._fetching:
                try:
                    picture = await self._client.api.transport.fetch(url)
                except LiveAvatarException as failure:
                    logger.warning("the picture of avatar %s could not be fetched: %s", avatar_id, failure.message)
                    return
            self._pictures[avatar_id] = picture
        media_type, content = picture
        self._post({"type": "picture", "avatar_id": avatar_id, "media_type": media_type}, [content])


def picture_of(url: str | None) -> dict[str, Any] | None:
    """What a page is told of a picture; None where there is none."""
    if not url:
        return None
    return {"bytes": True} if only_from_here(url) else {"url": url}


def only_from_here(url: str) -> bool:
    """Whether an address may mean another machine in the browser than it does in the kernel."""
    host = urlsplit(url).hostname or ""
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return "." not in host or host.endswith((".local", ".localhost", ".internal"))
