"""`LiveAvatarAPI`: what goes over the wire, async, one method for each REST operation."""

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


class NamedRoom(Protocol):
    """A LiveKit room, of which only the name is used (`livekit.rtc.Room` is one)."""

    @property
    def name(self) -> str: ...


class LiveAvatarAPI:
    """The REST API, async.

    It sends what it is given and protects nobody: a session that you start here is yours to stop.
    `AsyncLiveAvatar` and `LiveAvatar` stop theirs themselves. The operations are grouped as in the contract:
    `sessions`, `avatars`, `voices`, `contexts`, `languages`, `credits`, `embeddings`, `secrets`,
    `llm_configurations`, `memory`.

    Args:
        api_key: the account's key; None or "" takes `LIVEAVATAR_API_KEY`, or what `config.find_key` finds.
        api_url: the service's address.
        conn_options: attempts, base delay in seconds, limit of one attempt in seconds, as ours or as
            the LiveKit plugin's `APIConnectOptions`.
        session: an `httpx.AsyncClient` of yours, which stays yours to close.
        proxy: leads to the service, for REST, WebSockets and the guard alike: `http://user:password@host:port`, also
            by `https` or `socks5`; None takes the environment's (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`,
            `NO_PROXY`), which never apply to this machine's own addresses.
        verify: who vouches for the service, for all of these: True is certifi, or `SSL_CERT_FILE` or `SSL_CERT_DIR`
            where they are set; else a path of authorities, an `ssl.SSLContext`, or False for anybody at all.

    Raises:
        ConfigurationError: there is no key, `api_url` is no address, `proxy` or `verify` cannot be used.
    """

    def __init__(
        self,
        api_key: str | Masked | None = None,
        *,
        api_url: str = config.DEFAULT_API_URL,
        conn_options: ConnectOptions | None = None,
        session: httpx.AsyncClient | None = None,
        proxy: str | httpx.URL | Masked | None = None,
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
        """The last request and its answer, as curl and as Python: `api.last.curl()`, `api.last.python()`."""
        return self.transport.last

    async def aclose(self) -> None:
        """Closes the HTTP client, if it was made here."""
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
        """Creates a LITE session in your own LiveKit room (`POST /v1/sessions/token`); nothing is billed yet.

        Args:
            livekit_url: address of your LiveKit server.
            livekit_token: the avatar's token for the room; it needs room_join, can_publish, can_subscribe
                and can_publish_data.
            room: the room; only its `name` is used.
            avatar_id: which avatar.
            is_sandbox: free, one minute, and only the sandbox avatar.
            video_quality: sent as `video_settings.quality`.

        Returns:
            The envelope `{"code", "data": {"session_id", "session_token"}, "message"}`.

        Raises:
            InvalidArgument: something that is needed is missing; nothing was sent.
        """
        own_room: dict[str, Any] = {
            "livekit_room": getattr(room, "name", None),
            "livekit_url": livekit_url,
            "livekit_client_token": masked_text(livekit_token),
        }
        del livekit_token  # a traceback that shows local variables must not show it
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
        """Starts a session (`POST /v1/sessions/start`): billing begins. Returns the envelope.

        Args:
            session_id: from `create_streaming_session`.
            session_token: from `create_streaming_session`.

        Raises:
            StartOutcomeUnknown: it may be billed; stop it by its id.
        """
        token = as_token(session_token)
        del session_token  # a traceback that shows local variables must not show it
        return await self.sessions.send_start(session_id, token)

    async def stop_streaming_session(self, session_id: str, session_token: str) -> dict[str, Any]:
        """Stops a session (`POST /v1/sessions/stop`). Returns the envelope.

        Args:
            session_id: from `create_streaming_session`.
            session_token: from `create_streaming_session`.
        """
        body = {"session_id": session_id, "reason": "USER_DISCONNECTED"}
        token = as_token(session_token)
        del session_token
        return await self.transport.send(Call("POST", "/v1/sessions/stop", Safety.INSISTENT, token=token, body=body))
