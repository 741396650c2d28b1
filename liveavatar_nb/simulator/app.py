"""The web application: its routes, behind a gate that checks the Host and Origin headers."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any, Final
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from . import admin
from .drawing.pictures import MOUTHS, draw
from .rest.answers import answer, failure
from .rest.routes import routes
from .service import Service, mask, tick
from .session import drawn_room
from .session.websocket import connect

ALLOWED_METHODS: Final = "GET, POST, PATCH, DELETE"
ALLOWED_HEADERS: Final = "Authorization, Content-Type, X-API-KEY"
PREFLIGHT_SECONDS: Final = 600
PICTURE_SECONDS: Final = 3600


def build(service: Service) -> Starlette:
    """Return the web application for a service."""

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        service.loop = asyncio.get_running_loop()
        ticker = asyncio.create_task(tick(service))
        yield
        await service.aclose()
        ticker.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await ticker

    app = Starlette(
        routes=[
            *routes(),
            *admin.routes(),
            WebSocketRoute("/v1/sessions/{session_id}/socket", connect),
            WebSocketRoute(f"{drawn_room.PREFIX}{{session_id}}", drawn_room.connect),
            Route("/pictures/{avatar_id}.svg", picture, methods=["GET"]),
            Route("/healthz", health, methods=["GET"]),
        ],
        middleware=[Middleware(Gate, service=service)],
        exception_handlers={HTTPException: _http_error, Exception: _server_error},
        lifespan=lifespan,
    )
    app.state.service = service
    return app


async def picture(request: Request) -> Response:
    """Return a drawing of an avatar, as SVG."""
    service: Service = request.app.state.service
    avatar = service.catalogue.get(request.path_params["avatar_id"])
    if avatar is None:
        return failure(404, "There is no such avatar")
    query = request.query_params
    mouth = query.get("mouth")
    if mouth not in (None, *map(str, range(MOUTHS))) or query.get("eyes", "open") not in ("open", "closed"):
        return failure(400, f"mouth must be 0 to {MOUTHS - 1}, and eyes must be open or closed")
    headers = {
        "Cache-Control": f"max-age={PICTURE_SECONDS}",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'",
    }
    opening, eyes_closed = None if mouth is None else int(mouth), query.get("eyes") == "closed"
    drawing = draw(avatar.look, avatar.name, mouth=opening, eyes_closed=eyes_closed)
    return Response(drawing, 200, headers, media_type="image/svg+xml")


async def health(request: Request) -> Response:
    """Report that the simulator is up."""
    return answer(200, {"status": "ok"})


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return failure(error.status_code, error.detail, headers=dict(error.headers or {}))


async def _server_error(request: Request, error: Exception) -> Response:
    return failure(500, "Internal error. This is a bug in the simulator")


class Gate:
    """Middleware that rejects forged hosts and unknown origins, records requests, and adds response headers.

    Any website can make a browser send requests to this machine, even through a name that resolves to 127.0.0.1.
    So the Host and Origin headers must be exactly what a local program, or a page from `allow_origins`, would send.
    """

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app, self._service = app, service
        self._hosts = {f"127.0.0.1:{service.port}", f"localhost:{service.port}"}
        self._own_origins = {f"http://{host}" for host in self._hosts}
        self._allowed_origins = frozenset(service.options.allow_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        refusal = self._refusal(headers, origin)
        entry = self._record(scope, headers)
        send = self._add_headers(send, entry, origin)
        if refusal is not None:
            await self._refuse(scope, receive, send, refusal)
        elif scope["type"] == "http" and scope["method"] == "OPTIONS" and origin in self._allowed_origins:
            await _preflight()(scope, receive, send)
        else:
            scope.setdefault("state", {})["entry"] = entry
            await self._app(scope, receive, send)

    def _refusal(self, headers: Headers, origin: str | None) -> str | None:
        if len(headers.getlist("host")) != 1 or headers["host"].lower() not in self._hosts:
            return "The Host header does not name this simulator"
        if len(headers.getlist("origin")) > 1 or (
            origin is not None and origin not in self._own_origins and origin not in self._allowed_origins
        ):
            return "Pages from this origin are not allowed. Add the origin to allow_origins"
        return None

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, message: str) -> None:
        if scope["type"] == "http":
            await failure(403, message)(scope, receive, send)
        else:
            await receive()
            await send({"type": "websocket.close", "code": 1008})

    def _record(self, scope: Scope, headers: Headers) -> dict[str, Any]:
        auth = "bearer" if "authorization" in headers else "key" if "x-api-key" in headers else None
        query = mask(dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)))
        entry = {
            "method": scope.get("method", "WEBSOCKET"),
            "path": scope["path"],
            "query": query,
            "body": None,
            "auth": auth,
            "received_at": time.time(),
            "status": None,
        }
        if not scope["path"].startswith(admin.PREFIX) or scope["path"].startswith(drawn_room.PREFIX):
            self._service.requests.append(entry)
        return entry

    def _add_headers(self, send: Send, entry: dict[str, Any], origin: str | None) -> Send:
        """Wrap `send` in a function that adds a request id and CORS headers, and records the status."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start", "websocket.accept"):
                entry["status"] = message.get("status", 101)
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = str(uuid.uuid4())
                if origin in self._allowed_origins:
                    headers["Access-Control-Allow-Origin"] = str(origin)
                    headers["Vary"] = "Origin"
            elif message["type"] == "websocket.close" and entry["status"] is None:
                entry["status"] = 403
            await send(message)

        return send_with_headers


def _preflight() -> Response:
    return Response(
        status_code=204,
        headers={
            "Access-Control-Allow-Methods": ALLOWED_METHODS,
            "Access-Control-Allow-Headers": ALLOWED_HEADERS,
            "Access-Control-Max-Age": str(PREFLIGHT_SECONDS),
        },
    )
