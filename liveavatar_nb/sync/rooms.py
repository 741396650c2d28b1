"""`Room`: the sync room, with the same names as the async one."""

from __future__ import annotations

from typing import Self

from .. import config
from ..bridge.loop import bridge
from ..bridge.wrappers import Reading, SyncWrapper, blocking, blocking_iter, passing
from ..config import Masked
from ..rooms.own_room import AsyncRoom
from ..validation import masked_text, strict


class Room(SyncWrapper):
    """Your own LiveKit room, for cells without `await`.

    The room is created when it is first needed, unless a room with that name already exists. If this object created
    the room, `close` or leaving a `with` block removes it. The server itself removes an abandoned room.

    Args:
        url: The LiveKit server's address, `wss://...` (`ws`, `https` and `http` also work); None and "" use
            `LIVEKIT_URL`. LiveAvatar must be able to reach the server, too.
        api_key: The server's key; None and "" use `LIVEKIT_API_KEY`.
        api_secret: The key's secret; None and "" use `LIVEKIT_API_SECRET`.
        name: The room's name, at most 256 characters; a unique one by default.
        empty_timeout: Seconds for which the server keeps the room while nobody is in it.
        max_participants: Maximum number of participants at a time, including the avatar; 0 means no limit.

    Raises:
        ConfigurationError: The address, the key or the secret is missing, or the address is invalid.
        InvalidArgument: `name`, `empty_timeout` or `max_participants` is invalid.

    Example:
        >>> with Room.from_env() as room, la.start("Silas", room=room):
        ...     print(room.guest_link())
    """

    @strict
    def __init__(
        self,
        url: str | None = None,
        api_key: str | Masked | None = None,
        api_secret: str | Masked | None = None,
        *,
        name: str | None = None,
        empty_timeout: float = config.ROOM_EMPTY_TIMEOUT,
        max_participants: int = config.ROOM_PARTICIPANTS,
    ) -> None:
        api_key, api_secret = masked_text(api_key), masked_text(api_secret)
        self._inner = AsyncRoom(
            url, api_key, api_secret, name=name, empty_timeout=empty_timeout, max_participants=max_participants
        )

    @classmethod
    def from_env(
        cls,
        *,
        name: str | None = None,
        empty_timeout: float = config.ROOM_EMPTY_TIMEOUT,
        max_participants: int = config.ROOM_PARTICIPANTS,
    ) -> Self:
        """Create a room from `LIVEKIT_URL`, `LIVEKIT_API_KEY` and `LIVEKIT_API_SECRET` in the environment.

        Args:
            name, empty_timeout, max_participants: The same as for the class.

        Raises:
            ConfigurationError: One of these environment variables is not set; the message says which.
        """
        return cls(name=name, empty_timeout=empty_timeout, max_participants=max_participants)

    def __enter__(self) -> Self:
        # opening is never cancelled, so that we know whether a room was created; after an interrupt, `undo` removes it
        bridge.call(self._inner.open(), closes=True, undo=lambda _: self._inner.aclose(), is_whole=True)
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove the room, and everybody in it, if this object created the room. Calling this twice is fine.

        Sessions in the room continue, and are billed, until you stop them; a warning names them. You also get a
        warning if the server does not respond; the server then removes the room some time after the last
        participant has left.
        """
        bridge.call(self._inner.aclose(), closes=True)

    name = Reading(AsyncRoom, lambda room: room.name)
    url = Reading(AsyncRoom, lambda room: room.url)
    is_local = Reading(AsyncRoom, lambda room: room.is_local)
    is_closed = Reading(AsyncRoom, lambda room: room.is_closed)

    open = blocking(AsyncRoom.open, is_whole=True)
    avatar_token = passing(AsyncRoom.avatar_token)
    guest_token = passing(AsyncRoom.guest_token)
    guest_link = passing(AsyncRoom.guest_link)
    participants = blocking(AsyncRoom.participants)
    wait_for_participant = blocking(AsyncRoom.wait_for_participant)
    watch = blocking_iter(AsyncRoom.watch)
    remove = blocking(AsyncRoom.remove)
