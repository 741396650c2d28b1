"""A process dies with a session: the session is stopped, and nothing of the process is left."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from liveavatar_nb import Simulator

from .owners import (
    DEATHS,
    START,
    Death,
    Owner,
    connect,
    ended_afterwards,
    guards,
    is_alive,
    left_of,
    settles,
    stopped_after,
)


@pytest.mark.parametrize("death", DEATHS, ids=[death.name for death in DEATHS])
def test_row_40_a_death_stops_the_session(simulator: Simulator, records: Path, death: Death) -> None:
    """row 40"""
    with Owner() as owner:
        session_id = owner.run(connect(simulator) + START)
        child = int(owner.run(death.before))
        assert len(guards(owner.pid)) == 1
        assert sorted(item.suffix for item in records.iterdir()) == [".json", ".lock"]
        with ended_afterwards(child):
            died = time.time()
            death.begins(owner)
            assert stopped_after(simulator, session_id, died) < 10
            owner.wait()
            assert settles(lambda: not left_of(owner.pid)), left_of(owner.pid)
            # what it forked is nobody's business here
            assert is_alive(child) == (child != owner.pid)
