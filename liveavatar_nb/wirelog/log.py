"""What went over the wire as one timeline: requests and the frames of sessions, secrets masked, bounded."""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, SupportsIndex, get_args, overload

from .. import html
from ..errors import ConfigurationError, InvalidArgument
from .exchange import Exchange, SessionLabel
from .frame import Channel, Direction, Frame
from .har import har
from .timeline import Entry, Line, Timeline

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["rest", "websocket", "data"]

SHOWN: Final = 50  # entries of a log that shows itself in a notebook, the last
ROW_TEXT: Final = 4_000  # characters of a payload in a row for a page
ARROWS: Final = {"sent": "\N{RIGHTWARDS ARROW}", "received": "\N{LEFTWARDS ARROW}"}
REST_OF_ID: Final = re.compile(r"(?<=\b[0-9a-f]{8})(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")  # what a table has no room for
ELLIPSIS: Final = "\N{HORIZONTAL ELLIPSIS}"
UNDER_WAY: Final = "under way"


class Wire(Sequence[Entry]):
    """What went over the wire, in the order in which it began: requests (`Exchange`) and frames (`Frame`).

    The last 10,000 are held, with at most 4 MiB of payload; a payload of more than 16 KiB is cut, and the texts in it
    to 4,000 characters, which it says. Secrets are masked before anything is kept. `filter` and `of` give views
    of the same log, which go on with it; a slice is what it held then.
    """

    def __init__(self) -> None:
        self._timeline = Timeline()
        self._lines: Callable[[], list[Line]] = self._timeline.snapshot

    def _view(self, lines: Callable[[], list[Line]]) -> Wire:
        view = Wire.__new__(Wire)
        view._timeline, view._lines = self._timeline, lines
        return view

    # what writes

    def add(self, exchange: Exchange) -> Callable[[], None]:
        """A request that begins; call what is returned when its answer is there, or none comes."""
        line = self._timeline.add(exchange)
        return lambda: self._timeline.changed(line)

    def sent(
        self,
        session_id: str,
        type: str,  # noqa: A002 (the field's name)
        payload: Mapping[str, Any],
        size: int,
        *,
        channel: Channel = "websocket",
    ) -> None:
        """A frame that was sent.

        Args:
            session_id: whose.
            type: the event's.
            payload: its other fields, with words in the place of sound.
            size: bytes on the wire.
            channel: `websocket` or `data`.
        """
        frame = Frame.of(
            at=time.time(),
            session_id=session_id,
            channel=channel,
            direction="sent",
            type=type,
            payload=payload,
            size=size,
            secrets=self._timeline.secrets(session_id),
        )
        self._timeline.add(frame)

    def received(
        self,
        session_id: str,
        type: str,  # noqa: A002 (the field's name)
        payload: Mapping[str, Any] | str | bytes,
        size: int,
        *,
        channel: Channel = "websocket",
    ) -> None:
        """A frame that came.

        Args:
            session_id: whose.
            type: the event's; "" for what is no event.
            payload: its other fields; the frame itself, where it is no event.
            size: bytes on the wire.
            channel: `websocket` or `data`.
        """
        frame = Frame.of(
            at=time.time(),
            session_id=session_id,
            channel=channel,
            direction="received",
            type=type,
            payload=payload,
            size=size,
            secrets=self._timeline.secrets(session_id),
        )
        self._timeline.add(frame)

    def hide(self, session_id: str, secrets: Iterable[str]) -> None:
        """Makes a session's secrets known, so that no frame shows them in its words.

        Args:
            session_id: whose.
            secrets: tokens and addresses; of an address also what its query holds.
        """
        self._timeline.hide(session_id, secrets)

    # what reads

    @property
    def dropped(self) -> int:
        """How many of the oldest entries the log let go for want of room."""
        return self._timeline.dropped

    def __len__(self) -> int:
        return len(self._lines())

    def __iter__(self) -> Iterator[Entry]:
        return (line.entry for line in self._lines())

    def __reversed__(self) -> Iterator[Entry]:
        return (line.entry for line in reversed(self._lines()))

    @overload
    def __getitem__(self, index: SupportsIndex) -> Entry: ...
    @overload
    def __getitem__(self, index: slice) -> Wire: ...
    def __getitem__(self, index: SupportsIndex | slice) -> Entry | Wire:
        if isinstance(index, slice):
            chosen = self._lines()[index]
            return self._view(lambda: list(chosen))
        return self._lines()[index].entry

    def of(self, session: str | SessionLabel) -> Wire:
        """What one session sent and received: its calls and its frames.

        Args:
            session: its id, or the label of its calls.
        """

        def is_its(entry: Entry) -> bool:
            if isinstance(session, str):
                return entry.session_id == session
            is_labelled = isinstance(entry, Exchange) and entry.label is session
            return is_labelled or (session.id is not None and entry.session_id == session.id)

        return self._where(is_its)

    def filter(
        self,
        text: str | None = None,
        *,
        kind: Kind | None = None,
        direction: Direction | None = None,
        session: str | None = None,
    ) -> Wire:
        """Those entries for which all that is given holds.

        Args:
            text: found in its name, address, status, error or payload, in any case.
            kind: `rest`, `websocket` or `data`.
            direction: `sent` (requests are) or `received`.
            session: a session's id.

        Raises:
            InvalidArgument: there is no such kind, or direction.
        """
        _refuse_unknown("kind", kind, Kind)
        _refuse_unknown("direction", direction, Direction)
        sought = None if text is None else text.casefold()

        def fits(entry: Entry) -> bool:
            return (
                (kind is None or entry.kind == kind)
                and (direction is None or entry.direction == direction)
                and (session is None or entry.session_id == session)
                and (sought is None or sought in _words(entry).casefold())
            )

        return self._where(fits)

    def _where(self, fits: Callable[[Entry], bool]) -> Wire:
        return self._view(lambda: [line for line in self._lines() if fits(line.entry)])

    def watch(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Has `callback` called after each change of the log, on the thread that made it; returns what ends that."""
        return self._timeline.watch(callback)

    def rows(self, since: int = 0, most: int | None = None) -> tuple[list[dict[str, Any]], int]:
        """What a page shows, as far as it changed after `since`, and the number of the newest change among it.

        Args:
            since: the number that came with the last rows; 0 for all.
            most: rows at once; where as many come there may be more, to ask for with the number that came.

        Returns:
            Rows in the order of `seq`, which names a row: one that is known takes the place of the earlier one.
        """
        # read first: what changes from here on is found the next time
        newest = self._timeline.changes
        changed = [(line.change, line) for line in self._lines()]
        found = [(change, line) for change, line in changed if since < change <= newest]
        if most is not None and len(found) > most:
            found = sorted(found, key=lambda one: one[0])[:most]
            newest = found[-1][0]
        return [_row(line, change) for change, line in sorted(found, key=lambda one: one[1].seq)], newest

    def to_dict(self) -> list[dict[str, Any]]:
        """Each entry as plain data that goes into JSON."""
        return [entry.to_dict() for entry in self]

    def to_pandas(self) -> pd.DataFrame:
        """A table with a row for each entry: time, kind, direction, name, status, ms, session_id, payload.

        Raises:
            ConfigurationError: pandas is not installed.
        """
        try:
            import pandas as pd  # noqa: PLC0415 (heavy, and not ours to demand)
        except ImportError:
            raise ConfigurationError("pandas is not installed.", remedy="pip install pandas") from None
        rows = [
            {
                "time": datetime.fromtimestamp(entry.at, UTC),
                "kind": entry.kind,
                "direction": entry.direction,
                "name": entry.name,
                "status": _status(entry),
                "ms": _ms(entry),
                "session_id": entry.session_id,
                "payload": entry.payload,
            }
            for entry in self
        ]
        columns = ["time", "kind", "direction", "name", "status", "ms", "session_id", "payload"]
        return pd.DataFrame(rows, columns=columns)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Writes the log into a file, whole or not at all.

        Args:
            path: ends with `.har` (HAR 1.2, which the developer tools of browsers read) or `.jsonl` (a line of JSON
                for each entry).

        Returns:
            Where it is.

        Raises:
            InvalidArgument: it ends with something else.
            OSError: it cannot be written.
        """
        target = Path(path).expanduser().absolute()
        ending = target.suffix.lower()
        if ending == ".har":
            text = json.dumps(har(list(self)), ensure_ascii=False, indent=1)
        elif ending == ".jsonl":
            text = "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in self.to_dict())
        else:
            raise InvalidArgument(
                f"A log is saved as .har or .jsonl, not as {target.suffix or target.name!r}.",
                remedy='As in wire.save("wire.har").',
                field="path",
            )
        new = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
        try:
            # half of a surrogate pair, as of a cut emoji, becomes a "?"
            new.write_bytes(text.encode("utf-8", "replace"))
            new.replace(target)
        except BaseException:
            with contextlib.suppress(OSError):
                new.unlink()
            raise
        return target

    def __repr__(self) -> str:
        entries = list(self)
        frames = sum(isinstance(entry, Frame) for entry in entries)
        dropped = f", {self.dropped:,} dropped" if self.dropped else ""
        return f"<Wire: {len(entries) - frames:,} requests, {frames:,} frames{dropped}>"

    def _repr_html_(self) -> str:
        entries = list(self)
        shown = entries[-SHOWN:]
        rows = [
            (
                html.Amount(f"{entry.at - entries[0].at:.3f} s"),
                f"{ARROWS[entry.direction]} {REST_OF_ID.sub(ELLIPSIS, entry.name)}",
                _status(entry) if _status(entry) is not None else _note(entry),
                html.Amount("" if (took := _ms(entry)) is None else f"{took:,.1f}"),
                html.Amount("" if (size := entry.size) is None else f"{size:,}"),
            )
            for entry in shown
        ]
        told = []
        if len(entries) > len(shown):
            told.append(f"the last {len(shown)} of {len(entries):,}")
        if self.dropped:
            told.append(f"{self.dropped:,} older ones were let go")
        table = html.table(["time", "name", "status", "ms", "bytes"], rows, len(rows))
        return table + (html.note("; ".join(told)) if told else "")


def _refuse_unknown(field: str, given: str | None, known: Any) -> None:
    if given is not None and given not in get_args(known):
        raise InvalidArgument(f"{field} must be one of {', '.join(get_args(known))}, not {given!r}.", field=field)


def _status(entry: Entry) -> int | None:
    return entry.status if isinstance(entry, Exchange) else None


def _ms(entry: Entry) -> float | None:
    """Milliseconds that it took."""
    if isinstance(entry, Frame) or entry.seconds is None:
        return None
    return round(entry.seconds * 1000, 1)


def _note(entry: Entry) -> str:
    """How it went, in a word: the status, or what went wrong."""
    if isinstance(entry, Frame):
        return ""
    if entry.status is not None:
        return str(entry.status)
    return entry.error or UNDER_WAY


def _words(entry: Entry) -> str:
    """What is looked through for a text."""
    words = [entry.name, json.dumps(entry.payload, ensure_ascii=False)]
    if isinstance(entry, Exchange):
        words += [entry.url, _note(entry), entry.error or ""]
    return "\n".join(words)


def _row(line: Line, change: int) -> dict[str, Any]:
    entry = line.entry
    payload = entry.payload
    if isinstance(entry, Exchange) and entry.error is not None:
        payload = {**payload, "error": entry.error}
    return {
        "seq": line.seq,
        "change": change,
        "at": entry.at,
        "kind": entry.kind,
        "direction": entry.direction,
        "name": entry.name,
        "note": _note(entry),
        "ms": _ms(entry),
        "size": entry.size,
        "session_id": entry.session_id,
        "payload": html.cut(json.dumps(payload, ensure_ascii=False, indent=2), ROW_TEXT) if payload else "",
        "curl": entry.curl(),
        "python": entry.python(),
    }
