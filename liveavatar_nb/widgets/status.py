"""`ShownSession`: the session that a widget shows, and the commands that control it."""

from __future__ import annotations

import dataclasses
import logging
import weakref
from collections.abc import Callable, Mapping
from typing import Any

from .. import config
from ..concurrency.bounded import BoundedDict
from ..errors import StopNotConfirmed
from ..session.session import AsyncSession
from ..session.state import SessionState
from .channel import Command, current_command
from .controller import Answer, Controller
from .link import Link

logger = logging.getLogger("liveavatar_nb.widgets")

LONGEST_BEAT = 10.0  # maximum seconds between a page's heartbeats, which report that the page is showing a session
TABS = 512  # maximum number of tabs whose page is remembered; the oldest are dropped first
BEATS = 3  # number of heartbeats that a page can miss before its session is stopped
LATE = "stopped, which the service confirmed late"
STEPS = {"token": "token", "start": "started, billing", "connected": "avatar"}

_pages: BoundedDict[str, str] = BoundedDict(TABS)  # the id of the current page in each browser tab


class ShownSession(Controller):
    """Shows a session's status on the page, tracks which pages show the session, and stops it.

    Args:
        link: The connection to the pages.
        session: The session to show; by default, whichever of the client's sessions is the newest.
    """

    def __init__(self, link: Link, session: AsyncSession | None = None) -> None:
        self._link = link
        self._given = session
        self._watched: weakref.WeakSet[AsyncSession] = weakref.WeakSet()

    @property
    def session(self) -> AsyncSession | None:
        """The session to show; None if there has been none yet."""
        return self._link.client.session if self._given is None else self._given

    @property
    def is_given(self) -> bool:
        """Whether the widget always shows the same session, even after the client has been closed."""
        return self._given is not None

    def traits(self) -> dict[str, Any]:
        status = {} if self._given is None else {"status": status_of(self._given)}
        return {"simulated": self._link.client.simulator is not None, **status}

    def commands(self) -> Mapping[str, Answer]:
        return {"beat": self.beat, "interrupt": self.interrupt, "stop": self.stop}

    def commands_without_loop(self) -> Mapping[str, Callable[[], bool]]:
        # stopping must work even if the loop does not respond
        return {"stop": self.stop_without_loop}

    def welcome(self, command: Command) -> None:
        """Take over the sessions that were shown by the tab's previous page, which is gone."""
        if command.tab:
            former, _pages[command.tab] = _pages.get(command.tab, command.page), command.page
            if former != command.page:
                self._replace_page(former)

    def _replace_page(self, former: str) -> None:
        client = self._link.client
        for session in client.live_sessions:
            session.leave(former)
        abandoned = [session for session in client.live_elsewhere if session.leave(former)]
        if abandoned and not client.live_sessions:
            client.take_over(abandoned[-1])

    async def beat(self) -> None:
        """Record that a page is showing the session."""
        session, command = self.session, current_command()
        if session is None:
            return
        self._watched.add(session)
        for shown in list(self._watched):
            if shown.is_live:
                shown.beat(command.page, command.attention)

    async def interrupt(self) -> None:
        """Silence the avatar and clear its queue."""
        session = self.session
        if session is not None and session.state is SessionState.CONNECTED:
            await session.interrupt()

    async def stop(self) -> None:
        """Stop the session or cancel its start."""
        session, client = self.session, self._link.client
        if session is client.session:
            client.cancel_starts()
        if session is not None:
            try:
                await session.stop()
            finally:
                # if the session's loop is dead, nothing else reports the change
                self._link.refresh()

    def stop_without_loop(self) -> bool:
        """Stop the session on this thread; return False if there is no session."""
        session, client = self.session, self._link.client
        if session is None:
            return False
        logger.warning("the loop does not respond: stopping session %s without it", session.id)
        if session is client.session:
            client.cancel_starts()
        if not session.state.is_final:
            self._link.write(status=status_of(session) | {"state": str(SessionState.STOPPING)})
        try:
            session.stop_without_loop()
        except StopNotConfirmed as failure:
            self._link.show_problem(failure)
        self._link.write(status=status_of(session))
        return True

    def refresh(self) -> None:
        session = self.session
        self._link.write(status=None if session is None else status_of(session))


def status_of(session: AsyncSession) -> dict[str, Any]:
    """Return a session's status for a page, without tokens or addresses."""
    is_live = session.state in (SessionState.CONNECTING, SessionState.CONNECTED, SessionState.STOPPING)
    timings = session.timings
    state, end_words = session.state, session.end_words
    if state is SessionState.FAILED and session.stop_is_confirmed and _was_only_unconfirmed(session):
        state, end_words = SessionState.ENDED, LATE
    can_speak = session.state is SessionState.CONNECTED
    room = session.room
    return {
        "id": session.id or "",
        "avatar_id": session.avatar.id,
        "avatar_name": session.avatar.name,
        "mode": session.mode,
        "is_sandbox": session.is_sandbox,
        "state": str(state),
        "agent_state": str(session.agent_state) if can_speak else None,
        "caption": session.caption if can_speak else None,
        "steps": [{"name": name, "words": words, "done": name in timings} for name, words in STEPS.items()],
        "elapsed": session.elapsed if "start" in timings else session.since_start_call,
        "running": is_live or session.state is SessionState.STARTING,
        "max_seconds": session.max_minutes * 60,
        "cap_at": session.cap_at,
        "credits_used": session.credits_used,
        "keep_alive_age": session.keep_alive_age,
        "degraded": session.is_degraded,
        "beat_every": min(LONGEST_BEAT, (session.options.unwatched or config.UNWATCHED) / BEATS),
        "unwatched_left": session.unwatched_left,
        "end_words": end_words,
        "confirmed": session.stop_is_confirmed,
        "room": None if room is None else {"kind": room.kind, "words": room.words},
        "can": dataclasses.asdict(session.can),
        "user_speaking": session.is_user_speaking,
    }


def _was_only_unconfirmed(session: AsyncSession) -> bool:
    """Return whether the only error was an unconfirmed stop, which a later confirmation resolves."""
    return session.error is None or isinstance(session.error, StopNotConfirmed)
