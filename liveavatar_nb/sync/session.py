"""`Session` and `Utterance`: the sync classes, with the same names as in the async API."""

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


async def _interrupt(session: AsyncSession, utterance: AsyncUtterance) -> None:
    if not utterance.state.is_final:
        await session.interrupt()


class Utterance(Face):
    """Something that the avatar says, returned by `Session.play`, `say` and `ask`."""

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
    """A session with an avatar, returned by `LiveAvatar.start`.

    Leaving a `with` block stops it. You can call `stop()` in any state, and more than once. As the last line of a
    cell, the session displays itself: the avatar's live video, its status and a Stop button.
    """

    def __init__(self, inner: AsyncSession) -> None:
        self._inner = inner

    def view(self, **traits: Any) -> LiveView:
        """Show the avatar's video, with sound, in the cell's output immediately.

        To put the view into your own layout, or to show it later, create a `LiveView(la, s)`.

        Args:
            traits: traits of ipywidgets' DOM widgets, such as `layout`.

        Returns:
            The view, which can take snapshots and record.

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
            raise ViewError("This session has no client.", remedy="Show the session that start() returned.")
        return LiveView(self._holder, self, **traits)

    def _ipython_display_(self) -> None:
        if not is_shown():
            # IPython then shows the repr instead
            raise NotImplementedError
        self._make_view()._ipython_display_()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._inner.is_of_this_process:
            try:
                self.stop()
            except KeyboardInterrupt:
                # the interrupt may have arrived before the call reached the loop
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
        """The utterance that is being said or sent; None if there is none."""
        inner = self._inner.utterance
        return None if inner is None else Utterance(inner)

    @property
    def utterances(self) -> tuple[Utterance, ...]:
        """The last 200 utterances: everything played, said and answered, oldest first."""
        return tuple(Utterance(inner) for inner in self._inner.utterances)

    play = blocking(AsyncSession.play, wrap=Utterance, undo=_interrupt)
    say = blocking(AsyncSession.say, wrap=Utterance, undo=_interrupt)
    ask = blocking(AsyncSession.ask, wrap=Utterance, undo=_interrupt)
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
