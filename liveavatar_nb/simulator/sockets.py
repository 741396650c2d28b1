"""The command WebSocket of LITE sessions."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from typing import Any, Final

from starlette.websockets import WebSocket, WebSocketDisconnect

from .account import Session
from .rest.calls import parse
from .service import Service
from .speech import SAMPLE_BYTES, Event, Speech
from .validation import Invalid

LONGEST_FRAME: Final = 1_000_000  # bytes
REFUSED: Final = 4401  # before the handshake is answered it becomes HTTP 403
REPLACED: Final = 4409
ABNORMAL: Final = 1006


async def talk(websocket: WebSocket) -> None:
    """The endpoint: refuses wrong tokens, then speaks until either side ends it."""
    service: Service = websocket.app.state.service
    service.now()
    if delay := service.faults.take({"socket"}, "delay"):
        await asyncio.sleep(delay.parameters["seconds"])
    if service.faults.take({"socket"}, "drop_before"):
        service.cut(websocket.scope["client"])
        return
    session = service.account.by_socket(websocket.path_params["session_id"], websocket.query_params.get("token", ""))
    if session is None:
        await websocket.close(REFUSED)
        return
    await websocket.accept()
    await Connection(service, session, websocket).run()


class Connection:
    """One open socket of a session; a later one takes its place."""

    def __init__(self, service: Service, session: Session, websocket: WebSocket) -> None:
        self._service, self._session, self._websocket = service, session, websocket
        self._speech = Speech()
        self._outbox: list[Event] = []
        self._connected = False

    async def run(self) -> None:
        self._service.sockets[self._session.id] = self
        self._service.clock.poke()
        reader = asyncio.create_task(self._read())
        writer = asyncio.create_task(self._write())
        try:
            await asyncio.wait({reader, writer}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (reader, writer):
                task.cancel()
            await asyncio.gather(reader, writer, return_exceptions=True)
            if self._service.sockets.get(self._session.id) is self:
                del self._service.sockets[self._session.id]

    async def _read(self) -> None:
        while (message := await self._websocket.receive())["type"] == "websocket.receive":
            self._take(message.get("text"), message.get("bytes"))
            self._service.clock.poke()

    async def _write(self) -> None:
        try:
            await self._send(_state("connecting"))
            await self._connect()
            while True:
                seen = self._service.clock.version
                now = self._service.now()
                self._outbox += self._speech.settle(now)
                await self._flush()
                if await self._over():
                    return
                await self._service.clock.pause(self._speech.next_due(), seen=seen)
        except (WebSocketDisconnect, RuntimeError):
            return  # the client is gone

    async def _connect(self) -> None:
        """Says ``connected`` after the usual delay, unless the session ends before or a fault forbids it."""
        silent = self._service.faults.take({"socket"}, "never_connected")
        ready = time.monotonic() + self._service.options.connect_delay
        while (left := ready - time.monotonic()) > 0 or silent:
            seen = self._service.clock.version
            self._service.now()
            if not self._current():
                return
            await self._service.clock.pause(None, seen=seen, limit=None if silent else left)
        if self._current():
            self._connected = True
            self._outbox.append(_state("connected"))

    def _current(self) -> bool:
        return self._session.running and self._service.sockets.get(self._session.id) is self

    async def _over(self) -> bool:
        """Closes the socket where the session ended, a newer socket came, or a fault says so."""
        if self._session.ended_at is not None:
            await self._send(_state("closing"))
            await self._send(_state("closed"))
            await self._websocket.close(1000, self._session.end_reason)
        elif not self._current():
            await self._websocket.close(REPLACED, "a newer connection took over")
        elif fault := self._service.faults.take({"socket"}, "close"):
            code = fault.parameters.get("code", ABNORMAL)
            if code == ABNORMAL:
                self._service.cut(self._websocket.scope["client"])
            else:
                await self._websocket.close(code)
        else:
            return False
        return True

    async def _flush(self) -> None:
        while self._outbox:
            await self._send(self._outbox.pop(0))

    async def _send(self, event: Event) -> None:
        await self._websocket.send_text(json.dumps(event))

    def _take(self, text: str | None, data: bytes | None) -> None:
        if text is None:
            self._complain(None, "a frame must be JSON text, not binary")
            return
        if (size := len(text.encode("utf-8", "surrogatepass"))) > LONGEST_FRAME:
            self._complain(None, f"a frame of {size} bytes is over the limit of {LONGEST_FRAME}")
            return
        try:
            frame = parse(text)
        except Invalid:
            frame = None
        if not isinstance(frame, dict) or not isinstance(frame.get("type"), str):
            self._complain(None, "a frame must be a JSON object with a type")
            return
        event_id = frame.get("event_id")
        if event_id is not None and not isinstance(event_id, str):
            self._complain(None, "event_id must be text")
            return
        self._obey(frame["type"], event_id, frame)

    def _obey(self, kind: str, event_id: str | None, frame: dict[str, Any]) -> None:
        now = self._service.now()
        if not self._session.running:
            return
        if kind == "session.keep_alive":
            self._service.account.touch(self._session, max(now, self._speech.busy_until()))
        elif not self._connected:
            # as the service does: dropped without a word, which only this list of warnings gives away
            self._service.warn(f"{kind[:64]} was sent before connected: dropped")
        elif kind == "agent.speak":
            self._speak(frame.get("audio"), event_id, now)
        elif kind == "agent.speak_end":
            self._outbox += self._speech.commit(event_id, now)
        elif kind == "agent.interrupt":
            self._outbox += self._speech.interrupt(event_id)
            self._service.account.touch(self._session, now)
        elif kind == "agent.start_listening":
            self._outbox += self._speech.pose("listening")
        elif kind == "agent.stop_listening":
            self._outbox += self._speech.pose("idle")
        else:
            self._complain(event_id, f"unknown type {kind[:64]!r}")

    def _speak(self, audio: object, event_id: str | None, now: int) -> None:
        try:
            samples = base64.b64decode(audio, validate=True) if isinstance(audio, str) else b""
        except ValueError:
            self._complain(event_id, "audio must be base64")
            return
        if not samples or len(samples) % SAMPLE_BYTES:
            self._complain(event_id, f"audio of {len(samples)} bytes is no 16-bit PCM")
            return
        self._outbox += self._speech.settle(now)
        events, mixed = self._speech.append(samples, event_id, now)
        self._outbox += events
        self._service.account.touch(self._session, max(now, self._speech.busy_until()))
        if mixed:
            self._service.warn("frames of one utterance carry different event ids")

    def _complain(self, event_id: str | None, message: str) -> None:
        self._outbox.append({"type": "error", "event_id": event_id, "error": message})


def _state(state: str) -> Event:
    return {"type": "session.state_updated", "state": state}
