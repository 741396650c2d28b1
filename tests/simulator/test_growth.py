"""What a simulator keeps of what is over has a bound, and what cannot come back is let go of."""

from __future__ import annotations

import asyncio
import base64
import gc
import json
import tracemalloc
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from liveavatar_nb.simulator.account import ledger
from liveavatar_nb.simulator.account.ledger import NOBODY, Ledger, Mode, Persona, TranscriptLine
from liveavatar_nb.simulator.clock import MINUTE
from liveavatar_nb.simulator.faults import Fault
from liveavatar_nb.simulator.rest.endpoint import LARGEST_NOTED
from liveavatar_nb.simulator.service import Service
from liveavatar_nb.simulator.session import recorder, websocket
from liveavatar_nb.simulator.session.conversation import Conversation
from liveavatar_nb.simulator.session.packets import SPEAK_RESPONSE
from liveavatar_nb.simulator.session.recorder import SpeechRecorder
from liveavatar_nb.simulator.session.speech import Speech
from liveavatar_nb.simulator.session.stage import CONTROL_TOPIC, Stage
from liveavatar_nb.simulator.session.voice import Voice
from liveavatar_nb.simulator.session.websocket import WebSocketConnection

from .conftest import Caller
from .inside import Socket, created, served, started

LONG = 20_000  # characters of a prompt, or bytes of sound
SESSIONS = 100
LARGEST_ENTRY = 2_000  # bytes of memory that an ended session's entry in the ledger may take


@pytest.fixture
def traced() -> Iterator[None]:
    """Memory is traced."""
    tracemalloc.start()
    yield
    tracemalloc.stop()


def held() -> int:
    """Bytes that are held since they are traced."""
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


async def live(service: Service, mode: Mode, number: int) -> None:
    """One session from its token until nothing of it runs any more; its texts are no other's."""
    persona = Persona(name="Guide", prompt=f"{number} ".ljust(LONG, "x"))
    session = created(service.ledger, mode, now=service.now(), persona=persona)
    service.ledger.start(session, service.now(), 0.0)
    stage = service.stages[session.id] = Stage(service, session)
    await stage.open()
    running: list[asyncio.Task[None]] = []
    if mode == "LITE":
        sound = base64.b64encode(bytes(LONG)).decode()
        # what comes before it is connected is dropped
        frames = [json.dumps({"type": "agent.speak", "event_id": str(number), "audio": sound})] * 5
        socket: Any = Socket(*frames)
        running.append(asyncio.create_task(WebSocketConnection(service, session, socket).run()))
        while not service.recorder.heard(session.id):  # noqa: ASYNC110 (it tells nobody)
            await asyncio.sleep(0.001)
    else:
        question = {"event_type": SPEAK_RESPONSE, "session_id": session.id, "text": f"{number} ".ljust(5_000, "y")}
        stage.receive(CONTROL_TOPIC, json.dumps(question).encode())
        await asyncio.sleep(0)
        assert session.transcript
    service.ledger.stop(session, "USER_CLOSED", service.now(), 0.0)
    service.clock.poke()
    while service.stages:  # noqa: ASYNC110 (as above)
        await asyncio.sleep(0.001)
    await asyncio.gather(*running)


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("mode", ["LITE", "FULL"])
async def test_an_ended_session_leaves_only_its_entry_in_the_ledger(
    monkeypatch: pytest.MonkeyPatch, mode: Mode
) -> None:
    for module, name in ((recorder, "KEPT_FRAMES"), (recorder, "KEPT_UTTERANCES"), (ledger, "KEPT_TRANSCRIPTS")):
        monkeypatch.setattr(module, name, 5)

    async def speak(voice: Voice, text: str) -> bytes:
        return bytes(2)

    monkeypatch.setattr(Voice, "speak", speak)
    service = served(connect_delay=0, credits=Decimal(1_000))
    service.recorder = SpeechRecorder(kept_sound=5 * LONG)
    async with asyncio.timeout(60):
        for number in range(10):  # until all is at its bounds
            await live(service, mode, number)
        before = held()
        for number in range(10, 10 + SESSIONS):
            await live(service, mode, number)
        grown = held() - before
    assert grown < SESSIONS * LARGEST_ENTRY
    assert len(service.ledger.sessions()) == 10 + SESSIONS
    assert not [one for one in gc.get_objects() if isinstance(one, Stage | Conversation | WebSocketConnection)]
    assert not service.sockets


def test_an_ended_session_keeps_its_cost_and_for_a_while_its_transcript(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "KEPT_TRANSCRIPTS", 2)
    book = Ledger(balance=Decimal(10), concurrency=5, idle_limit=300, plan_seconds=1200)
    running, *ended = [created(book, persona=Persona(prompt="You are the guide.")) for _ in range(4)]
    for session in (running, *ended):
        book.start(session, 0, 0.0)
        session.transcript.append(TranscriptLine(role="avatar", text="Hello.", moment=0))
    for session in ended:
        book.stop(session, "USER_CLOSED", MINUTE, 0.0)
    assert [len(session.transcript) for session in (running, *ended)] == [1, 0, 1, 1]
    assert [session.persona is NOBODY for session in (running, *ended)] == [False, True, True, True]
    assert [(one.cost(2 * MINUTE), one.starts, one.stops) for one in ended] == [(Decimal(1), 1, 1)] * 3


@pytest.mark.usefixtures("traced")
def test_sound_that_is_dropped_is_freed_at_once() -> None:
    size, frame = 1_000_000, 100_000
    kept, speech = SpeechRecorder(kept_sound=size), Speech()
    before = held()
    for event_id, frames in (("long", 10), ("next", 4)):
        for number in range(frames):
            utterance, _ = speech.append(bytes(frame), event_id, 0)
            kept.add_sound("s", utterance, bytes(frame), float(number))
        speech.commit(event_id, 0)
    assert [heard.dropped for heard in kept.heard(None)] == [4 * frame, 0]
    assert size <= held() - before < 1.1 * size


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
