"""Who lends the sessions their rooms: a LiveKit server that was named, one of the simulator's own, or nobody."""

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

AVATAR: Final = "heygen"  # its identity in the rooms that are lent
CLIENT: Final = "client"
CALL_LIMIT: Final = 5.0  # seconds for one call of the server's room service
EMPTY_SECONDS: Final = 300  # until a room that nobody joined goes away, should it not be removed
LEFT_SECONDS: Final = 20  # the same for a room that everybody left
PACKAGES: Final = {"livekit.rtc": "livekit", "PIL": "pillow", "resvg_py": "resvg-py"}
DRAWN: Final = "drawn in the page"


class Host:
    """The rooms of one simulator.

    Parameters
    ----------
    wanted: the option `livekit`.
    warn: told why sessions have no room although one was wanted.
    """

    def __init__(self, wanted: Literal["auto"] | LiveKit | None, warn: Callable[[str], None]) -> None:
        self._wanted, self._warn = wanted, warn
        self._server: Server | None = None
        self._why_not: str | None = None
        self._told: set[str] = set()
        if wanted is None:
            self._why_not = "livekit was not asked for"
        elif missing := _missing():
            self._why_not = f'{" and ".join(missing)} not installed: pip install "liveavatar-nb[media]"'
        self.can_join: Final = self._why_not is None
        if self.can_join and wanted == "auto":
            if program := shutil.which(PROGRAM):
                self._server = Server(program)
            elif os.environ.get("LIVEKIT_URL"):
                self._why_not = (
                    "LIVEKIT_URL, LIVEKIT_API_KEY and LIVEKIT_API_SECRET together name no server, and there is no "
                    f"{PROGRAM} on the PATH"
                )
            else:
                self._why_not = f"no {PROGRAM} on the PATH"

    @property
    def words(self) -> str:
        """Where avatars are seen and heard."""
        if self._why_not is not None:
            return f"{DRAWN}: {self._why_not}"
        if self._server is not None and not self._server.is_running:
            return f"LiveKit, by {self._server.program} from the first session on"
        return f"LiveKit on {self._livekit.url}"

    async def load(self) -> None:
        """Imports what rooms need, off the loop: later it is there at once."""
        if self.can_join:
            for name in (*PACKAGES, "livekit.api", "numpy"):
                await asyncio.to_thread(importlib.import_module, name)

    async def lend(self, name: str) -> bool:
        """Whether there is a room of this name now; where not, the warnings say why."""
        if self._why_not is not None:
            if self._wanted is not None:
                self._tell(self.words)
            return False
        try:
            await self.ready()
            await self._create(name)
        except ServerFailed as failed:
            self._tell(f"{DRAWN}: {failed}")
            return False
        return True

    def room(self, name: str, *, identity: str, seconds: float) -> Room:
        """What somebody joins a room with, for so long."""
        return Room(self._livekit.url, name, token(self._livekit, name, identity, seconds))

    async def ready(self) -> None:
        """Has a server of the simulator's own run again where it died; raises `ServerFailed`."""
        if self._server is not None:
            await self._server.ready()

    async def remove(self, name: str) -> None:
        """Removes a room with everybody in it."""
        from livekit.api import DeleteRoomRequest  # noqa: PLC0415 (the media's, imported when first used)

        # nobody can be told any more; one that stays empty goes away by itself
        with contextlib.suppress(ServerFailed):
            await self._ask(lambda api: api.room.delete_room(DeleteRoomRequest(room=name)))

    async def aclose(self) -> None:
        """Ends the server of the simulator's own."""
        if self._server is not None:
            await self._server.aclose()

    async def _create(self, name: str) -> None:
        from livekit.api import CreateRoomRequest  # noqa: PLC0415 (as above)

        request = CreateRoomRequest(name=name, empty_timeout=EMPTY_SECONDS, departure_timeout=LEFT_SECONDS)
        await self._ask(lambda api: api.room.create_room(request))

    async def _ask(self, question: Callable[[LiveKitAPI], Awaitable[object]]) -> None:
        """One call of the server's room service; raises `ServerFailed`."""
        import aiohttp  # noqa: PLC0415 (as above)
        from livekit.api import LiveKitAPI, TwirpError  # noqa: PLC0415 (as above)

        livekit, limit = self._livekit, aiohttp.ClientTimeout(total=CALL_LIMIT)
        try:
            async with LiveKitAPI(livekit.url, livekit.api_key, livekit.api_secret, timeout=limit) as api:
                await question(api)
        except TwirpError as refused:
            raise ServerFailed(f"LiveKit on {livekit.url} refused it: {refused.code}, {refused.message}") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            what = str(error) or f"no answer within {CALL_LIMIT:g} s"
            raise ServerFailed(f"LiveKit on {livekit.url} does not answer: {what}") from None

    def _tell(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self._warn(text)

    @property
    def _livekit(self) -> LiveKit:
        if self._server is not None:
            return self._server.address
        assert isinstance(self._wanted, LiveKit)
        return self._wanted


def _missing() -> list[str]:
    return [package for module, package in PACKAGES.items() if not _is_there(module)]


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # not even what it is part of
        return False
