"""Imports go one way: each row may import rows above it, lazy imports included, and no files form a circle."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import liveavatar_nb

PACKAGE = Path(liveavatar_nb.__file__).parent

ROWS = [
    ["concurrency", "errors", "html", "simulator"],
    ["audio", "config"],
    ["masking"],
    ["validation", "wirelog"],
    ["bridge", "models"],
    ["rest"],
    ["protection", "protocol"],
    ["rooms"],
    ["session"],
    ["client"],
    ["widgets"],
    ["sync"],
    ["cli"],
]
RANK = {name: rank for rank, row in enumerate(ROWS) for name in row}


def modules() -> dict[str, Path]:
    """The package's modules by name, without the package's own: `rest.api`; a folder's is that of its `__init__`."""
    paths = [
        path for path in PACKAGE.rglob("*.py") if path.relative_to(PACKAGE).parts[0] not in ("frontend", "notebooks")
    ]
    named = {
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): path for path in paths
    }
    return {name: path for name, path in sorted(named.items()) if name != "__init__"}


MODULES = modules()


def imports(module: str) -> set[str]:
    """The modules of the package that a module imports, wherever in it."""
    path = MODULES[module]
    package = ["liveavatar_nb", *path.relative_to(PACKAGE).parent.parts]
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - (node.level - 1)] if node.level else []
            stem = [*base, *(node.module.split(".") if node.module else [])]
            names = [".".join([*stem, alias.name]) for alias in node.names]
        for name in names:
            inside = name.removeprefix("liveavatar_nb.")
            if inside != name:
                found.add(inside if inside in MODULES else inside.rpartition(".")[0])
    return found & MODULES.keys() - {module}


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_rows_above_it(module: str) -> None:
    here = module.partition(".")[0]
    assert here in RANK, f"{here} has no row: where does it stand?"
    for name in imports(module):
        there = name.partition(".")[0]
        assert there == here or RANK[there] < RANK[here], f"{module} imports {name}, which stands below it"


def test_no_modules_import_one_another_in_a_circle() -> None:
    order = TopologicalSorter({name: imports(name) for name in MODULES})
    order.prepare()


def test_the_simulator_imports_nothing_of_ours() -> None:
    for name in MODULES:
        if name.partition(".")[0] == "simulator":
            assert {one.partition(".")[0] for one in imports(name)} <= {"simulator"}, name


def test_httpx_stays_behind_the_calls() -> None:
    def uses_httpx(path: Path) -> bool:
        tree = ast.parse(path.read_text())
        checked = [node for node in tree.body if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)]
        guarded = {id(inner) for node in checked for inner in ast.walk(node)}
        return any(
            isinstance(node, ast.Import) and any(alias.name == "httpx" for alias in node.names)
            for node in ast.walk(tree)
            if id(node) not in guarded
        )

    assert sorted(path.name for path in MODULES.values() if uses_httpx(path)) == [
        "blocking_stop.py",
        "libraries.py",
        "network.py",
        "probe.py",
        "transport.py",
    ]


def test_nobody_in_a_session_reads_a_private_attribute_of_another() -> None:
    def owner(node: ast.Attribute) -> str:
        return ast.unparse(node.value)

    for name, path in MODULES.items():
        if name.partition(".")[0] == "session":
            read = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)]
            private = [node for node in read if node.attr.startswith("_") and not node.attr.endswith("__")]
            others = [ast.unparse(node) for node in private if owner(node) not in ("self", "cls", "super()")]
            assert not others, f"{name} reads {others}"
