"""Everything that one simulated service holds: account, avatars, clock, faults, and what it has seen."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import re
import secrets
from collections import deque
from typing import Any, Final
from weakref import WeakValueDictionary

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from .account.avatars import Catalogue
from .account.belongings import Context, LlmConfiguration, Memory, Secret
from .account.ledger import Account
from .account.store import Store
from .account.voices import Voices
from .clock import Clock
from .faults import Switchboard
from .media.host import Host
from .options import Options
from .rest.ratelimit import RateLimit
from .session.protocols import StageLike
from .session.recorder import Ear

KEPT_REQUESTS: Final = 10_000
KEPT_WARNINGS: Final = 1_000
KEPT_REFUSALS: Final = 1_000
SECRET_NAME: Final = re.compile(r"token|secret|api_key|password", re.IGNORECASE)
LEAVE_LIMIT: Final = 1.5  # seconds for all avatars to leave their rooms, when the process ends
MASK: Final = "***"


class Service:
    """The state behind the routes; used on the server's loop only, so nothing here locks."""

    def __init__(self, options: Options, *, port: int, api_key: str, admin_token: str | None = None) -> None:
        self.options = options
        self.port = port
        self.clock = Clock(options.speed)
        self.loop: asyncio.AbstractEventLoop | None = None  # once it serves
        self.account = Account(
            balance=options.credits,
            concurrency=options.concurrency,
            idle_limit=options.idle_limit,
            plan_seconds=options.max_session_seconds,
        )
        self.catalogue = Catalogue(options.avatars)
        self.voices = Voices()
        self.contexts: Store[Context] = Store("context")
        self.secrets: Store[Secret] = Store("secret")
        self.llm_configurations: Store[LlmConfiguration] = Store("LLM configuration")
        self.memories: Store[Memory] = Store("memory")
        self.rate_limit = RateLimit(options.rate_limit)
        self.faults = Switchboard()
        self.requests: deque[dict[str, Any]] = deque(maxlen=KEPT_REQUESTS)
        self.warnings: deque[str] = deque(maxlen=KEPT_WARNINGS)
        self.refusals: deque[str] = deque(maxlen=KEPT_REFUSALS)
        self.ear = Ear()
        # the connections by the client's address: a fault cuts one in the middle of its request
        self.transports: WeakValueDictionary[tuple[str, int], asyncio.Transport] = WeakValueDictionary()
        self.sockets: dict[str, object] = {}  # the newest connection of each session, by its id
        self.host = Host(options.livekit, self.warn)
        self.stages: dict[str, StageLike] = {}  # by session id, of the sessions that run
        self._api_key = api_key.encode()
        self._admin_token = (admin_token or secrets.token_urlsafe(32)).encode()

    async def aclose(self) -> None:
        """Has the avatars leave their rooms, and ends the LiveKit server of its own."""
        await asyncio.gather(*(stage.aclose() for stage in list(self.stages.values())))
        await self.host.aclose()

    def leave(self) -> None:
        """From another thread, as the process ends: no room is left with an avatar that nobody moves."""
        if self.loop is not None and any(stage.is_in_room for stage in list(self.stages.values())):
            with contextlib.suppress(TimeoutError):
                asyncio.run_coroutine_threadsafe(self.aclose(), self.loop).result(LEAVE_LIMIT)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def is_key(self, key: str) -> bool:
        return hmac.compare_digest(key.encode("utf-8", "surrogatepass"), self._api_key)

    def is_admin(self, token: str) -> bool:
        return hmac.compare_digest(token.encode("utf-8", "surrogatepass"), self._admin_token)

    def now(self) -> int:
        """The simulated moment, with everything settled that fell due until then."""
        now = self.clock.now()
        if self.account.settle(now):
            self.clock.poke()
        return now

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def cut(self, client: tuple[str, int] | None) -> None:
        """Cuts a connection without a word."""
        transport = self.transports.get(client) if client else None
        if transport is not None:
            transport.abort()

    def deafen(self, client: tuple[str, int] | None) -> None:
        """Leaves a WebSocket's connection half-open: nothing is read, and no ping answered or sent."""
        transport = self.transports.get(client) if client else None
        if transport is not None:
            transport.pause_reading()
            protocol = transport.get_protocol()
            assert isinstance(protocol, WebSocketsSansIOProtocol)
            # its own pings would be heard, and it would close the socket for want of an answer
            protocol.stop_keepalive()


async def tick(service: Service) -> None:
    """Ends sessions at their moment, also when nobody asks; runs as long as the server."""
    while True:
        seen = service.clock.version
        service.now()
        due = service.account.next_due()
        await service.clock.pause(due.moment if due else None, seen=seen)


def masked(value: Any) -> Any:
    """A copy of a JSON value in which everything under a secret's name is hidden."""
    if isinstance(value, dict):
        return {
            name: MASK if SECRET_NAME.search(name) and isinstance(item, str) else masked(item)
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [masked(item) for item in value]
    return value
