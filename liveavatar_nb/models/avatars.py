"""Records of avatars and of their voices' names."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from .. import html
from .base import Record


class VoiceName(Record):
    """A voice's id and name (schema `VoiceName`)."""

    id: str
    name: str


class Avatar(Record):
    """An avatar (schema `Avatar`; `GET /v1/avatars`, `GET /v1/avatars/public`)."""

    id: str
    name: str
    created_at: datetime
    updated_at: datetime
    error_message: str | None
    type: str = "VIDEO"
    status: str = "INIT"
    space_id: str | None = None
    preview_url: str | None = None
    is_expired: bool = False
    default_voice: VoiceName | None = None
    is_1080p: bool = False

    @property
    def is_usable(self) -> bool:
        """Whether a session can use the avatar: it is ACTIVE and hasn't expired."""
        return self.status == "ACTIVE" and not self.is_expired

    @property
    def _state(self) -> str:
        return "" if self.is_usable else "expired" if self.is_expired else self.status

    @property
    def _picture(self) -> str | None:
        # some pictures can only be reached from this machine, so they are fetched and embedded in the page
        fetched: str | None = self.__dict__.get("_fetched")
        return fetched or self.preview_url

    def __repr__(self) -> str:
        return f"<Avatar {html.cut(self.name, html.LONGEST_NAME)!r} {self.id}{self._state and f', {self._state}'}>"

    def _repr_html_(self) -> str:
        pairs = [
            ("id", self.id),
            ("status", f"{self.status}, expired" if self.is_expired else self.status),
            *([("error", self.error_message)] if self.error_message else []),
            ("type", self.type),
            ("voice", self.default_voice.name if self.default_voice else None),
            ("1080p", self.is_1080p),
            ("created", self.created_at),
            ("updated", self.updated_at),
            *self._shown(self.extra),
        ]
        return html.card(self.name, pairs, html.picture(self._picture, self.name, 144))

    @classmethod
    def _list_html(cls, records: Sequence[Avatar], total: int) -> str:
        tiles = ((avatar._picture or "", avatar.name, avatar._state or avatar.type) for avatar in records)
        return html.gallery(tiles, total)
