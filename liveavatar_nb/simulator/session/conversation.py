"""Runs a session's conversation: turns packets into events and audio, timed by the simulated clock."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from ..account.ledger import Session
from ..faults import ROOM
from .commands import InvalidCommand
from .delivery import Delivery
from .dialogue import Dialogue, Output, Sound
from .packets import INTERRUPT, POSES, SPEAK_RESPONSE, SPEAK_TEXT, START_PUSH, Packet, read
from .speech import Event
from .voice import Voice

if TYPE_CHECKING:
    from ..service import Service

RESPONSE_TOPIC: Final = "agent-response"


class ConversationStage(Protocol):
    """The parts of the avatar's stage that a conversation uses."""

    @property
    def is_there(self) -> bool: ...

    @property
    def has_audience(self) -> bool: ...

    def say(self, pcm: bytes) -> None: ...

    def hush(self) -> None: ...

    def publish(self, topic: str, payload: Event) -> None: ...


class Conversation:
    """The conversation of a FULL session, or of a LITE session led by another vendor's agent."""

    def __init__(self, service: Service, session: Session, stage: ConversationStage) -> None:
        self._service, self._session, self._stage = service, session, stage
        self._dialogue = Dialogue(session.persona, session.transcript, session.opening)
        self._voice = Voice(session.persona.language, session.persona.gender)
        self._delivery = Delivery(service.faults, operation=ROOM, kind="event_type")
        self._has_warned = False

    async def run(self) -> None:
        """Run until the session ends; the avatar speaks its opening once somebody is there to hear it."""
        voicing = asyncio.create_task(self._make_sounds())
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
            voicing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await voicing
        self._stage.hush()
        self._publish({"event_type": "session.state_updated", "state": "closing"})
        reason = self._session.end_reason
        self._publish({"event_type": "session.stopped", "end_reason": reason, "stop_reason": reason})
        for event in self._delivery.flush():
            self._stage.publish(RESPONSE_TOPIC, event)

    def receive(self, payload: bytes) -> None:
        """Handle a packet on `agent-control`; a malformed packet is only added to the list of refusals."""
        self._open()  # whoever sent the packet is there to hear the opening
        try:
            packet = read(payload, self._session.id)
            self._execute(packet)
        except InvalidCommand as error:
            self._service.refusals.append(str(error))
        self._service.clock.poke()

    def on_user_speech(self, started: bool) -> None:
        """Handle the start or end of speech picked up by the user's microphone."""
        self._do(partial(self._dialogue.set_microphone, started))
        self._touch()
        self._service.clock.poke()

    def _execute(self, packet: Packet) -> None:
        kind, source, text = packet.type, packet.event_id, packet.text
        if kind in POSES:
            return  # the drawn face has only one pose
        if kind == SPEAK_TEXT:
            self._do(partial(self._dialogue.say, text, source))
        elif kind == SPEAK_RESPONSE:
            self._do(partial(self._dialogue.ask, text, source))
            self._warn_if_silent()
        elif kind == INTERRUPT:
            self._do(self._dialogue.interrupt)
        elif self._dialogue.push_to_talk:
            self._do(partial(self._dialogue.set_push_to_talk, kind == START_PUSH))
        else:
            raise InvalidCommand(f"{kind} needs a session whose interactivity_type is PUSH_TO_TALK")
        self._touch()

    def _open(self) -> None:
        now = self._service.now()
        if self._session.running:
            self._emit(self._dialogue.open(now))

    def _do(self, step: Callable[[int], list[Output]]) -> None:
        """Run a step of the dialogue; once the session has ended, only process what was due before its end."""
        now = self._service.now()
        if self._session.ended_at is not None:
            step, now = self._dialogue.settle, self._session.ended_at
        self._emit(step(now))

    def _emit(self, outputs: list[Output]) -> None:
        for output in outputs:
            if not isinstance(output, Sound):
                self._publish(output)
            elif output.pcm is None:
                self._stage.hush()
            else:
                self._stage.say(output.pcm)

    def _publish(self, event: Event) -> None:
        complete = {"event_id": str(uuid.uuid4()), "session_id": self._session.id, **event}
        for outgoing in self._delivery.deliver(complete):
            self._stage.publish(RESPONSE_TOPIC, outgoing)

    def _touch(self) -> None:
        if self._session.running:
            now = self._service.now()
            self._service.ledger.touch(self._session, self._dialogue.busy_until(now))

    def _warn_if_silent(self) -> None:
        if not self._dialogue.answers and not self._has_warned:
            self._has_warned = True
            self._service.warn("avatar.speak_response without a context_id: the avatar never answers")

    async def _make_sounds(self) -> None:
        """Synthesize the queued utterances, one after another, until the session ends."""
        while self._session.running:
            seen = self._service.clock.version
            if (utterance := self._dialogue.next_without_sound()) is None:
                await self._service.clock.pause(None, seen=seen)
                continue
            pcm = await self._voice.speak(utterance.text)
            self._do(partial(self._dialogue.set_sound, utterance, pcm))
            self._touch()
            self._service.clock.poke()
