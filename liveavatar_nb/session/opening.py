"""How a session gets in: its token, and the way into the room that its start call names."""

from __future__ import annotations

import logging
from collections.abc import Callable

from .. import config
from ..config import Masked
from ..errors import APIStatusError, quietly
from ..models.sessions import SessionToken, StartedSession
from ..protocol.events import Event
from ..rest.api import LiveAvatarAPI
from ..rooms.connection import DRAWN_PATH, Opener, RoomLine
from ..rooms.livekit_participant import Headless, is_installed
from ..rooms.simulated_participant import DrawnLine
from ..wirelog.log import Wire
from .options import SessionOptions
from .timings import Stopwatch

logger = logging.getLogger("liveavatar_nb.session")


async def get_token(
    api: LiveAvatarAPI, options: SessionOptions, avatar_id: str, times: Stopwatch
) -> tuple[SessionToken, bool]:
    """A token, and whether it has the cap that was asked for."""
    # a conversation without a context is meant: what answers is a function of the user's
    with quietly():
        try:
            return await api.sessions.create_token(**options.token_fields(avatar_id)), True
        except APIStatusError as failure:
            if "max_session_duration" not in failure.message:
                raise
            if not options.is_default_cap:
                minutes = options.life / 60
                failure.remedy = f"Give fewer than max_minutes={minutes:g}: the plan does not have as many."
                raise
        logger.info("the plan does not take a cap of %g minutes: it is to set its own", options.life / 60)
        times.cap = config.MINUTES_OF_A_DAY * 60
        return await api.sessions.create_token(**options.token_fields(avatar_id, capped=False)), False


def way_into_room(
    started: StartedSession,
    options: SessionOptions,
    wire: Wire,
    *,
    receive: Callable[[Event], None],
    on_change: Callable[[], None],
    on_loss: Callable[[], None],
) -> RoomLine | None:
    """The way into the user's own room, or into the one that the start call named; None where it named none.

    Args:
        started: its answer.
        options: what the session was started with.
        wire: what comes and goes is written down there.
        receive: called with each event.
        on_change: called when something that is shown has changed.
        on_loss: called where somebody was put out of the room, or the avatar is gone from it.
    """
    opener: Opener | None = Headless.join if is_installed() else None
    if options.room is not None:
        return RoomLine(
            options.room.url,
            options.room.viewer(),
            started.session_id,
            wire,
            receive=receive,
            on_change=on_change,
            on_loss=on_loss,
            opener=opener,
            mint=options.room.viewer,
            avatar_identity=options.avatar_identity,
        )
    if started.livekit_url is None or started.livekit_client_token is None:
        return None
    return RoomLine(
        started.livekit_url,
        Masked(started.livekit_client_token, "of a session's room"),
        started.session_id,
        wire,
        receive=receive,
        on_change=on_change,
        on_loss=on_loss,
        opener=DrawnLine.join if DRAWN_PATH in started.livekit_url else opener,
    )
