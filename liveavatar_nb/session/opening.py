"""Gets the token that starts a session, and prepares the connection to the session's room."""

from __future__ import annotations

import logging
from collections.abc import Callable

from .. import config
from ..config import Masked
from ..errors import APIStatusError, quietly
from ..models.sessions import SessionToken, StartedSession
from ..protocol.events import Event
from ..rest.api import LiveAvatarAPI
from ..rooms.connection import DRAWN_PATH, Opener, RoomConnection
from ..rooms.livekit_participant import LiveKitParticipant, is_installed
from ..rooms.simulated_participant import SimulatedParticipant
from ..wirelog.log import Wire
from .options import SessionOptions
from .timings import Stopwatch

logger = logging.getLogger("liveavatar_nb.session")


async def get_token(
    api: LiveAvatarAPI, options: SessionOptions, avatar_id: str, times: Stopwatch
) -> tuple[SessionToken, bool]:
    """Create a token; return the token, and whether it has the requested cap."""
    # suppress the missing-context warning: here the user's function supplies the answers
    with quietly():
        try:
            return await api.sessions.create_token(**options.token_fields(avatar_id)), True
        except APIStatusError as failure:
            if "max_session_duration" not in failure.message:
                raise
            if not options.is_default_cap:
                minutes = options.life / 60
                failure.remedy = f"Your plan does not allow max_minutes={minutes:g}. Pass a smaller number."
                raise
        logger.info("the plan does not allow a cap of %g minutes, so the plan's own cap applies", options.life / 60)
        times.cap = config.MINUTES_OF_A_DAY * 60
        return await api.sessions.create_token(**options.token_fields(avatar_id, capped=False)), False


def make_room_connection(
    started: StartedSession,
    options: SessionOptions,
    wire: Wire,
    *,
    receive: Callable[[Event], None],
    on_change: Callable[[], None],
    on_loss: Callable[[], None],
) -> RoomConnection | None:
    """Prepare the connection to the user's own room, or to the room that the start call returned.

    Args:
        started: The result of the start call.
        options: The options that the session was started with.
        wire: The log of everything sent and received.
        receive: Called with each event.
        on_change: Called when any of the displayed state has changed.
        on_loss: Called if our participant was removed from the room, or the avatar left the room.

    Returns:
        The connection, or None if the start call returned no room.
    """
    opener: Opener | None = LiveKitParticipant.join if is_installed() else None
    if options.room is not None:
        return RoomConnection(
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
    return RoomConnection(
        started.livekit_url,
        Masked(started.livekit_client_token, "of a session's room"),
        started.session_id,
        wire,
        receive=receive,
        on_change=on_change,
        on_loss=on_loss,
        opener=SimulatedParticipant.join if DRAWN_PATH in started.livekit_url else opener,
    )
