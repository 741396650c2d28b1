"""Operations that start sessions, keep them alive, stop them and look them up."""

from __future__ import annotations

from typing import Any, Final

from ..account.ledger import Refused, Session, TranscriptLine, shown
from ..clock import SECOND, moment
from ..media.tokens import claims, lacking
from ..service import Service
from ..session.stage import Stage
from . import rules
from .calls import Answer, Call, Function
from .tokens import token


async def start(call: Call) -> Answer:
    """Start the session that the bearer token belongs to."""
    session = call.bearer()
    if call.body.strip():  # some clients send a body, although the contract defines none here
        body = call.json(required=False)
        if body.get("session_id", session.id) != session.id:
            raise Refused(400, "The session token does not belong to the session in session_id")
    service = call.service
    problem = _check_own_room(service, session)
    refusal = Refused(500, "The session could not be started") if problem else None
    try:
        service.ledger.start(session, service.now(), call.received_at, refusal)
    except Refused as refused:
        if refused is refusal:
            # like the real service, give no reason in the response; add a warning with the reason instead
            service.warn(f"the start call returned 500: {problem}")
        raise
    stage = service.stages[session.id] = Stage(service, session)
    url, token = await stage.open()
    service.clock.poke()
    socket = f"ws://127.0.0.1:{service.port}/v1/sessions/{session.id}/socket?token={session.socket_token}"
    return 201, {
        "session_id": session.id,
        "livekit_url": url,
        "livekit_client_token": token,
        "livekit_agent_token": None,
        "max_session_duration": session.cap // SECOND,
        "ws_url": socket if session.has_socket else None,
    }


def stop(call: Call) -> Answer:
    """Stop a session."""
    session, body = call.session(rules.stop)
    call.service.ledger.stop(session, body.get("reason", "UNKNOWN"), call.service.now(), call.received_at)
    call.service.clock.poke()
    return 200, None


def keep_alive(call: Call) -> Answer:
    """Postpone a session's idle timeout."""
    session, _ = call.session(rules.keep_alive)
    call.service.ledger.keep_alive(session, call.service.now())
    call.service.clock.poke()
    return 200, None


def sessions(call: Call) -> Answer:
    """List either the running sessions or those that have ended, newest first."""
    call.require_key()
    kind = call.choice("type", "active", "historic", required=True)
    now = call.service.now()
    found = [
        s
        for s in reversed(call.service.ledger.sessions())
        if (s.running if kind == "active" else s.started_at is not None and s.ended_at is not None)
    ]
    for name in ("avatar_id", "context_id"):
        if (wanted := call.request.query_params.get(name)) is not None:
            found = [s for s in found if getattr(s, name) == wanted]
    if call.request.query_params.get("embed_id") is not None:
        found = []  # in the simulator, embeds create no sessions
    return 200, call.page([_session(s, now) for s in found])


def session(call: Call) -> Answer:
    """Return one session."""
    call.require_key()
    now = call.service.now()
    return 200, _session(call.service.ledger.find(call.path_parameter("session_id")), now)


def transcript(call: Call) -> Answer:
    """Return a session's transcript between two timestamps, inclusive.

    Timestamps are in whole seconds: absolute ones since the epoch, relative ones since the session's start.
    """
    call.require_key()
    call.service.now()
    found = call.service.ledger.find(call.path_parameter("session_id"))
    first, last = call.whole("start_timestamp"), call.whole("end_timestamp")
    lines = [_line(found, line) for line in found.transcript]
    selected = [
        line
        for line in lines
        if (first is None or line["absolute_timestamp"] >= first)
        and (last is None or line["absolute_timestamp"] <= last)
    ]
    # the timestamp to continue from; None once the session has ended, because nothing more will follow
    following = selected[-1]["absolute_timestamp"] + 1 if found.running and selected else None
    return 200, {"session_active": found.running, "next_timestamp": following, "transcript_data": selected}


def delete_events(call: Call) -> Answer:
    """Delete the transcript of a session that has ended."""
    call.require_key()
    call.service.now()
    found = call.service.ledger.find(call.path_parameter("session_id"))
    if found.ended_at is None:
        raise Refused(400, "The session has not ended. Its events can be deleted once it has")
    found.transcript.clear()
    return 200, None


def _check_own_room(service: Service, session: Session) -> str | None:
    """Return the reason why the avatar cannot use the account's own room; None if it can."""
    room = session.own_room
    if room is None or (not service.host.can_join and claims(room.token) is None):
        return None  # no avatar will join the room, and a token that is not a JWT cannot be checked
    return lacking(room)


def _session(session: Session, now: int) -> dict[str, Any]:
    ended = {} if session.ended_at is None else {"end_at": moment(session.ended_at), "end_reason": session.end_reason}
    return {
        "id": session.id,
        "created_at": moment(session.created_at),
        "updated_at": moment(session.updated_at),
        "duration": session.elapsed(now) // SECOND,
        "source": "API",
        "mode": session.mode,
        "is_sandbox": session.is_sandbox,
        "credits_consumed": float(shown(session.cost(now))),
        **ended,
    }


def _line(session: Session, line: TranscriptLine) -> dict[str, Any]:
    assert session.started_at is not None
    return {
        "role": line.role,
        "transcript": line.text,
        "absolute_timestamp": line.moment // SECOND,
        "relative_timestamp": (line.moment - session.started_at) // SECOND,
    }


FUNCTIONS: Final[dict[str, Function]] = {
    "post_v1_sessions_token": token,
    "post_v1_sessions_start": start,
    "post_v1_sessions_stop": stop,
    "post_v1_sessions_keep_alive": keep_alive,
    "get_v1_sessions": sessions,
    "get_v1_sessions_session_id": session,
    "get_v1_sessions_session_id_transcript": transcript,
    "delete_v1_sessions_session_id_events": delete_events,
}
