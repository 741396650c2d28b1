"""The contract's records: what the service sends back, typed. `record` says what all of them can do."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar

from .. import html
from ..config import CREDITS_PER_MINUTE
from ..errors import SchemaError
from ..validation import check, strict
from .base import Record, Records

if TYPE_CHECKING:
    import pandas as pd

R = TypeVar("R", bound=Record)

END_WORDS: Final = {
    "UNKNOWN": "the service gave no reason",
    "USER_DISCONNECTED": "you left",
    "SERVER_ERROR": "the service failed",
    "IDLE_TIMEOUT": "nothing kept it alive",
    "NO_CREDITS": "the credits ran out",
    "USER_CLOSED": "you stopped it",
    "AVATAR_DELETED": "its avatar was deleted",
    "MAX_DURATION_REACHED": "its time was up",
    "ZOMBIE_SESSION_REAP": "the service found nobody in it",
    "AGENT_HANG_UP": "the agent hung up",
}
Columns = Mapping[str, Callable[[R], Any]]  # of a table: headings, and what stands below them

LARGEST_EXPONENT: Final = 30  # of a number of credits
SOUNDS: Final = {b"RIFF": "audio/wav", b"OggS": "audio/ogg", b"fLaC": "audio/flac", b"ID3": "audio/mpeg"}


def _table(columns: Columns[R], records: Sequence[R], total: int) -> html.Markup:
    """A list of records under headings of its own, with a column for each field that a newer service added."""
    added = dict.fromkeys(name for one in records for name in one.extra)

    def row(one: R) -> list[Any]:
        extra = dict(one._shown(one.extra))
        return [*(value_of(one) for value_of in columns.values()), *(extra.get(name) for name in added)]

    return html.table([*columns, *added], map(row, records), total)


class VoiceName(Record):
    """A voice by id and name (schema `VoiceName`)."""

    id: str
    name: str


class Avatar(Record):
    """An avatar (schema `Avatar`; `GET /v1/avatars`, `GET /v1/avatars/public`)."""

    id: str
    name: str
    created_at: datetime
    updated_at: datetime
    error_message: str | None
    type: str = "VIDEO"
    status: str = "INIT"
    space_id: str | None = None
    preview_url: str | None = None
    is_expired: bool = False
    default_voice: VoiceName | None = None
    is_1080p: bool = False

    @property
    def is_usable(self) -> bool:
        """Whether a session can be started with it: only ACTIVE ones that have not expired."""
        return self.status == "ACTIVE" and not self.is_expired

    @property
    def _state(self) -> str:
        return "" if self.is_usable else "expired" if self.is_expired else self.status

    @property
    def _picture(self) -> str | None:
        # a picture that only this machine can reach was fetched for the page
        fetched: str | None = self.__dict__.get("_fetched")
        return fetched or self.preview_url

    def __repr__(self) -> str:
        return f"<Avatar {html.cut(self.name, html.LONGEST_NAME)!r} {self.id}{self._state and f', {self._state}'}>"

    def _repr_html_(self) -> str:
        pairs = [
            ("id", self.id),
            ("status", f"{self.status}, expired" if self.is_expired else self.status),
            *([("error", self.error_message)] if self.error_message else []),
            ("type", self.type),
            ("voice", self.default_voice.name if self.default_voice else None),
            ("1080p", self.is_1080p),
            ("created", self.created_at),
            ("updated", self.updated_at),
            *self._shown(self.extra),
        ]
        return html.card(self.name, pairs, html.picture(self._picture, self.name, 144))

    @classmethod
    def _list_html(cls, records: Sequence[Avatar], total: int) -> str:
        return html.gallery(((one._picture or "", one.name, one._state or one.type) for one in records), total)


class SessionRecord(Record):
    """A session as the service's list has it (schemas `ActiveSession`, `HistoricSession`).

    `duration` is in seconds, `credits_consumed` in credits; `end_at` and `end_reason` are there once it ended.
    """

    id: str
    created_at: datetime
    updated_at: datetime
    duration: int
    source: str
    mode: str
    is_sandbox: bool
    credits_consumed: float
    end_at: datetime | None = None
    end_reason: str | None = None

    @property
    def is_active(self) -> bool:
        """Whether it runs, and bills."""
        return self.end_at is None and self.end_reason is None

    @property
    def end_words(self) -> str | None:
        """Why it ended, in words; None while it runs."""
        if self.is_active:
            return None
        return END_WORDS.get(self.end_reason or "UNKNOWN", self.end_reason)

    def __repr__(self) -> str:
        life = "active" if self.is_active else f"ended, {self.end_reason or 'UNKNOWN'}"
        return f"<SessionRecord {self.id} {self.mode} {life}, {self.duration} s, {self.credits_consumed:g} credits>"

    @property
    def _kind(self) -> str:
        return f"{self.mode}, sandbox" if self.is_sandbox else self.mode

    def _repr_html_(self) -> str:
        end = self.end_words
        term = f" ({self.end_reason})" if self.end_reason and end != self.end_reason else ""
        pairs = [
            ("id", self.id),
            ("mode", self._kind),
            ("started", self.created_at),
            *([] if end is None else [("ended", self.end_at), ("end", f"{end}{term}")]),
            ("duration", html.clock(self.duration)),
            ("credits", html.amount(self.credits_consumed)),
            ("source", self.source),
            ("updated", self.updated_at),
            *self._shown(self.extra),
        ]
        return html.card("Running session" if self.is_active else "Session", pairs)

    @classmethod
    def _list_html(cls, records: Sequence[SessionRecord], total: int) -> str:
        columns: Columns[SessionRecord] = {
            "started": lambda one: one.created_at,
            "mode": lambda one: one._kind,
            "duration": lambda one: html.clock(one.duration),
            "credits": lambda one: html.amount(one.credits_consumed),
            "end": lambda one: one.end_words or "running",
            "id": lambda one: one.id,
        }
        return _table(columns, records, total)


class SessionToken(Record):
    """A session that may be started (schema `SessionToken`); nothing is billed yet. The token is not shown."""

    session_id: str
    session_token: str

    def _repr_html_(self) -> str:
        return html.card("Session, not started yet", self._shown(self.keys()))


class StartedSession(Record):
    """A session that was started (schema `StartedSession`). Tokens and the socket's address are not shown."""

    session_id: str
    livekit_url: str | None
    livekit_client_token: str | None
    livekit_agent_token: str | None = None
    max_session_duration: int | None = None
    ws_url: str | None = None

    def _repr_html_(self) -> str:
        longest = self.max_session_duration
        shown = {
            **dict(self._shown(self.keys())),
            "max_session_duration": None if longest is None else html.clock(longest),
        }
        return html.card("Started session", shown.items())


