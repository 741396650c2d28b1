"""What the avatar of a session is told to say, and what the service tells of it; on both faces."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Callable
from typing import Any, overload

from . import config
from .checks import check
from .errors import AudioError, ConfigurationError, InvalidArgument, SessionEnded, SessionError, WrongMode
from .events import EventStream, H, Handler
from .facts import SessionFacts
from .feed import TextToSpeech, voiced
from .life import SessionOptions, SessionState
from .models import Avatar
from .progress import follow
from .protocol.events import Event
from .speech import Order
from .stopping import Surroundings
from .utterance import AsyncUtterance


class SessionTalk(SessionFacts):
    """A session as it is talked with; `AsyncSession` has its life.

    Args:
        avatar: its record.
        options: what it is started with.
        around: what it has of its client.
    """

    def __init__(self, avatar: Avatar, options: SessionOptions, around: Surroundings) -> None:
        super().__init__(avatar, options, around)
        self._around = around
        self._events = EventStream()

    async def play(
        self,
        audio: Any,
        *,
        text: str | None = None,
        rate: float | None = None,
        name: str | None = None,
        wait: bool = True,
        timeout: float | None = config.SPEECH_GRACE,  # noqa: ASYNC109 (it begins with the end of the sound)
        progress: bool = True,
        replace: bool = False,
    ) -> AsyncUtterance:
        """Has the avatar say any sound (LITE: `agent.speak` and `agent.speak_end`, 16-bit mono at 24,000 Hz).

        It is read, converted and sent piece by piece, about two seconds ahead of what is being said. What is played
        while another sound is said waits for its turn. Where the wait is cancelled, or interrupted by Ctrl-C, the
        avatar falls silent.

        Args:
            audio: a path, the bytes of a file, a binary file object; raw samples (16-bit mono PCM bytes, an array of
                shape (n,) or (n, channels)) with `rate`; a pair of samples and rate; or an iterator, plain or async,
                of any of these, as a text-to-speech service or a microphone gives them. WAV always; mp3, ogg, flac
                and m4a with the extra `audio`.
            text: its words, for captions and the transcript.
            rate: samples a second (Hz) of raw samples; files know their own.
            name: what it is called where it is shown; the file's name where not given.
            wait: return once it was said or interrupted, else as soon as its beginning was read.
            timeout: seconds after the sound's end in which the service is to say that it was spoken; None for any time.
            progress: show a bar in the cell while it waits; outside of a notebook there is none.
            replace: silence what is being said and what waits, first.

        Raises:
            AudioError: the sound cannot be read; it names what was found and what is accepted. Nothing was sent, or
                what came before is said.
            UtteranceFailed: the WebSocket was lost meanwhile, or the service never said that it was spoken.
            SessionEnded: the session is over, or ended meanwhile.
            WrongMode: a conversation (FULL) says what the service makes of text.

        Example:
            >>> s.play("welcome.wav", text="Welcome!")
            >>> s.play((numpy.sin(numpy.arange(24_000) / 10), 24_000))
        """
        self._refuse_speech("play")
        _check_words(text, name, timeout)

        given = functools.partial(_given, audio)
        utterance = AsyncUtterance(name, text, self._around.clock)
        await self._speech.take(Order(utterance, given, rate, grace=timeout, replace=replace, is_awaited=wait))
        del audio, given  # where it fails the utterance keeps its traceback, and that all that is here
        return await self._see_through(utterance, wait=wait, progress=progress)

    async def say(
        self,
        text: str,
        *,
        tts: TextToSpeech | None = None,
        wait: bool = True,
        timeout: float | None = config.SPEECH_GRACE,  # noqa: ASYNC109 (it begins with the end of the sound)
        progress: bool = True,
        replace: bool = False,
    ) -> AsyncUtterance:
        """Has the avatar say a text, in LITE by the client's `tts`.

        Args:
            text: the words.
            tts: this voice, in place of the client's.
            wait: return once it was said or interrupted.
            timeout: seconds after its end in which the service is to say that it was spoken; None for any time.
            progress: show a bar in the cell while it waits; outside of a notebook there is none.
            replace: silence what is being said and what waits, first.

        Raises:
            ConfigurationError: there is no `tts`.
            InvalidArgument: there is no text.
            AudioError, UtteranceFailed, SessionEnded, WrongMode: as for `play`; what `tts` raises passes through.
        """
        self._refuse_speech("say")
        if not check(text, str, "text").strip():
            raise InvalidArgument("text must hold words.", field="text")
        tts = tts or self._around.tts
        if tts is None:
            raise ConfigurationError(
                "This client has no voice of its own, which say() needs in LITE.",
                remedy="Give one, a function from text to sound: say(text, tts=...), or LiveAvatar(tts=...).",
            )
        _check_words(text, None, timeout)
        voice = functools.partial(voiced, tts, text)
        utterance = AsyncUtterance(text, text, self._around.clock)
        try:
            await self._speech.take(Order(utterance, voice, None, grace=timeout, replace=replace, is_awaited=wait))
        except AudioError as failure:
            failure.remedy = (
                f"{failure.remedy} Raw samples tts gives in a pair with their rate: (samples, 24000).".strip()
            )
            raise
        return await self._see_through(utterance, wait=wait, progress=progress)

    async def _see_through(self, utterance: AsyncUtterance, *, wait: bool, progress: bool) -> AsyncUtterance:
        """Waits until it is over, where that is wanted; who ends the wait wants silence."""
        if not wait and not utterance.state.is_final:
            return utterance
        try:
            if progress:
                await follow(utterance)
            await utterance.wait()
        except asyncio.CancelledError:
            if not utterance.state.is_final:
                await self.interrupt()
            raise
        return utterance

    async def interrupt(self) -> None:
        """Silence at once: what is said, and what waits, is over (LITE: `agent.interrupt`).

        Nothing of it is sent any more, and the service forgets what it holds. Where nothing is said, or the session
        is over, nothing happens.

        Raises:
            WrongMode: a conversation (FULL) is not interrupted by this version.
        """
        self._refuse_mode("interrupt")
        await self._speech.interrupt()

    async def start_listening(self) -> None:
        """Has the avatar look attentive while it does not talk (LITE: `agent.start_listening`).

        Raises:
            SessionEnded, WrongMode: as for `play`.
        """
        self._refuse_speech("start_listening")
        await self._speech.listen(start=True)

    async def stop_listening(self) -> None:
        """Has the avatar look idle again (LITE: `agent.stop_listening`).

        Raises:
            SessionEnded, WrongMode: as for `play`.
        """
        self._refuse_speech("stop_listening")
        await self._speech.listen(start=False)

    def _refuse_speech(self, what: str) -> None:
        self._refuse_mode(what)
        if self._state.is_final or self._state is SessionState.STOPPING:
            raise self._ended_error()

    def _refuse_mode(self, what: str) -> None:
        if not self.is_of_this_process:
            raise SessionError(
                "The session belongs to the process that this one was forked from.",
                session_id=self.id,
                remedy="Speak there, or start one here.",
            )
        if self.mode != "LITE":
            raise WrongMode(f"{what}() is for LITE sessions; this one is a conversation.", session_id=self.id)

    def _ended_error(self) -> SessionEnded:
        words = f": {self.end_words}" if self.end_words else ""
        return SessionEnded(f"The session has ended{words}.", session_id=self.id, end_reason=self._end_reason)

    # what it hears of

    def events(self) -> AsyncIterator[Event]:
        """What the service says from now on, until the session is over (frames of the WebSocket).

        A reader that falls behind by more than 1000 events loses the oldest.
        """
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
        _check_timeout(timeout)
        if where is not None and not callable(where):
            raise InvalidArgument(f"where is a function of an event, not {where!r}.", field="where")
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


async def _given(audio: Any) -> Any:
    return audio


def _check_words(text: Any, name: Any, timeout: Any) -> None:
    for field, value in (("text", text), ("name", name)):
        if value is not None and not isinstance(value, str):
            raise InvalidArgument(f"{field} must be text, not {type(value).__name__}.", field=field)
    _check_timeout(timeout)


def _check_timeout(timeout: Any) -> None:
    if timeout is not None and (isinstance(timeout, bool) or not isinstance(timeout, int | float) or timeout < 0):
        raise InvalidArgument(f"timeout must be seconds, or None, not {timeout!r}.", field="timeout")
