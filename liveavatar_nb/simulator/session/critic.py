"""Warnings about client mistakes that the service silently accepts."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from ..clock import SECOND
from .speech import Speech, Utterance, duration

LONGEST_FIRST: Final = 1_500_000  # maximum microseconds of audio in an utterance's first frame
LONGEST_LATER: Final = 2_000_000  # maximum microseconds of audio in each later frame
FURTHEST_AHEAD: Final = 60 * SECOND  # maximum microseconds of audio waiting to be spoken
END_LIMIT: Final = 10 * SECOND  # maximum microseconds from the end of an utterance's audio to its speak_end
KEPT_IDS: Final = 10_000  # number of event ids remembered, to detect reuse
FILE_HEADER: Final = re.compile(rb"RIFF.{4}WAVE|ID3|OggS|fLaC", re.DOTALL)
UNENDED: Final = (
    f"no agent.speak_end within {END_LIMIT // SECOND} s of the end of the audio: the avatar does not become idle"
)


class Critic:
    """Reports the mistakes of one session's client, each kind once per utterance or session.

    Args:
        warn: Called with each warning.
    """

    def __init__(self, warn: Callable[[str], None]) -> None:
        self._warn = warn
        self._noted: set[str] = set()
        self._utterances: dict[str, Utterance] = {}  # by event id

    def note_early_command(self, kind: str) -> None:
        """Warn that a command was sent before ``connected``; the service drops such commands silently."""
        self._note(
            self._noted, "before connected", f"{kind[:64]} was sent before the session connected: it was dropped"
        )

    def note_empty_end(self) -> None:
        """Warn that an ``agent.speak_end`` had no audio before it."""
        self._note(self._noted, "nothing to end", "agent.speak_end was sent without any audio before it")

    def note(self, text: str) -> None:
        """Give any other warning, unless the same text has already been given in this session."""
        self._note(self._noted, text, text)

    def check_frame(self, utterance: Utterance, audio: bytes, event_id: str | None, ahead: int) -> None:
        """Check a frame that has just been appended, with `ahead` microseconds of audio still to be spoken."""
        first = utterance.size == len(audio)
        if first and (header := FILE_HEADER.match(audio)):
            name = header[0][:4].decode()
            self._note_utterance(
                utterance, f"an utterance begins with a file header ({name}), which is played as noise: send raw PCM"
            )
        length, limit = duration(len(audio)), LONGEST_FIRST if first else LONGEST_LATER
        if length > limit:
            which = "first frame" if first else "frame after the first"
            self._note_utterance(utterance, f"a {which} has more than {limit / SECOND:g} s of audio")
        if ahead > FURTHEST_AHEAD:
            self._note_utterance(
                utterance, f"audio arrives more than {FURTHEST_AHEAD // SECOND} s ahead of what is being said"
            )
        if event_id != utterance.event_id:
            self._note_utterance(utterance, "frames of one utterance carry different event ids")
        if event_id is not None:
            self._check_event_id(utterance, event_id)

    def check_overdue(self, speech: Speech, now: int) -> None:
        """Check whether the end of an utterance is overdue."""
        due = self.next_due(speech)
        if due is not None and due <= now and (utterance := speech.open):
            self._note_utterance(utterance, UNENDED)

    def next_due(self, speech: Speech) -> int | None:
        """Return the time at which `check_overdue` will have something to report, if nothing arrives first."""
        utterance = speech.open
        if utterance is None or utterance.starts_at is None or UNENDED in utterance.noted:
            return None
        return utterance.ends_at + END_LIMIT

    def _check_event_id(self, utterance: Utterance, event_id: str) -> None:
        former = self._utterances.setdefault(event_id, utterance)
        if former is utterance:
            while len(self._utterances) > KEPT_IDS:
                del self._utterances[next(iter(self._utterances))]
        elif former.state == "interrupted":
            self._note_utterance(former, "a frame arrived after its utterance was interrupted, but is played anyway")
        else:
            self._note_utterance(utterance, "the event id of an earlier utterance is used again")

    def _note_utterance(self, utterance: Utterance, text: str) -> None:
        self._note(utterance.noted, text, text)

    def _note(self, noted: set[str], kind: str, text: str) -> None:
        if kind not in noted:
            noted.add(kind)
            self._warn(text)
