"""Voices: those in the public library and those that the account has bound."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from .identity import CREATED_AT, identifier

# ids that other vendors' examples use
KNOWN_IDS: Final = {
    "Clara": "c2527536-6d1f-4412-a643-53a3497dada9",
    "Miles": "62bbb4b2-bb26-4727-bc87-cfb2bd4e0cc8",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """A voice as the service describes it."""

    id: str
    name: str
    language: str
    gender: str
    description: str | None = None
    tags: tuple[str, ...] = ()
    created_at: str = CREATED_AT
    updated_at: str = CREATED_AT

    def to_json(self) -> dict[str, Any]:
        """Return the voice as the API lists it."""
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
    """The public voices, which are the same in every simulator, and the account's own voices."""

    def __init__(self) -> None:
        self._private: dict[str, Voice] = {}

    def list(self, voice_type: str | None = None) -> Iterator[Voice]:
        """Yield the voices of this type (``public`` or ``private``), or all voices if the type is None.

        The account's own voices come first, newest first.
        """
        if voice_type != "public":
            yield from reversed(self._private.values())
        if voice_type != "private":
            yield from PUBLIC.values()

    def get(self, voice_id: str | None) -> Voice | None:
        """Return the voice with this id, ignoring case, or None."""
        key = (voice_id or "").lower()
        return self._private.get(key) or PUBLIC.get(key)

    def is_public(self, voice: Voice) -> bool:
        """Return whether the voice belongs to the public library."""
        return voice.id in PUBLIC

    def keep(self, voice: Voice) -> None:
        """Add one of the account's own voices, or replace the one with the same id."""
        self._private[voice.id] = voice

    def delete(self, voice: Voice) -> None:
        """Delete one of the account's own voices."""
        del self._private[voice.id]


def public_voice(name: str) -> Voice:
    """Return the public voice with this name."""
    return PUBLIC[_id(name)]


def _id(name: str) -> str:
    return KNOWN_IDS.get(name) or identifier(f"voice: {name}")


def _public(name: str, language: str, gender: str, description: str, *tags: str) -> Voice:
    return Voice(id=_id(name), name=name, language=language, gender=gender, description=description, tags=tags)


PUBLIC: Final = {
    voice.id: voice
    for voice in (
        _public("Clara", "English", "female", "Warm and unhurried", "warm", "conversational"),
        _public("Edwin", "English", "male", "Calm, good for long texts", "calm", "narration"),
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
