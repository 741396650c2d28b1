"""`PictureSender`: gives pages the avatars' pictures, as public addresses or, on request, as bytes."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from ..errors import LiveAvatarException
from .controller import Answer, Controller
from .link import Link

logger = logging.getLogger("liveavatar_nb.widgets")

FETCHES_AT_ONCE = 8
# seconds to wait before each attempt to send pictures that a page may be unable to request while a cell runs
OFFER_DELAYS = (0.5, 1.0, 2.0, 4.0, 8.0)


class PictureSender(Controller):
    """Sends pages the pictures that only the kernel can reach.

    Args:
        link: The connection to the pages.
        addresses: Functions that take an avatar's id and return the address of its picture, or None. The first address
            found is used.
        offered: Returns the ids of the avatars whose pictures are sent without a request once the widget is displayed.
    """

    def __init__(
        self,
        link: Link,
        *addresses: Callable[[str], str | None],
        offered: Callable[[], Iterable[str]] | None = None,
    ) -> None:
        self._link = link
        self._addresses = addresses
        self._offered = offered
        self._pictures: dict[str, tuple[str, bytes]] = {}
        self._received: set[str] = set()
        self._fetching = asyncio.Semaphore(FETCHES_AT_ONCE)

    def commands(self) -> Mapping[str, Answer]:
        return {"pictures": self.send, "received": self.note_received}

    def display(self) -> None:
        if self._offered is not None:
            self._link.submit(self._offer(self._offered), "the pictures")

    def address_of(self, avatar_id: str) -> str | None:
        """Return the address of an avatar's picture; None if the widget does not show the avatar."""
        return next((found for find in self._addresses if (found := find(avatar_id)) is not None), None)

    async def send(self, avatar_ids: list[str]) -> None:
        """Send these avatars' pictures to the pages."""
        await asyncio.gather(*(self._send_picture(avatar_id) for avatar_id in map(str, avatar_ids)))

    async def note_received(self, avatar_ids: list[str]) -> None:
        """Record that the page has received these pictures."""
        self._received.update(map(str, avatar_ids))

    async def _offer(self, offered: Callable[[], Iterable[str]]) -> None:
        for delay in OFFER_DELAYS:
            await asyncio.sleep(delay)
            top = list(offered())
            missing = [avatar_id for avatar_id in top if avatar_id not in self._received]
            if top and not missing:
                return
            await self.send(missing)

    async def _send_picture(self, avatar_id: str) -> None:
        picture = self._pictures.get(avatar_id)
        if picture is None:
            url = self.address_of(avatar_id)
            if url is None:
                return
            async with self._fetching:
                try:
                    picture = await self._link.client.api.transport.fetch(url)
                except LiveAvatarException as failure:
                    logger.warning("cannot fetch the picture of avatar %s: %s", avatar_id, failure.message)
                    return
            self._pictures[avatar_id] = picture
        media_type, content = picture
        self._link.send({"type": "picture", "avatar_id": avatar_id, "media_type": media_type}, [content])


def picture_of(url: str | None) -> dict[str, Any] | None:
    """Return what a page needs to show a picture; None if there is no picture."""
    if not url:
        return None
    return {"bytes": True} if only_from_here(url) else {"url": url}


def only_from_here(url: str) -> bool:
    """Return whether a browser may reach a different machine at this address than the kernel does."""
    host = urlsplit(url).hostname or ""
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return "." not in host or host.endswith((".local", ".localhost", ".internal"))
