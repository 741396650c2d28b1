"""Records what arrives over WebSockets: the audio of each utterance, and metadata about each frame."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from .heard import Frame, Heard
from .speech import Utterance

KEPT_SOUND: Final = 32 * 1024 * 1024  # maximum bytes of audio for all sessions together
KEPT_UTTERANCES: Final = 2_000
KEPT_FRAMES: Final = 5_000


@dataclass(slots=True, eq=False)
class _Recording:
    session_id: str
    utterance: Utterance
    first_at: float
    last_at: float

    def to_heard(self, sound: Iterable[bytes]) -> Heard:
        """Return the recording in its public form.

        Args:
            sound: The audio that is still kept, frame by frame.
        """
        frames = tuple(sound)
        pcm = b"".join(frames)
        return Heard(
            session_id=self.session_id,
            event_id=self.utterance.event_id,
            pcm=pcm,
            frames=tuple(map(len, frames)),
            first_at=self.first_at,
            last_at=self.last_at,
            state=self.utterance.state,
            dropped=self.utterance.size - len(pcm),
        )


class SpeechRecorder:
    """A bounded record of the audio and frames of all sessions; the oldest are dropped first.

    Args:
        kept_sound: How many bytes of audio to keep.
    """

    def __init__(self, kept_sound: int = KEPT_SOUND) -> None:
        self._kept_sound = kept_sound
        self._recordings: dict[str, _Recording] = {}
        # one entry per frame, oldest first, so that dropping an entry frees its memory immediately
        self._sound: deque[tuple[_Recording, bytes]] = deque()
        self._size = 0
        self._frames: deque[Frame] = deque(maxlen=KEPT_FRAMES)

    def add_frame(self, frame: Frame) -> None:
        """Record a frame."""
        self._frames.append(frame)

    def add_sound(self, session_id: str, utterance: Utterance, audio: bytes, received_at: float) -> None:
        """Record the audio of a frame that has just been appended to its utterance."""
        recording = self._recordings.get(utterance.task_id)
        if recording is None:
            recording = _Recording(session_id, utterance, received_at, received_at)
            self._recordings[utterance.task_id] = recording
            if len(self._recordings) > KEPT_UTTERANCES:
                # the dropped recording's audio is freed later, once that audio is the oldest
                del self._recordings[next(iter(self._recordings))]
        recording.last_at = received_at
        self._sound.append((recording, audio))
        self._size += len(audio)
        while self._size > self._kept_sound:
            _, oldest = self._sound.popleft()
            self._size -= len(oldest)

    def heard(self, session_id: str | None) -> list[Heard]:
        """Return the utterances of one session, or of all sessions if `session_id` is None, oldest first."""
        sound: defaultdict[_Recording, list[bytes]] = defaultdict(list)
        for recording, audio in self._sound:
            sound[recording].append(audio)
        recordings = self._recordings.values()
        return [one.to_heard(sound[one]) for one in recordings if session_id in (None, one.session_id)]

    def frames(self, session_id: str | None) -> list[Frame]:
        """Return the frames of one session, or of all sessions if `session_id` is None, oldest first."""
        return [frame for frame in self._frames if session_id in (None, frame.session_id)]
