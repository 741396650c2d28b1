"""Records of sessions, their tokens and transcripts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, Final

from .. import html
from .base import Record, Records

if TYPE_CHECKING:
    import pandas as pd
from .table import Columns, table

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


class SessionRecord(Record):
    """A session, as listed by the service (schemas `ActiveSession`, `HistoricSession`).

    Attributes:
        id: The session's id.
        created_at: When the session was created.
        updated_at: When the record last changed.
        duration: How long the session has run, in seconds.
        source: What started the session: `API`, `APP`, `EMBED` or `DEMO`.
        mode: `LITE` or `FULL`.
        is_sandbox: Whether the session runs in the sandbox, which is free.
        credits_consumed: What the session has cost, in credits.
        end_at: When the session ended; None until then.
        end_reason: Why the session ended, e.g. `USER_CLOSED`; None until then.
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
        """Whether the session is running, and therefore being billed."""
        return self.end_at is None and self.end_reason is None

    @property
    def end_words(self) -> str | None:
        """Why the session ended, in words; None while it is running."""
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
            "started": lambda session: session.created_at,
            "mode": lambda session: session._kind,
            "duration": lambda session: html.clock(session.duration),
            "credits": lambda session: html.amount(session.credits_consumed),
            "end": lambda session: session.end_words or "running",
            "id": lambda session: session.id,
        }
        return table(columns, records, total)


class SessionToken(Record):
    """A session that is ready to start (schema `SessionToken`); nothing is billed yet. Its repr hides the token."""

    session_id: str
    session_token: str

    def _repr_html_(self) -> str:
        return html.card("Session, not started yet", self._shown(self.keys()))


class StartedSession(Record):
    """A started session (schema `StartedSession`). Its repr hides the tokens and the WebSocket's URL."""

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
    """One line of a transcript (schema `TranscriptLine`).

    `role` is `user` or `avatar`. `absolute_timestamp` is measured from the epoch and `relative_timestamp` from
    the session's start, both in the service's units.
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

    While the session is active, pass `next_timestamp` as the next call's `start_timestamp` to get further lines.
    """

    session_active: bool
    transcript_data: list[TranscriptLine]
    next_timestamp: int | None = None

    @property
    def lines(self) -> Records[TranscriptLine]:
        """The transcript's lines."""
        return Records(self.transcript_data)

    def to_pandas(self) -> pd.DataFrame:
        """Return a DataFrame with a row per line."""
        return self.lines.to_pandas()

    def __repr__(self) -> str:
        state = "active" if self.session_active else "ended"
        return f"<Transcript of {len(self.transcript_data)} lines, session {state}>"

    def _repr_html_(self) -> str:
        lines = self.transcript_data
        columns: Columns[TranscriptLine] = {"who": lambda line: line.role, "what": lambda line: line.transcript}
        said = table(columns, lines, len(lines)) if lines else html.note("Nothing was said.")
        return said + html.properties(self._shown(self.extra))
