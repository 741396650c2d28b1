"""A session's WebSocket: what comes and goes by it, and how a lost one is got back."""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

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
    """The WebSocket is not open; what was to be sent was not."""

    title = "The WebSocket is lost"


Receive = Callable[[Event | None], bool]

CERTIFICATES: Final = CertificateError.default_remedy
PROXY: Final = (
    "Have the proxy let WebSockets pass to this host, or name the host in NO_PROXY where it is reached without."
)


@dataclass(frozen=True)
class SocketTrouble:
    """Why a WebSocket could not be opened, or got back.

    Attributes:
        words: for people.
        remedy: what to do about it, where that is known.
    """

    words: str
    remedy: str | None = None


@dataclass(frozen=True)
class _End:
    """How a connection came to its end.

    Attributes:
        words: for people.
        again: whether another one may be opened.
        was_ready: whether the avatar had been there.
        code: the close code, where there was one.
        remedy: what to do about it, where that is known.
    """

    words: str
    again: bool
    was_ready: bool = False
    code: int | None = None
    remedy: str | None = None


@dataclass(frozen=True)
class Listener:
    """What a socket tells its session.

    Args:
        receive: takes an event, or None for a frame that is none; whether it says that the avatar is there.
        lost: the connection was lost, and the session is not over.
        is_over: asks, each time the socket was closed, whether the session is.
    """

    receive: Receive
    lost: Callable[[], None]
    is_over: Callable[[], Awaitable[bool]]


class WebSocket:
    """The WebSocket of a LITE session.

    Args:
        url: the start call's `ws_url`, which holds a token.
        session_id: for the log.
        wire: what comes and goes is written down there.
        network: the way to the service.
    """

    def __init__(self, url: Masked, session_id: str, wire: Wire, network: Network) -> None:
        self._url = url
        self._network = network
        self.session_id = session_id
        self._wire = wire
        self._open: ClientConnection | None = None
        self._was_ready = False  # whether the avatar was there since it was opened
        self._has_been_open = False
        self.ready = asyncio.Event()  # the avatar is there: before that what is sent is dropped without a word

    async def send(self, command: Command) -> None:
        """Puts a command on the wire: it is in the socket's buffer before anything else runs.

        Raises:
            SocketLost: there is no open socket whose avatar is there.
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

    def _note(self, frame: str | bytes) -> Event | None:
        """The frame's event; written down, also where it is none."""
        event = lite.decode(frame)
        size = len(frame.encode("utf-8", "surrogatepass")) if isinstance(frame, str) else len(frame)
        self._wire.received(
            self.session_id, "" if event is None else event.type, frame if event is None else event.data, size
        )
        return event

    async def listen(self, listener: Listener) -> SocketTrouble | None:
        """Hands on what comes, until the session is over.

        Returns:
            None once the session is over; else why the socket could not be opened, or got back.
        """
        attempt = 0
        deadline: float | None = None
        while True:
            end = await self._live(listener.receive)
            if await listener.is_over():
                return None
            if end.code == NORMAL_CLOSURE:
                # the service ended it, and may say so elsewhere a moment later
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
            logger.info("session %s: WebSocket lost (%s), again in %.1f s", self.session_id, end.words, wait)
            await asyncio.sleep(wait)

    async def _live(self, receive: Receive) -> _End:
        """Opens it, and reads until it is closed; how that came."""
        # imported when first used: a client that starts nothing must not pay for it
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
                # a ping waits for room in it, too: where the line is dead it must not be full before that shows
                write_limit=config.SOCKET_SEND_BUFFER,
                compression=None,  # sound hardly shrinks, and it would cost more than all the rest
                logger=SILENT,
                **self._network.for_websocket(self._url.reveal()),
                **_racing(),
            ) as socket:
                self._open, self._has_been_open = socket, True
                try:
                    code = await self._read(socket, receive)
                finally:
                    self._open = None
                    self.ready.clear()
            words = "the line was cut" if code is None else f"it was closed with code {code}"
            return _End(words, may_reconnect(code), self._was_ready, code)
        except InvalidStatus as failure:
            status = failure.response.status_code
            return _End(f"its handshake was answered by {status}", is_worth_a_handshake(status))
        except ssl.SSLCertVerificationError as failure:
            words = f"its certificate was not accepted: {failure.verify_message or type(failure).__name__}"
            return _End(words, False, self._was_ready, remedy=CERTIFICATES)
        except ProxyError as failure:
            # one by which it was open before may only be busy
            told = (
                f"by {failure.response.status_code}" if isinstance(failure, InvalidProxyStatus) else "in no known form"
            )
            words = f"the proxy answered {told}"
            return _End(words, self._has_been_open, self._was_ready, remedy=PROXY)
        except (OSError, TimeoutError, WebSocketException) as failure:
            return _End(type(failure).__name__, True, self._was_ready)
        except ConfigurationError as failure:
            return _End(failure.message, False, remedy=failure.remedy)
        except Exception as failure:  # noqa: BLE001 (whatever it is, it will not get better)
            return _End(f"{type(failure).__name__}: {failure}", False)

    async def _read(self, socket: ClientConnection, receive: Receive) -> int | None:
        """Hands on what comes until it is closed; the close code, None where the line was cut."""
        from websockets.exceptions import ConnectionClosed  # noqa: PLC0415 (as in `_live`)

        count = 0
        try:
            async with asyncio.timeout(config.CONNECTED_TIMEOUT) as until_connected:
                async for frame in socket:
                    if receive(self._note(frame)):
                        until_connected.reschedule(None)
                        self._was_ready = True
                        self.ready.set()
                    count += 1
                    if count % FRAMES_IN_A_TURN == 0:
                        # a burst is read without a pause, and others are to have their turn
                        await asyncio.sleep(0)
        except ConnectionClosed as closed:
            # of a frame that we refuse the code is ours
            close = closed.rcvd or closed.sent
            return None if close is None else close.code
        return socket.close_code


def _racing() -> dict[str, Any]:
    """Has the addresses of a host race, as httpx does: one that is dead would take all the time that there is.

    Loops of others, uvloop's for one, do not know how.
    """
    is_able = isinstance(asyncio.get_running_loop(), asyncio.BaseEventLoop)
    return {"happy_eyeballs_delay": config.HAPPY_EYEBALLS} if is_able else {}
