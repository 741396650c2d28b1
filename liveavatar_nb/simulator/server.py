"""The simulator's HTTP server, running in this process."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final, Literal

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from .account.history import furnish
from .app import build
from .options import IDLE_LIMIT, LiveKit, Options, PlanName, Spelling, header_safe
from .service import Service

BACKLOG: Final = 2048
SHUTDOWN_SECONDS: Final = 1
# maximum bytes in a WebSocket frame; higher than the limit for commands, which the session enforces
LARGEST_SOCKET_FRAME: Final = 4 * 1024 * 1024
HOSTS: Final = ("127.0.0.1", "localhost")


def serve(
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    speed: float = 1.0,
    credits: Decimal | int | str = 100,  # noqa: A002 (as in `Simulator`)
    avatars: int | None = None,
    concurrency: int = 3,
    idle_limit: float = IDLE_LIMIT,
    plan: PlanName | None = None,
    max_session_seconds: int | None = None,
    allow_origins: Sequence[str] = (),
    connect_delay: float = 0.3,
    history: bool = True,
    rate_limit: int | None = 100,
    spelling: Spelling = "both",
    livekit: Literal["auto"] | LiveKit | None = None,
    api_key: str | None = None,
    on_ready: Callable[[str, str], None] | None = None,
) -> None:
    """Serve in the foreground until Ctrl-C or SIGTERM, without printing anything.

    The arguments not listed here are those of `Simulator`.

    Args:
        host: ``127.0.0.1`` or ``localhost``, because a simulator serves this machine only.
        on_ready: Called once with the URL and the API key, when the server is ready for requests.

    Raises:
        ValueError: An argument is out of range; the message names it.
        TypeError: An argument has the wrong type; the message names it.
        OSError: The port is in use.
    """
    if host not in HOSTS:
        raise ValueError(f"host must be one of {', '.join(HOSTS)}, not {host!r}")
    options = Options.of(
        speed=speed,
        credits=credits,
        port=port,
        avatars=avatars,
        concurrency=concurrency,
        idle_limit=idle_limit,
        plan=plan,
        max_session_seconds=max_session_seconds,
        allow_origins=allow_origins,
        connect_delay=connect_delay,
        history=history,
        rate_limit=rate_limit,
        spelling=spelling,
        livekit=livekit,
    )
    key = secrets.token_urlsafe(32) if api_key is None else header_safe("api_key", api_key)
    run(options, key, None, on_ready or (lambda url, key: None))


def run(
    options: Options,
    api_key: str,
    admin_token: str | None,
    on_ready: Callable[[str, str], None],
    on_made: Callable[[Service], None] = lambda service: None,
) -> None:
    """Run a simulator whose options have already been checked.

    Args:
        options: The options.
        api_key: The account's API key.
        admin_token: The token for the owner's commands (`admin`); None disables them.
        on_ready: Called with the URL and the API key when the server is ready for requests.
        on_made: Called with the service before it handles any request.
    """
    with _listener(options.port) as listener:
        service = Service(options, port=listener.getsockname()[1], api_key=api_key, admin_token=admin_token)
        if options.history:
            furnish(service)
        on_made(service)

        class Protocol(H11Protocol):
            """An HTTP protocol that lets a fault cut its connection, which an ASGI application cannot do on its own."""

            def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
                super().connection_made(transport)
                service.transports[transport.get_extra_info("peername")] = transport

        # log warnings only, because access and debug logs would contain WebSocket tokens
        config = uvicorn.Config(
            build(service),
            http=Protocol,
            ws="websockets-sansio",
            loop="asyncio",
            lifespan="on",
            log_config=None,
            log_level="warning",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            ws_max_size=LARGEST_SOCKET_FRAME,
            ws_per_message_deflate=False,
            timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        )
        with contextlib.suppress(KeyboardInterrupt):
            _Server(config, lambda: on_ready(service.url, api_key)).run(sockets=[listener])


def _listener(port: int) -> socket.socket:
    # name the protocol, as `socket.create_server` does not: asyncio then sets TCP_NODELAY, which saves 40 ms per call
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_ready()
