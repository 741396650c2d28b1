"""The control channel, on which the page's commands arrive even while a cell is running.

The page opens a comm to the target registered here. Python never sends anything on this comm, because the kernel would
then route the page's messages to whichever shell sent something last. As long as no shell has sent anything, the
messages are received by a subshell's thread, even while a cell is running. On a host without subshells, commands
arrive as ordinary widget messages.
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
REMEMBERED = 512  # maximum number of command ids to remember, so that a command that arrives twice runs only once
LONGEST_PAGE = 64  # maximum characters in a page's id


@dataclass(frozen=True)
class Command:
    """A page's command to a widget.

    Attributes:
        widget_id: The widget's id.
        id: The command's own id.
        name: The command's name.
        args: The command's arguments, by name.
        is_prompt: Whether the command arrived on the control channel, which a running cell does not delay.
        page: The id of the sending browser page. Replies include this id, because every page receives every reply.
        tab: The id of the browser tab, which survives a reload; "" if the browser provides none.
        attention: Measures the time during which no running cell delayed the page's commands; `UNKNOWN` if that cannot
            be measured, None if `is_prompt`.
    """

    widget_id: str
    id: str
    name: str
    args: dict[str, Any]
    is_prompt: bool = False
    page: str = ""
    tab: str = ""
    attention: Attention | UnknownAttention | None = None


# the command being handled; each context has its own, because each command is handled in its own task
_current: ContextVar[Command] = ContextVar("command")


def current_command() -> Command:
    """Return the command that is being handled in the current context."""
    return _current.get()


def set_current_command(command: Command) -> None:
    """Set the command that is being handled in the current context."""
    _current.set(command)


def parse(data: Any, *, is_prompt: bool = False) -> Command | None:
    """Return the command in a message that has just arrived; None if the message is not a command."""
    match data:
        case {"widget": str(widget_id), "id": str(command_id), "command": str(name), "args": dict(args)}:
            page, tab = (str(data.get(name) or "")[:LONGEST_PAGE] for name in ("page", "tab"))
            attention = None if is_prompt else attention_here()
            return Command(widget_id, command_id, name, args, is_prompt, page, tab, attention)
    return None


class Channel:
    """Delivers commands to the widgets in this process, and recognises any command that arrives twice."""

    def __init__(self) -> None:
        self._receivers: weakref.WeakValueDictionary[str, Any] = weakref.WeakValueDictionary()
        self._seen: BoundedDict[str, None] = BoundedDict(REMEMBERED)
        self._lock = threading.Lock()
        self._manager: Any = None

    def join(self, receiver: Any) -> str:
        """Register a receiver, without keeping it alive, and return its new id.

        The receiver's `receive` method is called with each command for that id.
        """
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
            # the main thread runs the cells, so a message it handles may have had to wait for a cell
            is_prompt = threading.current_thread() is not threading.main_thread()
            self.deliver(message["content"]["data"], is_prompt=is_prompt)

        opened.on_msg(receive)

    def deliver(self, data: Any, *, is_prompt: bool = False) -> None:
        """Deliver the command in this message to the widget that it addresses."""
        command = parse(data, is_prompt=is_prompt)
        if command is None:
            logger.warning("ignored a page's message because it is not a command")
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
