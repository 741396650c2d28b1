"""What the package imports is declared: at import time as a dependency, inside a function perhaps as an extra."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import liveavatar_nb

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = Path(liveavatar_nb.__file__).parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

# Used if they are there, so that no extra brings them: a store of keys, tables, and what Colab itself has.
OPTIONAL = {"keyring", "pandas", "google.colab"}
# For users; `test` has what tests import.
EXTRAS = ("audio", "media", "demo")


class Import(NamedTuple):
    """An import of something that is neither Python's nor ours.

    Args:
        names: what it may be the import of, the longest first: `from a import b` may import `a.b`.
        is_lazy: whether it runs only within a function.
        place: file and line.
    """

    names: tuple[str, ...]
    is_lazy: bool
    place: str


def imports(path: Path) -> Iterator[Import]:
    """What a file imports when it runs, and so nothing that only a type checker reads."""

    def walk(node: ast.AST, *, is_lazy: bool) -> Iterator[Import]:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            return
        found: list[tuple[str, ...]] = []
        if isinstance(node, ast.Import):
            found = [(alias.name,) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            found = [(f"{node.module}.{alias.name}", node.module) for alias in node.names]
        for names in found:
            if names[-1].partition(".")[0] not in {*sys.stdlib_module_names, "liveavatar_nb"}:
                yield Import(names, is_lazy, f"{path.relative_to(PACKAGE)}:{node.lineno}")  # type: ignore[attr-defined]
        is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            yield from walk(child, is_lazy=is_lazy or is_function)

    return walk(ast.parse(path.read_text(encoding="utf-8")), is_lazy=False)


def distribution(name: str) -> str:
    """A requirement's or a distribution's name in its one spelling."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\s\[<>=!~;]", name)[0]).lower()


def owners() -> dict[str, set[str]]:
    """The distributions that have a module's file, by the module's name."""
    found: dict[str, set[str]] = {}
    for installed in importlib.metadata.distributions():
        for file in installed.files or ():
            if file.name.endswith((".py", ".so", ".pyd")):
                module = ".".join([*file.parts[:-1], file.name.partition(".")[0]]).removesuffix(".__init__")
                found.setdefault(module, set()).add(distribution(installed.metadata["Name"]))
    return found


OWNERS = owners()
DEPENDENCIES = {distribution(line) for line in PROJECT["project"]["dependencies"]}
OF_EXTRAS = {distribution(line) for extra in EXTRAS for line in PROJECT["project"]["optional-dependencies"][extra]}
IMPORTS = [
    found
    for path in sorted(PACKAGE.rglob("*.py"))
    if path.relative_to(PACKAGE).parts[0] not in ("frontend", "notebooks")
    for found in imports(path)
]


def distributions(found: Import) -> set[str]:
    """The distributions that an import may come from; none if it is not installed."""
    return next((OWNERS[name] for name in found.names if name in OWNERS), set())


def test_every_import_is_declared() -> None:
    undeclared = []
    for found in IMPORTS:
        is_optional = found.is_lazy and any(name in OPTIONAL for name in found.names)
        declared = DEPENDENCIES | OF_EXTRAS if found.is_lazy else DEPENDENCIES
        if not is_optional and not distributions(found) & declared:
            undeclared.append(f"{found.place}: {found.names[-1]} of {distributions(found) or 'nobody'}")
    assert not undeclared


def test_every_dependency_is_imported() -> None:
    imported = {name for found in IMPORTS for name in distributions(found)}
    # Of the first two, the one that this version of Python asks for; the last is what anywidget's widgets are made of,
    # whose version matters here.
    imported |= {"nest-asyncio", "nest-asyncio2", "ipywidgets"}
    assert not DEPENDENCIES - imported, "declared, and not used"


def test_the_build_requires_what_its_hook_imports() -> None:
    hook = ROOT / "liveavatar_nb" / "frontend" / "build_hook.py"
    required = {distribution(line) for line in PROJECT["build-system"]["requires"]}
    for node in ast.walk(ast.parse(hook.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            if name.partition(".")[0] not in sys.stdlib_module_names:
                assert OWNERS[name] & required, name


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import numpy.typing", [("numpy.typing",)]),
        ("from livekit import rtc", [("livekit.rtc", "livekit")]),
        ("import os\nfrom . import x\nfrom ..rest import y\nimport liveavatar_nb.client", []),
        ("if TYPE_CHECKING:\n    import numpy", []),
        ("def f():\n    import numpy", [("numpy",)]),
    ],
)
def test_imports_are_found(
    code: str, expected: list[tuple[str, ...]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", tmp_path)
    path = tmp_path / "module.py"
    path.write_text(code)
    found = list(imports(path))
    assert [each.names for each in found] == expected
    assert all(each.is_lazy == code.startswith("def") for each in found)
