"""What a page shows of a session, and `SessionView`: what all widgets that show one can do."""

from __future__ import annotations

import dataclasses
import logging
import threading
import weakref
from typing import Any

import traitlets

from .. import config
from ..bridge.loop import bridge
from ..concurrency.bounded import Newest
from ..errors import StopNotConfirmed
from ..rooms.connection import RoomLine
from ..session.options import SessionState
from ..session.session import AsyncSession
from .base import ControlledWidget, asked
from .channel import Command

logger = logging.getLogger("liveavatar_nb.widgets")

LONGEST_BEAT = 10.0  # s between two words of a page that it shows a session
TABS = 512  # of browsers whose page is remembered, the newest
BEATS = 3  # of these words before a session is stopped for want of them
LATE = "stopped, which the service confirmed late"
STEPS = {"token": "token", "start": "started, billing", "connected": "avatar"}


_pages: Newest[str, str] = Newest(TABS)  # the page that a tab shows


class SessionView(ControlledWidget):
    """A widget whose page shows the client's session.

    Args:
        la: the client, a `LiveAvatar`.
        traits: of ipywidgets' DOM widgets, `layout` for one.
    """

    status = traitlets.Dict(allow_none=True, default_value=None).tag(sync=True)
    simulated = traitlets.Bool().tag(sync=True)

    def __init__(self, la: Any, **traits: Any) -> None:
        self._watched: weakref.WeakSet[AsyncSession] = weakref.WeakSet()
        super().__init__(la, simulated=getattr(la, "simulator", None) is not None, **traits)

    def __repr__(self) -> str:
        # that of ipywidgets shows every trait
        session = self._shown
        told = (
            "nothing yet" if session is None else f"{session.id or 'a session'} {session.avatar.name}, {session.state}"
        )
        return f"<{type(self).__name__} of {told}>"

    @property
    def session(self) -> Any:
        """The client's session, the one started last."""
        return self._la.session

    @property
    def _shown(self) -> AsyncSession | None:
        """The session that the page shows."""
        return self._client.session

    async def do_ready(self) -> None:
        """A view has connected. The page that its tab showed before is gone; what that had started it shows on."""
        command = asked.get()
        if command is not None and command.tab:
            former, _pages[command.tab] = _pages.get(command.tab, command.page), command.page
            if former != command.page:
                self._succeed(former)
        await super().do_ready()

    def _succeed(self, former: str) -> None:
        client = self._client
        for session in client.live_sessions:
            session.leave(former)
        left = [session for session in client.live_elsewhere if session.leave(former)]
        if left and not client.live_sessions:
            client.take_over(left[-1])

    async def do_beat(self) -> None:
        """A page shows the session."""
        session, command = self._shown, asked.get()
        if session is None or command is None:
            return
        self._watched.add(session)
        for shown in list(self._watched):
            if shown.is_live:
                shown.beat(command.page, command.attention)

    async def do_interrupt(self) -> None:
        """Hushes the avatar; what waits to be said is dropped."""
        session = self._shown
        if session is not None and session.state is SessionState.CONNECTED:
            await session.interrupt()

    async def do_stop(self) -> None:
        """Stops the session, or the start that is under way."""
        session = self._shown
        if session is self._client.session:
            self._client.cancel_starts()
        if session is not None:
            try:
                await session.stop()
            finally:
                # the session's own loop may be dead, and tell nobody
                self._client_changed()

    def _take(self, command: Command) -> None:
        if command.name == "stop":
            # a stop needs nothing else: not the loop, if that does not answer
            try:
                threading.Thread(target=self._stop, args=[command], name="liveavatar_nb-stop", daemon=True).start()
            except RuntimeError:  # the machine has no more of them
                self._stop(command)
        else:
            super()._take(command)

    def _stop(self, command: Command) -> None:
        session = self._shown
        if session is None or bridge.answers(config.LOOP_LIMIT):
            super()._take(command)
            return
        logger.warning("the loop does not answer: session %s is stopped without it", session.id)
        if session is self._client.session:
            self._client.cancel_starts()
        if not session.state.is_final:
            self._write(status=status_of(session) | {"state": str(SessionState.STOPPING)})
        try:
            session.stop_without_loop()
        except StopNotConfirmed as failure:
            self._show(failure)
        self._write(status=status_of(session))

    async def _load(self) -> None:
        await super()._load()
        self._client_changed()

    def _client_changed(self) -> None:
        session = self._shown
        self._write(status=None if session is None else status_of(session))
        super()._client_changed()


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
