"""The command WebSocket of LITE sessions."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Final

from starlette.websockets import WebSocket, WebSocketDisconnect

from ..account.ledger import Session
from ..faults import SOCKET, Fault
from ..rest.answers import failure
from ..service import Service
from .commands import Command, InvalidCommand, measure, read
from .delivery import Delivery, raw
from .heard import Frame
from .held_sound import HeldSound
from .speech import BYTES_A_SECOND, Event, Speech

REFUSED: Final = 4401  # close code; the client sees HTTP 403 instead, because the handshake is not complete yet
REPLACED: Final = 4409
ABNORMAL: Final = 1006
UNAVAILABLE: Final = 503
HALF_OPEN_SECONDS: Final = 60.0  # real seconds for which a stalled socket stays open after its session has ended


async def connect(websocket: WebSocket) -> None:
    """Serve the endpoint: reject invalid tokens, then receive and send until either side disconnects."""
    service: Service = websocket.app.state.service
    service.now()
    if delay := service.faults.take({SOCKET}, "delay"):
        await asyncio.sleep(delay.parameters["seconds"])
    if service.faults.take({SOCKET}, "drop_before"):
        service.cut(websocket.scope["client"])
        return
    if refuse := service.faults.take({SOCKET}, "refuse"):
        status = refuse.parameters.get("status", UNAVAILABLE)
        await websocket.send_denial_response(failure(status, "An injected fault refused this connection"))
        return
    session = service.ledger.by_socket(websocket.path_params["session_id"], websocket.query_params.get("token", ""))
    if session is None:
        await websocket.close(REFUSED)
        return
    await websocket.accept()
    await WebSocketConnection(service, session, websocket).run()


class WebSocketConnection:
    """One of a session's command WebSockets; a newer one replaces it."""

    def __init__(self, service: Service, session: Session, websocket: WebSocket) -> None:
        self._service, self._session, self._websocket = service, session, websocket
        self._speech = Speech()
        self._delivery = Delivery(service.faults, service.options.spelling)
        self._outbox: list[Event] = []
        self._stage = service.stages[session.id]
        self._critic = self._stage.critic
        self._held_sound = HeldSound(self._stage)
        self._connected = False
        self._stalled = False

    async def run(self) -> None:
        """Receive and send until either side closes the connection."""
        self._service.sockets[self._session.id] = self
        self._service.clock.poke()
        reader = asyncio.create_task(self._read())
        writer = asyncio.create_task(self._write())
        try:
            await asyncio.wait({reader, writer}, return_when=asyncio.FIRST_COMPLETED)
            if self._stalled:
                await self._stay_half_open(reader)
        finally:
            for task in (reader, writer):
                task.cancel()
            await asyncio.gather(reader, writer, return_exceptions=True)
            if self._is_newest():
                del self._service.sockets[self._session.id]
                self._held_sound.drop()  # a lost connection discards its queued audio

    async def _read(self) -> None:
        while (message := await self._websocket.receive())["type"] == "websocket.receive":
            text = message.get("text")
            self._receive(message["bytes"] if text is None else text)
            self._service.clock.poke()
            await asyncio.sleep(0)  # receiving a burst of frames never yields to the event loop, so let other tasks run

    async def _write(self) -> None:
        try:
            await self._send(_state("connecting"))
            await self._connect()
            while True:
                seen = self._service.clock.version
                self._settle()
                await self._flush()
                if await self._close_if_over():
                    return
                await self._service.clock.pause(self._next_due(), seen=seen)
        except (WebSocketDisconnect, RuntimeError):
            return  # the client is gone

    async def _connect(self) -> None:
        """Send ``connected`` after the usual delay, unless the session ends first or a fault prevents it."""
        never = self._service.faults.take({SOCKET}, "never_connected")
        ready = time.monotonic() + self._service.options.connect_delay
        while (left := ready - time.monotonic()) > 0 or never or not self._stage.is_there:
            seen = self._service.clock.version
            self._service.now()
            if not self._is_current():
                return
            await self._service.clock.pause(None, seen=seen, limit=left if left > 0 and not never else None)
        if self._is_current():
            self._connected = True
            self._outbox.append(_state("connected"))

    def _is_current(self) -> bool:
        return self._session.running and self._is_newest()

    def _is_newest(self) -> bool:
        return self._service.sockets.get(self._session.id) is self

    def _settle(self) -> None:
        now = self._service.now()
        if self._session.ended_at is not None:
            now = min(now, self._session.ended_at)  # the avatar says nothing after the session has ended
        self._outbox += self._speech.settle(now)
        self._held_sound.settle()
        self._critic.check_overdue(self._speech, now)

    def _next_due(self) -> int | None:
        dues = (self._speech.next_due(), self._critic.next_due(self._speech))
        return min((due for due in dues if due is not None), default=None)

    async def _close_if_over(self) -> bool:
        """Close the socket if the session has ended, a newer socket exists, or a fault requires it."""
        if self._session.ended_at is not None:
            await self._send(_state("closing"))
            await self._send(_state("closed"))
            await self._send_held()
            await self._websocket.close(1000, self._session.end_reason)
            return True
        if not self._is_current():
            await self._websocket.close(REPLACED, "a newer connection took over")
            return True
        while fault := self._service.faults.take({SOCKET}, "close", "send", "stall"):
            if fault.kind == "send":
                await self._send_raw(fault)
                await asyncio.sleep(0)  # let other tasks run between frames
                continue
            if fault.kind == "stall":
                self._stalled = True
            elif (code := fault.parameters.get("code", ABNORMAL)) == ABNORMAL:
                self._service.cut(self._websocket.scope["client"])
            else:
                await self._websocket.close(code)
            return True
        return False

    async def _stay_half_open(self, reader: asyncio.Task[None]) -> None:
        """Leave the socket half-open until it is replaced or the session has been over for a minute."""
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)
        # wait for the reader to finish first, because handling another frame would make the connection resume reading
        self._service.deafen(self._websocket.scope["client"])
        while self._is_current():
            await self._service.clock.pause(None, seen=self._service.clock.version)
        if self._is_newest():
            await asyncio.sleep(HALF_OPEN_SECONDS)
        self._service.cut(self._websocket.scope["client"])

    async def _flush(self) -> None:
        while self._outbox:
            await self._send(self._outbox.pop(0))

    async def _send(self, event: Event) -> None:
        for outgoing in self._delivery.deliver(event):
            await self._websocket.send_text(json.dumps(outgoing))

    async def _send_held(self) -> None:
        for outgoing in self._delivery.flush():
            await self._websocket.send_text(json.dumps(outgoing))

    async def _send_raw(self, fault: Fault) -> None:
        frame = raw(fault)
        if isinstance(frame, bytes):
            await self._websocket.send_bytes(frame)
        else:
            await self._websocket.send_text(frame)

    def _receive(self, frame: str | bytes) -> None:
        received_at = time.time()
        try:
            command = read(frame)
        except InvalidCommand as error:
            self._record(received_at, error.kind, error.event_id, measure(frame))
            self._send_error(error.event_id, str(error))
            return
        seconds = len(command.audio) / BYTES_A_SECOND
        self._record(received_at, command.type, command.event_id, measure(frame), seconds)
        self._execute(command, received_at)

    def _record(self, received_at: float, kind: str, event_id: str | None, size: int, seconds: float = 0.0) -> None:
        frame = Frame(
            session_id=self._session.id,
            received_at=received_at,
            type=kind,
            event_id=event_id,
            size=size,
            seconds=seconds,
            connected=self._connected,
        )
        self._service.recorder.add_frame(frame)

    def _execute(self, command: Command, received_at: float) -> None:
        kind, event_id = command.type, command.event_id
        now = self._service.now()
        if not self._session.running:
            return
        self._settle()
        if kind == "session.keep_alive":
            self._service.ledger.touch(self._session, max(now, self._speech.busy_until()))
        elif not self._connected:
            self._critic.note_early_command(kind)
        elif kind == "agent.speak":
            self._speak(command, now, received_at)
        elif kind == "agent.speak_end":
            if self._speech.open is None:
                self._critic.note_empty_end()
            self._outbox += self._speech.commit(event_id, now)
        elif kind == "agent.interrupt":
            self._outbox += self._speech.interrupt(event_id, now)
            self._held_sound.drop()
            self._service.ledger.touch(self._session, now)
        elif kind == "agent.start_listening":
            self._outbox += self._speech.pose("listening", now)
        elif kind == "agent.stop_listening":
            self._outbox += self._speech.pose("idle", now)
        else:
            self._send_error(event_id, f"unknown type {kind[:64]!r}")

    def _speak(self, command: Command, now: int, received_at: float) -> None:
        utterance, events = self._speech.append(command.audio, command.event_id, now)
        self._outbox += events
        self._held_sound.add(utterance, command.audio)
        self._service.recorder.add_sound(self._session.id, utterance, command.audio, received_at)
        busy_until = self._speech.busy_until()
        self._service.ledger.touch(self._session, max(now, busy_until))
        self._critic.check_frame(utterance, command.audio, command.event_id, busy_until - now)

    def _send_error(self, event_id: str | None, message: str) -> None:
        self._service.refusals.append(message)
        self._outbox.append({"type": "error", "event_id": event_id, "error": message})


def _state(state: str) -> Event:
    return {"type": "session.state_updated", "state": state}
