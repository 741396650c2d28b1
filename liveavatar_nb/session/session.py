"""`AsyncSession`: one session, in which you can watch an avatar, listen to it and make it speak."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NoReturn, Self, TypeVar, overload

from .. import config
from ..concurrency.weak import nothing, weakly
from ..errors import (
    AudioError,
    AvatarNeverCame,
    ConfigurationError,
    InvalidArgument,
    LiveAvatarException,
    RoomNotHeld,
    SessionEnded,
    WrongMode,
)
from ..models.avatars import Avatar
from ..models.base import Records
from ..protocol import full
from ..protocol.events import Event
from ..rooms.connection import RoomConnection
from ..validation import check, not_async
from ..wirelog.log import Wire
from .audience import Audience, HearingClock
from .dependencies import Dependencies
from .event_stream import EventStream, H, Handler
from .lifecycle import Hooks, SessionLifecycle
from .options import SessionOptions
from .speech.answerer import Answer, Answerer
from .speech.feed import TextToSpeech, synthesize
from .speech.full import FullConversation
from .speech.lite import LiteSpeech, PlayRequest
from .speech.progress import show_progress
from .speech.transcript import SessionTranscript, SpokenLine
from .speech.utterance import AgentState, AsyncUtterance, UtteranceState
from .state import SessionState
from .timings import Stopwatch

A = TypeVar("A", bound=Answer)

ANSWERING_START: Final = 'start(..., context="My guide") or start(..., on_user_text=...)'


@dataclass(frozen=True)
class Abilities:
    """What you can do with a session right now.

    Attributes:
        play: Whether `play` can send audio.
        say: Whether `say` works; in LITE, `say` needs the client's `tts`.
        ask: Whether `ask` gets an answer.
        interrupt: Whether the avatar can be interrupted.
        listen: Whether the avatar can assume a listening pose.
        push_to_talk: Whether you can start and end the user's turn (only if `interactivity_type` is PUSH_TO_TALK).
        microphone: Whether a page can send audio from its microphone.
    """

    play: bool = False
    say: bool = False
    ask: bool = False
    interrupt: bool = False
    listen: bool = False
    push_to_talk: bool = False
    microphone: bool = False


class AsyncSession:
    """A session with an avatar, returned by `AsyncLiveAvatar.start`.

    Leaving an `async with` block stops the session. You can call `stop()` in any state, and more than once.

    Args:
        avatar: The avatar's record.
        options: The options to start the session with.
        dependencies: The objects and settings that the session shares with its client.

    Attributes:
        lifecycle: Starts the session, keeps it alive and stops it; used by the client.
    """

    def __init__(self, avatar: Avatar, options: SessionOptions, dependencies: Dependencies) -> None:
        clock, on_change = dependencies.clock, dependencies.on_change
        self._avatar = avatar
        self._options = options
        self._clock = clock
        self._tts = dependencies.tts
        self._wire = dependencies.api.transport.wire
        self._on_change = on_change
        self._owner: object = None
        self._times = times = Stopwatch(options.life, clock)
        self._audience = Audience(options.unwatched, clock)
        self._events = EventStream()
        self._lines = SessionTranscript(clock, lambda: times.elapsed)
        self._speech = LiteSpeech(clock, times, self._lines, on_change)
        self._conversation = FullConversation(clock, times, self._lines, on_change, has_opening=options.has_opening)
        self._conversation.on_text = weakly(self._answer, nothing)
        self._conversation.on_interrupt = weakly(self._stop_answer, nothing)
        self._answerer: Answerer | None = None
        hooks = Hooks(
            speak_by_socket=self._speech.connect,
            speak_by_room=self._speak_by_room,
            receive_frame=self._receive_frame,
            receive_packet=self._receive_packet,
            lose_socket=self._speech.lost,
            hold=self._speech.hold,
            close=self._close,
        )
        self.lifecycle = SessionLifecycle(
            avatar.id, options, dependencies, times=times, audience=self._audience, hooks=hooks
        )

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> NoReturn:
            raise not_async(self, name, ["view"])

    def __repr__(self) -> str:
        words = f", {self.end_words}" if self.state.is_final else f", {self.elapsed:.0f} s"
        return f"<{type(self).__name__} {self.id or '(no id yet)'} {self._avatar.name} {self.state}{words}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self.is_of_this_process:
            await self.stop()

    def belong_to(self, owner: object) -> None:
        """Keep the client alive as long as this session is in use."""
        self._owner = owner

    # life

    async def open(self) -> None:
        """Get a token, start the session and wait for the avatar; `AsyncLiveAvatar.start` calls this.

        If cancelled, this call ends immediately, and the session is stopped in the background.

        Raises:
            AvatarNeverCame: The service never reported `connected`; the session was stopped.
            StartOutcomeUnknown: The start call got no usable response; a stop by the session's id was requested.
            SessionEnded: The session was stopped, or ended, while it was starting.
        """
        await self.lifecycle.open()

    async def stop(self) -> None:
        """Stop the session (`POST /v1/sessions/stop`); return immediately if it is already over.

        You can call this in any state, more than once, and even if the loop that started the session is dead or stuck.

        Raises:
            StopNotConfirmed: The service did not confirm the stop. Retries continue in the background until the session
                reaches its cap, when the service ends it anyway.
        """
        await self.lifecycle.stop()

    async def retire(self, why: str) -> None:
        """Stop the session without a request from the user, because it costs credits but shows nothing.

        Args:
            why: The reason, to be given in `end_words`.

        Raises:
            StopNotConfirmed: As for `stop`.
        """
        await self.lifecycle.retire(why)

    def stop_without_loop(self, limit: float = config.STOP_LIMIT) -> None:
        """Stop the session on a separate connection, as its loop is dead or busy; can be called from any thread.

        Args:
            limit: How long to try, in seconds.

        Raises:
            StopNotConfirmed: The service did not confirm the stop; the guard keeps trying.
        """
        self.lifecycle.stop_without_loop(limit)

    async def wait_until_ended(self) -> None:
        """Wait until the session is over, whoever ended it."""
        await self.lifecycle.wait_until_ended()

    def beat(self, page: str = "", hearing: HearingClock | None = None) -> None:
        """Record that a page shows the session.

        From the first call on, the session is stopped if no page shows it for `unwatched` seconds.

        Args:
            page: The page's id.
            hearing: The clock of the channel that delivered the heartbeat; by default, a clock that never stops.
        """
        was_missed = self._audience.is_missed
        self._audience.beat(page, hearing)
        if was_missed:
            self._on_change()

    def leave(self, page: str) -> bool:
        """Record that a page seems to be gone; return whether it was the last page showing the session."""
        return self._audience.leave(page)

    # state

    @property
    def avatar(self) -> Avatar:
        """The avatar's record."""
        return self._avatar

    @property
    def options(self) -> SessionOptions:
        """The options that the session was started with."""
        return self._options

    @property
    def timings(self) -> dict[str, float]:
        """How long each step has taken, in seconds.

        `token`, `start` and `connected` are measured from the call to `start`. The others are medians: `first_word` is
        measured from the first frame that was sent (in a conversation, from the command), `answer` from the end of the
        user's speech, and `interrupt_to_silence` from the interruption.
        """
        return self._times.timings

    @property
    def stopwatch(self) -> Stopwatch:
        """The session's stopwatch, used to summarise the times of several sessions."""
        return self._times

    @property
    def agent_state(self) -> AgentState:
        """What the avatar is doing: idle, listening, talking or, in a conversation, thinking.

        The events `agent.state_updated` or `agent.speak_*` (LITE) and `avatar.speak_*` (FULL) update this value.
        """
        return self._voice.agent_state

    @property
    def utterance(self) -> AsyncUtterance | None:
        """The utterance that is being said or sent; None if there is none."""
        return self._voice.utterance

    @property
    def utterances(self) -> tuple[AsyncUtterance, ...]:
        """The last 200 utterances: everything played, said and answered, oldest first."""
        return tuple(self._voice.utterances)

    @property
    def caption(self) -> str | None:
        """The words being said, as far as they are known; None during silence."""
        talking = self._voice.utterance
        if talking is None or talking.state is not UtteranceState.TALKING:
            return None
        return self._lines.text("avatar", talking.id) or talking.text

    @property
    def transcript(self) -> Records[SpokenLine]:
        """The transcript so far: all speech whose words are known. A line marked `partial` is still growing.

        In a conversation, the transcript contains both sides, as far as this process has received them.
        `api.sessions.transcript(s.id)` returns what the service recorded.
        """
        return self._lines.records

    @property
    def room(self) -> RoomConnection | None:
        """The connection to the session's room; None until the start call has returned."""
        return self.lifecycle.room

    @property
    def can(self) -> Abilities:
        """What you can do with the session right now."""
        if self.state is not SessionState.CONNECTED:
            return Abilities()
        if not self.is_conversation:
            return Abilities(play=True, say=self._tts is not None, interrupt=True, listen=True)
        room = self.lifecycle.room
        has_way = room is not None and room.can_send
        is_pushed = self._options.interactivity_type == "PUSH_TO_TALK"
        return Abilities(
            say=has_way,
            ask=has_way and (self._is_answered or self._answerer is not None),
            interrupt=has_way,
            listen=has_way,
            push_to_talk=has_way and is_pushed,
            microphone=room is not None and room.kind == "livekit",
        )

    @property
    def _is_answered(self) -> bool:
        """Whether the service itself answers the user; in FULL, this requires a context or a voice agent."""
        has_mind = self._options.context_id is not None or self._options.voice_agent_id is not None
        return self.is_conversation and (self.mode == "LITE" or has_mind)

    @property
    def is_conversation(self) -> bool:
        """Whether commands go through the room's data channel, as they do in FULL, and in LITE without a WebSocket."""
        return self.lifecycle.is_conversation

    @property
    def _voice(self) -> LiteSpeech | FullConversation:
        """The object that keeps track of everything that is said."""
        return self._conversation if self.is_conversation else self._speech

    @property
    def is_user_speaking(self) -> bool:
        """Whether the user is speaking into the microphone (FULL: `user.speak_started`)."""
        return self._conversation.is_user_speaking

    @property
    def wire(self) -> Wire:
        """The session's log of requests and frames, with secrets masked and audio left out."""
        return self._wire.of(self.lifecycle.label)

    @property
    def id(self) -> str | None:
        """The session's id; None until there is a token."""
        return self.lifecycle.id

    @property
    def state(self) -> SessionState:
        """The session's state: created, starting, connecting, connected, stopping, ended or failed."""
        return self.lifecycle.state

    @property
    def mode(self) -> str:
        """The session's mode, `LITE` or `FULL`."""
        return self._options.mode

    @property
    def is_sandbox(self) -> bool:
        """Whether this is a sandbox session, which is free and lasts one minute."""
        return self._options.is_sandbox

    @property
    def is_live(self) -> bool:
        """Whether the session may still be running, and billed."""
        return self.lifecycle.may_cost or not self.state.is_final

    @property
    def is_pursued(self) -> bool:
        """Whether the outcome of the start or the stop is unknown, and still being checked in the background."""
        return self.lifecycle.is_pursued

    @property
    def elapsed(self) -> float:
        """Seconds from the session's start until now or, once the session is over, until its end."""
        return self._times.elapsed

    @property
    def since_start_call(self) -> float:
        """Seconds since `start` was called."""
        return self._times.since_call

    @property
    def max_minutes(self) -> float:
        """The session's cap: the number of minutes after which the service ends the session."""
        return self._times.cap / 60

    @property
    def time_left(self) -> float:
        """Seconds until the service ends the session; 0 once it is over."""
        return 0.0 if self.state.is_final else self._times.left

    @property
    def credits_used(self) -> float:
        """Credits used: an estimate while the session runs, then the number that the service reports."""
        if self.lifecycle.record is not None:
            return self.lifecycle.record.credits_consumed
        return self.elapsed / 60 * self._options.credits_per_minute

    @property
    def keep_alive_age(self) -> float | None:
        """Seconds since the last successful keep-alive; None before the start."""
        return self._times.keep_alive_age

    @property
    def is_degraded(self) -> bool:
        """Whether the last 3 keep-alives failed; the service ends a session 5 minutes after the last successful one."""
        return self.lifecycle.is_degraded

    @property
    def is_watched(self) -> bool:
        """Whether a page shows the session, as far as we know."""
        return self._audience.is_there

    @property
    def unwatched_left(self) -> float | None:
        """Seconds until the session is stopped for lack of a page showing it; None if no such stop is pending."""
        return self._audience.left if self._audience.is_missed and not self.state.is_final else None

    @property
    def cap_at(self) -> float | None:
        """The time at which the session will reach its cap, in seconds since the epoch; None before the start."""
        return self._times.cap_at

    @property
    def end_reason(self) -> str | None:
        """Why the session ended, as one of the API contract's end reasons; None until it is over."""
        return self.lifecycle.end_reason

    @property
    def end_words(self) -> str | None:
        """Why the session ended, in words; None until it is over."""
        return self.lifecycle.end_words

    @property
    def error(self) -> LiveAvatarException | None:
        """The error with which the session failed, if any; a confirmed stop clears `StopNotConfirmed`."""
        return self.lifecycle.error

    @property
    def stop_is_confirmed(self) -> bool:
        """Whether the session is over, and certainly no longer running on the service."""
        return self.lifecycle.stop_is_confirmed

    @property
    def is_of_this_process(self) -> bool:
        """Whether this process started the session; False in a process that was forked later."""
        return self.lifecycle.is_of_this_process

    # events

    def events(self) -> AsyncIterator[Event]:
        """Iterate over the service's events from now on, until the session is over.

        The events arrive over the WebSocket or, in a conversation, over the room's data channel. A reader that falls
        behind by more than 1,000 events loses the oldest ones.
        """
        self._keep_in_room()
        return self._events.read()

    @overload
    def on(self, event: str, handler: None = None) -> Callable[[H], H]: ...
    @overload
    def on(self, event: str, handler: Handler) -> Callable[[], None]: ...
    def on(self, event: str, handler: Handler | None = None) -> Callable[..., Any]:
        """Call a function for every event with this name until the session ends.

        A non-async function runs on a separate thread, one event at a time; an async function runs on the session's
        loop. If the function raises an exception, the traceback is logged, and shown in a notebook. A handler that
        falls behind by more than 1,000 events loses the oldest ones.

        Args:
            event: The event's type, such as `agent.speak_ended`, or its last part, such as `speak_ended`; `*` means
                every event.
            handler: Called with an `Event` (`type`, `data`); leave it out to use `on` as a decorator.

        Returns:
            A function that removes the handler; if `on` is used as a decorator, the handler itself.

        Raises:
            InvalidArgument: No event has this name, or the handler is not a function.

        Example:
            >>> s.on("speak_ended", lambda event: print("done"))
        """
        self._keep_in_room()
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
        timeout: float | None = None,  # noqa: ASYNC109 (the sync API has it, too)
        where: Callable[[Event], bool] | None = None,
    ) -> Event:
        """Wait for the next event with this name, and return it. Events that arrived earlier do not count.

        Args:
            event: The event's type, such as `agent.speak_ended`, or its last part, such as `speak_ended`; `*` means
                every event.
            timeout: How long to wait, in seconds; None waits indefinitely.
            where: A function that returns whether an event is the one you want; by default, any event is accepted.

        Raises:
            TimeoutError: The event did not arrive in time.
            SessionEnded: The session ended first.
            InvalidArgument: No event has this name.
        """
        _check_timeout(timeout)
        if where is not None and not callable(where):
            raise InvalidArgument(f"where must be a function that takes an event, not {where!r}.", field="where")
        self._keep_in_room()
        limit = asyncio.timeout(timeout)
        try:
            async with limit:
                found = await self._events.wait_for(event, where)
        except TimeoutError:
            if not limit.expired():
                raise
            raise TimeoutError(f"No event {event!r} arrived within {timeout:g} s.") from None
        if found is None:
            raise self.lifecycle.ended_error()
        return found

    async def wait_for_avatar(
        self,
        timeout: float | None = config.AVATAR_TIMEOUT,  # noqa: ASYNC109 (the sync API has it, too)
    ) -> None:
        """Wait until the avatar's video is in the room, as seen by a page that shows the session.

        If no page shows the session, this process joins the room, which requires the `media` extra.

        Args:
            timeout: How long to wait, in seconds; None waits indefinitely.

        Raises:
            AvatarNeverCame: The video did not arrive in time; the session continues.
            RoomNotHeld: Nobody is in the room, and this process cannot join.
            SessionEnded: The session is over, or ended during the wait.
        """
        _check_timeout(timeout)
        self.lifecycle.refuse_ended()
        room = self.lifecycle.room
        if room is None:
            raise RoomNotHeld(
                "The service provided no room for the session.", session_id=self.id, remedy="Start another session."
            )
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
                f"The avatar's video did not arrive within {timeout:g} s{why}.",
                session_id=self.id,
                remedy="Wait again, or stop the session and try another avatar.",
            ) from None
        except RoomNotHeld:
            self.lifecycle.refuse_ended()
            raise

    def on_user_text(self, function: A | None) -> A | None:
        """Answer the user's speech with your own function.

        This uses FULL's `user.transcription` and `avatar.speak_text`. The function takes the place of a context's
        language model. With a context, both would answer, so start the session without one.

        The function is called with each transcription of the user's speech. A non-async function runs on the same
        thread as event handlers, an async function on the session's loop. The avatar says the answer sentence by
        sentence, while the rest is still being generated. A newer transcription, or a call to `interrupt`, cuts off the
        older answer. If the function raises an exception, the traceback is logged, and shown in a notebook.

        Args:
            function: Takes the user's text; returns text, a sync or async iterator of text, or None for no answer.
                Pass None to remove the previous function.

        Returns:
            The function, so that you can use this as a decorator.

        Raises:
            WrongMode: This is a LITE session, which does not listen to the user.
            InvalidArgument: `function` is neither a function nor None.

        Example:
            >>> @s.on_user_text
            ... def answer(text):
            ...     return f"You said: {text}"
        """
        if not self.is_conversation:
            raise WrongMode(
                "on_user_text() needs a conversation, but this session is LITE.",
                session_id=self.id,
                remedy="Start a conversation with start(..., on_user_text=...).",
            )
        answerer = None
        if function is not None:
            answerer = Answerer(function, self._say_sentence, self._conversation.interrupt, self._events.worker)
        previous, self._answerer = self._answerer, answerer
        if previous is not None:
            self.lifecycle.call_on_loop(previous.stop)
        self._keep_in_room()
        return function

    async def _say_sentence(self, sentence: str) -> AsyncUtterance:
        utterance = AsyncUtterance(sentence, sentence, self._clock, is_voiced=True)
        command = full.speak_text(sentence, utterance.id, self.id or "")
        await self._conversation.speak(utterance, command, grace=config.SPEECH_GRACE, question=False)
        return utterance

    def _answer(self, text: str) -> None:
        """Answer the user's speech with the function given to `on_user_text`, if any."""
        if self._answerer is not None:
            self._answerer.answer(text)

    def _answer_here(self, text: str) -> AsyncUtterance:
        """Have the function given to `on_user_text` answer a typed question; return the answer."""
        assert self._answerer is not None
        utterance = AsyncUtterance(text, None, self._clock, is_voiced=True)
        self._conversation.note_question(utterance.id, text)
        self._answerer.answer(text, utterance)
        return utterance

    def _stop_answer(self) -> None:
        if self._answerer is not None:
            self._answerer.stop(self.lifecycle.ended_error() if self.state.is_final else None)

    def _keep_in_room(self) -> None:
        """Keep this process in the conversation's room while no page is there, so that events arrive."""
        room = self.lifecycle.room
        if self.is_conversation and room is not None:
            self.lifecycle.call_on_loop(room.need)

    # commands

    async def play(
        self,
        audio: Any,
        *,
        text: str | None = None,
        rate: float | None = None,
        name: str | None = None,
        wait: bool = True,
        timeout: float | None = config.SPEECH_GRACE,  # noqa: ASYNC109 (it starts at the end of the sound)
        progress: bool = True,
        replace: bool = False,
    ) -> AsyncUtterance:
        """Have the avatar speak any audio (LITE: `agent.speak`, `agent.speak_end`; 16-bit mono at 24,000 Hz).

        The audio is read, converted and sent piece by piece, about two seconds ahead of what is being said. If the
        avatar is still talking, the audio is queued. If you cancel the wait or press Ctrl-C, the avatar falls silent.

        Args:
            audio: A path, the bytes of a file, or a binary file object; raw samples (16-bit mono PCM bytes, or an
                array of shape (n,) or (n, channels)) with `rate`; a pair of samples and rate; or a sync or async
                iterator of any of these, such as a text-to-speech service's stream. WAV always works; mp3, ogg, flac
                and m4a require the `audio` extra.
            text: The words spoken in the audio, for captions and the transcript.
            rate: The sample rate of raw samples, in Hz; files specify their own.
            name: The name to show; by default, the file's name.
            wait: Whether to wait until the audio has been spoken or interrupted; if not, return as soon as the
                beginning of the audio has been read.
            timeout: Seconds to wait, after the audio should have ended, for the service to confirm that it was
                spoken; None waits indefinitely.
            progress: Whether to show a progress bar during the wait; it only appears in a notebook.
            replace: Whether to stop talking and clear the queue first.

        Raises:
            AudioError: The audio cannot be read; the message says what was found and what works. If some of the
                audio was already sent, the avatar still speaks that part.
            UtteranceFailed: The WebSocket was lost, or the service never confirmed that the audio was spoken.
            SessionEnded: The session is over, or ended during the call.
            WrongMode: This is a conversation (FULL), in which the service generates the audio.

        Example:
            >>> s.play("welcome.wav", text="Welcome!")
            >>> s.play((numpy.sin(numpy.arange(24_000) / 10), 24_000))
        """
        self.lifecycle.refuse_ended()
        if self.is_conversation:
            raise WrongMode(
                "play() needs a LITE session, but this is a conversation.",
                session_id=self.id,
                remedy="Use say() to speak text word for word, or ask() to get an answer.",
            )
        _check_words(text, name, timeout)

        given = functools.partial(_given, audio)
        utterance = AsyncUtterance(name, text, self._clock)
        await self._speech.enqueue(PlayRequest(utterance, given, rate, grace=timeout, replace=replace, is_awaited=wait))
        del audio, given  # a failed utterance keeps its traceback, which would keep these objects alive
        return await self._wait_for_end(utterance, wait=wait, progress=progress)

    async def say(
        self,
        text: str,
        *,
        tts: TextToSpeech | None = None,
        wait: bool = True,
        timeout: float | None = config.SPEECH_GRACE,  # noqa: ASYNC109 (it starts at the end of the sound)
        progress: bool = True,
        replace: bool = False,
    ) -> AsyncUtterance:
        """Say text word for word.

        In LITE the client's `tts` generates the audio; in FULL the service does (`avatar.speak_text`).

        Args:
            text: The words; in FULL at most about 15 kB.
            tts: LITE only: a text-to-speech function to use instead of the client's.
            wait: Whether to wait until the text has been spoken or interrupted; if not, return as soon as the
                beginning of the audio has been read (LITE) or the service has received the command (FULL).
            timeout: In LITE, seconds to wait, after the audio should have ended, for the service to confirm that it
                was spoken; in FULL, seconds of silence after which to stop waiting. None waits indefinitely.
            progress: LITE only: whether to show a progress bar during the wait; it only appears in a notebook.
            replace: Whether to stop talking and clear the queue first.

        Raises:
            ConfigurationError: The session is LITE, and there is no `tts`.
            InvalidArgument: The text is empty or too long.
            RoomNotHeld: In FULL, nobody is in the session's room, and this process cannot join.
            AudioError, UtteranceFailed, SessionEnded: As for `play`.
            Exception: Whatever `tts` raises.
        """
        self.lifecycle.refuse_ended()
        _check_words(text, None, timeout)
        if self.is_conversation:
            if tts is not None:
                raise InvalidArgument(
                    "tts needs a LITE session. In a conversation, the service generates the audio.", field="tts"
                )
            return await self._send_text(text, full.speak_text, wait=wait, timeout=timeout, replace=replace)
        _check_said(text)
        tts = tts or self._tts
        if tts is None:
            raise ConfigurationError(
                "say() needs a voice in LITE, but this client has none.",
                remedy="Pass a function that turns text into audio: say(text, tts=...) or LiveAvatar(tts=...).",
            )
        voice = functools.partial(synthesize, tts, text)
        utterance = AsyncUtterance(text, text, self._clock)
        try:
            await self._speech.enqueue(
                PlayRequest(utterance, voice, None, grace=timeout, replace=replace, is_awaited=wait)
            )
        except AudioError as failure:
            failure.remedy = (
                f"{failure.remedy} If tts returns raw samples, pair them with their rate: (samples, 24000).".strip()
            )
            raise
        return await self._wait_for_end(utterance, wait=wait, progress=progress)

    async def ask(
        self,
        text: str,
        *,
        wait: bool = True,
        timeout: float | None = config.ANSWER_GRACE,  # noqa: ASYNC109 (it starts anew with each silence)
        replace: bool = False,
    ) -> AsyncUtterance:
        """Ask the avatar something (FULL: `avatar.speak_response`).

        The context's language model answers; without a context, the function given to `on_user_text` does.

        Args:
            text: The question, at most about 15 kB.
            wait: Whether to wait until the answer has been spoken or interrupted; if not, return as soon as the
                service has received the command.
            timeout: Seconds of silence after which to stop waiting for the answer; None waits indefinitely.
            replace: Whether to stop talking and clear the queue first.

        Returns:
            The answer; its `text` grows while the avatar says it.

        Raises:
            InvalidArgument: The text is empty or too long.
            RoomNotHeld: Nobody is in the session's room, and this process cannot join.
            UtteranceFailed: No answer arrived in time.
            SessionEnded: The session is over, or ended during the call.
            WrongMode: Nothing can answer: the session is LITE, or has neither a context nor `on_user_text`.
            Exception: Whatever the function given to `on_user_text` raises.

        Example:
            >>> s.ask("What can you show me?").text
        """
        self.lifecycle.refuse_ended()
        if not (self._is_answered or self._answerer is not None):
            raise self._nothing_answers()
        _check_words(text, None, timeout)
        if self._is_answered:
            return await self._send_text(text, full.speak_response, wait=wait, timeout=timeout, replace=replace)
        _check_said(text)
        if replace:
            await self._conversation.interrupt()
        return await self._wait_for_end(self._answer_here(text), wait=wait, progress=False)

    def _nothing_answers(self) -> WrongMode:
        words = "ask() needs a conversation, but this session is LITE."
        remedy = f"Start a conversation with {ANSWERING_START}."
        if self.is_conversation:
            words = "ask() needs a context or on_user_text(), but this session has neither."
            remedy = f"Pass on_user_text() a function that answers, or use {ANSWERING_START}."
        return WrongMode(words, session_id=self.id, remedy=remedy)

    async def _send_text(
        self,
        text: str,
        command_of: Callable[[str, str, str], full.Command],
        *,
        wait: bool,
        timeout: float | None,  # noqa: ASYNC109 (as above)
        replace: bool,
    ) -> AsyncUtterance:
        """Send the service a text to say, or a question to answer."""
        _check_said(text)
        is_question = command_of is full.speak_response
        utterance = AsyncUtterance(text, None if is_question else text, self._clock, is_voiced=True)
        command = command_of(text, utterance.id, self.id or "")
        if replace:
            await self._conversation.interrupt()
        await self._conversation.speak(utterance, command, grace=timeout, question=is_question)
        # no progress bar, because the length of the speech is unknown
        return await self._wait_for_end(utterance, wait=wait, progress=False)

    async def _wait_for_end(self, utterance: AsyncUtterance, *, wait: bool, progress: bool) -> AsyncUtterance:
        """If `wait` is true, wait until the utterance is over; if the wait is cancelled, interrupt the avatar."""
        if not wait and not utterance.state.is_final:
            return utterance
        try:
            if progress:
                await show_progress(utterance)
            await utterance.wait()
        except asyncio.CancelledError:
            if not utterance.state.is_final:
                with contextlib.suppress(RoomNotHeld):  # the session may be ending right now
                    await self.interrupt()
            raise
        return utterance

    async def interrupt(self) -> None:
        """Stop talking immediately, and clear the queue (LITE: `agent.interrupt`, FULL: `avatar.interrupt`).

        Nothing more is sent, and the service drops everything still to be said. If nothing is being said, or the
        session is over, this does nothing.

        Raises:
            RoomNotHeld: In FULL, something is being said, but nobody is in the session's room, and this process
                cannot join.
        """
        self.lifecycle.refuse_fork()
        if self.is_conversation:
            await self._conversation.interrupt()
        else:
            await self._speech.interrupt()
            if self.lifecycle.room is not None:
                self.lifecycle.room.hear(b"")

    async def start_listening(self) -> None:
        """Show a listening pose while the avatar is silent.

        Sends `agent.start_listening` in LITE and `avatar.start_listening` in FULL.

        Raises:
            SessionEnded, RoomNotHeld: As for `say`.
        """
        await self._pose(start=True)

    async def stop_listening(self) -> None:
        """Show the idle pose again (LITE: `agent.stop_listening`, FULL: `avatar.stop_listening`).

        Raises:
            SessionEnded, RoomNotHeld: As for `say`.
        """
        await self._pose(start=False)

    async def _pose(self, *, start: bool) -> None:
        self.lifecycle.refuse_ended()
        if self.is_conversation:
            await self._conversation.listen(start=start)
        else:
            await self._speech.listen(start=start)

    async def start_push_to_talk(self) -> None:
        """Start the user's turn: the avatar listens to the microphone (FULL: `user.start_push_to_talk`).

        Raises:
            SessionEnded, RoomNotHeld: As for `say`.
            WrongMode: The session was not started with `interactivity_type="PUSH_TO_TALK"`.
        """
        await self._push_to_talk("start_push_to_talk", start=True)

    async def stop_push_to_talk(self) -> None:
        """End the user's turn, so that the avatar answers (FULL: `user.stop_push_to_talk`).

        Raises:
            SessionEnded, RoomNotHeld, WrongMode: As for `start_push_to_talk`.
        """
        await self._push_to_talk("stop_push_to_talk", start=False)

    async def _push_to_talk(self, method: str, *, start: bool) -> None:
        self.lifecycle.refuse_ended()
        if not self.is_conversation or self._options.interactivity_type != "PUSH_TO_TALK":
            raise WrongMode(
                f"{method}() needs a push-to-talk conversation, but this session is not one.",
                session_id=self.id,
                remedy='Start a session with a context and interactivity_type="PUSH_TO_TALK".',
            )
        await self._conversation.push_to_talk(start=start)

    # hooks called by the lifecycle

    def _speak_by_room(self, room: RoomConnection | None) -> None:
        """Begin the conversation; stay in the room if it is simulated, or if `on_user_text` is in use."""
        self._events.types = full.EVENT_TYPES
        if room is not None:
            self._conversation.connect(room)
            if room.kind == "drawn" or self._answerer is not None:
                room.need()

    def _receive_frame(self, event: Event) -> None:
        """Handle an event from the WebSocket; pass on the event and any older-style events derived from it."""
        for heard in self._speech.receive(event):
            self._events.put(heard)

    def _receive_packet(self, event: Event) -> bool:
        """Handle an event from the room; pass it on if it is new and belongs to this session.

        Returns:
            Whether the event was passed on.
        """
        is_new = self._conversation.receive(event)
        if is_new:
            self._events.put(event)
        return is_new

    def _close(self, end: SessionEnded) -> None:
        """End every utterance and the event stream, because the session is over."""
        self._speech.close(end)
        self._conversation.close(end)
        self._events.close()


async def _given(audio: Any) -> Any:
    return audio


def _check_said(text: Any) -> None:
    if not check(text, str, "text").strip():
        raise InvalidArgument("text is empty.", remedy="Pass the words to say.", field="text")


def _check_words(text: Any, name: Any, timeout: Any) -> None:
    for field, value in (("text", text), ("name", name)):
        if value is not None and not isinstance(value, str):
            raise InvalidArgument(f"{field} must be a string, not {type(value).__name__}.", field=field)
    _check_timeout(timeout)


def _check_timeout(timeout: Any) -> None:
    """Raise an error if a timeout is neither None nor a number of seconds."""
    if timeout is not None and (isinstance(timeout, bool) or not isinstance(timeout, int | float) or timeout < 0):
        raise InvalidArgument(f"timeout must be a number of seconds or None, not {timeout!r}.", field="timeout")
