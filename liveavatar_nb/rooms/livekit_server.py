"""The user's own LiveKit server: its address and credentials, its tokens, and its room service."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlsplit

from .. import config
from ..config import Masked
from ..errors import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    CertificateError,
    ConfigurationError,
    LiveAvatarException,
    NotFoundError,
    SchemaError,
    warn,
)
from ..rest.network import Network
from ..validation import masked_text

if TYPE_CHECKING:
    import aiohttp
    from livekit.api import TwirpError
    from livekit.api.room_service import RoomService

R = TypeVar("R")

ENVIRONMENT: Final = {
    "url": ("LIVEKIT_URL", "wss://my-project.livekit.cloud"),
    "api_key": ("LIVEKIT_API_KEY", "APIb2k7x9QwLmT4"),
    "api_secret": ("LIVEKIT_API_SECRET", "(43 letters and digits)"),
}
SCHEMES: Final = {"ws": "ws", "wss": "wss", "http": "ws", "https": "wss"}


class LiveKitServer:
    """A LiveKit server, with its key and secret.

    Args:
        url: The server's address (`wss`, `ws`, `https` or `http`); None and "" use `LIVEKIT_URL`.
        api_key: The server's key; None and "" use `LIVEKIT_API_KEY`.
        api_secret: The secret that belongs to the key; None and "" use `LIVEKIT_API_SECRET`.

    Raises:
        ConfigurationError: The address, the key or the secret is missing, or the address is invalid.
    """

    def __init__(self, url: str | None, api_key: str | Masked | None, api_secret: str | Masked | None) -> None:
        given = {"url": url, "api_key": masked_text(api_key), "api_secret": masked_text(api_secret)}
        found = {field: _found(given[field], field) for field in ENVIRONMENT}
        if missing := [field for field, value in found.items() if not value.reveal()]:
            raise _not_set_up(missing)
        self.url = _address(found["url"].reveal())
        self._key, self._secret = found["api_key"], found["api_secret"]
        self._network = Network.of()

    def __repr__(self) -> str:
        if not hasattr(self, "_key"):
            return "<LiveKitServer, refused>"  # shown in tracebacks that include local variables
        return f"<LiveKitServer {self.url}, key {self._key.source}>"

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach the server."""
        return config.is_loopback(urlsplit(self.url).hostname)

    @property
    def is_encrypted(self) -> bool:
        """Whether the server's address uses `wss`."""
        return self.url.startswith("wss")

    def token(self, room: str, identity: str, minutes: float, grants: dict[str, Any]) -> Masked:
        """Make a token for a room.

        Args:
            room: The room's name.
            identity: The participant's identity.
            minutes: For how many minutes the token can be used to join.
            grants: Further permissions, such as `can_publish`.
        """
        from livekit.api import AccessToken, VideoGrants  # noqa: PLC0415 (only users with a room of their own need it)

        maker = AccessToken(self._key.reveal(), self._secret.reveal()).with_identity(identity)
        maker.with_ttl(timedelta(minutes=minutes))
        maker.with_grants(VideoGrants(room_join=True, room=room, **grants))
        return Masked(maker.to_jwt(), f"a token for {identity!r} in the room {room!r}")

    async def ask(self, purpose: str, request: Callable[[RoomService], Awaitable[R]]) -> R:
        """Call the room service over a connection of its own, which works on any loop and is closed afterwards.

        Args:
            purpose: What the request does, for error messages, such as "remove the room".
            request: Sends the request.

        Raises:
            AuthenticationError: The server does not know the key, or the secret does not match it.
            APIConnectionError: The server does not respond.
            APIResponseError: The server refuses the request, or is not a LiveKit server.
            ConfigurationError: The environment's proxy or certificates cannot be used.
        """
        import aiohttp  # noqa: PLC0415 (as livekit)
        from google.protobuf.message import DecodeError  # noqa: PLC0415
        from livekit.api import LiveKitAPI, TwirpError  # noqa: PLC0415

        session = self._session()
        service = LiveKitAPI(self.url, self._key.reveal(), self._secret.reveal(), session=session)
        server = f"The LiveKit server {self.url}"
        failure: LiveAvatarException
        try:
            # livekit-api 1.2 does not apply its own timeout
            async with asyncio.timeout(config.ROOM_TIMEOUT):
                return await request(service.room)
        except TwirpError as refused:
            failure = _refusal(refused, server, purpose, self._key.source)
        except DecodeError:
            failure = SchemaError(f"{server} did not respond like a LiveKit server.", remedy="Check LIVEKIT_URL.")
        except TimeoutError:
            failure = APITimeoutError(
                f"{server} did not respond in time.",
                remedy="Check that LIVEKIT_URL is correct and that the server is running.",
            )
        except aiohttp.ClientSSLError as refused:
            failure = CertificateError(
                f"{server} has a certificate that could not be verified ({type(refused).__name__})."
            )
        except (aiohttp.ClientError, OSError) as lost:
            why = (lost.strerror if isinstance(lost, OSError) else None) or type(lost).__name__
            failure = APIConnectionError(
                f"{server} cannot be reached: {why}.",
                remedy="Check that LIVEKIT_URL is correct and that the server is running.",
            )
        finally:
            await session.close()
        raise failure from None

    def _session(self) -> aiohttp.ClientSession:
        """Make an HTTP session that uses the same proxy and certificates as the rest of this package.

        By default, aiohttp uses no proxy.
        """
        import aiohttp  # noqa: PLC0415 (as livekit)

        tls, proxy = self._network.for_http(self.url)["verify"], self._network.proxy(self.url)
        if proxy is not None and proxy.reveal().startswith("socks"):
            raise ConfigurationError(
                f"{proxy.source} is a SOCKS proxy, but requests to a LiveKit server do not support SOCKS.",
                remedy="Use an HTTP proxy, or add the server to NO_PROXY if it is reachable without one.",
            )
        connector = aiohttp.TCPConnector(ssl=tls)
        return aiohttp.ClientSession(connector=connector, proxy=None if proxy is None else proxy.reveal())


