"""`SessionLifecycle`: the life of one session, from the token to the stop."""

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
from ..protection.running import leftovers, service_of
from ..protocol import full
from ..protocol.events import Event
from ..protocol.websocket import Listener, SocketTrouble, WebSocket
from ..rest.resources.sessions import surely_not_started
from ..rooms.connection import RoomLine
from ..wirelog.exchange import SessionLabel, session_label
from .billing import Liability
from .dependencies import Dependencies
from .keep_alive import Audience, Duties, Upkeep
from .opening import get_token, way_into_room
from .options import SessionOptions, SessionState
from .tasks import SessionTasks
from .timings import Stopwatch

logger = logging.getLogger("liveavatar_nb.session")

STOPPED = "The session was stopped."


@dataclass(frozen=True)
class Hooks:
    """What a lifecycle calls as the life of its session goes on, always on the session's loop.

    Args:
        speak_by_socket: takes the WebSocket of a session that is played sound to.
        speak_by_room: takes the room of a conversation, or None if the service named none.
        receive_frame: takes an event that came by the WebSocket.
        receive_packet: takes an event that came by the room; returns whether it is new, and this session's.
        lose_socket: fails what was being said: the WebSocket is lost, and may come back.
        hold: sends nothing more: the session is being stopped.
        close: ends all that is said, and all that waits, with that error: the session is over.
    """

    speak_by_socket: Callable[[WebSocket], None]
    speak_by_room: Callable[[RoomLine | None], None]
    receive_frame: Callable[[Event], None]
    receive_packet: Callable[[Event], bool]
    lose_socket: Callable[[], None]
    hold: Callable[[], None]
    close: Callable[[SessionEnded], None]


