"""What a page does, without one: commands to a widget, the messages that it would get, and waiting."""

from __future__ import annotations

import asyncio
import base64
import functools
import uuid
from typing import Any, TypeVar

import pytest

from liveavatar_nb import Session
from liveavatar_nb.rooms.connection import HolderKind, RoomConnection
from liveavatar_nb.widgets.channel import channel

from ..waiting import wait_for

C = TypeVar("C")


def command(widget: Any, name: str, /, **args: Any) -> None:
    """Sends a command on a way that no cell holds up."""
    data = {"widget": widget.widget_id, "id": uuid.uuid4().hex, "command": name, "args": args}
    channel.deliver(data, is_prompt=True)


def controller_of(widget: Any, kind: type[C]) -> C:
    """The part of a widget that is of this kind."""
    return next(one for one in widget._controllers if isinstance(one, kind))


def messages_of(widget: Any, monkeypatch: pytest.MonkeyPatch, kind: str) -> list[dict[str, Any]]:
    """The custom messages of one kind that go to the page from now on."""
    messages: list[dict[str, Any]] = []

    def send(_self: Any, content: dict[str, Any], buffers: Any = None) -> None:
        if content["type"] == kind:
            messages.append(content)

    monkeypatch.setattr(type(widget), "send", send)
    return messages


def room_of(session: Session) -> RoomConnection:
    """The connection to a session's room."""
    room: RoomConnection | None = session._inner.room
    assert room is not None
    return room


def held_by(session: Session) -> HolderKind | None:
    """Who is in a session's room: a page, this process, or nobody."""
    holder = room_of(session).holder
    return None if holder is None else holder.kind


class Wire:
    """What widgets of one class send to pages; each message with its buffers."""

    def __init__(self, kind: type, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sent: list[tuple[str, dict[str, Any], list[bytes]]] = []

        def send(widget: Any, content: dict[str, Any], buffers: Any = None) -> None:
            self.sent.append((widget.widget_id, content, list(buffers or ())))

        monkeypatch.setattr(kind, "send", send)


class Page:
    """A browser page (a tab) that shows a widget.

    Args:
        widget: which.
        wire: what is sent to pages.
        name: the page's id.
        is_prompt: whether it has a way that no cell holds up.
        loop: the one that hears it where it has not.
    """

    def __init__(
        self,
        widget: Any,
        wire: Wire,
        name: str,
        *,
        is_prompt: bool = True,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self.widget, self.name = widget, name
        self._wire, self._is_prompt = wire, is_prompt
        self._loop = loop

    def say(self, name: str, /, **args: Any) -> None:
        """Sends a command."""
        data = {"widget": self.widget.widget_id, "id": uuid.uuid4().hex, "command": name, "args": args}
        deliver = functools.partial(channel.deliver, {**data, "page": self.name}, is_prompt=self._is_prompt)
        if self._loop is None:
            deliver()
        else:
            self._loop.call_soon_threadsafe(deliver)

    def heard(self, kind: str) -> list[dict[str, Any]]:
        """The messages of a kind that reach this page, each with its buffers."""
        return [
            {**content, "buffers": buffers}
            for widget_id, content, buffers in list(self._wire.sent)
            if widget_id == self.widget.widget_id
            and content["type"] == kind
            and content.get("page", self.name) == self.name
        ]

    def hears(self, kind: str, count: int = 1) -> dict[str, Any]:
        """The newest message of a kind, once there are as many."""
        wait_for(lambda: len(self.heard(kind)) >= count)
        return self.heard(kind)[-1]

    def join(self, session_id: str, **args: Any) -> dict[str, Any]:
        """Asks for a session's room; the answer."""
        count = len(self.heard("room"))
        self.say("join", session_id=session_id, **args)
        return self.hears("room", count + 1)

    def news(self, session_id: str, state: str, reason: str | None = None, *, avatar: bool = False) -> None:
        """Tells of the room that it is in."""
        self.say("room", session_id=session_id, state=state, reason=reason, avatar=avatar)

    def send_parts(self, name: str, content: bytes, size: int, **args: Any) -> None:
        """Sends bytes in parts."""
        parts = [content[at : at + size] for at in range(0, len(content), size)] or [b""]
        for part, data in enumerate(parts):
            self.say(name, part=part, parts=len(parts), data=base64.b64encode(data).decode(), **args)
