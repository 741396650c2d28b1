"""Sessions: started, kept alive, stopped, looked up."""

from __future__ import annotations

from typing import Any, Final

from ..account.ledger import Line, Refused, Session, shown
from ..clock import SECOND, moment
from ..media.tokens import claims, lacking
from ..service import Service
from ..session.stage import Stage
from . import rules
from .calls import Answer, Call, Function
from .tokens import token


async def start(call: Call) -> Answer:
    session = call.bearer()
    if call.body.strip():  # an old habit: the contract has no body here
        body = call.json(required=False)
        if body.get("session_id", session.id) != session.id:
            raise Refused(400, "The session token belongs to another session than session_id")
    service = call.service
    why = _unfit(service, session)
    refusal = Refused(500, "The session could not be started") if why else None
    try:
        service.account.start(session, service.now(), call.received_at, refusal)
    except Refused as refused:
        if refused is refusal:
            # as the service does: the answer does not say what is wrong
            service.warn(f"the start call answered 500: {why}")
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
    session, body = call.session(rules.stop)
    call.service.account.stop(session, body.get("reason", "UNKNOWN"), call.service.now(), call.received_at)
    call.service.clock.poke()
    return 200, None


def keep_alive(call: Call) -> Answer:
    session, _ = call.session(rules.keep_alive)
    call.service.account.keep_alive(session, call.service.now())
    call.service.clock.poke()
    return 200, None


def sessions(call: Call) -> Answer:
    call.key()
    kind = call.choice("type", "active", "historic", required=True)
    now = call.service.now()
    found = [
        one
        for one in reversed(call.service.account.sessions())
        if (one.running if kind == "active" else one.started_at is not None and one.ended_at is not None)
    ]
    for name in ("avatar_id", "context_id"):
        if (wanted := call.request.query_params.get(name)) is not None:
            found = [one for one in found if getattr(one, name) == wanted]
    if call.request.query_params.get("embed_id") is not None:
        found = []  # no session of the simulator comes from an embed
    return 200, call.page([_session(one, now) for one in found])


def session(call: Call) -> Answer:
    call.key()
    now = call.service.now()
    return 200, _session(call.service.account.find(call.place("session_id")), now)


def transcript(call: Call) -> Answer:
    """Timestamps are whole seconds: since the epoch, and since the start. Both ends of the span are part of it."""
    call.key()
    call.service.now()
    found = call.service.account.find(call.place("session_id"))
    first, last = call.whole("start_timestamp"), call.whole("end_timestamp")
    lines = [_line(found, line) for line in found.transcript]
    told = [
        line
        for line in lines
        if (first is None or line["absolute_timestamp"] >= first)
        and (last is None or line["absolute_timestamp"] <= last)
    ]
    # where to go on asking; of a session that is over nothing more is to come
    following = told[-1]["absolute_timestamp"] + 1 if found.running and told else None
    return 200, {"session_active": found.running, "next_timestamp": following, "transcript_data": told}


def delete_events(call: Call) -> Answer:
    call.key()
    call.service.now()
    found = call.service.account.find(call.place("session_id"))
    if found.ended_at is None:
        raise Refused(400, "The session has not ended: its events can be deleted afterwards")
    found.transcript.clear()
    return 200, None


def _unfit(service: Service, session: Session) -> str | None:
    """Why the avatar could not play in the account's own room."""
    room = session.own_room
    if room is None or (not service.host.can_join and claims(room.token) is None):
        return None  # it will not be joined, and what is no JWT tells nothing
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


def _line(session: Session, line: Line) -> dict[str, Any]:
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
