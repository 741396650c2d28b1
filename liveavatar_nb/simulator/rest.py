"""The REST operations, each a plain function of the call: it is applied at once, or not at all."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from . import rules
from .account import Mode, Refused, Session, shown
from .avatars import SANDBOX_AVATAR, Avatar
from .clock import SECOND
from .faults import Fault
from .service import Service, masked
from .validation import Invalid, Location, Record, ensure, problem

SUCCESS: Final = 1000
PAGE_SIZE: Final = 20
LARGEST_PAGE: Final = 100
WHOLE: Final = re.compile(r"[0-9]{1,100}")
OLD_FIELDS: Final = {"video_quality": "the quality goes into video_settings"}


@dataclass(frozen=True, slots=True)
class Call:
    """One request, read to its end."""

    service: Service
    request: Request
    body: bytes
    received_at: float

    def json(self, *, required: bool) -> dict[str, Any]:
        if not self.body.strip() and not required:
            return {}
        value = parse(self.body)
        if not isinstance(value, dict):
            raise Invalid([problem(("body",), "Input should be an object", "model_attributes_type")])
        return value

    def key(self) -> None:
        """Raises unless the account's key came with it."""
        if not self._has_key():
            raise Refused(401, "The API key is missing or wrong: it goes into the header X-API-KEY")

    def bearer(self) -> Session:
        """The session whose token came with it."""
        scheme, _, token = self.request.headers.get("authorization", "").partition(" ")
        session = self.service.account.by_token(token.strip()) if scheme.lower() == "bearer" else None
        if session is None:
            raise Refused(401, "The session token is missing or wrong: it goes into Authorization: Bearer")
        return session

    def session(self, record: Record) -> tuple[Session, dict[str, Any]]:
        """The session that a bearer token, or the key with an id, points at; and the body."""
        if self._has_key() and "authorization" not in self.request.headers:
            body = self.checked(record)
            if not body.get("session_id"):
                raise Refused(400, "session_id is needed where the API key is used")
            return self.service.account.find(body["session_id"]), body
        session = self.bearer()
        body = self.checked(record)
        if (body.get("session_id") or session.id).lower() != session.id:
            raise Refused(403, "The session token belongs to another session than session_id")
        return session, body

    def checked(self, record: Record) -> dict[str, Any]:
        body = self.json(required=False)
        ensure(record, body, ("body",))
        self.note_unknown(record, body)
        return body

    def note_unknown(self, record: Record, body: dict[str, Any]) -> None:
        for name in record.unknown(body):
            self.service.warn(
                f"{self.request.url.path}: unknown field {name[:64]!r}: {OLD_FIELDS.get(name, 'it is ignored')}"
            )

    def _has_key(self) -> bool:
        return self.service.is_key(self.request.headers.get("x-api-key", ""))


Answer = tuple[int, Any]
Operation = Callable[[Call], Answer]


def token(call: Call) -> Answer:
    call.key()
    body = call.json(required=True)
    mode, record = _mode(call, body)
    ensure(record, body, ("body",))
    call.note_unknown(record, body)
    avatar = call.service.catalogue.get(body["avatar_id"])
    if avatar is None:
        raise Refused(404, f"There is no avatar {body['avatar_id']}")
    if avatar.status != "ACTIVE":
        raise Refused(400, f"Avatar {avatar.name} is {avatar.status}, not ACTIVE")
    is_sandbox = body.get("is_sandbox", False)
    if is_sandbox and avatar.id != SANDBOX_AVATAR:
        raise Refused(400, f"The sandbox takes only avatar {SANDBOX_AVATAR}")
    persona = body["avatar_persona"] if mode == "FULL" else {}
    if mode == "FULL":
        _note_silence(call.service, avatar, persona)
    duration = body.get("max_session_duration")
    session = call.service.account.create(
        avatar_id=avatar.id,
        mode=mode,
        is_sandbox=is_sandbox,
        has_socket=mode == "LITE" and body.get("elevenlabs_agent_config") is None,
        context_id=persona.get("context_id"),
        max_session_duration=None if duration is None else int(duration),
        now=call.service.now(),
    )
    return 200, {"session_id": session.id, "session_token": session.token}