class SessionLifecycle:
    """The life of one session: how it starts, is kept alive and stops, and what else ends it.

    Args:
        avatar_id: which avatar.
        options: what it is started with.
        dependencies: what it has of its client.
        times: takes down when its steps came.
        audience: knows which pages show it.
        hooks: what is to be done as its life goes on.

    Attributes:
        state: where it is in its life.
        liability: what of it may be billed; None until the token came.
        record: what the service says of it once it ended.
        end_reason: the contract's end reason; None while it lives.
        room: the way into its room; None until the start call answered.
        socket: its WebSocket; None until the start call answered, and in a conversation.
        is_conversation: whether it goes by its room's data channel: FULL, or LITE if the service gave no WebSocket.
        label: marks what goes over the wire for it.
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
        self.liability: Liability | None = None
        self.record: SessionRecord | None = None
        self.end_reason: str | None = None
        self.room: RoomLine | None = None
        self.socket: WebSocket | None = None
        self.is_conversation = options.mode == "FULL"
        self.label = SessionLabel()
        self._error: LiveAvatarException | None = None
        self._why_stopped: str | None = None  # if it was not the user who stopped it
        self._loop: asyncio.AbstractEventLoop | None = None
        self._opening: asyncio.Task[None] | None = None
        self._start_call: asyncio.Task[StartedSession] | None = None
        self._stopping: asyncio.Task[None] | None = None
        self._clearing: asyncio.Task[None] | None = None
        self._tasks = SessionTasks(
            weakly(self._report, nothing), weakly(self._lose_loop, nothing), 2 * config.SOCKET_CLOSE_TIMEOUT
        )
        self._upkeep: Upkeep | None = None
        self._connected = asyncio.Event()
        self._socket_trouble: SocketTrouble | None = None
        self._doubts = 0  # how often the service is still to be asked whether it lives
        self._is_asking = False
        self._over = asyncio.Event()

    @property
    def id(self) -> str | None:
        """The service's id; None until the token came."""
        return None if self.liability is None else self.liability.session_id

    @property
    def may_cost(self) -> bool:
        """Whether it may be billed at the service."""
        return self.liability is not None and self.liability.is_open

    @property
    def stop_is_confirmed(self) -> bool:
        """Whether it is over and nothing of it runs at the service any more."""
        return self.state.is_final and not self.may_cost

    @property
    def is_pursued(self) -> bool:
        """Whether the outcome of its start, or its stop, is still looked for in the background."""
        return self.liability is not None and self.liability.is_pursued

    @property
    def is_degraded(self) -> bool:
        """Whether so many keep-alives in a row failed that the service may end it."""
        return self._upkeep is not None and self._upkeep.is_degraded and not self.state.is_final

    @property
    def is_of_this_process(self) -> bool:
        """Whether this process started it, and not the one that it was forked from."""
        return self._pid == os.getpid()

    @property
    def error(self) -> LiveAvatarException | None:
        """What went wrong, if it failed; a stop that was confirmed later on is nothing wrong any more."""
        return None if isinstance(self._error, StopNotConfirmed) and self.stop_is_confirmed else self._error

    @property
    def end_words(self) -> str | None:
        """Why it ended, in words; None while it lives."""
        if self.error is not None:
            return self.error.message.rstrip(".")
        if self._why_stopped is not None and self.state.is_final:
            return self._why_stopped
        reason = self.end_reason or ("USER_CLOSED" if self._error is not None else None)
        return END_WORDS.get(reason, reason) if reason else None

    @property
    def clearing(self) -> asyncio.Task[None] | None:
        """What is done once it is over: its room is left, and what was made for it is deleted."""
        return self._clearing

    def ended_error(self) -> SessionEnded:
        """Make the error for those who want something of a session that is over."""
        words = f": {self.end_words}" if self.end_words else ""
        return SessionEnded(f"The session has ended{words}.", session_id=self.id, end_reason=self.end_reason)

    def refuse_ended(self) -> None:
        """Refuse what only a session can do that goes on, and is of this process.

        Raises:
            SessionEnded: it is over, or is being stopped.
            SessionError: it is of the process that this one was forked from.
        """
        self.refuse_fork()
        if self.state.is_final or self.state is SessionState.STOPPING:
            raise self.ended_error()

    def refuse_fork(self) -> None:
        """Refuse what only the process can do that started it.

        Raises:
            SessionError: it is of the process that this one was forked from.
        """
        if not self.is_of_this_process:
            raise SessionError(
                "The session belongs to the process that this one was forked from.",
                session_id=self.id,
                remedy="Speak there, or start one here.",
            )

    def call_on_loop(self, callback: Callable[[], object]) -> None:
        """Call something on the session's loop, from any thread; before the start, and on a closed loop, do nothing."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # it is closed, and with it all that waited
                self._loop.call_soon_threadsafe(callback)

    async def open(self) -> None:
        """Start it, as `AsyncSession.open` says."""
        self._loop = asyncio.get_running_loop()
        self._tasks.mind_loop(weakly(self._miss_loop, nothing), config.LOOP_LIFE)
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
        """Stop it, as `AsyncSession.stop` says."""
        if self.stop_is_confirmed:
            return
        if self._loop is None or self._loop is asyncio.get_running_loop():
            await asyncio.shield(self.begin_stop())
            return
        is_going = isinstance(self._loop, EndingLoop) and self._loop.is_going
        if self.is_of_this_process and self._loop.is_running() and not is_going:
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

    async def retire(self, why: str) -> None:
        """Stop it, as `AsyncSession.retire` says."""
        if not self.state.is_final and self.state is not SessionState.STOPPING:
            logger.warning("session %s is stopped: %s", self.id, why)
            self._why_stopped = why
        await self.stop()

    def stop_without_loop(self, limit: float = config.STOP_LIMIT) -> None:
        """Stop it, as `AsyncSession.stop_without_loop` says."""
        if self.liability is not None and self.may_cost:
            try:
                self.liability.stop_without_loop(limit)
            except StopNotConfirmed as failure:
                self._error = failure
                self.call_on_loop(self.liability.pursue)
                raise
        if not self.state.is_final:
            self.state = SessionState.ENDED
            self.end_reason = self.end_reason or "USER_CLOSED"
            self._times.end()
        self.call_on_loop(self._close_up_on_loop)

    def _close_up_on_loop(self) -> None:
        if self._opening is not None and not self._opening.done():
            # the loop was busy in the middle of a start, which goes on now: what comes of it is stopped, too
            self.begin_stop()
        self._close_up()
        self._tasks.spawn(self._clear_away())

    async def wait_until_ended(self) -> None:
        """Return when the session is over, whoever ended it."""
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
        liability, has_cap = await self._get_token()
        self._refuse_if_stopped()
        # the call is a task of its own, so that its outcome is always learnt
        self._start_call = asyncio.create_task(liability.start(has_cap=has_cap))
        started = await asyncio.shield(self._start_call)
        self._refuse_if_stopped()
        self._mark("start")
        wire, network = self._api.transport.wire, self._api.transport.network
        self.room = way_into_room(
            started,
            self._options,
            wire,
            receive=weakly(self._receive_packet, nothing),
            on_change=self._on_change,
            on_loss=weakly(self._doubt, nothing),
        )
        socket_url = None if started.ws_url is None else Masked(started.ws_url, "of a session")
        del started
        # LITE has no WebSocket where an agent of another vendor leads it
        self.is_conversation = self._options.mode == "FULL" or (socket_url is None and self.room is not None)
        if self.is_conversation:
            self._hooks.speak_by_room(self.room)
            self._advance(SessionState.CONNECTING)
            # it is there once the start call answered
            self._arrive()
        elif socket_url is None:
            raise AvatarNeverCame("The service gave the session no WebSocket.", session_id=self.id)
        else:
            await self._connect(WebSocket(socket_url, liability.session_id, wire, network))
        self._keep_up()

    async def _get_token(self) -> tuple[Liability, bool]:
        """Get a token; return what may be billed with it, and whether it has the cap that was asked for."""
        # the guard comes up while the token is on its way
        service = None if self._dependencies.is_simulated else service_of(self._api.transport)
        guard = asyncio.create_task(on_own_thread(lambda: leftovers.prepare(service))) if service else None
        try:
            token, has_cap = await get_token(self._api, self._options, self._avatar_id, self._times)
            secret = Masked(token.session_token, "of a session")
            # what goes on behind a client that is gone holds nothing of the user's
            dependencies = replace(self._dependencies, tts=None)
            liability = self.liability = Liability(token.session_id, secret, self._times, dependencies)
            del token
            self.label.id = liability.session_id
            self._mark("token")
        finally:
            if guard is not None:
                await asyncio.wait([guard])
        return liability, has_cap

    async def _connect(self, socket: WebSocket) -> None:
        """Have the session speak by its WebSocket; return once the avatar is there.

        Raises:
            AvatarNeverCame: it did not come in time, or the WebSocket could not be opened.
            SessionEnded: the session ended meanwhile.
        """
        self.socket = socket
        self._hooks.speak_by_socket(socket)
        self._advance(SessionState.CONNECTING)
        listener = Listener(
            weakly(self._receive_frame, bool),
            weakly(self._hooks.lose_socket, nothing),
            weakly(self._ended_at_the_service, is_gone),
        )
        self._tasks.spawn(_converse(socket, listener, weakly(self._lose_socket, nothing_more)))
        try:
            async with asyncio.timeout(config.CONNECTED_TIMEOUT):
                await self._connected.wait()
        except TimeoutError:
            raise AvatarNeverCame(
                f"The service did not say `connected` within {config.CONNECTED_TIMEOUT:g} s.", session_id=self.id
            ) from None
        if self._socket_trouble is not None:
            raise AvatarNeverCame(
                f"The session's WebSocket could not be opened ({self._socket_trouble.words}).",
                session_id=self.id,
                remedy=self._socket_trouble.remedy,
            )
        if self.state is not SessionState.CONNECTED:
            raise SessionEnded(
                f"The session ended while it started: {self.end_words}.",
                session_id=self.id,
                end_reason=self.end_reason,
            )

    def _receive_packet(self, event: Event) -> None:
        """Take an event of the room's data channel in."""
        if self._hooks.receive_packet(event) and event.type == full.STOPPED:
            self._doubt()

    def _doubt(self) -> None:
        """It may have ended: the service is asked now, and once more a little later, for its room may end first."""
        if self.state is not SessionState.CONNECTED:
            return
        self._doubts = 2
        if not self._is_asking:
            self._is_asking = True
            self._tasks.spawn(self._look_whether_over())

    async def _look_whether_over(self) -> None:
        try:
            while self._doubts:
                self._doubts -= 1
                if await self._ended_at_the_service():
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
        return SessionEnded("The session was stopped while it started.", session_id=self.id, end_reason=self.end_reason)

    async def _fail(self, failure: LiveAvatarException) -> None:
        """The end that follows a failure: what may be billed is stopped by its id, whatever the failure was."""
        self._error = failure
        await self._tasks.end()
        liability = self.liability
        if liability is not None and liability.is_open:
            try:
                await self._stop_remote(liability)
            except StopNotConfirmed as unconfirmed:
                logger.warning("%s", unconfirmed)
                if surely_not_started(failure):
                    liability.settle()
            if isinstance(failure, StartOutcomeUnknown):
                await self._dependencies.clock.sleep(config.UNKNOWN_LOOKS[0])
                await liability.look_again()
            if isinstance(failure, StartOutcomeUnknown | AvatarNeverCame):
                remedy = failure.remedy if isinstance(failure, AvatarNeverCame) else AvatarNeverCame.default_remedy
                stopped = f"{STOPPED} {remedy}"
                failure.remedy = f"Its stop is not confirmed. {liability.bound}" if self.may_cost else stopped
        self._finish(SessionState.FAILED)
        await self._clear_away()

    def begin_stop(self) -> asyncio.Task[None]:
        """Return the stop under way, or begin one; it goes on if nobody waits for it."""
        if self._stopping is None or self._stopping.done():
            self._stopping = self._tasks.begin(self._stop(), "liveavatar_nb session stop")
            self._stopping.add_done_callback(self._tasks.report)
        return self._stopping

    async def _stop(self) -> None:
        session_label.set(self.label)
        self._advance(SessionState.STOPPING)
        self._hooks.hold()
        if self._start_call is not None:
            # a stop that overtakes its start would leave the session running
            await asyncio.wait([self._start_call])
        if self._opening is not None and not self._opening.done():
            self._tasks.dismiss(self._opening)
            # it may stand below on this very stack, where a handler of ours has called
            await asyncio.wait([self._opening], timeout=config.LOOP_LIMIT)
        try:
            if self.liability is not None and self.liability.is_open:
                await self._stop_remote(self.liability)
        except StopNotConfirmed as failure:
            self._error = failure
            self._finish(SessionState.FAILED)
            await self._clear_away()
            raise
        if isinstance(self._error, StopNotConfirmed):
            self._error = None
        self.end_reason = self.end_reason or "USER_CLOSED"
        await self._tasks.end()
        self._finish(SessionState.ENDED)
        await self._clear_away()

    async def _stop_remote(self, liability: Liability) -> None:
        await liability.stop()
        if liability.record is not None:
            self.record = liability.record
            self.end_reason = self.record.end_reason or self.end_reason

    async def _lose_socket(self, lost: SocketTrouble) -> None:
        """The WebSocket is lost for good, which ends the session."""
        if self.state is SessionState.CONNECTED:
            logger.error("session %s lost its WebSocket and is stopped", self.id)
            await self._fail(APIConnectionError(f"The session's WebSocket was lost ({lost.words})."))
        self._socket_trouble = lost
        self._connected.set()

    def _receive_frame(self, event: Event | None) -> bool:
        """Take a frame of the WebSocket in; return whether it says that the avatar is there."""
        if event is None:
            logger.warning("session %s: a frame that is no event was ignored", self.id)
            return False
        self._hooks.receive_frame(event)
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
        assert self.liability is not None
        times = self._times
        duties = Duties(
            weakly(self._keep_alive, nothing_more),
            weakly(self._ended_at_the_service, is_gone),
            self._on_change,
            weakly(self._leave, nothing),
            self.liability.check_guard,
        )
        # a conversation has no WebSocket that closes: its end is asked for when it is due
        is_blind = self.is_conversation
        self._upkeep = Upkeep(
            duties, self._audience, self._dependencies.clock, lambda: times.left, asks_at_cap=is_blind
        )
        self._tasks.spawn(self._upkeep.run())

    async def _keep_alive(self) -> None:
        assert self.liability is not None
        await self._api.sessions.keep_alive(self.liability.session_id, session_token=self.liability.token)
        self._times.keep_alive()

    def _leave(self) -> None:
        """Nobody watches."""
        logger.warning("session %s is stopped: no page showed it for %g s", self.id, self._options.unwatched)
        self._why_stopped = f"no page showed it for {self._options.unwatched:g} s"
        self.begin_stop()

    async def _ended_at_the_service(self) -> bool:
        """Asks the service; if it ended the session, so do we."""
        liability = self.liability
        assert liability is not None
        if self.state in (SessionState.STOPPING, SessionState.ENDED, SessionState.FAILED):
            return True
        try:
            record = await self._api.sessions.get(liability.session_id)
            if record.is_active:
                if record.duration > self._times.elapsed + config.SLEEP_GAP:
                    self._times.correct(record.duration)
                return False
            self.record, self.end_reason = record, record.end_reason or "UNKNOWN"
        except NotFoundError:
            # by itself that proves nothing: a stop, and the list of active sessions, do
            try:
                await self._stop_remote(liability)
            except StopNotConfirmed as failure:
                logger.warning("%s", failure)
                return False
            self.end_reason = self.end_reason or "UNKNOWN"
        except LiveAvatarException as failure:
            logger.warning("session %s: cannot ask how it is: %s", self.id, failure.message)
            return False
        liability.settle()
        self._finish(SessionState.ENDED)
        await self._clear_away()
        return True

    def forget(self) -> None:
        """Take it as over without a stop: for a service that is gone with all it billed, as a simulator."""
        if self.liability is not None:
            self.liability.forget()
        self._finish(SessionState.FAILED)
        self._tasks.spawn(self._clear_away())

    def forget_soon(self) -> None:
        """Do as `forget` does, from any thread."""
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
        self._close_up()

    def _close_up(self) -> None:
        """Lets go of all that waited for its end, or worked until then."""
        self._connected.set()
        self._over.set()
        self._hooks.close(self.ended_error())
        if self.room is not None:
            self.room.end()
        self._tasks.dismiss_all()
        self._tasks.mind_loop_no_more()
        leftovers.tidy()
        self._on_change()

    def let_go(self) -> None:
        """Leave what is still to be looked for to the guard: its client is closed, on whichever thread."""
        if self.liability is not None:
            self.call_on_loop(self.liability.let_go)

    def leave_to_guard(self) -> None:
        """Have the guard stop it: this process can do nothing more for it."""
        if self.liability is not None:
            self.liability.lose_loop()

    def _lose_loop(self) -> None:
        """The loop ends, and nothing here keeps the session alive any more: the guard is to stop it."""
        if self.stop_is_confirmed:
            return
        if self.liability is not None:
            self.liability.lose_loop()
        if self._dependencies.made_context is not None:
            self._dependencies.made_context.give_up()
        self._error = self._error or LoopEnded(session_id=self.id)
        self._finish(SessionState.FAILED)

    def _miss_loop(self) -> None:
        """The loop was closed without a word to its tasks: no keep-alive follows, and nobody hears of the end."""
        if self.state.is_final or not self.is_of_this_process:
            return
        self._error = LoopEnded(session_id=self.id)
        self.state = SessionState.FAILED
        self._times.end()
        logger.warning("session %s is stopped: its event loop was closed while it was live", self.id)
        try:
            threading.Thread(target=self._stop_behind, name=THREAD_NAME, daemon=True).start()
        except RuntimeError:  # there are no more of them, or the interpreter ends
            if self.liability is not None:
                self.liability.lose_loop()

    def _stop_behind(self) -> None:
        with contextlib.suppress(StopNotConfirmed):  # then the guard goes on
            self.stop_without_loop()

    async def _clear_away(self) -> None:
        """It is over: what is left of it is cleared away, once and to the end, whoever waits for that."""
        if self._clearing is None:
            self._clearing = self._tasks.begin(self._clear(), "liveavatar_nb session clearing")
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
        # one of ours says it all in words, and whoever waits has it raised
        traceback = None if isinstance(failure, LiveAvatarException) else failure
        logger.error("session %s: %s", self.id, failure, exc_info=traceback)


async def _converse(socket: WebSocket, listener: Listener, lose: Callable[[SocketTrouble], Awaitable[None]]) -> None:
    """Listens until the session is over, or gone; what was lost for good ends it."""
    lost = await socket.listen(listener)
    if lost is not None:
        await lose(lost)
