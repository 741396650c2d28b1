"""`Session` and `Utterance`: the same names as the async ones, without `await`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from ..bridge.loop import bridge
from ..bridge.wrappers import Face, blocking, blocking_iter, passing, reading
from ..errors import ViewError
from ..session.session import AsyncSession
from ..session.speech.progress import is_shown
from ..session.speech.utterance import AsyncUtterance

if TYPE_CHECKING:
    from ..widgets.view import LiveView


async def _hush(session: AsyncSession, utterance: AsyncUtterance) -> None:
    if not utterance.state.is_final:
        await session.interrupt()


class Utterance(Face):
    """One thing that the avatar says; `Session.play`, `say` and `ask` make it."""

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

    `with` stops it when the block is left. `stop()` works in every state, and twice. As a cell's last line it shows
    itself: the avatar's live video, how it is, and Stop.
    """

    def __init__(self, inner: AsyncSession) -> None:
        self._inner = inner

    def view(self, **traits: Any) -> LiveView:
        """Shows the avatar's video and sound in the cell, at once; the view that it gives takes snapshots and records.

        To put it into a layout of yours, or to show it later, make `LiveView(la, s)`.

        Args:
            traits: of ipywidgets' DOM widgets, `layout` for one.

        Example:
            >>> view = s.view()
            >>> view.snapshot()
        """
        view = self._make_view(**traits)
        view.show()
        return view

    def _make_view(self, **traits: Any) -> LiveView:
        from ..widgets.view import LiveView  # noqa: PLC0415 (ipywidgets is imported when first used)

        if self._holder is None:
            raise ViewError("This session has no client.", remedy="Show the one that start() gave.")
        return LiveView(self._holder, self, **traits)

    def _ipython_display_(self) -> None:
        if not is_shown():
            # IPython then shows its repr
            raise NotImplementedError
        self._make_view()._ipython_display_()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._inner.is_of_this_process:
            try:
                self.stop()
            except KeyboardInterrupt:
                # it may have come before the loop was told
                bridge.submit(self._inner.stop())
                raise

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
    can = reading(AsyncSession.can)
    is_user_speaking = reading(AsyncSession.is_user_speaking)
    is_conversation = reading(AsyncSession.is_conversation)
    transcript = reading(AsyncSession.transcript)
    wire = reading(AsyncSession.wire)

    @property
    def utterance(self) -> Utterance | None:
        """What is being said, or sent; None in silence."""
        inner = self._inner.utterance
        return None if inner is None else Utterance(inner)

    @property
    def utterances(self) -> tuple[Utterance, ...]:
        """What was played, said and answered, the newest last; the last 200."""
        return tuple(Utterance(inner) for inner in self._inner.utterances)

    play = blocking(AsyncSession.play, wrap=Utterance, undo=_hush)
    say = blocking(AsyncSession.say, wrap=Utterance, undo=_hush)
    ask = blocking(AsyncSession.ask, wrap=Utterance, undo=_hush)
    interrupt = blocking(AsyncSession.interrupt)
    start_listening = blocking(AsyncSession.start_listening)
    stop_listening = blocking(AsyncSession.stop_listening)
    start_push_to_talk = blocking(AsyncSession.start_push_to_talk)
    stop_push_to_talk = blocking(AsyncSession.stop_push_to_talk)
    wait_for_avatar = blocking(AsyncSession.wait_for_avatar)
    on_user_text = passing(AsyncSession.on_user_text)
    on = passing(AsyncSession.on)
    wait_for = blocking(AsyncSession.wait_for)

    stop = blocking(AsyncSession.stop, otherwise=AsyncSession.stop_without_loop)
    wait_until_ended = blocking(AsyncSession.wait_until_ended)
    events = blocking_iter(AsyncSession.events)
