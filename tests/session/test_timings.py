"""A session's times, and those of several sessions summed up."""

from __future__ import annotations

import pytest

from liveavatar_nb import config
from liveavatar_nb.concurrency.clock import Clock
from liveavatar_nb.session.timings import Stopwatch, summary


class ByHand(Clock):
    """A clock that the test moves."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


def stopwatch(marks: dict[str, float], **samples: list[float]) -> Stopwatch:
    clock = ByHand()
    made = Stopwatch(60, clock)
    for step, at in marks.items():
        clock.now = at
        made.mark(step)
    for name, times in samples.items():
        for seconds in times:
            made.sample(name, seconds)
    return made


def test_timings_are_the_steps_and_the_median_of_each_sample() -> None:
    made = stopwatch({"token": 0.1, "start": 0.3, "connected": 0.9}, first_word=[0.4, 0.2, 3.0])
    assert made.timings == {"token": 0.1, "start": 0.3, "connected": 0.9, "first_word": 0.4}
    assert stopwatch({}).timings == {}


def test_only_the_last_samples_are_kept() -> None:
    made = stopwatch({}, first_word=[9.0] * 5 + [1.0] * config.SAMPLES_KEPT)
    assert made.times["first_word"] == (1.0,) * config.SAMPLES_KEPT


def test_several_sessions_are_summed_up_in_the_order_of_the_steps() -> None:
    sessions = [
        stopwatch({"token": 1.0, "start": 2.0}, interrupt_to_silence=[0.25], other=[7.0]),
        stopwatch({"token": 3.0}, first_word=[0.1, 0.2], interrupt_to_silence=[0.75, 0.5]),
    ]
    told = summary(sessions)
    assert [one.step for one in told] == ["token", "start", "first_word", "interrupt_to_silence", "other"]
    assert [one.count for one in told] == [2, 1, 2, 3, 1]
    assert [one.longest for one in told] == [3.0, 2.0, 0.2, 0.75, 7.0]
    assert summary([]) == []


def test_percentiles_lie_between_two_times() -> None:
    (told,) = summary([stopwatch({}, first_word=[float(n) for n in range(100, -1, -1)])])
    assert (told.p50, told.p95, told.longest) == (50.0, 95.0, 100.0)
    (told,) = summary([stopwatch({}, first_word=[1.0, 2.0])])
    assert told.p50 == 1.5
    assert told.p95 == pytest.approx(1.95)
    (told,) = summary([stopwatch({}, first_word=[4.0])])
    assert (told.p50, told.p95, told.longest) == (4.0, 4.0, 4.0)


def test_they_show_themselves_as_a_table() -> None:
    told = summary([stopwatch({"token": 0.1234567}, interrupt_to_silence=[0.04])])
    shown = told._repr_html_()
    assert shown is not None
    for words in ("interrupt to silence", "0.123 s", "0.040 s", "p95"):
        assert words in shown
    assert list(told.to_pandas().columns) == ["step", "count", "p50", "p95", "longest"]
