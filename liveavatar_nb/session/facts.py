"""What can be seen of a session, on both faces and by widgets: its state, times, cost, health and end."""

from __future__ import annotations

import os
from dataclasses import dataclass

from ..errors import LiveAvatarException, StopNotConfirmed
from ..models.avatars import Avatar
from ..models.base import Records
from ..models.sessions import END_WORDS, SessionRecord
from ..rooms.connection import RoomLine
from ..wirelog.exchange import SessionLabel
from ..wirelog.log import Wire
from .billing import Liability
from .dependencies import Dependencies
from .keep_alive import Audience, Upkeep
from .options import SessionOptions, SessionState
from .speech.full import Conversation
from .speech.lite import Speech
from .speech.transcript import Lines, SpokenLine
from .speech.utterance import AgentState, AsyncUtterance, UtteranceState
from .timings import Stopwatch


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


class SessionFacts:
    """A session as it is looked at; `AsyncSession` makes the facts.

    Args:
        avatar: its record.
        options: what it is started with.
        dependencies: what it has of its client.
    """

    def __init__(self, avatar: Avatar, options: SessionOptions, dependencies: Dependencies) -> None:
        self._avatar = avatar
        self._options = options
        self._pid = os.getpid()
        self._state = SessionState.CREATED
        self._liability: Liability | None = None
        self._times = Stopwatch(options.life, dependencies.clock)
        self._audience = Audience(options.unwatched, dependencies.clock)
        self._upkeep: Upkeep | None = None
        self._record: SessionRecord | None = None
        self._end_reason: str | None = None
        self._error: LiveAvatarException | None = None
        self._why_stopped: str | None = None  # where it was not the user who stopped it
        self._label = SessionLabel()
        self._answers_itself = False  # a function of the user's does
        times = self._times
        self._lines = Lines(dependencies.clock, lambda: times.elapsed)
        self._speech = Speech(dependencies.clock, self._times, self._lines, dependencies.on_change)
        self._conversation = Conversation(
            dependencies.clock, self._times, self._lines, dependencies.on_change, has_opening=options.has_opening
        )
        self._is_conversation = options.mode == "FULL"
        self._wire = dependencies.api.transport.wire
        self._room: RoomLine | None = None
        self._has_tts = dependencies.tts is not None

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
        return self._room

    @property
    def can(self) -> Abilities:
        """What it can be told now."""
        if self._state is not SessionState.CONNECTED:
            return Abilities()
        if not self.is_conversation:
            return Abilities(play=True, say=self._has_tts, interrupt=True, listen=True)
        has_way = self._room is not None and self._room.can_send
        is_pushed = self._options.interactivity_type == "PUSH_TO_TALK"
        return Abilities(
            say=has_way,
            ask=has_way and (self._is_answered or self._answers_itself),
            interrupt=has_way,
            listen=has_way,
            push_to_talk=has_way and is_pushed,
            microphone=self._room is not None and self._room.kind == "livekit",
        )

    @property
    def _is_answered(self) -> bool:
        """Whether the service answers: in FULL by the context."""
        return self.is_conversation and (self.mode == "LITE" or self._options.context_id is not None)

    @property
    def is_conversation(self) -> bool:
        """Whether it goes by its room's data channel: FULL, or LITE where the service gave no WebSocket."""
        return self._is_conversation

    @property
    def _voice(self) -> Speech | Conversation:
        """What knows what is said."""
        return self._conversation if self._is_conversation else self._speech

    @property
    def is_user_speaking(self) -> bool:
        """Whether the user's microphone is heard speaking (FULL: `user.speak_started`)."""
        return self._conversation.is_user_speaking

    @property
    def wire(self) -> Wire:
        """What went over the wire for it: requests and frames; secrets masked, sound left out."""
        return self._wire.of(self._label)

    @property
    def id(self) -> str | None:
        """The service's id; None until the token came."""
        return None if self._liability is None else self._liability.session_id

    @property
    def state(self) -> SessionState:
        """created, starting, connecting, connected, stopping, ended or failed."""
        return self._state

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
        return self._may_cost or not self._state.is_final

    @property
    def is_pursued(self) -> bool:
        """Whether it is still looked for behind the caller's back: its start's outcome, or its stop, is not certain."""
        return self._liability is not None and self._liability.is_pursued

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
        return 0.0 if self._state.is_final else self._times.left

    @property
    def credits_used(self) -> float:
        """Credits: what the service says once it ended, until then time by price."""
        if self._record is not None:
            return self._record.credits_consumed
        return self.elapsed / 60 * self._options.credits_per_minute

    @property
    def keep_alive_age(self) -> float | None:
        """Seconds since the service last heard a sign of life; None before the start."""
        return self._times.keep_alive_age

    @property
    def is_degraded(self) -> bool:
        """Whether three keep-alives in a row failed: the service ends it 5 minutes after the last that arrived."""
        return self._upkeep is not None and self._upkeep.is_degraded and not self._state.is_final

    @property
    def is_watched(self) -> bool:
        """Whether a page shows it, as far as is known."""
        return self._audience.is_there

    @property
    def unwatched_left(self) -> float | None:
        """Seconds until it is stopped because no page shows it; None where it needs none, or one shows it."""
        return self._audience.left if self._audience.is_missed and not self._state.is_final else None

    @property
    def cap_at(self) -> float | None:
        """When its cap ends it, in seconds since the epoch; None before the start."""
        return self._times.cap_at

    @property
    def end_reason(self) -> str | None:
        """The contract's end reason; None while it lives."""
        return self._end_reason

    @property
    def end_words(self) -> str | None:
        """Why it ended, in words; None while it lives."""
        if self.error is not None:
            return self.error.message.rstrip(".")
        if self._why_stopped is not None and self._state.is_final:
            return self._why_stopped
        reason = self._end_reason or ("USER_CLOSED" if self._error is not None else None)
        return END_WORDS.get(reason, reason) if reason else None

    @property
    def error(self) -> LiveAvatarException | None:
        """What went wrong, where it failed; a stop that was confirmed later on is nothing wrong any more."""
        return None if isinstance(self._error, StopNotConfirmed) and self.stop_is_confirmed else self._error

    @property
    def _may_cost(self) -> bool:
        return self._liability is not None and self._liability.is_open

    @property
    def stop_is_confirmed(self) -> bool:
        """Whether it is over and nothing of it runs at the service any more."""
        return self._state.is_final and not self._may_cost

    @property
    def is_of_this_process(self) -> bool:
        """Whether this process started it, and not the one that it was forked from."""
        return self._pid == os.getpid()

    def __repr__(self) -> str:
        words = f", {self.end_words}" if self._state.is_final else f", {self.elapsed:.0f} s"
        return f"<{type(self).__name__} {self.id or 'without id'} {self._avatar.name} {self._state}{words}>"
