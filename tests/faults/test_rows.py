"""Every row of the fault matrix that concerns calls, sessions and processes has a test.

A row is found by `row N` in a test's docstring, or by the name of a test that has it as its subject elsewhere.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

HERE = Path(__file__).parent
TESTS = HERE.parent
ROWS = {*range(1, 35), 37, 38, *range(42, 47), 52, 55, 58, 59}
# those whose tests lie in another folder, with processes, kernels, disks and pages
ELSEWHERE = {
    TESTS / "deaths": {39, 40, 41, 47, 48, 53, 54, 56, 57},
    TESTS / "hosts": {61},
    TESTS / "test_journal.py": {49, 50},
}
NAMED = {
    11: "test_session.py::test_a_start_that_fails_is_sent_once_and_stopped_by_its_id",
    19: "test_session.py::test_a_start_that_fails_is_sent_once_and_stopped_by_its_id",
    20: "test_session.py::test_a_start_that_fails_is_sent_once_and_stopped_by_its_id",
    32: "test_session.py::test_row_32_connected_that_never_comes_ends_in_a_stop",
    42: "test_client.py::test_two_starts_at_once_give_one_session",
    43: "test_session.py::test_two_stops_at_once_and_one_later_all_succeed",
    45: "test_session.py::test_ctrl_c_during_a_start_raises_and_leaves_nothing_billed",
}


def told_by(path: Path) -> dict[str, str]:
    """The tests of a file with what they say of themselves."""
    nodes = ast.walk(ast.parse(path.read_text()))
    tests = [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return {node.name: ast.get_docstring(node) or "" for node in tests if node.name.startswith("test_")}


def rows_of(place: Path) -> set[int]:
    """The rows that the tests of a file, or of a folder, name."""
    files = place.glob("test_*.py") if place.is_dir() else [place]
    told = [text for file in files for text in told_by(file).values()]
    return {int(row) for text in told for row in re.findall(r"\brow (\d+)", text)}


def test_every_row_has_a_test() -> None:
    found = rows_of(HERE)
    for row, name in NAMED.items():
        file, _, test = name.partition("::")
        assert test in told_by(TESTS / file), f"row {row} has lost its test"
    assert found | set(NAMED) == ROWS


def test_every_row_that_is_tested_elsewhere_has_a_test() -> None:
    for place, rows in ELSEWHERE.items():
        assert rows <= rows_of(place), place
