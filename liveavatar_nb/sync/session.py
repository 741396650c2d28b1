"""`Session` and `Utterance`: the sync classes, with the same names as in the async API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from ..bridge.loop import bridge
from ..bridge.wrappers import Reading, SyncWrapper, blocking, blocking_iter, passing
from ..errors import ViewError
from ..protection.stops import stop_unattended
from ..session.session import AsyncSession
from ..session.speech.progress import is_shown
from ..session.speech.utterance import AsyncUtterance

if TYPE_CHECKING:
    from ..widgets.view import LiveView


async def _interrupt(session: AsyncSession, utterance: AsyncUtterance) -> None:
    if not utterance.state.is_final:
        await session.interrupt()


class Utterance(SyncWrapper):
    """Something that the avatar says, returned by `Session.play`, `say` and `ask`."""

    def __init__(self, inner: AsyncUtterance) -> None:
        self._inner = inner

    id = Reading(AsyncUtterance, lambda utterance: utterance.id)
    name = Reading(AsyncUtterance, lambda utterance: utterance.name)
    text = Reading(AsyncUtterance, lambda utterance: utterance.text)
    state = Reading(AsyncUtterance, lambda utterance: utterance.state)
    seconds = Reading(AsyncUtterance, lambda utterance: utterance.seconds)
    total = Reading(AsyncUtterance, lambda utterance: utterance.total)
    played = Reading(AsyncUtterance, lambda utterance: utterance.played)
    duration = Reading(AsyncUtterance, lambda utterance: utterance.duration)
    lag = Reading(AsyncUtterance, lambda utterance: utterance.lag)
    notes = Reading(AsyncUtterance, lambda utterance: utterance.notes)
    error = Reading(AsyncUtterance, lambda utterance: utterance.error)

    wait = blocking(AsyncUtterance.wait)


class Session(SyncWrapper):
    """A session with an avatar, returned by `LiveAvatar.start`.

    Leaving a `with` block stops the session. You can call `stop()` in any state, and more than once. As the last line
    of a cell, the session displays itself: the avatar's live video, the session's status and a Stop button.
    """

    def __init__(self, inner: AsyncSession) -> None:
        self._inner = inner

    def view(self, **traits: Any) -> LiveView:
        """Show the avatar's video, with sound, in the cell's output immediately.

        To put the view into your own layout, or to show it later, create a `LiveView(la, s)`.

        Args:
            traits: Traits of ipywidgets' DOM widgets, such as `layout`.

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
            # this makes IPython show the repr instead
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
                bridge.submit(stop_unattended(self._inner.stop()))
                raise

    id = Reading(AsyncSession, lambda session: session.id)
    avatar = Reading(AsyncSession, lambda session: session.avatar)
    options = Reading(AsyncSession, lambda session: session.options)
    timings = Reading(AsyncSession, lambda session: session.timings)
    state = Reading(AsyncSession, lambda session: session.state)
    mode = Reading(AsyncSession, lambda session: session.mode)
    is_sandbox = Reading(AsyncSession, lambda session: session.is_sandbox)
    is_live = Reading(AsyncSession, lambda session: session.is_live)
    elapsed = Reading(AsyncSession, lambda session: session.elapsed)
    since_start_call = Reading(AsyncSession, lambda session: session.since_start_call)
    max_minutes = Reading(AsyncSession, lambda session: session.max_minutes)
    time_left = Reading(AsyncSession, lambda session: session.time_left)
    credits_used = Reading(AsyncSession, lambda session: session.credits_used)
    is_degraded = Reading(AsyncSession, lambda session: session.is_degraded)
    unwatched_left = Reading(AsyncSession, lambda session: session.unwatched_left)
    cap_at = Reading(AsyncSession, lambda session: session.cap_at)
    keep_alive_age = Reading(AsyncSession, lambda session: session.keep_alive_age)
    end_reason = Reading(AsyncSession, lambda session: session.end_reason)
    end_words = Reading(AsyncSession, lambda session: session.end_words)
    error = Reading(AsyncSession, lambda session: session.error)
    stop_is_confirmed = Reading(AsyncSession, lambda session: session.stop_is_confirmed)
    agent_state = Reading(AsyncSession, lambda session: session.agent_state)
    caption = Reading(AsyncSession, lambda session: session.caption)
    can = Reading(AsyncSession, lambda session: session.can)
    is_user_speaking = Reading(AsyncSession, lambda session: session.is_user_speaking)
    is_conversation = Reading(AsyncSession, lambda session: session.is_conversation)
    transcript = Reading(AsyncSession, lambda session: session.transcript)
    wire = Reading(AsyncSession, lambda session: session.wire)

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
