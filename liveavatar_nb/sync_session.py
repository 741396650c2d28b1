"""`Session` and `Utterance`: the same names as the async ones, without `await`."""

from __future__ import annotations

from typing import Self

from .bridge import Face, blocking, blocking_iter, passing, reading
from .session import AsyncSession
from .utterance import AsyncUtterance


class Utterance(Face):
    """One thing that the avatar says; `Session.play` and `say` make it."""

    def __init__(self, inner: AsyncUtterance) -> None:
        self._inner = inner

    id = reading(AsyncUtterance.id)
    name = reading(AsyncUtterance.name)
    text = reading(AsyncUtterance.text)
    state = reading(AsyncUtterance.state)
    seconds = reading(AsyncUtterance.seconds)
    total = reading(AsyncUtterance.total)
    played = reading(AsyncUtterance.played)
    duration = reading(AsyncUtterance.duration)
    lag = reading(AsyncUtterance.lag)
    notes = reading(AsyncUtterance.notes)
    error = reading(AsyncUtterance.error)

    wait = blocking(AsyncUtterance.wait)


class Session(Face):
    """One session with an avatar; `LiveAvatar.start` makes it.

    `with` stops it when the block is left. `stop()` works in every state, and twice.
    """

    def __init__(self, inner: AsyncSession) -> None:
        self._inner = inner

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._inner.is_of_this_process:
            self.stop()

    id = reading(AsyncSession.id)
    avatar = reading(AsyncSession.avatar)
    options = reading(AsyncSession.options)
    timings = reading(AsyncSession.timings)
    state = reading(AsyncSession.state)
    mode = reading(AsyncSession.mode)
    is_sandbox = reading(AsyncSession.is_sandbox)
    is_live = reading(AsyncSession.is_live)
    elapsed = reading(AsyncSession.elapsed)
    since_start_call = reading(AsyncSession.since_start_call)
    max_minutes = reading(AsyncSession.max_minutes)
    time_left = reading(AsyncSession.time_left)
    credits_used = reading(AsyncSession.credits_used)
    is_degraded = reading(AsyncSession.is_degraded)
    unwatched_left = reading(AsyncSession.unwatched_left)
    cap_at = reading(AsyncSession.cap_at)
    keep_alive_age = reading(AsyncSession.keep_alive_age)
    end_reason = reading(AsyncSession.end_reason)
    end_words = reading(AsyncSession.end_words)
    error = reading(AsyncSession.error)
    stop_is_confirmed = reading(AsyncSession.stop_is_confirmed)
    agent_state = reading(AsyncSession.agent_state)
    caption = reading(AsyncSession.caption)
    transcript = reading(AsyncSession.transcript)
    wire = reading(AsyncSession.wire)

    @property
    def utterance(self) -> Utterance | None:
        """What is being said, or sent; None in silence."""
        inner = self._inner.utterance
        return None if inner is None else Utterance(inner)

    @property
    def utterances(self) -> tuple[Utterance, ...]:
        """What was played and said, the newest last; the last 200."""
        return tuple(Utterance(inner) for inner in self._inner.utterances)

    play = blocking(AsyncSession.play, wrap=Utterance)
    say = blocking(AsyncSession.say, wrap=Utterance)
    interrupt = blocking(AsyncSession.interrupt)
    start_listening = blocking(AsyncSession.start_listening)
    stop_listening = blocking(AsyncSession.stop_listening)
    on = passing(AsyncSession.on)
    wait_for = blocking(AsyncSession.wait_for)

    stop = blocking(AsyncSession.stop, otherwise=AsyncSession.stop_without_loop)
    wait_until_ended = blocking(AsyncSession.wait_until_ended)
    events = blocking_iter(AsyncSession.events)
