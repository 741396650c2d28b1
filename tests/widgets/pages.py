"""What a page does, without one: commands to a widget, the messages that it would get, and waiting."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from liveavatar_nb.widgets.channel import channel


def command(widget: Any, name: str, /, **args: Any) -> None:
    """Sends a command on a way that no cell holds up."""
    data = {"widget": widget.widget_id, "id": uuid.uuid4().hex, "command": name, "args": args}
    channel.deliver(data, is_prompt=True)


def messages_of(widget: Any, monkeypatch: pytest.MonkeyPatch, kind: str) -> list[dict[str, Any]]:
    """The custom messages of one kind that go to the page from now on."""
    messages: list[dict[str, Any]] = []

    def send(_self: Any, content: dict[str, Any], buffers: Any = None) -> None:
        if content["type"] == kind:
            messages.append(content)

    monkeypatch.setattr(type(widget), "send", send)
    return messages
