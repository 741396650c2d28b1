"""What a client does that the service bears in silence, and that is still not right."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from ..clock import SECOND
from .speech import Speech, Utterance, duration

LONGEST_FIRST: Final = 1_500_000  # microseconds of sound in an utterance's first frame
LONGEST_LATER: Final = 2_000_000  # microseconds of sound in each later one
FURTHEST_AHEAD: Final = 60 * SECOND  # of what is being said
END_LIMIT: Final = 10 * SECOND  # from the end of an utterance's sound to its speak_end
KEPT_IDS: Final = 10_000  # event ids that are known again
FILE_HEADER: Final = re.compile(rb"RIFF.{4}WAVE|ID3|OggS|fLaC", re.DOTALL)
UNENDED: Final = f"no agent.speak_end came {END_LIMIT // SECOND} s after the end of the sound: the avatar never idles"


class Critic:
    """Notes what one session's client does, each kind of it once in an utterance or in the session."""

    def __init__(self, warn: Callable[[str], None]) -> None:
        self._warn = warn
        self._noted: set[str] = set()
        self._utterances: dict[str, Utterance] = {}  # by event id

    def before_connected(self, kind: str) -> None:
        # as the service does: dropped without a word, which only this list of warnings gives away
        self._note(self._noted, "before connected", f"{kind[:64]} was sent before connected: dropped")

    def nothing_to_end(self) -> None:
        self._note(self._noted, "nothing to end", "agent.speak_end came with no sound before it")

    def stage(self, text: str) -> None:
        """What the avatar's stage has to say of the session."""
        self._note(self._noted, text, text)

    def frame(self, utterance: Utterance, audio: bytes, event_id: str | None, ahead: int) -> None:
        """Looks at a frame that was just appended, with `ahead` microseconds left to say."""
        first = utterance.size == len(audio)
        if first and (header := FILE_HEADER.match(audio)):
            name = header[0][:4].decode()
            self._against(utterance, f"the sound of an utterance begins with a file's header ({name}): it is garbled")
        length, limit = duration(len(audio)), LONGEST_FIRST if first else LONGEST_LATER
        if length > limit:
            which = "first frame" if first else "frame after the first"
            self._against(utterance, f"a {which} is longer than {limit / SECOND:g} s of sound")
        if ahead > FURTHEST_AHEAD:
            self._against(utterance, f"sound comes more than {FURTHEST_AHEAD // SECOND} s ahead of what is being said")
        if event_id != utterance.event_id:
            self._against(utterance, "frames of one utterance carry different event ids")
        if event_id is not None:
            self._known(utterance, event_id)

    def watch(self, speech: Speech, now: int) -> None:
        """Looks whether an utterance's end is overdue."""
        due = self.next_due(speech)
        if due is not None and due <= now and (utterance := speech.open):
            self._against(utterance, UNENDED)

    def next_due(self, speech: Speech) -> int | None:
        """When `watch` has something to note, if nothing comes until then."""
        utterance = speech.open
        if utterance is None or utterance.starts_at is None or UNENDED in utterance.noted:
            return None
        return utterance.ends_at + END_LIMIT

    def _known(self, utterance: Utterance, event_id: str) -> None:
        former = self._utterances.setdefault(event_id, utterance)
        if former is utterance:
            while len(self._utterances) > KEPT_IDS:
                del self._utterances[next(iter(self._utterances))]
        elif former.state == "interrupted":
            self._against(former, "a frame came after the interrupt of its utterance: it still plays")
        else:
            self._against(utterance, "the event id of an earlier utterance is used again")

    def _against(self, utterance: Utterance, text: str) -> None:
        self._note(utterance.noted, text, text)

    def _note(self, noted: set[str], kind: str, text: str) -> None:
        if kind not in noted:
            noted.add(kind)
            self._warn(text)
