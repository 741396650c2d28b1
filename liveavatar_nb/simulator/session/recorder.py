"""The recorder of what arrives over WebSockets: the audio of utterances, and a record of each frame."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from .heard import Frame, Heard
from .speech import Utterance

KEPT_SOUND: Final = 64 * 1024 * 1024  # maximum bytes of audio for all sessions together
KEPT_UTTERANCES: Final = 10_000
KEPT_FRAMES: Final = 20_000


@dataclass(slots=True, eq=False)
class _Recording:
    session_id: str
    utterance: Utterance
    first_at: float
    last_at: float
    pcm: bytearray = field(default_factory=bytearray)
    frames: deque[int] = field(default_factory=deque)

    def add(self, audio: bytes, received_at: float) -> None:
        """Add a frame's audio."""
        self.pcm += audio
        self.frames.append(len(audio))
        self.last_at = received_at

    def drop_oldest(self) -> int:
        """Drop the oldest frame and return its size in bytes."""
        size = self.frames.popleft()
        del self.pcm[:size]
        return size

    def to_heard(self) -> Heard:
        """Return the recording in its public form."""
        return Heard(
            session_id=self.session_id,
            event_id=self.utterance.event_id,
            pcm=bytes(self.pcm),
            frames=tuple(self.frames),
            first_at=self.first_at,
            last_at=self.last_at,
            state=self.utterance.state,
            dropped=self.utterance.size - len(self.pcm),
        )


class SpeechRecorder:
    """A bounded record of the audio and frames of all sessions; the oldest are dropped first.

    Args:
        kept_sound: How many bytes of audio to keep.
    """

    def __init__(self, kept_sound: int = KEPT_SOUND) -> None:
        self._kept_sound = kept_sound
        self._recordings: dict[str, _Recording] = {}
        self._order: deque[_Recording] = deque()  # one entry per frame of audio, oldest first
        self._size = 0
        self._frames: deque[Frame] = deque(maxlen=KEPT_FRAMES)

    def add_frame(self, frame: Frame) -> None:
        """Record a frame."""
        self._frames.append(frame)

    def add_sound(self, session_id: str, utterance: Utterance, audio: bytes, received_at: float) -> None:
        """Record the audio of a frame that was just appended to its utterance."""
        recording = self._recordings.get(utterance.task_id)
        if recording is None:
            recording = _Recording(session_id, utterance, received_at, received_at)
            self._recordings[utterance.task_id] = recording
            if len(self._recordings) > KEPT_UTTERANCES:
                # its audio is freed later, once its frames are the oldest
                del self._recordings[next(iter(self._recordings))]
        recording.add(audio, received_at)
        self._order.append(recording)
        self._size += len(audio)
        while self._size > self._kept_sound:
            self._size -= self._order.popleft().drop_oldest()

    def heard(self, session_id: str | None) -> list[Heard]:
        """Return the utterances of one session, or of all sessions if None, oldest first."""
        recordings = self._recordings.values()
        return [recording.to_heard() for recording in recordings if session_id in (None, recording.session_id)]

    def frames(self, session_id: str | None) -> list[Frame]:
        """Return the frames of one session, or of all sessions if None, oldest first."""
        return [frame for frame in self._frames if session_id in (None, frame.session_id)]
