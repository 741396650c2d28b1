"""The Python that does what was clicked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ..session.options import SessionOptions

LONGEST_LINE: Final = 80  # characters of arguments on one line
IMPORTED: Final = ("LiveAvatar",)
SAID: Final = ("voice_id", "language", "interactivity_type", "dynamic_variables", "video_quality", "video_encoding")
LITE_BODY: Final = ("s.view()", "s.wait_until_ended()")
FULL_BODY: Final = ("s.view()", 's.ask("What can you show me?")')


def as_code(avatar: str, options: Mapping[str, Any], *, simulated: bool, max_minutes: float, context: str = "") -> str:
    """The Python that starts such a session.

    Args:
        avatar: its name, or id.
        options: what `start` is called with.
        simulated: whether it is started on a simulator.
        max_minutes: the client's own cap, which need not be said.
        context: what stands for the context, as Python.
    """
    defaults = SessionOptions()
    is_conversation = options["mode"] == "FULL"
    chosen = ["is_sandbox=True"] if options["is_sandbox"] else [repr(avatar)]
    if is_conversation:
        chosen.append(f"context={context}" if context else 'mode="FULL"')
    chosen += [
        f"{name}={options[name]!r}" for name in SAID if name in options and options[name] != getattr(defaults, name)
    ]
    if options["max_minutes"] != max_minutes:
        chosen.append(f"max_minutes={options['max_minutes']:g}")
    imported = [*IMPORTED, *(["NewContext"] if context.startswith("NewContext(") else [])]
    made = "LiveAvatar.demo()  # LiveAvatar() for the real service" if simulated else "LiveAvatar()"
    arguments = ", ".join(chosen)
    if len(arguments) > LONGEST_LINE:
        arguments = "".join(f"\n    {one}," for one in chosen) + "\n"
    body = FULL_BODY if is_conversation else LITE_BODY
    return (
        f"from liveavatar_nb import {', '.join(imported)}\n\n"
        f"la = {made}\n"
        f"with la.start({arguments}) as s:  # leaving the block stops it\n" + "".join(f"    {line}\n" for line in body)
    )
