"""Your own LiveKit room: create it, remove it, and get tokens for the avatar and the viewers.

The avatar joins this room instead of one that LiveAvatar hosts (schema `LiveKitConfig`). Any number of people can then
watch, with this package, LiveKit's own Meet page or any other LiveKit client.
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
from .participants import Participant, RoomChange, RoomChanges, participant

MEET: Final = "https://meet.livekit.io/custom"
AVATAR: Final = "avatar"  # the avatar's identity, unless another avatar in the room already uses this identity
SEES: Final = {"can_publish": False, "can_subscribe": True, "can_publish_data": False}
# the avatar's token needs all three permissions: without can_publish_data, the start call fails with status 500
ACTS: Final = {"can_publish": True, "can_subscribe": True, "can_publish_data": True}


class Tenant(Protocol):
    """A session whose avatar is in the room."""

    @property
    def id(self) -> str | None: ...
    @property
    def is_live(self) -> bool: ...
    async def retire(self, why: str) -> None: ...


class OwnRoom(Protocol):
    """The methods of `AsyncRoom` and `Room` that `start` needs."""

    def guest_token(self, identity: str | None = None, minutes: float = ...) -> str: ...


class AsyncRoom:
    """Your own LiveKit room (async API).

    The room is created when it is first needed, unless a room with that name already exists. Leaving an `async with`
    block removes the room if this object created it. The server removes an abandoned room after a while.

    Args:
        url: The LiveKit server's address, `wss://...` (`ws`, `https` and `http` also work); None and "" use
            `LIVEKIT_URL`. LiveAvatar must be able to reach the server, too.
        api_key: The server's key; None and "" use `LIVEKIT_API_KEY`.
        api_secret: The key's secret; None and "" use `LIVEKIT_API_SECRET`.
        name: The room's name, at most 256 characters; a unique name by default.
        empty_timeout: How many seconds the server keeps the room when nobody is in it.
        max_participants: How many participants the room can hold, including the avatar; 0 means no limit.

    Raises:
        ConfigurationError: The address, the key or the secret is missing, or the address is invalid.
        InvalidArgument: `name`, `empty_timeout` or `max_participants` is not valid.

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
        # keep the credentials out of tracebacks that show local variables
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
        self._made: str | None = None  # the room's sid, if this object created the room
        self._is_closed = False

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

    def __repr__(self) -> str:
        if not hasattr(self, "_is_closed"):
            return f"<{type(self).__name__}, refused>"  # shown in tracebacks that include local variables
        state = ", closed" if self._is_closed else ""
        return f"<{type(self).__name__} {self._name!r} on {self._server.url}{state}>"

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()

    @property
    def name(self) -> str:
        """The room's name, which identifies it on the server."""
        return self._name

    @property
    def url(self) -> str:
        """The LiveKit server's address in the form that clients use: `ws` or `wss`."""
        return self._server.url

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach the server, in which case LiveAvatar cannot."""
        return self._server.is_local

    @property
    def is_closed(self) -> bool:
        """Whether the room has been closed."""
        return self._is_closed

    async def open(self) -> None:
        """Create the room, unless a room with that name already exists.

        Calling this method again is harmless. `start` and `with` also call it.

        Raises:
            AuthenticationError: The server does not know the key, or the secret does not match it.
            APIConnectionError: The server does not respond.
        """
        self._refuse_if_closed()
        from livekit.api import CreateRoomRequest  # noqa: PLC0415 (only users with a room of their own need it)

        request = CreateRoomRequest(
            name=self._name,
            empty_timeout=self._empty_timeout,
            departure_timeout=self._empty_timeout,
            max_participants=self._max_participants,
        )
        if await self._sid() is None:
            self._made = (await self._server.ask("create the room", lambda rooms: rooms.create_room(request))).sid

    async def aclose(self) -> None:
        """Remove the room and everybody in it, if this object created the room.

        Calling this method again is harmless. Sessions that use the room keep running, and being billed, until you stop
        them; a warning names each of them. If the server does not respond, you get only a warning, because the server
        removes the room some time after the last participant has left.
        """
        if self._is_closed:
            return
        self._is_closed = True
        try:
            await self._remove()
        except LiveAvatarException as failure:
            warn(
                f"Room {self._name!r} was not removed. {failure.message} The server will remove the room once it has "
                "been empty for a while."
            )
        except BaseException:
            self._is_closed = False
            raise
        for session in self.tenants:
            warn(
                f"Session {session.id} is still running, and being billed, although its room {self._name!r} has been "
                "closed. Stop the session."
            )

    @property
    def tenants(self) -> list[Tenant]:
        """The live sessions that were started with this room."""
        return [session for _, session in self._tenants if session.is_live]

    def avatar_token(self, identity: str = AVATAR, minutes: float = config.ROOM_TOKEN_MINUTES) -> Masked:
        """Make a token with which an avatar can join, be seen and heard, and send data.

        `start` makes its own token.

        Args:
            identity: The avatar's identity in the room.
            minutes: For how many minutes the token can be used to join; an avatar that has joined can stay.

        Returns:
            The token, masked; `.reveal()` returns its text.
        """
        return self._token(identity, AVATAR, minutes, ACTS)

    def guest_token(self, identity: str | None = None, minutes: float = config.ROOM_TOKEN_MINUTES) -> str:
        """Make a token with which a guest can watch and listen, and nothing more.

        The token works in any LiveKit client, together with `url`. Anyone who has it can watch.

        Args:
            identity: The guest's identity in the room; a unique one by default. A guest who joins displaces any
                guest with the same identity.
            minutes: For how many minutes (at most a day) the token can be used to join; a guest who has joined can
                stay until they are removed or the room is gone.
        """
        identity = f"guest-{secrets.token_hex(3)}" if identity is None else identity
        return self._token(identity, "guest", minutes, SEES).reveal()

    def guest_link(self, identity: str | None = None, minutes: float = config.ROOM_TOKEN_MINUTES) -> str:
        """Make a link to LiveKit's own Meet page, where a guest can watch and listen.

        The link contains the token, so anyone who has it can watch: do not leave it in a notebook that you share. The
        page asks for the camera and microphone; guests can decline, because this room lets them use neither.

        Args:
            identity, minutes: As for `guest_token`.
        """
        if not (self._server.is_encrypted or self._server.is_local):
            warn(
                f"LiveKit's Meet page uses https, so browsers let it connect only over wss, not to {self._server.url}."
            )
        return f"{MEET}?liveKitUrl={quote(self._server.url, safe='')}&token={self.guest_token(identity, minutes)}"

    def viewer(self) -> Masked:
        """Make a new token that lets one page watch and listen."""
        return self._token(f"page-{secrets.token_hex(4)}", "page", config.ROOM_TOKEN_MINUTES, SEES)

    async def participants(self) -> Records[Participant]:
        """Return the participants in the order in which they joined.

        Raises:
            AuthenticationError, APIConnectionError: As for `open`.
        """
        self._refuse_if_closed()
        from livekit.api import ListParticipantsRequest  # noqa: PLC0415

        request = ListParticipantsRequest(room=self._name)
        try:
            answer = await self._server.ask("list the participants", lambda rooms: rooms.list_participants(request))
        except NotFoundError:  # how some servers report that the room is gone
            return Records()
        found = [participant(info, self._roles.get(info.identity)) for info in answer.participants]
        return Records(sorted(found, key=lambda record: record.joined_at))

    async def wait_for_participant(
        self,
        identity: str = AVATAR,
        timeout: float | None = 30.0,  # noqa: ASYNC109 (the sync API has it, too)
    ) -> Participant:
        """Wait for a participant, polling the server once a second.

        Args:
            identity: The participant's identity.
            timeout: How many seconds to wait; None waits forever.

        Returns:
            The participant.

        Raises:
            TimeoutError: Nobody with that identity joined in time.
        """
        if timeout is not None:
            _positive(timeout, "timeout", "seconds")
        present: list[str] = []
        limit = asyncio.timeout(timeout)
        try:
            async with limit:
                while True:
                    there = await self.participants()
                    for found in there:
                        if found.identity == identity and found.state == "active":
                            return found
                    present = [found.identity for found in there]
                    await asyncio.sleep(config.ROOM_LOOK)
        except TimeoutError:
            if not limit.expired():
                raise
            names = ", ".join(present) or "nobody"
            raise TimeoutError(f"{identity!r} did not join within {timeout:g} s. In the room: {names}.") from None

    def watch(self, timeout: float | None = None) -> AsyncIterator[RoomChange]:
        """Watch participants join and leave, starting with those who are already there.

        The server is polled once a second, so anybody who stays for less than that may be missed.

        Args:
            timeout: How many seconds to watch; None watches until the room is closed.
        """
        if timeout is not None:
            _positive(timeout, "timeout", "seconds")
        return RoomChanges(self.participants, lambda: self._is_closed, timeout)

    async def remove(self, identity: str) -> None:
        """Remove a participant from the room.

        Their token still works until it expires. Removing an avatar also stops its session, which would otherwise be
        billed and show nothing.

        Args:
            identity: The participant's identity.

        Raises:
            NotFoundError: Nobody with that identity is in the room.
            StopNotConfirmed: The avatar was removed, but the service did not confirm that its session stopped.
        """
        self._refuse_if_closed()
        from livekit.api import RoomParticipantIdentity  # noqa: PLC0415

        request = RoomParticipantIdentity(room=self._name, identity=_label(identity, "identity"))
        await self._server.ask(f"remove {identity!r}", lambda rooms: rooms.remove_participant(request))
        for known, session in self._tenants:
            if known == identity and session.is_live:
                await session.retire(f"the avatar was removed from the room {self._name!r}")

    async def admit(self) -> str:
        """Create the room if it does not exist, and return an unused identity for another avatar."""
        await self.open()
        there = {participant.identity for participant in await self.participants()}
        ours = {identity: session.is_live for identity, session in self._tenants}
        # the avatar of a stopped session may still be in the room, but its identity can be used again
        taken = {identity for identity in there | ours.keys() if ours.get(identity, True)}
        number, identity = 1, AVATAR
        while identity in taken:
            number += 1
            identity = f"{AVATAR}-{number}"
        return identity

    def let_in(self, identity: str, session: Tenant) -> None:
        """Record which session's avatar uses an identity."""
        self._tenants = [(tenant, known) for tenant, known in self._tenants if tenant != identity]
        self._tenants.append((identity, session))

    def _token(self, identity: str, role: str, minutes: float, may: dict[str, bool]) -> Masked:
        self._refuse_if_closed()
        _positive(minutes, "minutes", "minutes", most=config.MINUTES_OF_A_DAY)
        identity = _label(identity, "identity")
        if role != AVATAR and AVATAR in (identity, self._roles.get(identity)):
            raise InvalidArgument(
                f"{identity!r} is the avatar's identity, and a guest with that identity would displace the avatar.",
                remedy="Choose another identity.",
                field="identity",
            )
        self._roles[identity] = role
        return self._server.token(self._name, identity, minutes, may)

    async def _remove(self) -> None:
        from livekit.api import DeleteRoomRequest  # noqa: PLC0415

        there = await self._sid() if self._made else None
        # a room with the same name that somebody else created later is not ours to remove
        if there is not None and (there == self._made or self._has_name_of_its_own):
            gone = DeleteRoomRequest(room=self._name)
            with contextlib.suppress(NotFoundError):
                await self._server.ask("remove the room", lambda rooms: rooms.delete_room(gone))

    async def _sid(self) -> str | None:
        """Return the server's id for the room; None if the room does not exist."""
        from livekit.api import ListRoomsRequest  # noqa: PLC0415

        answer = await self._server.ask(
            "look for the room", lambda rooms: rooms.list_rooms(ListRoomsRequest(names=[self._name]))
        )
        return next((room.sid for room in answer.rooms if room.name == self._name), None)

    def _refuse_if_closed(self) -> None:
        if self._is_closed:
            raise ClientClosed(f"Room {self._name!r} is closed.")


