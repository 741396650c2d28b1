"""Records of a LiveKit room: its participants, their tracks, and their arrivals and departures."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from .. import config, html
from ..models.base import Record

if TYPE_CHECKING:
    from livekit.protocol.models import ParticipantInfo, TrackInfo


class RoomTrack(Record):
    """A track that a participant publishes.

    `kind` is `video`, `audio` or `data`; `source` is, for example, `camera`, `microphone` or `screen_share`.
    `width` and `height` are in pixels, 0 for audio.
    """

    sid: str
    kind: str
    source: str
    name: str
    is_muted: bool
    width: int
    height: int

    def __str__(self) -> str:
        size = f" {self.width}x{self.height}" if self.width else ""
        return f"{self.kind}{size}{', muted' if self.is_muted else ''}"


class Participant(Record):
    """A participant in a room.

    `role` is the role for which this package made the participant's token: `avatar`, `guest` or `page` (also the
    role of this process when it joins the room); None if the token was made elsewhere. `kind` is LiveKit's term:
    `standard`, `agent`, `ingress`, `egress` or `sip`. `state` is `joining`, `joined` or `active`.
    """

    sid: str
    identity: str
    name: str
    role: str | None
    kind: str
    state: str
    joined_at: datetime
    tracks: list[RoomTrack]

    def __repr__(self) -> str:
        return f"<Participant {self.identity!r}{f', {self.role}' if self.role else ''}>"

    @classmethod
    def _list_html(cls, records: Sequence[Participant], total: int) -> str:
        columns = ("identity", "name", "role", "kind", "state", "joined_at", "tracks")
        return html.table(columns, ([record[name] for name in columns] for record in records), total)


class RoomChange(Record):
    """A participant's arrival or departure.

    `what` is `joined` or `left`; `seen_at` is the time at which the change was noticed.
    """

    _columns: ClassVar = ("what", "participant", "seen_at")

    what: Literal["joined", "left"]
    participant: Participant
    seen_at: datetime

    def __repr__(self) -> str:
        return f"<RoomChange {self.participant.identity!r} {self.what}>"


class RoomChanges:
    """An iterator over arrivals and departures; unlike a generator, it can continue on another loop.

    Args:
        look: Returns the current participants.
        is_over: Returns whether there is nothing left to watch.
        timeout: How many seconds to watch; None watches forever.
    """

    def __init__(
        self, look: Callable[[], Awaitable[Sequence[Participant]]], is_over: Callable[[], bool], timeout: float | None
    ) -> None:
        self._look_there = look
        self._is_over = is_over
        self._ends_at = None if timeout is None else time.monotonic() + timeout
        self._there: dict[str, Participant] = {}
        self._news: deque[RoomChange] = deque()
        self._has_looked = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> RoomChange:
        while not self._news:
            if self._has_looked:
                left = config.ROOM_LOOK if self._ends_at is None else self._ends_at - time.monotonic()
                if left <= 0:
                    raise StopAsyncIteration
                await asyncio.sleep(min(left, config.ROOM_LOOK))
            if self._is_over():
                raise StopAsyncIteration
            self._compare(await self._look_there())
        return self._news.popleft()

    def _compare(self, found: Sequence[Participant]) -> None:
        # compare the ids that the server assigns: somebody who left and came straight back has a new id
        now, there = datetime.now(UTC), {participant.sid: participant for participant in found}
        self._has_looked = True
        left = [participant for sid, participant in self._there.items() if sid not in there]
        joined = [participant for sid, participant in there.items() if sid not in self._there]
        self._news += [RoomChange(what="left", participant=participant, seen_at=now) for participant in left]
        self._news += [RoomChange(what="joined", participant=participant, seen_at=now) for participant in joined]
        self._there = there


def participant(info: ParticipantInfo, role: str | None) -> Participant:
    """Convert LiveKit's description of a participant into a record."""
    from livekit.protocol.models import ParticipantInfo as Info  # noqa: PLC0415

    return Participant(
        sid=info.sid,
        identity=info.identity,
        name=info.name,
        role=role,
        kind=_word(Info.Kind, info.kind),
        state=_word(Info.State, info.state),
        joined_at=datetime.fromtimestamp(info.joined_at_ms / 1000 or info.joined_at, UTC),
        tracks=[_track(track) for track in info.tracks],
    )


def _track(info: TrackInfo) -> RoomTrack:
    from livekit.protocol.models import TrackSource, TrackType  # noqa: PLC0415

    return RoomTrack(
        sid=info.sid,
        kind=_word(TrackType, info.type),
        source=_word(TrackSource, info.source),
        name=info.name,
        is_muted=info.muted,
        width=info.width,
        height=info.height,
    )


def _word(kinds: Any, value: int) -> str:
    """Return an enum value's name in lower case, or its number if the name is unknown."""
    try:
        name: str = kinds.Name(value)
    except ValueError:
        return str(value)
    return name.lower()
