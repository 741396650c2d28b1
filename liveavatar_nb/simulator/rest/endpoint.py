"""One path of the contract: reads the body, counts, lets faults happen, and wraps what the operation answers."""

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
from ..service import Service, masked
from .answers import answer, failure
from .calls import Call, Function
from .damage import damaged
from .operations import Operation
from .validation import Invalid, parse

SUCCESS: Final = 1000
NO_CONTENT: Final = 204
TEMPORARY_REDIRECT: Final = 307
LARGEST_NOTED: Final = 64 * 1024  # bytes of a body that is kept

# the loop holds its tasks weakly
_under_way: Final[set[asyncio.Task[None]]] = set()


class Endpoint:
    """An ASGI application for one path and all of its methods."""

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
    note_body(request, body)
    if headers := service.rate_limit.exceeded(_credential(request), operation.id):
        return failure(429, "Too many requests: Retry-After says when to go on", headers=headers)
    names = {operation.id, operation.name, "any"}
    if delay := service.faults.take(names, "delay"):
        await asyncio.sleep(delay.parameters["seconds"])
    fault = service.faults.take(names, *(kind for kind in REST_KINDS if kind != "delay"))
    client = request.scope["client"]
    if fault and (response := _unapplied(fault, service, client)):
        return response
    call = Call(service, request, body, received_at)
    if fault and fault.kind == "late":
        task = asyncio.create_task(_apply_late(operation, function, call, fault.parameters["seconds"]))
        _under_way.add(task)
        task.add_done_callback(_under_way.discard)
        return _failed(fault) if "status" in fault.parameters else _cut(service, client)
    response = await _applied(function, call)
    if fault is None:
        return response
    if fault.kind == "drop_after":
        service.cut(client)
        return response
    return damaged(fault, response, service.transports[client])


def _credential(request: Request) -> str:
    return request.headers.get("authorization") or request.headers.get("x-api-key", "")


async def _applied(function: Function, call: Call) -> Response:
    try:
        told = function(call)
        status, data = await told if isinstance(told, Awaitable) else told
    except Refused as refused:
        return failure(refused.status, refused.message, refused.code)
    except Invalid as invalid:
        return answer(422, {"detail": invalid.problems})
    if status == NO_CONTENT:
        return Response(status_code=NO_CONTENT)
    return answer(status, {"code": SUCCESS, "data": data, "message": "Success"})


async def _apply_late(operation: Operation, function: Function, call: Call, seconds: float) -> None:
    """Applies a call of which nobody hears any more."""
    await asyncio.sleep(seconds)
    if operation.name == "start":
        with contextlib.suppress(Refused):
            session = call.bearer()
            if session.started_at is None:
                # it was on its way when the stop came, which found nothing that ran
                session.ended_at = session.end_reason = None
    await _applied(function, call)


def _unapplied(fault: Fault, service: Service, client: tuple[str, int]) -> Response | None:
    """The answer of a fault that keeps the call from being applied."""
    told = fault.parameters
    if fault.kind == "redirect":
        return Response(status_code=TEMPORARY_REDIRECT, headers={"Location": told["location"]})
    if fault.kind == "drop_before":
        return _cut(service, client)
    return _failed(fault) if fault.kind == "status" else None


def _cut(service: Service, client: tuple[str, int]) -> Response:
    service.cut(client)
    return failure(500, "The connection was cut")


def _failed(fault: Fault) -> Response:
    told = fault.parameters
    status, headers = told.get("status", 500), told.get("headers")
    if "body" in told:
        return Response(told["body"], status, headers, media_type=told.get("content_type", "text/html"))
    return failure(status, told.get("message", "A fault was switched on"), told.get("code"), headers)


def note_body(request: Request, body: bytes) -> None:
    """Keeps the body beside what the gate noted of this request, without its secrets."""
    if 0 < len(body) <= LARGEST_NOTED:
        try:
            request.state.noted["body"] = masked(parse(body))
        except Invalid:
            request.state.noted["body"] = None