def _found(given: Any, field: str) -> Masked:
    """Return the given value, or else the environment variable's value, which is empty if the variable is not set."""
    if given is not None and not isinstance(given, str | Masked):
        raise ConfigurationError(f"{field} must be text, not {type(given).__name__}.")
    text = given.reveal() if isinstance(given, Masked) else given or ""
    if text.strip():
        return Masked(text.strip(), f"from the argument {field}")
    variable, _ = ENVIRONMENT[field]
    return Masked(os.environ.get(variable, "").strip(), f"from the environment's {variable}")


def _not_set_up(missing: Sequence[str]) -> ConfigurationError:
    variables = [ENVIRONMENT[field] for field in missing]
    names = ", ".join(name for name, _ in variables)
    looks = "; ".join(f"{name}={example}" for name, example in variables)
    return ConfigurationError(
        f"Your own room needs {names}, but {'they are' if len(missing) > 1 else 'it is'} neither set nor passed.",
        remedy=(
            f"For example, set {looks}. LiveKit Cloud shows the values in a project's settings; a server of your own "
            "has the key and the secret in its configuration, under `keys`."
        ),
    )


def _address(url: str) -> str:
    """Return the server's address in the form that clients use.

    Raises:
        ConfigurationError: `url` is not a valid address, or it contains credentials.
    """
    address = url.rstrip("/")
    try:
        parts = urlsplit(address)
        usable = parts.scheme in SCHEMES and bool(parts.hostname) and not (parts.query or parts.fragment)
        usable = usable and parts.port != 0 and address.isprintable() and " " not in address
    except ValueError:
        usable = False
    if not usable:
        raise ConfigurationError(
            "The LiveKit server's url is not a valid address.", remedy=f"It looks like {ENVIRONMENT['url'][1]}."
        )
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError(
            "The LiveKit server's url contains a user name or a password, which guests would see and logs would show.",
            remedy="Leave them out; authenticate with the server's key and secret instead.",
        )
    scheme = SCHEMES[parts.scheme]
    if scheme == "ws" and not config.is_loopback(parts.hostname):
        warn(f"{parts.hostname} is reached over {parts.scheme}, which sends tokens unencrypted. Use wss.")
    return parts._replace(scheme=scheme).geturl()


def _refusal(refused: TwirpError, server: str, purpose: str, source: str) -> LiveAvatarException:
    """Return the error to raise for a request that a server refused."""
    status, message = refused.status, refused.message.removeprefix("twirp error unknown: ")
    why = f": {message}" if message else ""
    if status == 401:
        return AuthenticationError(
            f"{server} could not {purpose}: it did not accept the key and the secret.",
            status_code=status,
            remedy=f"The key came {source}. Check that LIVEKIT_API_KEY and LIVEKIT_API_SECRET belong to this server.",
        )
    if status == 404 and refused.code == "not_found":
        return NotFoundError(
            f"{server} could not {purpose}{why}.", status_code=status, remedy="participants() lists who is in the room."
        )
    remedy = "Is it a LiveKit server?" if refused.code == "unknown" and status < 500 else None
    return APIStatusError(f"{server} could not {purpose} ({status}){why}.", status_code=status, remedy=remedy)
