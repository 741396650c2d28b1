"""A client's end of a session's WebSocket, in words."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

SECOND_OF_AUDIO = base64.b64encode(bytes(48_000)).decode()
LIMIT = 3.0  # seconds for one frame to come


class Talker:
    """One end of the socket, in words."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    def send(self, kind: str, **fields: Any) -> None:
        self.socket.send(json.dumps({"type": kind, **fields}))

    def say(self, sound: bytes, event_id: str | None = "e1") -> None:
        """Sends a frame of sound, and awaits that it was taken."""
        self.send("agent.speak", audio=base64.b64encode(sound).decode(), event_id=event_id)
        self.until("agent.audio_buffer_appended")

    def end(self, event_id: str | None = "e1") -> None:
        self.send("agent.speak_end", event_id=event_id)
        self.until("agent.audio_buffer_committed")

    def interrupt(self) -> None:
        self.send("agent.interrupt")
        self.until("agent.audio_buffer_cleared")

    def until(self, kind: str) -> list[dict[str, Any]]:
        """What comes, up to an event of this type."""
        found = [self.next()]
        while found[-1]["type"] != kind:
            found.append(self.next())
        return found

    def next(self) -> dict[str, Any]:
        frame: dict[str, Any] = json.loads(self.socket.recv(timeout=LIMIT))
        return frame

    def types(self, count: int) -> list[str]:
        return [self.next()["type"].removeprefix("agent.") for _ in range(count)]

    def rest(self) -> list[dict[str, Any]]:
        """What comes until the socket is closed."""
        found = []
        try:
            while True:
                found.append(self.next())
        except ConnectionClosed:
            return found

    def silent(self) -> bool:
        try:
            self.socket.recv(timeout=0.1)
        except TimeoutError:
            return True
        return False


@contextmanager
def talking(session: Any, at_once: Sequence[str] = ()) -> Iterator[Talker]:
    """An open socket of a session, connected; events of the types `at_once` were sent before that, with a sound."""
    with connect(session.ws_url, proxy=None) as socket:
        talker = Talker(socket)
        assert talker.next() == {"type": "session.state_updated", "state": "connecting"}
        for kind in at_once:
            talker.send(kind, audio=SECOND_OF_AUDIO)
        assert talker.next() == {"type": "session.state_updated", "state": "connected"}
        yield talker
