"""Each fault on the wire, and what is applied of the call that it hits."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage
from websockets.sync.client import connect

from liveavatar_nb.simulator import Faults
from liveavatar_nb.simulator.faults import KINDS, SHORT_NAMES
from liveavatar_nb.simulator.rest.operations import OPERATIONS


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


@pytest.mark.parametrize("parameters", [{}, {"status": 503}])
def test_a_late_call_is_applied_when_nobody_listens_any_more(caller: Any, parameters: dict[str, int]) -> None:
    session = caller.started()
    caller.simulator.faults.add("stop", "late", seconds=0.3, **parameters)
    if parameters:
        assert caller.stop(session.id).status_code == 503
    else:
        with pytest.raises(httpx.RemoteProtocolError):
            caller.stop(session.id)
    assert caller.entry(session.id).stops == 0
    assert len(caller.simulator.billed()) == 1
    eventually(lambda: not caller.simulator.billed())
    assert caller.entry(session.id).stops == 1


def test_a_late_start_is_applied_although_it_was_stopped(caller: Any) -> None:
    made = caller.token()
    caller.simulator.faults.add("start", "late", seconds=0.2)
    with pytest.raises(httpx.RemoteProtocolError):
        caller.start(made["session_token"])
    assert caller.stop(made["session_id"]).status_code == 200
    assert not caller.simulator.billed()
    eventually(lambda: len(caller.simulator.billed()) == 1)
    assert caller.stop(made["session_id"]).status_code == 200
    entry = caller.entry(made["session_id"])
    assert (entry.starts, entry.stops, entry.end_reason) == (1, 2, "UNKNOWN")
    assert not caller.simulator.billed()


def test_a_late_start_that_was_applied_once_is_refused(caller: Any) -> None:
    session = caller.started()
    caller.stop(session.id)
    caller.simulator.faults.add("start", "late", seconds=0, status=500)
    assert caller.start(session.token).status_code == 500
    eventually(lambda: caller.entry(session.id).starts == 2)
    assert not caller.simulator.billed()


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


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
        ("transcript", "GET", "/v1/sessions/x/transcript"),
        ("events", "DELETE", "/v1/sessions/x/events"),
        ("avatars", "PATCH", "/v1/avatars/x"),
        ("voices", "GET", "/v1/voices"),
        ("voices", "GET", "/v1/voices/x/preview"),
        ("contexts", "DELETE", "/v1/contexts/x"),
        ("languages", "GET", "/v1/languages"),
        ("embeddings", "POST", "/v2/embeddings"),
        ("secrets", "POST", "/v1/secrets"),
        ("llm_configurations", "PATCH", "/v1/llm-configurations/x"),
        ("memory", "DELETE", "/v1/memory/x"),
        ("get_v1_voices_voice_id_preview", "GET", "/v1/voices/x/preview"),
        ("delete_v1_memory_memory_id", "DELETE", "/v1/memory/x"),
        ("any", "GET", "/v1/languages"),
    ],
)
def test_every_operation_has_its_switch(shared: Any, operation: str, method: str, path: str) -> None:
    shared.simulator.faults.add(operation, "status", status=418)
    assert shared.bare(method, path).status_code == 418
    assert shared.bare(method, path).status_code != 418


def test_every_operation_by_its_id_and_no_other(shared: Any) -> None:
    for operation in OPERATIONS:
        shared.simulator.faults.add(operation.id, "status", status=418, times=None)
        for one in OPERATIONS:
            status = shared.bare(one.method, one.path.replace("{", "").replace("}", "")).status_code
            assert (status == 418) == (one is operation), (operation.id, one.id)
        shared.simulator.faults.clear()


def test_they_happen_in_the_order_in_which_they_were_added(caller: Any) -> None:
    faults = caller.simulator.faults
    faults.add("credits", "status", status=501, times=2)
    faults.add("any", "status", status=502)
    faults.add("get_v1_users_credits", "garbage", body="x")
    faults.add("credits", "status", status=503)
    told = [caller.http.get("/v1/users/credits") for _ in range(6)]
    assert [response.status_code for response in told] == [501, 501, 502, 200, 503, 200]
    assert told[3].text == "x"


def test_a_delay_goes_together_with_another(caller: Any) -> None:
    caller.simulator.faults.add("credits", "delay", seconds=0.2)
    caller.simulator.faults.add("credits", "status", status=503)
    began = time.monotonic()
    assert caller.http.get("/v1/users/credits").status_code == 503
    assert time.monotonic() - began > 0.2
    assert caller.simulator.faults.list() == []


def test_what_is_still_switched_on(caller: Any) -> None:
    faults = caller.simulator.faults
    assert repr(faults) == "<Faults: none>"
    faults.add("credits", "status", status=503, times=3)
    faults.add("any", "drip", seconds=0.5, times=None)
    faults.add("stop", "drop_after")
    caller.http.get("/v1/users/credits")
    assert [(fault.operation, fault.kind, fault.times) for fault in faults.list()] == [
        ("credits", "status", 2),
        ("any", "drip", None),
        ("stop", "drop_after", 1),
    ]
    told = repr(faults).splitlines()
    assert told[1].strip() == "credits: status(status=503), 2 times"
    assert "drip(seconds=0.5), always" in told[2]
    faults.clear()
    assert faults.list() == []
    caller.simulator.close()
    assert "closed" in repr(faults)


@pytest.mark.parametrize(
    ("operation", "kind", "nearest"),
    [
        ("stopp", "status", "'stop'"),
        ("keep-alive", "status", "'keep_alive'"),
        ("get_v1_voice", "status", "'get_v1_voices'"),
        ("llm_configuration", "status", "'llm_configurations'"),
        ("stop", "statsu", "'status'"),
        ("stop", "gzipbomb", "'gzip_bomb'"),
    ],
)
def test_a_misspelt_one_is_told_the_nearest(shared: Any, operation: str, kind: str, nearest: str) -> None:
    with pytest.raises(ValueError, match=f"Did you mean {nearest}"):
        shared.simulator.faults.add(operation, kind)


def test_every_kind_is_told_to_who_reads_the_help() -> None:
    for kind, parameters in KINDS.items():
        assert f"``{kind}``" in str(Faults.add.__doc__)
        for name in parameters:
            assert f"`{name}`" in str(Faults.add.__doc__), (kind, name)
    for name in SHORT_NAMES:
        assert name in str(Faults.add.__doc__)


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
        (("stop", "sooner"), {}, "kind"),
        (("start", "late"), {}, "seconds"),
        (("start", "late"), {"seconds": 1, "status": "500"}, "status"),
        (("stop", "never_connected"), {}, "never_connected"),
        (("socket", "drop_after"), {}, "drop_after"),
        (("stop", "delay"), {}, "seconds"),
        (("stop", "delay"), {"seconds": "1"}, "seconds"),
        (("stop", "delay"), {"second": 1}, "second"),
        (("stop", "drop_before"), {"status": 500}, "status"),
        (("stop", "status"), {"times": 0}, "times"),
        (("stop", "status"), {"times": "2"}, "times"),
        (("stop", "status"), {"status": True}, "status"),
        (("stop", "huge"), {}, "megabytes"),
        (("stop", "huge"), {"megabytes": 1025}, "megabytes"),
        (("stop", "gzip_bomb"), {"megabytes": -1}, "megabytes"),
        (("stop", "drip"), {"seconds": float("nan")}, "seconds"),
        (("stop", "delay"), {"seconds": -1}, "seconds"),
        (("stop", "redirect"), {}, "location"),
        (("socket", "stale"), {}, "stale"),
        (("any", "close"), {}, "close"),
    ],
)
def test_a_fault_that_does_not_exist(shared: Any, arguments: Any, parameters: Any, error: str) -> None:
    with pytest.raises((ValueError, TypeError), match=error):
        shared.simulator.faults.add(*arguments, **parameters)
