"""A session's WebSocket: its events, and how a lost one is got back."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from . import config
from .config import Masked
from .protocol import lite
from .protocol.lite import Event
from .retry import delay
from .transport import goes_by_proxy

logger = logging.getLogger("liveavatar_nb.session")

# websockets logs each frame and the address with its token at DEBUG
_silent = logging.getLogger("liveavatar_nb.socket")
_silent.addHandler(logging.NullHandler())
_silent.propagate = False


class WebSocket:
    """The WebSocket of a LITE session.

    Args:
        url: the start call's `ws_url`, which holds a token.
        session_id: for the log.
    """

    def __init__(self, url: Masked, session_id: str) -> None:
        self._url = url
        self._session_id = session_id

    async def listen(
        self, receive: Callable[[Event | None], bool], is_over: Callable[[], Awaitable[bool]]
    ) -> str | None:
        """Hands on what comes, until the session is over.

        Args:
            receive: takes an event, or None for a frame that is none; whether it says that the avatar is there.
            is_over: asks, each time the socket was closed, whether the session is.

        Returns:
            None once the session is over; else why the socket could not be opened, or got back.
        """
        # imported when first used: a client that starts nothing must not pay for it
        from websockets.asyncio.client import connect  # noqa: PLC0415
        from websockets.exceptions import WebSocketException  # noqa: PLC0415

        attempt = 0
        deadline: float | None = None
        while True:
            try:
                async with connect(
                    self._url.reveal(),
                    open_timeout=config.SOCKET_OPEN_TIMEOUT,
                    close_timeout=config.SOCKET_CLOSE_TIMEOUT,
                    ping_interval=config.SOCKET_PING_INTERVAL,
                    max_size=config.SOCKET_FRAME_LIMIT,
                    logger=_silent,
                    proxy=True if goes_by_proxy(self._url.reveal()) else None,
                ) as socket:
                    async for frame in socket:
                        if receive(lite.decode(frame)):
                            attempt, deadline = 0, None
                told = f"it was closed with code {socket.close_code}"
            except (OSError, TimeoutError, WebSocketException) as failure:
                told = type(failure).__name__
            if await is_over():
                return None
            deadline = deadline or time.monotonic() + config.SOCKET_RECONNECT_LIMIT
            attempt += 1
            wait = delay(attempt, config.RETRY_BASE)
            if attempt > config.SOCKET_ATTEMPTS or time.monotonic() + wait > deadline:
                return told
            logger.info("session %s: WebSocket lost (%s), again in %.1f s", self._session_id, told, wait)
            await asyncio.sleep(wait)
