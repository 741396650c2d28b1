"""A session's conversation: packets in, events and sounds out, by the simulated clock."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from ..account.ledger import Session
from ..faults import ROOM
from .commands import Wrong
from .delivery import Delivery
from .dialogue import Dialogue, Happening, Sound
from .packets import INTERRUPT, POSES, SPEAK_RESPONSE, SPEAK_TEXT, START_PUSH, Packet, read
from .speech import Event
from .voice import Voice

if TYPE_CHECKING:
    from ..service import Service

RESPONSE_TOPIC: Final = "agent-response"


class Stage(Protocol):
    """Where the avatar is, as a conversation uses it."""

    @property
    def is_there(self) -> bool: ...

    @property
    def has_audience(self) -> bool: ...

    def say(self, pcm: bytes) -> None: ...

    def hush(self) -> None: ...

    def publish(self, topic: str, payload: Event) -> None: ...


class Conversation:
    """What FULL sessions do, and LITE ones that an agent of another vendor leads."""

    def __init__(self, service: Service, session: Session, stage: Stage) -> None:
        self._service, self._session, self._stage = service, session, stage
        self._dialogue = Dialogue(session.persona, session.transcript, session.opening)
        self._voice = Voice(session.persona.language, session.persona.gender)
        self._delivery = Delivery(service.faults, operation=ROOM, kind="event_type")
        self._warned = False

    async def run(self) -> None:
        """Goes on until the session ends; the first words wait for somebody who hears them."""
        speaking = asyncio.create_task(self._give_voice())
        try:
            while True:
                seen = self._service.clock.version
                if self._stage.is_there and self._stage.has_audience:
                    self._open()
                self._do(self._dialogue.settle)
                if not self._session.running:
                    break
                await self._service.clock.pause(self._dialogue.next_due(), seen=seen)
        finally:
            speaking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await speaking
        self._stage.hush()
        self._publish({"event_type": "session.state_updated", "state": "closing"})
        self._publish({"event_type": "session.stopped", "end_reason": self._session.end_reason})
        for event in self._delivery.rest():
            self._stage.publish(RESPONSE_TOPIC, event)

    def take(self, payload: bytes) -> None:
        """A packet came on `agent-control`; one that is not as it should be is a refusal, and nothing else."""
        self._open()  # whoever sends it is there
        try:
            packet = read(payload, self._session.id)
            self._obey(packet)
        except Wrong as wrong:
            self._service.refusals.append(str(wrong))
        self._service.clock.poke()

    def user(self, started: bool) -> None:
        """The user's microphone begins or stops to be heard."""
        self._do(partial(self._dialogue.user, started))
        self._touch()
        self._service.clock.poke()

    def _obey(self, packet: Packet) -> None:
        kind, source, text = packet.type, packet.event_id, packet.text
        if kind in POSES:
            return  # the drawn face has one pose
        if kind == SPEAK_TEXT:
            self._do(partial(self._dialogue.say, text, source))
        elif kind == SPEAK_RESPONSE:
            self._do(partial(self._dialogue.ask, text, source))
            self._warn_unless_it_answers()
        elif kind == INTERRUPT:
            self._do(self._dialogue.interrupt)
        elif self._dialogue.push_to_talk:
            self._do(partial(self._dialogue.push, kind == START_PUSH))
        else:
            raise Wrong(f"{kind} needs a session whose interactivity_type is PUSH_TO_TALK")
        self._touch()

    def _open(self) -> None:
        now = self._service.now()
        if self._session.running:
            self._show(self._dialogue.open(now))

    def _do(self, step: Callable[[int], list[Happening]]) -> None:
        """A step of the dialogue; after the session's end there is none."""
        now = self._service.now()
        if self._session.ended_at is not None:
            step, now = self._dialogue.settle, self._session.ended_at
        self._show(step(now))

    def _show(self, happened: list[Happening]) -> None:
        for one in happened:
            if not isinstance(one, Sound):
                self._publish(one)
            elif one.pcm is None:
                self._stage.hush()
            else:
                self._stage.say(one.pcm)

    def _publish(self, event: Event) -> None:
        whole = {"event_id": str(uuid.uuid4()), "session_id": self._session.id, **event}
        for one in self._delivery.through(whole):
            self._stage.publish(RESPONSE_TOPIC, one)

    def _touch(self) -> None:
        if self._session.running:
            now = self._service.now()
            self._service.account.touch(self._session, self._dialogue.busy_until(now))

    def _warn_unless_it_answers(self) -> None:
        if not self._dialogue.answers and not self._warned:
            self._warned = True
            self._service.warn("avatar.speak_response without a context_id: the avatar never answers")

    async def _give_voice(self) -> None:
        """Makes the sounds of what waits, one after the other; once the session is over nothing takes a sound."""
        while self._session.running:
            seen = self._service.clock.version
            if (utterance := self._dialogue.voiceless()) is None:
                await self._service.clock.pause(None, seen=seen)
                continue
            pcm = await self._voice.speak(utterance.text)
            self._do(partial(self._dialogue.voice, utterance, pcm))
            self._touch()
            self._service.clock.poke()
