"""Finds out who started each running session, and stops those that dead kernels left behind."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal, cast

from .. import config, html
from ..errors import APIStatusError, LiveAvatarException, StopNotConfirmed
from ..models.base import Records
from ..models.requests import PAGE_SIZE_LIMIT
from ..models.sessions import SessionRecord
from ..rest.api import LiveAvatarAPI
from ..rest.pagination import Listing
from .journal import Entry, journal
from .running import running_sessions
from .stops import StopLimiter, is_over

logger = logging.getLogger("liveavatar_nb.session")

Whose = Literal["this kernel", "another kernel", "orphan", "another machine", "stranger"]

WORDS: Final[dict[Whose, str]] = {
    "this kernel": "this kernel",
    "another kernel": "another kernel, still running",
    "orphan": "left over: its kernel died",
    "another machine": "you, on another machine or before its last boot",
    "stranger": "someone else, or another program",
}


class OwnedSession(SessionRecord):
    """A session from the service's list, with its owner according to this machine's journal.

    Attributes:
        whose: `this kernel`, `another kernel`, `orphan` (its kernel died), `another machine` or `stranger`; None once
            the session has ended.
        pid: The id of the process that started the session; None if the journal has no record of the session.
        cap_at: The latest time at which the session reaches its cap; None if the journal has no record of the session.
    """

    whose: Whose | None = None
    pid: int | None = None
    cap_at: datetime | None = None

    @property
    def whose_words(self) -> str:
        """Who started the session, in words; "" once it has ended."""
        if self.whose is None:
            return ""
        return f"{WORDS[self.whose]}{f' (process {self.pid})' if self.pid else ''}"

    @property
    def bound_words(self) -> str:
        """When the session will end if nobody stops it, in words."""
        if self.cap_at is None:
            return (
                f"The session ends at its own time limit, or after {config.IDLE_LIMIT / 60:g} minutes "
                "without a keep-alive."
            )
        return f"The session reaches its cap at {self.cap_at.astimezone():%H:%M:%S} at the latest."

    def __repr__(self) -> str:
        if self.whose is None:
            return super().__repr__()
        spent = f"{self.duration} s, {self.credits_consumed:g} credits"
        return f"<{type(self).__name__} {self.id} {self.mode} active, {self.whose}, {spent}>"

    @classmethod
    def _list_html(cls, records: Sequence[Any], total: int) -> str:
        if not any(session.whose for session in records):
            return super()._list_html(records, total)
        headings = ["started", "mode", "duration", "credits", "whose", "id"]
        rows = (
            [
                session.created_at,
                session._kind,
                html.clock(session.duration),
                html.amount(session.credits_consumed),
                session.whose_words,
                session.id,
            ]
            for session in records
        )
        return html.table(headings, rows, total)


def owned(api: LiveAvatarAPI, *, active: bool = True) -> Listing[OwnedSession]:
    """List the account's sessions, and state who started each active session."""

    async def add_owners(page: Sequence[SessionRecord]) -> list[SessionRecord]:
        known = await _known(api) if active else {}
        return [_owned(record, known.get(record.id)) for record in page]

    listed = api.sessions.list(type="active" if active else "historic", page_size=PAGE_SIZE_LIMIT)
    return cast(Listing[OwnedSession], listed.map(add_owners))


async def running_now(api: LiveAvatarAPI) -> Records[OwnedSession]:
    """Return the account's active sessions, or an empty list if they cannot be listed."""
    try:
        return await owned(api)
    except LiveAvatarException as failure:
        logger.warning("the active sessions could not be listed: %s", failure.message)
        return Records()


async def all_running(api: LiveAvatarAPI) -> Records[OwnedSession]:
    """Return all the account's active sessions, even those that move to another page of the list during the read."""
    running: dict[str, OwnedSession] = {}
    for _ in range(config.LIST_READS):
        listed = await owned(api)
        is_known = running.keys() >= {session.id for session in listed}
        running.update((session.id, session) for session in listed)
        if is_known or len(listed) < PAGE_SIZE_LIMIT:
            break
    return Records(running.values())


