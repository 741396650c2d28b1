"""What importing the package costs, in fresh processes, against httpx, which it is built on."""

from __future__ import annotations

import subprocess
import sys

from .table import Row, show

ROUNDS = 25
PROCESS_LIMIT = 30  # s for one process

HTTPX = "import httpx"
IMPORT = "import liveavatar_nb"
USE = "from liveavatar_nb import LiveAvatar; LiveAvatar('k' * 32).close()"
AIMS = {IMPORT: 0.25, USE: 1.6}


def _seconds(statement: str) -> float:
    """How long a fresh interpreter takes for `statement`, timed by itself."""
    code = f"from time import perf_counter as now; began = now(); {statement}; print(now() - began)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=PROCESS_LIMIT, check=True
    )
    return float(done.stdout)


def measure() -> list[Row]:
    """Time all statements in interleaved rounds."""
    statements = [HTTPX, *AIMS]
    rounds: dict[str, list[float]] = {statement: [] for statement in statements}
    for statement in statements:
        # The first run may write byte code.
        _seconds(statement)
    for _ in range(ROUNDS):
        for statement in statements:
            rounds[statement].append(_seconds(statement))
    return [Row(statement, times, AIMS.get(statement)) for statement, times in rounds.items()]


def report() -> bool:
    """Print the table; says whether the aims were met."""
    names = {USE: "LiveAvatar, made and closed"}
    rows = [Row(names.get(row.name, row.name), row.rounds, row.aim) for row in measure()]
    title = f"Import in a fresh process ({ROUNDS} interleaved rounds)"
    return show(title, rows, reference=HTTPX, unit="ms", per_second=1e3)
