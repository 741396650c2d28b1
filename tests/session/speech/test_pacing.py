"""The pace of what is sent: a lead ahead of what is being said, and never more."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liveavatar_nb.session.speech.pacing import Pace

LEAD = 2.0


def test_the_first_frames_go_at_once_and_the_others_in_step_with_the_sound() -> None:
    pace, now, sent_at = Pace(LEAD), 100.0, []
    for seconds in (0.6, *[1.0] * 6):
        now += pace.wait(now)
        sent_at.append(round(now - 100, 6))
        pace.sent(seconds, now)
    assert sent_at == [0, 0, 0, 0.6, 1.6, 2.6, 3.6]
    assert pace.left(now) == pytest.approx(LEAD + 1.0)


@given(st.lists(st.tuples(st.floats(0.01, 1.0), st.floats(0, 3)), min_size=1, max_size=40))
def test_never_more_than_the_lead_and_a_frame_is_ahead_whatever_comes_late(steps: list[tuple[float, float]]) -> None:
    pace, now = Pace(LEAD), 0.0
    for seconds, late in steps:
        now += pace.wait(now) + late
        pace.sent(seconds, now)
        assert seconds - 1e-9 <= pace.left(now) <= LEAD + seconds + 1e-9


def test_a_source_that_falters_is_not_made_up_for_by_a_burst() -> None:
    pace = Pace(LEAD)
    pace.sent(1.0, 0.0)
    pace.sent(1.0, 10.0)
    assert pace.left(10.0) == 1.0
    assert pace.wait(10.0) == 0
    pace.sent(1.0, 10.0)
    pace.sent(1.0, 10.0)
    assert pace.wait(10.0) == 1.0


def test_once_it_was_forgotten_the_next_goes_at_once() -> None:
    pace = Pace(LEAD)
    pace.sent(60.0, 0.0)
    assert pace.wait(0.0) == 58.0
    pace.reset()
    assert (pace.wait(0.0), pace.left(0.0)) == (0, 0)
