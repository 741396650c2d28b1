"""`AsyncLiveAvatar`: find avatars, start sessions, and stop them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Self, get_args

from . import config
from .concurrency.clock import CLOCK, Clock
from .concurrency.loops import run
from .concurrency.threads import THREAD_NAME, on_own_loop, on_own_thread
from .concurrency.weak import nothing, weakly
from .config import Masked
from .errors import (
    ClientClosed,
    ConcurrencyLimitError,
    InvalidArgument,
    SessionAlreadyLive,
    SimulatorError,
    StopNotConfirmed,
    warn,
)
from .models.avatars import Avatar
from .models.base import Records
from .models.contexts import Context, ContextDetail, NewContext
from .models.requests import PAGE_SIZE_LIMIT, InteractivityType, VideoEncoding, VideoQuality
from .models.voice_agents import VoiceAgent, VoiceAgentListItem
from .models.voices import Voice
from .protection.orphans import (
    OwnedSession,
    all_running,
    find_orphans,
    owned,
    reconcile,
    running_now,
    stop_each,
    what_to_stop,
)
from .protection.running import running_sessions, service_of
from .protection.stops import all_of, gather_stops, stop_unattended
from .rest.api import LiveAvatarAPI
from .rest.pagination import Listing
from .rooms.own_room import AsyncRoom, OwnRoom, awaited
from .session.lookup import Languages, NamedInputs, Preparation, ResolvedStart
from .session.options import SessionOptions
from .session.start_checks import cap_seconds, check_answer, check_room, check_unwatched, resolve_mode
from .validation import masked_text, not_async, one_of, strict

if TYPE_CHECKING:
    import httpx
    import httpx2

    from .rest.network import Verify
    from .session.session import AsyncSession
    from .session.speech.answerer import Answer
    from .session.speech.feed import TextToSpeech
    from .session.timings import Stopwatch, Timing
    from .simulator import Simulator
    from .wirelog.log import Wire

logger = logging.getLogger("liveavatar_nb.client")

Scope = Literal["all", "mine", "public"]

# all clients in this process, by object id
_clients: weakref.WeakValueDictionary[int, AsyncLiveAvatar] = weakref.WeakValueDictionary()


class AsyncLiveAvatar:
    """The async client for the service; use one per account.

    Leaving an `async with` block stops the client's sessions and closes the client.

    Args:
        api_key: The account's key. If None or "", `config.find_key` looks for a key, first in `LIVEAVATAR_API_KEY`.
        api_url: The service's address.
        http_client: Your own `AsyncClient` of httpx or httpx2 for REST calls; you must close it yourself. `proxy` and
            `verify` still apply to WebSockets and the guard.
        proxy: The proxy for REST, WebSockets and the guard, as `http://user:password@host:port`; `https` and `socks5`
            work, too. None uses `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` from the environment, which
            never apply to this machine's own addresses.
        verify: Which certificates to trust for all these connections. True trusts certifi's authorities, or those in
            `SSL_CERT_FILE` or `SSL_CERT_DIR` if set. A path trusts the authorities in that file or folder, False
            trusts any certificate, and an `ssl.SSLContext` is used unchanged.
        max_minutes: Minutes after which the service ends a session, unless `start` sets another limit; 10 by default,
            or the plan's limit if that is lower.
        tts: A function that turns text into speech for `say` in LITE. It takes text and returns anything that
            `play` accepts, or yields it in parts; the function may be async. Raw samples need a sample rate:
            `(samples, 24000)`.
        allow_unjournaled: Whether a session may start even if it cannot be recorded in the journal or guarded. If the
            kernel then dies, the session runs until it reaches its cap, `max_minutes`.
        clock: The clock to use; the machine's own by default.

    Attributes:
        is_simulated: Whether the service is a simulator that stops with this process, so that no session needs a record
            or a guard.
        on_drop: Called with the client if it is garbage-collected while it is open; stops its sessions.

    Raises:
        ConfigurationError: No key was found, or `api_url`, `proxy` or `verify` is invalid.
        InvalidArgument: `max_minutes` is not a positive number, or `tts` is not a function.
    """

    is_simulated = False

    @strict
    def __init__(
        self,
        api_key: str | Masked | None = None,
        *,
        api_url: str = config.DEFAULT_API_URL,
        http_client: httpx.AsyncClient | httpx2.AsyncClient | None = None,
        proxy: str | httpx.URL | httpx2.URL | Masked | None = None,
        verify: Verify = True,
        max_minutes: float | None = None,
        tts: TextToSpeech | None = None,
        allow_unjournaled: bool = False,
        clock: Clock = CLOCK,
    ) -> None:
        api_key, proxy = config.find_key(api_key), masked_text(proxy)
        if tts is not None and not callable(tts):
            raise InvalidArgument(
                f"tts must be a function that turns text into sound, not {type(tts).__name__}.", field="tts"
            )
        if max_minutes is not None:
            cap_seconds(max_minutes)
        self._max_minutes = max_minutes
        self._tts = tts
        self._allow_unjournaled = allow_unjournaled
        self._clock = clock
        self._simulator: Simulator | None = None
        self._api = LiveAvatarAPI(api_key, api_url=api_url, session=http_client, proxy=proxy, verify=verify)
        self._languages = Languages(self._api)
        self._sessions: list[AsyncSession] = []
        self._pending: list[Preparation] = []
        self._closing = False
        self._last: AsyncSession | None = None
        self._stopwatches: deque[Stopwatch] = deque(maxlen=config.KEPT_STOPWATCHES)
        self._plan_seconds: int | None = None  # the plan's limit; only known once it has lowered a session's cap
        self._watchers: list[Callable[[], None]] = []
        self._predecessors: list[AsyncLiveAvatar] = []
        self._pid = os.getpid()
        self.on_drop: Callable[[AsyncLiveAvatar], None] = stop_behind
        _clients[id(self)] = self

    def __del__(self) -> None:
        # if the constructor failed, there is no `_pid`
        if getattr(self, "_pid", None) == os.getpid() and not (self.is_closed or sys.is_finalizing()):
            self.on_drop(self)

    @classmethod
    def demo(cls, *, max_minutes: float | None = None, tts: TextToSpeech | None = None, **options: Any) -> Self:
        """Create a client with its own simulator, which needs no key, account or network and bills nothing.

        Args:
            max_minutes, tts: The same as for `AsyncLiveAvatar`.
            options: Options of `liveavatar_nb.simulator.Simulator`, such as `speed` and `credits`; `livekit` defaults
                to "auto" here.

        Raises:
            SimulatorError: The simulator did not start.
        """
        simulator = started_simulator(options)
        key = Masked(simulator.api_key, "of the simulator")
        client = cls(key, api_url=simulator.url, max_minutes=max_minutes, tts=tts)
        client.adopt(simulator)
        return client

    def adopt(self, simulator: Simulator) -> None:
        """Take ownership of a simulator, so that closing this client shuts the simulator down."""
        self._simulator = simulator
        self.is_simulated = True

    def __repr__(self) -> str:
        state = ", closed" if self.is_closed else ""
        return f"<{type(self).__name__} {self.base_url}, key {self.api.transport.key.source}{state}>"

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> NoReturn:
            raise not_async(self, name, ["studio"])

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: object, error: BaseException | None, *trace: object) -> None:
        try:
            await self.aclose()
        except StopNotConfirmed as failure:
            if isinstance(error, StopNotConfirmed):
                raise failure from None  # it names the session that failed to stop in the block, too
            raise

    async def aclose(self) -> None:
        """Stop this client's sessions, then close the client and, in a demo, its simulator.

        Closing a client twice is safe.

        Raises:
            StopNotConfirmed: The service did not confirm a stop; the client stays open so that you can try again.
        """
        if self.is_closed:
            return
        self._closing = True
        try:
            await self.stop_sessions()
            await self._wait_for_cleanup()
        except BaseException as failure:
            if self._simulator is None or not isinstance(failure, StopNotConfirmed):
                self._closing = False
                raise
            # closing the simulator ends all its sessions, even those whose stop wasn't confirmed
            await on_own_thread(self._simulator.close)
            for session in self.live_sessions:
                session.lifecycle.forget()
        for session in self._sessions:
            session.lifecycle.let_go()
        await self.api.aclose()
        running_sessions.unexpect(self)
        if self._simulator is not None:
            await on_own_thread(self._simulator.close)
        self._changed()

    def close_without_loop(self) -> None:
        """Stop the sessions over separate connections and close the client, even if its loop is dead or busy.

        Can be called from any thread.

        Raises:
            StopNotConfirmed: The service did not confirm a stop; the client stays open, and the guard keeps trying.
        """
        if self.is_closed:
            return
        self._closing = True
        try:
            self.stop_without_loop()
        except StopNotConfirmed:
            if self._simulator is None:
                self._closing = False
                raise
        for session in self._sessions:
            session.lifecycle.let_go()
        # setting this is enough, because the client's connections close when its loop ends
        self.api.transport.closed = True
        running_sessions.unexpect(self)
        if self._simulator is not None:
            self._simulator.close()
        self._changed()

    def leave_to_guard(self) -> None:
        """Leave the sessions to the guard, because this process can no longer stop them."""
        for session in self.live_sessions:
            session.lifecycle.leave_to_guard()

    async def _wait_for_cleanup(self) -> None:
        """Wait until everything created for ended sessions and abandoned starts has been deleted."""
        loop = asyncio.get_running_loop()
        tasks = [
            *(session.lifecycle.clearing for session in self._sessions),
            *(start.making for start in self._pending),
        ]
        unfinished = [task for task in tasks if task is not None and not task.done() and task.get_loop() is loop]
        if unfinished:
            await asyncio.wait(unfinished, timeout=config.LEAVE_LIMIT + config.CLEAR_LIMIT)

    async def expect_start(self) -> None:
        """Start the guard in advance, because starting it is slow; it then runs until the client is closed."""

        def prepare() -> None:
            running_sessions.expect(self, service_of(self.api.transport))
            if self.is_closed:  # the client was closed while the guard was starting
                running_sessions.unexpect(self)

        if not self.is_simulated:
            await on_own_thread(prepare)

    @property
    def max_minutes(self) -> float:
        """Minutes after which the service ends a session, unless `start` sets another limit."""
        return config.MAX_MINUTES if self._max_minutes is None else self._max_minutes

    @property
    def is_closed(self) -> bool:
        """Whether the client is closed."""
        return self.api.transport.closed

    @property
    def base_url(self) -> str:
        """The service's address, without `/v1`."""
        return self.api.transport.base_url

    @property
    def api(self) -> LiveAvatarAPI:
        """All REST operations, grouped as in the API contract, e.g. `api.contexts.create(...)`."""
        return self._api

    @property
    def simulator(self) -> Simulator | None:
        """The demo's simulator, which holds the ledger, the clock and the faults; None for the real service."""
        return self._simulator

    @property
    def session(self) -> AsyncSession | None:
        """The most recent session that this client started or took over; None before the first."""
        return self._last

    @property
    def has_tts(self) -> bool:
        """Whether the client has a `tts`, which `say` needs in LITE."""
        return self._tts is not None

    @property
    def wire(self) -> Wire:
        """This client's log of requests and frames, with secrets masked and audio left out."""
        return self.api.transport.wire

    @property
    def timings(self) -> Records[Timing]:
        """How long each step took in the last 100 sessions: count, median, 95th percentile and maximum."""
        from .session.timings import summary  # noqa: PLC0415 (only needed here)

        return summary(self._stopwatches)

    def avatars(self, scope: Scope = "all", search: str | None = None) -> Listing[Avatar]:
        """List avatars, your own first, then the public ones (`GET /v1/avatars`, `GET /v1/avatars/public`).

        Args:
            scope: `all`, `mine` or `public`.
            search: Text that the name must contain, ignoring case.
        """
        one_of("scope", scope, get_args(Scope))
        mine = self.api.avatars.list(page_size=PAGE_SIZE_LIMIT)
        public = self.api.avatars.public(page_size=PAGE_SIZE_LIMIT)
        wanted = {"all": (mine, public), "mine": (mine,), "public": (public,)}[scope]
        if search is None:
            return Listing.chain(*wanted)
        sought = search.casefold()
        return Listing.chain(*wanted, keep=lambda avatar: sought in avatar.name.casefold())

    def voices(self) -> Listing[Voice]:
        """List the account's own voices and the public ones (`GET /v1/voices`), with audio players in a notebook."""
        return self.api.voices.list(page_size=PAGE_SIZE_LIMIT)

    def contexts(self) -> Listing[Context]:
        """List the account's contexts, without their prompts (`GET /v1/contexts`)."""
        return self.api.contexts.list(page_size=PAGE_SIZE_LIMIT)

    def sessions(self, active: bool = True) -> Listing[OwnedSession]:
        """List the account's sessions, no matter which client started them (`GET /v1/sessions`).

        Each running session's `whose` says who started it: this kernel, another kernel, a kernel that died, you on
        another machine, or a stranger.

        Args:
            active: True lists the running sessions, False the ended ones.
        """
        return owned(self.api, active=active)

    async def orphans(self) -> Records[OwnedSession]:
        """Return the running sessions that dead kernels on this machine left behind (`GET /v1/sessions`)."""
        return await find_orphans(self.api)

    async def stop_orphans(self) -> Records[OwnedSession]:
        """Stop the sessions that dead kernels on this machine left behind; `start` also does this.

        Returns:
            The stopped sessions.

        Raises:
            StopNotConfirmed: The service did not confirm every stop. A stop was attempted for each session; the error
                describes the first failure.
        """
        return await stop_each(self.api, await find_orphans(self.api))

    async def stop_all(self) -> Records[OwnedSession]:
        """Stop every running session of the account, even those that other people started.

        Returns:
            The stopped sessions.

        Raises:
            StopNotConfirmed: The service did not confirm every stop. A stop was attempted for each session; the error
                describes the first failure.
        """
        return await self._stop_all(self.api, self.stop_sessions)

    def stop_all_without_loop(self) -> Records[OwnedSession]:
        """Stop every running session on a new loop, even if the client's own is busy; can be called from any thread."""
        transport = self.api.transport

        async def stop() -> Records[OwnedSession]:
            async with LiveAvatarAPI(transport.key, api_url=transport.base_url) as api:
                api.transport.network = transport.network
                return await self._stop_all(api, lambda: on_own_thread(self.stop_without_loop))

        return on_own_loop(stop)

    async def _stop_all(
        self, api: LiveAvatarAPI, stop_mine: Callable[[], Coroutine[Any, Any, None]]
    ) -> Records[OwnedSession]:
        mine = [session.id for session in self.live_sessions]
        (listed,) = await asyncio.gather(all_running(api), return_exceptions=True)
        running = Records[OwnedSession]() if isinstance(listed, BaseException) else listed
        others = Records(session for session in running if session.id not in mine)
        stops = await asyncio.gather(stop_mine(), stop_each(api, others), return_exceptions=True)
        for outcome in (*stops, listed):
            if isinstance(outcome, BaseException):
                raise outcome
        return running

    async def credits(self) -> Decimal:
        """Return the account's remaining credits (`GET /v1/users/credits`)."""
        return (await self.api.credits.get()).credits_left

    @strict
    async def start(
        self,
        avatar: str | Avatar | None = None,
        *,
        mode: str | None = None,
        context: str | Context | ContextDetail | NewContext | None = None,
        voice_agent: str | VoiceAgentListItem | VoiceAgent | None = None,
        is_sandbox: bool = False,
        video_quality: VideoQuality = "high",
        video_encoding: VideoEncoding = "H264",
        voice_id: str | Voice | None = None,
        language: str = "en",
        interactivity_type: InteractivityType = "CONVERSATIONAL",
        dynamic_variables: dict[str, str] | None = None,
        on_user_text: Answer | None = None,
        room: OwnRoom | None = None,
        max_minutes: float | None = None,
        unwatched: float | None = config.UNWATCHED,
        replace: bool = False,
        concurrent: bool = False,
    ) -> AsyncSession:
        """Start a session, and return it once it is connected.

        A LITE session is connected once the WebSocket reports `connected` (event `session.state_updated`), and
        a conversation is connected as soon as the start call returns. Every minute is billed from the start until you
        stop the session. A client has one session at a time: a second start raises an error that names the first
        session, so running a cell twice does not bill you twice.

        Args:
            avatar: The avatar's name, id or record; the sandbox has its own avatar. Case is ignored if no name matches
                exactly.
            mode: `LITE` (formerly `CUSTOM`) or `FULL`; defaults to FULL if you pass `context` or `on_user_text`, to
                LITE otherwise; with a `voice_agent`, its type decides.
            context: What the avatar knows; passing a context makes the session a conversation. Pass the context's name,
                id or record, or a `NewContext`, which is created for this session and deleted afterwards.
            voice_agent: A stored voice agent that leads the conversation, in place of a context: its name, id or record
                (`api.voice_agents`). The session is FULL, or LITE if another provider (ElevenLabs or Cartesia) runs the
                agent: then it is billed as LITE, but you use it as any conversation.
            is_sandbox: Whether to use the sandbox, which is free, lasts one minute and has one avatar.
            video_quality: `very_high`, `high`, `medium` or `low`.
            video_encoding: `H264` or `VP8`.
            voice_id: For conversations: the voice's id, name or record; the avatar's own voice by default.
            language: For conversations: the language code, one of `api.languages.list()`.
            interactivity_type: For conversations: `CONVERSATIONAL` or `PUSH_TO_TALK`.
            dynamic_variables: For conversations: values for the `${names}` in the context.
            on_user_text: For conversations: your own function that answers the user, as in `AsyncSession.on_user_text`;
                if you pass it, no context is needed.
            room: For LITE: your own room (`Room` or `AsyncRoom`) for the avatar to join; you close it yourself.
            max_minutes: Minutes after which the service ends the session; the client's `max_minutes` by default.
            unwatched: Seconds for which the session may run without any page showing it before it is stopped; None
                sets no limit. A session that no page has ever shown is not stopped.
            replace: Whether to stop the live session first.
            concurrent: Whether to run this session alongside the live one; both are billed.

        Raises:
            InvalidArgument: An argument is invalid; nothing was sent.
            ConfigurationError: The proxy or the certificates are invalid; nothing was sent.
            SessionAlreadyLive: This client has a live session already.
            CreditsError, ConcurrencyLimitError, AuthenticationError...: The service refused the start.
            StartOutcomeUnknown, AvatarNeverCame: The start failed halfway; the session was stopped, unless the message
                says that it may still be running.
        """
        if self.is_closed or self._closing:
            raise ClientClosed
        conversation_options = {
            "voice_agent": voice_agent,
            "context": context,
            "on_user_text": on_user_text,
            "voice_id": voice_id,
            "language": language,
            "interactivity_type": interactivity_type,
            "dynamic_variables": dynamic_variables,
        }
        options = SessionOptions(
            mode=resolve_mode(mode, conversation_options),
            language=language,
            interactivity_type=one_of("interactivity_type", interactivity_type, get_args(InteractivityType)),
            dynamic_variables=dynamic_variables,
            is_sandbox=is_sandbox,
            video_quality=one_of("video_quality", video_quality, get_args(VideoQuality)),
            video_encoding=one_of("video_encoding", video_encoding, get_args(VideoEncoding)),
            max_seconds=cap_seconds(self.max_minutes if max_minutes is None else max_minutes),
            is_default_cap=max_minutes is None and self._max_minutes is None,
            unwatched=check_unwatched(unwatched),
        )
        own_room = None if room is None else awaited(room)
        self._check_reach(options, own_room)
        if on_user_text is not None:
            check_answer(on_user_text)
        if context is not None and on_user_text is not None:
            warn("The context's language model and on_user_text would both answer. Leave one of them out.")
        if replace and concurrent:
            raise InvalidArgument("replace and concurrent cannot be combined. Leave one of them out.")
        if not (replace or concurrent):
            self._refuse_second()
        named = NamedInputs(avatar, voice_id, context, voice_agent, mode)
        resolved = await self._prepare(options, own_room, named, replace=replace)
        session = self._make_session(resolved, own_room, on_user_text)
        await self._open(session)
        return session

    def _check_reach(self, options: SessionOptions, own_room: AsyncRoom | None) -> None:
        """Reject an unusable room or proxy before anything is billed."""
        if own_room is not None:
            check_room(own_room, options.mode, self.base_url)
        if options.mode == "LITE":
            self.api.transport.network.for_websocket(self.base_url)

    async def _prepare(
        self,
        options: SessionOptions,
        own_room: AsyncRoom | None,
        named: NamedInputs,
        *,
        replace: bool,
    ) -> ResolvedStart:
        """Look up or create what the start needs, and stop conflicting sessions; nothing is billed yet."""
        start = Preparation(self.api, self._languages, options, own_room)

        async def make_way() -> None:
            if options.max_seconds > (self._plan_seconds or options.max_seconds):
                logger.warning("the plan limits sessions to %g minutes", (self._plan_seconds or 0) / 60)
            if replace:
                await self._stop_sessions(spare=start)
            if not self.is_simulated:
                await reconcile(self.api)

        self._pending.append(start)
        try:
            with self._guard_coming_up():
                return await start.look_up(named, self.avatars(), make_way)
        finally:
            self._pending.remove(start)

    @contextlib.contextmanager
    def _guard_coming_up(self) -> Iterator[None]:
        """Start the guard while the block runs; if the block fails, let the guard exit."""
        service = None if self.is_simulated else service_of(self.api.transport)
        if service is None:
            yield
            return
        is_given_up = threading.Event()

        def prepare() -> None:
            running_sessions.prepare(service)
            if is_given_up.is_set():  # the block has already failed, and the loop may be gone
                running_sessions.tidy()

        coming_up = asyncio.create_task(on_own_thread(prepare))
        try:
            yield
        except BaseException:
            is_given_up.set()
            running_sessions.tidy()
            raise
        finally:
            del coming_up  # keep a reference to the task until here, since a loop does not keep its tasks alive

    def _make_session(
        self, resolved: ResolvedStart, own_room: AsyncRoom | None, on_user_text: Answer | None
    ) -> AsyncSession:
        """Create the session and add it to this client."""
        # imported here, so that importing the client stays fast
        from .session.dependencies import Dependencies  # noqa: PLC0415
        from .session.session import AsyncSession  # noqa: PLC0415

        dependencies = Dependencies(
            self.api, weakly(self._changed, nothing), self._clock,
            is_simulated=self.is_simulated, allow_unjournaled=self._allow_unjournaled, tts=self._tts,
            made_context=resolved.made,
        )  # fmt: skip
        session = AsyncSession(resolved.avatar, resolved.options, dependencies)
        session.belong_to(self)
        if own_room is not None:
            own_room.let_in(resolved.options.avatar_identity, session)
        if on_user_text is not None:
            session.on_user_text(on_user_text)
        self._sessions = [*(known for known in self._sessions if known.is_live or known.is_pursued), session]
        self._last = session
        self._stopwatches.append(session.stopwatch)
        return session

    async def _open(self, session: AsyncSession) -> None:
        """Start the session on the service. If the plan's limit lowered the session's cap, remember that limit."""
        try:
            await session.open()
        except ConcurrencyLimitError as failure:
            failure.sessions = await running_now(self.api)
            failure.remedy = what_to_stop(failure.sessions)
            raise
        finally:
            self._changed()
        if session.max_minutes * 60 < session.options.life:
            self._plan_seconds = round(session.max_minutes * 60)

    async def stop_sessions(self) -> None:
        """Stop every live session of this client, and cancel every start in progress.

        Raises:
            StopNotConfirmed: The service did not confirm every stop; the error names each session that may be billed.
        """
        await self._stop_sessions()

    def stop_without_loop(self) -> None:
        """Stop the sessions over separate connections, even if the loop is dead or busy; can be called from any thread.

        Raises:
            StopNotConfirmed: The service did not confirm every stop; the error names each session that may be billed.
                The guard keeps retrying the unconfirmed stops.
        """
        self.cancel_starts()
        until = time.monotonic() + config.STOP_LIMIT
        failures = []
        waiting = self.live_sessions
        while waiting:
            share = max(0.0, until - time.monotonic()) / len(waiting)
            try:
                waiting.pop(0).stop_without_loop(share)
            except StopNotConfirmed as failure:
                failures.append(failure)
        if failures:
            raise all_of(failures)

    async def _stop_sessions(self, spare: Preparation | None = None) -> None:
        self.cancel_starts(spare)
        await gather_stops(session.stop() for session in self.live_sessions)

    def cancel_starts(self, spare: Preparation | None = None) -> None:
        """Cancel the starts that have not sent their start call yet, except `spare`."""
        for start in self._pending:
            start.is_cancelled = start.is_cancelled or start is not spare

    @property
    def live_sessions(self) -> list[AsyncSession]:
        """This client's sessions that may still be running and billed."""
        return [session for session in self._sessions if session.is_live and session.is_of_this_process]

    @property
    def live_elsewhere(self) -> list[AsyncSession]:
        """Sessions of this account that belong to other clients in this process and may still be billed.

        A host that reruns the notebook for each page, such as `marimo run`, creates a new client each time. Sessions
        that a page started before it was reloaded are listed here.
        """
        return [session for client in self._siblings for session in client.live_sessions]

    @property
    def _siblings(self) -> list[AsyncLiveAvatar]:
        """The other clients in this process that use the same account."""
        clients = [reference() for reference in _clients.valuerefs()]
        others = [client for client in clients if client is not None and client is not self]
        return [client for client in others if client._account == self._account]

    @property
    def _account(self) -> tuple[str, Masked]:
        return self.base_url, self.api.transport.key

    def take_over(self, session: AsyncSession) -> None:
        """Take over a session listed in `live_elsewhere` from the client that owns it."""
        for client in self._siblings:
            if session in client._sessions:
                client._sessions.remove(session)
                client.watch(self._changed)
                # the session still notifies its previous client, so keep that client alive as long as this one lives
                self._predecessors.append(client)
                self._sessions.append(session)
                session.belong_to(self)
                self._last = session
                self._changed()
                return

    def watch(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` on the event loop whenever a session of this client changes.

        Returns:
            A function that removes the callback.
        """
        self._watchers.append(callback)

        def end() -> None:
            if callback in self._watchers:
                self._watchers.remove(callback)

        return end

    def _changed(self) -> None:
        try:
            # deferred, because a watcher may stop a session that is in the middle of a step
            asyncio.get_running_loop().call_soon(self._notify_watchers)
        except RuntimeError:
            self._notify_watchers()

    def _notify_watchers(self) -> None:
        for callback in list(self._watchers):
            try:
                callback()
            except Exception:
                logger.exception("a callback for changes in a client's sessions failed")

    def _refuse_second(self) -> None:
        live = self.live_sessions
        if live:
            first = live[-1]
            how = "not confirmed as stopped" if first.state.is_final else str(first.state)
            raise SessionAlreadyLive(
                f"Session {first.id or '(no ID yet)'} with {first.avatar.name} is {how}.", session_id=first.id
            )
        if self._pending:
            raise SessionAlreadyLive("Another start is in progress.", session_id=None)


def stop_behind(client: AsyncLiveAvatar) -> None:
    """Stop the sessions of a client that is no longer referenced, so that none is billed unnoticed.

    The garbage collector may call this on any thread, even one that holds locks, so the work is left to a new thread.
    """
    live = [session for session in client.live_sessions if not session.state.is_final]
    if not live:
        return
    if client.simulator is not None:
        # the simulator stopped along with the client, so its sessions have ended
        for session in live:
            session.lifecycle.forget_soon()
        return
    logger.warning(
        "%s was garbage-collected with a live session, which is being stopped; use `async with`, or close the client",
        client,
    )

    async def stop() -> None:
        await asyncio.gather(*(stop_unattended(session.stop()) for session in live), return_exceptions=True)

    with contextlib.suppress(RuntimeError):  # the interpreter is exiting, and its exit handler stops the sessions
        threading.Thread(target=run, args=[stop], name=THREAD_NAME, daemon=True).start()


def started_simulator(options: dict[str, Any]) -> Simulator:
    """Start a simulator for a demo.

    Raises:
        SimulatorError: The simulator did not start.
    """
    from .simulator import Simulator  # noqa: PLC0415 (only demos need it)
    from .simulator import SimulatorError as DidNotStart  # noqa: PLC0415

    try:
        return Simulator(**{"livekit": "auto", **options})
    except DidNotStart as failure:
        raise SimulatorError(str(failure)) from None
