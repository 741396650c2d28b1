"""Ctrl-C from another process around the end of a start; `python -m tests.deaths.interrupts` is the long form."""

from __future__ import annotations

import pytest
from jupyter_core.utils import ensure_event_loop

from .interrupts import OwnerKind, judged, summary
from .owners import settles

STARTS = 40
NEAR_AT_LEAST = 8  # of these, also where the machine is busy


@pytest.fixture(scope="module", autouse=True)
def loop_of_jupyter() -> None:
    """jupyter_client's blocking calls make one event loop for the process, which stays."""
    ensure_event_loop()


@pytest.mark.parametrize("owner", ["kernel", "interpreter"])
def test_no_session_is_billed_without_a_name_in_the_cell(owner: OwnerKind) -> None:
    """row 53"""
    with judged(owner, seed=53) as (judge, _):
        judge.start(STARTS)
        settles(lambda: not judge.billed())
        judge.look()
    print(summary(judge.runs))
    assert not [run for run in judge.runs if run.is_lost]
    assert sum(run.is_near for run in judge.runs) >= NEAR_AT_LEAST, summary(judge.runs)
    assert any(run.held for run in judge.runs), "no start came to its end"
    assert any(run.held is None for run in judge.runs), "no start was interrupted"
