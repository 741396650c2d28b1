"""`Link`: the connection between a widget's controllers and its pages."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from .. import config
from ..bridge.loop import ManagedLoop, bridge
from ..bridge.wrappers import inner_of
from ..client import AsyncLiveAvatar
from ..concurrency.worker import worker
from ..errors import ClientClosed, InvalidArgument
from .channel import Command, current_command, set_current_command
from .controller import Answer, Controller

logger = logging.getLogger("liveavatar_nb.widgets")

Message = tuple[dict[str, Any], list[bytes] | None]


class Link:
    """The connection between a widget's controllers and its pages.

    A single thread writes the traits and sends the messages, in order. The pages' commands are handled on the managed
    loop.

    Args:
        widget: The widget; it need not be initialised yet.
        la: The client, a `LiveAvatar`.

    Raises:
        InvalidArgument: `la` is not a `LiveAvatar`.
    """

    def __init__(self, widget: Any, la: Any) -> None:
        client = inner_of(la)
        if not isinstance(client, AsyncLiveAvatar):
            raise InvalidArgument(
                f"A widget needs a LiveAvatar, not {type(la).__name__}.",
                remedy="Pass a LiveAvatar: only its managed loop lets Stop work while a cell runs.",
            )
        self.la = la
        self.client = client
        self._widget = widget
        self._kind = type(widget).__name__
        self._controllers: Sequence[Controller] = ()
        self._on_failure: Callable[[BaseException], None] = lambda _: None
        self._answers: dict[str, Answer] = {}
        self._answers_without_loop: dict[str, Callable[[], bool]] = {}
        self._observers: list[tuple[Callable[[], None], tuple[str, ...]]] = []
        self._tasks: set[asyncio.Task[None]] = set()  # kept here, because a loop has only weak references to its tasks

    # for the widget

    def connect(self, controllers: Sequence[Controller], on_failure: Callable[[BaseException], None]) -> None:
        """Connect the controllers.

        Args:
            controllers: The controllers, in the order in which they are notified. If two controllers
                support the same command, the later one handles it.
            on_failure: Called with each error to show on the page.
        """
        self._controllers, self._on_failure = controllers, on_failure
        self._answers = {"ready": self._welcome}
        for controller in controllers:
            self._answers |= controller.commands()
            self._answers_without_loop |= controller.commands_without_loop()

    def begin(self) -> None:
        """Start observing traits and loading data; called once the widget is initialised."""
        for callback, names in self._observers:
            self._widget.observe(lambda _change, callback=callback: callback(), names)
        self.submit(self.reload(), "the first load")

    @property
    def commands(self) -> Mapping[str, Answer]:
        """The functions that handle the page's commands, keyed by command name.

        Each function takes the command's arguments as keyword arguments.
        """
        return dict(self._answers)

    def receive(self, command: Command, *, is_new: bool) -> None:
        """Acknowledge a command and, if it is new, handle it; may be called on any thread."""
        self.send({"type": "ack", "id": command.id})
        if not is_new:
            return
        without_loop = self._answers_without_loop.get(command.name)
        if without_loop is None:
            self._begin(command)
            return
        try:
            name = f"liveavatar_nb-{command.name}"
            threading.Thread(
                target=self._begin_despite_loop, args=[command, without_loop], name=name, daemon=True
            ).start()
        except RuntimeError:  # the process cannot start any more threads
            self._begin_despite_loop(command, without_loop)

    def _begin_despite_loop(self, command: Command, without_loop: Callable[[], bool]) -> None:
        if bridge.answers(config.LOOP_LIMIT) or not without_loop():
            self._begin(command)

    def _begin(self, command: Command) -> None:
        self.submit(self._answer(command), command.name)

    async def _answer(self, command: Command) -> None:
        set_current_command(command)
        for controller in self._controllers:
            await controller.hear(command)
        answer = self._answers.get(command.name)
        if answer is None:
            raise InvalidArgument(f"The page sent a command that {self._kind} does not support: {command.name}.")
        await answer(**command.args)

    async def _welcome(self) -> None:
        """Show the current state to a page that has just connected."""
        for controller in self._controllers:
            controller.welcome(current_command())
        self.refresh()

    # for the controllers

    @property
    def is_open(self) -> bool:
        """Whether the widget is still open."""
        return self._widget.comm is not None

    def read(self, trait: str) -> Any:
        """Return a trait's value."""
        return getattr(self._widget, trait)

    def observe(self, callback: Callable[[], None], *traits: str) -> None:
        """After the widget has been initialised, call a function whenever one of these traits changes."""
        self._observers.append((callback, traits))

    def write(self, **traits: Any) -> None:
        """Set traits on the writing thread, all in one message; show an error if a value is rejected."""

        def write() -> None:
            try:
                with self._widget.hold_sync():
                    for name, value in traits.items():
                        self._widget.set_trait(name, value)
            except InvalidArgument as failure:
                self.show_problem(failure)

        worker.post(write)

    def send(self, message: dict[str, Any], buffers: list[bytes] | None = None, *, page: str = "") -> None:
        """Send a message to all pages, or to one page, after all earlier trait changes and messages."""
        self.send_later(lambda: (message | {"page": page} if page else message, buffers))

    def send_later(self, make: Callable[[], Message | None]) -> None:
        """Queue a message; `make` creates the message when its turn comes, or returns None to send nothing."""

        def send() -> None:
            made = make()
            if made is not None:
                message, buffers = made
                self._widget.send(message, buffers=buffers)

        worker.post(send)

    def submit(self, work: Coroutine[Any, Any, None], what: str) -> None:
        """Run a coroutine on the loop; show and log any error.

        Args:
            work: The coroutine.
            what: A name for the coroutine, used in the log.
        """
        if self.client.is_closed:
            work.close()
            self.show_problem(ClientClosed())
            return
        guarded, loop = self.guard(work, what), asyncio._get_running_loop()
        if not isinstance(loop, ManagedLoop):
            bridge.submit(guarded)
            return
        # a task on this loop is cancelled when the loop shuts down
        task = loop.create_task(guarded)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def guard(self, work: Coroutine[Any, Any, None], what: str) -> None:
        """Run a coroutine; show and log any error."""
        try:
            await work
        except Exception as failure:
            logger.exception("%s of %s failed", what, self._kind)
            self.show_problem(failure)

    def show_problem(self, failure: BaseException) -> None:
        """Show an error that no controller has shown."""
        self._on_failure(failure)

    async def reload(self) -> None:
        """Fetch all data that the widget shows."""
        self.refresh()
        for controller in self._controllers:
            await controller.load()

    def refresh(self) -> None:
        """Show the client's current state; called on the loop."""
        for controller in self._controllers:
            controller.refresh()
