"""The tree of errors at the head of their module is drawn as it is, and has all that is raised."""

from __future__ import annotations

import ast
import builtins
import importlib
import inspect
import re

import liveavatar_nb
from liveavatar_nb import errors, simulator
from liveavatar_nb.errors import LiveAvatarException

from .test_layers import MODULES

CLASSES = {
    name: kind for name, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, LiveAvatarException)
}

# What the README says are Python's own.
PYTHONS = {"AttributeError", "TimeoutError"}
# What no user meets: protocols of Python, IPython and msgspec, and what the package itself catches.
INTERNAL = {
    ("StopAsyncIteration", "rooms.participants"),
    ("StopAsyncIteration", "session.speech.feed"),
    ("NotImplementedError", "sync.session"),
    ("ValueError", "models.account"),
    ("TypeError", "config"),
    ("LoopSilent", "bridge.loop"),
    ("GuardError", "protection.guard.handle"),
    ("NotReached", "protection.guard.handle"),
    ("OSError", "protection.guard.process"),
    ("FileNotFoundError", "protection.journal"),
    ("NotADirectoryError", "protection.journal"),
    ("PermissionError", "protection.journal"),
    ("ValueError", "protection.journal"),
    ("FileExistsError", "widgets.recordings"),
}


def raised() -> set[tuple[type[BaseException], str]]:
    """The classes of what the modules raise by name, each with the module; without the simulator and the commands."""
    found: set[tuple[type[BaseException], str]] = set()
    for module, path in MODULES.items():
        if module.partition(".")[0] in ("simulator", "cli"):
            continue
        names = vars(builtins) | vars(errors) | vars(importlib.import_module(f"{liveavatar_nb.__name__}.{module}"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Raise) and node.exc is not None:
                what = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
                kind = names.get(ast.unparse(what))
                if isinstance(kind, type) and issubclass(kind, BaseException):
                    found.add((kind, module))
    return found


def test_all_that_is_raised_is_of_the_tree_or_named_beside_it() -> None:
    others = {(kind.__name__, module) for kind, module in raised() if not issubclass(kind, LiveAvatarException)}
    assert {(kind, module) for kind, module in others if kind not in PYTHONS} == INTERNAL
    assert {kind for kind, _ in others} >= PYTHONS
    assert all(f"`{kind}`" in str(errors.__doc__) for kind in PYTHONS)


def test_the_simulators_own_error_is_none_of_the_tree() -> None:
    """As README and the module say."""
    assert not issubclass(simulator.SimulatorError, LiveAvatarException)
    assert f"`{simulator.__name__}.SimulatorError`" in str(errors.__doc__)


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
