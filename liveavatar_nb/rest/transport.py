"""`Transport`: what goes over HTTP, each call tried again as its kind allows."""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
import time
import zlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

import httpx

from .. import config
from ..concurrency.loops import EndingLoop
from ..config import Masked
from ..errors import (
    APIConnectionError,
    APIResponseError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    CertificateError,
    ClientClosed,
    ConfigurationError,
    InvalidArgument,
    LiveAvatarException,
    status_error,
)
from ..masking import secrets_in, without_secrets
from ..wirelog.exchange import Exchange
from ..wirelog.log import Wire
from .connection import Signed
from .envelope import envelope
from .network import Network
from .retry import ConnectOptions, Policy, Safety

logger = logging.getLogger("liveavatar_nb.transport")

ENCODINGS: Final = {"identity": 0, "gzip": 31, "x-gzip": 31, "deflate": 47}  # to zlib's window bits
HEADERS: Final = {"accept": "application/json", "accept-encoding": "gzip"}
GIVE_SECRETS: Final = ("/v1/sessions/token", "/v1/sessions/start")
NOT_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.LocalProtocolError,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
)


@dataclass(frozen=True)
class Call:
    """One call of the contract.

    Args:
        method: GET, POST...
        path: from `/v1` on.
        safety: what sending it twice would do.
        token: a session's token; without one the API key signs the call.
        signed: False for the calls that need no credential.
        query: parameters; None ones are left out.
        body: what is sent as JSON; None sends none.
    """

    method: str
    path: str
    safety: Safety = Safety.REPEATABLE
    token: Masked | None = None
    signed: bool = True
    query: Mapping[str, Any] | None = None
    body: Mapping[str, Any] | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class _Progress:
    """How far a request has come, as httpx tells it."""

    is_connecting = False

    async def __call__(self, event: str, told: Mapping[str, Any]) -> None:
        self.is_connecting = event.startswith("connection.")


