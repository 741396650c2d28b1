"""Made-up secrets, and a search of all the places where an error could show one."""

from __future__ import annotations

import io
import traceback
from typing import Any

from rich.console import Console
from rich.scope import render_scope
from rich.traceback import Traceback

CANARY = "canary-5f1c"
KEY = f"{CANARY}-key"


def shown(failure: BaseException) -> str:
    """Return all text that a traceback with local variables can show: by rich, and by the repr of every local."""
    out = io.StringIO()
    # skip the outermost frame, the test's own, since the test knows the canary
    ours = failure.__traceback__.tb_next if failure.__traceback__ else None
    console = Console(file=out, width=400)
    # without the source beside the locals, since highlighting it takes most of the time
    trace = Traceback.extract(type(failure), failure, ours, show_locals=True)
    for stack in trace.stacks:
        console.print(stack.exc_value)
        for frame in stack.frames:
            console.print(render_scope(frame.locals or {}, title=frame.name))
    values = [value for frame, _ in traceback.walk_tb(ours) for value in frame.f_locals.values()]
    own = [repr(failure), str(failure), *(safely(value) for value in vars(failure).values())]
    return "\n".join([*own, out.getvalue(), *map(safely, values)])


def safely(value: Any) -> str:
    """Return the repr of a value, or of the exception that its repr raises."""
    try:
        return repr(value)
    except Exception as failure:  # noqa: BLE001 (a half-initialised object may raise anything)
        return repr(failure)
