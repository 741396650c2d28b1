"""`Wire`: a bounded log of all requests and frames in one timeline, with secrets masked."""

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
from .timeline import Entry, Timeline, TimelineRow

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["rest", "websocket", "data"]

SHOWN: Final = 50  # maximum number of entries that a notebook shows; older ones are left out
ROW_TEXT: Final = 4_000  # maximum characters in the payload of a row that is sent to a page
ARROWS: Final = {"sent": "\N{RIGHTWARDS ARROW}", "received": "\N{LEFTWARDS ARROW}"}
# matches all but the first 8 digits of an id, since a table has no room for whole ids
REST_OF_ID: Final = r"(?<=\b[0-9a-f]{8})(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"
ELLIPSIS: Final = "\N{HORIZONTAL ELLIPSIS}"
UNDER_WAY: Final = "under way"


class Wire(Sequence[Entry]):
    """A log of requests (`Exchange`) and frames (`Frame`), in the order in which they began.

    It keeps the last 10,000 entries, with at most 4 MiB of payload. A payload of more than 16 KiB is cut to about
    that size, and each string in it to 4,000 characters; every cut is marked. Secrets are masked before anything is
    stored. `filter` and `of` return live views of the same log; a slice is a snapshot.
    """

    def __init__(self) -> None:
        self._timeline = Timeline()
        self._rows: Callable[[], list[TimelineRow]] = self._timeline.snapshot

    def _view(self, rows: Callable[[], list[TimelineRow]]) -> Wire:
        view = Wire.__new__(Wire)
        view._timeline, view._rows = self._timeline, rows
        return view

    # writing

    def add(self, exchange: Exchange) -> Callable[[], None]:
        """Log a request that is starting; call the returned function when the response arrives or the request fails."""
        row = self._timeline.add(exchange)
        return lambda: self._timeline.changed(row)

    def sent(
        self,
        session_id: str,
        type: str,  # noqa: A002 (the field's name)
        payload: Mapping[str, Any],
        size: int,
        *,
        channel: Channel = "websocket",
    ) -> None:
        """Log a frame that was sent.

        Args:
            session_id: The session's id.
            type: The event's type.
            payload: The event's other fields, with audio replaced by a description.
            size: The size on the wire in bytes.
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
        """Log a frame that was received.

        Args:
            session_id: The session's id.
            type: The event's type, or "" if the frame isn't an event.
            payload: The event's other fields, or the frame itself if it isn't an event.
            size: The size on the wire in bytes.
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
        """Register a session's secrets, so that they are masked in its frames.

        Args:
            session_id: The session's id.
            secrets: Tokens and URLs; long values in a URL's query also count as secrets.
        """
        self._timeline.hide(session_id, secrets)

    # reading

    @property
    def dropped(self) -> int:
        """The number of old entries that were dropped to make room."""
        return self._timeline.dropped

    def __len__(self) -> int:
        return len(self._rows())

    def __iter__(self) -> Iterator[Entry]:
        return (row.entry for row in self._rows())

    def __reversed__(self) -> Iterator[Entry]:
        return (row.entry for row in reversed(self._rows()))

    @overload
    def __getitem__(self, index: SupportsIndex) -> Entry: ...
    @overload
    def __getitem__(self, index: slice) -> Wire: ...
    def __getitem__(self, index: SupportsIndex | slice) -> Entry | Wire:
        if isinstance(index, slice):
            chosen = self._rows()[index]
            return self._view(lambda: list(chosen))
        return self._rows()[index].entry

    def of(self, session: str | SessionLabel) -> Wire:
        """Return a view of one session's calls and frames.

        Args:
            session: The session's id, or the label of its calls.
        """

        def belongs(entry: Entry) -> bool:
            if isinstance(session, str):
                return entry.session_id == session
            is_labelled = isinstance(entry, Exchange) and entry.label is session
            return is_labelled or (session.id is not None and entry.session_id == session.id)

        return self._filtered(belongs)

    def filter(
        self,
        text: str | None = None,
        *,
        kind: Kind | None = None,
        direction: Direction | None = None,
        session: str | None = None,
    ) -> Wire:
        """Return a view of the entries that match all the given criteria.

        Args:
            text: Text to find in the name, URL, status, error or payload, ignoring case.
            kind: `rest`, `websocket` or `data`.
            direction: `sent` (as every request is) or `received`.
            session: A session's id.

        Raises:
            InvalidArgument: The kind or direction is unknown.
        """
        _check_choice("kind", kind, Kind)
        _check_choice("direction", direction, Direction)
        sought = None if text is None else text.casefold()

        def fits(entry: Entry) -> bool:
            return (
                (kind is None or entry.kind == kind)
                and (direction is None or entry.direction == direction)
                and (session is None or entry.session_id == session)
                and (sought is None or sought in _searchable(entry).casefold())
            )

        return self._filtered(fits)

    def _filtered(self, fits: Callable[[Entry], bool]) -> Wire:
        return self._view(lambda: [row for row in self._rows() if fits(row.entry)])

    def watch(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call a function after every change to the log, on the thread that made the change.

        Returns:
            A function that stops these calls.
        """
        return self._timeline.watch(callback)

    def rows(self, since: int = 0, most: int | None = None) -> tuple[list[dict[str, Any]], int]:
        """Return the rows that changed after `since`, to be shown on a page.

        Args:
            since: The number returned with the previous rows; 0 for all rows.
            most: The maximum number of rows. If this many are returned, there may be more; call again with the
                returned number.

        Returns:
            The rows in the order of `seq`, and the number of the newest change among them. A row replaces any earlier
            row with the same `seq`.
        """
        # read the counter first, so that any change made after this is found by the next call
        newest = self._timeline.changes
        changed = [(row.change, row) for row in self._rows()]
        found = [(change, row) for change, row in changed if since < change <= newest]
        if most is not None and len(found) > most:
            found = sorted(found, key=lambda item: item[0])[:most]
            newest = found[-1][0]
        return [_row(row, change) for change, row in sorted(found, key=lambda item: item[1].seq)], newest

    def to_dict(self) -> list[dict[str, Any]]:
        """Return each entry as plain, JSON-serializable data."""
        return [entry.to_dict() for entry in self]

    def to_pandas(self) -> pd.DataFrame:
        """Return a DataFrame with a row per entry.

        Its columns are time, kind, direction, name, status, ms, session_id and payload.

        Raises:
            ConfigurationError: pandas is not installed.
        """
        try:
            import pandas as pd  # noqa: PLC0415 (heavy and optional)
        except ImportError:
            raise ConfigurationError("pandas is not installed.", remedy="Run `pip install pandas`.") from None
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
        """Save the log to a file atomically.

        Args:
            path: A path with the extension `.har` (HAR 1.2, for browsers' developer tools) or `.jsonl` (a line of JSON
                per entry).

        Returns:
            The file's absolute path.

        Raises:
            InvalidArgument: The path has another extension.
            OSError: The file can't be written.
        """
        target = Path(path).expanduser().absolute()
        ending = target.suffix.lower()
        if ending == ".har":
            text = json.dumps(har(list(self)), ensure_ascii=False, indent=1)
        elif ending == ".jsonl":
            text = "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in self.to_dict())
        else:
            raise InvalidArgument(
                f"A log can be saved as .har or .jsonl, not as {target.suffix or target.name!r}.",
                remedy='Use e.g. wire.save("wire.har").',
                field="path",
            )
        new = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
        try:
            # a lone surrogate (an emoji cut in half) becomes a "?"
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
                f"{ARROWS[entry.direction]} {re.sub(REST_OF_ID, ELLIPSIS, entry.name)}",
                _status(entry) if _status(entry) is not None else _note(entry),
                html.Amount("" if (ms := _ms(entry)) is None else f"{ms:,.1f}"),
                html.Amount("" if (size := entry.size) is None else f"{size:,}"),
            )
            for entry in shown
        ]
        notes = []
        if len(entries) > len(shown):
            notes.append(f"the last {len(shown)} of {len(entries):,}")
        if self.dropped:
            notes.append(f"{self.dropped:,} older entries were dropped")
        table = html.table(["time", "name", "status", "ms", "bytes"], rows, len(rows))
        return table + (html.note("; ".join(notes)) if notes else "")


def _check_choice(field: str, given: str | None, known: Any) -> None:
    if given is not None and given not in get_args(known):
        raise InvalidArgument(f"{field} must be one of {', '.join(get_args(known))}, not {given!r}.", field=field)


def _status(entry: Entry) -> int | None:
    return entry.status if isinstance(entry, Exchange) else None


def _ms(entry: Entry) -> float | None:
    """Return a request's duration in milliseconds."""
    if isinstance(entry, Frame) or entry.seconds is None:
        return None
    return round(entry.seconds * 1000, 1)


def _note(entry: Entry) -> str:
    """Return a request's status, its error or "under way"; for a frame, return an empty string."""
    if isinstance(entry, Frame):
        return ""
    if entry.status is not None:
        return str(entry.status)
    return entry.error or UNDER_WAY


def _searchable(entry: Entry) -> str:
    """Return the text that a filter searches."""
    parts = [entry.name, json.dumps(entry.payload, ensure_ascii=False)]
    if isinstance(entry, Exchange):
        parts += [entry.url, _note(entry), entry.error or ""]
    return "\n".join(parts)


def _row(row: TimelineRow, change: int) -> dict[str, Any]:
    entry = row.entry
    payload = entry.payload
    if isinstance(entry, Exchange) and entry.error is not None:
        payload = {**payload, "error": entry.error}
    return {
        "seq": row.seq,
        "change": change,
        "at": entry.at,
        "kind": entry.kind,
        "direction": entry.direction,
        "name": entry.name,
        "note": _note(entry),
        "ms": _ms(entry),
        "size": entry.size,
        "payload": html.cut(json.dumps(payload, ensure_ascii=False, indent=2), ROW_TEXT) if payload else "",
        "curl": entry.curl(),
        "python": entry.python(),
    }
