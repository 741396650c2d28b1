"""Faults of an open WebSocket and of its handshake."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from .talker import Talker, talking


def states(talker: Talker, count: int) -> list[str]:
    return [talker.next()["new_state"] for _ in range(count)]


@pytest.mark.parametrize(("parameters", "status"), [({}, 503), ({"status": 429}, 429)])
def test_a_handshake_is_refused(caller: Any, parameters: dict[str, int], status: int) -> None:
    session = caller.started()
    caller.simulator.faults.add("socket", "refuse", **parameters)
    with pytest.raises(InvalidStatus) as refused:
        connect(session.ws_url, proxy=None)
    assert refused.value.response.status_code == status
    assert caller.simulator.requests()[-1]["status"] == status
    with talking(session):
        pass


@pytest.mark.parametrize(
    ("parameters", "frame"),
    [
        ({"text": '{"type": '}, '{"type": '),
        ({"text": ""}, ""),
        ({"data": base64.b64encode(b"\x00\xff").decode()}, b"\x00\xff"),
    ],
)
def test_a_raw_frame_is_sent_at_once(caller: Any, parameters: dict[str, str], frame: str | bytes) -> None:
    with talking(caller.started()) as talker:
        caller.simulator.faults.add("socket", "send", times=2, **parameters)
        assert [talker.socket.recv(timeout=2) for _ in range(2)] == [frame] * 2
        assert talker.silent()
        assert caller.simulator.faults.list() == []


def test_a_frame_is_larger_than_a_client_takes(caller: Any) -> None:
    session = caller.started()
    with connect(session.ws_url, proxy=None, max_size=3_000_000) as socket:
        assert "connecting" in socket.recv(timeout=2)
        assert "connected" in socket.recv(timeout=2)
        caller.simulator.faults.add("socket", "send", megabytes=2)
        assert len(json.loads(socket.recv(timeout=2))["warning"]) == 2_000_000
        caller.simulator.faults.add("socket", "send", megabytes=3)
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(timeout=2)
        assert closed.value.sent
        assert closed.value.sent.code == 1009
    with talking(session) as talker:
        assert talker.silent()


def test_a_frame_waits_for_a_socket_and_a_close_for_the_frame(caller: Any) -> None:
    caller.simulator.faults.add("socket", "send", text="garbage")
    caller.simulator.faults.add("socket", "close", code=1011)
    with talking(caller.started()) as talker:
        assert talker.socket.recv(timeout=2) == "garbage"
        assert talker.rest() == []
        assert talker.socket.close_code == 1011


def test_events_come_twice(caller: Any) -> None:
    with talking(caller.started()) as talker:
        caller.simulator.faults.add("socket", "twice", times=2)
        for kind in ("agent.start_listening", "agent.stop_listening", "agent.start_listening"):
            talker.send(kind)
        assert states(talker, 5) == ["listening", "listening", "idle", "idle", "listening"]


def test_events_come_in_reverse_order(caller: Any) -> None:
    with talking(caller.started()) as talker:
        caller.simulator.faults.add("socket", "swap", times=2)
        talker.send("agent.start_listening")
        assert talker.silent()
        for _ in range(2):
            talker.send("agent.stop_listening")
            talker.send("agent.start_listening")
        assert states(talker, 5) == ["idle", "listening", "idle", "listening", "listening"]


def test_the_last_event_is_not_lost_for_want_of_one_to_swap_it_with(caller: Any) -> None:
    session = caller.started()
    with talking(session) as talker:
        caller.simulator.faults.add("socket", "swap", times=2)
        talker.send("agent.start_listening")
        caller.stop(session.id)
        ends = talker.rest()
    assert [event.get("state", event["type"]) for event in ends] == ["closing", "agent.state_updated", "closed"]


def test_an_event_comes_under_another_name(caller: Any) -> None:
    with talking(caller.started()) as talker:
        caller.simulator.faults.add("socket", "rename", old="agent.state_updated", new="avatar.state")
        talker.send("agent.dance")
        talker.send("agent.start_listening")
        talker.send("agent.stop_listening")
        assert talker.types(3) == ["error", "avatar.state", "state_updated"]
        caller.simulator.faults.add("socket", "rename", old="error", new="oops", times=None)
        for _ in range(3):
            talker.send("agent.dance")
        assert talker.types(3) == ["oops"] * 3


def test_a_handshake_can_be_out_of_order(caller: Any) -> None:
    caller.simulator.faults.add("socket", "swap")
    with connect(caller.started().ws_url, proxy=None) as socket:
        talker = Talker(socket)
        assert [talker.next()["state"] for _ in range(2)] == ["connected", "connecting"]


@pytest.mark.parametrize("open_first", [True, False])
def test_a_half_open_socket(caller: Any, open_first: bool) -> None:
    session = caller.started()
    if not open_first:
        caller.simulator.faults.add("socket", "stall")
    with connect(session.ws_url, proxy=None, ping_interval=None, close_timeout=0.1) as socket:
        talker = Talker(socket)
        assert [talker.next()["state"] for _ in range(2)] == ["connecting", "connected"]
        if open_first:
            talker.say(bytes(48_000))
            assert socket.ping().wait(2)
            caller.simulator.faults.add("socket", "stall")
        while caller.simulator.faults.list():
            time.sleep(0.01)
        talker.send("agent.start_listening")
        assert not socket.ping().wait(0.5)
        caller.simulator.advance(5)
        caller.stop(session.id)
        assert talker.silent()
        assert [frame.type for frame in caller.simulator.frames()] == ["agent.speak"] * open_first


def test_a_stalled_socket_gives_way_to_a_newer_one(caller: Any) -> None:
    session = caller.started()
    with connect(session.ws_url, proxy=None, ping_interval=None, close_timeout=0.1) as socket:
        talker = Talker(socket)
        assert [talker.next()["state"] for _ in range(2)] == ["connecting", "connected"]
        caller.simulator.faults.add("socket", "stall")
        assert talker.silent()
        with talking(session) as newer:
            newer.send("agent.start_listening")
            assert states(newer, 1) == ["listening"]
            assert talker.rest() == []
            assert socket.close_code == 1006
    assert len(caller.simulator.billed()) == 1


@pytest.mark.parametrize(
    ("kind", "parameters", "error"),
    [
        ("send", {}, "one of text, data or megabytes"),
        ("send", {"text": "a", "megabytes": 1}, "one of text, data or megabytes"),
        ("send", {"data": "%"}, "base64"),
        ("send", {"text": "\ud800"}, "lone surrogates"),
        ("send", {"text": "a", "times": None}, "times"),
        ("send", {"megabytes": 65}, "megabytes"),
        ("refuse", {"status": 200}, "status"),
        ("refuse", {"status": 600}, "status"),
        ("refuse", {"code": 503}, "code"),
        ("rename", {"old": "error"}, "new"),
        ("swap", {"code": 1}, "code"),
    ],
)
def test_a_fault_that_makes_no_sense(shared: Any, kind: str, parameters: dict[str, Any], error: str) -> None:
    with pytest.raises((ValueError, TypeError), match=error):
        shared.simulator.faults.add("socket", kind, **parameters)


@pytest.mark.parametrize("kind", ["send", "twice", "swap", "rename", "stall", "refuse"])
def test_they_are_faults_of_sockets_only(shared: Any, kind: str) -> None:
    with pytest.raises(ValueError, match=kind):
        shared.simulator.faults.add("stop", kind)
