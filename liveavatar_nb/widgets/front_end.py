"""`FrontEnd`: the script and style sheet that all widgets of a kernel share, so that a page downloads them once.

Each widget's own script is a small loader (`frontend/src/loader.ts`). It finds the front end by the widget's reference
to this model, as ipywidgets finds a box's children. The model is sent to a page once, ahead of the first widget and
without being requested, and it is saved along with the widgets. The page imports each different script once.

marimo closes a model when the cell that made it runs again, so no model can be shared there. But marimo serves scripts
by their content and imports each of them once, so there the front end is itself the script of every widget.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, ClassVar

import ipywidgets
import traitlets

from ..errors import ConfigurationError
from ..session.attention import is_in_cell_of_marimo

STATIC = Path(__file__).parents[1] / "static"


def asset(name: str) -> str:
    """Return the text of a file from the front-end build.

    Raises:
        ConfigurationError: The file is missing.
    """
    try:
        return (STATIC / name).read_text("utf-8")
    except FileNotFoundError:
        raise ConfigurationError(
            f"The widget script {name} has not been built.",
            remedy="Install the package with pip, which builds the script: for example `pip install -e .`.",
        ) from None


# read on import, so that they match even if another version is installed meanwhile
LOADER = asset("loader.js")
CODE = asset("widgets.js")
STYLE = asset("widgets.css")


class FrontEnd(ipywidgets.Widget):  # type: ignore[misc]
    """A model without a view that holds the front end."""

    code = traitlets.Unicode().tag(sync=True)
    style = traitlets.Unicode().tag(sync=True)

    _lock: ClassVar[threading.Lock] = threading.Lock()
    _shared: ClassVar[FrontEnd | None] = None

    @classmethod
    def shared(cls) -> FrontEnd:
        """Return the kernel's front end; the first widget creates it, and the next one if it was closed since."""
        with cls._lock:
            if cls._shared is None or cls._shared.comm is None:
                cls._shared = cls(code=CODE, style=STYLE)
            return cls._shared


def scripts() -> dict[str, Any]:
    """Return the traits that give a new widget its front end, beside the loader."""
    if is_in_cell_of_marimo():
        return {"_esm": CODE, "_css": STYLE}
    return {"_front_end": FrontEnd.shared()}
