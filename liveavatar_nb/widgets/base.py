"""`ControlledWidget`, the base class of all widgets."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import anywidget
import ipywidgets
import traitlets

from ..errors import InvalidArgument
from ..session.speech.progress import is_shown
from .channel import channel
from .controller import Answer, Controller
from .front_end import LOADER, FrontEnd, scripts
from .link import Link

# while a widget is live, its style sheet hides this hint; once the kernel is gone, the hint is visible
HINT = '<div class="lv-hint">Nothing to see above? The kernel that showed it is gone: run this cell again.</div>'


class ControlledWidget(anywidget.AnyWidget):
    """A widget whose page sends commands and whose traits are written only by Python.

    A subclass declares the traits and creates the controllers, which write the traits and handle the commands.
    `_COMPONENT` is the name of the front end's component that shows it.

    Args:
        link: The connection between the controllers and the pages.
        controllers: The widget's parts, in the order in which they are notified.
        on_failure: Called with each error to show on the page.
        traits: Any other ipywidgets traits, such as `layout`.

    Raises:
        InvalidArgument: One of the given traits does not exist.
    """

    _COMPONENT: ClassVar[str]

    _esm = LOADER
    _css = ""
    _component = traitlets.Unicode().tag(sync=True)
    _front_end = traitlets.Instance(FrontEnd, allow_none=True).tag(sync=True, **ipywidgets.widget_serialization)
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
                matches = difflib.get_close_matches(name, self.trait_names(), n=1)
                raise InvalidArgument(
                    f"{type(self).__name__} has no trait {name!r}.",
                    remedy=f"Did you mean {matches[0]!r}?" if matches else "",
                )
        # hold a reference to the `LiveAvatar`, so that its client lives at least as long as the widget
        self._la, self._link = link.la, link
        self._controllers = controllers
        self._displayed_in: int | None = None
        link.connect(controllers, on_failure)
        initial = {name: value for controller in controllers for name, value in controller.traits().items()}
        own = {"widget_id": channel.join(link), "_component": self._COMPONENT, **scripts()}
        super().__init__(**(own | initial | traits))
        self.on_msg(lambda _widget, content, _buffers: channel.deliver(content))
        self._unwatch = link.client.watch(link.refresh)
        link.begin()

    def __repr__(self) -> str:
        # the `__repr__` inherited from ipywidgets would show every trait
        session = self.session
        shown = (
            "nothing yet" if session is None else f"{session.id or 'a session'} {session.avatar.name}, {session.state}"
        )
        return f"<{type(self).__name__} of {shown}>"

    @property
    def session(self) -> Any:
        """The client's newest session."""
        return self._la.session

    def commands(self) -> Mapping[str, Answer]:
        """Return the functions that handle the page's commands, keyed by command name.

        Each function takes the command's arguments as keyword arguments.
        """
        return self._link.commands

    def show(self) -> None:
        """Display the widget immediately, and do not display it again if it is also the cell's value."""
        if is_shown():
            self._ipython_display_()
            self._displayed_in = _running_cell()

    def _ipython_display_(self) -> None:
        displayed_in, self._displayed_in = self._displayed_in, None
        if displayed_in is not None and displayed_in == _running_cell():
            return
        from IPython.display import display_html, publish_display_data  # noqa: PLC0415 (needed only to display)

        bundle = self._repr_mimebundle_()
        if bundle is not None:
            publish_display_data(*bundle)  # type: ignore[no-untyped-call]
            display_html(HINT, raw=True)  # type: ignore[no-untyped-call]
        for controller in self._controllers:
            controller.display()

    def close(self) -> None:
        """Remove the widget from the page; any session it started keeps running."""
        # ipywidgets calls `close` even if the constructor failed or the widget is already closed
        if self.comm is not None:
            for controller in self._controllers:
                controller.close()
            channel.leave(self.widget_id)
            self._unwatch()
        super().close()


def _running_cell() -> int | None:
    """Return the number of the running cell; None outside a notebook."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return getattr(shell, "execution_count", None)
