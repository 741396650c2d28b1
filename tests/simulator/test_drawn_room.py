"""The WebSocket that stands in for a room."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import socket
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from liveavatar_nb.simulator.session.drawn_room import MOST_UNSENT
from liveavatar_nb.simulator.session.speech import BYTES_A_SECOND
from tests.waiting import wait_for

from .conftest import Caller
from .talker import talking
from .visitor import Visitor, dial, visiting

PIECE = BYTES_A_SECOND // 10


def full(caller: Any, **body: Any) -> Any:
    return caller.started(mode="FULL", avatar_persona={"context_id": caller.context(**body)})


def test_whoever_has_the_token_joins(caller: Any) -> None:
    for session in (full(caller), caller.started()):
        parts = urlsplit(session.answer["livekit_url"])
        assert (parts.scheme, parts.path) == ("ws", f"/_simulator/room/{session.id}")
        with visiting(session):
            pass
    assert caller.simulator.refusals() == []


@pytest.mark.parametrize("token", ["", "wrong", "\u00e9", "x" * 2_000])
def test_a_wrong_token_is_refused(caller: Any, token: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        dial(full(caller), token)
    assert refused.value.response.status_code == 403
    assert caller.simulator.requests()[-1]["status"] == 403


def test_other_tokens_are_refused(caller: Any) -> None:
    session, other = full(caller), full(caller)
    with visiting(session):  # it holds the line all the time
        for token in (other.answer["livekit_client_token"], session.token):
            with pytest.raises(InvalidStatus):
                dial(session, token)
        url, own = session.answer["livekit_url"], session.answer["livekit_client_token"]
        for headers in ({}, {"Authorization": own}, {"Authorization": f"Basic {own}"}, {"X-API-KEY": own}):
            with pytest.raises(InvalidStatus):
                connect(f"{url}?token={own}", proxy=None, additional_headers=headers)
        with pytest.raises(InvalidStatus):
            connect(
                url.replace(session.id, other.id), proxy=None, additional_headers={"Authorization": f"Bearer {own}"}
            )


def test_a_session_that_is_over_has_no_line(caller: Any) -> None:
    session = full(caller)
    caller.stop(session.id)
    with pytest.raises(InvalidStatus):
        dial(session)


def test_no_secret_shows(caller: Any) -> None:
    session = full(caller)
    with visiting(session) as visitor:
        visitor.socket.send("no JSON")
        visitor.put({"event_type": session.answer["livekit_client_token"][:10]})
        caller.stop(session.id)
        visitor.rest()
    simulator = caller.simulator
    shown = repr((simulator, simulator.requests(), simulator.warnings(), simulator.frames(), simulator.ledger()))
    assert session.answer["livekit_client_token"] not in shown
    (noted,) = [one for one in simulator.requests() if one["path"].startswith("/_simulator")]
    assert (noted["method"], noted["path"], noted["auth"]) == ("WEBSOCKET", f"/_simulator/room/{session.id}", "bearer")


def test_a_newer_connection_takes_the_place_of_the_older(caller: Any) -> None:
    session = full(caller)
    with visiting(session) as older:
        older.next()
        with visiting(session) as newer:
            with pytest.raises(ConnectionClosed):
                older.frame()
            assert older.socket.close_code == 4409
            caller.stop(session.id)
            assert newer.rest()[-1]["event_type"] == "session.stopped"


def test_a_session_of_its_own_socket_is_only_heard(calling: Any) -> None:
    session = calling(speed=1).started()
    sound = os.urandom(PIECE * 3 + 100)
    with visiting(session) as visitor, talking(session) as talker:
        talker.say(sound)
        talker.end()
        pieces = [visitor.socket.recv(timeout=10) for _ in range(4)]
        assert [len(piece) for piece in pieces] == [PIECE, PIECE, PIECE, 100]
        assert b"".join(pieces) == sound  # type: ignore[arg-type]
        visitor.send("avatar.speak_text", text="Hello")
        assert visitor.silent()
        assert visitor.pieces == []


def test_an_interruption_empties_the_line(calling: Any) -> None:
    session = calling(speed=1).started()
    with visiting(session) as visitor, talking(session) as talker:
        talker.say(b"\1\0" * (10 * BYTES_A_SECOND // 2))
        assert isinstance(visitor.socket.recv(timeout=10), bytes)
        talker.interrupt()
        assert visitor.silent()
        assert sum(map(len, visitor.pieces)) < 9 * BYTES_A_SECOND
        talker.say(b"\2\0" * 100)
        assert visitor.socket.recv(timeout=10) == b"\2\0" * 100


def test_there_is_no_sound_where_seconds_are_no_real_ones(calling: Any) -> None:
    caller = calling(speed=10)
    session = caller.started()
    with visiting(session) as visitor, talking(session) as talker:
        for _ in range(2):
            talker.say(bytes(BYTES_A_SECOND))
            talker.end()
            talker.until("agent.speak_ended")
        assert visitor.silent()
        assert visitor.pieces == []
    assert len([warning for warning in caller.simulator.warnings() if "speed 1" in warning]) == 1


@pytest.mark.parametrize("code", [1011, 4000, 1006])
def test_a_line_is_closed(caller: Any, code: int) -> None:
    session = full(caller)
    with visiting(session) as visitor:
        caller.simulator.faults.add("room", "close", code=code)
        visitor.rest()
        assert visitor.socket.close_code == code
    with visiting(session):
        assert caller.simulator.faults.list() == []


def test_raw_frames_are_sent(caller: Any) -> None:
    with visiting(full(caller)) as visitor:
        visitor.next()
        caller.simulator.faults.add("room", "send", text="no JSON")
        assert visitor.socket.recv(timeout=10) == "no JSON"
        caller.simulator.faults.add("room", "send", data=base64.b64encode(b"\0\1").decode())
        assert visitor.socket.recv(timeout=10) == b"\0\1"
        caller.simulator.faults.add("room", "send", megabytes=0.1)
        assert visitor.frame()["type"] == "warning"


@pytest.mark.parametrize("kind", ["stall", "status", "never_connected", "delay"])
def test_other_faults_do_not_go_with_a_room(caller: Any, kind: str) -> None:
    with pytest.raises(ValueError, match="Use one of close, send, twice, swap, rename"):
        caller.simulator.faults.add("room", kind)


def test_who_does_not_read_is_cut_off(calling: Any) -> None:
    caller = calling(speed=1_000, idle_limit=1e9, max_session_seconds=10**9, credits=10**9)
    session = full(caller, opening_text="a " * (MOST_UNSENT + 100))
    caller.simulator.faults.add("room", "send", megabytes=64)  # more than lies on the way
    parts = urlsplit(session.answer["livekit_url"])
    with socket.create_connection((parts.hostname, parts.port)) as idle:
        idle.sendall(
            f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
            f"Authorization: Bearer {session.answer['livekit_client_token']}\r\n\r\n".encode()
        )
        assert idle.recv(12) == b"HTTP/1.1 101"
        wait_for(lambda: "disconnected" in "".join(caller.simulator.warnings()), 60)
        with contextlib.suppress(ConnectionError):
            assert sum(map(len, iter(lambda: idle.recv(2**20), b""))) < 64_000_000
    with visiting(session):
        pass


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
envelopes = st.fixed_dictionaries(
    {},
    optional={"topic": st.sampled_from(["agent-control", "agent-response", "line"]) | values, "payload": values},
)
frames = (envelopes | values).map(json.dumps) | st.text(max_size=40) | st.binary(max_size=40)


@pytest.fixture(scope="module")
def joined(shared_simulator: Any) -> Any:
    caller = Caller(shared_simulator)
    session = full(caller)
    with visiting(session) as visitor:
        visitor.next()
        yield visitor
    caller.close()


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sent=st.lists(frames, max_size=8))
def test_whatever_is_sent_the_line_stays(shared_simulator: Any, joined: Visitor, sent: list[str | bytes]) -> None:
    shared_simulator.faults.clear()
    for frame in sent:
        joined.socket.send(frame)
    joined.put({"event_type": "no command"})
    shared_simulator.faults.add("room", "send", text='"still here"')
    assert joined.socket.recv(timeout=10) == '"still here"'
