"""A LITE session's WebSocket: sends commands, receives events, and reconnects if the connection is lost."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from .. import config
from ..config import Masked
from ..errors import CertificateError, ConfigurationError, LiveAvatarException
from ..rest.connection import SILENT
from ..rest.network import Network
from ..rest.retry import delay, is_worth_a_handshake, may_reconnect
from ..wirelog.log import Wire
from . import lite
from .events import Event
from .lite import Command

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

logger = logging.getLogger("liveavatar_nb.session")

NORMAL_CLOSURE = 1000
FRAMES_IN_A_TURN = 50


class SocketLost(LiveAvatarException):
    """The WebSocket isn't open, so the command was not sent."""

    title = "The WebSocket is lost"


Receive = Callable[[Event | None], bool]

CERTIFICATES: Final = CertificateError.default_remedy
PROXY: Final = "Allow WebSockets to this host in the proxy, or add the host to NO_PROXY if it is reachable without one."


@dataclass(frozen=True)
class SocketTrouble:
    """Why a WebSocket couldn't be opened or reconnected.

    Attributes:
        words: The reason, in words.
        remedy: What to do about it, if known.
    """

    words: str
    remedy: str | None = None


@dataclass(frozen=True)
class _End:
    """How a connection ended.

    Attributes:
        words: The reason, in words.
        again: Whether to reconnect.
        was_ready: Whether the avatar had been connected.
        code: The close code, if there was one.
        remedy: What to do about it, if known.
    """

    words: str
    again: bool
    was_ready: bool = False
    code: int | None = None
    remedy: str | None = None


@dataclass(frozen=True)
class Listener:
    """The callbacks that a session passes to its WebSocket.

    Args:
        receive: Called with an event, or with None for a frame that isn't one; returns whether the avatar is now
            connected.
        lost: Called when the connection is lost before the session is over.
        is_over: Called whenever the WebSocket has closed; returns whether the session is over.
    """

    receive: Receive
    lost: Callable[[], None]
    is_over: Callable[[], Awaitable[bool]]


