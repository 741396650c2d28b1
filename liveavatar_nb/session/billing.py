"""What of a session may be billed, and how that ends: the start under guard, the stop, and the looks after both."""

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
from ..protection.running import Leftover, leftovers, service_of
from ..protection.stops import Turns, is_over
from ..rest.resources.sessions import surely_not_started
from .dependencies import Dependencies
from .timings import Stopwatch

logger = logging.getLogger("liveavatar_nb.session")


class Liability:
    """What one session may cost, from its token until it is certain that nothing of it runs.

    Args:
        session_id: the service's id.
        token: the session's own.
        times: its start and its cap.
        dependencies: what it has of its client.
    """

    def __init__(self, session_id: str, token: Masked, times: Stopwatch, dependencies: Dependencies) -> None:
        self.session_id = session_id
        self.token = token
        self.is_open = False  # whether it may be billed
        self.record: SessionRecord | None = None  # what the service says of it once it ended
        self._times = times
        self._dependencies = dependencies
        self._api = dependencies.api
        self._has_unknown_start = False
        self._unknown: StartOutcomeUnknown | None = None
        self._pursuit: asyncio.Task[None] | None = None

    @property
    def is_pursued(self) -> bool:
        """Whether it is still looked for behind the caller's back."""
        return self._pursuit is not None and not self._pursuit.done()

    @property
    def bound(self) -> str:
        """What ends it where no stop arrives, in words."""
        latest = f"{self._times.cap / 60:g} minutes after its start"
        if (moment := self._times.cap_at) is not None:
            latest = f"at {time.strftime('%H:%M:%S', time.localtime(moment))}"
        return f"It is tried again until then, and stop() tries at once: at the latest its cap ends it {latest}."

    async def start(self, *, has_cap: bool) -> StartedSession:
        """Starts it, once it is written down and guarded: from here on it may be billed.

        Args:
            has_cap: whether its token was asked for with a cap; else the answer must name one.

        Raises:
            ProtectionError: it cannot be protected, or nothing would ever end it.
            StartOutcomeUnknown: it may run; stop it.
        """
        dependencies, transport = self._dependencies, self._api.transport
        leftover = Leftover(
            Service(transport.base_url, transport.network),
            transport.key,
            self.session_id,
            self._times.cap,
            is_simulated=dependencies.is_simulated,
            may_be_unjournaled=dependencies.allow_unjournaled,
            caveat=transport.caveat,
            is_out_of_reach=transport.is_out_of_reach,
        )
        await self._protect(leftover)
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
        # a stop from another thread may have come before it was applied
        self.is_open, self._has_unknown_start = True, False
        self._times.start()
        granted = started.max_session_duration or 0
        if granted > 0:
            if granted < self._times.cap and has_cap:
                logger.warning("session %s: the plan ends it after %g minutes", self.session_id, granted / 60)
            self._times.cap = min(granted, self._times.cap)
        await on_own_thread(lambda: leftovers.started(self.session_id, self._times.cap))
        if granted <= 0 and not has_cap:
            raise ProtectionError(
                "The service took no cap and named none of its own, so the session was stopped.",
                remedy="Give max_minutes, as the plan allows.",
            )
        return started

    async def _protect(self, leftover: Leftover) -> None:
        is_cut_off = threading.Event()

        def add() -> None:
            leftovers.add(leftover)
            if is_cut_off.is_set():
                leftovers.discard(self.session_id)

        try:
            # the disk may be slow
            await on_own_thread(add)
        except asyncio.CancelledError:
            # the loop ends, and nothing was sent
            is_cut_off.set()
            leftovers.discard(self.session_id)
            raise

    async def stop(self) -> None:
        """Stops it, and asks how it ended.

        Raises:
            StopNotConfirmed: the service did not confirm it; it is pursued.
        """
        try:
            async with Turns.take():
                await self._stop_by_any_way()
                self.settle()
                with contextlib.suppress(LiveAvatarException, TimeoutError):
                    async with asyncio.timeout(config.EXIT_STOP_LIMIT):
                        self.record = await self._api.sessions.get(self.session_id)
        except Exception as failure:  # noqa: BLE001 (whatever it was, the stop is not confirmed)
            # it may be this process that is sick, for want of descriptors or threads
            leftovers.insist(self.session_id)
            self.pursue()
            raise self._not_confirmed(getattr(failure, "message", "no answer in time")) from None

    async def _stop_by_any_way(self) -> None:
        try:
            await self._stop_by_loop()
        except (TimeoutError, APIConnectionError):
            if not await on_own_thread(lambda: self._stop_by_thread(config.STOP_LIMIT / 2)):
                raise

    async def _stop_by_loop(self) -> None:
        async with asyncio.timeout(config.STOP_LIMIT / 2):
            try:
                await self._api.sessions.stop(self.session_id, reason="USER_CLOSED", session_token=self.token)
            except APIStatusError:
                # "no such session" by itself proves nothing: a stop can overtake a start
                if not await is_over(self._api, self.session_id):
                    raise

    def _stop_by_thread(self, limit: float) -> bool:
        """A stop that needs nothing of the loop, whose executor and connections others may have filled."""
        transport = self._api.transport
        with BlockingStopper(limit, transport.network) as stopper:
            return stopper.stop_for_certain(transport.base_url, transport.key, self.session_id)

    def stop_without_loop(self, limit: float) -> None:
        """Stops it from any thread, by a connection of its own.

        Args:
            limit: seconds for it.

        Raises:
            StopNotConfirmed: the service did not confirm it; the guard goes on.
        """
        if not self._stop_by_thread(limit):
            leftovers.insist(self.session_id)
            raise self._not_confirmed("no answer in time")
        self.is_open = False
        if self._has_unknown_start:
            leftovers.hand_over(self.session_id)
        else:
            leftovers.discard(self.session_id)

    async def look_again(self) -> bool:
        """Stops it where it has come back, for a start can be applied after its stop; whether it could be told."""
        try:
            self.is_open = self.is_open or not await is_over(self._api, self.session_id)
            if self.is_open:
                await self.stop()
        except LiveAvatarException as failure:
            logger.warning("session %s: not certain yet that it is over: %s", self.session_id, failure.message)
            return False
        finally:
            if self._unknown is not None:
                self._unknown.confirmed_stopped = not self.is_open
            self._dependencies.on_change()
        return True

    def settle(self) -> None:
        """Nothing of it is billed; where its start's outcome is unknown it is looked for a while longer."""
        self.is_open = False
        if self._has_unknown_start:
            self.pursue()
        else:
            leftovers.discard(self.session_id)

    def forget(self) -> None:
        """Nothing of it is billed, for certain."""
        self._has_unknown_start = False
        self.settle()

    def let_go(self) -> None:
        """Its client is closed: what is still to be looked for is the guard's."""
        if self._pursuit is not None:
            self._pursuit.cancel()

    def lose_loop(self) -> None:
        """The loop that it lives on ends, and nothing here keeps it alive any more: the guard is to stop it."""
        leftovers.insist(self.session_id)

    async def check_guard(self) -> None:
        """Has another guard come up where the first one was killed."""
        if not self._dependencies.is_simulated:
            await on_own_thread(lambda: leftovers.prepare(service_of(self._api.transport)))

    def _not_confirmed(self, why: str) -> StopNotConfirmed:
        return StopNotConfirmed(
            f"The service did not confirm the stop of session {self.session_id} ({why.rstrip('.')}).",
            session_id=self.session_id,
            remedy=self.bound,
        )

    def pursue(self) -> None:
        """Goes on behind the caller's back, until it is certain that nothing of it runs."""
        if not self.is_pursued:
            self._pursuit = asyncio.create_task(self._pursue_until_certain(), name="liveavatar_nb session pursuit")

    async def _pursue_until_certain(self) -> None:
        clock = self._dependencies.clock
        began = clock.monotonic()
        gives_up = began + self._times.left_of_cap + config.INSIST_AFTER_CAP
        looks = list(config.UNKNOWN_LOOKS) if self._has_unknown_start else []
        is_certain = False
        try:
            while looks or not (is_certain or clock.monotonic() > gives_up):
                pause = looks.pop(0) - (clock.monotonic() - began) if looks else config.INSIST_INTERVAL
                await clock.sleep(max(0.0, pause))
                is_certain = await self.look_again()
        except asyncio.CancelledError:
            # its loop goes, or its client
            leftovers.hand_over(self.session_id)
            raise
        self.forget()
        self._dependencies.on_change()