async def find_orphans(api: LiveAvatarAPI) -> Records[OwnedSession]:
    """Return the active sessions whose kernel died; call the service only if the journal has a record of any."""
    entries = await asyncio.to_thread(_ownerless, api)
    if not entries:
        return Records()
    running = {session.id: session for session in await owned(api)}
    # a session that has only just started may not be in the list yet
    missing = [
        entry
        for entry in entries
        if entry.session_id not in running and (entry.state == "started" or entry.age > config.UNKNOWN_LOOKS[-1])
    ]
    for entry in missing:
        try:
            if await is_over(api, entry.session_id):
                await asyncio.to_thread(journal.bury, entry)
                continue
            record = await api.sessions.get(entry.session_id)
        except LiveAvatarException as failure:
            logger.warning(
                "session %s, left over from a dead kernel, may still be running: %s", entry.session_id, failure.message
            )
        else:
            # the session slipped between two pages of the list
            running[record.id] = _owned(record, (entry, "orphan"))
    return Records(session for session in running.values() if session.whose == "orphan")


async def stop_each(api: LiveAvatarAPI, sessions: Records[OwnedSession]) -> Records[OwnedSession]:
    """Stop all the given sessions, and return them.

    Raises:
        StopNotConfirmed: The service did not confirm every stop. All sessions were tried; the error describes the first
            failure.
    """
    outcomes = await asyncio.gather(*(_stop(api, session) for session in sessions), return_exceptions=True)
    for outcome in outcomes:
        if outcome is not None:
            raise outcome
    return sessions


async def reconcile(api: LiveAvatarAPI) -> None:
    """Stop the sessions that dead kernels left behind; failures are only logged, so that a start can proceed."""
    try:
        found = await find_orphans(api)
        await stop_each(api, found)
    except LiveAvatarException as failure:
        logger.warning("sessions left over from a dead kernel could not be stopped: %s", failure)
    else:
        if found:
            logger.warning("stopped %s, left over from a dead kernel", ", ".join(session.id for session in found))


def what_to_stop(running: Sequence[OwnedSession]) -> str:
    """Explain how to stop sessions when too many are running."""
    if not running:
        return "Stop one first: sessions(active=True) lists them."
    counted = {whose: [session.whose for session in running].count(whose) for whose in WORDS}
    summary = "; ".join(f"{count} ({WORDS[whose]})" for whose, count in counted.items() if count)
    ways = [
        *(["s.stop() for a session of this kernel"] if counted["this kernel"] else []),
        *(["stop_orphans() for those left over"] if counted["orphan"] else []),
        "stop_all() for every session of the account",
    ]
    return f"Running sessions: {summary}. To stop them, call {', '.join(ways)}."


async def _stop(api: LiveAvatarAPI, session: OwnedSession) -> None:
    try:
        async with StopLimiter.turn():
            try:
                await api.sessions.stop(session.id, reason="USER_CLOSED")
            except APIStatusError:
                if not await is_over(api, session.id):
                    raise
    except (LiveAvatarException, TimeoutError) as failure:
        why = getattr(failure, "message", "no response in time")
        raise StopNotConfirmed(
            f"The service did not confirm the stop of session {session.id} ({why.rstrip('.')}).",
            session_id=session.id,
            remedy=f"Try again. {session.bound_words}",
        ) from None
    if session.whose == "orphan":
        entry = (await _known(api)).get(session.id)
        if entry is not None:
            await asyncio.to_thread(journal.bury, entry[0])


async def _known(api: LiveAvatarAPI) -> dict[str, tuple[Entry, Whose]]:
    """Return the journal's records for a client's address and key, by session id."""
    return await asyncio.to_thread(_read_journal, api)


def _read_journal(api: LiveAvatarAPI) -> dict[str, tuple[Entry, Whose]]:
    transport = api.transport
    entries = [entry for entry in journal.entries() if entry.is_of(transport.base_url, transport.key)]
    return {entry.session_id: (entry, _whose(entry)) for entry in entries}


def _ownerless(api: LiveAvatarAPI) -> list[Entry]:
    return [entry for entry, whose in _read_journal(api).values() if whose == "orphan"]


def _whose(entry: Entry) -> Whose:
    if journal.is_ours(entry):
        return "this kernel"
    if not entry.is_of_this_boot:
        return "another machine"
    return "another kernel" if journal.has_owner(entry) else "orphan"


def _owned(record: SessionRecord, known: tuple[Entry, Whose] | None) -> OwnedSession:
    owner: dict[str, Any] = {"whose": "stranger" if record.is_active else None}
    if known and record.is_active:
        entry, whose = known
        # the session may have started some time after the record was written
        latest = datetime.fromtimestamp(entry.created + entry.cap + config.TOTAL_TIMEOUT, UTC)
        owner = {"pid": entry.pid, "whose": whose, "cap_at": latest.replace(microsecond=0)}
    if record.id in running_sessions:
        owner["whose"] = "this kernel"
    session = OwnedSession(**{name: getattr(record, name) for name in record.__struct_fields__}, **owner)
    session.__dict__.update(record.__dict__)
    return session
