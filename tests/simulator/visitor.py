"""A client's end of the line that stands in for a session's room, in words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

LIMIT = 10.0  # seconds for one frame to come
LONG_ENOUGH = 0.3  # seconds in which what does not come would have come


class Visitor:
    """One end of the line; what is heard meanwhile is in `pieces`."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.pieces: list[bytes] = []

    def send(self, kind: str, event_id: str | None = "c1", **fields: Any) -> None:
        self.put({"event_id": event_id, "event_type": kind, **fields})

    def put(self, payload: Any, topic: str = "agent-control") -> None:
        self.socket.send(json.dumps({"topic": topic, "payload": payload}))

    def frame(self, limit: float = LIMIT) -> dict[str, Any]:
        """The next one that is text."""
        while isinstance(frame := self.socket.recv(timeout=limit), bytes):
            self.pieces.append(frame)
        found: dict[str, Any] = json.loads(frame)
        return found

    def next(self) -> dict[str, Any]:
        """The next event."""
        frame = self.frame()
        assert frame.keys() == {"topic", "payload"}
        assert frame["topic"] == "agent-response"
        event: dict[str, Any] = frame["payload"]
        return event

    def until(self, kind: str) -> list[dict[str, Any]]:
        """What comes, up to an event of this type."""
        found = [self.next()]
        while found[-1]["event_type"] != kind:
            found.append(self.next())
        return found

    def silent(self) -> bool:
        try:
            self.frame(LONG_ENOUGH)
        except TimeoutError:
            return True
        return False

    def rest(self) -> list[dict[str, Any]]:
        """What comes until the line is closed."""
        found = []
        try:
            while True:
                found.append(self.next())
        except ConnectionClosed:
            return found


def dial(session: Any, token: str | None = None) -> ClientConnection:
    """The line of a session, by its own token or this one."""
    token = session.answer["livekit_client_token"] if token is None else token
    headers = {"Authorization": f"Bearer {token}"}
    return connect(str(session.answer["livekit_url"]), proxy=None, additional_headers=headers)


@contextmanager
def visiting(session: Any) -> Iterator[Visitor]:
    """Somebody on the line of a session, who has joined."""
    with dial(session) as socket:
        visitor = Visitor(socket)
        assert visitor.frame() == {"topic": "line", "payload": {"state": "joined"}}
        yield visitor


def kinds(events: list[dict[str, Any]]) -> list[str]:
    """Their types; of chunks in a row one."""
    found: list[str] = []
    for event in events:
        kind = event["event_type"]
        if not (found and found[-1] == kind and kind.endswith("chunk")):
            found.append(kind)
    return found
