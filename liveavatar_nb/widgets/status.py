"""What a page shows of a session, and `SessionView`: what all widgets that show one can do."""

from __future__ import annotations

import logging
import weakref
from typing import Any

import traitlets

from ..errors import StopNotConfirmed
from ..life import SessionState
from ..session import AsyncSession
from .base import ControlledWidget

logger = logging.getLogger("liveavatar_nb.widgets")

LONGEST_BEAT = 10.0  # s between two words of a page that it shows a session
BEATS = 3  # of these words before a session is stopped for want of them
LATE = "stopped, which the service confirmed late"
STEPS = {"token": "token", "start": "started, billing", "connected": "avatar"}


class SessionView(ControlledWidget):
    """A widget whose page shows the client's session.

    Args:
        la: the client, a `LiveAvatar`.
        traits: of ipywidgets' DOM widgets, `layout` for one.
    """

    status = traitlets.Dict(allow_none=True, default_value=None).tag(sync=True)

    def __init__(self, la: Any, **traits: Any) -> None:
        self._watched: weakref.WeakSet[AsyncSession] = weakref.WeakSet()
        super().__init__(la, **traits)

    @property
    def session(self) -> Any:
        """The client's session, the one started last."""
        return self._la.session

    async def do_beat(self) -> None:
        """A page shows the session. Where a cell would hold up that word its absence means nothing."""
        session = self._client.session
        if session is None or not self._is_prompt:
            return
        self._watched.add(session)
        for shown in list(self._watched):
            if shown.is_live:
                shown.beat()

    async def do_interrupt(self) -> None:
        """Hushes the avatar; what waits to be said is dropped."""
        session = self._client.session
        if session is not None and session.state is SessionState.CONNECTED:
            await session.interrupt()

    async def _load(self) -> None:
        await super()._load()
        self._client_changed()

    def _client_changed(self) -> None:
        session = self._client.session
        self._write(status=None if session is None else status_of(session))
        super()._client_changed()


def status_of(session: AsyncSession) -> dict[str, Any]:
    """What a page shows of a session; no token and no address is in it."""
    live = session.state in (SessionState.CONNECTING, SessionState.CONNECTED, SessionState.STOPPING)
    timings = session.timings
    state, end_words = session.state, session.end_words
    if state is SessionState.FAILED and session.stop_is_confirmed and _was_only_unconfirmed(session):
        state, end_words = SessionState.ENDED, LATE
    # what a conversation says goes by the room, which only its page is in
    speaks = session.mode == "LITE" and session.state is SessionState.CONNECTED
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
        "beat_every": None if (limit := session.options.unwatched) is None else min(LONGEST_BEAT, limit / BEATS),
        "unwatched_left": session.unwatched_left,
        "end_words": end_words,
        "confirmed": session.stop_is_confirmed,
    }


def _was_only_unconfirmed(session: AsyncSession) -> bool:
    """Whether nothing but its stop went wrong; that error goes with the next stop that is confirmed."""
    return session.error is None or isinstance(session.error, StopNotConfirmed)