class Transport:
    """Sends calls and decodes their envelopes.

    Args:
        base_url: the service's address, without `/v1`.
        key: the API key.
        http_client: an `httpx.AsyncClient` of the caller's, who also closes it; made at first use when not given.
        options: attempts, base delay and limit of one attempt; the package's own policy when not given.
        network: the way to the service; the environment's when not given.
    """

    def __init__(
        self,
        base_url: str,
        key: Masked,
        *,
        http_client: httpx.AsyncClient | None = None,
        options: ConnectOptions | None = None,
        network: Network | None = None,
    ) -> None:
        if http_client is not None and not isinstance(http_client, httpx.AsyncClient):
            raise InvalidArgument(f"The HTTP client must be an httpx.AsyncClient, not {type(http_client).__name__}.")
        if not key.fits_a_header:
            raise ConfigurationError(f"The API key {key.source} holds signs that no key has.", remedy="Copy it anew.")
        self.base_url = base_url
        self.key = key
        self.network = network or Network.of()
        self.closed = False
        self.last: Exchange | None = None
        self.wire = Wire()
        self._policy = Policy.of(options)
        self._lent = http_client
        self._own: dict[str, httpx.AsyncClient] = {}  # by what begins the addresses that they call
        self._owner = (0, 0)

    def _client(self, url: str, safety: Safety = Safety.REPEATABLE) -> httpx.AsyncClient:
        """The client that calls an address, or all that begin with it."""
        lent_is_open = self._lent is not None and not self._lent.is_closed
        if self._lent is not None and lent_is_open and not self.closed:
            return self._lent
        # a stop must arrive, also where the client it came by was closed
        if (self.closed or self._lent is not None) and safety is not Safety.INSISTENT:
            raise ClientClosed
        # what must not go twice goes on a connection of its own: a pooled one may be dead already
        if safety is Safety.ONCE:
            return self._new_client(url)
        # a client belongs to its loop; and a forked child shares the sockets of its parent, which it must not touch
        owner = (os.getpid(), id(asyncio.get_running_loop()))
        if self._owner != owner:
            self._own, self._owner = {}, owner
        if url not in self._own:
            if not self._own and isinstance(loop := asyncio.get_running_loop(), EndingLoop):
                loop.at_end(self._close_own)
            self._own[url] = self._new_client(url)
        return self._own[url]

    def _new_client(self, url: str) -> httpx.AsyncClient:
        return httpx.AsyncClient(**self.network.for_http(url), headers=HEADERS)

    @property
    def is_out_of_reach(self) -> bool:
        """Whether it goes by a transport of the caller's own making, which no other process has."""
        if self._lent is None:
            return False
        # httpx tells of them nowhere else
        ways = [getattr(self._lent, "_transport", None), *getattr(self._lent, "_mounts", {}).values()]
        return any(way is not None and type(way) is not httpx.AsyncHTTPTransport for way in ways)

    @property
    def caveat(self) -> str:
        """What of the way to the service another process cannot be told, in words; empty where it can be told all."""
        if self.is_out_of_reach:
            return "http_client has a transport of its own, which no other process has"
        if self._lent is not None:
            return "of http_client no other process knows the proxy, the certificates and the headers"
        return self.network.caveat

    async def aclose(self) -> None:
        """Closes the client that was made here; one that was handed in stays open."""
        self.closed = True
        await self._close_own()

    async def _close_own(self) -> None:
        own, self._own = self._own, {}
        if self._owner == (os.getpid(), id(asyncio.get_running_loop())):
            for client in own.values():
                await client.aclose()

    async def send(self, call: Call) -> dict[str, Any]:
        """The decoded envelope of `call`, tried again as `retry` says.

        Raises:
            APIConnectionError, APITimeoutError, APIResponseError, APIStatusError: see `errors`.
        """
        now = asyncio.get_running_loop().time
        limit = self._policy.limit(call.safety)
        deadline = now() + limit
        attempt = 0
        while True:
            attempt += 1
            try:
                async with asyncio.timeout_at(deadline):
                    return await self._once(call, deadline)
            except TimeoutError:
                raise APITimeoutError(f"{call} was not answered within {limit:g} s.") from None
            except LiveAvatarException as failure:
                if call.token is not None and _goes_by_key(call) and _is_refused(failure):
                    call = replace(call, token=None)
                    continue
                if isinstance(failure, AuthenticationError):
                    failure.remedy = self._whose_credential(call)
                wait = self._policy.wait(failure, call.safety, attempt, deadline - now())
                if wait is None:
                    raise
                logger.info("%s failed (%s), trying again in %.1f s", call, failure.message, wait)
            await asyncio.sleep(wait)

    def _whose_credential(self, call: Call) -> str:
        if call.token is not None:
            return "It was the session's own token: start a new session."
        return f"The key came {self.key.source}: check it, or give another one."

    async def _once(self, call: Call, deadline: float) -> dict[str, Any]:
        client = self._client(self.base_url, call.safety)
        request = client.build_request(
            call.method,
            self.base_url + call.path,
            params={name: value for name, value in (call.query or {}).items() if value is not None} or None,
            json=call.body,
            # a client that was made here has them already, which is quicker
            headers=HEADERS if client is self._lent else None,
            timeout=httpx.Timeout(
                self._policy.attempt_limit or config.READ_TIMEOUT,
                connect=min(config.CONNECT_TIMEOUT, self._policy.attempt_limit or config.CONNECT_TIMEOUT),
            ),
        )
        exchange = self.last = Exchange(
            call.method,
            str(request.url),
            None if not call.signed else "bearer" if call.token else "key",
            call.body,
            sent_size=0 if call.body is None else int(request.headers["content-length"]),
        )
        tell = self.wire.add(exchange)
        try:
            # the body has no name here: a traceback that shows local variables must not show tokens
            return envelope(
                *await self._exchange(call, client, request, exchange),
                str(call),
                lambda data: without_secrets(data, self._secrets(call)),
                keep=lambda data: self._keep(exchange, data, call),
            )
        except LiveAvatarException as failure:
            exchange.error = failure.message
            raise
        except asyncio.CancelledError:
            is_late = asyncio.get_running_loop().time() >= deadline
            exchange.error = "It was not answered in time." if is_late else "It was cancelled."
            raise
        finally:
            tell()

    async def _exchange(
        self, call: Call, client: httpx.AsyncClient, request: httpx.Request, exchange: Exchange
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Sends the call once; the answer's status, headers and body."""
        progress = _Progress()
        if self._policy.attempt_limit:
            # costs time, and is needed only where a limit of the caller's can end a connect
            request.extensions["trace"] = progress
        credential = (call.token or self.key) if call.signed else None
        auth = None if credential is None else Signed(credential, bearer=call.token is not None)
        began = time.perf_counter()
        failure: BaseException
        try:
            async with asyncio.timeout(self._policy.attempt_limit):
                response = await client.send(request, auth=auth, stream=True, follow_redirects=False)
                _protect_close(response)
                try:
                    exchange.status = response.status_code
                    exchange.request_id = response.headers.get("x-request-id")
                    return response.status_code, response.headers, await _read(response, config.BODY_LIMIT)
                finally:
                    exchange.size = response.num_bytes_downloaded
                    await response.aclose()
        except LiveAvatarException:
            raise
        except TimeoutError:
            limit = self._policy.attempt_limit
            told = "in time" if limit is None else f"within {limit:g} s"
            failure = APITimeoutError(f"{call} was not answered {told}.", sent=not progress.is_connecting)
        except asyncio.CancelledError as cancelled:
            # its words are kept: anyio's cancel scopes know their own by them
            failure = asyncio.CancelledError(*cancelled.args)
        except Exception as error:  # noqa: BLE001 (also what the hooks of a client that was handed in raise)
            failure = _no_answer(error, str(call))
        finally:
            exchange.seconds = time.perf_counter() - began
            if client not in (*self._own.values(), self._lent):
                await client.aclose()
            if self.closed:
                await self._close_own()
        # raised anew: in the frames of the original lie the request's headers
        raise failure

    def _keep(self, exchange: Exchange, answer: Any, call: Call) -> None:
        """Writes down what was answered, and learns the secrets that a session is given."""
        exchange.keep_answer(answer, self._secrets(call))
        data = answer.get("data") if call.path in GIVE_SECRETS and isinstance(answer, dict) else None
        if isinstance(data, dict) and isinstance(session_id := data.get("session_id"), str):
            self.wire.hide(session_id, secrets_in(data))

    def _secrets(self, call: Call) -> list[str]:
        """What an answer may quote of its request, and must not show."""
        return [self.key.reveal(), call.token.reveal() if call.token else "", *secrets_in(call.body)]

    async def fetch(self, url: str) -> tuple[str, bytes]:
        """Media type and bytes of a picture, without any credential.

        Raises:
            APIConnectionError, APIStatusError, APIResponseError: as for `send`.
        """
        what = "GET of a picture"
        try:
            client = self._client("{0.scheme}://{0.netloc}".format(urlsplit(url)))
            # auth=None keeps httpx from sending what a user's client or .netrc holds for that host
            request = client.build_request("GET", url, headers={"accept": "*/*"}, timeout=config.READ_TIMEOUT)
            async with asyncio.timeout(config.TOTAL_TIMEOUT):
                response = await client.send(request, auth=None, stream=True, follow_redirects=False)
                _protect_close(response)
                try:
                    body = await _read(response, config.PICTURE_LIMIT)
                finally:
                    await response.aclose()
        except LiveAvatarException:
            raise
        except TimeoutError:
            raise APITimeoutError(f"{what} was not answered within {config.TOTAL_TIMEOUT:g} s.") from None
        except Exception as failure:  # noqa: BLE001 (as for `send`)
            raise _no_answer(failure, what) from None
        if response.status_code != 200:
            raise status_error(response.status_code, None, what)
        return response.headers.get("content-type", "application/octet-stream").split(";")[0], body


class _WholeClose(httpx.AsyncByteStream):
    """A response's stream whose close is finished even if the call is cancelled in its middle.

    httpcore shields it from anyio's scopes only, not from a task's own cancellation, which leaves the connection in
    the pool as if it were in use: a socket for each, until there is none left.
    """

    _closing: ClassVar[set[asyncio.Future[None]]] = set()  # a loop holds its tasks weakly

    def __init__(self, stream: httpx.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._stream:
            yield piece

    async def aclose(self) -> None:
        closing = asyncio.ensure_future(self._stream.aclose())
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)
        await asyncio.shield(closing)


def _protect_close(response: httpx.Response) -> None:
    if isinstance(response.stream, httpx.AsyncByteStream) and not isinstance(response.stream, httpx.ByteStream):
        response.stream = _WholeClose(response.stream)


async def _read(response: httpx.Response, limit: int) -> bytes:
    """The body, unpacked, but no further than `limit` bytes: a small one can unpack to gigabytes."""
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ENCODINGS:
        raise APIResponseError(f"The service's answer is packed as {encoding[:20]!r}, which was not asked for.")
    body = await _unpacked(response, ENCODINGS[encoding], limit + 1)
    if body is None:
        raise APIResponseError(f"The service's answer could not be unpacked ({encoding}).")
    if len(body) > limit:
        del body  # a traceback that shows local variables must not show tokens
        raise APIResponseError(f"The service's answer is larger than {limit // 1024} KiB.")
    return body


async def _unpacked(response: httpx.Response, window: int, most: int) -> bytes | None:
    """The first `most` bytes of the body, at least; None where it is not packed as it says."""
    unpack = zlib.decompressobj(window).decompress if window else None
    body = bytearray()
    if response.is_stream_consumed:
        # a client that was handed in may answer from memory, as those of tests do
        return response.content
    async for piece in response.aiter_raw():
        try:
            body += piece if unpack is None else unpack(piece, most - len(body))
        except zlib.error:
            return None
        if len(body) >= most:
            break
    return bytes(body)


def _no_answer(failure: Exception, what: str) -> APIConnectionError:
    sent = not isinstance(failure, NOT_SENT)
    kind = type(failure).__name__
    if isinstance(failure, httpx.TimeoutException):
        return APITimeoutError(f"{what} was not answered in time ({kind}).", sent=sent)
    if (certificate := _certificate_trouble(failure)) is not None:
        told = getattr(certificate, "verify_message", "") or type(certificate).__name__
        return CertificateError(f"{what}: the service's certificate was not accepted ({told}).", sent=False)
    # only the words of a failed connection are safe to quote: others can hold a header
    told = f"{kind}: {failure}" if isinstance(failure, httpx.ConnectError) else kind
    return APIConnectionError(f"{what} got no answer ({told}).", sent=sent)


def _certificate_trouble(failure: BaseException) -> ssl.SSLCertVerificationError | None:
    cause: BaseException | None = failure
    while cause is not None and not isinstance(cause, ssl.SSLCertVerificationError):
        cause = cause.__cause__ or cause.__context__
    return cause


def _goes_by_key(call: Call) -> bool:
    """Whether the API key may sign instead of the session's token: for a stop, where its body names the session."""
    return call.safety is Safety.INSISTENT and "session_id" in (call.body or {})


def _is_refused(failure: LiveAvatarException) -> bool:
    return isinstance(failure, APIStatusError) and failure.status_code in (401, 403)
