"""Rooms for sessions, on a given LiveKit server or the simulator's own, if one of these is available."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import importlib.util
import os
import shutil
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, Literal

from ..options import LiveKit
from .server import PROGRAM, Server, ServerFailed
from .tokens import Room, token

if TYPE_CHECKING:
    from livekit.api import LiveKitAPI

AVATAR: Final = "heygen"  # the avatar's identity in a room
CLIENT: Final = "client"
CALL_LIMIT: Final = 5.0  # maximum seconds for one call to the server's API
EMPTY_SECONDS: Final = 300  # seconds until the server closes a room that nobody has joined
LEFT_SECONDS: Final = 20  # seconds until the server closes a room that everybody has left
PACKAGES: Final = {"livekit.rtc": "livekit", "PIL": "pillow", "resvg_py": "resvg-py"}
DRAWN: Final = "drawn in the page"


class Host:
    """The rooms of one simulator.

    Args:
        wanted: The value of the option `livekit`.
        warn: Called with the reason if a session gets no room although the option asks for one.

    Attributes:
        can_join: Whether avatars can join rooms at all.
    """

    def __init__(self, wanted: Literal["auto"] | LiveKit | None, warn: Callable[[str], None]) -> None:
        self._wanted, self._warn = wanted, warn
        self._server: Server | None = None
        self._why_not: str | None = None
        self._warned: set[str] = set()
        if wanted is None:
            self._why_not = "the option livekit is not set"
        elif missing := _missing():
            self._why_not = f'{" and ".join(missing)} not installed: pip install "liveavatar-nb[media]"'
        self.can_join: Final = self._why_not is None
        if self.can_join and wanted == "auto":
            if program := shutil.which(PROGRAM):
                self._server = Server(program)
            elif os.environ.get("LIVEKIT_URL"):
                self._why_not = (
                    "LIVEKIT_URL, LIVEKIT_API_KEY and LIVEKIT_API_SECRET are not all set and valid, and there is no "
                    f"{PROGRAM} on the PATH"
                )
            else:
                self._why_not = f"no {PROGRAM} on the PATH"

    @property
    def description(self) -> str:
        """A description of where avatars can be seen and heard."""
        if self._why_not is not None:
            return f"{DRAWN}: {self._why_not}"
        if self._server is not None and not self._server.is_running:
            return f"LiveKit, run by {self._server.program}, which the first session starts"
        return f"LiveKit on {self._livekit.url}"

    async def load(self) -> None:
        """Import the packages that rooms need, off the event loop, so that later imports are instant."""
        if self.can_join:
            for name in (*PACKAGES, "livekit.api", "numpy"):
                await asyncio.to_thread(importlib.import_module, name)

    async def create_room(self, name: str) -> bool:
        """Create a room; if that is not possible, add a warning with the reason and return False."""
        if self._why_not is not None:
            if self._wanted is not None:
                self._warn_once(self.description)
            return False
        try:
            await self.ensure_running()
            await self._create(name)
        except ServerFailed as error:
            self._warn_once(f"{DRAWN}: {error}")
            return False
        return True

    def room(self, name: str, *, identity: str, seconds: float) -> Room:
        """Return a room with a token for one participant.

        Args:
            name: The room's name.
            identity: The participant's identity.
            seconds: How long the token is valid, in seconds.
        """
        return Room(self._livekit.url, name, token(self._livekit, name, identity, seconds))

    async def ensure_running(self) -> None:
        """Start the simulator's own server if it is not running.

        Raises:
            ServerFailed: The server did not start.
        """
        if self._server is not None:
            await self._server.ensure_running()

    async def delete_room(self, name: str) -> None:
        """Delete a room, which disconnects everybody in it."""
        from livekit.api import DeleteRoomRequest  # noqa: PLC0415 (in the extra `media`, imported on first use)

        # ignore failures, because the server closes empty rooms on its own
        with contextlib.suppress(ServerFailed):
            await self._call(lambda api: api.room.delete_room(DeleteRoomRequest(room=name)))

    async def aclose(self) -> None:
        """Shut down the simulator's own server."""
        if self._server is not None:
            await self._server.aclose()

    async def _create(self, name: str) -> None:
        from livekit.api import CreateRoomRequest  # noqa: PLC0415 (as above)

        request = CreateRoomRequest(name=name, empty_timeout=EMPTY_SECONDS, departure_timeout=LEFT_SECONDS)
        await self._call(lambda api: api.room.create_room(request))

    async def _call(self, request: Callable[[LiveKitAPI], Awaitable[object]]) -> None:
        """Make one call to the server's API.

        Raises:
            ServerFailed: The server refused the call or did not respond.
        """
        import aiohttp  # noqa: PLC0415 (as above)
        from livekit.api import LiveKitAPI, TwirpError  # noqa: PLC0415 (as above)

        livekit, limit = self._livekit, aiohttp.ClientTimeout(total=CALL_LIMIT)
        try:
            async with LiveKitAPI(livekit.url, livekit.api_key, livekit.api_secret, timeout=limit) as api:
                await request(api)
        except TwirpError as error:
            raise ServerFailed(f"LiveKit on {livekit.url} refused the call: {error.code}, {error.message}") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            reason = str(error) or f"no response within {CALL_LIMIT:g} s"
            raise ServerFailed(f"LiveKit on {livekit.url} does not respond: {reason}") from None

    def _warn_once(self, text: str) -> None:
        if text not in self._warned:
            self._warned.add(text)
            self._warn(text)

    @property
    def _livekit(self) -> LiveKit:
        if self._server is not None:
            return self._server.address
        assert isinstance(self._wanted, LiveKit)
        return self._wanted


def _missing() -> list[str]:
    return [package for module, package in PACKAGES.items() if not _is_installed(module)]


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # a parent package is not installed
        return False
