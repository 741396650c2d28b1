"""What a page shows of a session, and `ShownSession`: what all widgets that show one can do."""

from __future__ import annotations

import dataclasses
import logging
import weakref
from collections.abc import Callable, Mapping
from typing import Any

from .. import config
from ..concurrency.bounded import Newest
from ..errors import StopNotConfirmed
from ..rooms.connection import RoomLine
from ..session.options import SessionState
from ..session.session import AsyncSession
from .channel import Command, current_command
from .controller import Answer, Controller
from .link import Link

logger = logging.getLogger("liveavatar_nb.widgets")

LONGEST_BEAT = 10.0  # s between two words of a page that it shows a session
TABS = 512  # of browsers whose page is remembered, the newest
BEATS = 3  # of these words before a session is stopped for want of them
LATE = "stopped, which the service confirmed late"
STEPS = {"token": "token", "start": "started, billing", "connected": "avatar"}

_pages: Newest[str, str] = Newest(TABS)  # the page that a tab shows


class ShownSession(Controller):
    """The session that the page shows: how it is, who watches it, and its stop.

    Args:
        link: the tie to the pages.
        session: the one to show; the client's newest, whichever that is, when not given.
    """

    def __init__(self, link: Link, session: AsyncSession | None = None) -> None:
        self._link = link
        self._given = session
        self._watched: weakref.WeakSet[AsyncSession] = weakref.WeakSet()

    @property
    def session(self) -> AsyncSession | None:
        """The session that is shown; None before the first."""
        return self._link.client.session if self._given is None else self._given

    @property
    def is_given(self) -> bool:
        """Whether it is always the same one; then it is shown at once, even if the loop is gone with the client."""
        return self._given is not None

    def traits(self) -> dict[str, Any]:
        status = {} if self._given is None else {"status": status_of(self._given)}
        return {"simulated": self._link.client.simulator is not None, **status}

    def commands(self) -> Mapping[str, Answer]:
        return {"beat": self.beat, "interrupt": self.interrupt, "stop": self.stop}

    def commands_without_loop(self) -> Mapping[str, Callable[[], bool]]:
        # a stop needs nothing else: not the loop, if that does not answer
        return {"stop": self.stop_without_loop}

    def welcome(self, command: Command) -> None:
        """Show on what was started by the page that this tab showed before: that page is gone."""
        if command.tab:
            former, _pages[command.tab] = _pages.get(command.tab, command.page), command.page
            if former != command.page:
                self._succeed(former)

    def _succeed(self, former: str) -> None:
        client = self._link.client
        for session in client.live_sessions:
            session.leave(former)
        left = [session for session in client.live_elsewhere if session.leave(former)]
        if left and not client.live_sessions:
            client.take_over(left[-1])

    async def beat(self) -> None:
        """Note that a page shows the session."""
        session, command = self.session, current_command()
        if session is None:
            return
        self._watched.add(session)
        for shown in list(self._watched):
            if shown.is_live:
                shown.beat(command.page, command.attention)

    async def interrupt(self) -> None:
        """Hush the avatar, and drop what waits to be said."""
        session = self.session
        if session is not None and session.state is SessionState.CONNECTED:
            await session.interrupt()

    async def stop(self) -> None:
        """Stop the session, or the start that is under way."""
        session, client = self.session, self._link.client
        if session is client.session:
            client.cancel_starts()
        if session is not None:
            try:
                await session.stop()
            finally:
                # the session's own loop may be dead, and tell nobody
                self._link.refresh()

    def stop_without_loop(self) -> bool:
        """Stop the session on this thread; False if there is none."""
        session, client = self.session, self._link.client
        if session is None:
            return False
        logger.warning("the loop does not answer: session %s is stopped without it", session.id)
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
    """What a page shows of a session; no token and no address is in it."""
    live = session.state in (SessionState.CONNECTING, SessionState.CONNECTED, SessionState.STOPPING)
    timings = session.timings
    state, end_words = session.state, session.end_words
    if state is SessionState.FAILED and session.stop_is_confirmed and _was_only_unconfirmed(session):
        state, end_words = SessionState.ENDED, LATE
    speaks = session.state is SessionState.CONNECTED
    room = session.room
    return {
        "id": session.id or "",
        "avatar_id": session.avatar.id,
        "avatar_name": session.avatar.name,
        "mode": session.mode,
        "is_sandbox": session.is_sandbox,
        "state": str(state),
        "agent_state": str(session.agent_state) if speaks else None,
        "caption": session.caption if speaks else None,
        "steps": [{"name": name, "words": words, "done": name in timings} for name, words in STEPS.items()],
        "billing": session.is_live and "token" in timings and not session.is_sandbox,
        "elapsed": session.elapsed if "start" in timings else session.since_start_call,
        "running": live or session.state is SessionState.STARTING,
        "max_seconds": session.max_minutes * 60,
        "cap_at": session.cap_at,
        "credits_per_minute": session.options.credits_per_minute,
        "credits_used": session.credits_used,
        "keep_alive_age": session.keep_alive_age,
        "degraded": session.is_degraded,
        "beat_every": min(LONGEST_BEAT, (session.options.unwatched or config.UNWATCHED) / BEATS),
        "unwatched_left": session.unwatched_left,
        "end_words": end_words,
        "confirmed": session.stop_is_confirmed,
        "room": None if room is None else room_facts(room),
        "can": dataclasses.asdict(session.can),
        "user_speaking": session.is_user_speaking,
    }


def room_facts(room: RoomLine) -> dict[str, Any]:
    """What a page is told of the room before it asks: neither address nor token."""
    return {
        "kind": room.kind,
        "held_by": None if room.holder is None else room.holder.kind,
        "avatar": room.has_avatar,
        "is_own": room.is_own,
        "words": room.words,
    }


def _was_only_unconfirmed(session: AsyncSession) -> bool:
    """Whether nothing but its stop went wrong; that error goes with the next stop that is confirmed."""
    return session.error is None or isinstance(session.error, StopNotConfirmed)
