"""`ControlledWidget`: what all widgets share, and the files of their pages."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from ..errors import ConfigurationError, InvalidArgument
from ..session.speech.progress import is_shown
from .channel import channel
from .controller import Answer, Controller
from .link import Link

STATIC = Path(__file__).parents[1] / "static"

# hidden by the style sheet that a living widget brings along: it shows where the kernel is gone
HINT = '<div class="lv-hint">Nothing to see above? The kernel that showed it is gone: run this cell again.</div>'


def asset(name: str) -> str:
    """Return the text of a file that the build made.

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

    A subclass declares the traits, and makes the controllers that write them and answer the commands.

    Args:
        link: the tie between the controllers and the pages.
        controllers: in the order in which they are told what happens.
        on_failure: shows in the page what went wrong.
        traits: of ipywidgets' DOM widgets, `layout` for one.

    Raises:
        InvalidArgument: a trait has no such name.
    """

    _css = asset("widgets.css")
    widget_id = traitlets.Unicode().tag(sync=True)

    def __init__(
        self,
        link: Link,
        controllers: Sequence[Controller],
        *,
        on_failure: Callable[[BaseException], None],
        **traits: Any,
    ) -> None:
        for name in traits:
            if not self.has_trait(name):
                near = difflib.get_close_matches(name, self.trait_names(), n=1)
                raise InvalidArgument(
                    f"{type(self).__name__} has no trait {name!r}.",
                    remedy=f"Did you mean {near[0]!r}?" if near else "",
                )
        # the face, too: as long as a widget is there the client is not let go
        self._la, self._link = link.la, link
        self._controllers = controllers
        self._displayed_in: int | None = None
        link.connect(controllers, on_failure)
        first = {name: value for controller in controllers for name, value in controller.traits().items()}
        super().__init__(widget_id=channel.join(link), **(first | traits))
        self.on_msg(lambda _widget, content, _buffers: channel.deliver(content))
        self._unwatch = link.client.watch(link.refresh)
        link.begin()

    def __repr__(self) -> str:
        # that of ipywidgets shows every trait
        session = self.session
        shown = (
            "nothing yet" if session is None else f"{session.id or 'a session'} {session.avatar.name}, {session.state}"
        )
        return f"<{type(self).__name__} of {shown}>"

    @property
    def session(self) -> Any:
        """The client's session, the one started last."""
        return self._la.session

    def commands(self) -> Mapping[str, Answer]:
        """Return what the page may ask for, by name, and what answers it: its parameters are the arguments."""
        return self._link.commands

    def show(self) -> None:
        """Display it at once, in a cell; as that cell's value it is not displayed a second time."""
        if is_shown():
            self._ipython_display_()
            self._displayed_in = _running_cell()

    def _ipython_display_(self) -> None:
        displayed_in, self._displayed_in = self._displayed_in, None
        if displayed_in is not None and displayed_in == _running_cell():
            return
        from IPython.display import display_html, publish_display_data  # noqa: PLC0415 (only where it is displayed)

        bundle = self._repr_mimebundle_()
        if bundle is not None:
            publish_display_data(*bundle)  # type: ignore[no-untyped-call]
            display_html(HINT, raw=True)  # type: ignore[no-untyped-call]
        for controller in self._controllers:
            controller.display()

    def close(self) -> None:
        """Take the widget from the page; a session that it started goes on."""
        # ipywidgets calls this for a widget, too, that was refused before it was made, or is closed already
        if self.comm is not None:
            for controller in self._controllers:
                controller.close()
            channel.leave(self.widget_id)
            self._unwatch()
        super().close()


def _running_cell() -> int | None:
    """Return the number of the cell that runs."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return getattr(shell, "execution_count", None)
