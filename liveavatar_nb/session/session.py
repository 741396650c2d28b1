"""`AsyncSession`: one session with an avatar, as it is looked at, listened to, talked with and stopped."""

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
from ..rooms.connection import RoomLine
from ..validation import check, not_async
from ..wirelog.log import Wire
from .dependencies import Dependencies
from .events import EventStream, H, Handler
from .keep_alive import Audience, Ear
from .lifecycle import Hooks, SessionLifecycle
from .options import SessionOptions, SessionState
from .speech.answerer import Answer, Answerer
from .speech.feed import TextToSpeech, voiced
from .speech.full import Conversation
from .speech.lite import Order, Speech
from .speech.progress import follow
from .speech.transcript import Lines, SpokenLine
from .speech.utterance import AgentState, AsyncUtterance, UtteranceState
from .timings import Stopwatch

A = TypeVar("A", bound=Answer)

ANSWERED: Final = 'start(..., context="My guide"), or start(..., on_user_text=function),'


@dataclass(frozen=True)
class Abilities:
    """What a session can be told now.

    Attributes:
        play: sound, by `play`.
        say: words, by `say`; in LITE by the client's `tts`.
        ask: a question that the service answers, by `ask`.
        interrupt: to be silent.
        listen: to look attentive.
        push_to_talk: whose turn it is (`interactivity_type` is PUSH_TO_TALK).
        microphone: words by a page's microphone.
    """

    play: bool = False
    say: bool = False
    ask: bool = False
    interrupt: bool = False
    listen: bool = False
    push_to_talk: bool = False
    microphone: bool = False


