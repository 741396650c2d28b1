"""What a simulator keeps of what is over has a bound, and what cannot come back is let go of."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from liveavatar_nb.simulator.account import ledger
from liveavatar_nb.simulator.account.ledger import Ledger
from liveavatar_nb.simulator.faults import Fault
from liveavatar_nb.simulator.rest.endpoint import LARGEST_NOTED
from liveavatar_nb.simulator.session import websocket
from liveavatar_nb.simulator.session.stage import Stage
from liveavatar_nb.simulator.session.websocket import WebSocketConnection

from .conftest import Caller
from .inside import Socket, created, served, started


def test_the_oldest_sessions_are_forgotten_but_for_those_that_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "KEPT_SESSIONS", 5)
    book = Ledger(balance=Decimal(10), concurrency=2, idle_limit=300, plan_seconds=1200)
    running, ended, unused = created(book), created(book), created(book)
    book.start(running, 0, 0.0)
    book.start(ended, 0, 0.0)
    book.stop(ended, "USER_CLOSED", 0, 0.0)
    later = [created(book) for _ in range(4)]
    assert book.sessions() == [running, *later]
    assert (book.by_token(running.token), book.by_token(later[-1].token)) == (running, later[-1])
    assert (book.get(ended.id), book.by_token(ended.token), book.by_token(unused.token)) == (None, None, None)
    book.stop(running, "USER_CLOSED", 0, 0.0)
    assert running.end_reason == "USER_CLOSED"


def test_a_huge_body_is_not_kept(caller: Caller) -> None:
    for size in (10, LARGEST_NOTED):
        caller.post("/v1/contexts", {"name": "Guide", "prompt": "x" * size, "opening_text": None})
    bodies = [one["body"] for one in caller.simulator.requests()]
    assert [body and len(body["prompt"]) for body in bodies] == [10, None]


async def test_a_stalled_socket_is_let_go_of_after_its_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "HALF_OPEN_SECONDS", 0.1)
    service = served(connect_delay=0)
    session, socket = started(service), Socket()
    stage = service.stages[session.id] = Stage(service, session)
    await stage.open()
    service.faults.add(Fault("socket", "stall"))
    connection: Any = WebSocketConnection(service, session, socket)  # type: ignore[arg-type]
    running = asyncio.create_task(connection.run())
    async with asyncio.timeout(20):
        while service.faults.list():  # noqa: ASYNC110 (it tells nobody)
            await asyncio.sleep(0.01)
        service.ledger.stop(session, "USER_CLOSED", service.now(), 0.0)
        service.clock.poke()
        await asyncio.sleep(0.02)
        assert service.sockets
        assert "closing" not in socket.sent[-1]
        await running
        await stage.aclose()
    assert not service.sockets
    assert not service.stages
