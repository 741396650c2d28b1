"""The retry policy alone: no server, no clock but the one that is handed in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace
from typing import Any

import pytest

from liveavatar_nb import config
from liveavatar_nb.errors import (
    APIConnectionError,
    APIResponseError,
    APIStatusError,
    APITimeoutError,
    CertificateError,
    ClientClosed,
    ConfigurationError,
    InvalidArgument,
    LiveAvatarException,
    SchemaError,
    status_error,
)
from liveavatar_nb.rest.retry import APIConnectOptions, Policy, Safety, again, delay, retry_after

REPEATABLE, ONCE, INSISTENT, TICK = Safety.REPEATABLE, Safety.ONCE, Safety.INSISTENT, Safety.TICK
UNSENT = (APIConnectionError("refused", sent=False), APITimeoutError("connect time-out", sent=False))
SENT = (APIConnectionError("cut"), APITimeoutError("read time-out"))
TRANSIENT = (408, 500, 502, 503, 504)
FINAL = (400, 401, 402, 403, 404, 409, 410, 413, 422, 501, 505, 511)
UNUSABLE = (APIResponseError("a redirect, or no envelope"), SchemaError("a field is missing"))
# in the order of `Safety`: a GET, a start, a stop, a keep-alive
AGAIN: list[tuple[LiveAvatarException, tuple[bool, bool, bool, bool]]] = [
    *((failure, (True, True, True, False)) for failure in UNSENT),
    *((failure, (True, False, True, False)) for failure in SENT),
    (CertificateError("expired", sent=False), (False, False, True, False)),
    *((failure, (False, False, True, False)) for failure in UNUSABLE),
    (status_error(429, None, "a call"), (True, True, True, False)),
    *((status_error(status, None, "a call"), (True, False, True, False)) for status in TRANSIENT),
    *((status_error(status, None, "a call"), (False, False, False, False)) for status in FINAL),
    # a 2xx whose code is no success
    (status_error(200, {"code": 4000, "message": "no"}, "a call"), (False, False, False, False)),
    (ClientClosed(), (False, False, False, False)),
]


def told(failure: LiveAvatarException) -> str:
    return f"{type(failure).__name__} {getattr(failure, 'status_code', failure.message)}"


@pytest.mark.parametrize(("failure", "expected"), AGAIN, ids=[told(failure) for failure, _ in AGAIN])
def test_which_failures_are_sent_again(failure: LiveAvatarException, expected: tuple[bool, ...]) -> None:
    assert tuple(again(failure, safety) for safety in Safety) == expected


@pytest.mark.parametrize("safety", [REPEATABLE, ONCE, TICK])
def test_what_was_never_a_call_is_not_sent_again(safety: Safety) -> None:
    assert not again(InvalidArgument("wrong"), safety)


def test_the_limits_of_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [safety.limit for safety in Safety] == [30, 30, 10, 30]
    monkeypatch.setattr(config, "TOTAL_TIMEOUT", 3.0)
    monkeypatch.setattr(config, "STOP_LIMIT", 1.0)
    assert [safety.limit for safety in Safety] == [3, 3, 1, 3]


# delays


@pytest.mark.parametrize("attempt", [1, 2, 3, 4, 5, 6, 50, 100_000])
def test_a_delay_is_spread_over_the_whole_of_its_bounds(attempt: int) -> None:
    bound = min(8.0, 0.5 * 2 ** (min(attempt, 60) - 1))
    delays = [delay(attempt, 0.5) for _ in range(500)]
    assert 0 <= min(delays) < 0.1 * bound
    assert 0.9 * bound < max(delays) <= bound
    assert len(set(delays)) > 450, "without jitter all clients would come back at the same moment"


def test_no_base_is_no_delay() -> None:
    assert delay(7, 0.0) == 0


# Retry-After

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def http_date(seconds: float) -> str:
    return format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0", 0.0),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("1.5", 1.5),
        ("007", 7.0),
        ("999999999999999999", 999999999999999999.0),
        # no number and no date
        (None, None),
        ("", None),
        ("   ", None),
        ("soon", None),
        ("-1", None),
        ("+1", None),
        ("1e3", None),
        ("0x10", None),
        ("inf", None),
        ("nan", None),
        ("1,5", None),
        ("7 s", None),
        ("7\n8", None),
        ("9" * 400, None),
        ("Tue, 99 Nov 2026 12:00:07 GMT", None),
        ("Tue, 24 Nov 99999 12:00:07 GMT", None),
        ("Tue, 24 Nov 2026 12:00:07 +9999999999", None),
        # dates
        (http_date(7), 7.0),
        (http_date(0), 0.0),
        (http_date(-3600), 0.0),
        (http_date(86_400), 86_400.0),
        ("Tue, 24 Nov 2026 12:00:07", 7.0),
        ("Tue, 24 Nov 2026 13:00:07 +0100", 7.0),
    ],
)
def test_how_long_the_service_asks_to_wait(value: str | None, expected: float | None) -> None:
    assert retry_after(value, None, NOW.timestamp()) == expected


@pytest.mark.parametrize("wrong_clock", [-1e6, 0.0, 1e6])
def test_a_date_counts_from_the_answers_own_date(wrong_clock: float) -> None:
    assert retry_after(http_date(7), http_date(0), NOW.timestamp() + wrong_clock) == 7


@pytest.mark.parametrize("date", [None, "", "yesterday", "Tue, 99 Nov 2026 12:00:00 GMT"])
def test_a_date_counts_from_this_machines_clock_where_the_answer_has_none(date: str | None) -> None:
    assert retry_after(http_date(7), date, NOW.timestamp() + 5) == 2


def test_seconds_count_whatever_the_clocks_say() -> None:
    assert retry_after("7", http_date(1e6), 0.0) == 7


# the wait


def limited(status: int = 429, seconds: float | None = None) -> APIStatusError:
    return status_error(status, None, "a call", retry_after=seconds)


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_a_minimum(status: int) -> None:
    waits = [Policy().wait(limited(status, 2.0), REPEATABLE, 3 - 1, 30.0) for _ in range(50)]
    assert set(waits) == {2.0}
    longer = [Policy(attempts=9).wait(limited(status, 2.0), REPEATABLE, 8, 30.0) or 0.0 for _ in range(200)]
    assert min(longer) == 2.0
    assert max(longer) > 4


@pytest.mark.parametrize("status", [408, 500, 502, 504])
def test_retry_after_means_nothing_on_other_statuses(status: int) -> None:
    waits = [Policy().wait(limited(status, 29.0), REPEATABLE, 1, 30.0) for _ in range(50)]
    assert all(wait is not None and wait <= 0.5 for wait in waits)


@pytest.mark.parametrize(("asked", "is_waited_for"), [(29.9, True), (30.0, True), (30.1, False), (1e18, False)])
def test_a_long_retry_after_is_raised_at_once(asked: float, is_waited_for: bool) -> None:
    wait = Policy().wait(limited(429, asked), REPEATABLE, 1, 60.0)
    assert wait == (asked if is_waited_for else None)


def test_a_wait_never_goes_past_the_deadline() -> None:
    assert Policy().wait(limited(429, 5.0), REPEATABLE, 1, 5.1) == 5.0
    assert Policy().wait(limited(429, 5.0), REPEATABLE, 1, 5.0) is None
    assert Policy().wait(UNSENT[0], REPEATABLE, 1, 0.0) is None
    assert Policy().wait(UNSENT[0], REPEATABLE, 1, -3.0) is None


@pytest.mark.parametrize(("safety", "attempts"), [(REPEATABLE, 3), (ONCE, 3), (TICK, 1)])
def test_how_often_a_call_is_tried(safety: Safety, attempts: int) -> None:
    waits = [Policy().wait(UNSENT[0], safety, attempt, 30.0) for attempt in range(1, 6)]
    assert [wait is not None for wait in waits] == [attempt < attempts for attempt in range(1, 6)]


def test_a_stop_is_tried_until_its_limit() -> None:
    waits = [Policy().wait(SENT[0], INSISTENT, attempt, 10.0) for attempt in range(1, 200)]
    assert all(wait is not None for wait in waits)
    assert Policy().wait(SENT[0], INSISTENT, 200, 0.0) is None


# the caller's options


def test_without_options_the_policy_is_our_own() -> None:
    assert Policy.of(None) == Policy(attempts=3, base=0.5, attempt_limit=None)


def test_the_callers_options_steer_it() -> None:
    given = SimpleNamespace(max_retry=5, retry_interval=2.0, timeout=9.0)
    policy = Policy.of(given)
    assert policy == Policy(5, 2.0, 9.0) == Policy.of(APIConnectOptions(5, 2.0, 9.0))
    assert [policy.wait(UNSENT[0], REPEATABLE, attempt, 60.0) is None for attempt in (4, 5)] == [False, True]
    assert max(policy.wait(UNSENT[0], REPEATABLE, 1, 60.0) or 0.0 for _ in range(200)) > 1.0
    assert policy.limit(REPEATABLE) == 45, "five attempts of 9 s need more than 30 s"


def test_the_deadline_is_never_shorter_than_our_own() -> None:
    assert Policy.of(APIConnectOptions(max_retry=1, timeout=0.1)).limit(REPEATABLE) == 30
    assert Policy.of(APIConnectOptions(max_retry=1, timeout=0.1)).limit(INSISTENT) == 10


@pytest.mark.parametrize("max_retry", [1, 0, -3])
def test_a_call_is_tried_once_at_least(max_retry: int) -> None:
    policy = Policy.of(APIConnectOptions(max_retry=max_retry))
    assert policy.attempts == 1
    assert policy.wait(UNSENT[0], REPEATABLE, 1, 30.0) is None


def test_a_negative_delay_is_none() -> None:
    assert Policy.of(APIConnectOptions(retry_interval=-1.0)).wait(UNSENT[0], REPEATABLE, 1, 30.0) == 0.0


@pytest.mark.parametrize("given", [{"timeout": 0.0}, {"timeout": -1.0}, {"timeout": None}, {"max_retry": "3"}])
def test_options_that_cannot_be_used_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="conn_options") as caught:
        Policy.of(APIConnectOptions(**given))
    assert "timeout must be above 0 s" in caught.value.remedy
