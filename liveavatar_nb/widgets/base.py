"""What all widgets share: their script, their traits' one writer, and the commands of their pages."""

from __future__ import annotations

import asyncio
import difflib
import logging
from collections.abc import Coroutine
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from ..bridge.loop import ManagedLoop, bridge
from ..client import AsyncLiveAvatar
from ..concurrency.worker import worker
from ..errors import ClientClosed, ConfigurationError, InvalidArgument
from .channel import Command, channel

logger = logging.getLogger("liveavatar_nb.widgets")

# the command that is being done: each is done by a task of its own
asked: ContextVar[Command | None] = ContextVar("asked", default=None)

STATIC = Path(__file__).parents[1] / "static"

# hidden by the style sheet that a living widget brings along: it shows where the kernel is gone
HINT = '<div class="lv-hint">Nothing to see above? The kernel that showed it is gone: run this cell again.</div>'


def asset(name: str) -> str:
    """The text of a file that the build made.

    Raises:
        ConfigurationError: it is not there.
    """
    try:
        return (STATIC / name).read_text("utf-8")
    except FileNotFoundError:
        raise ConfigurationError(
            f"The widgets' script {name} was not built.",
            remedy="Install the package with pip (also `pip install -e .`): that builds it.",
        ) from None


class ControlledWidget(anywidget.AnyWidget):
    """A widget whose page sends commands, and whose traits only Python writes.

    A command `name` is done by the coroutine method `do_name`, on the managed loop.

    Args:
        la: the client, a `LiveAvatar`.
        traits: of ipywidgets' DOM widgets, `layout` for one.

    Raises:
        InvalidArgument: `la` is no `LiveAvatar`, or a trait has no such name.
    """

    _css = asset("widgets.css")
    widget_id = traitlets.Unicode().tag(sync=True)

    def __init__(self, la: Any, **traits: Any) -> None:
        client = getattr(la, "_inner", None)
        if not isinstance(client, AsyncLiveAvatar):
            raise InvalidArgument(
                f"A widget needs a LiveAvatar, not {type(la).__name__}.",
                remedy="Only on its managed loop a click on Stop works while a cell runs.",
            )
        for name in traits:
            if not self.has_trait(name):
                near = difflib.get_close_matches(name, self.trait_names(), n=1)
                raise InvalidArgument(
                    f"{type(self).__name__} has no trait {name!r}.",
                    remedy=f"Did you mean {near[0]!r}?" if near else "",
                )
        # the face, too: as long as a widget is there the client is not let go
        self._la, self._client = la, client
        self._tasks: set[asyncio.Task[None]] = set()  # a loop alone does not keep its tasks
        self._is_prompt = False  # whether the page's last new command came by a way that no cell holds up
        super().__init__(widget_id=channel.join(self), **traits)
        self.on_msg(lambda _widget, content, _buffers: channel.deliver(content))
        self._unwatch = client.watch(self._client_changed)
        self._submit(self._load(), "what it shows")

    def _ipython_display_(self) -> None:
        from IPython.display import display_html, publish_display_data  # noqa: PLC0415 (only where it is displayed)

        bundle = self._repr_mimebundle_()
        if bundle is not None:
            publish_display_data(*bundle)  # type: ignore[no-untyped-call]
            display_html(HINT, raw=True)  # type: ignore[no-untyped-call]

    def close(self) -> None:
        """Takes the widget from the page; a session that it started goes on."""
        # ipywidgets calls this for a widget, too, that was refused before it was made
        if self.widget_id:
            channel.leave(self.widget_id)
            self._unwatch()
        super().close()

    def receive(self, command: Command, *, is_new: bool) -> None:
        """Takes a command in, from whichever thread it comes by; each is acknowledged, and done once."""
        worker.post(lambda: self.send({"type": "ack", "id": command.id}))
        if is_new:
            self._is_prompt = command.is_prompt
            self._take(command)

    def _take(self, command: Command) -> None:
        """Has a new command done; on the thread that it came by."""
        self._submit(self._perform(command), command.name)

    async def _perform(self, command: Command) -> None:
        asked.set(command)
        do = getattr(self, f"do_{command.name}", None)
        if do is None:
            raise InvalidArgument(f"The page sent a command that {type(self).__name__} does not have: {command.name}.")
        await do(**command.args)

    def _submit(self, work: Coroutine[Any, Any, None], what: str) -> None:
        """Has the loop do it; what goes wrong is shown and logged."""
        if self._client.is_closed:
            work.close()
            self._show(ClientClosed())
            return
        guarded, loop = self._guard(work, what), asyncio._get_running_loop()
        if not isinstance(loop, ManagedLoop):
            bridge.submit(guarded)
            return
        # what is begun here ends with the loop, where that is about to go
        task = loop.create_task(guarded)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guard(self, work: Coroutine[Any, Any, None], what: str) -> None:
        try:
            await work
        except Exception as failure:
            logger.exception("%s of %s failed", what, type(self).__name__)
            self._show(failure)

    def _write(self, **traits: Any) -> None:
        """Sets traits, all in one message, on the thread that alone does so."""

        def write() -> None:
            with self.hold_sync():
                for name, value in traits.items():
                    setattr(self, name, value)

        worker.post(write)

    def _post(self, message: dict[str, Any], buffers: list[bytes] | None = None) -> None:
        """Sends a message to the pages, behind what was written before."""
        worker.post(lambda: self.send(message, buffers=buffers))

    async def do_ready(self) -> None:
        """A view has connected and asks for what is true now."""
        self._client_changed()

    async def _load(self) -> None:
        """What a new widget has to fetch."""

    def _client_changed(self) -> None:
        """A session of the client has changed; on the loop."""

    def _show(self, failure: BaseException) -> None:
        """Has the page show what went wrong."""
        raise NotImplementedError
