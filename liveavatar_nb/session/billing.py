"""`Billing`: starts and stops the billed part of a session, and makes sure that the stop took effect."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time

from .. import config
from ..concurrency.threads import on_own_thread
from ..config import Masked
from ..errors import (
    APIConnectionError,
    APIStatusError,
    LiveAvatarException,
    ProtectionError,
    StartOutcomeUnknown,
    StopNotConfirmed,
)
from ..models.sessions import SessionRecord, StartedSession
from ..protection.blocking_stop import BlockingStopper
from ..protection.guard.handle import Service
from ..protection.running import RunningSession, running_sessions, service_of
from ..protection.stops import StopLimiter, is_over
from ..rest.resources.sessions import surely_not_started
from .dependencies import Dependencies
from .timings import Stopwatch

logger = logging.getLogger("liveavatar_nb.session")


class Billing:
    """The billed part of a session's life, from getting the token until the session has certainly stopped.

    Args:
        session_id: The session's id.
        token: The session's own token.
        times: The session's stopwatch, which also holds the session's cap.
        dependencies: The objects and settings that the session shares with its client.
    """

    def __init__(self, session_id: str, token: Masked, times: Stopwatch, dependencies: Dependencies) -> None:
        self.session_id = session_id
        self.token = token
        self.is_open = False  # whether the session may be billed
        self.record: SessionRecord | None = None  # the service's record, once the session has ended
        self._times = times
        self._dependencies = dependencies
        self._api = dependencies.api
        self._has_unknown_start = False
        self._unknown: StartOutcomeUnknown | None = None
        self._pursuit: asyncio.Task[None] | None = None

    @property
    def is_pursued(self) -> bool:
        """Whether the session is still being checked on in the background."""
        return self._pursuit is not None and not self._pursuit.done()

    @property
    def bound(self) -> str:
        """A message for an unconfirmed stop: until when the session may be billed, and what to do."""
        end = f"{self._times.cap / 60:g} minutes after its start"
        if (moment := self._times.cap_at) is not None:
            end = f"at {time.strftime('%H:%M:%S', time.localtime(moment))}"
        return (
            f"It is billed until it stops, at the latest when it reaches its cap, {end}. "
            "The stop is being retried in the background. Call stop() to retry now."
        )

    async def start(self, *, has_cap: bool) -> StartedSession:
        """Record the session, have the guard watch over it, and start the session; from then on, it may be billed.

        Args:
            has_cap: Whether the token has a cap; if not, the service must set one.

        Raises:
            ProtectionError: The session cannot be protected, or has no cap that would ever end it.
            StartOutcomeUnknown: The session may be running, and must be stopped.
        """
        dependencies, transport = self._dependencies, self._api.transport
        session = RunningSession(
            Service(transport.base_url, transport.network),
            transport.key,
            self.session_id,
            self._times.cap,
            is_simulated=dependencies.is_simulated,
            may_be_unjournaled=dependencies.allow_unjournaled,
            caveat=transport.caveat,
            is_out_of_reach=transport.is_out_of_reach,
        )
        await self._protect(session)
        self.is_open = self._has_unknown_start = True
        try:
            started = await self._api.sessions.start(self.session_id, self.token)
        except LiveAvatarException as failure:
            self._has_unknown_start = not surely_not_started(failure)
            self._unknown = failure if isinstance(failure, StartOutcomeUnknown) else None
            raise
        except asyncio.CancelledError:
            self.lose_loop()
            raise
        # set these again, because a stop from another thread may have cleared them before the start took effect
        self.is_open, self._has_unknown_start = True, False
        self._times.start()
        granted = started.max_session_duration or 0
        if granted > 0:
            if granted < self._times.cap and has_cap:
                logger.warning("session %s: the plan limits sessions to %g minutes", self.session_id, granted / 60)
            self._times.cap = min(granted, self._times.cap)
        await on_own_thread(lambda: running_sessions.started(self.session_id, self._times.cap))
        if granted <= 0 and not has_cap:
            raise ProtectionError(
                "The service set no cap, so the session was stopped.",
                remedy="Pass a max_minutes that your plan allows.",
            )
        return started

    async def _protect(self, session: RunningSession) -> None:
        is_cancelled = threading.Event()

        def add() -> None:
            running_sessions.add(session)
            if is_cancelled.is_set():
                running_sessions.discard(self.session_id)

        try:
            # not on the loop, because writing to disk may be slow
            await on_own_thread(add)
        except asyncio.CancelledError:
            # the loop is shutting down, and no start request has been sent
            is_cancelled.set()
            running_sessions.discard(self.session_id)
            raise

    async def stop(self) -> None:
        """Stop the session and fetch its final record.

        Raises:
            StopNotConfirmed: The service did not confirm the stop, which is being retried in the background.
        """
        try:
            async with StopLimiter.turn():
                await self._stop_somehow()
                self.settle()
                with contextlib.suppress(LiveAvatarException, TimeoutError):
                    async with asyncio.timeout(config.EXIT_STOP_LIMIT):
                        self.record = await self._api.sessions.get(self.session_id)
        except Exception as failure:  # noqa: BLE001 (whatever it was, the stop is not confirmed)
            # let the guard stop the session, because this process may be out of file descriptors or threads
            running_sessions.insist(self.session_id, is_told=True)
            self.pursue()
            raise self._not_confirmed(getattr(failure, "message", "no response in time")) from None

    async def _stop_somehow(self) -> None:
        try:
            await self._stop_on_loop()
        except (TimeoutError, APIConnectionError):
            if not await on_own_thread(lambda: self._stop_on_thread(config.STOP_LIMIT / 2)):
                raise

    async def _stop_on_loop(self) -> None:
        async with asyncio.timeout(config.STOP_LIMIT / 2):
            try:
                await self._api.sessions.stop(self.session_id, reason="USER_CLOSED", session_token=self.token)
            except APIStatusError:
                # "no such session" does not prove that the session is over: a stop request can overtake a start
                if not await is_over(self._api, self.session_id):
                    raise

    def _stop_on_thread(self, limit: float) -> bool:
        """Stop the session without using the loop, whose executor and connections may all be busy."""
        transport = self._api.transport
        with BlockingStopper(limit, transport.network) as stopper:
            return stopper.stop_for_certain(transport.base_url, transport.key, self.session_id)

    def stop_without_loop(self, limit: float) -> None:
        """Stop the session on a separate connection; can be called from any thread.

        Args:
            limit: How long to try, in seconds.

        Raises:
            StopNotConfirmed: The service did not confirm the stop; the guard keeps trying.
        """
        if not self._stop_on_thread(limit):
            running_sessions.insist(self.session_id, is_told=True)
            raise self._not_confirmed("no response in time")
        self.is_open = False
        if self._has_unknown_start:
            running_sessions.hand_over(self.session_id)
        else:
            running_sessions.discard(self.session_id)

    async def look_again(self) -> bool:
        """Stop the session again if a delayed start revived it; return whether the service responded."""
        try:
            self.is_open = self.is_open or not await is_over(self._api, self.session_id)
            if self.is_open:
                await self.stop()
        except LiveAvatarException as failure:
            # whoever started or stopped the session knows already
            logger.info("session %s may not be over yet: %s", self.session_id, failure.message)
            return False
        finally:
            if self._unknown is not None:
                self._unknown.confirmed_stopped = not self.is_open
            self._dependencies.on_change()
        return True

    def settle(self) -> None:
        """Record that nothing is being billed; keep checking for a while if the start's outcome is unknown."""
        self.is_open = False
        if self._has_unknown_start:
            self.pursue()
        else:
            running_sessions.discard(self.session_id)

    def forget(self) -> None:
        """Record that the session is certainly no longer billed."""
        self._has_unknown_start = False
        self.settle()

    def let_go(self) -> None:
        """Leave any unfinished checks to the guard, because the client is being closed."""
        if self._pursuit is not None:
            self._pursuit.cancel()

    def lose_loop(self) -> None:
        """Have the guard stop the session, because the loop is shutting down and can no longer do so."""
        running_sessions.insist(self.session_id)

    async def check_guard(self) -> None:
        """Start a new guard if the previous one was killed."""
        if not self._dependencies.is_simulated:
            await on_own_thread(lambda: running_sessions.prepare(service_of(self._api.transport)))

    def _not_confirmed(self, why: str) -> StopNotConfirmed:
        return StopNotConfirmed(
            f"The service did not confirm the stop of session {self.session_id} ({why.rstrip('.')}).",
            session_id=self.session_id,
            remedy=self.bound,
        )

    def pursue(self) -> None:
        """Keep checking in the background until the session has certainly stopped."""
        if not self.is_pursued:
            self._pursuit = asyncio.create_task(self._pursue_until_certain(), name="liveavatar_nb session checks")

    async def _pursue_until_certain(self) -> None:
        clock = self._dependencies.clock
        began = clock.monotonic()
        deadline = began + self._times.left_of_cap + config.INSIST_AFTER_CAP
        checks = list(config.UNKNOWN_LOOKS) if self._has_unknown_start else []
        is_certain = False
        try:
            while checks or not (is_certain or clock.monotonic() > deadline):
                pause = checks.pop(0) - (clock.monotonic() - began) if checks else config.INSIST_INTERVAL
                await clock.sleep(max(0.0, pause))
                is_certain = await self.look_again()
        except asyncio.CancelledError:
            # the session's loop is shutting down, or its client is being closed
            running_sessions.hand_over(self.session_id)
            raise
        self.forget()
        self._dependencies.on_change()
