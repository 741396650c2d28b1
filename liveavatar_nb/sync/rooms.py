"""`Room`: the same names as the async room's, without `await`."""

from __future__ import annotations

from typing import Self

from .. import config
from ..bridge.loop import bridge
from ..bridge.wrappers import Face, blocking, blocking_iter, passing, reading
from ..config import Masked
from ..rooms.own_room import AsyncRoom
from ..validation import masked_text, strict


class Room(Face):
    """Your own LiveKit room, for cells without `await`.

    It is made where it is first needed, if there is none of that name; `with` removes it when the block is left,
    if it was made here, and so does `close`. One that is left alone goes away by itself.

    Args:
        url: the LiveKit server's address, `wss://...` (`ws`, `https` and `http` will do); None and "" take
            `LIVEKIT_URL`. LiveAvatar has to reach it, too.
        api_key: the server's key; None and "" take `LIVEKIT_API_KEY`.
        api_secret: what belongs to it; None and "" take `LIVEKIT_API_SECRET`.
        name: of the room, at most 256 characters; one of its own when not given.
        empty_timeout: seconds that the room stays with nobody in it.
        max_participants: at once, the avatar included; 0 is without a limit.

    Raises:
        ConfigurationError: something is missing, or `url` is no address.
        InvalidArgument: a name, a time or a number that no room can have.

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
        """A room on the server of `LIVEKIT_URL`, with the key and the secret of `LIVEKIT_API_KEY` and
        `LIVEKIT_API_SECRET`.

        Args:
            name, empty_timeout, max_participants: as for the class.

        Raises:
            ConfigurationError: one of the three is not set; the message names it.
        """
        return cls(name=name, empty_timeout=empty_timeout, max_participants=max_participants)

    def __enter__(self) -> Self:
        # whole, so that it is known what was made; nobody has it where an interrupt comes first
        bridge.call(self._inner.open(), closes=True, undo=lambda _: self._inner.aclose(), is_whole=True)
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Removes the room, if it was made here, with all who are in it; twice is fine.

        Sessions in it go on, and are billed, until they are stopped: that is warned of. So is a server that does
        not answer, for the room goes away by itself some time after the last one left it.
        """
        bridge.call(self._inner.aclose(), closes=True)

    name = reading(AsyncRoom.name)
    url = reading(AsyncRoom.url)
    is_local = reading(AsyncRoom.is_local)
    is_closed = reading(AsyncRoom.is_closed)

    open = blocking(AsyncRoom.open, is_whole=True)
    avatar_token = passing(AsyncRoom.avatar_token)
    guest_token = passing(AsyncRoom.guest_token)
    guest_link = passing(AsyncRoom.guest_link)
    participants = blocking(AsyncRoom.participants)
    wait_for_participant = blocking(AsyncRoom.wait_for_participant)
    watch = blocking_iter(AsyncRoom.watch)
    remove = blocking(AsyncRoom.remove)
