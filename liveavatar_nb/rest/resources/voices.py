"""`api.voices`: the voices that avatars speak with."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from types import NoneType
from typing import Literal

from ...config import DRESS_AT_ONCE, DRESS_LIMIT
from ...errors import LiveAvatarException
from ...models.requests import Name64, PageNumber, PageSize
from ...models.voices import BoundVoice, Voice, VoicePreview
from ..operation import Resource, listing, operation


class Voices(Resource):
    """`/v1/voices`: the voices that avatars speak with."""

    @listing("GET /v1/voices")
    def list(
        self,
        *,
        voice_type: Literal["public", "private"] | None = None,
        page: PageNumber = 1,
        page_size: PageSize = 20,
    ) -> type[Voice]:
        """List voices (`GET /v1/voices`); a notebook shows them with playable previews.

        Args:
            voice_type: `public`, or `private` for the account's own voices. Defaults to both.
            page: The first page to fetch, from 1.
            page_size: The number of items per page, 1 to 100.
        """
        return Voice

    @operation("GET /v1/voices/{voice_id}")
    def get(self, voice_id: str) -> type[Voice]:
        """Return a voice (`GET /v1/voices/{voice_id}`)."""
        return Voice

    @operation("GET /v1/voices/{voice_id}/preview")
    def preview(self, voice_id: str) -> type[VoicePreview]:
        """Return a sample of a voice (`GET /v1/voices/{voice_id}/preview`), shown as a player in a notebook."""
        return VoicePreview

    @operation("POST /v1/voices/third_party")
    def bind(self, *, provider_voice_id: str, secret_id: str, name: str | None = None) -> type[BoundVoice]:
        """Add a third-party voice to the account (`POST /v1/voices/third_party`).

        Args:
            provider_voice_id: The provider's id for the voice.
            secret_id: The id of the provider's key, from `secrets.create`.
            name: The name to give the voice in this account.
        """
        return BoundVoice

    @operation("PATCH /v1/voices/{voice_id}")
    def update(self, voice_id: str, *, name: Name64) -> type[Voice]:
        """Rename one of the account's voices (`PATCH /v1/voices/{voice_id}`).

        Args:
            voice_id: The voice's id.
            name: The new name, 1 to 64 characters.
        """
        return Voice

    @operation("DELETE /v1/voices/{voice_id}")
    def delete(self, voice_id: str) -> type[None]:
        """Delete one of the account's voices (`DELETE /v1/voices/{voice_id}`)."""
        return NoneType

    async def _dress(self, voices: Sequence[Voice]) -> None:
        """Fetch the voices' previews, a few at a time."""
        slots = asyncio.Semaphore(DRESS_AT_ONCE)

        async def fetch(voice: Voice) -> None:
            with contextlib.suppress(LiveAvatarException):
                async with slots:
                    voice.__dict__["_fetched"] = await self.preview(voice.id)

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRESS_LIMIT):
                await asyncio.gather(*(fetch(voice) for voice in voices if voice.preview is None))
