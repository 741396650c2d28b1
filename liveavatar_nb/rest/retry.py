"""The retry policy: whether to retry, and how long to wait. This module performs no I/O."""

from __future__ import annotations

import random
import re
from datetime import UTC
from enum import Enum
from typing import Any, Final, Protocol

from msgspec import Struct

from .. import config
from ..errors import (
    APIConnectionError,
    APIStatusError,
    CertificateError,
    ClientClosed,
    ConfigurationError,
    LiveAvatarException,
)

TRANSIENT_STATUSES: Final = frozenset({408, 429, 500, 502, 503, 504})
WAITING_STATUSES: Final = frozenset({429, 503})  # statuses whose `Retry-After` header is respected
# reconnect after these close codes: going away, no code, connection lost, internal error, restart, try again later
RECONNECT_CODES: Final = frozenset({1001, 1005, 1006, 1011, 1012, 1013})
HANDSHAKE_STATUSES: Final = frozenset({500, 502, 503, 504})
SECONDS: Final = r"\d{1,18}(\.\d+)?"


class Safety(Enum):
    """Whether a call may be sent more than once."""

    REPEATABLE = "repeatable"  # harmless to repeat, e.g. a GET or the creation of a token
    ONCE = "once"  # may cost something if repeated, e.g. a start or an update
    INSISTENT = "insistent"  # retried until the service responds, e.g. a stop
    TICK = "tick"  # not worth repeating, since another call follows soon, e.g. a keep-alive

    @property
    def limit(self) -> float:
        """The time limit for all attempts together, in seconds."""
        return config.STOP_LIMIT if self is Safety.INSISTENT else config.TOTAL_TIMEOUT


class ConnectOptions(Protocol):
    """The fields of the LiveKit plugin's `APIConnectOptions`; any object with these fields works."""

    @property
    def max_retry(self) -> int: ...
    @property
    def retry_interval(self) -> float: ...
    @property
    def timeout(self) -> float: ...


class APIConnectOptions(Struct, frozen=True):
    """How to retry calls.

    Args:
        max_retry: The maximum number of attempts, including the first.
        retry_interval: The base delay between attempts, in seconds.
        timeout: The time limit of one attempt, in seconds.
    """

    max_retry: int = config.MAX_ATTEMPTS
    retry_interval: float = config.RETRY_BASE
    timeout: float = config.READ_TIMEOUT


class Policy(Struct, frozen=True):
    """How often and for how long to retry calls.

    Args:
        attempts: The maximum number of attempts per call, including the first.
        base: The longest delay before the second attempt, in seconds; it doubles with each further attempt.
        attempt_limit: The time limit of one whole attempt, in seconds; None for no limit per attempt.
    """

    attempts: int = config.MAX_ATTEMPTS
    base: float = config.RETRY_BASE
    attempt_limit: float | None = None

    @classmethod
    def of(cls, options: ConnectOptions | None) -> Policy:
        """Return the policy for a caller's options, or the default policy if there are none."""
        if options is None:
            return cls()
        given: list[Any] = [options.max_retry, options.retry_interval, options.timeout]
        if not all(isinstance(value, int | float) for value in given) or options.timeout <= 0:
            raise ConfigurationError(
                "conn_options is invalid.",
                remedy="Its max_retry, retry_interval and timeout must be numbers, and timeout must be above 0 s.",
            )
        return cls(max(1, int(options.max_retry)), max(0.0, options.retry_interval), options.timeout)

    def limit(self, safety: Safety) -> float:
        """Return the time limit for all attempts of one call, in seconds."""
        return max(safety.limit, self.attempts * (self.attempt_limit or 0.0))

    def wait(self, failure: LiveAvatarException, safety: Safety, attempt: int, time_left: float) -> float | None:
        """Return the seconds to wait before retrying a call, or None if it shouldn't be retried.

        Args:
            failure: The error that the attempt failed with.
            safety: Whether the call may be sent more than once.
            attempt: The attempt's number, from 1.
            time_left: The seconds left until the call's time limit.
        """
        if attempt >= self.attempts and safety is not Safety.INSISTENT:
            return None
        if not again(failure, safety):
            return None
        requested = 0.0
        if isinstance(failure, APIStatusError) and failure.status_code in WAITING_STATUSES:
            requested = failure.retry_after or 0.0
        if requested > config.LONGEST_RETRY_AFTER:
            return None
        seconds = max(delay(attempt, self.base), requested)
        return seconds if seconds < time_left else None


def again(failure: LiveAvatarException, safety: Safety) -> bool:
    """Return whether a call that failed with this error may be retried."""
    if safety is Safety.TICK or isinstance(failure, ClientClosed):
        return False
    if safety is Safety.INSISTENT:
        return not isinstance(failure, APIStatusError) or failure.status_code in TRANSIENT_STATUSES
    if isinstance(failure, CertificateError):
        return False
    if isinstance(failure, APIConnectionError):
        return safety is Safety.REPEATABLE or not failure.sent
    if isinstance(failure, APIStatusError):
        return failure.status_code == 429 or (safety is Safety.REPEATABLE and failure.status_code in TRANSIENT_STATUSES)
    return False


def may_reconnect(close_code: int | None) -> bool:
    """Return whether to reopen a WebSocket that was closed with this code."""
    return close_code is None or close_code in RECONNECT_CODES


def is_worth_a_handshake(status: int) -> bool:
    """Return whether to retry a WebSocket handshake that failed with this HTTP status."""
    return status in HANDSHAKE_STATUSES


def delay(attempt: int, base: float) -> float:
    """Return the seconds to wait after attempt number `attempt` (from 1): exponential backoff with full jitter."""
    return random.uniform(0, min(config.RETRY_CAP, base * 2 ** min(attempt - 1, 32)))  # noqa: S311


def retry_after(value: str | None, date: str | None, now: float) -> float | None:
    """Return the seconds to wait according to a `Retry-After` header, or None if it can't be parsed.

    Args:
        value: The header's value: a number of seconds, or a date.
        date: The response's `Date` header. If `value` is a date, the wait is measured from `date`, since this machine's
            clock may be wrong.
        now: This machine's time in seconds since the epoch, used if the response has no `Date`.
    """
    value = (value or "").strip()
    if re.fullmatch(SECONDS, value):
        return float(value)
    until = _parse_date(value)
    if until is None:
        return None
    answered = _parse_date(date or "")
    return max(0.0, until - (now if answered is None else answered))


def _parse_date(date: str) -> float | None:
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 (only for a rare header)

    try:
        moment = parsedate_to_datetime(date)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
