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
    """A part of a widget that keeps state, writes traits, and handles some of the page's commands.

    The widget calls these methods on each of its controllers, in order. A subclass overrides the methods that it needs.
    """

    def traits(self) -> dict[str, Any]:
        """Return initial values for those traits that should not start with their default values."""
        return {}

    def commands(self) -> Mapping[str, Answer]:
        """Return the functions that handle commands, keyed by command name.

        Each function takes the command's arguments as keyword arguments.
        """
        return {}

    def commands_without_loop(self) -> Mapping[str, Callable[[], bool]]:
        """Return the functions to call for commands if the loop does not respond, keyed by command name.

        Each function is called on its own thread. If it returns False, the command is left to the loop.
        """
        return {}

    async def load(self) -> None:
        """Fetch the data that the widget shows."""

    async def hear(self, command: Command) -> None:
        """React to a command from a page, before the command is handled."""

    def welcome(self, command: Command) -> None:
        """React to a page that has just connected, before `refresh` shows the current state."""

    def refresh(self) -> None:
        """Show the client's current state; called on the loop."""

    def display(self) -> None:
        """React to the widget being displayed in a cell."""

    def close(self) -> None:
        """Release all resources when the widget is closed."""


def delegate(name: str, method: Callable[Concatenate[Any, P], R]) -> Callable[Concatenate[Any, P], R]:
    """Return a widget method that calls a controller's method and has that method's signature and docstring.

    Args:
        name: The name of the widget's attribute that holds the controller.
        method: The controller's method.
    """

    @functools.wraps(method)
    def call(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return method(getattr(self, name), *args, **kwargs)

    return call
