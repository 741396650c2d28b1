"""`AsyncSession`: the life of one session, from the token to the stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn, Self

from .. import config
from ..concurrency.tasks import SessionTasks
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
    StartOutcomeUnknown,
    StopNotConfirmed,
)
from ..models.avatars import Avatar
from ..models.sessions import StartedSession
from ..protection.running import leftovers, service_of
from ..protocol import full
from ..protocol.events import Event
from ..protocol.websocket import Listener, SocketTrouble, WebSocket
from ..rest.resources.sessions import surely_not_started
from ..validation import not_async
from ..wirelog.exchange import session_label
from .billing import Liability
from .dependencies import Dependencies
from .keep_alive import Duties, Ear, Upkeep
from .opening import get_token, way_into_room
from .options import SessionOptions, SessionState
from .session import SessionTalk

logger = logging.getLogger("liveavatar_nb.session")

STOPPED = "The session was stopped."


class AsyncSession(SessionTalk):
    """One session with an avatar; `AsyncLiveAvatar.start` makes it.

    `async with` stops it when the block is left. `stop()` works in every state, and twice.
    """

    def __init__(self, avatar: Avatar, options: SessionOptions, dependencies: Dependencies) -> None:
        super().__init__(avatar, options, dependencies)
        self._api = dependencies.api
        self._on_change = dependencies.on_change
        self._opening: asyncio.Task[None] | None = None
        self._start_call: asyncio.Task[StartedSession] | None = None
        self._stopping: asyncio.Task[None] | None = None
        self._clearing: asyncio.Task[None] | None = None
        self._tasks = SessionTasks(
            weakly(self._report, nothing), weakly(self._lose_loop, nothing), 2 * config.SOCKET_CLOSE_TIMEOUT
        )
        self._owner: object = None
        self._connected = asyncio.Event()
        self._socket_trouble: SocketTrouble | None = None
        self._doubts = 0  # how often the service is still to be asked whether it lives
        self._is_asking = False
        self._over = asyncio.Event()

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> NoReturn:
            raise not_async(self, name, ["view"])

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self.is_of_this_process:
            await self.stop()

    def belong_to(self, owner: object) -> None:
        """Keeps `owner`, its client, for as long as this is kept: a session that is in use holds it."""
        self._owner = owner

    async def open(self) -> None:
        """Token, start, and the wait for the avatar; `AsyncLiveAvatar.start` calls it.

        Cancelled, it raises at once; what it began is awaited and stopped behind it.

        Raises:
            AvatarNeverCame: the service never said `connected`; the session was stopped.
            StartOutcomeUnknown: no usable answer came to the start call; the session was stopped by its id.
            SessionEnded: it was stopped, or ended, while it started.
        """
        self._loop = asyncio.get_running_loop()
        self._tasks.mind_loop(weakly(self._miss_loop, nothing), config.LOOP_LIFE)
        session_label.set(self._label)
        self._opening = self._tasks.begin(self._open(), "liveavatar_nb session opening")
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

    async def retire(self, why: str) -> None:
        """Stops it although nobody asked for that: it would be billed, and show nothing.

        Args:
            why: what `end_words` says.

        Raises:
            StopNotConfirmed: as for `stop`.
        """
        if not self._state.is_final and self._state is not SessionState.STOPPING:
            logger.warning("session %s is stopped: %s", self.id, why)
            self._why_stopped = why
        await self.stop()

    def stop_without_loop(self, limit: float = config.STOP_LIMIT) -> None:
        """Stops the session from any thread, by a connection of its own: for where the loop is dead or busy.

        Args:
            limit: seconds for it.

        Raises:
            StopNotConfirmed: the service did not confirm it; the guard goes on.
        """
        if self._liability is not None and self._may_cost:
            try:
                self._liability.stop_without_loop(limit)
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
        self._tasks.spawn(self._clear_away())

    def beat(self, page: str = "", ear: Ear | None = None) -> None:
        """A page shows it. From the first time on it is stopped where no page has shown it for `unwatched` seconds.

        Args:
            page: its id.
            ear: the way by which it was heard, where a running cell can hold that up.
        """
        was_missed = self._audience.is_missed
        self._audience.beat(page, ear)
        if was_missed:
            self._on_change()

    def leave(self, page: str) -> bool:
        """A page is gone, as it seems; whether it has shown the session, and no other page does."""
        return self._audience.leave(page)

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
        service = None if self._dependencies.is_simulated else service_of(self._api.transport)
        guard = asyncio.create_task(on_own_thread(lambda: leftovers.prepare(service))) if service else None
        try:
            token, has_cap = await get_token(self._api, self._options, self._avatar.id, self._times)
            secret = Masked(token.session_token, "of a session")
            # what goes on behind a client that is gone holds nothing of the user's
            dependencies = replace(self._dependencies, tts=None)
            liability = self._liability = Liability(token.session_id, secret, self._times, dependencies)
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
        wire, network = self._api.transport.wire, self._api.transport.network
        self._room = way_into_room(
            started,
            self._options,
            wire,
            receive=weakly(self._take, nothing),
            on_change=self._on_change,
            on_loss=weakly(self._doubt, nothing),
        )
        # LITE has no WebSocket where an agent of another vendor leads it
        self._is_conversation = self.mode == "FULL" or (started.ws_url is None and self._room is not None)
        if self._is_conversation:
            # it is there once the start call answered
            self._begin_conversation()
            return
        if started.ws_url is None:
            raise AvatarNeverCame("The service gave the session no WebSocket.", session_id=self.id)
        socket = WebSocket(Masked(started.ws_url, "of a session"), liability.session_id, wire, network)
        del started
        self._speech.connect(socket)
        self._advance(SessionState.CONNECTING)
        listener = Listener(
            weakly(self._receive, bool),
            weakly(self._speech.lost, nothing),
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
        if self._state is not SessionState.CONNECTED:
            raise SessionEnded(
                f"The session ended while it started: {self.end_words}.",
                session_id=self.id,
                end_reason=self._end_reason,
            )
        self._keep_up()

    def _begin_conversation(self) -> None:
        self._events.types = full.EVENT_TYPES
        self._conversation.on_text = weakly(self._answer, nothing)
        self._conversation.on_hush = weakly(self._answer_no_more, nothing)
        if self._room is not None:
            self._conversation.connect(self._room)
            if self._room.kind == "drawn" or self._answerer is not None:
                self._room.need()
        self._advance(SessionState.CONNECTING)
        self._arrive()
        self._keep_up()

    def _take(self, event: Event) -> None:
        """An event of the room's data channel."""
        if not self._conversation.receive(event):
            return
        self._events.put(event)
        if event.type == full.STOPPED:
            self._doubt()

    def _doubt(self) -> None:
        """It may have ended: the service is asked now, and once more a little later, for its room may end first."""
        if self._state is not SessionState.CONNECTED:
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
        if self._room is not None:
            self._room.miss_avatar()

    def _refuse_if_stopped(self) -> None:
        if self._state.is_final or self._state is SessionState.STOPPING:
            raise self._stopped_early()

    def _stopped_early(self) -> SessionEnded:
        return SessionEnded(
            "The session was stopped while it started.", session_id=self.id, end_reason=self._end_reason
        )

    async def _fail(self, failure: LiveAvatarException) -> None:
        """The end that follows a failure: what may be billed is stopped by its id, whatever the failure was."""
        self._error = failure
        await self._tasks.end()
        liability = self._liability
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
                failure.remedy = f"Its stop is not confirmed. {liability.bound}" if self._may_cost else stopped
        self._finish(SessionState.FAILED)
        await self._clear_away()

    def _begin_stop(self) -> asyncio.Task[None]:
        """The stop under way, or a new one; it goes on if nobody waits for it."""
        if self._stopping is None or self._stopping.done():
            self._stopping = self._tasks.begin(self._stop(), "liveavatar_nb session stop")
            self._stopping.add_done_callback(self._tasks.report)
        return self._stopping

    async def _stop(self) -> None:
        session_label.set(self._label)
        self._advance(SessionState.STOPPING)
        self._speech.hold()
        if self._start_call is not None:
            # a stop that overtakes its start would leave the session running
            await asyncio.wait([self._start_call])
        if self._opening is not None and not self._opening.done():
            self._tasks.dismiss(self._opening)
            # it may stand below on this very stack, where a handler of ours has called
            await asyncio.wait([self._opening], timeout=config.LOOP_LIMIT)
        try:
            if self._liability is not None and self._liability.is_open:
                await self._stop_remote(self._liability)
        except StopNotConfirmed as failure:
            self._error = failure
            self._finish(SessionState.FAILED)
            await self._clear_away()
            raise
        if isinstance(self._error, StopNotConfirmed):
            self._error = None
        self._end_reason = self._end_reason or "USER_CLOSED"
        await self._tasks.end()
        self._finish(SessionState.ENDED)
        await self._clear_away()

    async def _stop_remote(self, liability: Liability) -> None:
        await liability.stop()
        if liability.record is not None:
            self._record = liability.record
            self._end_reason = self._record.end_reason or self._end_reason

    async def _lose_socket(self, lost: SocketTrouble) -> None:
        """The WebSocket is lost for good, which ends the session."""
        if self._state is SessionState.CONNECTED:
            logger.error("session %s lost its WebSocket and is stopped", self.id)
            await self._fail(APIConnectionError(f"The session's WebSocket was lost ({lost.words})."))
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
        times = self._times
        duties = Duties(
            weakly(self._keep_alive, nothing_more),
            weakly(self._ended_at_the_service, is_gone),
            self._on_change,
            weakly(self._leave, nothing),
            self._liability.check_guard,
        )
        # a conversation has no WebSocket that closes: its end is asked for when it is due
        is_blind = self._is_conversation
        self._upkeep = Upkeep(
            duties, self._audience, self._dependencies.clock, lambda: times.left, asks_at_cap=is_blind
        )
        self._tasks.spawn(self._upkeep.run())

    async def _keep_alive(self) -> None:
        assert self._liability is not None
        await self._api.sessions.keep_alive(self._liability.session_id, session_token=self._liability.token)
        self._times.keep_alive()

    def _leave(self) -> None:
        """Nobody watches."""
        logger.warning("session %s is stopped: no page showed it for %g s", self.id, self._options.unwatched)
        self._why_stopped = f"no page showed it for {self._options.unwatched:g} s"
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
        await self._clear_away()
        return True

    def forget(self) -> None:
        """Takes it as over without a stop: for a service that is gone with all it billed, as a simulator."""
        if self._liability is not None:
            self._liability.forget()
        self._finish(SessionState.FAILED)
        self._tasks.spawn(self._clear_away())

    def forget_soon(self) -> None:
        """As `forget`, from any thread."""
        self._tell_loop(self.forget)

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
        self._conversation.close(self._ended_error())
        if self._room is not None:
            self._room.end()
        self._events.close()
        self._tasks.dismiss_all()
        self._tasks.mind_loop_no_more()
        leftovers.tidy()
        self._on_change()

    def let_go(self) -> None:
        """Its client is closed, on whichever thread: what is still to be looked for is the guard's."""
        if self._liability is not None:
            self._tell_loop(self._liability.let_go)

    def leave_to_guard(self) -> None:
        """Has the guard stop it, where this process can do nothing more for it."""
        if self._liability is not None:
            self._liability.lose_loop()

    def _lose_loop(self) -> None:
        """The loop ends, and nothing here keeps the session alive any more: the guard is to stop it."""
        if self.stop_is_confirmed:
            return
        if self._liability is not None:
            self._liability.lose_loop()
        if self._dependencies.made_context is not None:
            self._dependencies.made_context.give_up()
        self._error = self._error or LoopEnded(session_id=self.id)
        self._finish(SessionState.FAILED)

    def _miss_loop(self) -> None:
        """The loop was closed without a word to its tasks: no keep-alive follows, and nobody hears of the end."""
        if self._state.is_final or not self.is_of_this_process:
            return
        self._error = LoopEnded(session_id=self.id)
        self._state = SessionState.FAILED
        self._times.end()
        logger.warning("session %s is stopped: its event loop was closed while it was live", self.id)
        try:
            threading.Thread(target=self._stop_behind, name=THREAD_NAME, daemon=True).start()
        except RuntimeError:  # there are no more of them, or the interpreter ends
            if self._liability is not None:
                self._liability.lose_loop()

    def _stop_behind(self) -> None:
        with contextlib.suppress(StopNotConfirmed):  # then the guard goes on
            self.stop_without_loop()

    @property
    def clearing(self) -> asyncio.Task[None] | None:
        """What is done once it is over: its room is left, and what was made for it is deleted."""
        return self._clearing

    async def _clear_away(self) -> None:
        """It is over: what is left of it is cleared away, once and to the end, whoever waits for that."""
        if self._clearing is None:
            self._clearing = self._tasks.begin(self._clear(), "liveavatar_nb session clearing")
            self._clearing.add_done_callback(self._tasks.report)
        await asyncio.shield(self._clearing)

    async def _clear(self) -> None:
        try:
            if self._room is not None:
                await self._room.close()
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
