"""The tree of errors at the head of their module is drawn as it is."""

from __future__ import annotations

import inspect
import re

from liveavatar_nb import errors
from liveavatar_nb.errors import LiveAvatarException

CLASSES = {
    name: kind for name, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, LiveAvatarException)
}


def drawn() -> dict[str, str | None]:
    """The errors of the tree at the module's head, each with the one above it."""
    above: dict[str, str | None] = {}
    branch: list[str] = []
    for indent, name in re.findall(r"^    ((?:│   |    )*(?:[├└]── )?)(\w+)", str(errors.__doc__), re.MULTILINE):
        depth = len(indent) // 4
        branch[depth:] = [name]
        above[name] = branch[depth - 1] if depth else None
    return above


def test_all_errors_are_public() -> None:
    assert set(errors.__all__) == {*CLASSES, "LiveAvatarWarning"}


def test_the_tree_is_drawn_as_it_is() -> None:
    parents = {
        name: next((base.__name__ for base in kind.__bases__ if issubclass(base, LiveAvatarException)), None)
        for name, kind in CLASSES.items()
    }
    assert drawn() == parents
