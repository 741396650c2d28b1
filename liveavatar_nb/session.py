"""`AsyncSession`: the life of one session, from the token to the stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Self
from weakref import WeakSet

from . import config
from .config import Masked
from .errors import (
    APIConnectionError,
    APIStatusError,
    AvatarNeverCame,
    LiveAvatarException,
    LoopEnded,
    NotFoundError,
    SessionEnded,
    StartOutcomeUnknown,
    StopNotConfirmed,
)
from .exchange import session_label
from .holder import RoomLine
from .leftovers import leftovers
from .life import SessionOptions, SessionState
from .models import Avatar, SessionToken, StartedSession
from .protocol.events import Event
from .resources.sessions import surely_not_started
from .stopping import Liability, Surroundings
from .talk import SessionTalk
from .threads import on_own_thread
from .upkeep import Duties, Upkeep
from .websocket import Listener, WebSocket

logger = logging.getLogger("liveavatar_nb.session")

STOPPED = "The session was stopped. Try again, or another avatar."


class AsyncSession(SessionTalk):
    """One session with an avatar; `AsyncLiveAvatar.start` makes it.

    `async with` stops it when the block is left. `stop()` works in every state, and twice.
    """

    def __init__(self, avatar: Avatar, options: SessionOptions, around: Surroundings) -> None:
        super().__init__(avatar, options, around)
        self._api = around.api
        self._on_change = around.on_change
        self._loop: asyncio.AbstractEventLoop | None = None
        self._opening: asyncio.Task[None] | None = None
        self._start_call: asyncio.Task[StartedSession] | None = None
        self._stopping: asyncio.Task[None] | None = None
        self._workers: set[asyncio.Task[None]] = set()
        self._dismissed: WeakSet[asyncio.Task[None]] = WeakSet()
        self._connected = asyncio.Event()
        self._socket_trouble: str | None = None
        self._over = asyncio.Event()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self.is_of_this_process:
            await self.stop()

    async def open(self) -> None:
        """Token, start, and the wait for the avatar; `AsyncLiveAvatar.start` calls it.

        Cancelled, it raises at once; what it began is awaited and stopped behind it.

        Raises:
            AvatarNeverCame: the service never said `connected`; the session was stopped.
            StartOutcomeUnknown: no usable answer came to the start call; the session was stopped by its id.
            SessionEnded: it was stopped, or ended, while it started.
        """
        self._loop = asyncio.get_running_loop()
        session_label.set(self._label)
        self._opening = asyncio.create_task(self._while_loop_runs(self._open()), name="liveavatar_nb session opening")
        try:
            await asyncio.shield(self._opening)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                self._begin_stop()
                raise
            raise self._stopped_early() from None

    async def stop(self) -> None:
        """Stops the session (`POST /v1/sessions/stop`); at once where it is over already.

        It works in every state, twice, and also where the loop that started it is dead or does not answer.

        Raises:
            StopNotConfirmed: the service did not answer; it is tried again until the cap, which ends it at the latest.
        """
        if self.stop_is_confirmed:
            return
        if self._loop is None or self._loop is asyncio.get_running_loop():
            await asyncio.shield(self._begin_stop())
            return
        if self.is_of_this_process and self._loop.is_running() and not getattr(self._loop, "is_going", False):
            try:
                async with asyncio.timeout(config.STOP_LIMIT + config.LOOP_LIMIT):
                    await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self.stop(), self._loop))
            except (TimeoutError, RuntimeError):
                logger.info("session %s: its loop does not answer, or has just ended", self.id)
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    raise
            else:
                return
        await on_own_thread(self.stop_without_loop)

    def stop_without_loop(self) -> None:
        """Stops the session from any thread, by a connection of its own: for where the loop is dead or busy.

        Raises:
            StopNotConfirmed: the service did not confirm it; the guard goes on.
        """
        if self._liability is not None and self._may_cost:
            try:
                self._liability.stop_without_loop()
            except StopNotConfirmed as failure:
                self._error = failure
                self._tell_loop(self._liability.pursue)
                raise
        if not self._state.is_final:
            self._state = SessionState.ENDED
            self._end_reason = self._end_reason or "USER_CLOSED"
            self._times.end()
        self._tell_loop(self._close_up_on_loop)

    def _tell_loop(self, callback: Callable[[], None]) -> None:
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # it is closed, and with it all that waited
                self._loop.call_soon_threadsafe(callback)

    def _close_up_on_loop(self) -> None:
        if self._opening is not None and not self._opening.done():
            # the loop was busy in the middle of a start, which goes on now: what comes of it is stopped, too
            self._begin_stop()
        self._close_up()

    def beat(self) -> None:
        """A page shows it. From the first time on it is stopped where no page has shown it for `unwatched` seconds."""
        was_missed = self._audience.is_missed
        self._audience.beat()
        if was_missed:
            self._on_change()

    async def wait_until_ended(self) -> None:
        """Returns when the session is over, whoever ended it."""
        await self._over.wait()

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
        # the guard comes up while the token is on its way
        guard = None if self._around.is_simulated else asyncio.create_task(on_own_thread(leftovers.prepare))
        try:
            token, has_cap = await self._get_token()
            secret = Masked(token.session_token, "of a session")
            liability = self._liability = Liability(token.session_id, secret, self._times, self._around)
            del token
            self._label.id = liability.session_id
            self._mark("token")
        finally:
            if guard is not None:
                await asyncio.wait([guard])
        self._refuse_if_stopped()
        # the call is a task of its own, so that its outcome is always learnt
        self._start_call = asyncio.create_task(liability.start(has_cap=has_cap))
        started = await asyncio.shield(self._start_call)
        self._refuse_if_stopped()
        self._mark("start")
        self._room = self._room_of(started, liability.session_id)
        if self.mode == "FULL":
            # a conversation has no WebSocket: it is there once the start call answered
            self._advance(SessionState.CONNECTING)
            self._arrive()
            self._keep_up()
            return
        if started.ws_url is None:
            raise AvatarNeverCame("The service gave the session no WebSocket.", session_id=self.id)
        socket = WebSocket(Masked(started.ws_url, "of a session"), liability.session_id, self._api.transport.wire)
        del started
        self._speech.connect(socket)
        self._advance(SessionState.CONNECTING)
        self._spawn(self._while_loop_runs(self._converse(socket)))
        try:
            async with asyncio.timeout(config.CONNECTED_TIMEOUT):
                await self._connected.wait()
        except TimeoutError:
            raise AvatarNeverCame(
                f"The service did not say `connected` within {config.CONNECTED_TIMEOUT:g} s.", session_id=self.id
            ) from None
        if self._socket_trouble is not None:
            raise AvatarNeverCame(
                f"The session's WebSocket could not be opened ({self._socket_trouble}).", session_id=self.id
            )
        if self._state is not SessionState.CONNECTED:
            raise SessionEnded(
                f"The session ended while it started: {self.end_words}.",
                session_id=self.id,
                end_reason=self._end_reason,
            )
        self._keep_up()

    def _room_of(self, started: StartedSession, session_id: str) -> RoomLine | None:
        """The way into the room that the start call named."""
        if started.livekit_url is None or started.livekit_client_token is None:
            return None
        token = Masked(started.livekit_client_token, "of a session's room")
        wire = self._api.transport.wire
        return RoomLine(
            started.livekit_url, token, session_id, wire, receive=self._events.put, on_change=self._on_change
        )

    def _refuse_if_stopped(self) -> None:
        if self._state.is_final or self._state is SessionState.STOPPING:
            raise self._stopped_early()

    def _stopped_early(self) -> SessionEnded:
        return SessionEnded(
            "The session was stopped while it started.", session_id=self.id, end_reason=self._end_reason
        )

    async def _get_token(self) -> tuple[SessionToken, bool]:
        """A token, and whether it has the cap that was asked for."""
        create_token, avatar_id = self._api.sessions.create_token, self._avatar.id
        try:
            return await create_token(**self._options.token_fields(avatar_id)), True
        except APIStatusError as failure:
            if "max_session_duration" not in failure.message:
                raise
            if not self._options.is_default_cap:
                failure.remedy = f"Give fewer than max_minutes={self.max_minutes:g}: the plan does not have as many."
                raise
        logger.info("the plan does not take a cap of %g minutes: it is to set its own", self.max_minutes)
        self._times.cap = config.MINUTES_OF_A_DAY * 60
        return await create_token(**self._options.token_fields(avatar_id, capped=False)), False

    async def _fail(self, failure: LiveAvatarException) -> None:
        """The end that follows a failure: what may be billed is stopped by its id, whatever the failure was."""
        self._error = failure
        await self._end_workers()
        liability = self._liability
        if liability is not None and liability.is_open:
            try:
                await self._stop_remote(liability)
            except StopNotConfirmed as unconfirmed:
                logger.warning("%s", unconfirmed)
                if surely_not_started(failure):
                    liability.settle()
            if isinstance(failure, StartOutcomeUnknown):
                await self._around.clock.sleep(config.UNKNOWN_LOOKS[0])
                await liability.look_again()
            if isinstance(failure, StartOutcomeUnknown | AvatarNeverCame):
                failure.remedy = f"Its stop is not confirmed. {liability.bound}" if self._may_cost else STOPPED
        self._finish(SessionState.FAILED)

    def _begin_stop(self) -> asyncio.Task[None]:
        """The stop under way, or a new one; it goes on if nobody waits for it."""
        if self._stopping is None or self._stopping.done():
            self._stopping = asyncio.create_task(self._while_loop_runs(self._stop()), name="liveavatar_nb session stop")
            self._stopping.add_done_callback(self._report)
        return self._stopping

    async def _stop(self) -> None:
        session_label.set(self._label)
        self._advance(SessionState.STOPPING)
        self._speech.hold()
        if self._start_call is not None:
            # a stop that overtakes its start would leave the session running
            await asyncio.wait([self._start_call])
        if self._opening is not None and not self._opening.done():
            self._dismissed.add(self._opening)
            self._opening.cancel()
            # it may stand below on this very stack, where a handler of ours has called
            await asyncio.wait([self._opening], timeout=config.LOOP_LIMIT)
        try:
            if self._liability is not None and self._liability.is_open:
                await self._stop_remote(self._liability)
        except StopNotConfirmed as failure:
            self._error = failure
            self._finish(SessionState.FAILED)
            raise
        if isinstance(self._error, StopNotConfirmed):
            self._error = None
        self._end_reason = self._end_reason or "USER_CLOSED"
        await self._end_workers()
        self._finish(SessionState.ENDED)

    async def _stop_remote(self, liability: Liability) -> None:
        await liability.stop()
        if liability.record is not None:
            self._record = liability.record
            self._end_reason = self._record.end_reason or self._end_reason

    async def _converse(self, socket: WebSocket) -> None:
        """Listens until the session is over; what was lost for good ends it."""
        lost = await socket.listen(Listener(self._receive, self._speech.lost, self._ended_at_the_service))
        if lost is None:
            return
        if self._state is SessionState.CONNECTED:
            logger.error("session %s lost its WebSocket and is stopped", self.id)
            await self._fail(APIConnectionError(f"The session's WebSocket was lost ({lost})."))
        self._socket_trouble = lost
        self._connected.set()

    def _receive(self, event: Event | None) -> bool:
        """Takes one frame in; whether it says that the avatar is there."""
        if event is None:
            logger.warning("session %s: a frame that is no event was ignored", self.id)
            return False
        for told in self._speech.receive(event):
            self._events.put(told)
        if event.session_state != "connected":
            return False
        self._arrive()
        return True

    def _arrive(self) -> None:
        self._advance(SessionState.CONNECTED)
        if not self._connected.is_set():
            self._mark("connected")
            self._connected.set()

    def _keep_up(self) -> None:
        assert self._liability is not None
        duties = Duties(
            self._keep_alive,
            self._ended_at_the_service,
            self._on_change,
            self._leave,
            self._liability.check_guard,
        )
        # a conversation has no WebSocket that closes: its end is asked for when it is due
        is_blind = self.mode == "FULL"
        self._upkeep = Upkeep(
            duties, self._audience, self._around.clock, lambda: self._times.left, asks_at_cap=is_blind
        )
        self._spawn(self._while_loop_runs(self._upkeep.run()))

    async def _keep_alive(self) -> None:
        assert self._liability is not None
        await self._api.sessions.keep_alive(self._liability.session_id, session_token=self._liability.token)
        self._times.keep_alive()

    def _leave(self) -> None:
        """Nobody watches."""
        logger.warning("session %s is stopped: no page showed it for %g s", self.id, self._options.unwatched)
        self._is_abandoned = True
        self._begin_stop()

    async def _ended_at_the_service(self) -> bool:
        """Asks the service; if it ended the session, so do we."""
        liability = self._liability
        assert liability is not None
        if self._state in (SessionState.STOPPING, SessionState.ENDED, SessionState.FAILED):
            return True
        try:
            record = await self._api.sessions.get(liability.session_id)
            if record.is_active:
                if record.duration > self.elapsed + config.SLEEP_GAP:
                    self._times.correct(record.duration)
                return False
            self._record, self._end_reason = record, record.end_reason or "UNKNOWN"
        except NotFoundError:
            # by itself that proves nothing: a stop, and the list of active sessions, do
            try:
                await self._stop_remote(liability)
            except StopNotConfirmed as failure:
                logger.warning("%s", failure)
                return False
            self._end_reason = self._end_reason or "UNKNOWN"
        except LiveAvatarException as failure:
            logger.warning("session %s: cannot ask how it is: %s", self.id, failure.message)
            return False
        liability.settle()
        self._finish(SessionState.ENDED)
        return True

    def forget(self) -> None:
        """Takes it as over without a stop: for a service that is gone with all it billed, as a simulator."""
        if self._liability is not None:
            self._liability.forget()
        self._finish(SessionState.FAILED)

    # bookkeeping

    def _advance(self, state: SessionState) -> None:
        if self._state.may_become(state):
            self._state = state
            logger.info("session %s is %s", self.id, state)
            self._on_change()

    def _mark(self, step: str) -> None:
        self._times.mark(step)
        self._on_change()

    def _finish(self, state: SessionState) -> None:
        self._times.end()
        self._advance(state)
        self._close_up()

    def _close_up(self) -> None:
        """Lets go of all that waited for its end, or worked until then."""
        self._connected.set()
        self._over.set()
        self._speech.close(self._ended_error())
        self._events.close()
        self._dismiss_workers()
        leftovers.tidy()
        self._on_change()

    def let_go(self) -> None:
        """Its client is closed: what is still to be looked for is the guard's."""
        if self._liability is not None:
            self._liability.let_go()

    def _dismiss_workers(self) -> set[asyncio.Task[None]]:
        dismissed = self._workers - {asyncio.current_task()}
        self._dismissed |= dismissed
        for task in dismissed:
            task.cancel()
        return dismissed

    async def _while_loop_runs(self, work: Coroutine[Any, Any, None]) -> None:
        """Does it; where the loop cancels it, which nobody here did, the loop ends, and the guard is to stop it all."""
        try:
            await work
        except asyncio.CancelledError:
            if asyncio.current_task() not in self._dismissed and not self.stop_is_confirmed:
                if self._liability is not None:
                    self._liability.lose_loop()
                self._error = self._error or LoopEnded(session_id=self.id)
                self._finish(SessionState.FAILED)
            raise

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
            logger.error("session %s: %s", self.id, failure, exc_info=failure)
