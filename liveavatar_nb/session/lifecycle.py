"""`SessionLifecycle`: one session's life, from its token to its end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from .. import config
from ..concurrency.loops import EndingLoop
from ..concurrency.threads import THREAD_NAME, on_own_thread
from ..concurrency.weak import is_gone, nothing, nothing_more, weakly
from ..config import Masked
from ..errors import (
    APIConnectionError,
    AvatarNeverCame,
    LiveAvatarException,
    LoopEnded,
    NotFoundError,
    SessionEnded,
    SessionError,
    StartOutcomeUnknown,
    StopNotConfirmed,
)
from ..models.sessions import END_WORDS, SessionRecord, StartedSession
from ..protection.running import running_sessions, service_of
from ..protocol import full
from ..protocol.events import Event
from ..protocol.websocket import Listener, SocketTrouble, WebSocket
from ..rest.resources.sessions import surely_not_started
from ..rooms.connection import RoomConnection
from ..wirelog.exchange import SessionLabel, session_label
from .audience import Audience
from .billing import Billing
from .dependencies import Dependencies
from .keep_alive import KeepAlive, KeepAliveHooks
from .opening import get_token, make_room_connection
from .options import SessionOptions
from .state import SessionState
from .tasks import SessionTasks
from .timings import Stopwatch

logger = logging.getLogger("liveavatar_nb.session")

STOPPED = "The session was stopped."


@dataclass(frozen=True)
class Hooks:
    """The functions that `SessionLifecycle` calls at each stage, always on the session's loop.

    Args:
        speak_by_socket: Called with a LITE session's WebSocket, over which the session's audio is to be sent.
        speak_by_room: Called with a conversation's room, or with None if the service provided no room.
        receive_frame: Called with each event from the WebSocket.
        receive_packet: Called with each event from the room; returns whether the event is new and belongs to this
            session.
        lose_socket: Called when the WebSocket is lost, but may reconnect; fails the utterances sent so far.
        hold: Called when the session is about to stop; stops sending audio.
        close: Called when the session is over, with an error; all utterances still being said or queued fail with it.
    """

    speak_by_socket: Callable[[WebSocket], None]
    speak_by_room: Callable[[RoomConnection | None], None]
    receive_frame: Callable[[Event], None]
    receive_packet: Callable[[Event], bool]
    lose_socket: Callable[[], None]
    hold: Callable[[], None]
    close: Callable[[SessionEnded], None]


class SessionLifecycle:
    """Starts one session, keeps it alive and stops it.

    Args:
        avatar_id: The avatar's id.
        options: The options to start the session with.
        dependencies: The objects and settings that the session shares with its client.
        times: The stopwatch that records when each step was reached.
        audience: The pages that show the session.
        hooks: The functions to call at each stage.

    Attributes:
        state: The session's state.
        billing: Starts, stops and protects the billed part of the session; None until there is a token.
        record: The service's record of the session, once it has ended.
        end_reason: Why the session ended, as one of the API contract's end reasons; None until it is over.
        room: The connection to the session's room; None until the start call has returned.
        socket: The session's WebSocket; None in a conversation, and until the start call has returned.
        is_conversation: Whether commands go through the room's data channel, as they do in FULL, and in LITE without a
            WebSocket.
        label: Marks the session's requests and frames in the log.
    """

    def __init__(
        self,
        avatar_id: str,
        options: SessionOptions,
        dependencies: Dependencies,
        *,
        times: Stopwatch,
        audience: Audience,
        hooks: Hooks,
    ) -> None:
        self._avatar_id = avatar_id
        self._options = options
        self._dependencies = dependencies
        self._api = dependencies.api
        self._on_change = dependencies.on_change
        self._times = times
        self._audience = audience
        self._hooks = hooks
        self._pid = os.getpid()
        self.state = SessionState.CREATED
        self.billing: Billing | None = None
        self.record: SessionRecord | None = None
        self.end_reason: str | None = None
        self._waiting_for_stop = 0  # how many calls of `stop` will raise its failure
        self._reported_reason: str | None = None  # according to an event, which alone proves nothing
        self.room: RoomConnection | None = None
        self.socket: WebSocket | None = None
        self.is_conversation = options.is_conversation
        self.label = SessionLabel()
        self._error: LiveAvatarException | None = None
        self._why_stopped: str | None = None  # the reason, if the session was stopped without a request from the user
        self._loop: asyncio.AbstractEventLoop | None = None
        self._opening: asyncio.Task[None] | None = None
        self._start_call: asyncio.Task[StartedSession] | None = None
        self._stopping: asyncio.Task[None] | None = None
        self._clearing: asyncio.Task[None] | None = None
        self._tasks = SessionTasks(
            weakly(self._report, nothing), weakly(self._on_loop_ending, nothing), 2 * config.SOCKET_CLOSE_TIMEOUT
        )
        self._keep_alive: KeepAlive | None = None
        self._connected = asyncio.Event()
        self._socket_trouble: SocketTrouble | None = None
        self._checks_left = 0  # how many more times to check whether the session is over
        self._is_asking = False
        self._over = asyncio.Event()

    @property
    def id(self) -> str | None:
        """The session's id; None until there is a token."""
        return None if self.billing is None else self.billing.session_id

    @property
    def may_cost(self) -> bool:
        """Whether the service may be running, and billing, the session."""
        return self.billing is not None and self.billing.is_open

    @property
    def stop_is_confirmed(self) -> bool:
        """Whether the session is over, and certainly no longer running on the service."""
        return self.state.is_final and not self.may_cost

    @property
    def is_pursued(self) -> bool:
        """Whether the outcome of the start or the stop is still being checked in the background."""
        return self.billing is not None and self.billing.is_pursued

    @property
    def is_degraded(self) -> bool:
        """Whether enough consecutive keep-alives have failed for the service to end the session."""
        return self._keep_alive is not None and self._keep_alive.is_degraded and not self.state.is_final

    @property
    def is_of_this_process(self) -> bool:
        """Whether this process started the session; False in a process that was forked later."""
        return self._pid == os.getpid()

    @property
    def error(self) -> LiveAvatarException | None:
        """The error with which the session failed, if any; a confirmed stop clears `StopNotConfirmed`."""
        return None if isinstance(self._error, StopNotConfirmed) and self.stop_is_confirmed else self._error

    @property
    def end_words(self) -> str | None:
        """Why the session ended, in words; None until it is over."""
        if self.error is not None:
            return self.error.message.rstrip(".")
        if self._why_stopped is not None and self.state.is_final:
            return self._why_stopped
        reason = self.end_reason or ("USER_CLOSED" if self._error is not None else None)
        return END_WORDS.get(reason, reason) if reason else None

    @property
    def clearing(self) -> asyncio.Task[None] | None:
        """The task that leaves the room and deletes a context created for the session; None until the session ends."""
        return self._clearing

    def ended_error(self) -> SessionEnded:
        """Return the error for calls made after the session is over."""
        words = f": {self.end_words}" if self.end_words else ""
        return SessionEnded(f"The session has ended{words}.", session_id=self.id, end_reason=self.end_reason)

    def refuse_ended(self) -> None:
        """Raise an error if the session is over, is being stopped, or belongs to another process.

        Raises:
            SessionEnded: The session is over, or is being stopped.
            SessionError: The session belongs to the process that this one was forked from.
        """
        self.refuse_fork()
        if self.state.is_final or self.state is SessionState.STOPPING:
            raise self.ended_error()

    def refuse_fork(self) -> None:
        """Raise an error if another process started the session.

        Raises:
            SessionError: The session belongs to the process that this one was forked from.
        """
        if not self.is_of_this_process:
            raise SessionError(
                "The session belongs to the process that this one was forked from.",
                session_id=self.id,
                remedy="Use it there, or start a new session here.",
            )

    def call_on_loop(self, callback: Callable[[], object]) -> None:
        """Schedule a function on the session's loop, if it is open; can be called from any thread."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(callback)

    async def open(self) -> None:
        """Start the session; see `AsyncSession.open`."""
        self._loop = asyncio.get_running_loop()
        self._tasks.watch_loop(weakly(self._on_loop_closed, nothing), config.LOOP_LIFE)
        session_label.set(self.label)
        self._opening = self._tasks.begin(self._open(), "liveavatar_nb session opening")
        try:
            await asyncio.shield(self._opening)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                self.begin_stop()
                raise
            raise self._stopped_early() from None

    async def stop(self) -> None:
        """Stop the session; see `AsyncSession.stop`."""
        if self.stop_is_confirmed:
            return
        if self._loop is None or self._loop is asyncio.get_running_loop():
            self._waiting_for_stop += 1
            try:
                await asyncio.shield(self.begin_stop())
            finally:
                self._waiting_for_stop -= 1
            return
        is_going = isinstance(self._loop, EndingLoop) and self._loop.is_going
        if self.is_of_this_process and self._loop.is_running() and not is_going:
            try:
                async with asyncio.timeout(config.STOP_LIMIT + config.LOOP_LIMIT):
                    await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self.stop(), self._loop))
            except (TimeoutError, RuntimeError):
                logger.info("session %s: the event loop is not responding, or has just been closed", self.id)
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    raise
            else:
                return
        await on_own_thread(self.stop_without_loop)

    async def retire(self, why: str) -> None:
        """Stop the session without a request from the user; see `AsyncSession.retire`."""
        if not self.state.is_final and self.state is not SessionState.STOPPING:
            logger.warning("stopping session %s: %s", self.id, why)
            self._why_stopped = why
        await self.stop()

    def stop_without_loop(self, limit: float = config.STOP_LIMIT) -> None:
        """Stop the session on a separate connection; see `AsyncSession.stop_without_loop`."""
        if self.billing is not None and self.may_cost:
            try:
                self.billing.stop_without_loop(limit)
            except StopNotConfirmed as failure:
                self._error = failure
                self.call_on_loop(self.billing.pursue)
                raise
        if not self.state.is_final:
            self.state = SessionState.ENDED
            self.end_reason = self.end_reason or "USER_CLOSED"
            self._times.end()
        self.call_on_loop(self._release_on_loop)

    def _release_on_loop(self) -> None:
        if self._opening is not None and not self._opening.done():
            # the loop was blocked in the middle of a start, which is now continuing and must be stopped, too
            self.begin_stop()
        self._release()
        self._tasks.spawn(self._clean_up())

    async def wait_until_ended(self) -> None:
        """Wait until the session is over, whoever ended it."""
        await self._over.wait()

    # starting

    async def _open(self) -> None:
        try:
            await self._reach_connected()
        except LiveAvatarException as failure:
            await self._fail(failure)
            raise
        except Exception as failure:
            await self._fail(APIConnectionError(f"The start failed with an unexpected {type(failure).__name__}."))
            raise

    async def _reach_connected(self) -> None:
        self._advance(SessionState.STARTING)
        billing, has_cap = await self._get_token()
        self._refuse_if_stopped()
        # a separate task, so that we learn the call's outcome even if opening the session is cancelled
        self._start_call = asyncio.create_task(billing.start(has_cap=has_cap))
        started = await asyncio.shield(self._start_call)
        self._refuse_if_stopped()
        self._mark("start")
        wire, network = self._api.transport.wire, self._api.transport.network
        self.room = make_room_connection(
            started,
            self._options,
            wire,
            receive=weakly(self._receive_packet, nothing),
            on_change=self._on_change,
            on_loss=weakly(self._check_whether_over, nothing),
        )
        socket_url = None if started.ws_url is None else Masked(started.ws_url, "of a session")
        # a LITE session has no WebSocket if another vendor's agent runs it
        self.is_conversation = self._options.mode == "FULL" or (socket_url is None and self.room is not None)
        if self.is_conversation:
            self._hooks.speak_by_room(self.room)
            self._advance(SessionState.CONNECTING)
            # a conversation is connected as soon as the start call returns
            self._set_connected()
        elif socket_url is None:
            raise AvatarNeverCame("The service provided no WebSocket for the session.", session_id=self.id)
        else:
            await self._connect(WebSocket(socket_url, billing.session_id, wire, network))
        self._start_keep_alive()

    async def _get_token(self) -> tuple[Billing, bool]:
        """Get a token; return the session's `Billing`, and whether the token has the requested cap."""
        # start the guard while the token is being requested
        service = None if self._dependencies.is_simulated else service_of(self._api.transport)
        guard = asyncio.create_task(on_own_thread(lambda: running_sessions.prepare(service))) if service else None
        try:
            token, has_cap = await get_token(self._api, self._options, self._avatar_id, self._times)
            secret = Masked(token.session_token, "of a session")
            # background work that outlives the client must not keep the user's objects alive
            dependencies = replace(self._dependencies, tts=None)
            billing = self.billing = Billing(token.session_id, secret, self._times, dependencies)
            self.label.id = billing.session_id
            self._mark("token")
        finally:
            if guard is not None:
                await asyncio.wait([guard])
        return billing, has_cap

    async def _connect(self, socket: WebSocket) -> None:
        """Connect the WebSocket, and wait until the service reports `connected`.

        Raises:
            AvatarNeverCame: The service did not report `connected` in time, or the WebSocket could not be opened.
            SessionEnded: The session ended during the wait.
        """
        self.socket = socket
        self._hooks.speak_by_socket(socket)
        self._advance(SessionState.CONNECTING)
        listener = Listener(
            weakly(self._receive_frame, bool),
            weakly(self._hooks.lose_socket, nothing),
            weakly(self._has_ended_remotely, is_gone),
        )
        self._tasks.spawn(_listen(socket, listener, weakly(self._lose_socket, nothing_more)))
        try:
            async with asyncio.timeout(config.CONNECTED_TIMEOUT):
                await self._connected.wait()
        except TimeoutError:
            raise AvatarNeverCame(
                f"The service did not report `connected` within {config.CONNECTED_TIMEOUT:g} s.", session_id=self.id
            ) from None
        if self._socket_trouble is not None:
            raise AvatarNeverCame(
                f"The session's WebSocket could not be opened ({self._socket_trouble.words}).",
                session_id=self.id,
                remedy=self._socket_trouble.remedy,
            )
        if self.state is not SessionState.CONNECTED:
            raise SessionEnded(
                f"The session ended while it was starting: {self.end_words}.",
                session_id=self.id,
                end_reason=self.end_reason,
            )

    def _receive_packet(self, event: Event) -> None:
        """Handle an event from the room's data channel."""
        if self._hooks.receive_packet(event) and event.type == full.STOPPED:
            self._reported_reason = event.end_reason
            self._check_whether_over()

    def _check_whether_over(self) -> None:
        """Check now and again a little later whether the session is over, because its room may close just before."""
        if self.state is not SessionState.CONNECTED:
            return
        self._checks_left = 2
        if not self._is_asking:
            self._is_asking = True
            self._tasks.spawn(self._ask_whether_over())

    async def _ask_whether_over(self) -> None:
        try:
            while self._checks_left:
                self._checks_left -= 1
                if await self._has_ended_remotely():
                    return
                await self._dependencies.clock.sleep(config.LOOK_PAUSE)
        finally:
            self._is_asking = False
        if self.room is not None:
            self.room.miss_avatar()

    def _refuse_if_stopped(self) -> None:
        if self.state.is_final or self.state is SessionState.STOPPING:
            raise self._stopped_early()

    def _stopped_early(self) -> SessionEnded:
        return SessionEnded(
            "The session was stopped while it was starting.", session_id=self.id, end_reason=self.end_reason
        )

    async def _fail(self, failure: LiveAvatarException) -> None:
        """End the session after a failure of any kind; if the session may be billed, stop it by its id."""
        self._error = failure
        await self._tasks.end()
        billing = self.billing
        if billing is not None and billing.is_open:
            try:
                await self._stop_remote(billing)
            except StopNotConfirmed as unconfirmed:
                logger.warning("%s", unconfirmed)
                if surely_not_started(failure):
                    billing.settle()
            if isinstance(failure, StartOutcomeUnknown):
                await self._dependencies.clock.sleep(config.UNKNOWN_LOOKS[0])
                await billing.look_again()
            if isinstance(failure, StartOutcomeUnknown | AvatarNeverCame):
                remedy = failure.remedy if isinstance(failure, AvatarNeverCame) else AvatarNeverCame.default_remedy
                stopped = f"{STOPPED} {remedy}"
                failure.remedy = f"The session may still be running. {billing.bound}" if self.may_cost else stopped
        self._finish(SessionState.FAILED)
        await self._clean_up()

    def begin_stop(self) -> asyncio.Task[None]:
        """Return the task that stops the session, starting one if needed; it runs even if nobody awaits it."""
        if self._stopping is None or self._stopping.done():
            self._stopping = self._tasks.begin(self._stop(), "liveavatar_nb session stop")
            self._stopping.add_done_callback(self._tasks.report)
        return self._stopping

    async def _stop(self) -> None:
        session_label.set(self.label)
        self._advance(SessionState.STOPPING)
        self._hooks.hold()
        if self._start_call is not None:
            # if the stop request overtook the start request, the session would keep running
            await asyncio.wait([self._start_call])
        if self._opening is not None and not self._opening.done():
            self._tasks.dismiss(self._opening)
            # if a handler called `stop` during the opening, the opening is itself waiting for this stop
            await asyncio.wait([self._opening], timeout=config.LOOP_LIMIT)
        try:
            if self.billing is not None and self.billing.is_open:
                await self._stop_remote(self.billing)
        except StopNotConfirmed as failure:
            self._error = failure
            self._finish(SessionState.FAILED)
            await self._clean_up()
            raise
        if isinstance(self._error, StopNotConfirmed):
            self._error = None
        self.end_reason = self.end_reason or "USER_CLOSED"
        await self._tasks.end()
        self._finish(SessionState.ENDED)
        await self._clean_up()

    async def _stop_remote(self, billing: Billing) -> None:
        await billing.stop()
        if billing.record is not None:
            self.record = billing.record
            self.end_reason = self.record.end_reason or self.end_reason

    async def _lose_socket(self, lost: SocketTrouble) -> None:
        """End the session, because its WebSocket is lost for good."""
        if self.state is SessionState.CONNECTED:
            logger.error("session %s lost its WebSocket and is being stopped", self.id)
            await self._fail(APIConnectionError(f"The session's WebSocket was lost ({lost.words})."))
        self._socket_trouble = lost
        self._connected.set()

    def _receive_frame(self, event: Event | None) -> bool:
        """Handle a frame from the WebSocket; return whether it reports `connected`."""
        if event is None:
            logger.warning("session %s: ignored a frame that is not an event", self.id)
            return False
        self._hooks.receive_frame(event)
        if event.session_state != "connected":
            return False
        self._set_connected()
        return True

    def _set_connected(self) -> None:
        self._advance(SessionState.CONNECTED)
        if not self._connected.is_set():
            self._mark("connected")
            self._connected.set()

    def _start_keep_alive(self) -> None:
        assert self.billing is not None
        times = self._times
        hooks = KeepAliveHooks(
            weakly(self._send_keep_alive, nothing_more),
            weakly(self._has_ended_remotely, is_gone),
            self._on_change,
            weakly(self._stop_unwatched, nothing),
            self.billing.check_guard,
        )
        self._keep_alive = KeepAlive(
            hooks,
            self._audience,
            self._dependencies.clock,
            lambda: times.left,
            # a conversation has no WebSocket that would close, so ask the service once the cap is reached
            asks_at_cap=self.is_conversation,
        )
        self._tasks.spawn(self._keep_alive.run())

    async def _send_keep_alive(self) -> None:
        assert self.billing is not None
        await self._api.sessions.keep_alive(self.billing.session_id, session_token=self.billing.token)
        self._times.keep_alive()

    def _stop_unwatched(self) -> None:
        """Stop the session, because no page has shown it for too long."""
        logger.warning("stopping session %s: no page has shown it for %g s", self.id, self._options.unwatched)
        self._why_stopped = f"no page showed it for {self._options.unwatched:g} s"
        self.begin_stop()

    async def _has_ended_remotely(self) -> bool:
        """Return whether the session is over according to the service; if so, also end it locally."""
        billing = self.billing
        assert billing is not None
        if self.state in (SessionState.STOPPING, SessionState.ENDED, SessionState.FAILED):
            return True
        try:
            record = await self._api.sessions.get(billing.session_id)
            if record.is_active:
                if record.duration > self._times.elapsed + config.SLEEP_GAP:
                    self._times.correct(record.duration)
                return False
            self.record, self.end_reason = record, record.end_reason or self._reported_reason or "UNKNOWN"
        except NotFoundError:
            # "not found" alone does not prove that the session is over; a confirmed stop does
            try:
                await self._stop_remote(billing)
            except StopNotConfirmed as failure:
                logger.warning("%s", failure)
                return False
            self.end_reason = self.end_reason or self._reported_reason or "UNKNOWN"
        except LiveAvatarException as failure:
            logger.warning("could not look up the state of session %s: %s", self.id, failure.message)
            return False
        billing.settle()
        self._finish(SessionState.ENDED)
        await self._clean_up()
        return True

    def forget(self) -> None:
        """End the session without a stop request, because its service (a simulator) is gone and bills nothing."""
        if self.billing is not None:
            self.billing.forget()
        self._finish(SessionState.FAILED)
        self._tasks.spawn(self._clean_up())

    def forget_soon(self) -> None:
        """Schedule `forget` on the session's loop; can be called from any thread."""
        self.call_on_loop(self.forget)

    # bookkeeping

    def _advance(self, state: SessionState) -> None:
        if self.state.may_become(state):
            self.state = state
            logger.info("session %s is %s", self.id, state)
            self._on_change()

    def _mark(self, step: str) -> None:
        self._times.mark(step)
        self._on_change()

    def _finish(self, state: SessionState) -> None:
        self._times.end()
        self._advance(state)
        self._release()

    def _release(self) -> None:
        """Wake everyone who is waiting for the session's end, and cancel the session's background tasks."""
        self._connected.set()
        self._over.set()
        self._hooks.close(self.ended_error())
        if self.room is not None:
            self.room.end()
        self._tasks.dismiss_all()
        self._tasks.unwatch_loop()
        running_sessions.tidy()
        self._on_change()

    def let_go(self) -> None:
        """Leave any unfinished checks to the guard, because the client is being closed (thread-safe)."""
        if self.billing is not None:
            self.call_on_loop(self.billing.let_go)

    def leave_to_guard(self) -> None:
        """Have the guard stop the session, because this process can no longer do so."""
        if self.billing is not None:
            self.billing.lose_loop()

    def _on_loop_ending(self) -> None:
        """Have the guard stop the session, because the loop is shutting down and can no longer do so."""
        if self.stop_is_confirmed:
            return
        if self.billing is not None:
            self.billing.lose_loop()
        if self._dependencies.made_context is not None:
            self._dependencies.made_context.give_up()
        self._error = self._error or LoopEnded(session_id=self.id)
        self._finish(SessionState.FAILED)

    def _on_loop_closed(self) -> None:
        """Stop the session from a new thread, because the loop was closed without its tasks being cancelled."""
        if self.state.is_final or not self.is_of_this_process:
            return
        self._error = LoopEnded(session_id=self.id)
        self.state = SessionState.FAILED
        self._times.end()
        logger.warning("stopping session %s: its event loop was closed while the session was live", self.id)
        try:
            threading.Thread(target=self._stop_on_thread, name=THREAD_NAME, daemon=True).start()
        except RuntimeError:  # out of threads, or the interpreter is exiting
            if self.billing is not None:
                self.billing.lose_loop()

    def _stop_on_thread(self) -> None:
        with contextlib.suppress(StopNotConfirmed):  # the guard keeps trying to stop the session
            self.stop_without_loop()

    async def _clean_up(self) -> None:
        """Clean up after the session, at most once; the work continues even if nobody waits for it."""
        if self._clearing is None:
            self._clearing = self._tasks.begin(self._clear(), "liveavatar_nb session cleanup")
            self._clearing.add_done_callback(self._tasks.report)
        await asyncio.shield(self._clearing)

    async def _clear(self) -> None:
        try:
            if self.room is not None:
                await self.room.close()
        finally:
            if self._dependencies.made_context is not None:
                await self._dependencies.made_context.delete()

    def _report(self, failure: BaseException) -> None:
        if isinstance(failure, StopNotConfirmed) and self._waiting_for_stop:
            return  # whoever waits for the stop gets the error
        # our own errors need no traceback: the message is enough, and anyone waiting gets the error
        traceback = None if isinstance(failure, LiveAvatarException) else failure
        logger.error("session %s: %s", self.id, failure, exc_info=traceback)


async def _listen(socket: WebSocket, listener: Listener, lose: Callable[[SocketTrouble], Awaitable[None]]) -> None:
    """Listen until the session is over or no longer in memory; if the WebSocket is lost for good, call `lose`."""
    lost = await socket.listen(listener)
    if lost is not None:
        await lose(lost)
