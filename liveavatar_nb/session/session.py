"""What the avatar of a session is told: sound, words, questions, silence; on both faces."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Callable
from typing import Any, Final

from .. import config
from ..errors import AudioError, ConfigurationError, InvalidArgument, RoomNotHeld, WrongMode
from ..protocol import full
from ..validation import check
from .hearing import SessionHearing, check_timeout
from .speech.feed import TextToSpeech, voiced
from .speech.lite import Order
from .speech.progress import follow
from .speech.utterance import AsyncUtterance

ANSWERED: Final = 'start(..., context="My guide"), or start(..., on_user_text=function),'


class SessionTalk(SessionHearing):
    """A session as it is talked with; `AsyncSession` has its life."""

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
        self._refuse_ended()
        if self.is_conversation:
            raise WrongMode(
                "play() is for LITE sessions; in a conversation the service makes the sound.",
                session_id=self.id,
                remedy="say() has a text said word for word, ask() has it answered.",
            )
        _check_words(text, name, timeout)

        given = functools.partial(_given, audio)
        utterance = AsyncUtterance(name, text, self._dependencies.clock)
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
        self._refuse_ended()
        _check_words(text, None, timeout)
        if self.is_conversation:
            if tts is not None:
                raise InvalidArgument("tts is for LITE sessions; in a conversation the service speaks.", field="tts")
            return await self._tell(text, full.speak_text, wait=wait, timeout=timeout, replace=replace)
        _check_said(text)
        tts = tts or self._dependencies.tts
        if tts is None:
            raise ConfigurationError(
                "This client has no voice of its own, which say() needs in LITE.",
                remedy="Give one, a function from text to sound: say(text, tts=...), or LiveAvatar(tts=...).",
            )
        voice = functools.partial(voiced, tts, text)
        utterance = AsyncUtterance(text, text, self._dependencies.clock)
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
        self._refuse_ended()
        if not (self._is_answered or self._answers_itself):
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
        utterance = AsyncUtterance(text, None if is_question else text, self._dependencies.clock, is_voiced=True)
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
        self._refuse_fork()
        if self.is_conversation:
            await self._conversation.interrupt()
        else:
            await self._speech.interrupt()
            if self._room is not None:
                self._room.hear(b"")

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
        self._refuse_ended()
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
        self._refuse_ended()
        if not self.is_conversation or self._options.interactivity_type != "PUSH_TO_TALK":
            raise WrongMode(
                f"{what}() needs a conversation in which the user's turn is told.",
                session_id=self.id,
                remedy='Start it with a context and interactivity_type="PUSH_TO_TALK".',
            )
        await self._conversation.push_to_talk(start=start)


async def _given(audio: Any) -> Any:
    return audio


def _check_said(text: Any) -> None:
    if not check(text, str, "text").strip():
        raise InvalidArgument("text must hold words.", field="text")


def _check_words(text: Any, name: Any, timeout: Any) -> None:
    for field, value in (("text", text), ("name", name)):
        if value is not None and not isinstance(value, str):
            raise InvalidArgument(f"{field} must be text, not {type(value).__name__}.", field=field)
    check_timeout(timeout)
