"""The sound of a connection's utterances, until each of them begins."""

from __future__ import annotations

from typing import Final

from .protocols import StageLike
from .speech import BYTES_A_SECOND, Utterance

MOST_HELD: Final = 600 * BYTES_A_SECOND  # bytes of sound of utterances that have not begun: ten minutes


class Cues:
    """Hands the stage each utterance's sound when it begins, and from then on as it comes."""

    def __init__(self, stage: StageLike) -> None:
        self._stage = stage
        self._held: dict[Utterance, bytearray] = {}
        self._size = 0

    def add(self, utterance: Utterance, pcm: bytes) -> None:
        if not self._stage.has_sound:
            return
        if self._size + len(pcm) > MOST_HELD:
            self._stage.warn("more than ten minutes of sound wait for their turn: the rest of it is not heard")
            return
        self._held.setdefault(utterance, bytearray()).extend(pcm)
        self._size += len(pcm)
        self.settle()

    def settle(self) -> None:
        """Hands on what has begun."""
        for utterance in [one for one in self._held if one.started]:
            sound = self._held.pop(utterance)
            self._size -= len(sound)
            self._stage.say(bytes(sound))

    def drop(self) -> None:
        """Forgets all that waits, and silences what is being said."""
        self._held.clear()
        self._size = 0
        self._stage.hush()
