"""Everything that time does: price, sandbox minute, idle limit, longest session, credits that run out."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

import pytest
from websockets.sync.client import connect

PERSONA = {"avatar_persona": {}, "mode": "FULL"}
SANDBOX = {"is_sandbox": True, "avatar_id": "dd73ea75-1218-4ef3-92ce-606d5f7fbc0a"}


def credits_left(caller: Any) -> str:
    return str(caller.get("/v1/users/credits")["credits_left"])


@pytest.mark.parametrize(("body", "cost"), [({}, "1.5"), (PERSONA, "3"), (SANDBOX, "0")])
def test_a_minute_has_its_price(calling: Any, body: dict[str, Any], cost: str) -> None:
    caller = calling(credits="10", idle_limit=1000)
    session = caller.started(**body)
    caller.simulator.advance(90)
    assert caller.entry(session.id).credits == Decimal(cost)
    assert credits_left(caller) == str(Decimal(10) - Decimal(cost))


def test_the_sandbox_ends_at_its_minute_and_not_when_asked(caller: Any) -> None:
    session = caller.started(**SANDBOX)
    assert session.answer["max_session_duration"] == 60
    assert len(caller.simulator.billed()) == 1
    caller.simulator.advance(3600)
    entry = caller.entry(session.id)
    assert (entry.seconds, entry.credits, entry.end_reason) == (60, 0, "MAX_DURATION_REACHED")


def test_the_sandbox_takes_one_avatar_only(caller: Any) -> None:
    response = caller.post("/v1/sessions/token", {"avatar_id": caller.avatar("Silas"), "is_sandbox": True})
    assert response.status_code == 400
    assert SANDBOX["avatar_id"] in response.json()["message"]


def test_the_sandbox_needs_no_credits(calling: Any) -> None:
    caller = calling(credits=0)
    assert caller.started(**SANDBOX)
    refused = caller.start(caller.token()["session_token"])
    assert (refused.status_code, refused.json()["code"]) == (403, 4002)
    assert "credits" in refused.json()["message"]


def test_a_start_needs_the_first_minutes_credits(calling: Any) -> None:
    caller = calling(credits="1.99")
    assert caller.start(caller.token(**PERSONA)["session_token"]).json()["code"] == 4002
    assert caller.started()


def test_a_refused_start_can_be_tried_again(calling: Any) -> None:
    caller = calling(concurrency=1)
    first, second = caller.started(), caller.token()
    refused = caller.start(second["session_token"])
    assert (refused.status_code, refused.json()["code"]) == (403, 4003)
    caller.stop(first.id)
    assert caller.start(second["session_token"]).status_code == 201


def test_idle_ends_and_keep_alive_puts_it_off(caller: Any) -> None:
    kept, idle = caller.started(), caller.started()
    caller.simulator.advance(200)
    assert caller.post("/v1/sessions/keep-alive", {"session_id": kept.id}).status_code == 200
    caller.simulator.advance(200)
    entry = caller.entry(idle.id)
    assert (entry.seconds, entry.end_reason) == (300, "IDLE_TIMEOUT")
    assert [one.session_id for one in caller.simulator.billed()] == [kept.id]
    assert caller.bare("POST", "/v1/sessions/keep-alive", headers=kept.bearer).status_code == 200
    caller.simulator.advance(1000)
    assert caller.entry(kept.id).seconds == 700
    assert caller.post("/v1/sessions/keep-alive", {"session_id": kept.id}).status_code == 404


def test_the_cap_ends_it(calling: Any) -> None:
    caller = calling(max_session_seconds=100)
    capped, plan = caller.started(max_session_duration=40), caller.started()
    assert plan.answer["max_session_duration"] == 100
    caller.simulator.advance(200)
    assert (caller.entry(capped.id).seconds, caller.entry(plan.id).seconds) == (40, 100)
    assert caller.entry(plan.id).end_reason == "MAX_DURATION_REACHED"
    for seconds in (101, 0, -5):
        body = {"avatar_id": caller.avatar("Ann"), "max_session_duration": seconds}
        assert caller.post("/v1/sessions/token", body).status_code == 400


def test_credits_end_all_that_costs_at_one_moment(calling: Any) -> None:
    caller = calling(credits=6, idle_limit=10_000)
    lite = caller.started()
    caller.simulator.advance(60)
    full, free = caller.started(**PERSONA), caller.started(**SANDBOX)
    caller.simulator.advance(3000)
    # 5 credits left at 3 a minute last for 100 s
    assert (caller.entry(lite.id).seconds, caller.entry(full.id).seconds) == (160, 100)
    assert caller.entry(full.id).end_reason == caller.entry(lite.id).end_reason == "NO_CREDITS"
    assert caller.entry(free.id).end_reason == "MAX_DURATION_REACHED"
    assert sum(entry.credits for entry in caller.simulator.ledger()) == 6
    assert credits_left(caller) == "0"


def test_no_account_is_overdrawn(calling: Any) -> None:
    caller = calling(credits="2.00000001", idle_limit=10_000)
    session = caller.started(**PERSONA)
    caller.simulator.advance(100)
    entry = caller.entry(session.id)
    assert (entry.seconds, entry.credits, entry.end_reason) == (60, 2, "NO_CREDITS")


def test_credits_come_out_the_same_however_often_somebody_asks(calling: Any) -> None:
    ends = []
    for steps in (1, 97):
        caller = calling(credits="2.5", idle_limit=10_000)
        session = caller.started(**PERSONA)
        for _ in range(steps):
            caller.simulator.advance(97 / steps)
            credits_left(caller)
        ends.append(caller.entry(session.id).seconds)
    assert ends == [75, 75]


def test_time_can_run_fast_and_stand_still(calling: Any) -> None:
    caller = calling(speed=100, idle_limit=10_000)
    session = caller.started()
    time.sleep(0.3)
    fast = caller.entry(session.id).seconds
    assert fast >= 30
    caller.simulator.set_speed(0)
    stood = caller.entry(session.id).seconds
    time.sleep(0.05)
    assert stood >= fast
    assert caller.entry(session.id).seconds == stood


def test_a_session_ends_though_nobody_asks(calling: Any) -> None:
    caller = calling(speed=100)
    session = caller.started(**SANDBOX)
    with connect(session.ws_url, proxy=None) as socket:
        began = time.monotonic()
        states = [frame for frame in socket if "closed" in frame]
    assert states, "it was cut before it said closed"
    assert 0.3 < time.monotonic() - began < 1.5
