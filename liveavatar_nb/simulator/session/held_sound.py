"""The audio of utterances that have not begun yet."""

from __future__ import annotations

from typing import Final

from .protocols import StageLike
from .speech import BYTES_A_SECOND, Utterance

MOST_HELD: Final = 600 * BYTES_A_SECOND  # maximum bytes of audio in all waiting utterances (ten minutes)


class HeldSound:
    """Holds back each utterance's audio until the utterance begins, then passes the audio on to the stage.

    Args:
        stage: The session's stage.
    """

    def __init__(self, stage: StageLike) -> None:
        self._stage = stage
        self._held: dict[Utterance, bytearray] = {}
        self._size = 0

    def add(self, utterance: Utterance, pcm: bytes) -> None:
        """Add a piece of an utterance's audio."""
        if not self._stage.has_sound:
            return
        if self._size + len(pcm) > MOST_HELD:
            self._stage.warn("more than ten minutes of audio is waiting: the rest is dropped")
            return
        self._held.setdefault(utterance, bytearray()).extend(pcm)
        self._size += len(pcm)
        self.settle()

    def settle(self) -> None:
        """Pass on the audio of utterances that have begun."""
        for utterance in [utterance for utterance in self._held if utterance.started]:
            sound = self._held.pop(utterance)
            self._size -= len(sound)
            self._stage.say(bytes(sound))

    def drop(self) -> None:
        """Drop all audio that is being held back, and silence the avatar."""
        self._held.clear()
        self._size = 0
        self._stage.hush()
