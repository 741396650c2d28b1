"""The endpoint for one path: it checks the rate limit, injects faults and runs the operation."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Mapping
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from ..account.ledger import Refused
from ..faults import REST_KINDS, Fault
from ..service import Service, mask
from .answers import answer, failure
from .calls import Call, Function
from .damage import damage
from .operations import Operation
from .validation import Invalid, parse

SUCCESS: Final = 1000
NO_CONTENT: Final = 204
TEMPORARY_REDIRECT: Final = 307
LARGEST_NOTED: Final = 64 * 1024  # maximum bytes of a recorded body; larger bodies are not recorded

# strong references to the tasks, because the event loop itself keeps only weak ones
_late_calls: Final[set[asyncio.Task[None]]] = set()


class Endpoint:
    """The ASGI application for all methods of one path."""

    def __init__(self, methods: Mapping[str, tuple[Operation, Function]]) -> None:
        self._methods = methods
        self._allowed = ", ".join([*methods, *(["HEAD"] if "GET" in methods else [])])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        if method not in self._methods:
            raise HTTPException(405, headers={"Allow": self._allowed})
        operation, function = self._methods[method]
        response = await _respond(operation, function, Request(scope, receive))
        await response(scope, receive, send)


async def _respond(operation: Operation, function: Function, request: Request) -> ASGIApp:
    received_at = time.time()
    service: Service = request.app.state.service
    body = await request.body()
    record_body(request, body)
    if headers := service.rate_limit.count(_credential(request), operation.id):
        return failure(429, "Too many requests: wait for the number of seconds in Retry-After", headers=headers)
    names = {operation.id, operation.name, "any"}
    if delay := service.faults.take(names, "delay"):
        await asyncio.sleep(delay.parameters["seconds"])
    fault = service.faults.take(names, *(kind for kind in REST_KINDS if kind != "delay"))
    client = request.scope["client"]
    if fault and (response := _answer_unapplied(fault, service, client)):
        return response
    call = Call(service, request, body, received_at)
    if fault and fault.kind == "late":
        task = asyncio.create_task(_apply_late(operation, function, call, fault.parameters["seconds"]))
        _late_calls.add(task)
        task.add_done_callback(_late_calls.discard)
        return _error_answer(fault) if "status" in fault.parameters else _cut_answer(service, client)
    response = await _apply(function, call)
    if fault is None:
        return response
    if fault.kind == "drop_after":
        service.cut(client)
        return response
    return damage(fault, response, service.transports[client])


def _credential(request: Request) -> str:
    return request.headers.get("authorization") or request.headers.get("x-api-key", "")


async def _apply(function: Function, call: Call) -> Response:
    try:
        result = function(call)
        status, data = await result if isinstance(result, Awaitable) else result
    except Refused as refused:
        return failure(refused.status, refused.message, refused.code)
    except Invalid as invalid:
        return answer(422, {"detail": invalid.problems})
    if status == NO_CONTENT:
        return Response(status_code=NO_CONTENT)
    return answer(status, {"code": SUCCESS, "data": data, "message": "Success"})


async def _apply_late(operation: Operation, function: Function, call: Call, seconds: float) -> None:
    """Process a call `seconds` after its caller was cut off or received an error."""
    await asyncio.sleep(seconds)
    if operation.name == "start":
        with contextlib.suppress(Refused):
            session = call.bearer()
            if session.started_at is None:
                # undo any earlier stop, as if the stop had not found the session
                session.ended_at = session.end_reason = None
    await _apply(function, call)


def _answer_unapplied(fault: Fault, service: Service, client: tuple[str, int]) -> Response | None:
    """Return the fault's response if the fault keeps the call from being processed, else None."""
    if fault.kind == "redirect":
        return Response(status_code=TEMPORARY_REDIRECT, headers={"Location": fault.parameters["location"]})
    if fault.kind == "drop_before":
        return _cut_answer(service, client)
    return _error_answer(fault) if fault.kind == "status" else None


def _cut_answer(service: Service, client: tuple[str, int]) -> Response:
    service.cut(client)
    return failure(500, "The connection was cut")


def _error_answer(fault: Fault) -> Response:
    parameters = fault.parameters
    status, headers = parameters.get("status", 500), parameters.get("headers")
    if "body" in parameters:
        media_type = parameters.get("content_type", "text/html")
        return Response(parameters["body"], status, headers, media_type=media_type)
    return failure(status, parameters.get("message", "An injected fault"), parameters.get("code"), headers)


def record_body(request: Request, body: bytes) -> None:
    """Add the body, with secrets masked, to the gate's record of this request."""
    if 0 < len(body) <= LARGEST_NOTED:
        try:
            request.state.entry["body"] = mask(parse(body))
        except Invalid:
            request.state.entry["body"] = None
