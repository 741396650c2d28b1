"""A service in this process, without a server: for what only its own loop shows."""

from __future__ import annotations

import asyncio
from typing import Any

from liveavatar_nb.simulator.account.ledger import Ledger, Mode, Persona, Session
from liveavatar_nb.simulator.options import Options
from liveavatar_nb.simulator.service import Service


class Socket:
    """A client's WebSocket that has sent some frames already, says nothing more, and keeps what it is sent.

    Args:
        frames: what waits to be read.
    """

    def __init__(self, *frames: str) -> None:
        self.scope = {"client": ("127.0.0.1", 1)}
        self.sent: list[str] = []
        self._frames = list(frames)

    async def receive(self) -> dict[str, Any]:
        if not self._frames:
            await asyncio.Event().wait()
        return {"type": "websocket.receive", "text": self._frames.pop(0)}

    async def send_text(self, text: str) -> None:
        self.sent.append(text)

    async def close(self, code: int, reason: str | None = None) -> None: ...


def served(**options: Any) -> Service:
    """One with these options."""
    return Service(Options(**{"history": False, **options}), port=1, api_key="k")


def created(ledger: Ledger, mode: Mode = "LITE", *, now: int = 0, persona: Persona = Persona()) -> Session:  # noqa: B008 (it never changes)
    """A session that has its token."""
    return ledger.create(
        avatar_id="a",
        mode=mode,
        is_sandbox=False,
        has_socket=mode == "LITE",
        context_id=None,
        persona=persona,
        quality="low",
        encoding="H264",
        own_room=None,
        max_session_duration=None,
        now=now,
    )


def started(service: Service, mode: Mode = "LITE") -> Session:
    """A session that runs, and has no stage yet."""
    session = created(service.ledger, mode, now=service.now())
    service.ledger.start(session, service.now(), 0.0)
    return session
