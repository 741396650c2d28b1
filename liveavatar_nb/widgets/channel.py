"""The control channel: the page's commands arrive even while a cell is running.

The page opens a comm to the target registered here. Python never sends on it: the kernel routes a comm's messages to
the shell that last sent on it, and serves a comm on which nobody sent in a subshell's thread, even while a cell
computes. If a host has no subshells, the same command arrives as an ordinary widget message.
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

from ..concurrency.bounded import BoundedDict
from ..session.attention import Attention, UnknownAttention, attention_here

logger = logging.getLogger("liveavatar_nb.widgets")

TARGET = "liveavatar_nb.control"
REMEMBERED = 512  # command ids: a command that arrives a second time, the other way, is not run again
LONGEST_PAGE = 64  # characters of a page's id


@dataclass(frozen=True)
class Command:
    """A page's command to a widget.

    Attributes:
        widget_id: the widget's id.
        id: the command's own id.
        name: the command's name.
        args: its arguments, by name.
        is_prompt: whether it arrived by the control channel, which a running cell does not delay.
        page: the id of the browser page that sent it. Every page receives what a widget sends.
        tab: the id of the browser tab, which survives a reload; "" if the browser gives none.
        attention: counts the time in which its route was free; `UNKNOWN` if unknown, None if the command is prompt.
    """

    widget_id: str
    id: str
    name: str
    args: dict[str, Any]
    is_prompt: bool = False
    page: str = ""
    tab: str = ""
    attention: Attention | UnknownAttention | None = None


# each command is answered in a task of its own
_current: ContextVar[Command] = ContextVar("command")


def current_command() -> Command:
    """Return the command that is being answered."""
    return _current.get()


def set_current_command(command: Command) -> None:
    """Set the command that is being answered in this context."""
    _current.set(command)


def parse(data: Any, *, is_prompt: bool = False) -> Command | None:
    """Return the command in a message that just arrived; None if it is not a command."""
    match data:
        case {"widget": str(widget_id), "id": str(command_id), "command": str(name), "args": dict(args)}:
            page, tab = (str(data.get(name) or "")[:LONGEST_PAGE] for name in ("page", "tab"))
            attention = None if is_prompt else attention_here()
            return Command(widget_id, command_id, name, args, is_prompt, page, tab, attention)
    return None


class Channel:
    """Delivers commands to the widgets of this process, each command once."""

    def __init__(self) -> None:
        self._receivers: weakref.WeakValueDictionary[str, Any] = weakref.WeakValueDictionary()
        self._seen: BoundedDict[str, None] = BoundedDict(REMEMBERED)
        self._lock = threading.Lock()
        self._manager: Any = None

    def join(self, receiver: Any) -> str:
        """Register a receiver, held weakly, and return its new id; its `receive` gets that id's commands."""
        manager = comm.get_comm_manager()
        if self._manager is not manager:
            manager.register_target(TARGET, self._opened)
            self._manager = manager
        widget_id = uuid.uuid4().hex
        self._receivers[widget_id] = receiver
        return widget_id

    def leave(self, widget_id: str) -> None:
        """Unregister the receiver with this id."""
        self._receivers.pop(widget_id, None)

    def _opened(self, opened: Any, message: Any) -> None:
        def receive(message: Any) -> None:
            # the main thread runs the cells: a message that it handles may have waited for one
            is_prompt = threading.current_thread() is not threading.main_thread()
            self.deliver(message["content"]["data"], is_prompt=is_prompt)

        opened.on_msg(receive)

    def deliver(self, data: Any, *, is_prompt: bool = False) -> None:
        """Pass the command in a message on to its widget."""
        command = parse(data, is_prompt=is_prompt)
        if command is None:
            logger.warning("ignored a message from a page that is not a command")
            return
        receiver: Callable[..., Any] | None = getattr(self._receivers.get(command.widget_id), "receive", None)
        if receiver is None:
            logger.info("ignored a command for a widget that is gone")
            return
        with self._lock:
            is_new = command.id not in self._seen
            self._seen[command.id] = None
        receiver(command, is_new=is_new)


channel = Channel()