def awaited(room: OwnRoom) -> AsyncRoom:
    """Return the `AsyncRoom` behind a `Room`, or the `AsyncRoom` itself.

    Raises:
        InvalidArgument: `room` is neither.
    """
    found = getattr(room, "_inner", room)
    if not isinstance(found, AsyncRoom):
        raise InvalidArgument(
            f"room must be a Room or an AsyncRoom, not {type(room).__name__}.",
            remedy="Make a room with Room.from_env().",
            field="room",
        )
    return found


def _label(text: Any, field: str) -> str:
    """Check that a room's name or a participant's identity is valid, and return it."""
    if not isinstance(text, str) or not text.strip() or len(text) > config.ROOM_NAME_LIMIT or not text.isprintable():
        raise InvalidArgument(
            f"{field} must be one line of 1 to {config.ROOM_NAME_LIMIT} characters, not {text!r:.80}.",
            field=field,
        )
    return text


def _positive(number: Any, field: str, unit: str, most: float = math.inf) -> float:
    if type(number) in (int, float) and 0 < number < math.inf and number <= most:
        return float(number)
    at_most = "" if most == math.inf else f" and at most {most:g}"
    raise InvalidArgument(f"{field} must be a number of {unit} above 0{at_most}, not {number!r}.", field=field)
