"""Again or not, and how long to wait: the policy alone, no input and no output."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from datetime import UTC
from enum import Enum
from typing import Any, Final, Protocol

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
WAITING_STATUSES: Final = frozenset({429, 503})  # whose `Retry-After` is heeded
# close codes after which a WebSocket is opened again: the server goes, the line was cut (1005 and 1006 are never on the
# wire), an error there, a restart, try later
RECONNECT_CODES: Final = frozenset({1001, 1005, 1006, 1011, 1012, 1013})
HANDSHAKE_STATUSES: Final = frozenset({500, 502, 503, 504})
SECONDS: Final = re.compile(r"\d{1,18}(\.\d+)?")


class Safety(Enum):
    """What sending a call twice would do."""

    REPEATABLE = "repeatable"  # nothing: a GET, a token
    ONCE = "once"  # it may cost: a start, a change
    INSISTENT = "insistent"  # it must arrive: a stop
    TICK = "tick"  # the next one takes its place: a keep-alive

    @property
    def limit(self) -> float:
        """Seconds for all attempts together."""
        return config.STOP_LIMIT if self is Safety.INSISTENT else config.TOTAL_TIMEOUT


class ConnectOptions(Protocol):
    """The fields of the LiveKit plugin's `APIConnectOptions`; any object that has them will do."""

    @property
    def max_retry(self) -> int: ...
    @property
    def retry_interval(self) -> float: ...
    @property
    def timeout(self) -> float: ...


@dataclass(frozen=True)
class APIConnectOptions:
    """How calls are repeated.

    Args:
        max_retry: how often a call is tried at most, the first time included.
        retry_interval: base delay between two attempts, in seconds.
        timeout: limit of one attempt, in seconds.
    """

    max_retry: int = config.MAX_ATTEMPTS
    retry_interval: float = config.RETRY_BASE
    timeout: float = config.READ_TIMEOUT


@dataclass(frozen=True)
class Policy:
    """How calls are repeated, and for how long.

    Args:
        attempts: of one call, the first included.
        base: delay before the second attempt at most, in seconds; doubled with each further one.
        attempt_limit: seconds for one attempt from its first byte to its last; None leaves that to the call's limit.
    """

    attempts: int = config.MAX_ATTEMPTS
    base: float = config.RETRY_BASE
    attempt_limit: float | None = None

    @classmethod
    def of(cls, options: ConnectOptions | None) -> Policy:
        """The policy for a caller's options; the package's own if there are none."""
        if options is None:
            return cls()
        given: list[Any] = [options.max_retry, options.retry_interval, options.timeout]
        if not all(isinstance(value, int | float) for value in given) or options.timeout <= 0:
            raise ConfigurationError(
                "conn_options cannot be used.",
                remedy="max_retry is a number of attempts, retry_interval and timeout are seconds, timeout above 0.",
            )
        return cls(max(1, int(options.max_retry)), max(0.0, options.retry_interval), options.timeout)

    def limit(self, safety: Safety) -> float:
        """Seconds for all attempts of one call."""
        return max(safety.limit, self.attempts * (self.attempt_limit or 0.0))

    def wait(self, failure: LiveAvatarException, safety: Safety, attempt: int, time_left: float) -> float | None:
        """Seconds to wait before the call is sent again; None where it is not.

        Args:
            failure: how the attempt failed.
            safety: what sending it twice would do.
            attempt: its number, from 1.
            time_left: seconds until the call's limit.
        """
        if attempt >= self.attempts and safety is not Safety.INSISTENT:
            return None
        if not again(failure, safety):
            return None
        asked = 0.0
        if isinstance(failure, APIStatusError) and failure.status_code in WAITING_STATUSES:
            asked = failure.retry_after or 0.0
        if asked > config.LONGEST_RETRY_AFTER:
            return None
        seconds = max(delay(attempt, self.base), asked)
        return seconds if seconds < time_left else None


def again(failure: LiveAvatarException, safety: Safety) -> bool:
    """Whether a call that failed so may be sent again."""
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
    """Whether a WebSocket that was closed with this code is opened again."""
    return close_code is None or close_code in RECONNECT_CODES


def is_worth_a_handshake(status: int) -> bool:
    """Whether a WebSocket's handshake that was answered by this HTTP status is tried again."""
    return status in HANDSHAKE_STATUSES


def delay(attempt: int, base: float) -> float:
    """Seconds to wait after attempt number `attempt` (from 1): full jitter below a doubling bound."""
    return random.uniform(0, min(config.RETRY_CAP, base * 2 ** min(attempt - 1, 32)))  # noqa: S311


def retry_after(value: str | None, date: str | None, now: float) -> float | None:
    """Seconds that a `Retry-After` asks to wait; None where it says nothing that can be used.

    Args:
        value: the header: seconds, or a date.
        date: the answer's own `Date`, against which a date is read: this machine's clock may be wrong.
        now: seconds since the epoch, used where the answer has no date.
    """
    value = (value or "").strip()
    if SECONDS.fullmatch(value):
        return float(value)
    until = _epoch(value)
    if until is None:
        return None
    answered = _epoch(date or "")
    return max(0.0, until - (now if answered is None else answered))


def _epoch(date: str) -> float | None:
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 (for a rare header only)

    try:
        moment = parsedate_to_datetime(date)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
