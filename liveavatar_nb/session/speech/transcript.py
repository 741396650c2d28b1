"""`Lines`: what was said in a session, on both sides, as lines that grow while they are said."""

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
    """What was said once, as this process heard it.

    `role` is `user` or `avatar`; the timestamps are seconds since the epoch, and since the session's start. `partial`:
    more of it may come.
    """

    partial: bool = False

    def __repr__(self) -> str:
        more = ELLIPSIS if self.partial else ""
        return f"<SpokenLine {self.role}: {html.cut(self.transcript, html.LONGEST_NAME)!r}{more}>"

    @classmethod
    def _list_html(cls, records: Sequence[SpokenLine], total: int) -> str:
        rows = [
            (html.Amount(html.clock(one.relative_timestamp)), one.role, one.transcript + ELLIPSIS * one.partial)
            for one in records
        ]
        return html.table(["at", "who", "what"], rows, total)


@dataclass
class _Line:
    """One line and how it grew.

    Attributes:
        owner: what it belongs to: an utterance's id, or the user's turn.
        is_final: its words are the whole ones; what comes afterwards is late.
        comes_whole: each chunk held all that was said so far, and not what was new alone.
    """

    record: SpokenLine
    owner: str
    is_final: bool = False
    comes_whole: bool = False


class Lines:
    """The lines of one session; the last 1,000.

    Args:
        clock: tells the time.
        elapsed: tells the seconds since the session's start.
    """

    def __init__(self, clock: Clock, elapsed: Callable[[], float]) -> None:
        self._clock = clock
        self._elapsed = elapsed
        self._lines: list[_Line] = []

    @property
    def records(self) -> Records[SpokenLine]:
        """The lines as they are now."""
        return Records(line.record for line in self._lines)

    def text(self, role: Role, owner: str) -> str | None:
        """The words of one, as far as they came."""
        line = self._find(role, owner)
        return None if line is None else line.record.transcript

    def is_final(self, role: Role, owner: str) -> bool:
        """Whether its whole words are known."""
        line = self._find(role, owner)
        return line is not None and line.is_final

    def grow(self, role: Role, owner: str, chunk: str) -> None:
        """More of it was said. A chunk that begins with what is there replaces it, another one is appended."""
        line = self._find(role, owner)
        if line is None:
            self._add(role, owner, chunk, partial=True)
            return
        there = line.record.transcript
        if line.is_final or not chunk:
            return
        if chunk.startswith(there):
            line.comes_whole = line.comes_whole or len(chunk) > len(there) > 0
            self._write(line, chunk, partial=True)
        elif not (line.comes_whole and there.startswith(chunk)):
            self._write(line, there + chunk, partial=True)

    def finish(self, role: Role, owner: str, text: str) -> None:
        """Its whole words, which take the place of those that came bit by bit."""
        line = self._find(role, owner)
        if line is None:
            line = self._add(role, owner, text, partial=False)
        elif not line.is_final:
            self._write(line, text, partial=False)
        line.is_final = True

    def close(self, role: Role, owner: str) -> None:
        """No more of it is said; its whole words may still come."""
        line = self._find(role, owner)
        if line is not None and line.record.partial:
            self._write(line, line.record.transcript, partial=False)

    def is_repeated(self, role: Role, text: str) -> bool:
        """Whether the last line of that side, which is over, begins or ends with these words: they are late."""
        line = next((one for one in reversed(self._lines) if one.record.role == role), None)
        if line is None or line.record.partial:
            return False
        there, text = line.record.transcript.strip(), text.strip()
        return there.startswith(text) or there.endswith(text)

    def _find(self, role: Role, owner: str) -> _Line | None:
        return next((one for one in reversed(self._lines) if one.owner == owner and one.record.role == role), None)

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
        # another record: one that was handed out stays as it was
        line.record = SpokenLine(
            role=line.record.role,
            transcript=text,
            absolute_timestamp=line.record.absolute_timestamp,
            relative_timestamp=line.record.relative_timestamp,
            partial=partial,
        )


class UserSide:
    """What the user says aloud, turn by turn.

    Args:
        lines: where it stands.
    """

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._turn: str | None = None
        self._unfinished: str | None = None  # the turn before, whose whole words did not come
        self._is_begun = False  # whether a new turn was told of

    def begin(self) -> None:
        """The user begins to speak."""
        self._is_begun = True
        if self._turn is not None:
            self._lines.close("user", self._turn)
            self._unfinished, self._turn = self._turn, None

    def grow(self, chunk: str) -> None:
        """More of it; what is late is left out."""
        if self._turn is None:
            if not self._is_begun and self._lines.is_repeated("user", chunk):
                return
            self._turn = str(uuid.uuid4())
        self._lines.grow("user", self._turn, chunk)

    def finish(self, text: str) -> None:
        """The whole words of a turn: of the one under way, or of one whose words are late."""
        turn = self._turn
        if turn is None and self._unfinished is not None:
            begun = self._lines.text("user", self._unfinished)
            turn = self._unfinished if begun is not None and text.startswith(begun) else None
        self._lines.finish("user", turn or str(uuid.uuid4()), text)
        self._turn = self._unfinished = None
        self._is_begun = False
