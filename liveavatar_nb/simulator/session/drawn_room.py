"""The drawn room: a WebSocket that stands in for a room if there is no media server.

It carries data and the avatar's audio.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any, Final

from starlette.websockets import WebSocket, WebSocketDisconnect

from ..account.ledger import Session
from ..faults import ROOM
from ..rest.validation import Invalid, parse
from ..service import Service
from .delivery import raw
from .protocols import StageLike
from .websocket import ABNORMAL, REFUSED, REPLACED

PREFIX: Final = "/_simulator/room/"
TOPIC: Final = "line"  # the topic of messages about the connection itself
MOST_UNSENT: Final = 1_000  # a client is disconnected once this many frames are waiting for it
LATEST_SOUND: Final = 10  # audio is skipped once this many frames are waiting, because it would arrive a second late


async def connect(websocket: WebSocket) -> None:
    """Serve the endpoint: reject invalid tokens, then stand in for a room until either side disconnects."""
    service: Service = websocket.app.state.service
    service.now()
    scheme, _, token = websocket.headers.get("authorization", "").partition(" ")
    session = service.ledger.by_room(websocket.path_params["session_id"], token.strip())
    if session is None or scheme.lower() != "bearer" or (stage := service.stages.get(session.id)) is None:
        await websocket.close(REFUSED)
        return
    await websocket.accept()
    await DrawnRoomConnection(service, session, stage, websocket).run()


class DrawnRoomConnection:
    """One client's connection; a newer connection replaces it."""

    def __init__(self, service: Service, session: Session, stage: StageLike, websocket: WebSocket) -> None:
        self._service, self._session, self._stage, self._websocket = service, session, stage, websocket
        self._outbox: list[str | bytes] = []
        self.publish(TOPIC, {"state": "joined"})

    def sound(self, pcm: bytes) -> None:
        """Send a piece of audio, unless the client has fallen behind."""
        if len(self._outbox) < LATEST_SOUND:
            self._outbox.append(pcm)
            self._service.clock.poke()

    def publish(self, topic: str, payload: dict[str, Any]) -> None:
        """Send data on a topic."""
        self._outbox.append(json.dumps({"topic": topic, "payload": payload}))
        if len(self._outbox) == MOST_UNSENT:
            self._service.warn(f"a client was disconnected from its room: {MOST_UNSENT} frames were waiting for it")
            self._service.cut(self._websocket.scope["client"])
        self._service.clock.poke()

    async def run(self) -> None:
        """Receive and send until either side closes the connection."""
        self._stage.drawn_room = self
        self._service.clock.poke()
        reader = asyncio.create_task(self._read())
        writer = asyncio.create_task(self._write())
        try:
            await asyncio.wait({reader, writer}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (reader, writer):
                task.cancel()
            await asyncio.gather(reader, writer, return_exceptions=True)
            if self._stage.drawn_room is self:
                self._stage.drawn_room = None

    async def _read(self) -> None:
        while (message := await self._websocket.receive())["type"] == "websocket.receive":
            await asyncio.sleep(0)  # receiving a burst of frames never yields to the event loop, so let other tasks run
            text = message.get("text")
            try:
                frame = None if text is None else parse(text)
            except Invalid:
                frame = None
            if not isinstance(frame, dict) or not isinstance(topic := frame.get("topic"), str):
                self._service.refusals.append("a frame sent to the room must be JSON text with a topic and a payload")
                continue
            payload = json.dumps(frame.get("payload"), ensure_ascii=False, separators=(",", ":"))
            self._stage.receive(topic, payload.encode("utf-8", "surrogatepass"))

    async def _write(self) -> None:
        try:
            while True:
                seen = self._service.clock.version
                while self._outbox:
                    await self._send(self._outbox.pop(0))
                if await self._close_if_over():
                    return
                await self._service.clock.pause(None, seen=seen)
        except (WebSocketDisconnect, RuntimeError):
            return  # the client is gone

    async def _send(self, frame: str | bytes) -> None:
        if isinstance(frame, str):
            await self._websocket.send_text(frame)
        else:
            await self._websocket.send_bytes(frame)

    async def _close_if_over(self) -> bool:
        """Close the connection if the session has ended, a newer connection exists, or a fault requires it."""
        if self._service.stages.get(self._session.id) is not self._stage:
            await self._websocket.close(1000, self._session.end_reason)
            return True
        if self._stage.drawn_room is not self:
            await self._websocket.close(REPLACED, "a newer connection took over")
            return True
        while fault := self._service.faults.take({ROOM}, "close", "send"):
            if fault.kind == "send":
                await self._send(raw(fault))
                await asyncio.sleep(0)  # let other tasks run between frames
                continue
            if (code := fault.parameters.get("code", ABNORMAL)) == ABNORMAL:
                self._service.cut(self._websocket.scope["client"])
            else:
                await self._websocket.close(code)
            return True
        return False
