"""Each fault on the wire, and what is applied of the call that it hits."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage
from websockets.sync.client import connect


def test_a_status_is_not_applied(caller: Any) -> None:
    made = caller.token()
    caller.simulator.faults.add("start", "status", status=503, code=7, message="out", headers={"Retry-After": "2"})
    response = caller.start(made["session_token"])
    assert (response.status_code, response.headers["Retry-After"]) == (503, "2")
    assert response.json() == {"code": 7, "data": None, "message": "out"}
    assert not caller.simulator.billed()
    assert caller.start(made["session_token"]).status_code == 201


def test_cut_before_is_not_applied(caller: Any) -> None:
    made = caller.token()
    caller.simulator.faults.add("start", "drop_before")
    with pytest.raises(httpx.RemoteProtocolError):
        caller.start(made["session_token"])
    assert not caller.simulator.billed()


def test_cut_after_is_applied(caller: Any) -> None:
    made = caller.token()
    caller.simulator.faults.add("start", "drop_after")
    with pytest.raises(httpx.RemoteProtocolError):
        caller.start(made["session_token"])
    assert [entry.session_id for entry in caller.simulator.billed()] == [made["session_id"]]


def test_garbage_is_applied(caller: Any) -> None:
    made = caller.token()
    caller.simulator.faults.add("start", "garbage", body='{"code": 1000, "da', status=200)
    assert caller.start(made["session_token"]).text == '{"code": 1000, "da'
    assert len(caller.simulator.billed()) == 1


def test_a_delay_comes_before_the_call_is_applied(caller: Any) -> None:
    session = caller.started()
    caller.simulator.faults.add("stop", "delay", seconds=0.3)
    with pytest.raises(httpx.ReadTimeout):
        caller.http.post("/v1/sessions/stop", json={"session_id": session.id}, timeout=0.1)
    assert len(caller.simulator.billed()) == 1
    deadline = time.monotonic() + 3
    while caller.simulator.billed() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not caller.simulator.billed(), "the service goes on though the caller has hung up"


def test_times_and_clear(caller: Any) -> None:
    faults = caller.simulator.faults
    faults.add("credits", "status", status=500, times=2)
    assert [caller.http.get("/v1/users/credits").status_code for _ in range(3)] == [500, 500, 200]
    faults.add("credits", "status", status=500, times=None)
    faults.add("credits", "delay", seconds=0, times=None)
    assert [caller.http.get("/v1/users/credits").status_code for _ in range(3)] == [500, 500, 500]
    faults.clear()
    assert caller.http.get("/v1/users/credits").status_code == 200


@pytest.mark.parametrize(
    ("operation", "method", "path"),
    [
        ("token", "POST", "/v1/sessions/token"),
        ("start", "POST", "/v1/sessions/start"),
        ("stop", "POST", "/v1/sessions/stop"),
        ("keep_alive", "POST", "/v1/sessions/keep-alive"),
        ("sessions", "GET", "/v1/sessions"),
        ("session", "GET", "/v1/sessions/x"),
        ("avatars", "GET", "/v1/avatars"),
        ("avatars", "GET", "/v1/avatars/public"),
        ("avatars", "GET", "/v1/avatars/x"),
        ("credits", "GET", "/v1/users/credits"),
    ],
)
def test_every_operation_has_its_switch(shared: Any, operation: str, method: str, path: str) -> None:
    shared.simulator.faults.add(operation, "status", status=418)
    assert shared.bare(method, path).status_code == 418
    assert shared.bare(method, path).status_code != 418


def test_connected_never_comes(caller: Any) -> None:
    session = caller.started()
    caller.simulator.faults.add("socket", "never_connected")
    with connect(session.ws_url, proxy=None) as socket:
        assert "connecting" in socket.recv(timeout=2)
        with pytest.raises(TimeoutError):
            socket.recv(timeout=0.3)
        caller.stop(session.id)
        assert "closing" in socket.recv(timeout=2)


@pytest.mark.parametrize("code", [1006, 1011, 4000])
@pytest.mark.parametrize("open_first", [True, False])
def test_a_socket_is_closed(caller: Any, code: int, open_first: bool) -> None:
    session = caller.started()
    if not open_first:
        caller.simulator.faults.add("socket", "close", code=code)
    with connect(session.ws_url, proxy=None) as socket:
        assert "connecting" in socket.recv(timeout=2)
        assert "connected" in socket.recv(timeout=2)
        if open_first:
            caller.simulator.faults.add("socket", "close", code=code)
        with pytest.raises(ConnectionClosed):
            socket.recv(timeout=2)
        assert socket.close_code == code
    assert len(caller.simulator.billed()) == 1


def test_a_handshake_is_cut_or_held_up(caller: Any) -> None:
    session = caller.started()
    caller.simulator.faults.add("socket", "drop_before")
    with pytest.raises((InvalidMessage, InvalidHandshake, ConnectionError, EOFError)):
        connect(session.ws_url, proxy=None)
    caller.simulator.faults.add("socket", "delay", seconds=0.3)
    began = time.monotonic()
    with connect(session.ws_url, proxy=None) as socket:
        socket.recv(timeout=2)
    assert time.monotonic() - began > 0.3


@pytest.mark.parametrize(
    ("arguments", "parameters", "error"),
    [
        (("stopp", "delay"), {"seconds": 1}, "operation"),
        (("stop", "late"), {}, "kind"),
        (("stop", "never_connected"), {}, "never_connected"),
        (("socket", "drop_after"), {}, "drop_after"),
        (("stop", "delay"), {}, "seconds"),
        (("stop", "delay"), {"seconds": "1"}, "seconds"),
        (("stop", "delay"), {"second": 1}, "second"),
        (("stop", "drop_before"), {"status": 500}, "status"),
        (("stop", "status"), {"times": 0}, "times"),
        (("stop", "status"), {"times": "2"}, "times"),
        (("stop", "status"), {"status": True}, "status"),
    ],
)
def test_a_fault_that_does_not_exist(shared: Any, arguments: Any, parameters: Any, error: str) -> None:
    with pytest.raises((ValueError, TypeError), match=error):
        shared.simulator.faults.add(*arguments, **parameters)
