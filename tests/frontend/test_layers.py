"""The front end's imports go one way, types included: each row may import rows above it, and none form a circle."""

from __future__ import annotations

from graphlib import TopologicalSorter

import pytest

from .sources import MODULES, imports

ROWS = [
    ["contract", "limits", "shared"],
    ["loader", "words"],
    ["link"],
    ["room", "state"],
    ["tools"],
    ["components"],
    ["widgets"],
]
RANK = {name: rank for rank, row in enumerate(ROWS) for name in row}


def test_the_imports_are_found() -> None:
    assert {"contract", "shared", "words"} < imports("link/link")
    assert "link/link" in imports("state/state"), "of types alone"
    assert imports("shared") == set()


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_rows_above_it(module: str) -> None:
    here = module.partition("/")[0]
    assert here in RANK, f"{here} has no row: where does it stand?"
    for name in imports(module):
        there = name.partition("/")[0]
        assert there == here or RANK[there] < RANK[here], f"{module} imports {name}, which stands below it"


def test_no_modules_import_one_another_in_a_circle() -> None:
    order = TopologicalSorter({name: imports(name) for name in MODULES})
    order.prepare()
