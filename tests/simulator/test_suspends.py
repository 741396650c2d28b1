"""Nothing in the simulator goes round without giving others their turn."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from liveavatar_nb.simulator.account.ledger import Persona, Session
from liveavatar_nb.simulator.clock import SECOND, Clock
from liveavatar_nb.simulator.session.conversation import Conversation
from liveavatar_nb.simulator.session.dialogue import MOST_HEARD, Dialogue
from liveavatar_nb.simulator.session.drawn_room import DrawnRoomConnection
from liveavatar_nb.simulator.session.stage import Stage
from liveavatar_nb.simulator.session.websocket import WebSocketConnection

from .inside import Socket, served, started

WORDS = "Hello, hello."


class Platform:
    """A stage with an audience, which keeps what is published."""

    is_there = has_audience = True

    def __init__(self) -> None:
        self.published: list[dict[str, Any]] = []
        self.has_spoken = asyncio.Event()

    def say(self, pcm: bytes) -> None: ...

    def hush(self) -> None: ...

    def publish(self, topic: str, payload: dict[str, Any]) -> None:
        self.published.append(payload)
        if payload["event_type"] == "avatar.speak_ended":
            self.has_spoken.set()

    def count(self, kind: str) -> int:
        return sum(event["event_type"] == kind for event in self.published)


def command(session: Session, kind: str, **fields: Any) -> bytes:
    return json.dumps({"event_type": kind, "event_id": "e1", "session_id": session.id, **fields}).encode()


@pytest.mark.timeout(60)  # where it hangs nothing else would end it
async def test_a_session_that_ends_before_its_words_have_a_sound() -> None:
    service = served(speed=100)
    session, stage = started(service, "FULL"), Platform()
    conversation = Conversation(service, session, stage)
    running = asyncio.create_task(conversation.run())
    # its sound is known from here on, and the dialogue has been woken by the time, the voice only by words
    conversation.receive(command(session, "avatar.speak_text", text=WORDS))
    async with asyncio.timeout(20):
        await stage.has_spoken.wait()
        await asyncio.sleep(0.05)

        conversation.receive(command(session, "avatar.speak_text", text=WORDS))
        service.ledger.stop(session, "USER_CLOSED", service.now(), 0.0)
        await running
    assert stage.published[-1]["event_type"] == "session.stopped"
    assert stage.count("avatar.speak_started") == 1


@pytest.mark.parametrize("kind", ["socket", "line"])
async def test_a_burst_of_frames_lets_others_have_their_turn(kind: str) -> None:
    service = served(connect_delay=0)
    session = started(service)
    stage = service.stages[session.id] = Stage(service, session)
    await stage.open()
    frames = ["not JSON"] * 200
    socket: Any = Socket(*frames)
    end = (
        WebSocketConnection(service, session, socket)
        if kind == "socket"
        else DrawnRoomConnection(service, session, stage, socket)
    )
    running = asyncio.create_task(end.run())
    turns = 0
    async with asyncio.timeout(20):
        while len(service.refusals) < len(frames):
            await asyncio.sleep(0)
            turns += 1
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await stage.aclose()
    assert turns >= len(frames)


def test_a_turn_of_years_is_told_of_for_an_hour() -> None:
    dialogue = Dialogue(Persona(push_to_talk=True), [], None)
    dialogue.set_push_to_talk(True, 0)
    happened = dialogue.settle(10 * 365 * 86_400 * SECOND)
    assert happened == [{"event_type": "user.transcription.chunk", "text": "(silence)"}] * MOST_HEARD


async def test_a_pause_that_is_over_already_gives_others_their_turn() -> None:
    clock, turns = Clock(1.0), 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(other())
    for _ in range(100):
        seen = clock.version
        clock.poke()
        await clock.pause(None, seen=seen)
    beside.cancel()
    assert turns >= 100
