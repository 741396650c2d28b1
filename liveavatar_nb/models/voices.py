"""Records of voices and their previews."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from .. import html
from ..errors import SchemaError
from .base import Record
from .table import Columns, table

SOUNDS: Final = {b"RIFF": "audio/wav", b"OggS": "audio/ogg", b"fLaC": "audio/flac", b"ID3": "audio/mpeg"}


class Voice(Record):
    """A voice (schema `Voice`; `GET /v1/voices`)."""

    id: str
    name: str
    language: str
    gender: str
    created_at: datetime
    updated_at: datetime
    tags: list[str]
    description: str | None = None

    @property
    def preview(self) -> VoicePreview | None:
        """The preview if it was fetched to display a list of voices, else None; `voices.preview(voice.id)` gets it."""
        fetched: VoicePreview | None = self.__dict__.get("_fetched")
        return fetched

    def _repr_html_(self) -> str:
        sound = self.preview._player(self.name) if self.preview else ""
        pairs = [(name, value) for name, value in self._shown(self.keys()) if name != "name"]
        return html.card(self.name, pairs, sound)

    @classmethod
    def _list_html(cls, records: Sequence[Voice], total: int) -> str:
        columns: Columns[Voice] = {
            "name": lambda voice: voice.name,
            "preview": lambda voice: voice.preview._player(voice.name) if voice.preview else None,
            "language": lambda voice: voice.language,
            "gender": lambda voice: voice.gender,
            "tags": lambda voice: voice.tags,
            "id": lambda voice: voice.id,
        }
        return table(columns, records, total)


class BoundVoice(Record):
    """A third-party voice that was added to the account (schema `BoundVoice`)."""

    voice_id: str


class VoicePreview(Record):
    """A sample of a voice (schema `VoicePreview`), shown as a player in a notebook."""

    audio_base64: str

    @property
    def audio(self) -> bytes:
        """The audio file's bytes.

        Raises:
            SchemaError: The service didn't send valid base64.
        """
        try:
            return base64.b64decode(self.audio_base64, validate=True)
        except (binascii.Error, ValueError):
            raise SchemaError("The voice's preview is not valid base64.") from None

    @property
    def media_type(self) -> str:
        """The audio's media type, guessed from its first bytes."""
        first = self.audio[:4]
        return next((kind for start, kind in SOUNDS.items() if first.startswith(start)), "audio/mpeg")

    def __repr__(self) -> str:
        return f"<VoicePreview of {len(self.audio_base64) * 3 // 4:,} bytes>"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("bytes", len(self.audio_base64) * 3 // 4)]

    def _player(self, name: str) -> html.Markup:
        try:
            return html.player(self.media_type, self.audio_base64, f"Preview of {name}" if name else "Preview")
        except SchemaError:
            return html.note("This preview can't be played.")

    def _repr_html_(self) -> str:
        return self._player("") + html.properties(self._shown(self.extra))
