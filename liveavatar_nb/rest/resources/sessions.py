"""`api.sessions`: create, start, stop, keep alive and list sessions, and read transcripts."""

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
    CartesiaAgentConfig,
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
    VoiceAgentWithOverrides,
)
from ...models.sessions import SessionRecord, SessionToken, StartedSession, Transcript
from ..operation import Credential, Resource, UnsentId, listing, operation
from ..retry import Safety
from ..transport import Call

P = ParamSpec("P")
R = TypeVar("R")

START = "/v1/sessions/start"
ONLY_FULL = (
    "avatar_persona", "voice_agent", "interactivity_type", "llm_configuration_id", "dynamic_variables", "memory"
)  # fmt: skip
ONLY_LITE = (
    "livekit_config", "agora_config", "elevenlabs_agent_config", "cartesia_agent_config", "openai_realtime_config",
    "gemini_realtime_config",
)  # fmt: skip


def tells_unknown(
    method: Callable[Concatenate[Sessions, P], Coroutine[Any, Any, R]],
) -> Callable[Concatenate[Sessions, P], Coroutine[Any, Any, R]]:
    """Wrap a start method so that it raises `StartOutcomeUnknown` if the session may have started despite a failure."""

    @functools.wraps(method)
    async def start(self: Sessions, /, *args: P.args, **kwargs: P.kwargs) -> R:
        session_id = str(kwargs.get("session_id", args[0] if args else None))
        pending = method(self, *args, **kwargs)
        del args, kwargs  # keep the token out of tracebacks while this frame is suspended
        try:
            return await pending
        except (APIConnectionError, APIResponseError) as failure:
            if surely_not_started(failure):
                raise
            raise StartOutcomeUnknown(
                f"Session {session_id} may have started although the call failed: {failure.message}",
                session_id=session_id,
                remedy="The start isn't retried. Stop the session by its id.",
            ) from None

    return start


