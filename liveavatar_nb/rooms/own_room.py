"""Your own LiveKit room: made and removed here, with tokens for the avatar and for all who watch it.

The avatar joins it instead of a room of LiveAvatar's (schema `LiveKitConfig`), so that any number of people see it,
by this package, by LiveKit's own Meet page or by any LiveKit client.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import secrets
from collections.abc import AsyncIterator
from typing import Any, Final, Protocol, Self
from urllib.parse import quote

from .. import config
from ..config import Masked
from ..errors import ClientClosed, InvalidArgument, LiveAvatarException, NotFoundError, warn
from ..models.base import Records
from ..validation import masked_text, strict
from .livekit_server import LiveKitServer
from .participants import Participant, RoomChange, Watch, participant

MEET: Final = "https://meet.livekit.io/custom"
AVATAR: Final = "avatar"  # its identity, unless another avatar of the room has it
SEES: Final = {"can_publish": False, "can_subscribe": True, "can_publish_data": False}
# what the service demands of the avatar's token: without can_publish_data the start call answers 500
ACTS: Final = {"can_publish": True, "can_subscribe": True, "can_publish_data": True}


class Tenant(Protocol):
    """A session whose avatar is in the room."""

    @property
    def id(self) -> str | None: ...
    @property
    def is_live(self) -> bool: ...
    async def retire(self, why: str) -> None: ...


class OwnRoom(Protocol):
    """`AsyncRoom` and `Room`, as `start` takes them."""

    def guest_token(self, identity: str | None = None, minutes: float = ...) -> str: ...


class AsyncRoom:
    """Your own LiveKit room, async.

    It is made where it is first needed, if there is none of that name; `async with` removes it when the block is
    left, if it was made here. One that is left alone goes away by itself.

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
        >>> async with AsyncRoom.from_env() as room, AsyncLiveAvatar() as la:
        ...     async with await la.start("Silas", room=room):
        ...         print(room.guest_link())
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
        # a traceback that shows local variables must not show them
        api_key, api_secret = masked_text(api_key), masked_text(api_secret)
        self._server = LiveKitServer(url, api_key, api_secret)
        self._has_name_of_its_own = name is None
        self._name = f"liveavatar-{secrets.token_hex(4)}" if name is None else _label(name, "name")
        self._empty_timeout = max(1, round(_positive(empty_timeout, "empty_timeout", "seconds")))
        if type(max_participants) is not int or max_participants < 0:
            raise InvalidArgument(
                f"max_participants must be 0 or more, not {max_participants!r}.", field="max_participants"
            )
        self._max_participants = max_participants
        self._roles: dict[str, str] = {}
        self._tenants: list[tuple[str, Tenant]] = []
        self._made: str | None = None  # the sid of the room, if it was made here
        self._is_closed = False

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

    def __repr__(self) -> str:
        if not hasattr(self, "_is_closed"):
            return f"<{type(self).__name__}, refused>"  # as a traceback that shows local variables has it
        state = ", closed" if self._is_closed else ""
        return f"<{type(self).__name__} {self._name!r} on {self._server.url}{state}>"

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()

    @property
    def name(self) -> str:
        """The room's name, which is also its address on the server."""
        return self._name

    @property
    def url(self) -> str:
        """The LiveKit server's address, as clients take it: `ws` or `wss`."""
        return self._server.url

    @property
    def is_local(self) -> bool:
        """Whether the server is on this machine only, where the service cannot reach it."""
        return self._server.is_local

    @property
    def is_closed(self) -> bool:
        """Whether it was closed."""
        return self._is_closed

    async def open(self) -> None:
        """Makes the room, if there is none of that name; twice is fine. `start` and `with` do so, too.

        Raises:
            AuthenticationError: the server does not know the key, or the secret is another one's.
            APIConnectionError: the server does not answer.
        """
        self._refuse_if_closed()
        from livekit.api import CreateRoomRequest  # noqa: PLC0415 (only who has a room of their own needs it)

        wanted = CreateRoomRequest(
            name=self._name,
            empty_timeout=self._empty_timeout,
            departure_timeout=self._empty_timeout,
            max_participants=self._max_participants,
        )
        if await self._sid() is None:
            self._made = (await self._server.ask("make the room", lambda rooms: rooms.create_room(wanted))).sid

    async def aclose(self) -> None:
        """Removes the room, if it was made here, with all who are in it; twice is fine.

        Sessions in it go on, and are billed, until they are stopped: that is warned of. So is a server that does
        not answer, for the room goes away by itself some time after the last one left it.
        """
        if self._is_closed:
            return
        self._is_closed = True
        try:
            await self._remove()
        except LiveAvatarException as failure:
            warn(f"Room {self._name!r} was not removed. {failure.message} It goes away by itself once it is empty.")
        except BaseException:
            self._is_closed = False
            raise
        for session in self.tenants:
            warn(f"Session {session.id} goes on, and is billed, without its room {self._name!r}. Stop it.")

    @property
    def tenants(self) -> list[Tenant]:
        """The sessions that were started with this room and are live."""
        return [session for _, session in self._tenants if session.is_live]

    def avatar_token(self, identity: str = AVATAR, minutes: float = config.ROOM_TOKEN_MINUTES) -> Masked:
        """What an avatar needs to join, to be seen and heard, and to send data. `start` makes one by itself.

        Args:
            identity: who it is in the room.
            minutes: in which it opens the room; who is in stays in.

        Returns:
            The token, masked: `.reveal()` is its text.
        """
        return self._token(identity, AVATAR, minutes, ACTS)

    def guest_token(self, identity: str | None = None, minutes: float = config.ROOM_TOKEN_MINUTES) -> str:
        """What a guest needs to watch and listen, no more; any LiveKit client takes it, with `url`.

        It is meant to be handed on: whoever has it can watch.

        Args:
            identity: who the guest is in the room; one of its own when not given. Two with the same identity
                throw each other out.
            minutes: in which it opens the room, at most a day; who is in stays in, until `remove` or the room's end.
        """
        who = f"guest-{secrets.token_hex(3)}" if identity is None else identity
        return self._token(who, "guest", minutes, SEES).reveal()

    def guest_link(self, identity: str | None = None, minutes: float = config.ROOM_TOKEN_MINUTES) -> str:
        """A link to LiveKit's own Meet page, on which a guest watches and listens.

        The link holds the token: whoever has the link can watch, and so it is no text for a notebook that is
        shared. The page asks for camera and microphone, which a guest can refuse, and may not use.

        Args:
            identity, minutes: as for `guest_token`.
        """
        if not (self._server.is_encrypted or self._server.is_local):
            warn(f"LiveKit's Meet page is an https page: browsers let it reach wss, not {self._server.url}.")
        return f"{MEET}?liveKitUrl={quote(self._server.url, safe='')}&token={self.guest_token(identity, minutes)}"

    def viewer(self) -> Masked:
        """What one page needs to watch and listen: a token of its own each time."""
        return self._token(f"page-{secrets.token_hex(4)}", "page", config.ROOM_TOKEN_MINUTES, SEES)

    async def participants(self) -> Records[Participant]:
        """Who is there, the first to come first.

        Raises:
            AuthenticationError, APIConnectionError: as for `open`.
        """
        self._refuse_if_closed()
        from livekit.api import ListParticipantsRequest  # noqa: PLC0415

        wanted = ListParticipantsRequest(room=self._name)
        try:
            told = await self._server.ask("list who is there", lambda rooms: rooms.list_participants(wanted))
        except NotFoundError:  # some servers say so of a room that is gone
            return Records()
        found = [participant(info, self._roles.get(info.identity)) for info in told.participants]
        return Records(sorted(found, key=lambda one: one.joined_at))

    async def wait_for_participant(
        self,
        identity: str = AVATAR,
        timeout: float | None = 30.0,  # noqa: ASYNC109 (the sync face has it, too)
    ) -> Participant:
        """Waits until somebody is there; the server is asked every second.

        Args:
            identity: who.
            timeout: seconds until it is given up; None for any time.

        Raises:
            TimeoutError: nobody of that identity came in time.
        """
        if timeout is not None:
            _positive(timeout, "timeout", "seconds")
        present: list[str] = []
        limit = asyncio.timeout(timeout)
        try:
            async with limit:
                while True:
                    there = await self.participants()
                    for one in there:
                        if one.identity == identity and one.state == "active":
                            return one
                    present = [one.identity for one in there]
                    await asyncio.sleep(config.ROOM_LOOK)
        except TimeoutError:
            if not limit.expired():
                raise
            who = ", ".join(present) or "nobody"
            raise TimeoutError(f"{identity!r} did not come within {timeout:g} s; in the room: {who}.") from None

    def watch(self, timeout: float | None = None) -> AsyncIterator[RoomChange]:
        """Who comes and goes, from now on; those who are there come first. The server is asked every second, so
        somebody who stays for less may be missed.

        Args:
            timeout: seconds after which it ends; None goes on until the room is closed.
        """
        if timeout is not None:
            _positive(timeout, "timeout", "seconds")
        return Watch(self.participants, lambda: self._is_closed, timeout)

    async def remove(self, identity: str) -> None:
        """Puts somebody out of the room. Their token still opens it until it expires. An avatar's session, which would
        be billed and show nothing, is stopped with it.

        Args:
            identity: who.

        Raises:
            NotFoundError: nobody of that identity is there.
            StopNotConfirmed: it was put out, but the service did not confirm its session's stop.
        """
        self._refuse_if_closed()
        from livekit.api import RoomParticipantIdentity  # noqa: PLC0415

        whom = RoomParticipantIdentity(room=self._name, identity=_label(identity, "identity"))
        await self._server.ask(f"remove {identity!r}", lambda rooms: rooms.remove_participant(whom))
        for known, session in self._tenants:
            if known == identity and session.is_live:
                await session.retire(f"its avatar was put out of the room {self._name!r}")

    async def admit(self) -> str:
        """Makes the room, if it is not there, and finds the identity for one more avatar in it."""
        await self.open()
        there = {one.identity for one in await self.participants()}
        ours = {identity: session.is_live for identity, session in self._tenants}
        # an avatar whose session was stopped may still be on its way out
        taken = {identity for identity in there | ours.keys() if ours.get(identity, True)}
        number, identity = 1, AVATAR
        while identity in taken:
            number += 1
            identity = f"{AVATAR}-{number}"
        return identity

    def let_in(self, identity: str, session: Tenant) -> None:
        """Notes the session whose avatar has that identity."""
        self._tenants = [(who, known) for who, known in self._tenants if who != identity]
        self._tenants.append((identity, session))

    def _token(self, identity: str, role: str, minutes: float, may: dict[str, bool]) -> Masked:
        self._refuse_if_closed()
        _positive(minutes, "minutes", "minutes", most=config.MINUTES_OF_A_DAY)
        who = _label(identity, "identity")
        if role != AVATAR and AVATAR in (who, self._roles.get(who)):
            raise InvalidArgument(
                f"{who!r} is the avatar: a guest of that identity would throw it out.", field="identity"
            )
        self._roles[who] = role
        return self._server.token(self._name, who, minutes, may)

    async def _remove(self) -> None:
        from livekit.api import DeleteRoomRequest  # noqa: PLC0415

        there = await self._sid() if self._made else None
        # a room that somebody else made later under the same name is theirs
        if there is not None and (there == self._made or self._has_name_of_its_own):
            gone = DeleteRoomRequest(room=self._name)
            with contextlib.suppress(NotFoundError):
                await self._server.ask("remove the room", lambda rooms: rooms.delete_room(gone))

    async def _sid(self) -> str | None:
        """The server's id of the room; None where there is none."""
        from livekit.api import ListRoomsRequest  # noqa: PLC0415

        told = await self._server.ask(
            "look for the room", lambda rooms: rooms.list_rooms(ListRoomsRequest(names=[self._name]))
        )
        return next((room.sid for room in told.rooms if room.name == self._name), None)

    def _refuse_if_closed(self) -> None:
        if self._is_closed:
            raise ClientClosed(f"Room {self._name!r} is closed.")


def awaited(room: OwnRoom) -> AsyncRoom:
    """The async room of either face.

    Raises:
        InvalidArgument: it is no room.
    """
    found = getattr(room, "_inner", room)
    if not isinstance(found, AsyncRoom):
        raise InvalidArgument(
            f"room must be a Room or an AsyncRoom, not {type(room).__name__}.",
            remedy="Room.from_env() makes one.",
            field="room",
        )
    return found


def _label(text: Any, field: str) -> str:
    """A name of a room, or of somebody in it."""
    if not isinstance(text, str) or not text.strip() or len(text) > config.ROOM_NAME_LIMIT or not text.isprintable():
        raise InvalidArgument(
            f"{field} must be text in one line, of 1 to {config.ROOM_NAME_LIMIT} characters, not {text!r:.80}.",
            field=field,
        )
    return text


def _positive(number: Any, field: str, unit: str, most: float = math.inf) -> float:
    if type(number) in (int, float) and 0 < number < math.inf and number <= most:
        return float(number)
    at_most = "" if most == math.inf else f" and at most {most:g}"
    raise InvalidArgument(f"{field} must be {unit} above 0{at_most}, not {number!r}.", field=field)
