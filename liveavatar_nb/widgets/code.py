"""Writes Python code that does the same as the user's clicks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ..session.options import SessionOptions

LONGEST_LINE: Final = 80  # maximum characters of arguments on one line; beyond that, each argument gets its own line
IMPORTED: Final = ("LiveAvatar",)
SHOWN_OPTIONS: Final = (
    "voice_id",
    "language",
    "interactivity_type",
    "dynamic_variables",
    "video_quality",
    "video_encoding",
)
LITE_BODY: Final = ("s.view()", "s.wait_until_ended()")
FULL_BODY: Final = ("s.view()", 's.ask("What can you show me?")')


def as_code(avatar: str, options: Mapping[str, Any], *, simulated: bool, max_minutes: float, context: str = "") -> str:
    """Return the Python code that starts a session with these options.

    Args:
        avatar: The avatar's name or id.
        options: The options for `start`.
        simulated: Whether the client uses a simulator.
        max_minutes: The client's default cap; the code passes `max_minutes` only if the cap in `options` is different.
        context: The context as a Python expression; "" for none.
    """
    defaults = SessionOptions()
    is_conversation = options["mode"] == "FULL"
    arguments = ["is_sandbox=True"] if options["is_sandbox"] else [repr(avatar)]
    if is_conversation:
        arguments.append(f"context={context}" if context else 'mode="FULL"')
    arguments += [
        f"{name}={options[name]!r}"
        for name in SHOWN_OPTIONS
        if name in options and options[name] != getattr(defaults, name)
    ]
    if options["max_minutes"] != max_minutes:
        arguments.append(f"max_minutes={options['max_minutes']:g}")
    imported = [*IMPORTED, *(["NewContext"] if context.startswith("NewContext(") else [])]
    client = "LiveAvatar.demo()  # LiveAvatar() for the real service" if simulated else "LiveAvatar()"
    shown = ", ".join(arguments)
    if len(shown) > LONGEST_LINE:
        shown = "".join(f"\n    {argument}," for argument in arguments) + "\n"
    body = FULL_BODY if is_conversation else LITE_BODY
    return (
        f"from liveavatar_nb import {', '.join(imported)}\n\n"
        f"la = {client}\n"
        f"with la.start({shown}) as s:  # leaving the block stops it\n" + "".join(f"    {line}\n" for line in body)
    )
