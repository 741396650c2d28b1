"""Every row of the fault matrix that concerns the REST calls has a test here, found by its docstring."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROWS = {*range(1, 5), *range(7, 10), *range(12, 26)}


def rows_of(path: Path) -> set[int]:
    """The rows that the tests of a file name."""
    tree = ast.parse(path.read_text())
    tests = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    told = [ast.get_docstring(node) or "" for node in tests if node.name.startswith("test_")]
    return {int(row) for text in told for row in re.findall(r"\brow (\d+)", text)}


def test_every_row_has_a_test() -> None:
    found = set().union(*(rows_of(path) for path in Path(__file__).parent.glob("test_*.py")))
    assert found == ROWS