class AsyncSession:
    """One session with an avatar; `AsyncLiveAvatar.start` makes it.

    `async with` stops it when the block is left. `stop()` works in every state, and twice.

    Args:
        avatar: its record.
        options: what it is started with.
        dependencies: what it has of its client.

    Attributes:
        lifecycle: how it starts, lives and ends; for its client.
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
        self._lines = Lines(clock, lambda: times.elapsed)
        self._speech = Speech(clock, times, self._lines, on_change)
        self._conversation = Conversation(clock, times, self._lines, on_change, has_opening=options.has_opening)
        self._conversation.on_text = weakly(self._answer, nothing)
        self._conversation.on_hush = weakly(self._answer_no_more, nothing)
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
        return f"<{type(self).__name__} {self.id or 'without id'} {self._avatar.name} {self.state}{words}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self.is_of_this_process:
            await self.stop()

    def belong_to(self, owner: object) -> None:
        """Keep `owner`, its client, for as long as this is kept: a session that is in use holds it."""
        self._owner = owner

    # its life

    async def open(self) -> None:
        """Token, start, and the wait for the avatar; `AsyncLiveAvatar.start` calls it.

        Cancelled, it raises at once; what it began is awaited and stopped behind it.

        Raises:
            AvatarNeverCame: the service never said `connected`; the session was stopped.
            StartOutcomeUnknown: no usable answer came to the start call; the session was stopped by its id.
            SessionEnded: it was stopped, or ended, while it started.
        """
        await self.lifecycle.open()

    async def stop(self) -> None:
        """Stops the session (`POST /v1/sessions/stop`); at once where it is over already.

        It works in every state, twice, and also where the loop that started it is dead or does not answer.

        Raises:
            StopNotConfirmed: the service did not answer; it is tried again until the cap, which ends it at the latest.
        """
        await self.lifecycle.stop()

    async def retire(self, why: str) -> None:
        """Stops it although nobody asked for that: it would be billed, and show nothing.

        Args:
            why: what `end_words` says.

        Raises:
            StopNotConfirmed: as for `stop`.
        """
        await self.lifecycle.retire(why)

    def stop_without_loop(self, limit: float = config.STOP_LIMIT) -> None:
        """Stops the session from any thread, by a connection of its own: for where the loop is dead or busy.

        Args:
            limit: seconds for it.

        Raises:
            StopNotConfirmed: the service did not confirm it; the guard goes on.
        """
        self.lifecycle.stop_without_loop(limit)

    async def wait_until_ended(self) -> None:
        """Returns when the session is over, whoever ended it."""
        await self.lifecycle.wait_until_ended()

    def beat(self, page: str = "", ear: Ear | None = None) -> None:
        """A page shows it. From the first time on it is stopped where no page has shown it for `unwatched` seconds.

        Args:
            page: its id.
            ear: the way by which it was heard, where a running cell can hold that up.
        """
        was_missed = self._audience.is_missed
        self._audience.beat(page, ear)
        if was_missed:
            self._on_change()

    def leave(self, page: str) -> bool:
        """A page is gone, as it seems; whether it has shown the session, and no other page does."""
        return self._audience.leave(page)

    # what is seen of it

    @property
    def avatar(self) -> Avatar:
        """The avatar's record."""
        return self._avatar

    @property
    def options(self) -> SessionOptions:
        """What it was started with."""
        return self._options

    @property
    def timings(self) -> dict[str, float]:
        """Seconds, as far as they came: from the call of `start` to `token`, `start` and `connected`; the medians of
        `first_word` (from the first frame on the wire, in a conversation from what asks for it), `answer` (from what
        the user said aloud) and `interrupt_to_silence`.
        """
        return self._times.timings

    @property
    def stopwatch(self) -> Stopwatch:
        """Its times, for who sums up several sessions."""
        return self._times

    @property
    def agent_state(self) -> AgentState:
        """What the avatar does: idle, listening or talking, in a conversation also thinking (LITE: events
        `agent.state_updated`, or `agent.speak_*`; FULL: `avatar.speak_*`).
        """
        return self._voice.agent_state

    @property
    def utterance(self) -> AsyncUtterance | None:
        """What is being said, or sent; None in silence."""
        return self._voice.utterance

    @property
    def utterances(self) -> tuple[AsyncUtterance, ...]:
        """What was played, said and answered, the newest last; the last 200."""
        return tuple(self._voice.utterances)

    @property
    def caption(self) -> str | None:
        """The words of what is being said, where they are known; in a conversation as far as they came."""
        talking = self._voice.utterance
        if talking is None or talking.state is not UtteranceState.TALKING:
            return None
        return self._lines.text("avatar", talking.id) or talking.text

    @property
    def transcript(self) -> Records[SpokenLine]:
        """What was said, as far as its words are known, from the first word on; a `partial` line still grows.

        In a conversation both sides, as far as they were heard here: `api.sessions.transcript(s.id)` has what the
        service kept.
        """
        return self._lines.records

    @property
    def room(self) -> RoomLine | None:
        """The way into its room; None until the start call answered."""
        return self.lifecycle.room

    @property
    def can(self) -> Abilities:
        """What it can be told now."""
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
        """Whether the service answers: in FULL by the context."""
        return self.is_conversation and (self.mode == "LITE" or self._options.context_id is not None)

    @property
    def is_conversation(self) -> bool:
        """Whether it goes by its room's data channel: FULL, or LITE where the service gave no WebSocket."""
        return self.lifecycle.is_conversation

    @property
    def _voice(self) -> Speech | Conversation:
        """What knows what is said."""
        return self._conversation if self.is_conversation else self._speech

    @property
    def is_user_speaking(self) -> bool:
        """Whether the user's microphone is heard speaking (FULL: `user.speak_started`)."""
        return self._conversation.is_user_speaking

    @property
    def wire(self) -> Wire:
        """What went over the wire for it: requests and frames; secrets masked, sound left out."""
        return self._wire.of(self.lifecycle.label)

    @property
    def id(self) -> str | None:
        """The service's id; None until the token came."""
        return self.lifecycle.id

    @property
    def state(self) -> SessionState:
        """created, starting, connecting, connected, stopping, ended or failed."""
        return self.lifecycle.state

    @property
    def mode(self) -> str:
        """`LITE` or `FULL`."""
        return self._options.mode

    @property
    def is_sandbox(self) -> bool:
        """Whether it is a sandbox session: free, one minute."""
        return self._options.is_sandbox

    @property
    def is_live(self) -> bool:
        """Whether it may be running, and billed, at the service."""
        return self.lifecycle.may_cost or not self.state.is_final

    @property
    def is_pursued(self) -> bool:
        """Whether it is still looked for behind the caller's back: its start's outcome, or its stop, is not certain."""
        return self.lifecycle.is_pursued

    @property
    def elapsed(self) -> float:
        """Seconds since the service started it, up to its end."""
        return self._times.elapsed

    @property
    def since_start_call(self) -> float:
        """Seconds since `start` was called."""
        return self._times.since_call

    @property
    def max_minutes(self) -> float:
        """Minutes after which the service ends it."""
        return self._times.cap / 60

    @property
    def time_left(self) -> float:
        """Seconds until the service ends it; 0 once it is over."""
        return 0.0 if self.state.is_final else self._times.left

    @property
    def credits_used(self) -> float:
        """Credits: what the service says once it ended, until then time by price."""
        if self.lifecycle.record is not None:
            return self.lifecycle.record.credits_consumed
        return self.elapsed / 60 * self._options.credits_per_minute

    @property
    def keep_alive_age(self) -> float | None:
        """Seconds since the service last heard a sign of life; None before the start."""
        return self._times.keep_alive_age

    @property
    def is_degraded(self) -> bool:
        """Whether three keep-alives in a row failed: the service ends it 5 minutes after the last that arrived."""
        return self.lifecycle.is_degraded

    @property
    def is_watched(self) -> bool:
        """Whether a page shows it, as far as is known."""
        return self._audience.is_there

    @property
    def unwatched_left(self) -> float | None:
        """Seconds until it is stopped because no page shows it; None where it needs none, or one shows it."""
        return self._audience.left if self._audience.is_missed and not self.state.is_final else None

    @property
    def cap_at(self) -> float | None:
        """When its cap ends it, in seconds since the epoch; None before the start."""
        return self._times.cap_at

    @property
    def end_reason(self) -> str | None:
        """The contract's end reason; None while it lives."""
        return self.lifecycle.end_reason

    @property
    def end_words(self) -> str | None:
        """Why it ended, in words; None while it lives."""
        return self.lifecycle.end_words

    @property
    def error(self) -> LiveAvatarException | None:
        """What went wrong, where it failed; a stop that was confirmed later on is nothing wrong any more."""
        return self.lifecycle.error

    @property
    def stop_is_confirmed(self) -> bool:
        """Whether it is over and nothing of it runs at the service any more."""
        return self.lifecycle.stop_is_confirmed

    @property
    def is_of_this_process(self) -> bool:
        """Whether this process started it, and not the one that it was forked from."""
        return self.lifecycle.is_of_this_process

    # what is heard of it

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
        _check_timeout(timeout)
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
            raise self.lifecycle.ended_error()
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
        _check_timeout(timeout)
        self.lifecycle.refuse_ended()
        room = self.lifecycle.room
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
            self.lifecycle.refuse_ended()
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
        answerer = None
        if function is not None:
            answerer = Answerer(function, self._say_sentence, self._conversation.interrupt, self._events.worker)
        previous, self._answerer = self._answerer, answerer
        if previous is not None:
            self.lifecycle.call_on_loop(previous.stop)
        self._listen_in()
        return function

    async def _say_sentence(self, sentence: str) -> AsyncUtterance:
        utterance = AsyncUtterance(sentence, sentence, self._clock, is_voiced=True)
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
        utterance = AsyncUtterance(text, None, self._clock, is_voiced=True)
        self._conversation.asked(utterance.id, text)
        self._answerer.take(text, utterance)
        return utterance

    def _answer_no_more(self) -> None:
        if self._answerer is not None:
            self._answerer.stop(self.lifecycle.ended_error() if self.state.is_final else None)

    def _listen_in(self) -> None:
        """Somebody listens: in a conversation this process is in the room while no page is."""
        room = self.lifecycle.room
        if self.is_conversation and room is not None:
            self.lifecycle.call_on_loop(room.need)

    # what it is told

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
            WrongMode: in a conversation (FULL) the service makes the sound.

        Example:
            >>> s.play("welcome.wav", text="Welcome!")
            >>> s.play((numpy.sin(numpy.arange(24_000) / 10), 24_000))
        """
        self.lifecycle.refuse_ended()
        if self.is_conversation:
            raise WrongMode(
                "play() is for LITE sessions; in a conversation the service makes the sound.",
                session_id=self.id,
                remedy="say() has a text said word for word, ask() has it answered.",
            )
        _check_words(text, name, timeout)

        given = functools.partial(_given, audio)
        utterance = AsyncUtterance(name, text, self._clock)
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
        """Has the avatar say a text word for word: in LITE by the client's `tts`, in FULL by the service
        (`avatar.speak_text`).

        Args:
            text: the words; in FULL at most about 15 kB.
            tts: LITE: this voice, in place of the client's.
            wait: return once it was said or interrupted, else as soon as the service was told.
            timeout: LITE: seconds after its end in which the service is to say that it was spoken. FULL: seconds of
                silence after which it has forgotten it. None for any time.
            progress: LITE: show a bar in the cell while it waits; outside of a notebook there is none.
            replace: silence what is being said and what waits, first.

        Raises:
            ConfigurationError: there is no `tts`.
            InvalidArgument: there is no text, or too much.
            RoomNotHeld: FULL: nobody is in the session's room, and this process cannot join.
            AudioError, UtteranceFailed, SessionEnded: as for `play`; what `tts` raises passes through.
        """
        self.lifecycle.refuse_ended()
        _check_words(text, None, timeout)
        if self.is_conversation:
            if tts is not None:
                raise InvalidArgument("tts is for LITE sessions; in a conversation the service speaks.", field="tts")
            return await self._tell(text, full.speak_text, wait=wait, timeout=timeout, replace=replace)
        _check_said(text)
        tts = tts or self._tts
        if tts is None:
            raise ConfigurationError(
                "This client has no voice of its own, which say() needs in LITE.",
                remedy="Give one, a function from text to sound: say(text, tts=...), or LiveAvatar(tts=...).",
            )
        voice = functools.partial(voiced, tts, text)
        utterance = AsyncUtterance(text, text, self._clock)
        try:
            await self._speech.take(Order(utterance, voice, None, grace=timeout, replace=replace, is_awaited=wait))
        except AudioError as failure:
            failure.remedy = (
                f"{failure.remedy} Raw samples tts gives in a pair with their rate: (samples, 24000).".strip()
            )
            raise
        return await self._see_through(utterance, wait=wait, progress=progress)

    async def ask(
        self,
        text: str,
        *,
        wait: bool = True,
        timeout: float | None = config.ANSWER_GRACE,  # noqa: ASYNC109 (it begins with each silence)
        replace: bool = False,
    ) -> AsyncUtterance:
        """Asks the avatar something, which the context's language model answers (FULL: `avatar.speak_response`); in a
        session without a context the function of `on_user_text` does.

        Args:
            text: the question, at most about 15 kB.
            wait: return once the answer was said or interrupted, else as soon as the service was told.
            timeout: seconds of silence after which there is no answer; None for any time.
            replace: silence what is being said and what waits, first.

        Returns:
            The answer: its `text` grows while it is said.

        Raises:
            InvalidArgument: there is no text, or too much.
            RoomNotHeld: nobody is in the session's room, and this process cannot join.
            UtteranceFailed: no answer came.
            SessionEnded: the session is over, or ended meanwhile.
            WrongMode: nothing answers in LITE, or without a context and `on_user_text`.
            Exception: what the function of `on_user_text` raises.

        Example:
            >>> s.ask("What can you show me?").text
        """
        self.lifecycle.refuse_ended()
        if not (self._is_answered or self._answerer is not None):
            raise self._nothing_answers()
        _check_words(text, None, timeout)
        if self._is_answered:
            return await self._tell(text, full.speak_response, wait=wait, timeout=timeout, replace=replace)
        _check_said(text)
        if replace:
            await self._conversation.interrupt()
        return await self._see_through(self._answer_myself(text), wait=wait, progress=False)

    def _nothing_answers(self) -> WrongMode:
        why, remedy = "it is a LITE session", f"{ANSWERED} starts one in which it is answered."
        if self.is_conversation:
            why, remedy = "it has no context", f"Give on_user_text() a function of yours that answers; or {remedy}"
        return WrongMode(f"Nothing answers in this session: {why}.", session_id=self.id, remedy=remedy)

    async def _tell(
        self,
        text: str,
        command_of: Callable[[str, str, str], full.Command],
        *,
        wait: bool,
        timeout: float | None,  # noqa: ASYNC109 (as above)
        replace: bool,
    ) -> AsyncUtterance:
        """Has the service say a text, or answer it."""
        _check_said(text)
        is_question = command_of is full.speak_response
        utterance = AsyncUtterance(text, None if is_question else text, self._clock, is_voiced=True)
        command = command_of(text, utterance.id, self.id or "")
        if replace:
            await self._conversation.interrupt()
        await self._conversation.speak(utterance, command, grace=timeout, question=is_question)
        # no bar: how long it will be is not known
        return await self._see_through(utterance, wait=wait, progress=False)

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
                with contextlib.suppress(RoomNotHeld):  # as where the session ends at this moment
                    await self.interrupt()
            raise
        return utterance

    async def interrupt(self) -> None:
        """Silence at once: what is said, and what waits, is over (LITE: `agent.interrupt`, FULL: `avatar.interrupt`).

        Nothing of it is sent any more, and the service forgets what it holds. Where nothing is said, or the session
        is over, nothing happens.

        Raises:
            RoomNotHeld: FULL: something is said, nobody is in the session's room, and this process cannot join.
        """
        self.lifecycle.refuse_fork()
        if self.is_conversation:
            await self._conversation.interrupt()
        else:
            await self._speech.interrupt()
            if self.lifecycle.room is not None:
                self.lifecycle.room.hear(b"")

    async def start_listening(self) -> None:
        """Has the avatar look attentive while it does not talk (LITE: `agent.start_listening`, FULL:
        `avatar.start_listening`).

        Raises:
            SessionEnded, RoomNotHeld: as for `say`.
        """
        await self._pose(start=True)

    async def stop_listening(self) -> None:
        """Has the avatar look idle again (LITE: `agent.stop_listening`, FULL: `avatar.stop_listening`).

        Raises:
            SessionEnded, RoomNotHeld: as for `say`.
        """
        await self._pose(start=False)

    async def _pose(self, *, start: bool) -> None:
        self.lifecycle.refuse_ended()
        if self.is_conversation:
            await self._conversation.listen(start=start)
        else:
            await self._speech.listen(start=start)

    async def start_push_to_talk(self) -> None:
        """The user's turn begins: what the microphone hears is heard (FULL: `user.start_push_to_talk`).

        Raises:
            SessionEnded, RoomNotHeld: as for `say`.
            WrongMode: the session was not started with `interactivity_type="PUSH_TO_TALK"`.
        """
        await self._push_to_talk("start_push_to_talk", start=True)

    async def stop_push_to_talk(self) -> None:
        """The user's turn is over, and the avatar answers (FULL: `user.stop_push_to_talk`).

        Raises:
            SessionEnded, RoomNotHeld, WrongMode: as for `start_push_to_talk`.
        """
        await self._push_to_talk("stop_push_to_talk", start=False)

    async def _push_to_talk(self, what: str, *, start: bool) -> None:
        self.lifecycle.refuse_ended()
        if not self.is_conversation or self._options.interactivity_type != "PUSH_TO_TALK":
            raise WrongMode(
                f"{what}() needs a conversation in which the user's turn is told.",
                session_id=self.id,
                remedy='Start it with a context and interactivity_type="PUSH_TO_TALK".',
            )
        await self._conversation.push_to_talk(start=start)

    # what its life has it do

    def _speak_by_room(self, room: RoomLine | None) -> None:
        """Begin the conversation; this process is in the room from here on if it draws it, or answers."""
        self._events.types = full.EVENT_TYPES
        if room is not None:
            self._conversation.connect(room)
            if room.kind == "drawn" or self._answerer is not None:
                room.need()

    def _receive_frame(self, event: Event) -> None:
        """Take an event of the WebSocket in, and hand on what it means in either spelling."""
        for heard in self._speech.receive(event):
            self._events.put(heard)

    def _receive_packet(self, event: Event) -> bool:
        """Take an event of the room in, and hand it on; return whether it is new, and this session's."""
        is_new = self._conversation.receive(event)
        if is_new:
            self._events.put(event)
        return is_new

    def _close(self, end: SessionEnded) -> None:
        """End all that is said, all that waits, and the events: the session is over."""
        self._speech.close(end)
        self._conversation.close(end)
        self._events.close()


async def _given(audio: Any) -> Any:
    return audio


def _check_said(text: Any) -> None:
    if not check(text, str, "text").strip():
        raise InvalidArgument("text must hold words.", field="text")


def _check_words(text: Any, name: Any, timeout: Any) -> None:
    for field, value in (("text", text), ("name", name)):
        if value is not None and not isinstance(value, str):
            raise InvalidArgument(f"{field} must be text, not {type(value).__name__}.", field=field)
    _check_timeout(timeout)


def _check_timeout(timeout: Any) -> None:
    """Refuse what is no time-out."""
    if timeout is not None and (isinstance(timeout, bool) or not isinstance(timeout, int | float) or timeout < 0):
        raise InvalidArgument(f"timeout must be seconds, or None, not {timeout!r}.", field="timeout")
