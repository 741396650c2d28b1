"""The state of one simulated service: account, avatars, clock, faults, and records of what clients sent."""

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
from .account.belongings import PUBLIC_CONTEXT, Context, LlmConfiguration, Memory, Secret
from .account.ledger import Ledger, Refused
from .account.store import Store
from .account.voice_agents import VOICE_AGENTS, VoiceAgent
from .account.voices import Voices
from .clock import Clock
from .faults import FaultQueue
from .media.host import Host
from .options import Options
from .rest.ratelimit import RateLimit
from .session.protocols import StageLike
from .session.recorder import SpeechRecorder

KEPT_REQUESTS: Final = 2_000
KEPT_WARNINGS: Final = 1_000
KEPT_REFUSALS: Final = 1_000
SECRET_NAME: Final = re.compile(r"token|secret|api_key|password", re.IGNORECASE)
LEAVE_LIMIT: Final = 1.5  # total seconds to wait, at process exit, for the avatars to leave their rooms
MASK: Final = "***"


class Service:
    """The state behind the routes; it needs no locks, because only the server's event loop uses it."""

    def __init__(self, options: Options, *, port: int, api_key: str, admin_token: str | None = None) -> None:
        self.options = options
        self.port = port
        self.clock = Clock(options.speed)
        self.loop: asyncio.AbstractEventLoop | None = None  # set once the server is running
        self.ledger = Ledger(
            balance=options.credits,
            concurrency=options.concurrency,
            idle_limit=options.idle_limit,
            plan_seconds=options.session_seconds,
        )
        self._catalogue = Catalogue(options.avatars)
        self.voices = Voices()
        self.voice_agents: Store[VoiceAgent] = Store("voice agent")
        for agent in reversed(VOICE_AGENTS):
            self.voice_agents.keep(agent)
        self.contexts: Store[Context] = Store("context", public=[PUBLIC_CONTEXT])
        self.secrets: Store[Secret] = Store("secret")
        self.llm_configurations: Store[LlmConfiguration] = Store("LLM configuration")
        self.memories: Store[Memory] = Store("memory")
        self.rate_limit = RateLimit(options.rate_limit)
        self.faults = FaultQueue()
        self.requests: deque[dict[str, Any]] = deque(maxlen=KEPT_REQUESTS)
        self.warnings: deque[str] = deque(maxlen=KEPT_WARNINGS)
        self.refusals: deque[str] = deque(maxlen=KEPT_REFUSALS)
        self.recorder = SpeechRecorder()
        # connections by client address, so that a fault can cut one in the middle of a request
        self.transports: WeakValueDictionary[tuple[str, int], asyncio.Transport] = WeakValueDictionary()
        self.sockets: dict[str, object] = {}  # the newest WebSocket of each session, by session id
        self.host = Host(options.livekit, self.warn)
        self.stages: dict[str, StageLike] = {}  # the stage of each running session, by session id
        self._api_key = api_key.encode()
        self._admin_token = (admin_token or secrets.token_urlsafe(32)).encode()

    async def aclose(self) -> None:
        """Make the avatars leave their rooms, and shut down the simulator's own LiveKit server."""
        await asyncio.gather(*(stage.aclose() for stage in list(self.stages.values())))
        await self.host.aclose()

    def leave_rooms(self) -> None:
        """Make the avatars leave their rooms at process exit, so that no frozen avatar stays behind.

        This is called from a thread other than the event loop's.
        """
        if self.loop is not None and any(stage.is_in_room for stage in list(self.stages.values())):
            with contextlib.suppress(TimeoutError):
                asyncio.run_coroutine_threadsafe(self.aclose(), self.loop).result(LEAVE_LIMIT)

    @property
    def catalogue(self) -> Catalogue:
        """The avatars, as they are now."""
        self._catalogue.settle(self.clock.now())
        return self._catalogue

    @property
    def url(self) -> str:
        """The base URL of the service."""
        return f"http://127.0.0.1:{self.port}"

    def is_key(self, key: str) -> bool:
        """Return whether this is the account's API key."""
        return hmac.compare_digest(key.encode("utf-8", "surrogatepass"), self._api_key)

    def is_admin(self, token: str) -> bool:
        """Return whether this is the owner's admin token."""
        return hmac.compare_digest(token.encode("utf-8", "surrogatepass"), self._admin_token)

    def now(self) -> int:
        """End the sessions that are due to end, and return the simulated time."""
        now = self.clock.now()
        if self.ledger.settle(now):
            self.clock.poke()
        return now

    def warn(self, text: str) -> None:
        """Add a warning about something a client did."""
        self.warnings.append(text)

    def require_1080p(self, field: str) -> None:
        """Check that the account's plan includes 1080p.

        Raises:
            Refused: It doesn't (403).
        """
        if not self.options.has_1080p:
            raise Refused(403, f"{field}: 1080p is not part of the plan {self.options.plan}")

    def cut(self, client: tuple[str, int] | None) -> None:
        """Abort a client's connection without closing it properly."""
        transport = self.transports.get(client) if client else None
        if transport is not None:
            transport.abort()

    def deafen(self, client: tuple[str, int] | None) -> None:
        """Make a WebSocket's connection half-open: read nothing, and neither send nor answer pings."""
        transport = self.transports.get(client) if client else None
        if transport is not None:
            transport.pause_reading()
            protocol = transport.get_protocol()
            assert isinstance(protocol, WebSocketsSansIOProtocol)
            # otherwise the protocol would keep sending pings, and close the socket when no pong arrives
            protocol.stop_keepalive()


async def tick(service: Service) -> None:
    """End each session when it is due to end, even if no requests arrive; run until cancelled."""
    while True:
        seen = service.clock.version
        service.now()
        due = service.ledger.next_due()
        await service.clock.pause(due.moment if due else None, seen=seen)


def mask(value: Any) -> Any:
    """Return a copy of JSON data, masking each string whose key suggests a secret."""
    if isinstance(value, dict):
        return {
            name: MASK if SECRET_NAME.search(name) and isinstance(item, str) else mask(item)
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [mask(item) for item in value]
    return value
