"""Who is in a LiveKit room, as records: what the room service says of participants and their tracks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from . import html
from .record import Record

if TYPE_CHECKING:
    from livekit.protocol.models import ParticipantInfo, TrackInfo


class RoomTrack(Record):
    """A track that a participant publishes.

    `kind` is `video`, `audio` or `data`, `source` as in `camera`, `microphone`, `screen_share`; `width` and `height`
    are in pixels, 0 for sound.
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
    """Somebody in a room.

    `role` is what a token was made for here: `avatar`, `guest` or `page`; None for who came otherwise. `kind` is
    LiveKit's: `standard`, `agent`, `ingress`, `egress`, `sip`. `state` is `joining`, `joined` or `active`.
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
        return html.table(columns, ([one[name] for name in columns] for one in records), total)


class RoomChange(Record):
    """Somebody came or went; `what` is `joined` or `left`, `seen_at` when that was noticed."""

    _columns: ClassVar = ("what", "participant", "seen_at")

    what: Literal["joined", "left"]
    participant: Participant
    seen_at: datetime

    def __repr__(self) -> str:
        return f"<RoomChange {self.participant.identity!r} {self.what}>"


def participant(info: ParticipantInfo, role: str | None) -> Participant:
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
    """An enum's value in words; one of a newer server as its number."""
    try:
        name: str = kinds.Name(value)
    except ValueError:
        return str(value)
    return name.lower()
