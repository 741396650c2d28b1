"""What is heard of a session: events, what the user says, whether the avatar is there; on both faces."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar, overload

from .. import config
from ..errors import AvatarNeverCame, InvalidArgument, RoomNotHeld, SessionEnded, SessionError, WrongMode
from ..models.avatars import Avatar
from ..protocol import full
from ..protocol.events import Event
from .dependencies import Dependencies
from .events import EventStream, H, Handler
from .facts import SessionFacts
from .options import SessionOptions, SessionState
from .speech.answerer import Answer, Answerer
from .speech.utterance import AsyncUtterance

A = TypeVar("A", bound=Answer)


class SessionHearing(SessionFacts):
    """A session as it is listened to; `SessionTalk` speaks.

    Args:
        avatar: its record.
        options: what it is started with.
        dependencies: what it has of its client.
    """

    def __init__(self, avatar: Avatar, options: SessionOptions, dependencies: Dependencies) -> None:
        super().__init__(avatar, options, dependencies)
        self._dependencies = dependencies
        self._events = EventStream()
        self._answerer: Answerer | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def events(self) -> AsyncIterator[Event]:
        """What the service says from now on, until the session is over (frames of the WebSocket, in a conversation
        packets of the room's data channel).

        A reader that falls behind by more than 1000 events loses the oldest.
        """
        self._listen_in()
        return self._events.read()

    @overload
    def on(self, event: str, handler: None = None) -> Callable[[H], H]: ...
    @overload
    def on(self, event: str, handler: Handler) -> Callable[[], None]: ...
    def on(self, event: str, handler: Handler | None = None) -> Callable[..., Any]:
        """Has a function called with each event of that name, until the session is over.

        A plain function runs on a thread of its own, in order; an async one on the session's loop. What it raises is
        logged with its traceback, which a notebook shows. One that falls behind by more than 1000 events loses the
        oldest.

        Args:
            event: a type as in `agent.speak_ended`, its last part as in `speak_ended`, or `*` for every event.
            handler: called with an `Event` (`type`, `data`); not given, `on` is a decorator.

        Returns:
            A function that ends it; as a decorator the handler itself.

        Raises:
            InvalidArgument: no event is called so, or the handler is no function.

        Example:
            >>> s.on("speak_ended", lambda event: print("done"))
        """
        self._listen_in()
        if handler is not None:
            return self._events.subscribe(event, handler)

        def decorate(function: H) -> H:
            self._events.subscribe(event, function)
            return function

        return decorate

    async def wait_for(
        self,
        event: str,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 (the sync face has it, too)
        where: Callable[[Event], bool] | None = None,
    ) -> Event:
        """The next event of that name, from this call on: one that came before is not waited for.

        Args:
            event: a type as in `agent.speak_ended`, its last part as in `speak_ended`, or `*` for every event.
            timeout: seconds until it is given up; None for any time.
            where: tells of an event whether it is the one; any when not given.

        Raises:
            TimeoutError: it did not come in time.
            SessionEnded: the session ended first.
            InvalidArgument: no event is called so.
        """
        check_timeout(timeout)
        if where is not None and not callable(where):
            raise InvalidArgument(f"where is a function of an event, not {where!r}.", field="where")
        self._listen_in()
        limit = asyncio.timeout(timeout)
        try:
            async with limit:
                found = await self._events.wait_for(event, where)
        except TimeoutError:
            if not limit.expired():
                raise
            raise TimeoutError(f"No event {event!r} came within {timeout:g} s.") from None
        if found is None:
            raise self._ended_error()
        return found

    async def wait_for_avatar(
        self,
        timeout: float | None = config.AVATAR_TIMEOUT,  # noqa: ASYNC109 (the sync face has it, too)
    ) -> None:
        """Returns once the avatar's video is in the room, as a page that shows the session sees it, or this process.

        Where no page does, this process joins the room, which needs the extra `media`.

        Args:
            timeout: seconds until it is given up; None for any time.

        Raises:
            AvatarNeverCame: it did not come in time; the session goes on.
            RoomNotHeld: nobody is in the room, and this process cannot join.
            SessionEnded: the session is over, or ended meanwhile.
        """
        check_timeout(timeout)
        self._refuse_ended()
        room = self._room
        if room is None:
            raise RoomNotHeld("The service named no room.", session_id=self.id, remedy="Start another session.")
        room.join_again()
        limit = asyncio.timeout(timeout)
        try:
            async with limit:
                await room.wait_for_avatar()
        except TimeoutError:
            if not limit.expired():
                raise
            why = f": {room.words.rstrip('.')}" if room.words else ""
            raise AvatarNeverCame(
                f"The avatar's video did not come within {timeout:g} s{why}.",
                session_id=self.id,
                remedy="Wait once more, or stop the session and try another avatar.",
            ) from None
        except RoomNotHeld:
            self._refuse_ended()
            raise

    def on_user_text(self, function: A | None) -> A | None:
        """Has a function of yours answer what the user says aloud, in place of a context's language model (FULL:
        `user.transcription`, `avatar.speak_text`).

        It is called with each text, a plain function on the thread of the handlers, an async one on the session's
        loop. What it gives is said sentence by sentence, also while it comes. A newer text, or `interrupt`, ends an
        older answer. What it raises is logged with its traceback, which a notebook shows. With a context both would
        answer: start the session without one.

        Args:
            function: of a text; gives text, or an iterator of it, plain or async, or None for no answer. None takes
                the one before away.

        Returns:
            The function, so that this is a decorator, too.

        Raises:
            WrongMode: a session that is played sound to (LITE) hears nobody.
            InvalidArgument: it is no function.

        Example:
            >>> @s.on_user_text
            ... def answer(text):
            ...     return f"You said: {text}"
        """
        if not self.is_conversation:
            raise WrongMode(
                "on_user_text() is for conversations; this is a LITE session.",
                session_id=self.id,
                remedy="Give it to start(..., on_user_text=), which begins one.",
            )
        previous, self._answerer = self._answerer, None
        self._answers_itself = function is not None
        if function is not None:
            self._answerer = Answerer(function, self._say_sentence, self._conversation.interrupt, self._events.worker)
        if previous is not None:
            self._on_loop(previous.stop)
        self._listen_in()
        return function

    async def _say_sentence(self, sentence: str) -> AsyncUtterance:
        utterance = AsyncUtterance(sentence, sentence, self._dependencies.clock, is_voiced=True)
        command = full.speak_text(sentence, utterance.id, self.id or "")
        await self._conversation.speak(utterance, command, grace=config.SPEECH_GRACE, question=False)
        return utterance

    def _answer(self, text: str) -> None:
        """The user said something."""
        if self._answerer is not None:
            self._answerer.take(text)

    def _answer_myself(self, text: str) -> AsyncUtterance:
        """What was asked by text is answered by the user's function."""
        assert self._answerer is not None
        utterance = AsyncUtterance(text, None, self._dependencies.clock, is_voiced=True)
        self._conversation.asked(utterance.id, text)
        self._answerer.take(text, utterance)
        return utterance

    def _answer_no_more(self) -> None:
        if self._answerer is not None:
            self._answerer.stop(self._ended_error() if self._state.is_final else None)

    def _listen_in(self) -> None:
        """Somebody listens: in a conversation this process is in the room while no page is."""
        if self.is_conversation and self._room is not None:
            self._on_loop(self._room.need)

    def _on_loop(self, callback: Callable[[], object]) -> None:
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # it is closed, and with it all that waited
                self._loop.call_soon_threadsafe(callback)

    def _refuse_ended(self) -> None:
        self._refuse_fork()
        if self._state.is_final or self._state is SessionState.STOPPING:
            raise self._ended_error()

    def _refuse_fork(self) -> None:
        if not self.is_of_this_process:
            raise SessionError(
                "The session belongs to the process that this one was forked from.",
                session_id=self.id,
                remedy="Speak there, or start one here.",
            )

    def _ended_error(self) -> SessionEnded:
        words = f": {self.end_words}" if self.end_words else ""
        return SessionEnded(f"The session has ended{words}.", session_id=self.id, end_reason=self._end_reason)


def check_timeout(timeout: Any) -> None:
    """Refuses what is no time-out."""
    if timeout is not None and (isinstance(timeout, bool) or not isinstance(timeout, int | float) or timeout < 0):
        raise InvalidArgument(f"timeout must be seconds, or None, not {timeout!r}.", field="timeout")
