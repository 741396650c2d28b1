"""A simulator that outlives the processes whose sessions it runs, and a journal for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from liveavatar_nb import Simulator
from liveavatar_nb.protection.journal import journal


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator(connect_delay=0, concurrency=10) as running:
        yield running
        billed = running.billed()
    assert not billed, f"left billed: {billed}"


@pytest.fixture(autouse=True)
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The journal's folder, of this test and the processes that it starts."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return journal.folder
