"""Again or not, and how long to wait: the policy alone, no input and no output."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from . import config
from .errors import APIConnectionError, APIStatusError, ClientClosed, LiveAvatarException

TRANSIENT_STATUSES = frozenset({408, 429, 500, 502, 503, 504})


class Safety(Enum):
    """What sending a call twice would do."""

    REPEATABLE = "repeatable"  # nothing: a GET, a token
    ONCE = "once"  # it may cost: a start, a change
    INSISTENT = "insistent"  # it must arrive: a stop


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


def again(failure: LiveAvatarException, safety: Safety) -> bool:
    """Whether a call that failed so may be sent again."""
    if isinstance(failure, ClientClosed):
        return False
    if safety is Safety.INSISTENT:
        return not isinstance(failure, APIStatusError) or failure.status_code in TRANSIENT_STATUSES
    if isinstance(failure, APIConnectionError):
        return safety is Safety.REPEATABLE or not failure.sent
    if isinstance(failure, APIStatusError):
        return failure.status_code == 429 or (safety is Safety.REPEATABLE and failure.status_code in TRANSIENT_STATUSES)
    return False


def delay(attempt: int, base: float, at_least: float | None = None) -> float:
    """Seconds to wait after attempt number `attempt` (from 0): full jitter, `at_least` from `Retry-After`."""
    return max(random.uniform(0, min(config.RETRY_CAP, base * 2**attempt)), at_least or 0.0)  # noqa: S311
