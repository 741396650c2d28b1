"""The control channel: commands of the page that arrive although a cell is running.

The page opens a comm to the target registered here. Python never sends on it: the kernel routes a comm's
messages to the shell that last sent on it, and one that never did is served by a subshell's thread, also
while a cell computes. Where a host has no such thing the same command comes as an ordinary widget message.
"""

from __future__ import annotations

import logging
import threading
import uuid
import weakref
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import comm

from ..concurrency.bounded import Newest
from ..session.attention import Attention, Unknown, attention_here

logger = logging.getLogger("liveavatar_nb.widgets")

TARGET = "liveavatar_nb.control"
REMEMBERED = 512  # ids of commands: one that comes a second time, by the other way, is not done again
LONGEST_PAGE = 64  # characters of a page's id


@dataclass(frozen=True)
class Command:
    """What a page asks a widget to do.

    `is_prompt` tells that it came by a way that no running cell holds up; otherwise `attention` tells for how long that
    way was free. `page` is the browser page that sent it: each has an id of its own, and all of them hear what a widget
    sends. `tab` stays the same where a page is reloaded; "" where the browser does not tell.
    """

    widget_id: str
    id: str
    name: str
    args: dict[str, Any]
    is_prompt: bool = False
    page: str = ""
    tab: str = ""
    attention: Attention | Unknown | None = None


# each command is answered by a task of its own
_current: ContextVar[Command] = ContextVar("command")


def current_command() -> Command:
    """Return the command that is being answered."""
    return _current.get()


def set_current_command(command: Command) -> None:
    """Note which command is being answered in this context."""
    _current.set(command)


def parse(data: Any, *, is_prompt: bool = False) -> Command | None:
    """The command in a message that is being heard; None where it is none."""
    match data:
        case {"widget": str(widget_id), "id": str(command_id), "command": str(name), "args": dict(args)}:
            page, tab = (str(data.get(name) or "")[:LONGEST_PAGE] for name in ("page", "tab"))
            attention = None if is_prompt else attention_here()
            return Command(widget_id, command_id, name, args, is_prompt, page, tab, attention)
    return None


class Channel:
    """Brings commands to the widgets of this process, each command once."""

    def __init__(self) -> None:
        self._receivers: weakref.WeakValueDictionary[str, Any] = weakref.WeakValueDictionary()
        self._seen: Newest[str, None] = Newest(REMEMBERED)
        self._lock = threading.Lock()
        self._manager: Any = None

    def join(self, receiver: Any) -> str:
        """A new id, under which `receiver.receive(command)` gets its commands, for as long as it lives."""
        manager = comm.get_comm_manager()
        if self._manager is not manager:
            manager.register_target(TARGET, self._opened)
            self._manager = manager
        widget_id = uuid.uuid4().hex
        self._receivers[widget_id] = receiver
        return widget_id

    def leave(self, widget_id: str) -> None:
        """No command for it any more."""
        self._receivers.pop(widget_id, None)

    def _opened(self, opened: Any, message: Any) -> None:
        def receive(message: Any) -> None:
            # the main thread runs the cells: what it handles waited for them, or could have
            is_prompt = threading.current_thread() is not threading.main_thread()
            self.deliver(message["content"]["data"], is_prompt=is_prompt)

        opened.on_msg(receive)

    def deliver(self, data: Any, *, is_prompt: bool = False) -> None:
        """Hands a message's command to its widget, if it is one and new."""
        command = parse(data, is_prompt=is_prompt)
        if command is None:
            logger.warning("a message of a page that is no command was ignored")
            return
        receiver: Callable[..., Any] | None = getattr(self._receivers.get(command.widget_id), "receive", None)
        if receiver is None:
            logger.info("a command for a widget that is gone was ignored")
            return
        with self._lock:
            is_new = command.id not in self._seen
            self._seen[command.id] = None
        receiver(command, is_new=is_new)


channel = Channel()
