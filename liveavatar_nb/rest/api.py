"""`LiveAvatarAPI`: the async REST API, with one method per operation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, Self

from .. import config
from ..config import Masked
from ..models.requests import LiveKitConfig, VideoQuality
from ..validation import check, masked_text
from ..wirelog.exchange import Exchange
from .network import Network, Verify
from .operation import as_token
from .resources.account import AccountCredits, Embeddings, Languages, LlmConfigurations, Memories, Secrets
from .resources.avatars import Avatars
from .resources.contexts import Contexts
from .resources.sessions import Sessions
from .resources.voices import Voices
from .retry import ConnectOptions, Safety
from .transport import Call, Transport

if TYPE_CHECKING:
    import httpx
    import httpx2


class NamedRoom(Protocol):
    """A LiveKit room, e.g. `livekit.rtc.Room`; only its name is used."""

    @property
    def name(self) -> str: ...


class LiveAvatarAPI:
    """The async REST API.

    It doesn't stop sessions for you: you must stop every session that you start with it. `AsyncLiveAvatar` and
    `LiveAvatar` do stop their sessions. The operations are grouped as in the contract.

    Args:
        api_key: The account's key. None or "" uses `LIVEAVATAR_API_KEY`, or else the first key that
            `config.find_key` finds.
        api_url: The service's URL.
        conn_options: The number of attempts per call, the base delay between attempts, and the time limit of one
            attempt (both in seconds). Pass our `APIConnectOptions` or the LiveKit plugin's.
        session: Your own `AsyncClient` of httpx or httpx2; you must close it yourself.
        proxy: The proxy for REST, WebSockets and the guard: `http://user:password@host:port`, or the same with `https`
            or `socks5`. None uses the environment's proxies (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`),
            but never for this machine's own addresses.
        verify: The certificate authorities to trust for all these connections. True uses `SSL_CERT_FILE` or
            `SSL_CERT_DIR` if set, otherwise certifi. It can also be a path, an `ssl.SSLContext`, or False to trust any
            certificate.

    Attributes:
        transport: Sends the calls, and keeps a log of them.
        sessions: Tokens, start, stop, keep-alive, lists and transcripts of sessions.
        avatars: The account's own avatars, and the public ones.
        voices: The voices that avatars speak with.
        contexts: What an avatar knows, and how it behaves in a conversation.
        languages: The languages that avatars speak.
        credits: The account's remaining credits.
        embeddings: Avatars to embed in web pages.
        secrets: API keys for other services.
        llm_configurations: Your own language models.
        memory: What avatars remember from conversations.

    Raises:
        ConfigurationError: There is no key, or `api_url`, `proxy` or `verify` is invalid.
    """

    def __init__(
        self,
        api_key: str | Masked | None = None,
        *,
        api_url: str = config.DEFAULT_API_URL,
        conn_options: ConnectOptions | None = None,
        session: httpx.AsyncClient | httpx2.AsyncClient | None = None,
        proxy: str | httpx.URL | httpx2.URL | Masked | None = None,
        verify: Verify = True,
    ) -> None:
        api_key, proxy = config.find_key(api_key), masked_text(proxy)
        network = Network.of(proxy, verify)
        self.transport = Transport(
            config.find_base(api_url), api_key, http_client=session, options=conn_options, network=network
        )
        self.sessions = Sessions(self.transport)
        self.avatars = Avatars(self.transport)
        self.voices = Voices(self.transport)
        self.contexts = Contexts(self.transport)
        self.languages = Languages(self.transport)
        self.credits = AccountCredits(self.transport)
        self.embeddings = Embeddings(self.transport)
        self.secrets = Secrets(self.transport)
        self.llm_configurations = LlmConfigurations(self.transport)
        self.memory = Memories(self.transport)

    def __repr__(self) -> str:
        return f"<LiveAvatarAPI {self.transport.base_url}, key {self.transport.key.source}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()

    @property
    def last(self) -> Exchange | None:
        """The last request and its response; `api.last.curl()` and `api.last.python()` return the request as code."""
        return self.transport.last

    async def aclose(self) -> None:
        """Close the HTTP client, unless you passed your own."""
        await self.transport.aclose()

    async def create_streaming_session(
        self,
        *,
        livekit_url: str,
        livekit_token: str,
        room: NamedRoom,
        avatar_id: str,
        is_sandbox: bool = False,
        video_quality: VideoQuality | None = None,
    ) -> dict[str, Any]:
        """Create a LITE session in your own LiveKit room (`POST /v1/sessions/token`); nothing is billed yet.

        Args:
            livekit_url: The URL of your LiveKit server.
            livekit_token: The avatar's token for the room; it needs room_join, can_publish, can_subscribe
                and can_publish_data.
            room: The room; only its `name` is used.
            avatar_id: The avatar's id.
            is_sandbox: Whether to use the sandbox, which is free but limited to one minute and the sandbox avatar.
            video_quality: The video's quality, sent as `video_settings.quality`.

        Returns:
            The response's envelope: `{"code", "data": {"session_id", "session_token"}, "message"}`.

        Raises:
            InvalidArgument: A required argument is missing; nothing was sent.
        """
        own_room: dict[str, Any] = {
            "livekit_room": getattr(room, "name", None),
            "livekit_url": livekit_url,
            "livekit_client_token": masked_text(livekit_token),
        }
        del livekit_token  # keep the token out of tracebacks that print local variables
        body: dict[str, Any] = {
            "mode": "LITE",
            "avatar_id": check(avatar_id, str, "avatar_id"),
            "is_sandbox": is_sandbox,
            "livekit_config": check(own_room, LiveKitConfig, "livekit_config"),
        }
        if video_quality is not None:
            body["video_settings"] = {"quality": video_quality}
        call = Call("POST", "/v1/sessions/token", body=body)
        del body
        return await self.transport.send(call)

    async def start_streaming_session(self, session_id: str, session_token: str) -> dict[str, Any]:
        """Start a session (`POST /v1/sessions/start`); billing begins.

        Args:
            session_id: The id from `create_streaming_session`.
            session_token: The token from `create_streaming_session`.

        Returns:
            The response's envelope.

        Raises:
            StartOutcomeUnknown: The session may be running and billed; stop it by its id.
        """
        token = masked_text(session_token)
        del session_token  # keep the token out of tracebacks that print local variables
        return await self.sessions.send_start(session_id, as_token(token))

    async def stop_streaming_session(self, session_id: str, session_token: str) -> dict[str, Any]:
        """Stop a session (`POST /v1/sessions/stop`).

        Args:
            session_id: The id from `create_streaming_session`.
            session_token: The token from `create_streaming_session`.

        Returns:
            The response's envelope.
        """
        body = {"session_id": session_id, "reason": "USER_DISCONNECTED"}
        token = masked_text(session_token)
        del session_token
        call = Call("POST", "/v1/sessions/stop", Safety.INSISTENT, token=as_token(token), body=body)
        return await self.transport.send(call)
