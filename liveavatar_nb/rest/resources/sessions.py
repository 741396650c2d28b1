"""`api.sessions`: tokens, start, stop, keep-alive, lists, transcripts."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from types import NoneType
from typing import Any, Concatenate, Literal, ParamSpec, TypeVar

from ...config import SANDBOX_AVATAR, Masked
from ...errors import (
    APIConnectionError,
    APIResponseError,
    APIStatusError,
    InvalidArgument,
    LiveAvatarException,
    StartOutcomeUnknown,
    warn,
)
from ...models.requests import (
    AgoraConfig,
    AvatarPersona,
    DynamicVariables,
    ElevenLabsAgentConfig,
    EndReason,
    GeminiRealtimeConfig,
    Id,
    InteractivityType,
    LiveKitConfig,
    MemoryRef,
    Mode,
    OpenAIRealtimeConfig,
    PageNumber,
    PageSize,
    VideoSettings,
)
from ...models.sessions import SessionRecord, SessionToken, StartedSession, Transcript
from ..operation import Credential, Resource, UnsentId, listing, operation
from ..retry import Safety
from ..transport import Call

P = ParamSpec("P")
R = TypeVar("R")

START = "/v1/sessions/start"
ONLY_FULL = ("avatar_persona", "interactivity_type", "llm_configuration_id", "dynamic_variables", "memory")
ONLY_LITE = (
    "livekit_config", "agora_config", "elevenlabs_agent_config", "openai_realtime_config", "gemini_realtime_config"
)  # fmt: skip


def tells_unknown(
    method: Callable[Concatenate[Sessions, P], Coroutine[Any, Any, R]],
) -> Callable[Concatenate[Sessions, P], Coroutine[Any, Any, R]]:
    """Has a start whose outcome is not known raise `StartOutcomeUnknown`."""

    @functools.wraps(method)
    async def start(self: Sessions, /, *args: P.args, **kwargs: P.kwargs) -> R:
        session_id = str(kwargs.get("session_id", args[0] if args else None))
        work = method(self, *args, **kwargs)
        del args, kwargs  # this frame waits, and a traceback would show the token
        try:
            return await work
        except (APIConnectionError, APIResponseError) as failure:
            if surely_not_started(failure):
                raise
            raise StartOutcomeUnknown(
                f"The start of session {session_id} may have been applied: {failure.message}",
                session_id=session_id,
                remedy="It is not sent again; stop it by its id.",
            ) from None

    return start


class Sessions(Resource):
    """`/v1/sessions`: tokens, start, stop, keep-alive, lists, transcripts."""

    @listing("GET /v1/sessions")
    def list(
        self,
        *,
        type: Literal["active", "historic"] = "active",  # noqa: A002 (the contract's name)
        page: PageNumber = 1,
        page_size: PageSize = 20,
        avatar_id: str | None = None,
        embed_id: str | None = None,
        context_id: str | None = None,
    ) -> type[SessionRecord]:
        """Sessions of the account (`GET /v1/sessions`).

        Args:
            type: `active`: those that run, and bill; `historic`: those that ended.
            page: the page to begin with, from 1.
            page_size: items of a page, 1 to 100.
            avatar_id, embed_id, context_id: only those with that one.
        """
        return SessionRecord

    @operation("GET /v1/sessions/{session_id}")
    def get(self, session_id: str) -> type[SessionRecord]:
        """One session, running or ended (`GET /v1/sessions/{session_id}`)."""
        return SessionRecord

    @operation("POST /v1/sessions/token", Safety.REPEATABLE)
    def create_token(
        self,
        *,
        avatar_id: Id,
        mode: Mode = "LITE",
        is_sandbox: bool = False,
        video_settings: VideoSettings | None = None,
        max_session_duration: int | None = None,
        avatar_persona: AvatarPersona | None = None,
        interactivity_type: InteractivityType | None = None,
        llm_configuration_id: Id | None = None,
        dynamic_variables: DynamicVariables | None = None,
        memory: MemoryRef | None = None,
        livekit_config: LiveKitConfig | None = None,
        agora_config: AgoraConfig | None = None,
        elevenlabs_agent_config: ElevenLabsAgentConfig | None = None,
        openai_realtime_config: OpenAIRealtimeConfig | None = None,
        gemini_realtime_config: GeminiRealtimeConfig | None = None,
    ) -> type[SessionToken]:
        """A session that may be started (`POST /v1/sessions/token`); nothing is billed yet.

        Nested objects are dicts with the contract's fields; `liveavatar_nb.models.requests` has their types.

        Args:
            avatar_id: which avatar; in the sandbox dd73ea75-1218-4ef3-92ce-606d5f7fbc0a.
            mode: `LITE` (you bring the sound) or `FULL` (a conversation; 2 credits a minute instead of 1).
            is_sandbox: free, one minute, and only the sandbox avatar.
            video_settings: `quality` (very_high, high, medium, low; high) and `encoding` (VP8, H264; H264).
            max_session_duration: seconds until the service ends it, at most the plan's limit.
            avatar_persona: FULL, where it is needed: `context_id`, `voice_id`, `language`, `voice_settings`,
                `stt_config`.
            interactivity_type: FULL: `CONVERSATIONAL`, which the service takes where not given, or `PUSH_TO_TALK`.
            llm_configuration_id: FULL: a language model of your own.
            dynamic_variables: FULL: what the context's `{{names}}` stand for; at most 50, of 1,000 characters each.
            memory: FULL: `prev_session_id`, `session_memory_id`.
            livekit_config: LITE: your own LiveKit room.
            agora_config: LITE: your own Agora channel.
            elevenlabs_agent_config, openai_realtime_config, gemini_realtime_config: LITE: who speaks through it.

        Raises:
            InvalidArgument: a field is wrong, or belongs to the other mode; nothing was sent.

        Warns:
            LiveAvatarWarning: it will be refused, or stay silent.
        """
        given = {name: value for name, value in locals().items() if value is not None}
        for name in ONLY_LITE if mode == "FULL" else ONLY_FULL:
            if name in given:
                other = "LITE" if mode == "FULL" else "FULL"
                raise InvalidArgument(
                    f"{name} belongs to mode {other}, not {mode}.", remedy=f"Did you mean mode={other!r}?", field=name
                )
        if mode == "FULL" and avatar_persona is None:
            raise InvalidArgument(
                "A FULL session needs avatar_persona.",
                remedy='As in avatar_persona={"context_id": contexts.list()[0].id}.',
                field="avatar_persona",
            )
        if mode == "FULL" and not (avatar_persona or {}).get("context_id"):
            warn(
                "FULL without a context_id: the avatar will be seen, but never answer. contexts.create(...) makes one."
            )
        if is_sandbox and avatar_id != SANDBOX_AVATAR:
            warn(f"The sandbox takes only its own avatar, {SANDBOX_AVATAR}.")
        return SessionToken

    @tells_unknown
    @operation("POST /v1/sessions/start", Safety.ONCE)
    def start(self, session_id: UnsentId, session_token: Credential) -> type[StartedSession]:
        """Starts a session (`POST /v1/sessions/start`): billing begins.

        Sent again only where it surely was not processed.

        Args:
            session_id: from `create_token`.
            session_token: from `create_token`.

        Raises:
            StartOutcomeUnknown: it may be billed; stop it by its id.
        """
        return StartedSession

    @tells_unknown
    async def send_start(self, session_id: str, session_token: Masked) -> dict[str, Any]:
        """As `start`, with the envelope as it came."""
        return await self._transport.send(Call("POST", START, Safety.ONCE, token=session_token))

    @operation("POST /v1/sessions/stop", Safety.INSISTENT)
    def stop(
        self, session_id: str | None = None, *, reason: EndReason = "UNKNOWN", session_token: Credential | None = None
    ) -> type[None]:
        """Stops a session (`POST /v1/sessions/stop`): billing ends.

        Sent again until it is answered, for 10 s; where its token is refused, the API key signs instead.

        Args:
            session_id: which; may be left out where its token is given.
            reason: the contract's end reason.
            session_token: the session's own token; without it the API key signs.
        """
        _need_one_of(session_id, session_token)
        return NoneType

    @operation("POST /v1/sessions/keep-alive", Safety.TICK)
    def keep_alive(self, session_id: str | None = None, *, session_token: Credential | None = None) -> type[None]:
        """Resets a session's idle timer (`POST /v1/sessions/keep-alive`); without one it ends after 5 minutes.

        Not sent again: the next one takes its place.

        Args:
            session_id: which; may be left out where its token is given.
            session_token: the session's own token; without it the API key signs.
        """
        _need_one_of(session_id, session_token)
        return NoneType

    @operation("GET /v1/sessions/{session_id}/transcript")
    def transcript(
        self, session_id: str, *, start_timestamp: int | None = None, end_timestamp: int | None = None
    ) -> type[Transcript]:
        """What was said in a session (`GET /v1/sessions/{session_id}/transcript`).

        Args:
            session_id: which.
            start_timestamp: only from this on, as the lines' `absolute_timestamp` counts.
            end_timestamp: only up to this.
        """
        return Transcript

    @operation("DELETE /v1/sessions/{session_id}/events")
    def delete_events(self, session_id: str) -> type[None]:
        """Deletes what was said in a session (`DELETE /v1/sessions/{session_id}/events`)."""
        return NoneType


def surely_not_started(failure: LiveAvatarException) -> bool:
    """Whether a start call that failed so cannot have been applied: it never left, or the service refused it."""
    if isinstance(failure, APIConnectionError):
        return not failure.sent
    if isinstance(failure, APIStatusError):
        return 400 <= failure.status_code < 500 and failure.status_code not in (408, 409)
    return False


def _need_one_of(session_id: str | None, session_token: str | Masked | None) -> None:
    if not (session_id or session_token):
        raise InvalidArgument(
            "session_id is missing.", remedy="sessions.list() has those that run.", field="session_id"
        )