def _mode(call: Call, body: dict[str, Any]) -> tuple[Mode, Record]:
    if body.get("mode") == "CUSTOM":
        call.service.warn("mode CUSTOM is the old name of LITE")
        body["mode"] = "LITE"
    if body.get("mode", "FULL" if "avatar_persona" in body else "LITE") == "LITE":
        return "LITE", rules.lite_token
    return "FULL", rules.full_token


def _note_silence(service: Service, avatar: Avatar, persona: dict[str, Any]) -> None:
    if not persona.get("context_id"):
        service.warn("FULL without context_id: there will be video, but never an answer")
    if avatar.type == "IMAGE" and not persona.get("voice_id"):
        service.warn(f"{avatar.name} is an IMAGE avatar without a voice of its own: give voice_id")


def start(call: Call) -> Answer:
    session = call.bearer()
    if call.body.strip():  # an old habit: the contract has no body here
        body = call.json(required=False)
        if body.get("session_id", session.id) != session.id:
            raise Refused(400, "The session token belongs to another session than session_id")
    service = call.service
    service.account.start(session, service.now(), call.received_at)
    service.clock.poke()
    socket = f"ws://127.0.0.1:{service.port}/v1/sessions/{session.id}/socket?token={session.socket_token}"
    return 201, {
        "session_id": session.id,
        "livekit_url": None,
        "livekit_client_token": None,
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
    kind = call.request.query_params.get("type")
    if kind not in ("active", "historic"):
        raise Invalid(
            [
                problem(
                    ("query", "type"), "Input should be 'active' or 'historic'", "missing" if kind is None else "enum"
                )
            ]
        )
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
    return 200, _page(call, [_session(one, now) for one in found])


def session(call: Call) -> Answer:
    call.key()
    now = call.service.now()
    return 200, _session(call.service.account.find(call.request.path_params["session_id"]), now)


def my_avatars(call: Call) -> Answer:
    call.key()
    return 200, _page(call, [avatar.to_json(call.service.url) for avatar in call.service.catalogue.mine])


def public_avatars(call: Call) -> Answer:
    return 200, _page(call, [avatar.to_json(call.service.url) for avatar in call.service.catalogue.public])


def avatar(call: Call) -> Answer:
    call.key()
    found = call.service.catalogue.get(call.request.path_params["avatar_id"])
    if found is None:
        raise Refused(404, "There is no such avatar")
    return 200, found.to_json(call.service.url)


def credit_balance(call: Call) -> Answer:
    call.key()
    return 200, {"credits_left": shown(call.service.account.credits_left(call.service.now()))}


def _session(session: Session, now: int) -> dict[str, Any]:
    ended = {} if session.ended_at is None else {"end_at": _moment(session.ended_at), "end_reason": session.end_reason}
    return {
        "id": session.id,
        "created_at": _moment(session.created_at),
        "updated_at": _moment(session.updated_at),
        "duration": session.elapsed(now) // SECOND,
        "source": "API",
        "mode": session.mode,
        "is_sandbox": session.is_sandbox,
        "credits_consumed": float(shown(session.cost(now))),
        **ended,
    }


def _moment(microseconds: int) -> str:
    text = datetime.fromtimestamp(microseconds // SECOND, UTC).replace(microsecond=microseconds % SECOND).isoformat()
    return text.replace("+00:00", "Z")


def _page(call: Call, items: list[dict[str, Any]]) -> dict[str, Any]:
    page = _whole(call, "page", 1, high=None)
    size = _whole(call, "page_size", PAGE_SIZE, high=LARGEST_PAGE)
    first = (page - 1) * size

    def link(number: int) -> str:
        return str(call.request.url.include_query_params(page=number, page_size=size))

    return {
        "count": len(items),
        "results": items[first : first + size],
        "next": link(page + 1) if first + size < len(items) else None,
        "previous": link(page - 1) if page > 1 else None,
    }


def _whole(call: Call, name: str, default: int, *, high: int | None) -> int:
    text = call.request.query_params.get(name)
    if text is None:
        return default
    where: Location = ("query", name)
    if not WHOLE.fullmatch(text):
        raise Invalid([problem(where, "Input should be a valid integer of at least 1", "int_parsing")])
    number = int(text)
    if number < 1:
        raise Invalid([problem(where, "Input should be greater than or equal to 1", "greater_than_equal")])
    if high is not None and number > high:
        raise Invalid([problem(where, f"Input should be less than or equal to {high}", "less_than_equal")])
    return number


def parse(text: bytes | str) -> Any:
    """JSON, by the letter: no NaN, no Infinity."""

    def refuse(name: str) -> None:
        raise ValueError(f"{name} is not JSON")

    try:
        return json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError):
        raise Invalid([problem(("body",), "JSON decode error", "json_invalid")]) from None


def answer(status: int, data: object, headers: dict[str, str] | None = None) -> Response:
    # ASCII only: a lone surrogate in what was sent must not break the answer about it
    return Response(json.dumps(data), status, headers, media_type="application/json")


def failure(status: int, message: str, code: int | None = None, headers: dict[str, str] | None = None) -> Response:
    return answer(status, {"code": code or 4000 + status % 100, "data": None, "message": message}, headers)


def endpoint(name: str, operation: Operation) -> Callable[[Request], Awaitable[Response]]:
    """The operation as a route: reads the body, lets faults happen, wraps the result."""

    async def run(request: Request) -> Response:
        received_at = time.time()
        service: Service = request.app.state.service
        body = await request.body()
        note_body(request, body)
        if delay := service.faults.take(name, "delay"):
            await asyncio.sleep(delay.parameters["seconds"])
        fault = service.faults.take(name, "status", "drop_before", "drop_after", "garbage")
        if fault and fault.kind in ("status", "drop_before"):
            return _unapplied(fault, service, request)
        response = _applied(operation, Call(service, request, body, received_at))
        if fault and fault.kind == "drop_after":
            service.cut(request.scope["client"])
        elif fault:
            return Response(
                fault.parameters.get("body", "<<<"), fault.parameters.get("status", 200), media_type="application/json"
            )
        return response

    return run


def _applied(operation: Operation, call: Call) -> Response:
    try:
        status, data = operation(call)
    except Refused as refused:
        return failure(refused.status, refused.message, refused.code)
    except Invalid as invalid:
        return answer(422, {"detail": invalid.problems})
    return answer(status, {"code": SUCCESS, "data": data, "message": "Success"})


def _unapplied(fault: Fault, service: Service, request: Request) -> Response:
    if fault.kind == "drop_before":
        service.cut(request.scope["client"])
    told = fault.parameters
    return failure(
        told.get("status", 500), told.get("message", "A fault was switched on"), told.get("code"), told.get("headers")
    )


def note_body(request: Request, body: bytes) -> None:
    """Keeps the body beside what the gate noted of this request, without its secrets."""
    if body:
        try:
            request.state.noted["body"] = masked(parse(body))
        except Invalid:
            request.state.noted["body"] = None


def routes() -> list[Route]:
    table: list[tuple[str, str, str, Operation]] = [
        ("POST", "/v1/sessions/token", "token", token),
        ("POST", "/v1/sessions/start", "start", start),
        ("POST", "/v1/sessions/stop", "stop", stop),
        ("POST", "/v1/sessions/keep-alive", "keep_alive", keep_alive),
        ("GET", "/v1/sessions", "sessions", sessions),
        ("GET", "/v1/sessions/{session_id}", "session", session),
        ("GET", "/v1/avatars", "avatars", my_avatars),
        ("GET", "/v1/avatars/public", "avatars", public_avatars),
        ("GET", "/v1/avatars/{avatar_id}", "avatars", avatar),
        ("GET", "/v1/users/credits", "credits", credit_balance),
    ]
    return [Route(path, endpoint(name, operation), methods=[method]) for method, path, name, operation in table]
