"""`AsyncSession`: the life of one session, from the token to the stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Self

from . import config
from .api import LiveAvatarAPI
from .config import Masked
from .errors import (
    APIConnectionError,
    APIStatusError,
    AvatarNeverCame,
    LiveAvatarException,
    NotFoundError,
    SessionEnded,
    StartOutcomeUnknown,
    StopNotConfirmed,
)
from .events import EventStream
from .leftovers import Leftover, leftovers
from .life import SessionOptions, SessionState
from .models import END_WORDS, Avatar, SessionRecord, StartedSession
from .protocol.lite import Event
from .resources.sessions import surely_not_started
from .stopwatch import Stopwatch
from .websocket import WebSocket

logger = logging.getLogger("liveavatar_nb.session")

STOPPED = "The session was stopped. Try again, or another avatar."


class AsyncSession:
    """One session with an avatar; `AsyncLiveAvatar.start` makes it.

    `async with` stops it when the block is left. `stop()` works in every state, and twice.
    """

    def __init__(
        self, api: LiveAvatarAPI, avatar: Avatar, options: SessionOptions, on_change: Callable[[], None]
    ) -> None:
        self._avatar = avatar
        self._options = options
        self._api = api
        self._on_change = on_change
        self._id: str | None = None
        self._state = SessionState.CREATED
        self._token: Masked | None = None
        self._times = Stopwatch(options.life)
        self._record: SessionRecord | None = None
        self._end_reason: str | None = None
        self._error: LiveAvatarException | None = None
        self._maybe_billed = False
        self._opening: asyncio.Task[None] | None = None
        self._start_call: asyncio.Task[StartedSession] | None = None
        self._stopping: asyncio.Task[None] | None = None
        self._workers: set[asyncio.Task[None]] = set()
        self._connected = asyncio.Event()
        self._socket_trouble: str | None = None
        self._over = asyncio.Event()
        self._events = EventStream()

    # what can be seen

    @property
    def avatar(self) -> Avatar:
        """The avatar's record."""
        return self._avatar

    @property
    def options(self) -> SessionOptions:
        """What it was started with."""
        return self._options

    @property
    def timings(self) -> dict[str, float]:
        """Seconds from the call of `start` to `token`, `start` and `connected`, as far as they came."""
        return dict(self._times.steps)

    @property
    def id(self) -> str | None:
        """The service's id; None until the token came."""
        return self._id

    @property
    def state(self) -> SessionState:
        """created, starting, connecting, connected, stopping, ended or failed."""
        return self._state

    @property
    def mode(self) -> str:
        """`LITE` or `FULL`."""
        return self._options.mode

    @property
    def is_sandbox(self) -> bool:
        """Whether it is a sandbox session: free, one minute."""
        return self._options.is_sandbox

    @property
    def is_live(self) -> bool:
        """Whether it may be running, and billed, at the service."""
        return self._maybe_billed or not self._state.is_final

    @property
    def elapsed(self) -> float:
        """Seconds since the service started it, up to its end."""
        return self._times.elapsed

    @property
    def since_start_call(self) -> float:
        """Seconds since `start` was called."""
        return self._times.since_call

    @property
    def max_minutes(self) -> float:
        """Minutes after which the service ends it."""
        return self._times.cap / 60

    @property
    def time_left(self) -> float:
        """Seconds until the service ends it; 0 once it is over."""
        return 0.0 if self._state.is_final else self._times.left

    @property
    def credits_used(self) -> float:
        """Credits: what the service says once it ended, until then time by price."""
        if self._record is not None:
            return self._record.credits_consumed
        return self.elapsed / 60 * self._options.credits_per_minute

    @property
    def keep_alive_age(self) -> float | None:
        """Seconds since the service last heard a sign of life; None before the start."""
        return self._times.keep_alive_age

    @property
    def end_reason(self) -> str | None:
        """The contract's end reason; None while it lives."""
        return self._end_reason

    @property
    def end_words(self) -> str | None:
        """Why it ended, in words; None while it lives."""
        if self._error is not None:
            return self._error.message.rstrip(".")
        return END_WORDS.get(self._end_reason, self._end_reason) if self._end_reason else None

    @property
    def error(self) -> LiveAvatarException | None:
        """What went wrong, where it failed."""
        return self._error

    @property
    def _unstopped(self) -> str:
        return f"call stop() again; at the latest its cap ends it, {self.max_minutes:g} minutes after its start."

    @property
    def stop_is_confirmed(self) -> bool:
        """Whether it is over and nothing of it runs at the service any more."""
        return self._state.is_final and not self._maybe_billed

    def __repr__(self) -> str:
        words = f", {self.end_words}" if self._state.is_final else f", {self.elapsed:.0f} s"
        return f"<{type(self).__name__} {self._id or 'without id'} {self._avatar.name} {self._state}{words}>"

    # what can be done

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    async def open(self) -> None:
        """Token, start, and the wait for the avatar; `AsyncLiveAvatar.start` calls it.

        Cancelled, it raises at once; what it began is awaited and stopped behind it.

        Raises:
            AvatarNeverCame: the service never said `connected`; the session was stopped.
            StartOutcomeUnknown: no usable answer came to the start call; the session was stopped by its id.
            SessionEnded: it was stopped, or ended, while it started.
        """
        self._opening = asyncio.create_task(self._open(), name="liveavatar_nb session opening")
        try:
            await asyncio.shield(self._opening)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                self._begin_stop()
                raise
            raise SessionEnded(
                "The session was stopped while it started.", session_id=self._id, end_reason=self._end_reason
            ) from None

    async def stop(self) -> None:
        """Stops the session (`POST /v1/sessions/stop`); at once where it is over already.

        Raises:
            StopNotConfirmed: the service did not answer; call it again. The cap ends the session at the latest.
        """
        if self.stop_is_confirmed:
            return
        await asyncio.shield(self._begin_stop())

    async def wait_until_ended(self) -> None:
        """Returns when the session is over, whoever ended it."""
        await self._over.wait()

    def events(self) -> AsyncIterator[Event]:
        """What the service says from now on, until the session is over (frames of the WebSocket).

        A reader that falls behind by more than 1000 events loses the oldest.
        """
        return self._events.read()

    # how it lives

    async def _open(self) -> None:
        try:
            await self._reach_connected()
        except LiveAvatarException as failure:
            await self._fail(failure)
            raise
        except Exception as failure:
            await self._fail(APIConnectionError(f"The start failed here ({type(failure).__name__})."))
            raise

    async def _reach_connected(self) -> None:
        self._advance(SessionState.STARTING)
        try:
            token = await self._api.sessions.create_token(**self._options.token_fields(self._avatar.id))
        except APIStatusError as failure:
            if "max_session_duration" in failure.message:
                failure.remedy = f"Give fewer than max_minutes={self.max_minutes:g}: the plan does not have as many."
            raise
        self._id, self._token = token.session_id, Masked(token.session_token, "of a session")
        del token
        self._mark("token")
        # from here on it may be billed; the call is a task of its own, so that its outcome is always learnt
        self._maybe_billed = True
        transport = self._api.transport
        leftovers.add(Leftover(transport.base_url, transport.key, self._id, self.max_minutes))
        self._start_call = asyncio.create_task(self._api.sessions.start(self._id, self._token))
        started = await asyncio.shield(self._start_call)
        self._times.start()
        self._take_cap(started.max_session_duration)
        self._mark("start")
        if self.mode == "FULL":
            # a conversation has no WebSocket: it is there once the start call answered
            self._advance(SessionState.CONNECTING)
            self._arrive()
            self._spawn(self._keep_alive())
            return
        if started.ws_url is None:
            raise AvatarNeverCame("The service gave the session no WebSocket.", session_id=self._id)
        socket = WebSocket(Masked(started.ws_url, "of a session"), self._id)
        del started
        self._advance(SessionState.CONNECTING)
        self._spawn(self._converse(socket))
        try:
            async with asyncio.timeout(config.CONNECTED_TIMEOUT):
                await self._connected.wait()
        except TimeoutError:
            raise AvatarNeverCame(
                f"The service did not say `connected` within {config.CONNECTED_TIMEOUT:g} s.", session_id=self._id
            ) from None
        if self._socket_trouble is not None:
            raise AvatarNeverCame(
                f"The session's WebSocket could not be opened ({self._socket_trouble}).", session_id=self._id
            )
        if self._state is not SessionState.CONNECTED:
            raise SessionEnded(
                f"The session ended while it started: {self.end_words}.",
                session_id=self._id,
                end_reason=self._end_reason,
            )
        self._spawn(self._keep_alive())

    async def _fail(self, failure: LiveAvatarException) -> None:
        """The end that follows a failure: what may be billed is stopped by its id, whatever the failure was."""
        self._error = failure
        await self._end_workers()
        if self._maybe_billed:
            try:
                await self._stop_remote()
            except StopNotConfirmed as unconfirmed:
                logger.warning("%s", unconfirmed)
                if surely_not_started(failure):
                    self._settle()
        if isinstance(failure, StartOutcomeUnknown):
            failure.confirmed_stopped = not self._maybe_billed
        if isinstance(failure, StartOutcomeUnknown | AvatarNeverCame):
            failure.remedy = f"Its stop is not confirmed: {self._unstopped}" if self._maybe_billed else STOPPED
        self._finish(SessionState.FAILED)

    def _begin_stop(self) -> asyncio.Task[None]:
        """The stop under way, or a new one; it goes on if nobody waits for it."""
        if self._stopping is None or self._stopping.done():
            self._stopping = asyncio.create_task(self._stop(), name="liveavatar_nb session stop")
            self._stopping.add_done_callback(self._report)
        return self._stopping

    async def _stop(self) -> None:
        self._advance(SessionState.STOPPING)
        if self._start_call is not None:
            # a stop that overtakes its start would leave the session running
            await asyncio.wait([self._start_call])
        if self._opening is not None and not self._opening.done():
            self._opening.cancel()
            await asyncio.wait([self._opening])
        try:
            if self._maybe_billed:
                await self._stop_remote()
        except StopNotConfirmed as failure:
            self._error = failure
            self._finish(SessionState.FAILED)
            raise
        if isinstance(self._error, StopNotConfirmed):
            self._error = None
        self._end_reason = self._end_reason or "USER_CLOSED"
        await self._end_workers()
        self._finish(SessionState.ENDED)

    async def _stop_remote(self) -> None:
        assert self._id is not None
        sessions = self._api.sessions
        try:
            async with asyncio.timeout(config.STOP_LIMIT):
                try:
                    await sessions.stop(self._id, reason="USER_CLOSED", session_token=self._token)
                except APIStatusError:
                    # "no such session" by itself proves nothing: a stop can overtake a start
                    if any([record.id == self._id async for record in sessions.list(type="active")]):
                        raise
        except Exception as failure:  # noqa: BLE001 (whatever it was, the stop is not confirmed)
            raise StopNotConfirmed(
                f"The service did not confirm the stop of session {self._id} "
                f"({getattr(failure, 'message', 'no answer in time')}).",
                session_id=self._id,
                remedy=self._unstopped,
            ) from None
        self._settle()
        with contextlib.suppress(LiveAvatarException, TimeoutError):
            async with asyncio.timeout(config.EXIT_STOP_LIMIT):
                self._record = await sessions.get(self._id)
                self._end_reason = self._record.end_reason or self._end_reason

    async def _converse(self, socket: WebSocket) -> None:
        """Listens until the session is over; what was lost for good ends it."""
        lost = await socket.listen(self._receive, self._ended_at_the_service)
        if lost is None:
            return
        if self._state is SessionState.CONNECTED:
            logger.error("session %s lost its WebSocket and is stopped", self._id)
            await self._fail(APIConnectionError(f"The session's WebSocket was lost ({lost})."))
        self._socket_trouble = lost
        self._connected.set()

    def _receive(self, event: Event | None) -> bool:
        """Takes one frame in; whether it says that the avatar is there."""
        if event is None:
            logger.warning("session %s: a frame that is no event was ignored", self._id)
            return False
        self._events.put(event)
        if event.session_state != "connected":
            return False
        self._arrive()
        return True

    def _arrive(self) -> None:
        self._advance(SessionState.CONNECTED)
        if not self._connected.is_set():
            self._mark("connected")
            self._connected.set()

    def _take_cap(self, granted: int | None) -> None:
        """The cap that the service answered with, which may be lower than what was asked for."""
        if granted is not None and granted < self._times.cap:
            logger.warning("session %s: the plan ends it after %g minutes", self._id, granted / 60)
            self._times.cap = granted

    async def _keep_alive(self) -> None:
        assert self._id is not None
        while True:
            # a conversation has no WebSocket that closes: its end is asked for when it is due
            until_end = math.inf if self.mode == "LITE" else self.time_left + 1
            await asyncio.sleep(min(config.KEEP_ALIVE_INTERVAL, until_end))
            try:
                await self._api.sessions.keep_alive(self._id, session_token=self._token)
            except LiveAvatarException as failure:
                logger.warning("session %s: a keep-alive failed: %s", self._id, failure.message)
                if isinstance(failure, APIStatusError) and await self._ended_at_the_service():
                    return
            else:
                self._times.keep_alive()
                self._on_change()

    async def _ended_at_the_service(self) -> bool:
        """Asks the service; if it ended the session, so do we."""
        assert self._id is not None
        if self._state in (SessionState.STOPPING, SessionState.ENDED, SessionState.FAILED):
            return True
        try:
            record = await self._api.sessions.get(self._id)
            if record.end_at is None and record.end_reason is None:
                return False
            self._record, self._end_reason = record, record.end_reason or "UNKNOWN"
        except NotFoundError:
            # by itself that proves nothing: a stop, and the list of active sessions, do
            try:
                await self._stop_remote()
            except StopNotConfirmed as failure:
                logger.warning("%s", failure)
                return False
            self._end_reason = self._end_reason or "UNKNOWN"
        except LiveAvatarException as failure:
            logger.warning("session %s: cannot ask how it is: %s", self._id, failure.message)
            return False
        self._settle()
        self._finish(SessionState.ENDED)
        return True

    def forget(self) -> None:
        """Takes it as over without a stop: for a service that is gone with all it billed, as a simulator."""
        self._settle()
        self._finish(SessionState.FAILED)

    # bookkeeping

    def _advance(self, state: SessionState) -> None:
        if self._state.may_become(state):
            self._state = state
            logger.info("session %s is %s", self._id, state)
            self._on_change()

    def _mark(self, step: str) -> None:
        self._times.mark(step)
        self._on_change()

    def _settle(self) -> None:
        """Nothing of it is billed any more."""
        self._maybe_billed = False
        if self._id is not None:
            leftovers.discard(self._id)

    def _finish(self, state: SessionState) -> None:
        self._times.end()
        self._advance(state)
        self._connected.set()
        self._over.set()
        self._events.close()
        self._dismiss_workers()
        self._on_change()

    def _dismiss_workers(self) -> set[asyncio.Task[None]]:
        dismissed = self._workers - {asyncio.current_task()}
        for task in dismissed:
            task.cancel()
        return dismissed

    async def _end_workers(self) -> None:
        if dismissed := self._dismiss_workers():
            await asyncio.wait(dismissed, timeout=2 * config.SOCKET_CLOSE_TIMEOUT)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._workers.add(task)
        task.add_done_callback(self._workers.discard)
        task.add_done_callback(self._report)

    def _report(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (failure := task.exception()) is not None:
            logger.error("session %s: %s", self._id, failure, exc_info=failure)
