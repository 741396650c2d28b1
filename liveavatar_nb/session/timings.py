"""`Stopwatch`: times a session's steps, and measures how quickly the avatar starts speaking and falls silent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from .. import config, html
from ..concurrency.clock import CLOCK, Clock
from ..models.base import Record, Records

STEPS: Final = (
    "token",
    "start",
    "connected",
    "first_word",
    "answer",
    "interrupt_to_silence",
)  # the order in which summaries show the steps


class Stopwatch:
    """Times one session with a monotonic clock.

    Args:
        cap: How many seconds after its start the service ends the session.
        clock: The clock to use.
    """

    def __init__(self, cap: float, clock: Clock = CLOCK) -> None:
        self.cap = cap
        self._clock = clock
        self.steps: dict[str, float] = {}
        self._samples: dict[str, list[float]] = {}
        self._called_at = self._clock.monotonic()
        self._started_at: float | None = None
        self._ended_at: float | None = None
        self._kept_alive_at: float | None = None

    @property
    def since_call(self) -> float:
        """Seconds since `start` was called."""
        return self._clock.monotonic() - self._called_at

    @property
    def elapsed(self) -> float:
        """Seconds from the session's start until now or, once the session is over, until its end."""
        if self._started_at is None:
            return 0.0
        return (self._ended_at or self._clock.monotonic()) - self._started_at

    @property
    def left(self) -> float:
        """Seconds until the service ends the session; 0 once it is over."""
        return 0.0 if self._ended_at is not None else self.left_of_cap

    @property
    def left_of_cap(self) -> float:
        """Seconds until the session reaches its cap, even if the session has already ended locally."""
        since = 0.0 if self._started_at is None else self._clock.monotonic() - self._started_at
        return max(0.0, self.cap - since)

    @property
    def keep_alive_age(self) -> float | None:
        """Seconds since the last successful keep-alive; None before the start."""
        return None if self._kept_alive_at is None else self._clock.monotonic() - self._kept_alive_at

    @property
    def cap_at(self) -> float | None:
        """The time at which the session will reach its cap, in seconds since the epoch; None before the start."""
        return None if self._started_at is None else self._clock.wall() + self.left_of_cap

    def mark(self, step: str) -> None:
        """Record that a step was reached."""
        self.steps[step] = self.since_call

    def sample(self, name: str, seconds: float) -> None:
        """Record one duration of a recurring step; the last 1,000 durations of each step are kept.

        Args:
            name: `first_word` (timed from the first frame that was sent or, in a conversation, from the command),
                `answer` (timed from the end of the user's speech) or `interrupt_to_silence`.
            seconds: How long it took.
        """
        times = self._samples.setdefault(name, [])
        times.append(seconds)
        del times[: -config.SAMPLES_KEPT]

    @property
    def times(self) -> dict[str, tuple[float, ...]]:
        """All recorded durations in seconds, keyed by the name of the step."""
        steps = {name: (seconds,) for name, seconds in self.steps.copy().items()}
        return {**steps, **{name: tuple(times) for name, times in self._samples.copy().items()}}

    @property
    def timings(self) -> dict[str, float]:
        """Seconds from the call to `start` until each step was reached; for a recurring step, its median duration."""
        import statistics  # noqa: PLC0415 (slow to import, and rarely needed)

        return {name: statistics.median(times) for name, times in self.times.items()}

    def start(self) -> None:
        """Record that the service started the session."""
        self._started_at = self._kept_alive_at = self._clock.monotonic()

    def correct(self, elapsed: float) -> None:
        """Adopt the elapsed time that the service reports, because our clock stopped while the machine slept."""
        self._started_at = self._clock.monotonic() - elapsed

    def keep_alive(self) -> None:
        """Record that a keep-alive succeeded."""
        self._kept_alive_at = self._clock.monotonic()

    def end(self) -> None:
        """Record that the session is over; later calls do nothing."""
        if self._started_at is not None and self._ended_at is None:
            self._ended_at = self._clock.monotonic()


class Timing(Record):
    """How long one step took, across several sessions.

    Attributes:
        step: The step's name. `token`, `start` and `connected` are measured from the call to `start`, `first_word` from
            the first frame that was sent (in a conversation, from the command), `answer` from the end of the user's
            speech, and `interrupt_to_silence` from the interruption.
        count: How many times the step was timed.
        p50, p95: The median and the 95th percentile in seconds, by linear interpolation.
        longest: The longest time in seconds.
    """

    step: str
    count: int
    p50: float
    p95: float
    longest: float

    def __repr__(self) -> str:
        spread = f"p50 {self.p50:.3f} s, p95 {self.p95:.3f} s, longest {self.longest:.3f} s"
        return f"<Timing {self.step}: {self.count}, {spread}>"

    @classmethod
    def _list_html(cls, records: Sequence[Timing], total: int) -> str:
        rows = [
            (html.label(row.step), row.count, *(html.Amount(f"{s:.3f} s") for s in (row.p50, row.p95, row.longest)))
            for row in records
        ]
        return html.table(["step", "count", "p50", "p95", "longest"], rows, total)


def summary(stopwatches: Iterable[Stopwatch]) -> Records[Timing]:
    """Summarise how long each step took across several sessions, in the order of the steps."""
    times: dict[str, list[float]] = {}
    for stopwatch in stopwatches:
        for name, seconds in stopwatch.times.items():
            times.setdefault(name, []).extend(seconds)
    names = [*(name for name in STEPS if name in times), *(name for name in times if name not in STEPS)]
    return Records(_timing(name, sorted(times[name])) for name in names)


def _timing(step: str, times: Sequence[float]) -> Timing:
    return Timing(
        step=step,
        count=len(times),
        p50=_percentile(times, 0.5),
        p95=_percentile(times, 0.95),
        longest=times[-1],
    )


def _percentile(times: Sequence[float], share: float) -> float:
    """Return a percentile of sorted times; `share` is between 0 and 1."""
    at = share * (len(times) - 1)
    lower = int(at)
    upper = min(lower + 1, len(times) - 1)
    return times[lower] + (at - lower) * (times[upper] - times[lower])
