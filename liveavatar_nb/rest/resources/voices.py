"""`api.voices`: what avatars speak with."""

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
    """`/v1/voices`: what avatars speak with."""

    @listing("GET /v1/voices")
    def list(
        self,
        *,
        voice_type: Literal["public", "private"] | None = None,
        page: PageNumber = 1,
        page_size: PageSize = 20,
    ) -> type[Voice]:
        """Voices (`GET /v1/voices`); in a notebook the list plays their previews.

        Args:
            voice_type: `public`: those that all may use; `private`: the account's own.
            page: the page to begin with, from 1.
            page_size: items of a page, 1 to 100.
        """
        return Voice

    @operation("GET /v1/voices/{voice_id}")
    def get(self, voice_id: str) -> type[Voice]:
        """One voice (`GET /v1/voices/{voice_id}`)."""
        return Voice

    @operation("GET /v1/voices/{voice_id}/preview")
    def preview(self, voice_id: str) -> type[VoicePreview]:
        """How a voice sounds (`GET /v1/voices/{voice_id}/preview`); the result plays in a notebook."""
        return VoicePreview

    @operation("POST /v1/voices/third_party")
    def bind(self, *, provider_voice_id: str, secret_id: str, name: str | None = None) -> type[BoundVoice]:
        """Makes a third party's voice one of the account's (`POST /v1/voices/third_party`).

        Args:
            provider_voice_id: the voice's id at the provider.
            secret_id: the provider's key, kept by `secrets.create`.
            name: what it is to be called here.
        """
        return BoundVoice

    @operation("PATCH /v1/voices/{voice_id}")
    def update(self, voice_id: str, *, name: Name64) -> type[Voice]:
        """Renames a voice of the account's (`PATCH /v1/voices/{voice_id}`).

        Args:
            voice_id: which.
            name: 1 to 64 characters.
        """
        return Voice

    @operation("DELETE /v1/voices/{voice_id}")
    def delete(self, voice_id: str) -> type[None]:
        """Deletes a voice of the account's (`DELETE /v1/voices/{voice_id}`)."""
        return NoneType

    async def _dress(self, voices: Sequence[Voice]) -> None:
        """Fetches the previews, a few at once."""
        turn = asyncio.Semaphore(DRESS_AT_ONCE)

        async def fetch(voice: Voice) -> None:
            with contextlib.suppress(LiveAvatarException):
                async with turn:
                    voice.__dict__["_fetched"] = await self.preview(voice.id)

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRESS_LIMIT):
                await asyncio.gather(*(fetch(voice) for voice in voices if voice.preview is None))
