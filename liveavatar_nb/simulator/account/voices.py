"""The voices of the public library, and those that the account has bound."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from .identity import CREATED_AT, identifier


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """One voice as the service tells of it."""

    id: str
    name: str
    language: str
    gender: str
    description: str | None = None
    tags: tuple[str, ...] = ()
    created_at: str = CREATED_AT
    updated_at: str = CREATED_AT

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "name": self.name,
            "description": self.description,
            "language": self.language,
            "gender": self.gender,
            "tags": list(self.tags),
            "created_at": self.created_at,
            "updated_at": self.updated_at,
        }


class Voices:
    """The public ones, which are the same in every simulator, and the account's own."""

    def __init__(self) -> None:
        self._private: dict[str, Voice] = {}

    def list(self, voice_type: str | None = None) -> Iterator[Voice]:
        """All, or those that are ``public`` or ``private``; the account's own come first, the newest at the head."""
        if voice_type != "public":
            yield from reversed(self._private.values())
        if voice_type != "private":
            yield from PUBLIC.values()

    def get(self, voice_id: str | None) -> Voice | None:
        key = (voice_id or "").lower()
        return self._private.get(key) or PUBLIC.get(key)

    def is_public(self, voice: Voice) -> bool:
        return voice.id in PUBLIC

    def keep(self, voice: Voice) -> None:
        """Adds one of the account's own, or puts it in the place of the one with its id."""
        self._private[voice.id] = voice

    def delete(self, voice: Voice) -> None:
        del self._private[voice.id]


def public_voice(name: str) -> Voice:
    """The public voice of that name."""
    return PUBLIC[identifier(f"voice: {name}")]


def _public(name: str, language: str, gender: str, description: str, *tags: str) -> Voice:
    return Voice(
        id=identifier(f"voice: {name}"), name=name, language=language, gender=gender, description=description, tags=tags
    )


PUBLIC: Final = {
    voice.id: voice
    for voice in (
        _public("Clara", "English", "female", "Warm and unhurried", "warm", "conversational"),
        _public("Edwin", "English", "male", "Calm, made for long texts", "calm", "narration"),
        _public("Harriet", "English", "female", "Clear, with a teacher's patience", "clear", "teaching"),
        _public("Miles", "English", "male", "Friendly and quick", "friendly", "conversational"),
        _public("Lotte", "German", "female", "Bright and friendly", "bright", "conversational"),
        _public("Konrad", "German", "male", "Deep and calm", "calm", "narration"),
        _public("Inés", "Spanish", "female", "Lively", "lively", "conversational"),
        _public("Rafael", "Spanish", "male", "Warm, with a smile", "warm", "presenting"),
        _public("Élodie", "French", "female", "Elegant and clear", "clear", "presenting"),
        _public("Hugo", "French", "male", "Relaxed", "relaxed", "conversational"),
        _public("Chiara", "Italian", "female", "Cheerful", "cheerful", "conversational"),
        _public("Akira", "Japanese", "male", "Polite and precise", "clear", "teaching"),
        _public("Mei", "Chinese", "female", "Soft and even", "soft", "narration"),
        _public("Aarav", "Hindi", "male", "Friendly and steady", "friendly", "teaching"),
    )
}