class WebSocket:
    """The WebSocket of a LITE session.

    Args:
        url: The `ws_url` that the start call returned; it contains a token.
        session_id: The session's id, for the log.
        wire: The wire log that records all frames.
        network: The settings for proxies and certificates.
    """

    def __init__(self, url: Masked, session_id: str, wire: Wire, network: Network) -> None:
        self._url = url
        self._network = network
        self.session_id = session_id
        self._wire = wire
        self._open: ClientConnection | None = None
        self._was_ready = False  # whether the avatar has connected at least once since the WebSocket was last opened
        self._has_been_open = False
        self.ready = asyncio.Event()  # set once the avatar is connected; until then the service silently drops commands

    async def send(self, command: Command) -> None:
        """Send a command, putting it in the WebSocket's buffer before any other task can run.

        Raises:
            SocketLost: The WebSocket is not open, or the avatar is not connected.
        """
        from websockets.exceptions import ConnectionClosed  # noqa: PLC0415 (as in `listen`)

        if self._open is None or not self.ready.is_set():
            raise SocketLost
        frame = command.encode()
        self._wire.sent(self.session_id, command.type, command.shown, len(frame))
        try:
            await self._open.send(frame, text=True)
        except ConnectionClosed:
            self.ready.clear()
            raise SocketLost from None

    def _log(self, frame: str | bytes) -> Event | None:
        """Record a frame in the wire log, and return it as an event, or None if it isn't one."""
        event = lite.decode(frame)
        size = len(frame.encode("utf-8", "surrogatepass")) if isinstance(frame, str) else len(frame)
        self._wire.received(
            self.session_id, "" if event is None else event.type, frame if event is None else event.data, size
        )
        return event

    async def listen(self, listener: Listener) -> SocketTrouble | None:
        """Receive events until the session is over, reconnecting as needed.

        Returns:
            None once the session is over, or the reason why the WebSocket couldn't be opened or reconnected.
        """
        attempt = 0
        deadline: float | None = None
        while True:
            end = await self._live(listener.receive)
            if await listener.is_over():
                return None
            if end.code == NORMAL_CLOSURE:
                # the service closed the WebSocket, and may report the end of the session a moment later
                await asyncio.sleep(config.SOCKET_CLOSE_TIMEOUT)
                if await listener.is_over():
                    return None
            listener.lost()
            if end.was_ready:
                attempt, deadline = 0, None
            deadline = deadline or time.monotonic() + config.SOCKET_RECONNECT_LIMIT
            attempt += 1
            wait = delay(attempt, config.RETRY_BASE)
            if not end.again or attempt > config.SOCKET_ATTEMPTS or time.monotonic() + wait > deadline:
                return SocketTrouble(end.words, end.remedy)
            logger.info("session %s: WebSocket lost (%s), reconnecting in %.1f s", self.session_id, end.words, wait)
            await asyncio.sleep(wait)

    async def _live(self, receive: Receive) -> _End:
        """Open a connection, read until it closes, and return how it ended."""
        # imported here, so that clients that never start a session don't pay for the import
        from websockets.asyncio.client import connect  # noqa: PLC0415
        from websockets.exceptions import InvalidProxyStatus, InvalidStatus, ProxyError, WebSocketException  # noqa: PLC0415

        self._was_ready = False
        try:
            async with connect(
                self._url.reveal(),
                open_timeout=config.SOCKET_OPEN_TIMEOUT,
                close_timeout=config.SOCKET_CLOSE_TIMEOUT,
                ping_interval=config.SOCKET_PING_INTERVAL,
                ping_timeout=config.SOCKET_PING_TIMEOUT,
                max_size=config.SOCKET_FRAME_LIMIT,
                # pings also go through this buffer, so it must not fill up before a dead connection is noticed
                write_limit=config.SOCKET_SEND_BUFFER,
                compression=None,  # compressing audio saves little, and takes longer than all other steps of sending it
                logger=SILENT,
                **self._network.for_websocket(self._url.reveal()),
                **_happy_eyeballs(self._url.reveal()),
            ) as socket:
                self._open, self._has_been_open = socket, True
                try:
                    code = await self._read(socket, receive)
                finally:
                    self._open = None
                    self.ready.clear()
            words = "the connection was cut" if code is None else f"the connection was closed with code {code}"
            return _End(words, may_reconnect(code), self._was_ready, code)
        except InvalidStatus as failure:
            status = failure.response.status_code
            return _End(f"the handshake failed with status {status}", is_worth_a_handshake(status))
        except ssl.SSLCertVerificationError as failure:
            words = f"the certificate was rejected: {failure.verify_message or type(failure).__name__}"
            return _End(words, False, self._was_ready, remedy=CERTIFICATES)
        except ProxyError as failure:
            # if the proxy has worked before, it may just be busy
            answer = (
                f"with {failure.response.status_code}"
                if isinstance(failure, InvalidProxyStatus)
                else "in an unknown format"
            )
            return _End(f"the proxy responded {answer}", self._has_been_open, self._was_ready, remedy=PROXY)
        except (OSError, TimeoutError, WebSocketException) as failure:
            return _End(type(failure).__name__, True, self._was_ready)
        except ConfigurationError as failure:
            return _End(failure.message, False, remedy=failure.remedy)
        except Exception as failure:  # noqa: BLE001 (an unexpected error, which a retry wouldn't fix)
            return _End(f"{type(failure).__name__}: {failure}", False)

    async def _read(self, socket: ClientConnection, receive: Receive) -> int | None:
        """Receive events until the WebSocket closes.

        Returns:
            The close code, or None if the connection was cut.
        """
        from websockets.exceptions import ConnectionClosed  # noqa: PLC0415 (as in `_live`)

        count = 0
        try:
            async with asyncio.timeout(config.CONNECTED_TIMEOUT) as until_connected:
                async for frame in socket:
                    if receive(self._log(frame)):
                        until_connected.reschedule(None)
                        self._was_ready = True
                        self.ready.set()
                    count += 1
                    if count % FRAMES_IN_A_TURN == 0:
                        # let other tasks run, because a burst of frames would otherwise be read without a break
                        await asyncio.sleep(0)
        except ConnectionClosed as closed:
            # if we rejected a frame, the close code is the one we sent
            close = closed.rcvd or closed.sent
            return None if close is None else close.code
        return socket.close_code


def _happy_eyeballs(url: str) -> dict[str, Any]:
    """Return the keyword argument for trying a host's addresses in parallel, as httpx does.

    Without this argument, one dead address could use up the whole time limit. Only asyncio's own loops accept
    the argument; uvloop doesn't. A URL with a literal address offers no other address to try, and the
    argument would then do harm: asyncio loses the socket of a parallel attempt that is cancelled just after it has
    connected.
    """
    is_supported = isinstance(asyncio.get_running_loop(), asyncio.BaseEventLoop)
    if not is_supported or _is_address(urlsplit(url).hostname):
        return {}
    return {"happy_eyeballs_delay": config.HAPPY_EYEBALLS}


def _is_address(host: str | None) -> bool:
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(host or "")
        return True
    return False