class TranscriptLine(Record):
    """What was said once (schema `TranscriptLine`).

    `role` is `user` or `avatar`; the timestamps are as the service counts them: since the epoch, and since the
    session's start.
    """

    _columns: ClassVar = ("role", "transcript", "relative_timestamp")

    role: str
    transcript: str
    absolute_timestamp: int
    relative_timestamp: int

    def __repr__(self) -> str:
        return f"<TranscriptLine {self.role}: {html.cut(self.transcript, html.LONGEST_NAME)!r}>"


class Transcript(Record):
    """What was said in a session (schema `Transcript`; `GET /v1/sessions/{session_id}/transcript`).

    `next_timestamp` is where to go on while the session is active.
    """

    session_active: bool
    transcript_data: list[TranscriptLine]
    next_timestamp: int | None = None

    @property
    def lines(self) -> Records[TranscriptLine]:
        """Its lines."""
        return Records(self.transcript_data)

    def to_pandas(self) -> pd.DataFrame:
        """A table with a row for each line."""
        return self.lines.to_pandas()

    def __repr__(self) -> str:
        state = "active" if self.session_active else "ended"
        return f"<Transcript of {len(self.transcript_data)} lines, session {state}>"

    def _repr_html_(self) -> str:
        lines = self.transcript_data
        columns: Columns[TranscriptLine] = {"who": lambda line: line.role, "what": lambda line: line.transcript}
        said = _table(columns, lines, len(lines)) if lines else html.note("Nothing was said.")
        return said + html.properties(self._shown(self.extra))


