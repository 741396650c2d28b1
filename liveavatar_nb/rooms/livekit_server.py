"""A LiveKit server of one's own: where it is, what it takes, tokens that it accepts, requests to its room service."""

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
    """A LiveKit server and the pair of key and secret that it takes.

    Args:
        url: its address, by `wss`, `ws`, `https` or `http`; None and "" take `LIVEKIT_URL`.
        api_key: None and "" take `LIVEKIT_API_KEY`.
        api_secret: None and "" take `LIVEKIT_API_SECRET`.

    Raises:
        ConfigurationError: something is missing, or `url` is no address.
    """

    def __init__(self, url: str | None, api_key: str | Masked | None, api_secret: str | Masked | None) -> None:
        given = {"url": url, "api_key": masked_text(api_key), "api_secret": masked_text(api_secret)}
        del api_key, api_secret  # a traceback that shows local variables must not show them
        found = {field: _found(given[field], field) for field in ENVIRONMENT}
        if missing := [field for field, value in found.items() if not value.reveal()]:
            raise _not_set_up(missing)
        self.url = _address(found["url"].reveal())
        self._key, self._secret = found["api_key"], found["api_secret"]
        self._network = Network.of()

    def __repr__(self) -> str:
        if not hasattr(self, "_key"):
            return "<LiveKitServer, refused>"  # as a traceback that shows local variables has it
        return f"<LiveKitServer {self.url}, key {self._key.source}>"

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine only."""
        return config.is_loopback(urlsplit(self.url).hostname)

    @property
    def is_encrypted(self) -> bool:
        """Whether it is reached by `wss`."""
        return self.url.startswith("wss")

    def token(self, room: str, identity: str, minutes: float, grants: dict[str, Any]) -> Masked:
        """A token that opens a room.

        Args:
            room: its name.
            identity: who joins with it.
            minutes: in which it can be used to join.
            grants: what else they may, as in `can_publish`.
        """
        from livekit.api import AccessToken, VideoGrants  # noqa: PLC0415 (only who has a room of their own needs it)

        maker = AccessToken(self._key.reveal(), self._secret.reveal()).with_identity(identity)
        maker.with_ttl(timedelta(minutes=minutes))
        maker.with_grants(VideoGrants(room_join=True, room=room, **grants))
        return Masked(maker.to_jwt(), f"a token of room {room!r} for {identity!r}")

    async def ask(self, what: str, request: Callable[[RoomService], Awaitable[R]]) -> R:
        """One request to the room service, on a connection of its own: no loop owns a room, and nothing stays open.

        Args:
            what: the request in words, for an error.
            request: makes it.

        Raises:
            AuthenticationError: it does not know the key, or the secret is another one's.
            APIConnectionError: it does not answer.
            APIResponseError: it refuses, or is no LiveKit server.
            ConfigurationError: the environment's proxy or certificates cannot be used.
        """
        import aiohttp  # noqa: PLC0415 (as livekit)
        from google.protobuf.message import DecodeError  # noqa: PLC0415
        from livekit.api import LiveKitAPI, TwirpError  # noqa: PLC0415

        session = self._session()
        service = LiveKitAPI(self.url, self._key.reveal(), self._secret.reveal(), session=session)
        at = f"The LiveKit server {self.url}"
        failure: LiveAvatarException
        try:
            # livekit-api 1.2 asks without its own time-out
            async with asyncio.timeout(config.ROOM_TIMEOUT):
                return await request(service.room)
        except TwirpError as refused:
            failure = _refusal(refused, at, what, self._key.source)
        except DecodeError:
            failure = SchemaError(f"{at} answered as no LiveKit server does.", remedy="Check LIVEKIT_URL.")
        except TimeoutError:
            failure = APITimeoutError(
                f"{at} did not answer in time.", remedy="Check LIVEKIT_URL, and that the server runs."
            )
        except aiohttp.ClientSSLError as refused:
            failure = CertificateError(f"{at} has a certificate that is not accepted ({type(refused).__name__}).")
        except (aiohttp.ClientError, OSError) as lost:
            why = (lost.strerror if isinstance(lost, OSError) else None) or type(lost).__name__
            failure = APIConnectionError(
                f"{at} cannot be reached: {why}.", remedy="Check LIVEKIT_URL, and that the server runs."
            )
        finally:
            await session.close()
        raise failure from None

    def _session(self) -> aiohttp.ClientSession:
        """What asks, by the way that all of this package takes: left to itself it knows no proxy."""
        import aiohttp  # noqa: PLC0415 (as livekit)

        tls, proxy = self._network.for_http(self.url)["verify"], self._network.proxy(self.url)
        if proxy is not None and proxy.reveal().startswith("socks"):
            raise ConfigurationError(
                f"{proxy.source} asks for SOCKS, by which no LiveKit server can be asked here.",
                remedy="Name a proxy by http, or the server in NO_PROXY where it is reached without.",
            )
        connector = aiohttp.TCPConnector(ssl=tls)
        return aiohttp.ClientSession(connector=connector, proxy=None if proxy is None else proxy.reveal())


def _found(given: Any, field: str) -> Masked:
    """What was given, else what the environment has; the text is empty where neither has it."""
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
        f"Your own room needs {names}: {'they are' if len(missing) > 1 else 'it is'} not set, and not given either.",
        remedy=(
            f"As in {looks}. A project of LiveKit Cloud has them in its settings, a server of your own in its "
            "configuration under `keys`."
        ),
    )


def _address(url: str) -> str:
    """The server's address as clients take it.

    Raises:
        ConfigurationError: it is none.
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
            "The LiveKit server's url is no address.", remedy=f"It looks like {ENVIRONMENT['url'][1]}."
        )
    if parts.username is not None or parts.password is not None:
        del url, address, parts
        raise ConfigurationError(
            "The LiveKit server's url holds a user or a password, which guests and logs would see.",
            remedy="Leave them out: the server takes a key and a secret.",
        )
    scheme = SCHEMES[parts.scheme]
    if scheme == "ws" and not config.is_loopback(parts.hostname):
        warn(f"{parts.hostname} is reached by {parts.scheme}: tokens travel there unencrypted. Use wss.")
    return parts._replace(scheme=scheme).geturl()


def _refusal(refused: TwirpError, at: str, what: str, source: str) -> LiveAvatarException:
    """What a server's refusal means here."""
    status, told = refused.status, refused.message.removeprefix("twirp error unknown: ")
    why = f": {told}" if told else ""
    if status == 401:
        return AuthenticationError(
            f"{at} did not accept the key and the secret ({what}).",
            status_code=status,
            remedy=f"The key came {source}. Check that LIVEKIT_API_KEY and LIVEKIT_API_SECRET belong to this server.",
        )
    if status == 404 and refused.code == "not_found":
        return NotFoundError(
            f"{at} could not {what}{why}.", status_code=status, remedy="participants() lists who is there."
        )
    remedy = "Is it a LiveKit server?" if refused.code == "unknown" and status < 500 else None
    return APIStatusError(f"{at} could not {what} ({status}){why}.", status_code=status, remedy=remedy)
