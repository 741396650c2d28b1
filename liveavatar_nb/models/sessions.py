"""Sessions, their tokens and transcripts."""

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
        return table(columns, records, total)


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
        said = table(columns, lines, len(lines)) if lines else html.note("Nothing was said.")
        return said + html.properties(self._shown(self.extra))
