"""`python -m tests.soak` in short: nothing hangs, nothing stays billed, nothing fails unheard."""

from __future__ import annotations

import pytest

from .soak import soak


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("cycles", "faults"), [(200, False), (60, True)], ids=["well", "faults"])
async def test_sessions_of_both_modes_side_by_side(cycles: int, faults: bool) -> None:
    report = await soak(cycles=cycles, at_once=8, faults=faults, seed=15)
    assert not report.findings, str(report)
    assert report.sessions > cycles / 2, str(report)
    assert faults or report.sessions == cycles
