"""Limits how many stops run in parallel, and checks with the service whether a session is over."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import AsyncIterator, Awaitable, Iterable, Sequence
from typing import ClassVar
from weakref import WeakKeyDictionary

from .. import config
from ..errors import NotFoundError, StopNotConfirmed
from ..rest.api import LiveAvatarAPI
from ..rest.transport import Call
from .evidence import whether_over

logger = logging.getLogger("liveavatar_nb.session")


async def is_over(api: LiveAvatarAPI, session_id: str) -> bool:
    """Return whether the service says that a session is over.

    Raises:
        LiveAvatarException: The service does not say, so the outcome is uncertain.
    """
    requests, answer = whether_over(session_id), None
    try:
        while True:
            request = requests.send(answer)
            try:
                answer = (await api.transport.send(Call("GET", request.path, query=request.query)))["data"]
            except NotFoundError:
                answer = None
    except StopIteration as found:
        return bool(found.value)


async def stop_unattended(stop: Awaitable[None]) -> None:
    """Await a stop whose caller is gone; if the service doesn't confirm it, log that."""
    try:
        await stop
    except StopNotConfirmed as failure:
        logger.error("%s", failure)  # noqa: TRY400 (the message says it all)


async def gather_stops(stops: Iterable[Awaitable[None]]) -> None:
    """Wait for several stops, and raise what went wrong only when all of them are through.

    Raises:
        StopNotConfirmed: The service did not confirm every stop; the error names each session that may be billed.
    """
    failures = [stopped for stopped in await asyncio.gather(*stops, return_exceptions=True) if stopped is not None]
    unconfirmed = [failure for failure in failures if isinstance(failure, StopNotConfirmed)]
    if unconfirmed:
        raise all_of(unconfirmed)
    if failures:
        raise failures[0]


def all_of(failures: Sequence[StopNotConfirmed]) -> StopNotConfirmed:
    """Return one error that says of every session whose stop wasn't confirmed until when it may be billed."""
    *others, last = failures
    if not others:
        return last
    message = " ".join([*map(str, others), last.message])
    return StopNotConfirmed(message, session_id=others[0].session_id, remedy=last.remedy)


class StopLimiter:
    """Limits the number of stops in progress on one loop to `STOPS_AT_ONCE`."""

    _of_loops: ClassVar[WeakKeyDictionary[asyncio.AbstractEventLoop, StopLimiter]] = WeakKeyDictionary()

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(config.STOPS_AT_ONCE)
        self._confirmed_at = -math.inf

    @classmethod
    @contextlib.asynccontextmanager
    async def turn(cls) -> AsyncIterator[None]:
        """Wait for a turn to stop a session, and keep the turn until the block ends.

        The wait continues as long as other stops are confirmed. If the block raises an error, its stop is treated as
        unconfirmed.

        Raises:
            TimeoutError: No stop was confirmed for `STOP_LIMIT` seconds.
        """
        limiter = cls._of_loops.setdefault(asyncio.get_running_loop(), cls())
        while True:
            try:
                async with asyncio.timeout(config.STOP_LIMIT):
                    await limiter._free.acquire()
                break
            except TimeoutError:
                if time.monotonic() - limiter._confirmed_at > config.STOP_LIMIT:
                    raise
        try:
            yield
            limiter._confirmed_at = time.monotonic()
        finally:
            limiter._free.release()
