"""`SessionTranscript`: a session's transcript, in lines that grow while they are being spoken."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from ... import config, html
from ...concurrency.clock import Clock
from ...models.base import Records
from ...models.sessions import TranscriptLine

Role = Literal["user", "avatar"]

ELLIPSIS: Final = "\N{HORIZONTAL ELLIPSIS}"


class SpokenLine(TranscriptLine):
    """A line of the transcript, as this process received it.

    `role` is `user` or `avatar`. `absolute_timestamp` is in seconds since the epoch, `relative_timestamp` in
    seconds since the session's start. While `partial` is true, the line may still grow.
    """

    partial: bool = False

    def __repr__(self) -> str:
        more = ELLIPSIS if self.partial else ""
        return f"<SpokenLine {self.role}: {html.cut(self.transcript, html.LONGEST_NAME)!r}{more}>"

    @classmethod
    def _list_html(cls, records: Sequence[SpokenLine], total: int) -> str:
        rows = [
            (html.Amount(html.clock(line.relative_timestamp)), line.role, line.transcript + ELLIPSIS * line.partial)
            for line in records
        ]
        return html.table(["at", "who", "what"], rows, total)


@dataclass
class _Line:
    """A line of the transcript that may still grow.

    Attributes:
        owner: The id of the utterance or the user's turn that the line belongs to.
        is_final: Whether the line's complete text has arrived; any text after that is ignored.
    """

    record: SpokenLine
    owner: str
    is_final: bool = False


class SessionTranscript:
    """The last 1,000 lines of a session's transcript.

    Args:
        clock: The clock to use.
        elapsed: Returns the seconds since the session's start.
    """

    def __init__(self, clock: Clock, elapsed: Callable[[], float]) -> None:
        self._clock = clock
        self._elapsed = elapsed
        self._lines: list[_Line] = []

    @property
    def records(self) -> Records[SpokenLine]:
        """The current lines."""
        return Records(line.record for line in self._lines)

    def text(self, role: Role, owner: str) -> str | None:
        """Return a line's words so far; None if there is no such line."""
        line = self._find(role, owner)
        return None if line is None else line.record.transcript

    def is_final(self, role: Role, owner: str) -> bool:
        """Return whether a line's complete text has arrived."""
        line = self._find(role, owner)
        return line is not None and line.is_final

    def grow(self, role: Role, owner: str, chunk: str) -> None:
        """Add a chunk to a line.

        A chunk of the user's is the whole phrase so far, which may correct earlier words; a chunk of the avatar's is
        its next word.
        """
        line = self._find(role, owner)
        if line is None:
            self._add(role, owner, chunk, partial=True)
        elif chunk and not line.is_final:
            self._write(line, chunk if role == "user" else line.record.transcript + chunk, partial=True)

    def finish(self, role: Role, owner: str, text: str) -> None:
        """Set a line's complete text, which replaces the chunks."""
        line = self._find(role, owner)
        if line is None:
            line = self._add(role, owner, text, partial=False)
        elif not line.is_final:
            self._write(line, text, partial=False)
        line.is_final = True

    def close(self, role: Role, owner: str) -> None:
        """Mark a line as no longer growing; its complete text may still arrive."""
        line = self._find(role, owner)
        if line is not None and line.record.partial:
            self._write(line, line.record.transcript, partial=False)

    def is_repeated(self, role: Role, text: str) -> bool:
        """Return whether `text` is a late repeat: this side's last line is over, and begins or ends with `text`."""
        line = next((line for line in reversed(self._lines) if line.record.role == role), None)
        if line is None or line.record.partial:
            return False
        there, text = line.record.transcript.strip(), text.strip()
        return there.startswith(text) or there.endswith(text)

    def _find(self, role: Role, owner: str) -> _Line | None:
        return next((line for line in reversed(self._lines) if line.owner == owner and line.record.role == role), None)

    def _add(self, role: Role, owner: str, text: str, *, partial: bool) -> _Line:
        record = SpokenLine(
            role=role,
            transcript=text,
            absolute_timestamp=int(self._clock.wall()),
            relative_timestamp=int(self._elapsed()),
            partial=partial,
        )
        self._lines.append(line := _Line(record, owner))
        del self._lines[: -config.KEPT_LINES]
        return line

    def _write(self, line: _Line, text: str, *, partial: bool) -> None:
        # create a new record, because callers may still be using the old one
        line.record = SpokenLine(
            role=line.record.role,
            transcript=text,
            absolute_timestamp=line.record.absolute_timestamp,
            relative_timestamp=line.record.relative_timestamp,
            partial=partial,
        )


class UserTurns:
    """Records the user's speech, turn by turn.

    Args:
        lines: The transcript to add the user's speech to.
    """

    def __init__(self, lines: SessionTranscript) -> None:
        self._lines = lines
        self._turn: str | None = None
        self._unfinished: str | None = None  # the previous turn, if its complete text has not arrived
        self._is_begun = False  # whether the service has announced a new turn

    def begin(self) -> None:
        """Record that the user has begun to speak."""
        self._is_begun = True
        if self._turn is not None:
            self._lines.close("user", self._turn)
            self._unfinished, self._turn = self._turn, None

    def grow(self, chunk: str) -> None:
        """Set the current turn's words so far, unless they are a late repeat."""
        if self._turn is None:
            if not self._is_begun and self._lines.is_repeated("user", chunk):
                return
            self._turn = str(uuid.uuid4())
        self._lines.grow("user", self._turn, chunk)

    def finish(self, text: str) -> None:
        """Set the complete text of the current turn, or of the previous turn if the text arrives late."""
        turn = self._turn
        if turn is None and self._unfinished is not None:
            begun = self._lines.text("user", self._unfinished)
            turn = self._unfinished if begun is not None and text.startswith(begun) else None
        self._lines.finish("user", turn or str(uuid.uuid4()), text)
        self._turn = self._unfinished = None
        self._is_begun = False
