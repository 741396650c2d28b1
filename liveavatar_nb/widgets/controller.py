"""`Controller`: a part of a widget, with its own state, traits and commands."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Concatenate, ParamSpec, TypeVar

from .channel import Command

P = ParamSpec("P")
R = TypeVar("R")

Answer = Callable[..., Coroutine[Any, Any, None]]


class Controller:
    """A part of a widget: it keeps some state, writes some traits, and answers some of the page's commands.

    The widget tells its controllers what happens, in the order in which it lists them. Each overrides what it needs.
    """

    def traits(self) -> dict[str, Any]:
        """Return the first values of its traits, those that are not the defaults."""
        return {}

    def commands(self) -> Mapping[str, Answer]:
        """Return the commands that it answers; the parameters of an answer are the command's arguments."""
        return {}

    def commands_without_loop(self) -> Mapping[str, Callable[[], bool]]:
        """Return what answers a command, on a thread of its own, if the loop does not; False leaves it to the loop."""
        return {}

    async def load(self) -> None:
        """Fetch what a new widget shows."""

    async def hear(self, command: Command) -> None:
        """Note that a page sent this command, which is answered next."""

    def welcome(self, command: Command) -> None:
        """Note that a page has connected, which is shown next what is true now."""

    def refresh(self) -> None:
        """Show what is true of the client now; called on the loop."""

    def display(self) -> None:
        """Note that the widget is displayed in a cell."""

    def close(self) -> None:
        """Let go of everything: the widget is taken from the page."""


def delegate(name: str, method: Callable[Concatenate[Any, P], R]) -> Callable[Concatenate[Any, P], R]:
    """Make a controller's method one of the widget that holds it: same parameters, result and docstring.

    Args:
        name: the widget's attribute that holds the controller.
        method: the controller's.
    """

    @functools.wraps(method)
    def call(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return method(getattr(self, name), *args, **kwargs)

    return call
