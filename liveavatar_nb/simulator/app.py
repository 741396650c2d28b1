"""The web application: routes behind one gate that looks at Host and Origin."""

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
from .service import Service, masked, tick
from .session import drawn_room
from .session.websocket import talk

ALLOWED_METHODS: Final = "GET, POST, PATCH, DELETE"
ALLOWED_HEADERS: Final = "Authorization, Content-Type, X-API-KEY"
PREFLIGHT_SECONDS: Final = 600
PICTURE_SECONDS: Final = 3600


def build(service: Service) -> Starlette:
    """The application for one service."""

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
            WebSocketRoute("/v1/sessions/{session_id}/socket", talk),
            WebSocketRoute(f"{drawn_room.PREFIX}{{session_id}}", drawn_room.hold),
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
    service: Service = request.app.state.service
    avatar = service.catalogue.get(request.path_params["avatar_id"])
    if avatar is None:
        return failure(404, "There is no such avatar")
    query = request.query_params
    mouth = query.get("mouth")
    if mouth not in (None, *map(str, range(MOUTHS))) or query.get("eyes", "open") not in ("open", "closed"):
        return failure(400, f"mouth is 0 to {MOUTHS - 1}, eyes are open or closed")
    headers = {
        "Cache-Control": f"max-age={PICTURE_SECONDS}",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'",
    }
    opening, eyes_closed = None if mouth is None else int(mouth), query.get("eyes") == "closed"
    drawing = draw(avatar.look, avatar.name, mouth=opening, eyes_closed=eyes_closed)
    return Response(drawing, 200, headers, media_type="image/svg+xml")


async def health(request: Request) -> Response:
    return answer(200, {"status": "ok"})


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return failure(error.status_code, error.detail, headers=dict(error.headers or {}))


async def _server_error(request: Request, error: Exception) -> Response:
    return failure(500, "The simulator failed: this is a bug of its own")


class Gate:
    """Refuses a forged Host and a foreign Origin, notes what arrives, and marks each answer.

    A page of any site can send requests to loopback, by its own origin or by a name that it points at 127.0.0.1;
    so both headers must be exactly what a program on this machine, or a page that was named, would send.
    """

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app, self._service = app, service
        self._hosts = {f"127.0.0.1:{service.port}", f"localhost:{service.port}"}
        self._own = {f"http://{host}" for host in self._hosts}
        self._foreign = frozenset(service.options.allow_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        refusal = self._refusal(headers, origin)
        noted = self._note(scope, headers)
        send = self._marked(send, noted, origin)
        if refusal is not None:
            await self._refuse(scope, receive, send, refusal)
        elif scope["type"] == "http" and scope["method"] == "OPTIONS" and origin in self._foreign:
            await _preflight()(scope, receive, send)
        else:
            scope.setdefault("state", {})["noted"] = noted
            await self._app(scope, receive, send)

    def _refusal(self, headers: Headers, origin: str | None) -> str | None:
        if len(headers.getlist("host")) != 1 or headers["host"].lower() not in self._hosts:
            return "Host is not this simulator's"
        if len(headers.getlist("origin")) > 1 or (
            origin is not None and origin not in self._own and origin not in self._foreign
        ):
            return "Pages of this origin are not allowed: name it in allow_origins"
        return None

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, message: str) -> None:
        if scope["type"] == "http":
            await failure(403, message)(scope, receive, send)
        else:
            await receive()
            await send({"type": "websocket.close", "code": 1008})

    def _note(self, scope: Scope, headers: Headers) -> dict[str, Any]:
        auth = "bearer" if "authorization" in headers else "key" if "x-api-key" in headers else None
        query = masked(dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)))
        noted = {
            "method": scope.get("method", "WEBSOCKET"),
            "path": scope["path"],
            "query": query,
            "body": None,
            "auth": auth,
            "received_at": time.time(),
            "status": None,
        }
        if not scope["path"].startswith(admin.PREFIX) or scope["path"].startswith(drawn_room.PREFIX):
            self._service.requests.append(noted)
        return noted

    def _marked(self, send: Send, noted: dict[str, Any], origin: str | None) -> Send:
        async def marked(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start", "websocket.accept"):
                noted["status"] = message.get("status", 101)
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = str(uuid.uuid4())
                if origin in self._foreign:
                    headers["Access-Control-Allow-Origin"] = str(origin)
                    headers["Vary"] = "Origin"
            elif message["type"] == "websocket.close" and noted["status"] is None:
                noted["status"] = 403
            await send(message)

        return marked


def _preflight() -> Response:
    return Response(
        status_code=204,
        headers={
            "Access-Control-Allow-Methods": ALLOWED_METHODS,
            "Access-Control-Allow-Headers": ALLOWED_HEADERS,
            "Access-Control-Max-Age": str(PREFLIGHT_SECONDS),
        },
    )