class Sessions(Resource):
    """`/v1/sessions`: create, start, stop, keep alive and list sessions, and read transcripts."""

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
        """List the account's sessions (`GET /v1/sessions`).

        Args:
            type: `active` for sessions that are running and being billed, `historic` for those that have ended.
            page: The first page to fetch, from 1.
            page_size: The number of items per page, 1 to 100.
            avatar_id, embed_id, context_id: Return only sessions with this avatar, embed or context.
        """
        return SessionRecord

    @operation("GET /v1/sessions/{session_id}")
    def get(self, session_id: str) -> type[SessionRecord]:
        """Return a session, running or ended (`GET /v1/sessions/{session_id}`)."""
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
        voice_agent: VoiceAgentWithOverrides | None = None,
        interactivity_type: InteractivityType | None = None,
        llm_configuration_id: Id | None = None,
        dynamic_variables: DynamicVariables | None = None,
        memory: MemoryRef | None = None,
        livekit_config: LiveKitConfig | None = None,
        agora_config: AgoraConfig | None = None,
        elevenlabs_agent_config: ElevenLabsAgentConfig | None = None,
        cartesia_agent_config: CartesiaAgentConfig | None = None,
        openai_realtime_config: OpenAIRealtimeConfig | None = None,
        gemini_realtime_config: GeminiRealtimeConfig | None = None,
    ) -> type[SessionToken]:
        """Create a session, ready to be started (`POST /v1/sessions/token`); nothing is billed yet.

        Nested objects are dicts with the contract's fields; `liveavatar_nb.models.requests` defines their types.

        Args:
            avatar_id: The avatar's id; in the sandbox it must be dd73ea75-1218-4ef3-92ce-606d5f7fbc0a.
            mode: `LITE` (you provide the audio) or `FULL` (a conversation; 2 credits per minute instead of 1).
            is_sandbox: Whether to use the sandbox, which is free but limited to one minute and the sandbox avatar.
            video_settings: `quality` (very_high, high, medium or low; default high) and `encoding` (VP8 or H264;
                default H264).
            max_session_duration: Seconds after which the service ends the session; must not exceed the plan's limit.
            avatar_persona: FULL only: `context_id`, `voice_id`, `language`, `voice_settings`, `stt_config`. FULL needs
                either this or `voice_agent`.
            voice_agent: FULL only: a stored voice agent, as `id`, with fields beside it that override the agent's own.
                An agent of another provider makes it a LITE session without a WebSocket.
            interactivity_type: FULL only: `CONVERSATIONAL` (the service's default) or `PUSH_TO_TALK`.
            llm_configuration_id: FULL only: the id of your own language model.
            dynamic_variables: FULL only: values for the context's `${names}`; at most 50, each up to 1,000 characters.
            memory: FULL only: what the conversation remembers, as `prev_session_id` or `session_memory_id`.
            livekit_config: LITE only: your own LiveKit room.
            agora_config: LITE only: your own Agora channel.
            elevenlabs_agent_config, cartesia_agent_config, openai_realtime_config, gemini_realtime_config: LITE only:
                the agent or model that speaks through the avatar.

        Raises:
            InvalidArgument: A field is invalid or belongs to the other mode; nothing was sent.

        Warns:
            LiveAvatarWarning: The service will refuse the start, or the avatar will stay silent.
        """
        given = {name: value for name, value in locals().items() if value is not None}
        for name in ONLY_LITE if mode == "FULL" else ONLY_FULL:
            if name in given:
                other = "LITE" if mode == "FULL" else "FULL"
                raise InvalidArgument(
                    f"{name} belongs to mode {other}, not {mode}.", remedy=f"Did you mean mode={other!r}?", field=name
                )
        if avatar_persona is not None and voice_agent is not None:
            raise InvalidArgument(
                "avatar_persona and voice_agent can't be combined.",
                remedy="Leave one of them out.",
                field="voice_agent",
            )
        if mode == "FULL" and avatar_persona is None and voice_agent is None:
            raise InvalidArgument(
                "A FULL session needs either avatar_persona or voice_agent.",
                remedy='Pass e.g. avatar_persona={"context_id": context.id}.',
                field="avatar_persona",
            )
        if mode == "FULL" and voice_agent is None and not (avatar_persona or {}).get("context_id"):
            warn(
                "This FULL session has no context_id, so the avatar will never answer. "
                "Create a context with contexts.create(...)."
            )
        if is_sandbox and avatar_id != SANDBOX_AVATAR:
            warn(f"The sandbox only accepts its own avatar. Use {SANDBOX_AVATAR}.")
        return SessionToken

    @tells_unknown
    @operation("POST /v1/sessions/start", Safety.ONCE)
    def start(self, session_id: UnsentId, session_token: Credential) -> type[StartedSession]:
        """Start a session (`POST /v1/sessions/start`); billing begins.

        The call is retried only if it is certain that the service didn't process it.

        Args:
            session_id: The id from `create_token`.
            session_token: The token from `create_token`.

        Raises:
            StartOutcomeUnknown: The session may be running and billed; stop it by its id.
        """
        return StartedSession

    @tells_unknown
    async def send_start(self, session_id: str, session_token: Masked) -> dict[str, Any]:
        """Start a session like `start`, but return the envelope unchanged."""
        return await self._transport.send(Call("POST", START, Safety.ONCE, token=session_token))

    @operation("POST /v1/sessions/stop", Safety.INSISTENT)
    def stop(
        self, session_id: str | None = None, *, reason: EndReason = "UNKNOWN", session_token: Credential | None = None
    ) -> type[None]:
        """Stop a session (`POST /v1/sessions/stop`); billing ends.

        The call is retried for up to 10 s, until the service responds. If the token is rejected, the API key is used.

        Args:
            session_id: The session's id; optional if its token is given.
            reason: One of the contract's end reasons.
            session_token: The session's own token; without it, the API key is used.
        """
        _require_one_of(session_id, session_token)
        return NoneType

    @operation("POST /v1/sessions/keep-alive", Safety.TICK)
    def keep_alive(self, session_id: str | None = None, *, session_token: Credential | None = None) -> type[None]:
        """Reset a session's idle timer (`POST /v1/sessions/keep-alive`).

        A session ends after 5 minutes without a keep-alive. The call isn't retried, since another one follows soon.

        Args:
            session_id: The session's id; optional if its token is given.
            session_token: The session's own token; without it, the API key is used.
        """
        _require_one_of(session_id, session_token)
        return NoneType

    @operation("GET /v1/sessions/{session_id}/transcript")
    def transcript(
        self, session_id: str, *, start_timestamp: int | None = None, end_timestamp: int | None = None
    ) -> type[Transcript]:
        """Return what was said in a session (`GET /v1/sessions/{session_id}/transcript`).

        Args:
            session_id: The session's id.
            start_timestamp: Return only lines from this time on, in the unit of `absolute_timestamp`.
            end_timestamp: Return only lines up to this time.
        """
        return Transcript

    @operation("DELETE /v1/sessions/{session_id}/events")
    def delete_events(self, session_id: str) -> type[None]:
        """Delete what was said in a session (`DELETE /v1/sessions/{session_id}/events`)."""
        return NoneType


def surely_not_started(failure: LiveAvatarException) -> bool:
    """Return whether a failed start certainly had no effect: it was never sent, or the service refused it."""
    if isinstance(failure, APIConnectionError):
        return not failure.sent
    if isinstance(failure, APIStatusError):
        return 400 <= failure.status_code < 500 and failure.status_code not in (408, 409)
    return False


def _require_one_of(session_id: str | None, session_token: str | Masked | None) -> None:
    if not (session_id or session_token):
        raise InvalidArgument(
            "session_id is missing.", remedy="sessions.list() returns the running sessions.", field="session_id"
        )