class Voice(Record):
    """A voice (schema `Voice`; `GET /v1/voices`)."""

    id: str
    name: str
    language: str
    gender: str
    created_at: datetime
    updated_at: datetime
    tags: list[str]
    description: str | None = None

    @property
    def preview(self) -> VoicePreview | None:
        """Its sound, where it was fetched: `voices.preview(voice.id)`, or a list that shows itself."""
        fetched: VoicePreview | None = self.__dict__.get("_fetched")
        return fetched

    def _repr_html_(self) -> str:
        sound = self.preview._player(self.name) if self.preview else ""
        pairs = [(name, value) for name, value in self._shown(self.keys()) if name != "name"]
        return html.card(self.name, pairs, sound)

    @classmethod
    def _list_html(cls, records: Sequence[Voice], total: int) -> str:
        columns: Columns[Voice] = {
            "name": lambda one: one.name,
            "preview": lambda one: one.preview._player(one.name) if one.preview else None,
            "language": lambda one: one.language,
            "gender": lambda one: one.gender,
            "tags": lambda one: one.tags,
            "id": lambda one: one.id,
        }
        return _table(columns, records, total)


class BoundVoice(Record):
    """A third party's voice that was bound (schema `BoundVoice`)."""

    voice_id: str


class VoicePreview(Record):
    """How a voice sounds (schema `VoicePreview`); plays in a notebook."""

    audio_base64: str

    @property
    def audio(self) -> bytes:
        """The sound file's bytes.

        Raises:
            SchemaError: the service sent no base64.
        """
        try:
            return base64.b64decode(self.audio_base64, validate=True)
        except (binascii.Error, ValueError):
            raise SchemaError("The voice's preview is no base64.") from None

    @property
    def media_type(self) -> str:
        """The kind of sound, by its first bytes."""
        first = self.audio[:4]
        return next((kind for start, kind in SOUNDS.items() if first.startswith(start)), "audio/mpeg")

    def __repr__(self) -> str:
        return f"<VoicePreview of {len(self.audio_base64) * 3 // 4:,} bytes>"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("bytes", len(self.audio_base64) * 3 // 4)]

    def _player(self, name: str) -> html.Markup:
        try:
            return html.player(self.media_type, self.audio_base64, f"Preview of {name}" if name else "Preview")
        except SchemaError:
            return html.note("This preview cannot be played.")

    def _repr_html_(self) -> str:
        return self._player("") + html.properties(self._shown(self.extra))


class Context(Record):
    """What an avatar knows and how it behaves, in a list (schema `Context`)."""

    _columns: ClassVar = ("name", "updated_at", "id")

    id: str
    name: str
    created_at: datetime
    updated_at: datetime


class ContextLink(Record):
    """A page that a context draws on (schema `ContextLink`)."""

    url: str
    faq: str | None
    id: str


class ContextDetail(Record):
    """A context with its prompt (schema `ContextDetail`).

    `required_dynamic_variables` are the names that a session must give values for.
    """

    id: str
    name: str
    prompt: str
    opening_text: str | None
    created_at: datetime
    updated_at: datetime
    required_dynamic_variables: list[str]
    links: list[ContextLink] | None = None

    def _repr_html_(self) -> str:
        links = "\n".join(link.url for link in self.links or ()) or None
        shown = {**dict(self._shown(self.keys())), "links": links}
        return html.card(shown.pop("name"), shown.items())


@dataclass(frozen=True)
class NewContext:
    """A context that `start` makes for one session (`POST /v1/contexts`), and that is deleted with it.

    Attributes:
        name: what it is called.
        prompt: what the avatar knows and how it behaves; `{{names}}` are filled in by `dynamic_variables`.
        opening_text: what it says first; None for nothing.
        links: pages that it draws on, as in `[{"url": "https://example.org", "faq": None}]`.

    Raises:
        InvalidArgument: one of them is missing, or of another type.
    """

    name: str
    prompt: str
    opening_text: str | None = None
    links: list[Any] | None = None

    def __post_init__(self) -> None:
        check(self.name, str, "name")
        check(self.prompt, str, "prompt")
        check(self.opening_text, str | None, "opening_text")
        check(self.links, list[Any] | None, "links")


# a dataclass writes it by itself
NewContext.__init__ = strict(NewContext.__init__)  # type: ignore[method-assign]


class Language(Record):
    """A language that avatars speak (schema `Language`)."""

    language: str
    code: str


class Credits(Record):
    """What is left on the account (schema `Credits`), in credits."""

    credits_left: Decimal

    def __post_init__(self) -> None:
        left = self.credits_left
        if not left.is_finite() or left.adjusted() > LARGEST_EXPONENT:
            raise ValueError("`credits_left` is no number of credits")

    def __repr__(self) -> str:
        return f"<Credits {self.credits_left} left>"

    def _repr_html_(self) -> str:
        minutes = {mode: int(float(self.credits_left) / price) for mode, price in CREDITS_PER_MINUTE.items()}
        spans = [f"{time:,} min of {mode}" for mode, time in sorted(minutes.items(), reverse=True)]
        told = f"Enough for {', or '.join(spans)}." if max(minutes.values()) > 0 else "Less than a minute is left."
        number = html.figure(f"{self.credits_left:,f}", "credits left")
        return number + html.note(told) + html.properties(self._shown(self.extra))


class Embed(Record):
    """An avatar for a web page (schema `Embed`; `POST /v2/embeddings`)."""

    embed_id: str
    url: str
    script: str | None = None
    orientation: str = "horizontal"


class Secret(Record):
    """A secret that the service keeps for you, by its name (schema `Secret`); its value never comes back."""

    id: str
    secret_name: str


class SecretListItem(Record):
    """A secret in a list (schema `SecretListItem`)."""

    _columns: ClassVar = ("secret_name", "secret_type", "created_at", "id")

    id: str
    secret_name: str
    secret_type: str
    created_at: datetime | None = None


class LlmConfigListItem(Record):
    """A language model of your own, in a list (schema `LlmConfigListItem`)."""

    _columns: ClassVar = ("display_name", "model_name", "secret_id", "id")

    id: str
    display_name: str
    model_name: str
    secret_id: str


class LlmConfig(Record):
    """A language model of your own (schema `LlmConfig`)."""

    id: str
    base_url: str | None
    display_name: str
    model_name: str
    secret_id: str
    created_at: datetime
    updated_at: datetime

    def _repr_html_(self) -> str:
        shown = dict(self._shown(self.keys()))
        return html.card(shown.pop("display_name"), shown.items())


class Memory(Record):
    """What is remembered of a session (schema `Memory`)."""

    id: str
    memory_type: str
    memory_content: str | None
    created_at: datetime


class MemoryListItem(Record):
    """A memory in a list (schema `MemoryListItem`)."""

    _columns: ClassVar = ("memory_content_preview", "memory_type", "updated_at", "id")

    id: str
    memory_type: str
    memory_content_preview: str | None
    created_at: datetime
    updated_at: datetime


class MemoryEpisode(Record):
    """One session's part of a memory (schema `MemoryEpisode`)."""

    session_id: str
    sequence_num: int
    summary: str
    created_at: datetime


class MemoryDetail(Record):
    """A memory with its episodes (schema `MemoryDetail`)."""

    id: str
    memory_type: str
    memory_content: str | None
    session_episodes: list[MemoryEpisode]
    created_at: datetime
    updated_at: datetime

    def _repr_html_(self) -> str:
        told = "\n".join(f"{episode.sequence_num}. {episode.summary}" for episode in self.session_episodes)
        shown = {**dict(self._shown(self.keys())), "session_episodes": told or None}
        return html.card("Memory", shown.items())
